//! [`Stats`]: what was counted.

use sip_message::ParseErrorKind;

/// Counters of one [`Transports`](crate::Transports), from its creation on.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests handed up, or answered at sight.
    pub requests: u64,
    /// Responses handed up.
    pub responses: u64,
    /// Messages given to the driver.
    pub sent: u64,
    /// Datagrams that arrived, whatever was in them.
    pub datagrams: u64,
    /// Keep-alives that arrived (RFC 5626 §4.4).
    pub keep_alives: u64,
    /// Datagrams that begin like STUN and are no Binding message (RFC 5626 §8).
    pub bad_stun: u64,
    /// Requests that were answered here because they are broken.
    pub answered: u64,
    /// Responses dropped because their topmost Via is not ours (RFC 3261 §18.1.2).
    pub misdirected: u64,
    /// Datagrams from an address that cannot be answered: port 0, no such listener.
    pub bad_source: u64,
    /// Connections that were refused by a limit.
    pub refused_connections: u64,
    /// Security handshakes with peers that connected to us which failed or took too long.
    pub failed_handshakes: u64,
    /// Connections that were closed because the peer was too slow to send or to read.
    pub slow_peers: u64,
    /// Connections that were closed because too much waited to be sent.
    pub overflows: u64,
    /// Datagram flows that had to make room for others.
    pub evicted_flows: u64,
    /// Datagram flows now.
    pub datagram_flows: usize,
    /// Stream flows now, open or not.
    pub stream_flows: usize,
    /// Connections now, open or opening.
    pub connections: usize,
    /// Selections that wait for the domain name system now.
    pub selections: usize,
    malformed: Vec<(ParseErrorKind, u64)>,
}

impl Stats {
    /// Messages that were refused for this reason.
    #[must_use]
    pub fn malformed(&self, kind: ParseErrorKind) -> u64 {
        self.malformed
            .iter()
            .find(|(other, _)| *other == kind)
            .map_or(0, |(_, count)| *count)
    }

    /// The reasons for which messages were refused, with their counts, in the order of first occurrence.
    pub fn all_malformed(&self) -> impl Iterator<Item = (ParseErrorKind, u64)> + '_ {
        self.malformed.iter().copied()
    }

    pub(crate) fn count_malformed(&mut self, kind: ParseErrorKind) {
        // As many entries as there are kinds, at most.
        match self.malformed.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, count)) => *count += 1,
            None => self.malformed.push((kind, 1)),
        }
    }
}
