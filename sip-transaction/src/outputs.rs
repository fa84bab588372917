//! [`Outputs`]: the one queue of the layer.

use std::collections::VecDeque;

use bytes::Bytes;
use sip_message::Message;
use sip_transport::{Flow, FlowId};

use crate::{ClientTransactionId, Event, Output, ServerTransactionId, TransactionId};

/// Outputs in the order of their causes. An [`Output`] is as large as the message that it may hold; those with a
/// message wait in a queue of their own, so that what is most frequent (bytes to transmit) is moved in a few
/// instructions.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    queue: VecDeque<Queued>,
    large: VecDeque<Output>,
}

#[derive(Debug)]
enum Queued {
    Transmit {
        flow: FlowId,
        payload: Bytes,
    },
    /// The next of the large ones.
    Large,
    TimedOut {
        id: ClientTransactionId,
    },
    FlowFailed {
        id: ClientTransactionId,
    },
    Refused {
        id: ClientTransactionId,
    },
    AckTimedOut {
        id: ServerTransactionId,
    },
    ServerFlowFailed {
        id: ServerTransactionId,
    },
    Terminated {
        id: TransactionId,
    },
}

/// What is told of a message.
#[derive(Debug)]
pub(crate) enum Told {
    Request {
        id: ServerTransactionId,
        merged: bool,
    },
    Cancel {
        id: ServerTransactionId,
        invite: Option<ServerTransactionId>,
    },
    Ack {
        invite: Option<ServerTransactionId>,
    },
    Response {
        id: ClientTransactionId,
    },
    Stray,
}

impl Outputs {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn transmit(&mut self, flow: FlowId, payload: Bytes) {
        self.queue.push_back(Queued::Transmit { flow, payload });
    }

    /// An event with a message: a request or a response, as what is told of it demands.
    #[inline]
    pub(crate) fn message(&mut self, told: Told, message: Message, flow: Flow) {
        let event = match (told, message) {
            (Told::Request { id, merged }, Message::Request(request)) => Event::Request {
                id,
                request,
                flow,
                merged,
            },
            (Told::Cancel { id, invite }, Message::Request(request)) => Event::Cancel {
                id,
                invite,
                request,
                flow,
            },
            (Told::Ack { invite }, Message::Request(request)) => Event::Ack {
                invite,
                request,
                flow,
            },
            (Told::Response { id }, Message::Response(response)) => {
                Event::Response { id, response, flow }
            }
            (Told::Stray, Message::Response(response)) => Event::Stray { response, flow },
            (
                Told::Request { .. } | Told::Cancel { .. } | Told::Ack { .. },
                Message::Response(_),
            )
            | (Told::Response { .. } | Told::Stray, Message::Request(_)) => {
                debug_assert!(false, "told of another kind of message");
                return;
            }
        };
        self.large.push_back(Output::Event(event));
        self.queue.push_back(Queued::Large);
    }

    pub(crate) fn timed_out(&mut self, id: ClientTransactionId) {
        self.queue.push_back(Queued::TimedOut { id });
    }

    pub(crate) fn flow_failed(&mut self, id: ClientTransactionId) {
        self.queue.push_back(Queued::FlowFailed { id });
    }

    pub(crate) fn refused(&mut self, id: ClientTransactionId) {
        self.queue.push_back(Queued::Refused { id });
    }

    pub(crate) fn ack_timed_out(&mut self, id: ServerTransactionId) {
        self.queue.push_back(Queued::AckTimedOut { id });
    }

    pub(crate) fn server_flow_failed(&mut self, id: ServerTransactionId) {
        self.queue.push_back(Queued::ServerFlowFailed { id });
    }

    pub(crate) fn terminated(&mut self, id: TransactionId) {
        self.queue.push_back(Queued::Terminated { id });
    }

    /// The next output.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Output> {
        let event = match self.queue.pop_front()? {
            Queued::Transmit { flow, payload } => return Some(Output::Transmit { flow, payload }),
            Queued::Large => return self.large.pop_front(),
            Queued::TimedOut { id } => Event::TimedOut { id },
            Queued::FlowFailed { id } => Event::FlowFailed { id },
            Queued::Refused { id } => Event::Refused { id },
            Queued::AckTimedOut { id } => Event::AckTimedOut { id },
            Queued::ServerFlowFailed { id } => Event::ServerFlowFailed { id },
            Queued::Terminated { id } => Event::Terminated { id },
        };
        Some(Output::Event(event))
    }
}
