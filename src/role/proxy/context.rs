//! [`Context`]: a request on its way, with its branches (the response context of RFC 3261 §16.7).

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use sip_message::{HeaderName, Request, Response, StatusCode, Uri, UriRef};
use sip_transaction::ClientTransactionId;
use sip_transport::{DeadlineId, Flow};

use super::kept::Place;
use super::route::{self, Destination};
use crate::identity::passport::Party;
use crate::location::{Binding, Q};
use crate::role::Way;
use crate::routing::{Action, Disposition, Entry, History, NumberLookup, Retarget};

/// A request on its way.
#[derive(Debug)]
pub(super) struct Context {
    /// The request as it will be forwarded, but for what differs from branch to branch.
    pub(super) request: Box<Request>,
    /// How it came.
    pub(super) flow: Flow,
    pub(super) destination: Destination,
    /// What the router decided, until it is done.
    pub(super) action: Option<Action>,
    /// When the next group is tried.
    pub(super) failover: Failover,
    /// Where it was sent, if redirections are followed: never twice to one URI (RFC 3261 §16.5).
    pub(super) tried: Vec<Uri>,
    /// The token of the flow that it came over, if its sender is reached by that alone.
    pub(super) from: Option<Box<str>>,
    /// The token of the flow that its route leads to (RFC 5626 §5.3).
    pub(super) to: Option<Box<str>>,
    /// Is that the only way, which another server of the domain knows from a binding?
    pub(super) is_edge: bool,
    /// The To tag of the responses that are ours.
    pub(super) tag: String,
    pub(super) loop_hash: u64,
    /// Did its route say that we are on the way of its dialog?
    pub(super) is_recorded: bool,
    /// How many branches it may have at a time (RFC 5393 §5.3).
    pub(super) breadth: u32,
    /// Did it come with a SIPS Request-URI?
    pub(super) is_secure: bool,
    /// How its caller wants it handled (RFC 3841 §9.1); said only where this server may act on it.
    pub(super) wish: Disposition,
    /// The targets that are not tried yet, those of one group together.
    pub(super) groups: VecDeque<Vec<Target>>,
    pub(super) branches: Vec<Branch>,
    /// Does it come from an element of the trust domain?
    pub(super) is_from_inside: bool,
    /// May its sender be served beyond the users of the domain?
    pub(super) may_leave: bool,
    /// Has it proven which of our users sends it?
    pub(super) is_proven: bool,
    /// Whom it is for, as long as that matters for its signature.
    pub(super) asked: Option<Party>,
    /// May this server sign that it was sent away from there?
    pub(super) may_divert: bool,
    /// Was its signature looked at?
    pub(super) is_checked: bool,
    /// The look-up of the number that it is for.
    pub(super) number: Option<Box<NumberLookup>>,
    /// Does it call for help?
    pub(super) is_emergency: bool,
    /// Where it has been (RFC 7044).
    pub(super) history: Option<Box<History>>,
    /// May it go where it wants without a proof of who sends it?
    pub(super) is_admitted: bool,
    /// Has it its final answer?
    pub(super) is_answered: bool,
    /// Was it cancelled, or refused by a 6xx? Then no more targets are tried.
    pub(super) is_over: bool,
    /// How many client transactions of it live.
    pub(super) live: usize,
    /// Its place among those that are over, if it is.
    pub(super) kept: Option<Place>,
}

/// Where a branch may go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) uri: Uri,
    /// The route to it, topmost first (RFC 3327 §5.4).
    pub(super) path: Vec<Box<str>>,
    /// The flow that it is reached by.
    pub(super) flow: Option<Way>,
    /// Is it where the one is whom the request is for, and nobody else (RFC 8946)?
    pub(super) keeps_callee: bool,
    /// How it came about (RFC 7044 §10.4).
    pub(super) how: Retarget,
    /// The entry of the branch whose redirection led here.
    pub(super) redirected: Option<Box<Entry>>,
    /// Other flows of the same user agent, which is called once (RFC 5626 §7), the newest first.
    pub(super) others: Vec<Self>,
}

