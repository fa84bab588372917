//! Telephone events: digits and other named signals beside the audio (RFC 4733).
//!
//! [`EventSender`] makes one payload per packet interval while an event lasts, and repeats the last one;
//! [`EventReceiver`] turns what arrives, with losses, reordering and duplicates, into each event exactly once.

use std::fmt;

mod receiver;
mod sender;

pub use receiver::{EventReceiver, Received};
pub use sender::{EventPacket, EventSender, TooManyEvents};

/// A telephone event code (RFC 4733 §3, §7; the registry `audio/telephone-event Event Codes`).
///
/// ```
/// use sip_rtp::event::Event;
///
/// assert_eq!(Event::from_digit('#'), Some(Event(11)));
/// assert_eq!(Event(12).digit(), Some('A'));
/// assert_eq!(Event::FLASH.digit(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a number of the IANA registry and nothing else"
)]
pub struct Event(pub u8);

impl Event {
    /// Hook flash (RFC 4733 §3.2).
    pub const FLASH: Self = Self(16);

    /// The DTMF event of a key: `0`-`9`, `*`, `#`, `A`-`D` in either case (RFC 4733 §3.2).
    #[must_use]
    pub const fn from_digit(digit: char) -> Option<Self> {
        Some(Self(match digit {
            '0'..='9' => digit as u8 - b'0',
            '*' => 10,
            '#' => 11,
            'A'..='D' => digit as u8 - b'A' + 12,
            'a'..='d' => digit as u8 - b'a' + 12,
            _ => return None,
        }))
    }

    /// The key of a DTMF event.
    #[must_use]
    pub const fn digit(self) -> Option<char> {
        Some(match self.0 {
            0..=9 => (b'0' + self.0) as char,
            10 => '*',
            11 => '#',
            12..=15 => (b'A' + self.0 - 12) as char,
            _ => return None,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digit() {
            Some(digit) => write!(f, "{digit}"),
            None => write!(f, "event {}", self.0),
        }
    }
}

/// The payload of an event packet (RFC 4733 §2.3).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     event     |E|R| volume    |          duration             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 4733 section 2.3 has exactly these fields"
)]
pub struct EventPayload {
    /// Which event.
    pub event: Event,
    /// Whether it has ended.
    pub end: bool,
    /// The power level of a tone in -dBm0, 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in ticks of the RTP clock.
    pub duration: u16,
}

impl EventPayload {
    /// The first event of a payload; `None` when it is shorter than four octets.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        payload.first_chunk().map(Self::from_octets)
    }

    /// All events packed into one payload, oldest first (RFC 4733 §2.5.1.5).
    pub fn parse_all(payload: &[u8]) -> impl Iterator<Item = Self> + '_ {
        payload.as_chunks::<4>().0.iter().map(Self::from_octets)
    }

    /// The four octets on the wire; the reserved bit is zero.
    #[must_use]
    pub const fn to_octets(self) -> [u8; 4] {
        let duration = self.duration.to_be_bytes();
        [
            self.event.0,
            ((self.end as u8) << 7) | (self.volume & 0x3f),
            duration[0],
            duration[1],
        ]
    }

    const fn from_octets(octets: &[u8; 4]) -> Self {
        Self {
            event: Event(octets[0]),
            end: octets[1] & 0x80 != 0,
            // RFC 4733 §2.3.3: the reserved bit is ignored.
            volume: octets[1] & 0x3f,
            duration: u16::from_be_bytes([octets[2], octets[3]]),
        }
    }
}

#[cfg(test)]
mod tests;
