//! [`Outputs`]: the one queue of the layer.

use std::collections::VecDeque;

use bytes::Bytes;
use sip_message::{BoxedMessage, Request, Response};
use sip_transport::{Flow, FlowId};

use crate::{ClientTransactionId, Event, Output, ServerTransactionId, TransactionId};

/// Outputs in the order of their causes.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    queue: VecDeque<Output>,
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

    #[inline]
    pub(crate) fn transmit(&mut self, flow: FlowId, payload: Bytes) {
        self.queue.push_back(Output::Transmit { flow, payload });
    }

    /// An event with the message that came: a request or a response, as what is told of it demands.
    #[inline]
    pub(crate) fn message(&mut self, told: Told, message: BoxedMessage, flow: Flow) {
        match told {
            Told::Request { id, merged } => {
                if let Some(request) = request_of(message) {
                    self.event(Event::Request {
                        id,
                        request,
                        flow,
                        merged,
                    });
                }
            }
            Told::Cancel { id, invite } => {
                if let Some(request) = request_of(message) {
                    self.event(Event::Cancel {
                        id,
                        invite,
                        request,
                        flow,
                    });
                }
            }
            Told::Ack { invite } => {
                if let Some(request) = request_of(message) {
                    self.event(Event::Ack {
                        invite,
                        request,
                        flow,
                    });
                }
            }
            Told::Response { id } => {
                if let Some(response) = response_of(message) {
                    self.event(Event::Response { id, response, flow });
                }
            }
            Told::Stray => {
                if let Some(response) = response_of(message) {
                    self.event(Event::Stray { response, flow });
                }
            }
        }
    }

    pub(crate) fn timed_out(&mut self, id: ClientTransactionId, flow: FlowId) {
        self.event(Event::TimedOut { id, flow });
    }

    pub(crate) fn flow_failed(&mut self, id: ClientTransactionId) {
        self.event(Event::FlowFailed { id });
    }

    pub(crate) fn refused(&mut self, id: ClientTransactionId) {
        self.event(Event::Refused { id });
    }

    pub(crate) fn ack_timed_out(&mut self, id: ServerTransactionId) {
        self.event(Event::AckTimedOut { id });
    }

    pub(crate) fn server_flow_failed(&mut self, id: ServerTransactionId) {
        self.event(Event::ServerFlowFailed { id });
    }

    #[inline]
    pub(crate) fn terminated(&mut self, id: TransactionId) {
        self.event(Event::Terminated { id });
    }

    #[inline]
    fn event(&mut self, event: Event) {
        self.queue.push_back(Output::Event(event));
    }

    /// The next output.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}

/// What is told of requests is told of nothing else.
#[inline(always)]
fn request_of(message: BoxedMessage) -> Option<Box<Request>> {
    match message {
        BoxedMessage::Request(request) => Some(request),
        BoxedMessage::Response(_) => None,
    }
}

#[inline(always)]
fn response_of(message: BoxedMessage) -> Option<Box<Response>> {
    match message {
        BoxedMessage::Response(response) => Some(response),
        BoxedMessage::Request(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Input, Output};

    /// Each is moved several times on its way: two moves of a message would cost more than its box.
    #[test]
    fn what_is_moved_is_small() {
        assert!(size_of::<Output>() <= 112, "{}", size_of::<Output>());
        assert!(size_of::<Input>() <= 176, "{}", size_of::<Input>());
    }
}
