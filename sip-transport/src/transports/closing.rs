//! What becomes of a flow whose connection is closed.

use std::time::Instant;

use super::half_closed::HalfClosed;
use super::stream::{Contact, State, Stream};
use super::{Entry, Link, Transports};
use crate::id::ConnectionId;
use crate::io::{ConnectionError, Event, FlowFailure};

impl Transports {
    pub(super) fn on_closed(
        &mut self,
        connection: ConnectionId,
        error: Option<ConnectionError>,
        now: Instant,
    ) {
        let Some((id, entry)) = self.entry(connection) else {
            return;
        };
        let remote = entry.flow.remote;
        let Link::Stream(stream) = &mut entry.link else {
            return;
        };
        let opening = matches!(stream.state, State::Connecting { .. });
        let cause = match (opening, error) {
            (true, error) => FlowFailure::Connect(error.unwrap_or(ConnectionError::Reset)),
            (false, Some(error)) => FlowFailure::Lost(error),
            (false, None) => FlowFailure::Closed,
        };
        let accepted = stream.is_accepted();
        let kind = entry.flow.kind;
        let failed_handshake = stream.handshake;
        // RFC 3261 §18.2.2: responses to what came over it go over a new connection to the sent-by.
        let reopens = !opening && stream.reopen.is_some();
        let alias = stream.set_alias(None);
        // The layers above know already of one whose peer had shut its side.
        let is_known = stream.half_closed.is_some();
        let owed = stream
            .half_closed
            .take()
            .map(|half_closed| HalfClosed::into_owed(*half_closed))
            .unwrap_or_default();
        if reopens {
            let (reopen, server_name) = (stream.reopen, stream.server_name.take());
            let reply = stream.take_reply();
            **stream = Stream::new(State::Idle { since: now }, server_name, now);
            stream.reopen = reopen;
            stream.reply = reply;
            // A keep-alive must not open it again.
            entry.pinger = None;
        }
        self.forget_connection(connection, accepted, remote);
        self.stats.failed_handshakes += u64::from(failed_handshake);
        if opening {
            self.note_failure(kind, remote, now);
        }
        if let Some(flow) = self.flow(id) {
            self.forget_alias(id, &flow, alias);
        }
        if reopens {
            if let Some(flow) = self.flow(id) {
                self.forget_place(id, &flow);
            }
            if !is_known {
                self.event(Event::FlowFailed {
                    flow: id,
                    cause,
                    reopens: true,
                });
            }
            self.arm(id);
            if error.is_some() && !owed.is_empty() {
                self.send_again(id, owed, now);
            }
        } else {
            let mut waiting = Vec::new();
            if let Some(Entry {
                link: Link::Stream(stream),
                ..
            }) = self.flows.get_mut(id)
            {
                let idle = State::Idle { since: now };
                if let State::Connecting { waiting: queue, .. } =
                    std::mem::replace(&mut stream.state, idle)
                {
                    waiting = queue;
                }
            }
            if !self.reply_elsewhere(id, waiting, cause, now) {
                self.fail(id, cause);
            }
        }
    }

    /// The peer had closed when it was answered: it takes the answers over a new connection (RFC 3261 §18.2.2).
    fn send_again(&mut self, id: crate::id::FlowId, owed: Vec<bytes::Bytes>, now: Instant) {
        match self.connect(id, now) {
            Contact::Opening | Contact::Open => {
                for payload in owed {
                    self.write(id, payload, now);
                }
            }
            Contact::Refused => self.fail(id, FlowFailure::Evicted),
        }
    }
}
