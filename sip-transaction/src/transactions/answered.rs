//! Server transactions that only wait for copies of their request: they make room when the layer is full.

use std::collections::VecDeque;

use super::Transactions;
use crate::slab::Key;

/// Non-INVITE server transactions in the order in which they were answered, among others that have ended since.
#[derive(Debug, Default)]
pub(super) struct Answered(VecDeque<Key>);

impl Transactions {
    /// A final response was given. What is left of a non-INVITE transaction costs memory for Timer J and saves an answer to a
    /// copy: nobody is refused for the sake of that, so it does not count for its peer. Neither does an INVITE that was accepted,
    /// which stays as long (RFC 6026 §7.1): a peer may make as many calls as are answered. But it is not forgotten for another.
    pub(super) fn on_answered(&mut self, key: Key) {
        // Timer J is the same for all of them, so the oldest end first.
        while self
            .answered
            .0
            .front()
            .is_some_and(|oldest| self.servers.get(*oldest).is_none())
        {
            self.answered.0.pop_front();
        }
        let Some(server) = self.servers.get_mut(key) else {
            return;
        };
        let (is_answered, is_accepted) = (server.is_answered(), server.is_accepted());
        if is_answered || is_accepted {
            let peer = server.leave_peer();
            self.peers.leave(peer);
        }
        if is_answered {
            self.answered.0.push_back(key);
        }
    }

    /// Forgets the oldest transaction that was answered; a copy of its request would be taken for a new one. Was there one?
    pub(super) fn forget_answered(&mut self) -> bool {
        while let Some(oldest) = self.answered.0.pop_front() {
            if self.servers.get(oldest).is_some() {
                self.stats.forgotten += 1;
                self.end_server(oldest);
                return true;
            }
        }
        false
    }
}
