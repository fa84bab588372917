//! Searching eight or sixteen bytes at a time, for texts too short to be worth a call into `memchr`.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// A word whose lowest set high bit marks the first zero byte of `word`; bits above that one may be wrong.
#[inline]
pub(crate) const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// The first control character (below 0x20, or 0x7f) from `at` on. `non_ascii` becomes true when a byte that is not
/// ASCII was passed.
#[inline]
pub(crate) fn control(text: &[u8], at: usize, non_ascii: &mut bool) -> Option<usize> {
    let mut rest = text.get(at..)?;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if !has_special(block) {
            rest = after;
            continue;
        }
        rest = rest.get(first_special(block)..)?;
        if rest.first()?.is_ascii() {
            return Some(text.len() - rest.len());
        }
        *non_ascii = true;
        rest = skip_non_ascii(rest);
    }
    for (i, &byte) in rest.iter().enumerate() {
        if byte.is_ascii_control() {
            return Some(text.len() - rest.len() + i);
        }
        *non_ascii |= !byte.is_ascii();
    }
    None
}

/// Is one of the bytes a control character or not ASCII? Written so that the compiler makes vector instructions of it.
#[inline]
fn has_special(block: &[u8; 16]) -> bool {
    block.iter().fold(false, |found, &byte| {
        found | (byte.wrapping_sub(0x20) >= 0x5f)
    })
}

/// Where the first one is; there is one.
#[inline]
fn first_special(block: &[u8; 16]) -> usize {
    let word = u128::from_le_bytes(*block);
    // The low and the high half.
    let (first, second) = (word as u64, (word >> 64) as u64);
    match special_bytes(first) {
        0 => 8 + (special_bytes(second).trailing_zeros() / 8) as usize,
        marks => (marks.trailing_zeros() / 8) as usize,
    }
}

/// A word whose lowest set high bit marks the first byte that is below 0x20, 0x7f or above; bits above that one may be
/// wrong: a borrow or a carry goes to the bytes after one that is marked itself.
#[inline]
const fn special_bytes(word: u64) -> u64 {
    (word.wrapping_sub(LOW * 0x20) | word.wrapping_add(LOW) | word) & HIGH
}

#[cold]
fn skip_non_ascii(text: &[u8]) -> &[u8] {
    let len = text.iter().position(u8::is_ascii).unwrap_or(text.len());
    text.get(len..).unwrap_or_default()
}

/// The first `byte`.
#[inline]
pub(crate) fn byte(text: &[u8], byte: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if block.iter().fold(false, |found, &b| found | (b == byte)) {
            break;
        }
        rest = after;
    }
    let pattern = LOW * byte as u64;
    while let Some((word, after)) = rest.split_first_chunk() {
        let marks = zero_bytes(u64::from_le_bytes(*word) ^ pattern);
        if marks != 0 {
            return Some(text.len() - rest.len() + (marks.trailing_zeros() / 8) as usize);
        }
        rest = after;
    }
    let at = rest.iter().position(|&b| b == byte)?;
    Some(text.len() - rest.len() + at)
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
            let mut non_ascii = false;
            prop_assert_eq!(control(&text, at, &mut non_ascii), slow);
            if let Some(passed) = text.get(at..slow.unwrap_or(text.len())) {
                prop_assert_eq!(non_ascii, !passed.is_ascii());
            }
            let slow = text.iter().position(|&b| b == wanted);
            prop_assert_eq!(byte(&text, wanted), slow);
        }
    }
}
