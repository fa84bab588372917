//! Searching eight bytes at a time, for texts too short to be worth a call into `memchr`.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The eight bytes at a place, the first one lowest.
#[inline]
fn word(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_le_bytes(*bytes))
}

/// A word whose lowest set high bit marks the first zero byte of `word`; bits above that one may be wrong.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// The first control character (below 0x20, or 0x7f) from `at` on. `seen` collects the bits of the bytes passed, so
/// that its high bits say whether one was not ASCII.
#[inline]
pub(crate) fn control(text: &[u8], mut at: usize, seen: &mut u64) -> Option<usize> {
    while let Some(word) = word(text, at) {
        *seen |= word;
        // Below 0x20 a byte borrows when 0x20 is taken from it, and 0x7f becomes 0x80 when 1 is added. What is not
        // ASCII never counts; a carry out of it may make a false mark in the byte after, which the check sorts out.
        let marks = (word.wrapping_sub(LOW * 0x20) | word.wrapping_add(LOW)) & !word & HIGH;
        if marks == 0 {
            at += 8;
            continue;
        }
        let offset = (marks.trailing_zeros() / 8) as usize;
        let found = at + offset;
        if text.get(found).is_some_and(u8::is_ascii_control) {
            return Some(found);
        }
        at = found + 1;
    }
    let rest = text.get(at..)?;
    for (i, &byte) in rest.iter().enumerate() {
        *seen |= u64::from(byte);
        if byte.is_ascii_control() {
            return Some(at + i);
        }
    }
    None
}

/// Was a byte that is not ASCII collected?
#[inline]
pub(crate) const fn is_ascii(seen: u64) -> bool {
    seen & HIGH == 0
}

/// The first `byte` from `at` on.
#[inline]
pub(crate) fn byte(text: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    let pattern = LOW * byte as u64;
    while let Some(word) = word(text, at) {
        let marks = zero_bytes(word ^ pattern);
        if marks != 0 {
            return Some(at + (marks.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    text.get(at..)?
        .iter()
        .position(|&b| b == byte)
        .map(|i| at + i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_obvious_search_agrees(
            text in proptest::collection::vec(prop_oneof![20 => 0x20..0x7f_u8, 2 => any::<u8>(), 1 => Just(0x7f)], 0..60),
            at in 0..8_usize,
            wanted in any::<u8>(),
        ) {
            let slow = text.iter().skip(at).position(u8::is_ascii_control).map(|i| i + at);
            let mut seen = 0;
            prop_assert_eq!(control(&text, at, &mut seen), slow);
            if let Some(passed) = text.get(at..slow.unwrap_or(text.len())) && !passed.is_ascii() {
                prop_assert!(!is_ascii(seen));
            }
            let slow = text.iter().skip(at).position(|&b| b == wanted).map(|i| i + at);
            prop_assert_eq!(byte(&text, at, wanted), slow);
        }
    }
}
