//! [`Outputs`]: the one queue of the layer.

use std::collections::VecDeque;

use bytes::Bytes;
use sip_message::{Request, Response};
use sip_transport::{Flow, FlowId};

use crate::{ClientTransactionId, Event, Output, ServerTransactionId, TransactionId};

/// Outputs in the order of their causes. An [`Output`] is as large as the message that it may hold; here messages wait
/// in queues of their own, so that what is most frequent (bytes to transmit) is moved in a few instructions.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    queue: VecDeque<Queued>,
    requests: VecDeque<Request>,
    responses: VecDeque<Response>,
}

#[derive(Debug)]
enum Queued {
    Transmit {
        flow: FlowId,
        payload: Bytes,
    },
    Request {
        id: ServerTransactionId,
        flow: Flow,
        merged: bool,
    },
    Cancel {
        id: ServerTransactionId,
        invite: Option<ServerTransactionId>,
        flow: Flow,
    },
    Ack {
        invite: Option<ServerTransactionId>,
        flow: Flow,
    },
    Response {
        id: ClientTransactionId,
        flow: Flow,
    },
    Stray {
        flow: Flow,
    },
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

impl Outputs {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn transmit(&mut self, flow: FlowId, payload: Bytes) {
        self.queue.push_back(Queued::Transmit { flow, payload });
    }

    pub(crate) fn request(
        &mut self,
        id: ServerTransactionId,
        request: Request,
        flow: Flow,
        merged: bool,
    ) {
        self.requests.push_back(request);
        self.queue.push_back(Queued::Request { id, flow, merged });
    }

    pub(crate) fn cancel(
        &mut self,
        id: ServerTransactionId,
        invite: Option<ServerTransactionId>,
        request: Request,
        flow: Flow,
    ) {
        self.requests.push_back(request);
        self.queue.push_back(Queued::Cancel { id, invite, flow });
    }

    pub(crate) fn ack(
        &mut self,
        invite: Option<ServerTransactionId>,
        request: Request,
        flow: Flow,
    ) {
        self.requests.push_back(request);
        self.queue.push_back(Queued::Ack { invite, flow });
    }

    pub(crate) fn response(&mut self, id: ClientTransactionId, response: Response, flow: Flow) {
        self.responses.push_back(response);
        self.queue.push_back(Queued::Response { id, flow });
    }

    pub(crate) fn stray(&mut self, response: Response, flow: Flow) {
        self.responses.push_back(response);
        self.queue.push_back(Queued::Stray { flow });
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

    /// The next output. Each queued entry with a message has put its message into the queue of its kind.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        let event = match self.queue.pop_front()? {
            Queued::Transmit { flow, payload } => return Some(Output::Transmit { flow, payload }),
            Queued::Request { id, flow, merged } => Event::Request {
                id,
                request: self.requests.pop_front()?,
                flow,
                merged,
            },
            Queued::Cancel { id, invite, flow } => Event::Cancel {
                id,
                invite,
                request: self.requests.pop_front()?,
                flow,
            },
            Queued::Ack { invite, flow } => Event::Ack {
                invite,
                request: self.requests.pop_front()?,
                flow,
            },
            Queued::Response { id, flow } => Event::Response {
                id,
                response: self.responses.pop_front()?,
                flow,
            },
            Queued::Stray { flow } => Event::Stray {
                response: self.responses.pop_front()?,
                flow,
            },
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
