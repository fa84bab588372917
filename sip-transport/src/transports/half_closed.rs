//! Connections whose peer has shut its side: it sends no more, and still reads the answers to what it sent.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::stream::{State, Stream};
use super::{Entry, Link, Transports};
use crate::config::TransportConfig;
use crate::id::{ConnectionId, FlowId};
use crate::io::{Event, FlowFailure, Output};
use crate::kind::TransportKind;

/// What is known of a peer that has shut its side.
#[derive(Debug)]
pub(super) struct HalfClosed {
    since: Instant,
    /// When the last answer was written.
    written: Option<Instant>,
    /// The answers since then. A peer that has closed altogether did not get them, and its system says so only when
    /// the first of them has reached it.
    owed: Vec<Bytes>,
}

/// How long after the last answer the peer may refuse it. The driver asks more often.
const REFUSAL: Duration = Duration::from_secs(2);

impl HalfClosed {
    pub(super) fn due(&self, unanswered: u32, config: &TransportConfig) -> Instant {
        match self.written {
            Some(written) if unanswered == 0 => written + REFUSAL,
            _ => self.since + config.half_closed_time,
        }
    }

    /// The answers that were written, to be written elsewhere.
    pub(super) fn into_owed(self) -> Vec<Bytes> {
        self.owed
    }
}

impl Stream {
    /// Counts a final answer, and keeps it while the peer may turn out to be gone.
    pub(super) fn answered(&mut self, payload: &Bytes, now: Instant, config: &TransportConfig) {
        if is_final(payload) {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        let Some(half_closed) = &mut self.half_closed else {
            return;
        };
        half_closed.written = Some(now);
        let kept: usize = half_closed.owed.iter().map(Bytes::len).sum();
        if kept + payload.len() <= config.limits.output_bytes {
            half_closed.owed.push(payload.clone());
        }
    }

    pub(super) fn is_half_closed_too_long(&self, now: Instant, config: &TransportConfig) -> bool {
        let half_closed = self.half_closed.as_ref();
        half_closed.is_some_and(|half_closed| half_closed.due(self.unanswered, config) <= now)
    }
}

impl Transports {
    /// The peer sends no more. RFC 3261 §18.2.2: a response "MUST be sent using the existing connection to the source of
    /// the original request that created the transaction, if that connection is still open", and our half of it is.
    pub(super) fn on_ended(&mut self, connection: ConnectionId, now: Instant) {
        let Some((id, entry)) = self.entry(connection) else {
            return;
        };
        let flow = entry.flow;
        let Link::Stream(stream) = &mut entry.link else {
            return;
        };
        // RFC 5246 §7.2.1 has TLS closed in both directions at once, and the other transports know no half of one.
        let is_owed = flow.kind == TransportKind::Tcp
            && matches!(stream.state, State::Open { .. })
            && stream.reopen.is_some()
            && stream.unanswered > 0;
        if !is_owed {
            self.outputs.push_back(Output::Close { connection });
            self.on_closed(connection, None, now);
            return;
        }
        if stream.half_closed.is_some() {
            return;
        }
        stream.half_closed = Some(Box::new(HalfClosed {
            since: now,
            written: None,
            owed: Vec::new(),
        }));
        // RFC 3261 §18.3: the rest of a message that began will not come.
        stream.buffer = bytes::BytesMut::new();
        stream.message_since = None;
        let alias = stream.set_alias(None);
        entry.pinger = None;
        // No response can come back over it: it is for no request of ours any more, and those under way have failed.
        self.forget_place(id, &flow);
        self.forget_alias(id, &flow, alias);
        self.event(Event::FlowFailed {
            flow: id,
            cause: FlowFailure::Closed,
            reopens: true,
        });
        self.arm(id);
    }

    /// Everything is answered, or will not be in time.
    pub(super) fn end_half_closed(&mut self, id: FlowId, now: Instant) {
        let Some(Entry {
            link: Link::Stream(stream),
            ..
        }) = self.flows.get_mut(id)
        else {
            return;
        };
        if let Some(half_closed) = &mut stream.half_closed {
            // The peer has them.
            half_closed.owed.clear();
        }
        if let Some(connection) = stream.connection() {
            self.outputs.push_back(Output::Close { connection });
            self.on_closed(connection, None, now);
        }
    }
}

/// Is it a response that ends a transaction?
fn is_final(payload: &[u8]) -> bool {
    payload
        .strip_prefix(b"SIP/2.0 ")
        .and_then(|rest| rest.first())
        .is_some_and(|class| matches!(class, b'2'..=b'6'))
}
