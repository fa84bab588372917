//! [`Transactions`]: the layer.

mod answered;
mod client;
mod list;
mod refuse;
mod repeat;
mod server;

use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sip_message::{BoxedMessage, HeaderName, Request, Response, WrittenResponse};
use sip_transport::{Flow, FlowId, Rng, Seed, TransportKind};

use self::answered::Answered;
use self::client::Client;
pub use self::list::Listed;
use self::server::Server;
use crate::arena::Arena;
use crate::compose;
use crate::index::Index;
use crate::links::FlowLists;
use crate::marks::Marks;
use crate::outputs::Outputs;
use crate::peers::Peers;
use crate::siphash::HashKey;
use crate::slab::{Key, Slab};
use crate::tick::{Clock, Span, Tick};
use crate::timer::{Times, Timing};
use crate::timers::Timers;
use crate::universal::Universal;
use crate::{
    Branch, ClientTransactionId, Gone, Input, Output, ServerTransactionId, StatelessTag, Stats,
    TransactionConfig, TransactionLayer,
};

/// The transaction layer of one worker: all its transactions, their timers, and one queue of outputs.
///
/// See the [crate documentation](crate) for the driving contract.
///
/// ```
/// use std::time::Instant;
/// use sip_message::{HeaderName, Method, Request};
/// use sip_transaction::{Flow, FlowId, Output, Seed, TransactionConfig, TransactionLayer, Transactions, TransportKind};
///
/// let now = Instant::now(); // a driver reads the clock, the layer does not
/// let mut transactions = Transactions::new(TransactionConfig::default(), Seed::from_bytes([7; 32]));
/// let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
/// let flow = Flow::new(FlowId::from_parts(1, 0), TransportKind::Udp, local, remote);
///
/// let request = Request::builder(Method::Options, "sip:bob@192.0.2.2")
///     .header(HeaderName::From, "<sip:alice@192.0.2.1>;tag=a1")
///     .header(HeaderName::To, "<sip:bob@192.0.2.2>")
///     .call_id("c1")
///     .cseq(1)
///     .build_partial()
///     .unwrap();
/// let id = transactions.request(&request, flow, now);
/// let Some(Output::Transmit { payload, .. }) = transactions.poll_output() else { panic!() };
/// assert!(payload.starts_with(b"OPTIONS sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"));
/// assert!(transactions.poll_timeout().is_some(), "Timers E and F of {id:?} run");
/// ```
#[derive(Debug)]
pub struct Transactions {
    config: TransactionConfig,
    rng: Rng,
    hash_key: HashKey,
    universal: Universal,
    times: Times,
    clock: Clock,
    clients: Slab<Client>,
    servers: Slab<Server>,
    /// Client transactions by branch and method.
    client_keys: Index,
    /// Server transactions by branch, sent-by and method.
    server_keys: Index,
    /// Server transactions by what merged requests share.
    merge_keys: Index,
    client_flows: FlowLists,
    server_flows: FlowLists,
    /// Server transactions by where their requests came from.
    peers: Peers,
    answered: Answered,
    /// Requests whose answer the TU can give again.
    marks: Marks,
    /// Where answers are written that nobody keeps.
    passing: BytesMut,
    client_timers: Timers,
    server_timers: Timers,
    outputs: Outputs,
    stats: Stats,
    /// The newest server transaction, and the header lines of its request: the 100 for it is made if it is needed.
    fresh: Option<Key>,
    fresh_headers: Vec<u8>,
    /// When it is due, if that is not among the timers yet, and when it came.
    fresh_due: Tick,
    fresh_since: Tick,
    /// Where encoded messages are kept that a timer ends.
    arena: Arena,
    /// A buffer that is used again and again.
    scratch: Vec<u8>,
    /// The last Via that was pushed: requests mostly leave over the same transport and address.
    via: Vec<u8>,
    via_prefix: usize,
    via_of: Option<(TransportKind, SocketAddr)>,
}

