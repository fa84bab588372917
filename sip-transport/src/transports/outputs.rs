//! What is to be done next, in order.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use sip_message::{Message, StatusCode};

use crate::flow::Flow;
use crate::id::{ConnectionId, FlowId, ListenerId, ResolveId, SelectId};
use crate::io::{Captured, Event, FlowFailure, Malformed, Output, Question, SelectError};
use crate::kind::TransportKind;

/// A queue of [`Output`]s. Only a few of them are messages, and a message is several times as large as anything else:
/// they wait in a queue of their own, so that what is not one is not moved as if it were.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    order: VecDeque<Queued>,
    messages: VecDeque<Received>,
}

#[derive(Debug)]
struct Received {
    message: Message,
    flow: Flow,
    reply: Flow,
}

/// An output without its message.
#[derive(Debug)]
enum Queued {
    Message,
    Datagram {
        listener: ListenerId,
        remote: SocketAddr,
        payload: Bytes,
    },
    Stream {
        connection: ConnectionId,
        payload: Bytes,
    },
    Connect {
        connection: ConnectionId,
        kind: TransportKind,
        remote: SocketAddr,
        local: Option<std::net::IpAddr>,
        server_name: Option<Box<str>>,
    },
    Close {
        connection: ConnectionId,
    },
    Resolve {
        id: ResolveId,
        question: Question,
        name: Box<str>,
    },
    Malformed {
        kind: TransportKind,
        local: SocketAddr,
        remote: SocketAddr,
        error: Malformed,
        answered: Option<StatusCode>,
    },
    FlowFailed {
        flow: FlowId,
        cause: FlowFailure,
        reopens: bool,
    },
    Selected {
        id: SelectId,
        result: Result<Vec<Flow>, SelectError>,
    },
    Captured(Captured),
    Pong {
        flow: FlowId,
    },
}

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn message(&mut self, message: Message, flow: Flow, reply: Flow) {
        self.messages.push_back(Received {
            message,
            flow,
            reply,
        });
        self.order.push_back(Queued::Message);
    }

    /// Inlined, so that the output that is taken apart here is never made.
    #[inline(always)]
    pub(super) fn push_back(&mut self, output: Output) {
        let queued = match output {
            Output::Datagram {
                listener,
                remote,
                payload,
            } => Queued::Datagram {
                listener,
                remote,
                payload,
            },
            Output::Stream {
                connection,
                payload,
            } => Queued::Stream {
                connection,
                payload,
            },
            Output::Connect {
                connection,
                kind,
                remote,
                local,
                server_name,
            } => Queued::Connect {
                connection,
                kind,
                remote,
                local,
                server_name,
            },
            Output::Close { connection } => Queued::Close { connection },
            Output::Resolve { id, question, name } => Queued::Resolve { id, question, name },
            Output::Event(Event::Message {
                message,
                flow,
                reply,
            }) => {
                self.message(message, flow, reply);
                return;
            }
            Output::Event(Event::Malformed {
                kind,
                local,
                remote,
                error,
                answered,
            }) => Queued::Malformed {
                kind,
                local,
                remote,
                error,
                answered,
            },
            Output::Event(Event::FlowFailed {
                flow,
                cause,
                reopens,
            }) => Queued::FlowFailed {
                flow,
                cause,
                reopens,
            },
            Output::Event(Event::Selected { id, result }) => Queued::Selected { id, result },
            Output::Event(Event::Captured(captured)) => Queued::Captured(captured),
            Output::Event(Event::Pong { flow }) => Queued::Pong { flow },
        };
        self.order.push_back(queued);
    }

    pub(super) fn pop_front(&mut self) -> Option<Output> {
        Some(match self.order.pop_front()? {
            Queued::Message => {
                // Each has one: both are put in and taken out together.
                let Received {
                    message,
                    flow,
                    reply,
                } = self.messages.pop_front()?;
                Output::Event(Event::Message {
                    message,
                    flow,
                    reply,
                })
            }
            Queued::Datagram {
                listener,
                remote,
                payload,
            } => Output::Datagram {
                listener,
                remote,
                payload,
            },
            Queued::Stream {
                connection,
                payload,
            } => Output::Stream {
                connection,
                payload,
            },
            Queued::Connect {
                connection,
                kind,
                remote,
                local,
                server_name,
            } => Output::Connect {
                connection,
                kind,
                remote,
                local,
                server_name,
            },
            Queued::Close { connection } => Output::Close { connection },
            Queued::Resolve { id, question, name } => Output::Resolve { id, question, name },
            Queued::Malformed {
                kind,
                local,
                remote,
                error,
                answered,
            } => Output::Event(Event::Malformed {
                kind,
                local,
                remote,
                error,
                answered,
            }),
            Queued::FlowFailed {
                flow,
                cause,
                reopens,
            } => Output::Event(Event::FlowFailed {
                flow,
                cause,
                reopens,
            }),
            Queued::Selected { id, result } => Output::Event(Event::Selected { id, result }),
            Queued::Captured(captured) => Output::Event(Event::Captured(captured)),
            Queued::Pong { flow } => Output::Event(Event::Pong { flow }),
        })
    }
}
