//! Learning where the other side really is, without following an attacker (RFC 4961, RFC 7362 §5).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Latching;

/// Addresses that may be on trial at a time.
const MAX_CANDIDATES: usize = 4;
/// How long the current address must be silent before another may take its place.
const SILENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Latch {
    policy: Latching,
    signalled: SocketAddr,
    current: SocketAddr,
    last_heard: Option<Instant>,
    candidates: VecDeque<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    next: u16,
    /// The packet before: two in sequence prove an address.
    held: (Bytes, Instant),
}

#[derive(Debug)]
pub(super) enum Verdict {
    Accept,
    /// On trial: kept until the address has proved itself.
    Hold,
    Refuse,
    /// The address has proved itself: this packet came before the one that is judged.
    Latched((Bytes, Instant)),
}

impl Latch {
    pub(super) fn new(policy: Latching, signalled: SocketAddr) -> Self {
        Self {
            policy,
            signalled,
            current: signalled,
            last_heard: None,
            candidates: VecDeque::new(),
        }
    }

    pub(super) fn judge(
        &mut self,
        ssrc: u32,
        sequence: u16,
        from: SocketAddr,
        datagram: &Bytes,
        now: Instant,
    ) -> Verdict {
        if from == self.current {
            self.last_heard = Some(now);
            return Verdict::Accept;
        }
        let allowed = match self.policy {
            Latching::Strict => false,
            Latching::SameHost => from.ip() == self.signalled.ip(),
            Latching::Once => true,
        };
        // RFC 7362 §5: while the address in use is alive, nobody else takes its place.
        let free = from == self.signalled
            || self
                .last_heard
                .is_none_or(|at| now.saturating_duration_since(at) >= SILENCE);
        if !allowed || !free {
            return Verdict::Refuse;
        }
        let index = self
            .candidates
            .iter()
            .position(|candidate| candidate.address == from && candidate.ssrc == ssrc);
        if let Some(candidate) = index.and_then(|index| self.candidates.get_mut(index)) {
            let held = std::mem::replace(&mut candidate.held, (datagram.clone(), now));
            if candidate.next == sequence {
                self.candidates.clear();
                self.current = from;
                self.last_heard = Some(now);
                return Verdict::Latched(held);
            }
            candidate.next = sequence.wrapping_add(1);
            return Verdict::Hold;
        }
        if self.candidates.len() >= MAX_CANDIDATES {
            self.candidates.pop_front();
        }
        self.candidates.push_back(Candidate {
            address: from,
            ssrc,
            next: sequence.wrapping_add(1),
            held: (datagram.clone(), now),
        });
        Verdict::Hold
    }

    pub(super) fn remote(&self) -> SocketAddr {
        self.current
    }

    /// Whether RTCP from this address is believed.
    pub(super) fn may_hear(&self, from: SocketAddr) -> bool {
        match self.policy {
            Latching::Strict => from == self.current,
            // RTCP may come from a second port, and before the first RTP.
            Latching::SameHost | Latching::Once => {
                from.ip() == self.current.ip() || from.ip() == self.signalled.ip()
            }
        }
    }
}
