//! [`Stateless`]: the stateless proxy of RFC 3261 §16.11.
//!
//! It takes what its router tells it to forward so ([`Route::stateless`](crate::routing::Route::stateless)), hands back
//! everything else, and remembers nothing of what it passed on: each copy of a request goes the same way with the same
//! branch, because both are computed from the request; each response goes where its next Via says.
//!
//! ```text
//!  request --> valid? --> router --> one hop, by hash --> Need::SelectFlow --> branch by hash, sent
//!  response --> our Via off --> the next Via --> Need::SelectFlow --> sent
//! ```
//! A custom server feeds it with messages as they come from the transport, before any transaction sees them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_message::header::{NameAddr, Via};
use sip_message::uri::Scheme;
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_transaction::{Branch, TransactionLayer};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

use super::proxy::route::{self, Mark, Side};
use super::unanswered::Unanswered;
use super::{Answer, Ipv4Text, Need, Refusal, RoleOutput, Token, unknown_options};
use crate::domain::Domains;
use crate::guard::hop;
use crate::guard::throttle::own_reports_only;
use crate::guard::{Class, Throttle};
use crate::routing::{self, Action, Router};

/// How a [`Stateless`] proxy behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatelessConfig {
    /// The names and addresses of this server: a Route that names it comes off.
    pub domains: Domains,
    /// Which requests are forwarded statelessly, and where to.
    pub router: Arc<dyn Router>,
    /// How many messages may wait for their flow; more are dropped, and come again.
    pub max_waiting: usize,
    /// How long a message waits for its flow.
    pub need_timeout: Duration,
    /// What a request without Max-Breadth gets (RFC 5393 §5.3.3), and what none may exceed.
    pub max_breadth: u32,
    /// Requests that make a dialog get a Record-Route, which is proved with a key from this seed: what follows in the dialog
    /// passes here too, statelessly, wherever it goes. `None`: the ends speak with each other from then on. Not for user
    /// agents that are reached by the connection alone that they opened: a stateless proxy knows none.
    pub record_route: Option<Seed>,
}

impl StatelessConfig {
    /// The usual behaviour with this router.
    #[must_use]
    pub fn new(domains: Domains, router: Arc<dyn Router>) -> Self {
        Self {
            domains,
            router,
            max_waiting: 10_000,
            need_timeout: Duration::from_secs(5),
            max_breadth: 60,
            record_route: None,
        }
    }
}

/// The stateless proxy. See the [module](self).
#[derive(Debug)]
pub struct Stateless {
    config: StatelessConfig,
    waiting: Unanswered<Waiting>,
    outputs: VecDeque<RoleOutput>,
    /// Which of several servers behind one name was taken, so that a retransmission goes there too: the choice of RFC 3263
    /// §4.2 is by chance. Bounded, and a loss of it costs a second copy of one request at another server.
    chosen: VecDeque<(u64, FlowId)>,
    mark: Option<Mark>,
    /// What servers further on want held back, if that is heeded (RFC 7339).
    throttle: Option<Throttle>,
    last_now: Option<Instant>,
}

/// What waits for its flow.
#[derive(Debug)]
enum Waiting {
    Request {
        request: Box<Request>,
        hash: u64,
        /// Where it came from, and whether its Request-URI was a SIPS one, if it makes a dialog that we stay on the path of.
        incoming: Option<(Flow, bool)>,
        /// The request as it came, and where its answers go: for when it is held back. `None`: nothing is.
        held: Option<Box<(Request, FlowId)>>,
    },
    Response(Box<Response>),
}

/// How many choices are remembered.
const CHOICES: usize = 1024;

impl Stateless {
    /// A proxy that has seen nothing, and never will have.
    #[must_use]
    pub fn new(config: StatelessConfig) -> Self {
        let mark = config
            .record_route
            .as_ref()
            .map(|seed| Mark::new(&seed.derive("stateless mark")));
        Self {
            config,
            mark,
            throttle: None,
            waiting: Unanswered::new(),
            outputs: VecDeque::new(),
            chosen: VecDeque::new(),
            last_now: None,
        }
    }

