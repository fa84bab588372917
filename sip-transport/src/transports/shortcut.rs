//! The flows of numeric targets that were selected of late.

use std::net::{IpAddr, SocketAddr};

use crate::id::FlowId;

/// A small table from an address to the UDP flow that leads there, for the selection of a target that is an address and
/// was selected before. Each address has one place, which it shares with others: whoever comes last has it. So its
/// size is fixed, nobody can make it slow, and a miss costs what a selection costs anyway. What is in it may be stale:
/// the flow has to be compared with the address.
#[derive(Debug, Default)]
pub(super) struct Shortcuts {
    /// Empty until the first flow is noted, so that an instance without traffic is small.
    places: Vec<Option<FlowId>>,
}

const PLACES: usize = 1024;

impl Shortcuts {
    pub(super) fn note(&mut self, remote: SocketAddr, flow: FlowId) {
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        if let Some(place) = self.places.get_mut(place(remote)) {
            *place = Some(flow);
        }
    }

    #[inline]
    pub(super) fn find(&self, remote: SocketAddr) -> Option<FlowId> {
        *self.places.get(place(remote))?
    }

    /// The sockets are others now, and with them what is the best flow.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }
}

/// The place of an address: any mixture will do, because a collision costs a selection and nothing else.
#[inline]
fn place(remote: SocketAddr) -> usize {
    let bits = match remote.ip() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            (bits >> 64) as u64 ^ bits as u64
        }
    };
    let mixed = (bits ^ (u64::from(remote.port()) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 54) as usize
}
