//! [`TransactionLayer`]: transactions as the layers above see them.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Bytes;
use sip_message::{HeaderName, Request, Response, StatusCode, WrittenResponse};
use sip_transport::{Flow, FlowId};

use crate::{ClientTransactionId, Gone, ServerTransactionId, StatelessTag};

/// The calls that a transaction user makes; what comes back are [`Event`](crate::Event)s.
///
/// [`Transactions`](crate::Transactions) implements it, and so does the recording double of `sip-testkit`. The trait is
/// object-safe: a dialog layer or a proxy takes `&mut dyn TransactionLayer` as an argument and stores none. Messages are
/// passed by reference: the layer encodes them once, and keeps the bytes alone.
pub trait TransactionLayer {
    /// Sends a request and starts its client transaction (RFC 3261 §17.1).
    ///
    /// The layer pushes the top Via: the sent-by of the flow, a fresh branch, and `rport` over UDP (RFC 3581). Not for
    /// ACK, which has no transaction: see [`send_ack`](Self::send_ack). If the limit on transactions is reached, an
    /// [`Event::Refused`](crate::Event::Refused) follows.
    fn request(&mut self, request: &Request, flow: Flow, now: Instant) -> ClientTransactionId;

    /// Like [`request`](Self::request) for a proxy: the branch ends in `loop_hash`, by which the proxy recognises a
    /// request that comes back to it (RFC 3261 §16.6 step 8; see [`Branch::loop_hash_of`](crate::Branch::loop_hash_of)).
    fn forward(
        &mut self,
        request: &Request,
        flow: Flow,
        loop_hash: u64,
        now: Instant,
    ) -> ClientTransactionId;

    /// Passes a response to a server transaction.
    ///
    /// A 2xx to an INVITE may be passed again and again while its ACK is missing (RFC 6026 §7.1): its owner
    /// retransmits it. Any other response after the final one is discarded, and so is what RFC 4320 forbids for
    /// non-INVITE requests: 101 to 199, an early 100 over UDP, and 408.
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    fn respond(
        &mut self,
        id: ServerTransactionId,
        response: &Response,
        now: Instant,
    ) -> Result<(), Gone>;

    /// [`respond`](Self::respond) with a response that is written already. One whose request was so broken that the answer is no
    /// message may be left out.
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    fn respond_written(
        &mut self,
        id: ServerTransactionId,
        response: &WrittenResponse,
        now: Instant,
    ) -> Result<(), Gone> {
        match response.to_response() {
            Some(response) => self.respond(id, &response, now),
            None => Ok(()),
        }
    }