/// When a request goes on to the next group of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failover {
    /// They are places of one user: when nobody answered the call.
    Always,
    /// They are ways to one place: when the way failed, not when the place refused.
    Unreachable,
}

/// One copy of the request.
#[derive(Debug)]
pub(super) struct Branch {
    /// The copy, for the next flow if one fails; `None` when it cannot be sent any more.
    pub(super) request: Option<Box<Request>>,
    pub(super) flows: VecDeque<Flow>,
    /// When the first of them was tried.
    pub(super) begun: Option<Instant>,
    /// The flow that it is to go by.
    pub(super) way: Option<Way>,
    /// What is tried when those fail.
    pub(super) others: Vec<Target>,
    /// How much of the breadth of the request it has.
    pub(super) share: u32,
    /// Its place in the history.
    pub(super) entry: Option<Entry>,
    pub(super) client: Option<ClientTransactionId>,
    /// Where it was sent last.
    pub(super) server: Option<SocketAddr>,
    /// Has any response come over the present flow?
    pub(super) has_heard: bool,
    /// Was it held back from a server that asked for that (RFC 7339 §5.10)?
    pub(super) is_held_back: bool,
    pub(super) timer_c: Option<DeadlineId>,
    /// Was its answer a redirection that is followed? Then the answer is no candidate for the caller.
    pub(super) is_followed: bool,
    /// Its final response.
    pub(super) response: Option<Box<Response>>,
}

impl Context {
    pub(super) fn new(
        request: Box<Request>,
        flow: Flow,
        destination: Destination,
        tag: String,
        loop_hash: u64,
        breadth: u32,
    ) -> Self {
        let is_secure = route::is_secure(&request);
        Self {
            request,
            flow,
            is_secure,
            wish: Disposition::default(),
            destination,
            action: None,
            failover: Failover::Always,
            tried: Vec::new(),
            from: None,
            to: None,
            is_edge: false,
            tag,
            loop_hash,
            breadth,
            groups: VecDeque::new(),
            branches: Vec::new(),
            is_from_inside: false,
            may_leave: false,
            is_proven: false,
            asked: None,
            may_divert: false,
            is_checked: false,
            number: None,
            is_emergency: false,
            history: None,
            is_admitted: false,
            is_recorded: false,
            is_answered: false,
            is_over: false,
            live: 0,
            kept: None,
        }
    }

    /// Whom it is for, if this server may sign that it is sent away from there.
    pub(super) fn diverts(&self) -> Option<&Party> {
        self.asked.as_ref().filter(|_| self.may_divert)
    }

    /// Has every branch its final response?
    pub(super) fn is_settled(&self) -> bool {
        self.branches.iter().all(|branch| branch.response.is_some())
    }

    /// May the next group be tried after what the others answered?
    pub(super) fn goes_on(&self) -> bool {
        !self.is_over
            && match self.failover {
                Failover::Always => true,
                Failover::Unreachable => self.branches.iter().all(|branch| {
                    branch.is_followed
                        || branch.response.as_ref().is_none_or(|response| {
                            matches!(response.status().as_u16(), 408 | 500 | 502 | 503 | 504)
                        })
                }),
            }
    }