impl Transactions {
    /// A layer without transactions. Branches and hash keys come from the seed, and from nowhere else.
    #[must_use]
    pub fn new(config: TransactionConfig, seed: Seed) -> Self {
        let mut keys = seed.derive("transaction hash").rng();
        let times = Times::new(&config);
        let timers = || Timers::new(times.spans());
        let of_datagrams = Timing {
            times: &times,
            reliable: false,
        };
        let marks = Marks::new(of_datagrams.j(), config.max_marks);
        Self {
            client_timers: timers(),
            server_timers: timers(),
            config,
            times,
            clock: Clock::default(),
            rng: seed.derive("transaction branches").rng(),
            hash_key: HashKey(keys.next_u64(), keys.next_u64()),
            peers: Peers::new(HashKey(keys.next_u64(), keys.next_u64())),
            answered: Answered::default(),
            marks,
            passing: BytesMut::new(),
            universal: Universal::new(&mut keys),
            clients: Slab::new(),
            servers: Slab::new(),
            client_keys: Index::default(),
            server_keys: Index::default(),
            merge_keys: Index::default(),
            client_flows: FlowLists::default(),
            server_flows: FlowLists::default(),
            outputs: Outputs::default(),
            stats: Stats::default(),
            fresh: None,
            fresh_headers: Vec::new(),
            fresh_due: Tick::NEVER,
            fresh_since: Tick::NEVER,
            arena: Arena::default(),
            scratch: Vec::new(),
            via: Vec::new(),
            via_prefix: 0,
            via_of: None,
        }
    }

