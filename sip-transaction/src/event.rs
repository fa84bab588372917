//! What enters and leaves the layer.

use bytes::Bytes;
use sip_message::{BoxedMessage, Request, Response};
use sip_transport::{Flow, FlowId};

use crate::{ClientTransactionId, ServerTransactionId, TransactionId};

/// Something that arrived from the transport.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a transport that forgets a variant must not compile"
)]
pub enum Input {
    /// A message arrived.
    Message {
        /// The message; on a request, the top Via carries `received` and `rport` already (RFC 3261 §18.2.1, RFC 3581).
        message: BoxedMessage,
        /// The flow that it came over.
        flow: Flow,
        /// The flow that responses go to (RFC 3261 §18.2.2).
        reply: Flow,
    },
    /// A flow failed; what was sent over it may not have arrived, and nothing more can be sent.
    FlowFailed {
        /// The flow.
        flow: FlowId,
    },
}

/// Something to be done, in order.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum Output {
    /// Hand these bytes to the transport.
    Transmit {
        /// The flow to send them over.
        flow: FlowId,
        /// One encoded message.
        payload: Bytes,
    },
    /// Tell the transaction user.
    Event(Event),
}

/// What the transaction user (TU) learns.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new request other than ACK and CANCEL. Retransmissions of it are absorbed.
    Request {
        /// The transaction to [`respond`](crate::TransactionLayer::respond) to.
        id: ServerTransactionId,
        /// The request.
        request: Box<Request>,
        /// The flow that it came over.
        flow: Flow,
        /// Whether another live transaction has the same From tag, Call-ID and CSeq and the request has no To tag: the
        /// request took two paths here, and a UAS answers 482 (RFC 3261 §8.2.2.2). A proxy does not care.
        merged: bool,
    },
    /// A CANCEL. The TU answers it ([`answer_cancel`](crate::TransactionLayer::answer_cancel)) and, if the INVITE has
    /// no final response yet, answers the INVITE with 487 (RFC 3261 §9.2).
    Cancel {
        /// The transaction of the CANCEL.
        id: ServerTransactionId,
        /// The INVITE transaction that it cancels, if there is one.
        invite: Option<ServerTransactionId>,
        /// The CANCEL.
        request: Box<Request>,
        /// The flow that it came over.
        flow: Flow,
    },
    /// An ACK to a 2xx, or one that matches nothing. ACKs to other responses are absorbed.
    Ack {
        /// The accepted INVITE transaction, for a client that gave the ACK the branch of the INVITE.
        invite: Option<ServerTransactionId>,
        /// The ACK.
        request: Box<Request>,
        /// The flow that it came over.
        flow: Flow,
    },
    /// A response: each provisional one, the final one and, for INVITE, each 2xx (RFC 6026).
    Response {
        /// The transaction that it answers.
        id: ClientTransactionId,
        /// The response; its top Via is ours.
        response: Box<Response>,
        /// The flow that it came over.
        flow: Flow,
    },
    /// A response that belongs to no transaction. A UA and a stateful proxy drop it (RFC 6026 §7.3); a stateless
    /// proxy forwards it.
    Stray {
        /// The response.
        response: Box<Response>,
        /// The flow that it came over.
        flow: Flow,
    },
    /// No response in time (Timers B and F), or none after a CANCEL. To be treated as a 408 (RFC 3261 §8.1.3.1).
    TimedOut {
        /// The transaction.
        id: ClientTransactionId,
        /// The flow that it was sent over: its other side is to come after others for some time (RFC 3263 §4.3).
        flow: FlowId,
    },
    /// The flow of the request failed. To be treated as a 503 (RFC 3261 §8.1.3.1); the next target gets a request
    /// with a new branch.
    FlowFailed {
        /// The transaction.
        id: ClientTransactionId,
    },
    /// The limit on client transactions is reached; nothing was sent.
    Refused {
        /// The id that [`request`](crate::TransactionLayer::request) returned.
        id: ClientTransactionId,
    },
    /// The ACK to a non-2xx response never came (Timer H).
    AckTimedOut {
        /// The transaction.
        id: ServerTransactionId,
    },
    /// The flow that the responses go to failed. The transaction stays (RFC 6026 §8.8).
    ServerFlowFailed {
        /// The transaction.
        id: ServerTransactionId,
    },
    /// The transaction has ended: the last event of each one, and the only of its kind.
    Terminated {
        /// The transaction.
        id: TransactionId,
    },
}