    /// RFC 3261 §16.7, steps 6 and 7: the best of the final responses, with the challenges of all.
    pub(super) fn best(&self) -> Option<Response> {
        let finals = || {
            self.branches
                .iter()
                .filter(|branch| !branch.is_followed)
                .filter_map(|branch| branch.response.as_deref())
        };
        let best = finals().min_by_key(|response| rank(response.status()))?;
        let mut chosen = best.clone();
        if self.branches.iter().all(|branch| branch.is_held_back) {
            // RFC 7339 §5.10: 503 without Retry-After; it is not known when there will be room.
            return Some(chosen);
        }
        if is_challenge(best.status()) {
            for other in
                finals().filter(|other| !std::ptr::eq(*other, best) && is_challenge(other.status()))
            {
                for name in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
                    for value in other.headers().values(name.clone()) {
                        chosen.headers_mut().push_back(name.clone(), value);
                    }
                }
            }
        }
        // §16.7, step 6: what is unavailable is one branch, and not this server.
        if chosen.status() == StatusCode::SERVICE_UNAVAILABLE {
            let status = StatusCode::SERVER_INTERNAL_ERROR;
            chosen.set_status(status, "Next Hop Unavailable");
            chosen.headers_mut().remove_all(HeaderName::RetryAfter);
        }
        Some(chosen)
    }
}

impl Target {
    pub(super) const fn new(uri: Uri) -> Self {
        Self {
            uri,
            path: Vec::new(),
            flow: None,
            keeps_callee: false,
            how: Retarget::Same,
            redirected: None,
            others: Vec::new(),
        }
    }
}

fn is_challenge(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED || status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
}

/// The lower the better: a 6xx before all, then by class; in a class first what tells the client how to do better.
fn rank(status: StatusCode) -> (u8, u8, u16) {
    let class = if status.class() == 6 {
        0
    } else {
        status.class()
    };
    let within = match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::BAD_EXTENSION
        | StatusCode::ADDRESS_INCOMPLETE => 0,
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => 2,
        _ => 1,
    };
    (class, within, status.as_u16())
}

/// RFC 5627 §6.1: the one target of the bindings of an instance: the contact that was refreshed last, and the others for
/// when it is not reached.
pub(super) fn instance(bindings: Vec<Binding>, is_secure: bool) -> VecDeque<Vec<Target>> {
    let mut bindings = bindings;
    bindings.sort_by_key(|binding| Reverse(binding.expires));
    let bindings = bindings
        .into_iter()
        .map(|mut binding| {
            binding.q = None; // It says which place of the user is preferred, and this is one place.
            (binding, 1000)
        })
        .collect();
    let mut targets = group(bindings, is_secure, 1, Order::Sequential)
        .into_iter()
        .flatten();
    let Some(mut first) = targets.next() else {
        return VecDeque::new();
    };
    for mut other in targets {
        let more = std::mem::take(&mut other.others);
        first.others.push(other);
        first.others.extend(more);
    }
    VecDeque::from([vec![first]])
}

/// How the targets of one user are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Equally good ones together.
    ByPreference,
    /// One after the other.
    Sequential,
    /// All together.
    Parallel,
}

