//! [`Room`]: where what is written for a message goes.

use bytes::BytesMut;

/// A buffer that messages share, so that what is written for each, the Via with its source and the bytes that leave, takes no
/// allocation. It is no larger than for a few dozen of them, because the last one that is kept keeps all.
#[derive(Debug, Default)]
pub(crate) struct Room(BytesMut);

/// As the system's allocator has it at once, and some thirty lines of Via.
const SIZE: usize = 4096;

impl Room {
    /// To be written to, and what was written split off.
    #[inline]
    pub(crate) fn open(&mut self) -> &mut BytesMut {
        if self.0.capacity() == 0 {
            self.0 = BytesMut::with_capacity(SIZE);
        }
        &mut self.0
    }
}