    /// Something arrived from the transport.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        let now = self.clock.tick(now);
        let (message, flow, reply) = match input {
            Input::Message {
                message,
                flow,
                reply,
            } => (message, flow, reply),
            Input::FlowFailed { flow } => {
                self.on_client_flow_failed(flow, now);
                self.on_server_flow_failed(flow, now);
                return;
            }
        };
        let (told, rest) = match &message {
            BoxedMessage::Request(request) => (self.on_request(request, &flow, &reply, now), None),
            BoxedMessage::Response(response) => self.on_response(response, now),
        };
        if let Some(told) = told {
            self.outputs.message(told, message, flow);
        }
        if let Some(rest) = rest {
            self.settle_client(rest, now);
        }
    }

    /// Time passed: fires what is due. Spurious and late calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock.tick(now);
        if self.fresh_due <= now {
            self.keep_fresh();
        }
        // A transaction that was re-armed for a time that has passed already would be popped again in this loop; the
        // machines never do that: each fires everything that is due before it is armed again.
        loop {
            if self.client_timers.next() <= self.server_timers.next() {
                let Some(key) = self.client_timers.pop_due(now, &mut self.clients) else {
                    return;
                };
                self.on_client_deadline(key, now);
            } else {
                let Some(key) = self.server_timers.pop_due(now, &mut self.servers) else {
                    return;
                };
                self.on_server_deadline(key, now);
            }
        }
    }

    /// The next thing to do, in the order in which the causes came. To be drained after every mutating call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called: the earliest deadline, and at once while outputs
    /// are queued. Constant time, however many transactions live.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outputs.is_empty() {
            let next = self.client_timers.next().min(self.server_timers.next());
            self.clock.instant(next.min(self.fresh_due))
        } else {
            self.clock.last()
        }
    }

    /// What the layer counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The number of live client transactions, those of CANCELs included.
    #[must_use]
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// The number of live server transactions.
    #[must_use]
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// The number of live transactions whose final response has not passed yet: what a program that wants to stop waits for.
    /// Walks over all transactions.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        let pending = |name: &str| matches!(name, "Calling" | "Trying" | "Proceeding");
        self.clients
            .values()
            .filter(|client| pending(client.state_name()))
            .count()
            + self
                .servers
                .values()
                .filter(|server| pending(server.state_name()))
                .count()
    }

    /// The state that a client transaction is in, by its name in the RFC: for traces and consoles.
    #[must_use]
    pub fn client_state(&self, id: ClientTransactionId) -> Option<&'static str> {
        self.clients.get(id.0).map(Client::state_name)
    }

    /// The state that a server transaction is in, by its name in the RFC: for traces and consoles.
    #[must_use]
    pub fn server_state(&self, id: ServerTransactionId) -> Option<&'static str> {
        self.servers.get(id.0).map(Server::state_name)
    }

    /// The configuration that the layer was made with.
    #[must_use]
    pub const fn config(&self) -> &TransactionConfig {
        &self.config
    }

    /// A tag that nobody can guess and nobody else has (RFC 3261 §19.3), for a response that no dialog is behind.
    pub fn mint_tag(&mut self) -> String {
        self.rng.token(12)
    }

    /// For tests: nothing is kept for transactions that have ended.
    ///
    /// Returns what is left over in the maps, lists and the queue beyond what live transactions need.
    #[doc(hidden)]
    #[must_use]
    pub fn leaks(&self) -> Option<String> {
        let live = (self.clients.len(), self.servers.len());
        let kept = (self.client_keys.len(), self.server_keys.len());
        let armed = (self.client_timers.len(), self.server_timers.len());
        let lists = (self.client_flows.is_empty(), self.server_flows.is_empty());
        let good = kept == live
            && self.merge_keys.len() <= live.1
            && armed.0 <= live.0
            && armed.1 <= live.1
            && (self.peers.is_empty() || live.1 > 0)
            && (lists.0 || live.0 > 0)
            && (lists.1 || live.1 > 0);
        (!good).then(|| {
            let merged = self.merge_keys.len();
            format!("live {live:?}, keys {kept:?}, merge keys {merged}, deadlines {armed:?}, flows empty {lists:?}")
        })
    }

    const fn timing(&self, reliable: bool) -> Timing<'_> {
        Timing {
            times: &self.times,
            reliable,
        }
    }

    /// Writes our Via (RFC 3261 §18.1.1), and the Content-Length that streams need (§20.14) if it is missing.
    fn write_via(&mut self, request: &Request, flow: &Flow, branch: &Branch, more: &[u8]) {
        if self.via_of != Some((flow.kind, flow.local)) {
            self.via_of = Some((flow.kind, flow.local));
            self.via = format!(
                "Via: SIP/2.0/{} {};branch=",
                flow.kind.via_token(),
                flow.sent_by()
            )
            .into_bytes();
            self.via_prefix = self.via.len();
        }
        self.via.truncate(self.via_prefix);
        self.via.extend_from_slice(branch.as_bytes());
        if flow.alias {
            // RFC 5923 §8.1.
            self.via.extend_from_slice(b";alias");
        }
        if flow.is_reliable() {
            self.via.extend_from_slice(more);
            self.via.extend_from_slice(b"\r\n");
            if !request.headers().contains(HeaderName::ContentLength) {
                let length = request.body().len();
                compose::write(&mut self.via, format_args!("Content-Length: {length}\r\n"));
            }
        } else {
            // RFC 3581 §3: ask for the response at the source port.
            self.via.extend_from_slice(b";rport");
            self.via.extend_from_slice(more);
            self.via.extend_from_slice(b"\r\n");
        }
    }

    /// Encodes the request with [`write_via`](Self::write_via) on top: in parts, of which the second is what is added.
    fn encode_with_via<'a>(
        &'a mut self,
        request: &'a Request,
        flow: &Flow,
        branch: &Branch,
        more: &[u8],
    ) -> ([&'a [u8]; 5], &'a mut Arena) {
        self.write_via(request, flow, branch, more);
        let [line, fields, empty, body] = match request.as_slices() {
            Some(slices) => slices,
            None => {
                self.scratch.clear();
                request.encode(&mut self.scratch);
                let (line, rest) = compose::first_line(&self.scratch);
                [line, rest, &[], &[]]
            }
        };
        ([line, &self.via, fields, empty, body], &mut self.arena)
    }

    /// The same as a message of its own.
    fn encode_apart(
        &mut self,
        request: &Request,
        flow: &Flow,
        branch: &Branch,
        more: &[u8],
    ) -> Bytes {
        self.write_via(request, flow, branch, more);
        let mut payload = Vec::new();
        request.encode_under(&self.via, &mut payload);
        Bytes::from(payload)
    }

    /// The response as a message that is kept for as long as a timer runs.
    fn encode_response(&mut self, response: &Response) -> Bytes {
        if let Some(slices) = response.as_slices() {
            return self.arena.put(&slices);
        }
        self.scratch.clear();
        response.encode(&mut self.scratch);
        self.arena.put(&[&self.scratch])
    }
}

