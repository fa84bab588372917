//! [`Outputs`]: the one queue of the layer.

use std::collections::VecDeque;

use bytes::Bytes;
use sip_message::Message;
use sip_transport::FlowId;

use crate::{ClientTransactionId, Event, Input, Output, ServerTransactionId, TransactionId};

/// Outputs in the order of their causes. An [`Output`] is as large as the message that it may hold; those with a
/// message wait in a queue of their own, so that what is most frequent (bytes to transmit) is moved in a few
/// instructions.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    queue: VecDeque<Queued>,
    /// The messages of [`Queued::Message`], as they came.
    messages: VecDeque<Input>,
}

#[derive(Debug)]
enum Queued {
    Transmit {
        flow: FlowId,
        payload: Bytes,
    },
    /// The next of the messages.
    Message(Told),
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

impl Told {
    /// The event, with the message that it is about: a request or a response, as what is told of it demands.
    #[inline(always)]
    fn about(self, input: Input) -> Option<Event> {
        match input {
            Input::Message {
                message: Message::Request(request),
                flow,
                ..
            } => match self {
                Self::Request { id, merged } => Some(Event::Request {
                    id,
                    request,
                    flow,
                    merged,
                }),
                Self::Cancel { id, invite } => Some(Event::Cancel {
                    id,
                    invite,
                    request,
                    flow,
                }),
                Self::Ack { invite } => Some(Event::Ack {
                    invite,
                    request,
                    flow,
                }),
                Self::Response { .. } | Self::Stray => None,
            },
            Input::Message {
                message: Message::Response(response),
                flow,
                ..
            } => match self {
                Self::Response { id } => Some(Event::Response { id, response, flow }),
                Self::Stray => Some(Event::Stray { response, flow }),
                Self::Request { .. } | Self::Cancel { .. } | Self::Ack { .. } => None,
            },
            Input::FlowFailed { .. } => None,
        }
    }
}

impl Outputs {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn transmit(&mut self, flow: FlowId, payload: Bytes) {
        self.queue.push_back(Queued::Transmit { flow, payload });
    }

    /// An event with the message that came, which is moved here as it is.
    #[inline(always)]
    pub(crate) fn message(&mut self, told: Told, input: Input) {
        self.messages.push_back(input);
        self.queue.push_back(Queued::Message(told));
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
            Queued::Message(told) => {
                return self
                    .messages
                    .pop_front()
                    .and_then(|input| told.about(input).map(Output::Event));
            }
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
