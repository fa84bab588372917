//! What one event makes a machine do.

use std::fmt;

use bytes::Bytes;

/// The effects of one event on one machine. At most one message is sent and one thing told to the transaction user.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Step {
    /// Hand this to the transport.
    pub(crate) send: Option<Bytes>,
    /// Tell the transaction user.
    pub(crate) tell: Option<Tell>,
    /// Send the CANCEL that was waiting for a provisional response (RFC 3261 §9.1).
    pub(crate) cancel: bool,
    /// The machine reached Terminated and must be destroyed.
    pub(crate) ended: bool,
}

/// What the transaction user learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// The response that caused the event.
    Response,
    /// The ACK that caused the event.
    Ack,
    /// No response came in time (Timers B and F, or the CANCEL brought none).
    TimedOut,
    /// No ACK came in time (Timer H).
    AckTimedOut,
    /// The flow failed.
    FlowFailed,
}

impl Step {
    pub(crate) const NOTHING: Self = Self {
        send: None,
        tell: None,
        cancel: false,
        ended: false,
    };

    pub(crate) fn send(payload: Bytes) -> Self {
        Self {
            send: Some(payload),
            ..Self::NOTHING
        }
    }

    pub(crate) fn tell(what: Tell) -> Self {
        Self {
            tell: Some(what),
            ..Self::NOTHING
        }
    }

    pub(crate) fn end() -> Self {
        Self {
            ended: true,
            ..Self::NOTHING
        }
    }

    pub(crate) fn and_tell(self, what: Tell) -> Self {
        Self {
            tell: Some(what),
            ..self
        }
    }

    pub(crate) fn and_end(self) -> Self {
        Self {
            ended: true,
            ..self
        }
    }

    pub(crate) fn and_cancel_if(self, cancel: bool) -> Self {
        Self { cancel, ..self }
    }
}

/// For the state tables in the tests: `send "ACK", tell Response`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(payload) = &self.send {
            parts.push(format!("send {}", String::from_utf8_lossy(payload)));
        }
        if let Some(tell) = self.tell {
            parts.push(format!("tell {tell:?}"));
        }
        if self.cancel {
            parts.push("send CANCEL".to_owned());
        }
        f.write_str(&if parts.is_empty() {
            "-".to_owned()
        } else {
            parts.join(", ")
        })
    }
}