    /// From now on requests are held back from servers that ask for it (RFC 7339), and what they say is known to whoever else has
    /// this throttle. The transactions have to [ask](sip_transaction::TransactionConfig::overload_control) too. What a server asked
    /// for is no state of any transaction: every copy of a request meets the same decision as long as the server says the same.
    pub fn use_throttle(&mut self, throttle: &Throttle) {
        self.throttle = Some(throttle.clone());
    }

    /// A request arrived over `flow`; answers to it go over `reply`. What is not to be forwarded statelessly comes back.
    pub fn handle_request(
        &mut self,
        request: Box<Request>,
        flow: Flow,
        reply: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Box<Request>> {
        if !self.config.router.has_stateless() {
            return Some(request);
        }
        self.last_now = Some(now);
        // What follows in a dialog goes where its route set says, whatever the rules say.
        let action = if self.is_marked(&request) {
            None
        } else {
            let route = self.config.router.route(&request, &flow);
            match route.filter(routing::Route::is_stateless) {
                Some(route) => Some(route.into_action()),
                None => return Some(request),
            }
        };
        let is_recorded = self.mark.is_some() && route::makes_route(&request, action.is_none());
        let incoming = is_recorded.then(|| (flow, route::is_secure(&request)));
        let branch = Branch::stateless(&request);
        let hash = hash_of(&branch);
        if *request.method() == Method::Ack && request.headers().to_tag() == Some(&*own_tag(hash)) {
            // To an answer of ours: whoever is further on has heard nothing of it.
            return None;
        }
        // As it came, for an answer of ours that may still be needed.
        let held = self
            .throttle
            .is_some()
            .then(|| Box::new((Request::clone(&request), reply.id)));
        let mut request = request;
        match self.prepare(&mut request, flow, action, hash) {
            Ok(next_hop) => {
                let size = request.encoded_len();
                let waiting = Waiting::Request {
                    request,
                    hash,
                    incoming,
                    held,
                };
                self.need(waiting, next_hop, size, now);
            }
            // RFC 3261 §16.11: as a stateless user agent server (§8.2.7), which never answers an ACK
            // or a CANCEL.
            Err(_) if matches!(request.method(), Method::Ack | Method::Cancel) => {}
            Err(refusal) => {
                // The same tag for each copy of the request.
                if let Ok(response) = refusal.builder(&request, &own_tag(hash)).build() {
                    t.forward_response(&response, reply.id, now);
                }
            }
        }
        None
    }

    /// A response arrived over `flow` that belongs to no transaction. It comes back when its topmost Via is not from here.
    pub fn handle_response(
        &mut self,
        response: Box<Response>,
        flow: Flow,
        now: Instant,
    ) -> Option<Box<Response>> {
        if !Branch::is_of_stateless(&response) {
            return Some(response);
        }
        self.last_now = Some(now);
        let mut response = response;
        if let Some(throttle) = &self.throttle {
            if let Some(via) = response.headers().values(HeaderName::Via).next() {
                throttle.heard(flow.remote, via, now);
            }
            own_reports_only(&mut response);
        }
        response.headers_mut().remove_first(HeaderName::Via);
        hop::give_back(&mut response);
        // §16.11 with §16.7 step 3: without another Via it is not to be forwarded. A Via that cannot be read leads nowhere.
        let next_hop = response
            .headers()
            .typed_all::<Via<'_>>()
            .next()
            .and_then(Result::ok)
            .and_then(|via| place_of(&via));
        if let Some(next_hop) = next_hop {
            // A response takes the transport of its Via, however large it is.
            self.need(Waiting::Response(response), next_hop, 0, now);
        }
        None
    }

    /// The answer to a need.
    pub fn handle_answer(
        &mut self,
        token: Token,
        answer: Answer,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.last_now = Some(now);
        let Some(waiting) = self.waiting.take(token) else {
            return;
        };
        let Answer::Flows(Ok(mut flows)) = answer else {
            // §16.11: a stateless proxy does nothing about errors of the transport.
            return;
        };
        match waiting {
            Waiting::Request {
                mut request,
                hash,
                incoming,
                held,
            } => {
                if let (Some(throttle), Some(held)) = (&self.throttle, held)
                    && !flows.is_empty()
                {
                    let (original, reply) = *held;
                    // RFC 7339 §5.10: to another server, if there is one, or to nobody.
                    let class = Class::of(&original);
                    let is_part = matches!(original.method(), Method::Ack | Method::Cancel);
                    flows.retain(|flow| {
                        is_part || throttle.takes_copy(flow.remote, class, hash, now)
                    });
                    if flows.is_empty() {
                        let refusal = Refusal::because(
                            StatusCode::SERVICE_UNAVAILABLE,
                            "Next Hop Overloaded",
                        );
                        if let Ok(response) = refusal.builder(&original, &own_tag(hash)).build() {
                            t.forward_response(&response, reply, now);
                        }
                        return;
                    }
                }
                if let Some(flow) = self.choose(&flows, hash) {
                    if let (Some((from, was_secure)), Some(mark)) = (&incoming, &self.mark) {
                        let is_secure = route::is_secure(&request);
                        let from = Side::new(from, None, *was_secure);
                        route::record(
                            &mut request,
                            &from,
                            &Side::new(&flow, None, is_secure),
                            mark,
                        );
                    }
                    t.forward_request(&request, flow, now);
                }
            }
            Waiting::Response(response) => {
                if let Some(flow) = flows.first() {
                    t.forward_response(&response, flow.id, now);
                }
            }
        }
    }

    /// Time passed: messages that found no flow are forgotten.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.last_now = Some(now);
        while self.waiting.pop_due(now).is_some() {}
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<RoleOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            self.waiting.deadline()
        } else {
            self.last_now
        }
    }

    /// §16.3 to §16.6: makes it what is sent, and says where to. What an answer repeats of a request stays as it came until
    /// none is needed any more.
    fn prepare(
        &self,
        request: &mut Request,
        flow: Flow,
        action: Option<Action>,
        hash: u64,
    ) -> Result<Uri, Refusal> {
        let bad = |error: &'static str| Refusal::because(StatusCode::BAD_REQUEST, error);
        request.validate().map_err(|error| bad(error.reason()))?;
        if request.headers().max_forwards() == Some(0) {
            return Err(Refusal::new(StatusCode::TOO_MANY_HOPS));
        }
        if let Some(unsupported) = unknown_options(request, HeaderName::ProxyRequire, &[]) {
            return Err(
                Refusal::new(StatusCode::BAD_EXTENSION).with(HeaderName::Unsupported, unsupported)
            );
        }
        // §16.4: the Route that led here.
        let is_ours = request
            .headers()
            .values(HeaderName::Route)
            .next()
            .and_then(|value| NameAddr::parse(value).ok())
            .is_some_and(|route| self.config.domains.is_ours(route.uri()));
        if is_ours {
            request.headers_mut().remove_first(HeaderName::Route);
        }
        // The other of two that we put there (RFC 5658 §3).
        if self.is_marked(request) {
            request.headers_mut().remove_first(HeaderName::Route);
        }
        let Some(action) = action else {
            return self.sent_on(request, flow);
        };
        match action {
            Action::Rewrite(uri) => request.set_uri(uri.as_str()).map_err(|_| bad("URI"))?,
            Action::Forward(hops) => {
                let hop = routing::choose(&hops, hash)
                    .ok_or(Refusal::new(StatusCode::TEMPORARILY_UNAVAILABLE))?;
                let asked = request.uri().map_err(|error| bad(error.reason()))?;
                let (uri, route) = hop.target(asked);
                if uri.as_str() != request.uri_str() {
                    request.set_uri(uri.as_str()).map_err(|_| bad("URI"))?;
                }
                if let Some(route) = route {
                    request.headers_mut().push_front(HeaderName::Route, route);
                }
            }
            Action::Redirect(contacts) => {
                // RFC 3261 §8.3: not to the Request-URI itself.
                let asked = request.uri().map_err(|error| bad(error.reason()))?;
                let mut others = contacts
                    .iter()
                    .filter(|contact| Uri::as_ref(contact) != asked)
                    .peekable();
                if others.peek().is_none() {
                    return Err(Refusal::new(StatusCode::NOT_FOUND));
                }
                return Err(others.fold(
                    Refusal::new(StatusCode::MOVED_TEMPORARILY),
                    |refusal, contact| refusal.with(HeaderName::Contact, format!("<{contact}>")),
                ));
            }
            Action::Reject { status, .. } => return Err(Refusal::new(status)),
        }
        self.sent_on(request, flow)
    }

    /// Is its topmost Route one that we put into this dialog?
    fn is_marked(&self, request: &Request) -> bool {
        let Some(mark) = &self.mark else {
            return false;
        };
        let headers = request.headers();
        let (Some(value), Some(call_id)) =
            (headers.values(HeaderName::Route).next(), headers.call_id())
        else {
            return false;
        };
        NameAddr::parse(value).is_ok_and(|route| mark.is_on(route.uri(), call_id))
    }

    /// What every copy gets, and where it goes.
    fn sent_on(&self, request: &mut Request, flow: Flow) -> Result<Uri, Refusal> {
        let bad = |error: &'static str| Refusal::because(StatusCode::BAD_REQUEST, error);
        request
            .headers_mut()
            .decrement_max_forwards()
            .ok_or(Refusal::new(StatusCode::TOO_MANY_HOPS))?;
        // RFC 5393 §5.3.3.
        let breadth = request
            .headers()
            .get(HeaderName::MaxBreadth)
            .and_then(|text| text.trim().parse::<u32>().ok());
        if breadth.is_none_or(|breadth| breadth > self.config.max_breadth) {
            let most = self.config.max_breadth;
            request
                .headers_mut()
                .replace_number(HeaderName::MaxBreadth, most);
        }
        let next_hop = route::next_hop(request).ok_or_else(|| bad("Malformed Route"))?;
        // §16.3, step 2: when all is rewritten, it must be something that SIP reaches.
        if !matches!(next_hop.as_ref().scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        hop::keep(request);
        // The way back over a connection is known by the port at its other end, which nobody else would tell.
        if flow.kind != TransportKind::Udp {
            request.headers_mut().set_top_via_params(
                Some(flow.remote.ip().to_canonical()),
                Some(flow.remote.port()),
            );
        }
        Ok(next_hop)
    }

    fn need(&mut self, waiting: Waiting, next_hop: Uri, size: usize, now: Instant) {
        if self.waiting.len() >= self.config.max_waiting {
            return; // Whoever sent it sends it again.
        }
        let token = self.waiting.ask(waiting, now + self.config.need_timeout);
        let need = Need::SelectFlow {
            next_hop,
            size,
            way: None,
        };
        self.outputs.push_back(RoleOutput::Need { token, need });
    }

    /// The first flow; of several the one that the request took before.
    fn choose(&mut self, flows: &[Flow], hash: u64) -> Option<Flow> {
        let [first, _, ..] = flows else {
            return flows.first().copied();
        };
        let known = self.chosen.iter().rev().find(|(other, _)| *other == hash);
        if let Some((_, id)) = known
            && let Some(flow) = flows.iter().find(|flow| flow.id == *id)
        {
            return Some(*flow);
        }
        if self.chosen.len() >= CHOICES {
            self.chosen.pop_front();
        }
        self.chosen.push_back((hash, first.id));
        Some(*first)
    }
}

