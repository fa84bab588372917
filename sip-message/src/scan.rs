//! Searching eight or sixteen bytes at a time, for texts too short to be worth a call into `memchr`.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// A word whose lowest set high bit marks the first zero byte of `word`; bits above that one may be wrong.
#[inline]
pub(crate) const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// The first byte from `at` on that is a control character or not ASCII.
#[inline]
pub(crate) fn special(text: &[u8], at: usize) -> Option<usize> {
    outside::<0x20>(text, at)
}

/// What is before the first such byte, and the rest from there on.
#[inline(always)]
pub(crate) fn until_special(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if has_outside::<0x20>(block) {
            rest = rest.get(first_outside::<0x20>(block)..)?;
            return Some((text.get(..text.len() - rest.len())?, rest));
        }
        rest = after;
    }
    let at = rest.iter().position(|&b| !(0x20..0x7f).contains(&b))?;
    rest = rest.get(at..)?;
    Some((text.get(..text.len() - rest.len())?, rest))
}

/// The first byte from `at` on that is a space, a control character or not ASCII.
#[inline]
pub(crate) fn gap(text: &[u8], at: usize) -> Option<usize> {
    outside::<0x21>(text, at)
}

/// The first byte from `at` on that is below `FIRST`, 0x7f or above.
#[inline(always)]
fn outside<const FIRST: u8>(text: &[u8], at: usize) -> Option<usize> {
    let mut rest = text.get(at..)?;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if has_outside::<FIRST>(block) {
            return Some(text.len() - rest.len() + first_outside::<FIRST>(block));
        }
        rest = after;
    }
    let at = rest.iter().position(|&b| b < FIRST || b >= 0x7f)?;
    Some(text.len() - rest.len() + at)
}

/// The decimal number from `at` on and how many digits it has: up to seven, in a text of eight bytes or more.
#[inline(always)]
pub(crate) fn number(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let rest = text.get(at..)?;
    let word = match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None if rest.is_empty() => return None,
        // The end of the text, with zeros behind it.
        None => u64::from_le_bytes(*text.last_chunk()?) >> (64 - 8 * rest.len()),
    };
    // A digit is now its value, and everything else more than nine.
    let values = word ^ (LOW * u64::from(b'0'));
    // The lowest mark is right; a carry only reaches bytes above one that is marked.
    let marks = (values.wrapping_add(LOW * 0x76) | values) & HIGH;
    let len = (marks.trailing_zeros() / 8) as usize;
    if len == 0 || len == 8 {
        return None;
    }
    // To the end of the word, zeros before them; then neighbours become one number, three times.
    let digits = values << (64 - 8 * len);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) as u32;
    Some((number, len))
}

/// Is every byte ASCII?
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    // Not the one of the standard library: that looks at up to 63 bytes at the end one by one.
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if has_high(block) {
            return false;
        }
        rest = after;
    }
    match text.last_chunk::<16>() {
        Some(block) => !has_high(block),
        None => rest.iter().all(u8::is_ascii),
    }
}

#[inline]
fn has_high(block: &[u8; 16]) -> bool {
    block
        .iter()
        .fold(false, |found, &byte| found | (byte >= 0x80))
}

/// The first control character (below 0x20, or 0x7f) from `at` on. `non_ascii` becomes true when a byte that is not
/// ASCII was passed.
#[inline]
pub(crate) fn control(text: &[u8], at: usize, non_ascii: &mut bool) -> Option<usize> {
    let mut rest = text.get(at..)?;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        if !has_outside::<0x20>(block) {
            rest = after;
            continue;
        }
        rest = rest.get(first_outside::<0x20>(block)..)?;
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

/// Is one of the bytes below `FIRST`, 0x7f or above? Written so that the compiler makes vector instructions of it.
#[inline]
fn has_outside<const FIRST: u8>(block: &[u8; 16]) -> bool {
    block.iter().fold(false, |found, &byte| {
        found | (byte.wrapping_sub(FIRST) >= 0x7f - FIRST)
    })
}

/// Where the first one is; there is one.
#[inline]
fn first_outside<const FIRST: u8>(block: &[u8; 16]) -> usize {
    let word = u128::from_le_bytes(*block);
    // The low and the high half.
    let (first, second) = (word as u64, (word >> 64) as u64);
    match outside_bytes::<FIRST>(first) {
        0 => 8 + (outside_bytes::<FIRST>(second).trailing_zeros() / 8) as usize,
        marks => (marks.trailing_zeros() / 8) as usize,
    }
}

/// A word whose lowest set high bit marks the first byte that is below `FIRST`, 0x7f or above; bits above that one may be
/// wrong: a borrow or a carry goes to the bytes after one that is marked itself.
#[inline]
const fn outside_bytes<const FIRST: u8>(word: u64) -> u64 {
    (word.wrapping_sub(LOW * FIRST as u64) | word.wrapping_add(LOW) | word) & HIGH
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
    if let Some(word) = text.last_chunk() {
        // What of it was looked at before has no mark.
        let marks = zero_bytes(u64::from_le_bytes(*word) ^ pattern);
        return (marks != 0).then(|| text.len() - 8 + (marks.trailing_zeros() / 8) as usize);
    }
    text.iter().position(|&b| b == byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_its_digits(
            before in "[a-z:]{0,10}",
            digits in "[0-9]{0,10}",
            after in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let (text, at) = ([before.as_bytes(), digits.as_bytes(), &after].concat(), before.len());
            let len = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
            let obvious = core::str::from_utf8(&text[at..at + len]).unwrap().parse().ok().map(|n| (n, len));
            let expected = obvious.filter(|_| text.len() >= 8 && len < 8);
            prop_assert_eq!(number(&text, at), expected);
        }

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
            let slow = text.iter().skip(at).position(|b| !(0x20..0x7f).contains(b)).map(|i| i + at);
            prop_assert_eq!(special(&text, at), slow);
            let slow = text.iter().skip(at).position(|b| !(0x21..0x7f).contains(b)).map(|i| i + at);
            prop_assert_eq!(gap(&text, at), slow);
            prop_assert_eq!(is_ascii(&text), text.is_ascii());
        }
    }
}
