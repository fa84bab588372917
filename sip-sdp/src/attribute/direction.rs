//! `a=sendrecv`, `a=sendonly`, `a=recvonly`, `a=inactive` (RFC 8866 §6.7) and their algebra (RFC 3264 §6.1).

use core::fmt;

use super::Attributes;

/// Which way media flows, seen by the side whose description says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "two bits: sending and receiving")]
pub enum Direction {
    /// Both ways; what holds when nothing is said.
    #[default]
    SendRecv,
    /// Sends only.
    SendOnly,
    /// Receives only.
    RecvOnly,
    /// Neither; RTCP still flows.
    Inactive,
}

impl Direction {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::SendRecv,
        Self::SendOnly,
        Self::RecvOnly,
        Self::Inactive,
    ];

    /// The direction with these two halves.
    pub const fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether this side sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this side receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen by the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }

    /// The answer to this offered direction by a side that is willing to do `local` (RFC 3264 §6.1).
    ///
    /// ```
    /// use sip_sdp::attribute::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    ///
    /// assert_eq!(SendOnly.answer(SendRecv), RecvOnly); // we are on hold
    /// assert_eq!(SendRecv.answer(SendOnly), SendOnly); // we hold
    /// assert_eq!(SendOnly.answer(SendOnly), Inactive);
    /// ```
    #[must_use]
    pub const fn answer(self, local: Self) -> Self {
        self.reversed().intersection(local)
    }

    /// What a side offers to put the other on hold: it stops receiving (RFC 3264 §8.4, RFC 6337 §5.3).
    #[must_use]
    pub const fn held(self) -> Self {
        Self::new(self.sends(), false)
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|direction| direction.as_str() == name)
    }

    /// The first direction among the attributes.
    pub(crate) fn of(attributes: Attributes<'_>) -> Option<Self> {
        // All four names have eight letters: the filter is one comparison for most attributes.
        attributes
            .filter(|attribute| attribute.name.len() == 8)
            .find_map(|attribute| Self::from_name(attribute.name))
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction;
    use super::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    #[test]
    fn rfc3264_6_1_every_pair_of_directions() {
        // Rows: the offer; columns: the answerer's will, in the order of `ALL`.
        let expected = [
            (SendRecv, [SendRecv, SendOnly, RecvOnly, Inactive]),
            (SendOnly, [RecvOnly, Inactive, RecvOnly, Inactive]),
            (RecvOnly, [SendOnly, SendOnly, Inactive, Inactive]),
            (Inactive, [Inactive, Inactive, Inactive, Inactive]),
        ];
        for (offer, answers) in expected {
            for (will, answer) in Direction::ALL.into_iter().zip(answers) {
                assert_eq!(offer.answer(will), answer, "{offer} answered by {will}");
            }
        }
    }

    #[test]
    fn rfc3264_8_4_hold_stops_receiving() {
        assert_eq!(
            Direction::ALL.map(Direction::held),
            [SendOnly, SendOnly, Inactive, Inactive]
        );
    }
}