/// What decides among targets of equal standing: the same for each copy of a request, for its CANCEL and its ACK.
fn hash_of(branch: &Branch) -> u64 {
    let digits = branch.as_str().get(8..24).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or_default()
}

/// The tag of an answer of ours: the same for each copy of the request, whose ACK has the same branch.
fn own_tag(hash: u64) -> String {
    format!("{hash:016x}")
}

/// Where a response with this topmost Via goes (RFC 3261 §18.2.2, RFC 3581 §4).
fn place_of(via: &Via<'_>) -> Option<Uri> {
    let kind = TransportKind::from_via(via.transport().as_str())?;
    let mut uri = String::with_capacity(64);
    uri.push_str("sip:");
    let ip = via.received().or_else(|| via.host().ip());
    match ip {
        Some(std::net::IpAddr::V4(ip)) => uri.push_str(Ipv4Text::of_ip(ip).as_str()),
        Some(std::net::IpAddr::V6(ip)) => {
            let _infallible = write!(uri, "[{ip}]");
        }
        None => {
            let _infallible = write!(uri, "{}", via.host());
        }
    }
    let port = via
        .rport()
        .flatten()
        .or_else(|| via.port())
        .unwrap_or_else(|| kind.default_port());
    uri.push(':');
    let _infallible = write!(uri, "{port}");
    uri.push_str(";transport=");
    uri.push_str(kind.uri_param());
    Uri::parse(&uri).ok()
}

#[cfg(test)]
mod tests;
