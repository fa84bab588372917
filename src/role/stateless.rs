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
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_message::header::{NameAddr, Via};
use sip_message::uri::Scheme;
use sip_message::{HeaderName, Headers, Method, Request, Response, StatusCode, Uri};
use sip_transaction::{Branch, TransactionLayer};
use sip_transport::{Flow, FlowId, Seed, Target, TargetHost, TransportKind};

use super::proxy::route::{self, Mark, Side};
use super::unanswered::Unanswered;
use super::{Answer, Need, Refusal, RoleOutput, Token, unknown_options};
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
        /// The branch that each copy of it gets.
        branch: Branch,
        hash: u64,
        /// Where it came from, and whether its Request-URI was a SIPS one, if it makes a dialog that we stay on the path of.
        incoming: Option<(Flow, bool)>,
        /// The request as it came, and where its answers go: for when it is held back. `None`: nothing is.
        held: Option<Box<(Request, FlowId)>>,
    },
    Response(Box<Response>),
}

/// Where a message goes.
enum NextHop {
    /// Somewhere that is still to be read of this.
    Uri(Uri),
    Place(Target),
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

    /// Does its router ever forward anything statelessly?
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.config.router.has_stateless()
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
        if !self.is_in_use() {
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
                    branch,
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
        response.write_version();
        hop::give_back(&mut response);
        // §16.11 with §16.7 step 3: without another Via it is not to be forwarded. A Via that cannot be read leads nowhere.
        if let Some(place) = next_place(response.headers()) {
            // A response takes the transport of its Via, however large it is.
            self.need(Waiting::Response(response), NextHop::Place(place), 0, now);
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
                branch,
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
                    t.forward_request(&request, flow, &branch, now);
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
    ) -> Result<NextHop, Refusal> {
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
        if request.headers().contains(HeaderName::Route) {
            self.leave_routes(request);
        }
        let Some(action) = action else {
            return self.sent_on(request, flow, None);
        };
        let mut place = None;
        match action {
            Action::Rewrite(uri) => request.set_uri(uri.as_str()).map_err(|_| bad("URI"))?,
            Action::Forward(hops) => {
                let hop = routing::choose(&hops, hash)
                    .ok_or(Refusal::new(StatusCode::TEMPORARILY_UNAVAILABLE))?;
                if let Some(proxy) = hop.by_way() {
                    let route = routing::Hop::route(proxy);
                    let headers = request.headers_mut();
                    headers.push_front_parts(HeaderName::Route, &route);
                    // That is where it goes, and nothing needs to be read again of what was just written. RFC 3261 §26.2.2:
                    // but for a SIPS URI it is reached in another way.
                    if proxy.is_secure() || !route::is_secure(request) {
                        place = Target::from_uri(proxy).ok();
                    }
                } else {
                    let asked = request.uri().map_err(|error| bad(error.reason()))?;
                    let (uri, _) = hop.target(asked);
                    if uri.as_str() != request.uri_str() {
                        request.set_uri(uri.as_str()).map_err(|_| bad("URI"))?;
                    }
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
        self.sent_on(request, flow, place)
    }

    /// §16.4: the Route that led here comes off.
    fn leave_routes(&self, request: &mut Request) {
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

    /// What every copy gets, and where it goes, unless that is known.
    fn sent_on(
        &self,
        request: &mut Request,
        flow: Flow,
        place: Option<Target>,
    ) -> Result<NextHop, Refusal> {
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
        let next_hop = match place {
            Some(place) => NextHop::Place(place),
            None => {
                let uri = route::next_hop(request).ok_or_else(|| bad("Malformed Route"))?;
                // §16.3, step 2: when all is rewritten, it must be something that SIP reaches.
                if !matches!(uri.as_ref().scheme(), Scheme::Sip | Scheme::Sips) {
                    return Err(Refusal::new(StatusCode::UNSUPPORTED_URI_SCHEME));
                }
                NextHop::Uri(uri)
            }
        };
        request.write_version();
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

    fn need(&mut self, waiting: Waiting, next_hop: NextHop, size: usize, now: Instant) {
        if self.waiting.len() >= self.config.max_waiting {
            return; // Whoever sent it sends it again.
        }
        let token = self.waiting.ask(waiting, now + self.config.need_timeout);
        let need = match next_hop {
            NextHop::Uri(next_hop) => Need::SelectFlow {
                next_hop,
                size,
                way: None,
            },
            NextHop::Place(place) => Need::SelectPlace { place, size },
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

/// Where a response with these fields goes (RFC 3261 §18.2.2, RFC 3581 §4).
fn next_place(headers: &Headers) -> Option<Target> {
    if let Some(place) = headers.get_bytes(HeaderName::Via).and_then(stamped_place) {
        return Some(place);
    }
    let via = headers.typed_all::<Via<'_>>().next()?.ok()?;
    let kind = TransportKind::from_via(via.transport().as_str())?;
    let port = via
        .rport()
        .flatten()
        .or_else(|| via.port())
        .unwrap_or_else(|| kind.default_port());
    let host = match via.received() {
        Some(ip) => TargetHost::Ip(ip),
        None => via.host().into(),
    };
    Some(Target::at(host, Some(port), Some(kind)))
}

/// The same of a Via in which a transport layer has written the address and the port that its request came from, as one of ours
/// does: it needs no decoding then.
fn stamped_place(via: &[u8]) -> Option<Target> {
    let rest = via.strip_prefix(b"SIP/2.0/")?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let kind = match kind {
        b"UDP " => TransportKind::Udp,
        b"TCP " => TransportKind::Tcp,
        _ => return None,
    };
    // Nothing but one value, with nothing between its parameters and in quotes.
    if memchr::memchr3(b'"', b',', b' ', rest).is_some()
        || memchr::memchr2(b'\t', b'\n', rest).is_some()
    {
        return None;
    }
    let (mut received, mut rport) = (None, None);
    for param in rest.split(|byte| *byte == b';').skip(1) {
        let place = if let Some(value) = param.strip_prefix(b"received=") {
            received.replace(value).map(drop)
        } else if let Some(value) = param.strip_prefix(b"rport=") {
            rport.replace(value).map(drop)
        } else {
            None
        };
        if place.is_some() {
            return None; // Which of two is meant is not for this one to say.
        }
    }
    let ip: Ipv4Addr = std::str::from_utf8(received?).ok()?.parse().ok()?;
    let port: u16 = std::str::from_utf8(rport?).ok()?.parse().ok()?;
    let host = TargetHost::Ip(ip.into());
    Some(Target::at(host, Some(port), Some(kind)))
}

#[cfg(test)]
mod tests;
