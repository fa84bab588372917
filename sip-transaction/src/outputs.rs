//! [`Outputs`]: the one queue of the layer.

use std::collections::VecDeque;

use bytes::Bytes;
use sip_message::{Message, Request, Response};
use sip_transport::{Flow, FlowId};

use crate::{ClientTransactionId, Event, Input, Output, ServerTransactionId, TransactionId};

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
        flow: FlowId,
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

    /// An event with the message that came: a request or a response, as what is told of it demands. Written so that
    /// the message is moved once.
    #[inline]
    pub(crate) fn message(&mut self, told: Told, input: Input) {
        match told {
            Told::Request { id, merged } => {
                if let Some((request, flow)) = request_of(input) {
                    self.large.push_back(Output::Event(Event::Request {
                        id,
                        request,
                        flow,
                        merged,
                    }));
                    self.queue.push_back(Queued::Large);
                }
            }
            Told::Cancel { id, invite } => {
                if let Some((request, flow)) = request_of(input) {
                    self.large.push_back(Output::Event(Event::Cancel {
                        id,
                        invite,
                        request,
                        flow,
                    }));
                    self.queue.push_back(Queued::Large);
                }
            }
            Told::Ack { invite } => {
                if let Some((request, flow)) = request_of(input) {
                    self.large.push_back(Output::Event(Event::Ack {
                        invite,
                        request,
                        flow,
                    }));
                    self.queue.push_back(Queued::Large);
                }
            }
            Told::Response { id } => {
                if let Some((response, flow)) = response_of(input) {
                    self.large
                        .push_back(Output::Event(Event::Response { id, response, flow }));
                    self.queue.push_back(Queued::Large);
                }
            }
            Told::Stray => {
                if let Some((response, flow)) = response_of(input) {
                    self.large
                        .push_back(Output::Event(Event::Stray { response, flow }));
                    self.queue.push_back(Queued::Large);
                }
            }
        }
    }

    pub(crate) fn timed_out(&mut self, id: ClientTransactionId, flow: FlowId) {
        self.queue.push_back(Queued::TimedOut { id, flow });
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
            Queued::TimedOut { id, flow } => Event::TimedOut { id, flow },
            Queued::FlowFailed { id } => Event::FlowFailed { id },
            Queued::Refused { id } => Event::Refused { id },
            Queued::AckTimedOut { id } => Event::AckTimedOut { id },
            Queued::ServerFlowFailed { id } => Event::ServerFlowFailed { id },
            Queued::Terminated { id } => Event::Terminated { id },
        };
        Some(Output::Event(event))
    }
}

/// What is told of requests is told of nothing else.
#[inline(always)]
fn request_of(input: Input) -> Option<(Request, Flow)> {
    match input {
        Input::Message {
            message: Message::Request(request),
            flow,
            ..
        } => Some((request, flow)),
        Input::Message {
            message: Message::Response(_),
            ..
        }
        | Input::FlowFailed { .. } => None,
    }
}

#[inline(always)]
fn response_of(input: Input) -> Option<(Response, Flow)> {
    match input {
        Input::Message {
            message: Message::Response(response),
            flow,
            ..
        } => Some((response, flow)),
        Input::Message {
            message: Message::Request(_),
            ..
        }
        | Input::FlowFailed { .. } => None,
    }
}
