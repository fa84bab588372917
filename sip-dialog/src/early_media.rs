//! [`EarlyMedia`]: whether a caller plays what the other side sends before it answers, or rings by itself (RFC 5009, RFC 3960).

use sip_message::{HeaderName, Headers, Response, StatusCode};
use smallvec::SmallVec;

/// Media lines that are told apart; those beyond are as the last (RFC 5009 section 8).
const LINES: usize = 8;

/// In which directions early media of a media line is authorized (RFC 5009 section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 5009 section 9 has these four")]
pub enum EarlyMediaDirection {
    /// In both.
    Both,
    /// From the callee to the caller.
    Backward,
    /// From the caller to the callee.
    Forward,
    /// In none.
    None,
}

impl EarlyMediaDirection {
    /// Whether the caller may be played what comes.
    #[must_use]
    pub const fn is_backward(self) -> bool {
        matches!(self, Self::Both | Self::Backward)
    }

    /// Whether the caller may send.
    #[must_use]
    pub const fn is_forward(self) -> bool {
        matches!(self, Self::Both | Self::Forward)
    }
}

/// What a caller knows of the early media of one branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlyMedia {
    authorized: SmallVec<[EarlyMediaDirection; 2]>,
    gated: bool,
    ringing: bool,
}

impl EarlyMedia {
    /// What is authorized for a media line, counted from 0; `None` when nobody has asked for it, which leaves it to local policy.
    #[must_use]
    pub fn direction(&self, line: usize) -> Option<EarlyMediaDirection> {
        // RFC 5009 section 8: the last one is for all lines that remain.
        self.authorized
            .get(line)
            .or_else(|| self.authorized.last())
            .copied()
    }

    /// Whether someone on the way gates the media already.
    #[must_use]
    pub const fn is_gated(&self) -> bool {
        self.gated
    }

    /// Whether the callee is being alerted.
    #[must_use]
    pub const fn is_ringing(&self) -> bool {
        self.ringing
    }

    /// Whether the caller makes a ringing tone itself, given whether media of the first line arrives (RFC 3960 section 3.2): it does when
    /// the callee is alerted, unless there is something to be heard that may be heard.
    #[must_use]
    pub fn rings_locally(&self, media_arrives: bool) -> bool {
        let heard = media_arrives
            && self
                .direction(0)
                .is_none_or(EarlyMediaDirection::is_backward);
        self.ringing && !heard
    }

    /// A provisional response of the branch.
    pub(crate) fn on_response(&mut self, response: &Response) {
        if response.status() == StatusCode::RINGING {
            self.ringing = true;
        }
        self.on_message(response.headers());
    }

    /// Any message of the branch; without the field, what was authorized stays.
    pub(crate) fn on_message(&mut self, headers: &Headers) {
        let mut authorized = SmallVec::new();
        let mut gated = false;
        for value in headers.values(HeaderName::PEarlyMedia) {
            let token = value.split(';').next().unwrap_or_default().trim();
            let direction = match token.to_ascii_lowercase().as_str() {
                "sendrecv" => EarlyMediaDirection::Both,
                "sendonly" => EarlyMediaDirection::Backward,
                "recvonly" => EarlyMediaDirection::Forward,
                "inactive" => EarlyMediaDirection::None,
                "gated" => {
                    gated = true;
                    continue;
                }
                _ => continue,
            };
            if authorized.len() < LINES {
                authorized.push(direction);
            }
        }
        // One without a direction asks for nothing.
        if !authorized.is_empty() {
            self.authorized = authorized;
            self.gated = gated;
        }
    }
}
