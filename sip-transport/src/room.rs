//! [`Room`]: where what is written for a message goes.

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use sip_message::ViaStamp;

/// A buffer that messages share, so that what is written for each, the Via with its source and the bytes that leave, takes no
/// allocation. It is no larger than for a few dozen of them, because the last one that is kept keeps all.
#[derive(Debug)]
pub(crate) struct Room {
    buffer: BytesMut,
    /// Whose stamp it was last, with the port if that was to be told, and the stamp: of several messages that one peer sent
    /// together all have the same.
    source: (IpAddr, Option<u16>),
    stamp: ViaStamp,
}

impl Default for Room {
    fn default() -> Self {
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            buffer: BytesMut::new(),
            source: (nobody, None),
            stamp: ViaStamp::new(nobody, None),
        }
    }
}

/// As the system's allocator has it at once, and some thirty lines of Via.
const SIZE: usize = 4096;

impl Room {
    /// To be written to, and what was written split off.
    #[inline]
    pub(crate) fn open(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() == 0 {
            self.buffer = BytesMut::with_capacity(SIZE);
        }
        &mut self.buffer
    }

    /// The same, and what is to be written into the Via of a message from there.
    #[inline]
    pub(crate) fn open_for(&mut self, ip: IpAddr, port: Option<u16>) -> (&mut BytesMut, &ViaStamp) {
        self.open();
        if self.source != (ip, port) {
            self.source = (ip, port);
            self.stamp = ViaStamp::new(ip, port);
        }
        (&mut self.buffer, &self.stamp)
    }
}
