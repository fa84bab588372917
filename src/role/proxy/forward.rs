//! Request forwarding (RFC 3261 §16.6), and the ACK to a 2xx.

use std::collections::VecDeque;
use std::time::Instant;

use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_transaction::{ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::context::{self, Branch, Target};
use super::route::{Bearing, Destination};
use super::signature::divert_copy;
use super::{Proxy, Waiting, admit, caller, route};
use crate::domain::Aor;
use crate::gruu::Wanted;
use crate::guard::{Class, hop};
use crate::location::Binding;
use crate::role::{Need, Refusal, Way};

/// What a Record-Route and a few parameters add to the size that a transport is chosen for.
const GROWTH: usize = 160;

impl Proxy {
    /// Starts the branches of the next group of targets; without one, answers.
    pub(super) fn next_group(
        &mut self,
        id: ServerTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        if self.config.stir.is_some() {
            self.divert(id);
        }
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let group = if context.goes_on() {
            context.groups.pop_front()
        } else {
            None
        };
        let Some(group) = group else {
            self.finish(id, t, now);
            return;
        };
        let share = Share::of(context.breadth, group.len());
        context.branches.reserve_exact(group.len());
        for (nth, target) in group.into_iter().enumerate() {
            let Some(context) = self.contexts.get_mut(&id) else {
                return;
            };
            let place = context.branches.len();
            if self.config.follows_redirects {
                context.tried.push(target.uri.clone());
            }
            let share = share.of_branch(nth);
            let entry = context.entry(&target);
            match copy(&context.request, &target, share) {
                Some((mut request, next_hop)) => {
                    let stir = self.config.stir.as_deref();
                    divert_copy(stir, context.diverts(), &mut request, &target);
                    if let (Some(history), Some(entry)) = (&context.history, &entry) {
                        history.write_request(&mut request, entry);
                    }
                    let size = request.encoded_len() + GROWTH;
                    let way = target.flow.or_else(|| {
                        let token = context.to.clone()?;
                        Some(Way {
                            token,
                            is_only: context.is_edge,
                        })
                    });
                    context.branches.push(Branch {
                        request: Some(Box::new(request)),
                        flows: VecDeque::new(),
                        begun: None,
                        way: way.clone(),
                        others: target.others,
                        share,
                        entry,
                        client: None,
                        has_heard: false,
                        server: None,
                        is_held_back: false,
                        timer_c: None,
                        is_followed: false,
                        response: None,
                    });
                    let need = Need::SelectFlow {
                        next_hop,
                        size,
                        way,
                    };
                    self.need(Waiting::Flows(id, place), need, now);
                }
                None => {
                    let response = Refusal::because(StatusCode::BAD_REQUEST, "Malformed Route");
                    let response = response
                        .builder(&context.request, &context.tag)
                        .build()
                        .ok()
                        .map(Box::new);
                    let nothing = Branch {
                        request: None,
                        flows: VecDeque::new(),
                        begun: None,
                        way: None,
                        others: Vec::new(),
                        share,
                        entry,
                        client: None,
                        has_heard: false,
                        server: None,
                        is_held_back: false,
                        timer_c: None,
                        is_followed: false,
                        response,
                    };
                    context.branches.push(nothing);
                }
            }
        }
        self.settle(id, t, now);
    }

    /// The flows to the next hop of a branch are known; none is as if a 503 had come (§16.9).
    pub(super) fn on_flows(
        &mut self,
        id: ServerTransactionId,
        place: usize,
        flows: Vec<Flow>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let is_edge = context.is_edge;
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        if branch.response.is_some() {
            return; // Cancelled meanwhile.
        }
        let failure = unreached(branch.way.as_ref(), is_edge);
        branch.flows = flows.into();
        self.send(id, place, failure, t, now);
    }

    /// Sends a branch over its next flow (RFC 3263 §4.3: the next, when one failed); `failure` is its answer if there
    /// is none.
    pub(super) fn send(
        &mut self,
        id: ServerTransactionId,
        place: usize,
        failure: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let (is_over, is_edge) = (context.is_over, context.is_edge);
        let is_emergency = context.is_emergency;
        let mut failure = failure;
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        // The only flow has the time of its transaction.
        let is_hurried = branch.begun.is_some() || branch.flows.len() + branch.others.len() > 1;
        let begun = *branch.begun.get_or_insert(now);
        let until =
            self.config
                .failover
                .until(begun, branch.flows.len() + branch.others.len(), now);
        let flow = if is_over || until.is_none() {
            branch.flows.clear();
            branch.others.clear();
            if failure == StatusCode::FLOW_FAILED && !is_edge {
                failure = StatusCode::TEMPORARILY_UNAVAILABLE;
            }
            None
        } else {
            branch.flows.pop_front()
        };
        let mut flow = flow;
        if self.config.heeds_overload {
            let class = match &branch.request {
                _ if is_emergency => Class::Emergency,
                Some(request) => Class::of(request),
                None => Class::New,
            };
            branch.is_held_back = false;
            // RFC 7339 §5.10: to another server, if there is one, or to nobody.
            while let Some(next) = flow
                && !self.throttle.takes(next.remote, class, now)
            {
                (flow, failure) = (branch.flows.pop_front(), StatusCode::SERVICE_UNAVAILABLE);
                branch.is_held_back = flow.is_none();
            }
        }
        if flow.is_none() && !is_over && !branch.has_heard && !branch.others.is_empty() {
            self.next_flow_of_agent(id, place, failure, t, now);
            return;
        }
        // The copy stays only where there is another flow to send it over.
        let copy = if branch.flows.is_empty() {
            branch.request.take()
        } else {
            branch.request.clone()
        };
        let (Some(flow), Some(mut request)) = (flow, copy) else {
            let refusal = match branch.is_held_back {
                true => Refusal::because(failure, "Next Hop Overloaded"),
                false => Refusal::new(failure),
            };
            self.fail(id, place, &refusal, t, now);
            return;
        };
        if let Some(trust) = &self.config.trust
            && let Err(refusal) = caller::go_out(
                &mut request,
                (trust, &self.peers),
                &self.config.domains,
                &flow,
            )
        {
            self.fail(id, place, &refusal, t, now);
            return;
        }
        let incoming = route::Side::new(&context.flow, context.from.as_deref(), context.is_secure);
        // The token is of the flow that it goes by, and not of one that was found in its place.
        let token = branch.way.as_ref().map(|way| &*way.token);
        let is_secure = route::is_secure(&request);
        let outgoing = route::Side::new(&flow, token, is_secure);
        if route::makes_route(&request, context.is_recorded) {
            route::record(&mut request, &incoming, &outgoing, &self.mark);
        }
        let is_invite = *request.method() == Method::Invite;
        let client = t.forward(&request, flow, context.loop_hash, now);
        branch.client = Some(client);
        branch.server = Some(flow.remote);
        branch.has_heard = false;
        if let (true, Some(until)) = (is_hurried, until) {
            t.give_up_at(client, until, now);
        }
        // §16.6, step 11.
        branch.timer_c = is_invite.then(|| self.timers_c.insert(now + self.config.timer_c, client));
        context.live += 1;
        self.branches.insert(client, (id, place));
    }

    /// A branch that was not sent, or not for good, has this as its answer.
    fn fail(
        &mut self,
        id: ServerTransactionId,
        place: usize,
        refusal: &Refusal,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let response = refusal.builder(&context.request, &context.tag).build().ok();
        if let Some(response) = &response {
            context.note(place, response);
        }
        if let Some(branch) = context.branches.get_mut(place) {
            branch.request = None;
            branch.response = response.map(Box::new);
        }
        self.settle(id, t, now);
    }

    /// An ACK to a 2xx goes where its route leads, if the route is ours; it is never answered.
    pub(super) fn on_ack(&mut self, request: Box<Request>, flow: Flow, now: Instant) {
        if admit::check(&request, &self.loops, self.options()).is_err()
            || self.waiting.len() >= self.config.max_contexts
        {
            return;
        }
        let mut request = request;
        let mut bearing = Bearing::of(&request, &self.config.domains);
        let Ok(route::Trusted { token, .. }) =
            route::preprocess(&mut request, &mut bearing, self.here(&flow, None))
                .and_then(|trusted| trusted.ok_or(Refusal::new(StatusCode::FORBIDDEN)))
        else {
            return;
        };
        if request.headers_mut().decrement_max_forwards().is_none() {
            return;
        }
        let domains = &self.config.domains;
        if !request.headers().contains(HeaderName::Route)
            && let Destination::Instance(aor, wanted) =
                route::destination(&request, bearing, true, domains, self.config.gruus.as_ref())
        {
            // RFC 5627 §6.1: in a dialog too, a GRUU is looked up.
            let need = Need::Lookup { aor: aor.clone() };
            let waiting = Waiting::AckBindings(request, token, aor, wanted);
            self.need(waiting, need, now);
            return;
        }
        self.route_ack(request, token, now);
    }

    /// The bindings of the user whose GRUU an ACK is for.
    pub(super) fn on_ack_bindings(
        &mut self,
        ack: Box<Request>,
        token: Option<Box<str>>,
        aor: &Aor,
        wanted: &Wanted,
        bindings: Vec<Binding>,
        now: Instant,
    ) {
        let Some(gruus) = &self.config.gruus else {
            return;
        };
        let mut bindings = bindings;
        bindings.retain(|binding| gruus.leads_to(wanted, aor, binding));
        if let Some(node) = &self.config.node {
            node.localize(&mut bindings);
        }
        let target = context::instance(bindings, false)
            .into_iter()
            .flatten()
            .next();
        let Some(target) = target else { return };
        let mut request = ack;
        if request
            .set_uri(&*target.uri.as_ref().request_uri())
            .is_err()
        {
            return;
        }
        for value in target.path.iter().rev() {
            request.headers_mut().push_front(HeaderName::Route, value);
        }
        let token = target.flow.map(|way| way.token).or(token);
        self.route_ack(request, token, now);
    }

    fn route_ack(&mut self, request: Box<Request>, token: Option<Box<str>>, now: Instant) {
        let mut request = request;
        request.write_version();
        hop::keep(&mut request);
        if let Some(next_hop) = route::next_hop(&mut request) {
            let size = request.encoded_len();
            self.need(
                Waiting::Ack(request),
                Need::SelectFlow {
                    next_hop,
                    size,
                    way: token.map(|token| Way {
                        token,
                        is_only: false,
                    }),
                },
                now,
            );
        }
    }

    /// RFC 5626 §5.3, §7: a flow that failed before anything was heard over it; the user agent may have another.
    fn next_flow_of_agent(
        &mut self,
        id: ServerTransactionId,
        place: usize,
        failure: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(context) = self.contexts.get_mut(&id) else {
            return;
        };
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        let target = branch.others.remove(0);
        let share = branch.share;
        // The flow that failed is a way, and not a place: the history has the new one alone.
        let entry = context.entry(&target);
        let history = context.history.as_deref();
        let asked = context.asked.as_ref().filter(|_| context.may_divert);
        let Some(branch) = context.branches.get_mut(place) else {
            return;
        };
        let Some((mut request, next_hop)) = copy(&context.request, &target, share) else {
            self.send(id, place, failure, t, now);
            return;
        };
        let stir = self.config.stir.as_deref();
        divert_copy(stir, asked, &mut request, &target);
        if let (Some(history), Some(entry)) = (history, &entry) {
            history.write_request(&mut request, entry);
        }
        branch.entry = entry;
        let size = request.encoded_len() + GROWTH;
        branch.request = Some(Box::new(request));
        branch.way.clone_from(&target.flow);
        let need = Need::SelectFlow {
            next_hop,
            size,
            way: target.flow,
        };
        self.need(Waiting::Flows(id, place), need, now);
    }
}

/// The answer of a branch that nothing was sent by. RFC 5626 §5.3: a user agent that keeps its flow open, and did not, is not
/// there.
pub(super) fn unreached(way: Option<&Way>, is_edge: bool) -> StatusCode {
    match way {
        // The server that has the binding may know another.
        Some(way) if way.is_only && is_edge => StatusCode::FLOW_FAILED,
        Some(way) if way.is_only => StatusCode::TEMPORARILY_UNAVAILABLE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// How a breadth is divided among the branches of a group (RFC 5393 §5.3.3): nothing of it is lost.
#[derive(Clone, Copy)]
struct Share {
    each: u32,
    /// So many branches have one more.
    more: usize,
}

impl Share {
    fn of(breadth: u32, branches: usize) -> Self {
        let branches = u32::try_from(branches).unwrap_or(u32::MAX).max(1);
        Self {
            each: breadth / branches,
            more: usize::try_from(breadth % branches).unwrap_or(0),
        }
    }

    fn of_branch(self, nth: usize) -> u32 {
        // A group is never larger than the breadth.
        (self.each + u32::from(nth < self.more)).max(1)
    }
}

/// §16.6, steps 1 to 7 but the Record-Route: the copy for a target, and the next hop.
fn copy(request: &Request, target: &Target, breadth: u32) -> Option<(Request, Uri)> {
    let mut copy = request.clone();
    copy.headers_mut().reserve(GROWTH + 64);
    copy.write_version();
    hop::keep(&mut copy);
    // Step 2: without what is not allowed in a Request-URI.
    let uri = target.uri.as_ref().request_uri();
    if uri != copy.uri_str() {
        copy.set_uri(&*uri).ok()?;
    }
    copy.headers_mut().decrement_max_forwards()?;
    // RFC 5393 §5.3.3: every proxied request has one Max-Breadth; the branches share that of the request.
    copy.headers_mut()
        .replace_number(HeaderName::MaxBreadth, breadth);
    // RFC 3327 §5.4: the path of the binding before any other route.
    for value in target.path.iter().rev() {
        copy.headers_mut().push_front(HeaderName::Route, value);
    }
    let next_hop = route::next_hop(&mut copy)?;
    Some((copy, next_hop))
}