    /// [`respond_written`](Self::respond_written) with the final response to a request other than INVITE that the TU can answer
    /// again: one whose effect it tells from its own state, such as a registration.
    ///
    /// Over an unreliable transport the transaction ends at once then, and instead of it a mark stays for as long as Timer J
    /// would run. A copy of the request comes as a new one, and [`is_repeated`](Self::is_repeated) tells it from one: the TU then
    /// gives the answer again, and does nothing else of what it did for the first one. This is the stateless UAS of RFC 3261 §8.2.7,
    /// with the difference that it knows which requests are copies. It takes the To tag that
    /// [`repeatable_tag`](Self::repeatable_tag) gives.
    ///
    /// ```
    /// use std::time::Instant;
    /// use sip_message::{Request, StatusCode, WrittenResponse};
    /// use sip_transaction::{Gone, ServerTransactionId, StatelessTag, TransactionLayer};
    ///
    /// /// Counts presses of a button; a press that is told twice is one.
    /// fn on_press(
    ///     presses: &mut u32,
    ///     id: ServerTransactionId,
    ///     request: &Request,
    ///     t: &mut dyn TransactionLayer,
    ///     now: Instant,
    /// ) -> Result<(), Gone> {
    ///     if !t.is_repeated(id, request, now) {
    ///         *presses += 1;
    ///     }
    ///     let tag = t.repeatable_tag(id, request);
    ///     let mut response = WrittenResponse::new();
    ///     response.start(request, StatusCode::OK, tag.as_ref().map_or("any", StatelessTag::as_str));
    ///     response.finish();
    ///     t.respond_repeatably(id, request, &response, now)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    fn respond_repeatably(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        response: &WrittenResponse,
        now: Instant,
    ) -> Result<(), Gone> {
        let _it_is_kept_whole = request;
        self.respond_written(id, response, now)
    }

    /// The To tag for a response to this request that may have to be given again: the same for each copy of it (RFC 3261 §8.2.7).
    /// `None` when the transaction keeps its response, so that any tag will do.
    fn repeatable_tag(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
    ) -> Option<StatelessTag> {
        let _any_will_do = (id, request);
        None
    }

    /// Is this request, which came with a transaction, a copy of one that was answered with
    /// [`respond_repeatably`](Self::respond_repeatably)?
    fn is_repeated(&mut self, id: ServerTransactionId, request: &Request, now: Instant) -> bool {
        let _copies_are_absorbed = (id, request, now);
        false
    }

    /// Cancels an INVITE (RFC 3261 §9.1); `headers` are added to the CANCEL (such as Reason, RFC 3326).
    ///
    /// The CANCEL waits for a provisional response, has a transaction of its own inside, and its response is absorbed.
    /// If no final response to the INVITE comes within 64*T1 after it,
    /// [`Event::TimedOut`](crate::Event::TimedOut) follows. After a final response, and for a request other than
    /// INVITE, nothing is sent.
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    fn cancel(
        &mut self,
        id: ClientTransactionId,
        headers: &[(HeaderName, &str)],
        now: Instant,
    ) -> Result<(), Gone>;

    /// Gives a request less time than Timers B and F do, because it has other targets (RFC 3263 §4.3): if no response
    /// at all has come by then, [`Event::TimedOut`](crate::Event::TimedOut) follows, as if that timer had fired. With a
    /// provisional response it has its usual time again. Does nothing for a transaction that has ended, and to a layer
    /// that has no timers, such as a double.
    fn give_up_at(&mut self, id: ClientTransactionId, at: Instant, now: Instant) {
        let _no_timers = (id, at, now);
    }

    /// Sends an ACK to a 2xx (RFC 3261 §13.2.2.4, or one that a proxy forwards): pushes a Via with a fresh branch.
    ///
    /// Returns what was sent, for [`retransmit`](Self::retransmit): each retransmission of the 2xx is answered with the
    /// same ACK.
    fn send_ack(&mut self, ack: &Request, flow: Flow, now: Instant) -> Bytes;

    /// Sends once more what was sent before outside of a transaction.
    fn retransmit(&mut self, payload: Bytes, flow: FlowId, now: Instant);

    /// Sends a response outside of any transaction, as it is: a stateless answer, or a response that a stateless
    /// proxy forwards after removing its own Via.
    fn forward_response(&mut self, response: &Response, flow: FlowId, now: Instant);

    /// Sends a request outside of any transaction: pushes a Via with this branch, which is to be
    /// [that of the request](crate::Branch::stateless) as it came, so that a retransmission gets the same one (RFC 3261 §16.11).
    fn forward_request(
        &mut self,
        request: &Request,
        flow: Flow,
        branch: &crate::Branch,
        now: Instant,
    );

    /// Answers a CANCEL: 200 if it matched an INVITE, else 481 (RFC 3261 §9.2).
    ///
    /// `tag` becomes the To tag unless the CANCEL has one; it should be that of the responses to the INVITE.
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    fn answer_cancel(
        &mut self,
        id: ServerTransactionId,
        cancel: &Request,
        invite: Option<ServerTransactionId>,
        tag: &str,
        now: Instant,
    ) -> Result<(), Gone> {
        let status = if invite.is_some() {
            StatusCode::OK
        } else {
            StatusCode::CALL_DOES_NOT_EXIST
        };
        self.respond(id, &crate::compose::response(cancel, status, tag), now)
    }
}