impl TransactionLayer for Transactions {
    fn request(&mut self, request: &Request, flow: Flow, now: Instant) -> ClientTransactionId {
        let now = self.clock.tick(now);
        self.start_client(request, &flow, None, now)
    }

    fn forward(
        &mut self,
        request: &Request,
        flow: Flow,
        loop_hash: u64,
        now: Instant,
    ) -> ClientTransactionId {
        let now = self.clock.tick(now);
        self.start_client(request, &flow, Some(loop_hash), now)
    }

    fn respond(
        &mut self,
        id: ServerTransactionId,
        response: &Response,
        now: Instant,
    ) -> Result<(), Gone> {
        let now = self.clock.tick(now);
        self.respond_to(id, response, now)
    }

    fn respond_written(
        &mut self,
        id: ServerTransactionId,
        response: &WrittenResponse,
        now: Instant,
    ) -> Result<(), Gone> {
        let now = self.clock.tick(now);
        self.respond_written_to(id, response, now)
    }

    fn respond_repeatably(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        response: &WrittenResponse,
        now: Instant,
    ) -> Result<(), Gone> {
        let now = self.clock.tick(now);
        self.respond_and_mark(id, request, response, now)
    }

    fn repeatable_tag(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
    ) -> Option<StatelessTag> {
        self.tag_for_marked(id, request)
    }

    fn is_repeated(&mut self, id: ServerTransactionId, request: &Request, now: Instant) -> bool {
        let now = self.clock.tick(now);
        self.is_marked(id, request, now)
    }

    fn cancel(
        &mut self,
        id: ClientTransactionId,
        headers: &[(HeaderName, &str)],
        now: Instant,
    ) -> Result<(), Gone> {
        let now = self.clock.tick(now);
        self.cancel_client(id, headers, now)
    }

    fn give_up_at(&mut self, id: ClientTransactionId, at: Instant, now: Instant) {
        let left = at.saturating_duration_since(now);
        let now = self.clock.tick(now);
        self.give_up_client(id, now + Span::from(left), now);
    }

    fn send_ack(&mut self, ack: &Request, flow: Flow, now: Instant) -> Bytes {
        self.clock.tick(now);
        let branch = Branch::mint(&mut self.rng, self.config.worker, None);
        let payload = self.encode_apart(ack, &flow, &branch, b"");
        self.outputs.transmit(flow.id, payload.clone());
        payload
    }

    fn retransmit(&mut self, payload: Bytes, flow: FlowId, now: Instant) {
        self.clock.tick(now);
        self.outputs.transmit(flow, payload);
    }

    fn forward_response(&mut self, response: &Response, flow: FlowId, now: Instant) {
        self.clock.tick(now);
        self.outputs.transmit(flow, response.to_bytes());
    }

    fn forward_request(&mut self, request: &Request, flow: Flow, branch: &Branch, now: Instant) {
        self.clock.tick(now);
        let payload = self.encode_apart(request, &flow, branch, self.asks_overload());
        self.outputs.transmit(flow.id, payload);
    }
}
