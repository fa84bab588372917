//! Finding messages in a stream: the reads may be split anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_message::{FrameScanner, ParserConfig};

fuzz_target!(|data: &[u8]| {
    // The first byte seeds the sizes of the reads.
    let Some((&seed, stream)) = data.split_first() else {
        return;
    };
    let whole = frames(stream, &[stream.len().max(1)]);
    let single = frames(stream, &[1]);
    let mixed = frames(
        stream,
        &[
            usize::from(seed) % 61 + 1,
            usize::from(seed) % 7 + 1,
            usize::from(seed) % 251 + 1,
        ],
    );
    assert_eq!(whole, single, "byte by byte");
    assert_eq!(whole, mixed, "in pieces");
});

/// The ends of the messages, and whether the stream broke; fed in reads of these sizes, in turn.
fn frames(stream: &[u8], sizes: &[usize]) -> (Vec<usize>, bool) {
    let config = ParserConfig::default();
    let mut scanner = FrameScanner::new();
    let mut buffer: Vec<u8> = Vec::new();
    let (mut at, mut taken) = (0, 0);
    let mut ends = Vec::new();
    for size in sizes.iter().cycle() {
        loop {
            match scanner.scan(&buffer, &config) {
                Ok(Some(length)) => {
                    assert!(
                        length > 0 && length <= buffer.len(),
                        "a message lies inside what was read"
                    );
                    buffer.drain(..length);
                    taken += length;
                    ends.push(taken);
                }
                Ok(None) => break,
                Err(_) => return (ends, true),
            }
        }
        if at == stream.len() {
            break;
        }
        let end = (at + size).min(stream.len());
        buffer.extend_from_slice(&stream[at..end]);
        at = end;
    }
    (ends, false)
}
