//! [`Arena`]: encoded messages that live about as long as their neighbours.

use bytes::{Bytes, BytesMut};

/// Encoded messages, many to one allocation, each shared without one of its own.
///
/// A chunk is freed when the last of its messages is dropped. It is therefore only for messages that a timer of this
/// layer ends (64*T1 at the latest) and that all live about as long: requests until their response, and final
/// responses. A provisional response may wait for hours, and gets an allocation of its own.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    chunk: BytesMut,
}

/// A few dozen messages.
const CHUNK: usize = 16 * 1024;
/// Larger messages would waste the end of a chunk.
const LARGEST: usize = CHUNK / 8;

impl Arena {
    /// A message from its parts.
    pub(crate) fn put(&mut self, parts: &[&[u8]]) -> Bytes {
        let len = parts.iter().map(|part| part.len()).sum();
        if len > LARGEST {
            let mut bytes = Vec::with_capacity(len);
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
            return bytes.into();
        }
        if self.chunk.capacity() < len {
            self.chunk = BytesMut::with_capacity(CHUNK);
        }
        for part in parts.iter().filter(|part| !part.is_empty()) {
            self.chunk.extend_from_slice(part);
        }
        self.chunk.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_was_put() {
        let mut arena = Arena::default();
        let sizes = [0, 1, 400, LARGEST - 4, LARGEST - 3, 70_000];
        let mut all = Vec::new();
        for round in 0..50_u8 {
            for size in sizes {
                let text = vec![round; size];
                all.push((
                    arena.put(&[b"abc", b"", &text]),
                    [b"abc", text.as_slice()].concat(),
                ));
            }
        }
        for (bytes, expected) in all {
            assert_eq!(bytes, expected);
        }
    }
}