/// A layer that stands before another one: it sees what is sent, may change requests, and passes everything on.
///
/// Whoever implements it is a [`TransactionLayer`].
///
/// ```
/// use std::time::Instant;
/// use sip_message::StatusCode;
/// use sip_transaction::{Interposed, ServerTransactionId, TransactionLayer};
///
/// /// Counts the final responses of whoever is given it.
/// struct Counting<'a>(&'a mut dyn TransactionLayer, usize);
///
/// impl<'a> Interposed for Counting<'a> {
///     type Layer = dyn TransactionLayer + 'a;
///
///     fn layer(&mut self) -> &mut Self::Layer {
///         self.0
///     }
///
///     fn on_respond(&mut self, _: ServerTransactionId, status: StatusCode, _: Instant) {
///         self.1 += usize::from(status.is_final());
///     }
/// }
///
/// fn is_one(_: &mut dyn TransactionLayer) {}
/// let mut transactions = sip_transaction::Transactions::new(
///     sip_transaction::TransactionConfig::default(),
///     sip_transaction::Seed::from_bytes([1; 32]),
/// );
/// is_one(&mut Counting(&mut transactions, 0));
/// ```
pub trait Interposed {
    /// The layer behind.
    type Layer: TransactionLayer + ?Sized;

    /// Where everything is passed on to.
    fn layer(&mut self) -> &mut Self::Layer;

    /// A [`request`](TransactionLayer::request) is being sent: as it is, or changed.
    ///
    /// What is passed on for another ([`forward`](TransactionLayer::forward)) passes as it is, and so does an ACK to a 2xx
    /// ([`send_ack`](TransactionLayer::send_ack)).
    fn on_request<'r>(&mut self, request: &'r Request) -> Cow<'r, Request> {
        Cow::Borrowed(request)
    }

    /// A response with this status is being passed to a server transaction ([`respond`](TransactionLayer::respond)).
    fn on_respond(&mut self, id: ServerTransactionId, status: StatusCode, now: Instant) {
        let _unseen = (id, status, now);
    }
}

impl<T: Interposed> TransactionLayer for T {
    fn request(&mut self, request: &Request, flow: Flow, now: Instant) -> ClientTransactionId {
        let request = self.on_request(request);
        self.layer().request(&request, flow, now)
    }

    fn forward(
        &mut self,
        request: &Request,
        flow: Flow,
        loop_hash: u64,
        now: Instant,
    ) -> ClientTransactionId {
        self.layer().forward(request, flow, loop_hash, now)
    }

    fn respond(
        &mut self,
        id: ServerTransactionId,
        response: &Response,
        now: Instant,
    ) -> Result<(), Gone> {
        self.on_respond(id, response.status(), now);
        self.layer().respond(id, response, now)
    }

    fn respond_written(
        &mut self,
        id: ServerTransactionId,
        response: &WrittenResponse,
        now: Instant,
    ) -> Result<(), Gone> {
        self.on_respond(id, response.status(), now);
        self.layer().respond_written(id, response, now)
    }

    fn respond_repeatably(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        response: &WrittenResponse,
        now: Instant,
    ) -> Result<(), Gone> {
        self.on_respond(id, response.status(), now);
        self.layer().respond_repeatably(id, request, response, now)
    }

    fn repeatable_tag(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
    ) -> Option<StatelessTag> {
        self.layer().repeatable_tag(id, request)
    }

    fn is_repeated(&mut self, id: ServerTransactionId, request: &Request, now: Instant) -> bool {
        self.layer().is_repeated(id, request, now)
    }

    fn cancel(
        &mut self,
        id: ClientTransactionId,
        headers: &[(HeaderName, &str)],
        now: Instant,
    ) -> Result<(), Gone> {
        self.layer().cancel(id, headers, now)
    }

    fn give_up_at(&mut self, id: ClientTransactionId, at: Instant, now: Instant) {
        self.layer().give_up_at(id, at, now);
    }

    fn send_ack(&mut self, ack: &Request, flow: Flow, now: Instant) -> Bytes {
        self.layer().send_ack(ack, flow, now)
    }

    fn retransmit(&mut self, payload: Bytes, flow: FlowId, now: Instant) {
        self.layer().retransmit(payload, flow, now);
    }

    fn forward_response(&mut self, response: &Response, flow: FlowId, now: Instant) {
        self.layer().forward_response(response, flow, now);
    }

    fn forward_request(
        &mut self,
        request: &Request,
        flow: Flow,
        branch: &crate::Branch,
        now: Instant,
    ) {
        self.layer().forward_request(request, flow, branch, now);
    }
}