/// The targets of bindings with what the caller prefers of them (RFC 3841 §7.2.4), best first, those that are equally
/// good together; no group is larger than the breadth (RFC 5393 §5.3.3: what may not be forked in parallel may follow in
/// sequence).
pub(super) fn group(
    bindings: Vec<(Binding, u16)>,
    is_secure: bool,
    breadth: u32,
    order: Order,
) -> VecDeque<Vec<Target>> {
    let mut bindings = bindings;
    // Stable: equally good ones stay in the order in which they were registered. The callee's order comes first.
    bindings.sort_by_key(|(binding, qa)| Reverse((binding.q.unwrap_or_default(), *qa)));
    let limit = usize::try_from(breadth).unwrap_or(usize::MAX);
    let mut agents: Vec<(Binding, u16, Target)> = Vec::new();
    for (binding, qa) in bindings {
        let Ok(uri) = UriRef::parse(binding.contact()) else {
            continue;
        };
        // RFC 3261 §26.2.2: what was sent to a sips URI stays secure.
        if !uri.is_sip() || (is_secure && !uri.is_secure()) {
            continue;
        }
        let mut target = Target {
            uri: uri.to_uri(),
            path: binding.path().map(Box::from).collect(),
            flow: binding.flow().map(|token| Way {
                token: token.into(),
                is_only: binding.outbound().is_some(),
            }),
            keeps_callee: true,
            how: Retarget::Contact,
            redirected: None,
            others: Vec::new(),
        };
        // RFC 5626 §7: a user agent with several flows is called by one of them, the one that was registered last.
        let instance = binding.outbound().map(|(instance, _)| instance);
        let same = agents.iter_mut().find(|(other, ..)| {
            instance.is_some() && other.outbound().map(|(instance, _)| instance) == instance
        });
        match same {
            Some((other, _, first)) => {
                if binding.expires > other.expires {
                    std::mem::swap(first, &mut target);
                    first.others = std::mem::take(&mut target.others);
                    other.expires = binding.expires;
                    first.others.insert(0, target);
                } else {
                    first.others.push(target);
                }
            }
            None => agents.push((binding, qa, target)),
        }
    }
    let mut groups: VecDeque<((Q, u16), Vec<Target>)> = VecDeque::new();
    for (binding, qa, target) in agents {
        let rank = (binding.q.unwrap_or_default(), qa);
        match groups.back_mut() {
            Some((last, targets))
                if targets.len() < limit
                    && match order {
                        Order::ByPreference => *last == rank,
                        Order::Sequential => false,
                        Order::Parallel => true,
                    } =>
            {
                targets.push(target);
            }
            _ => groups.push_back((rank, vec![target])),
        }
    }
    groups.into_iter().map(|(_, targets)| targets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_16_7_step_6_which_response_is_best() {
        let mut statuses: Vec<StatusCode> = [503, 408, 486, 404, 302, 407, 603, 500, 600, 401, 480]
            .into_iter()
            .filter_map(StatusCode::from_u16)
            .collect();
        statuses.sort_by_key(|status| rank(*status));
        let order: Vec<u16> = statuses.into_iter().map(StatusCode::as_u16).collect();
        assert_eq!(
            order,
            [600, 603, 302, 401, 407, 404, 480, 486, 408, 500, 503]
        );
    }

    #[test]
    fn rfc3261_16_6_groups_by_q() {
        let now = std::time::SystemTime::UNIX_EPOCH;
        let binding = |contact: &str, q: Option<u16>| {
            let mut binding = Binding::new(contact, now, "c", 1);
            binding.q = q.map(Q::from_thousandths);
            binding
        };
        let bindings: Vec<(Binding, u16)> = vec![
            binding("sip:a@192.0.2.1", Some(500)),
            binding("sip:b@192.0.2.2", None),
            binding("mailto:c@example.com", None),
            binding("sip:d@192.0.2.4", Some(500)),
            binding("sips:e@192.0.2.5", Some(1000)),
        ]
        .into_iter()
        .map(|binding| (binding, 1000))
        .collect();
        let names = |groups: VecDeque<Vec<Target>>| -> Vec<Vec<String>> {
            groups
                .into_iter()
                .map(|group| {
                    group
                        .into_iter()
                        .map(|target| target.uri.to_string())
                        .collect()
                })
                .collect()
        };
        assert_eq!(
            names(group(bindings.clone(), false, 60, Order::ByPreference)),
            [
                ["sip:b@192.0.2.2", "sips:e@192.0.2.5"],
                ["sip:a@192.0.2.1", "sip:d@192.0.2.4"]
            ]
        );
        assert_eq!(
            names(group(bindings.clone(), true, 60, Order::ByPreference)),
            [["sips:e@192.0.2.5"]]
        );
        assert_eq!(
            names(group(bindings.clone(), false, 1, Order::Parallel)).len(),
            4
        );
        assert_eq!(
            names(group(bindings.clone(), false, 60, Order::Parallel)).len(),
            1
        );
        assert_eq!(
            names(group(bindings, false, 60, Order::Sequential)).len(),
            4
        );
    }
}
