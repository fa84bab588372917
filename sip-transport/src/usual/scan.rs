//! [`Scan`]: where the bytes of a text are that are not of a name.

/// A text whose every byte was looked at once, many at a time, before anybody asks: so that to find where a name ends costs
/// hardly more than to look at the one byte that ends it.
///
/// *Plain* is what host names and parameters of URIs have: letters, digits, "-", "." and "_". All else may mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    text: &'a [u8],
    /// The text, and the bytes behind it in its buffer: looked at with it, and not believed.
    beyond: &'a [u8],
    /// Where what is known begins.
    from: usize,
    /// A bit for each byte from there on that is not plain, or beyond the end.
    marks: u64,
}

/// Bytes that are known at once.
const WINDOW: usize = 64;

impl<'a> Scan<'a> {
    /// Of the first `len` bytes of what is there of a buffer.
    #[inline]
    pub(super) fn new(beyond: &'a [u8], len: usize) -> Option<Self> {
        let text = beyond.get(..len)?;
        Some(Self {
            text,
            beyond,
            from: 0,
            marks: window(beyond, len),
        })
    }

    pub(super) const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The byte at a place.
    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// The first byte from a place on that is not plain, or the end of the text. Never asked of a place that is before an earlier
    /// answer.
    #[inline(always)]
    pub(super) fn stop(&mut self, at: usize) -> usize {
        let marks = at
            .checked_sub(self.from)
            .and_then(|skip| self.marks.checked_shr(u32::try_from(skip).ok()?))
            .unwrap_or(0);
        if marks == 0 {
            return self.stop_later(at);
        }
        at + marks.trailing_zeros() as usize
    }

    #[inline(never)]
    fn stop_later(&mut self, at: usize) -> usize {
        let mut at = at.max(self.from + WINDOW);
        while at < self.text.len() {
            self.from = at;
            self.marks = window(
                self.beyond.get(at..).unwrap_or_default(),
                self.text.len() - at,
            );
            if self.marks != 0 {
                return at + self.marks.trailing_zeros() as usize;
            }
            at += WINDOW;
        }
        self.text.len()
    }
}

/// The marks of the first bytes of a buffer, of which so many are of the text.
#[inline(never)]
fn window(beyond: &[u8], len: usize) -> u64 {
    let marks = match (beyond.first_chunk(), beyond.first_chunk()) {
        (Some(block), _) if len <= HALF => half(block),
        (_, Some(block)) => whole(block),
        _ => {
            let mut block = [0; WINDOW];
            for (to, from) in block.iter_mut().zip(beyond) {
                *to = *from;
            }
            whole(&block)
        }
    };
    if len < WINDOW {
        marks | u64::MAX << len
    } else {
        marks
    }
}

const HALF: usize = WINDOW / 2;

#[inline(always)]
fn whole(block: &[u8; WINDOW]) -> u64 {
    match (block.first_chunk(), block.last_chunk()) {
        (Some(first), Some(second)) => half(first) | half(second) << HALF,
        _ => u64::MAX,
    }
}

/// Written so that the compiler takes sixteen bytes at a time: first what each of them is, then eight of those to eight bits.
#[inline(always)]
fn half(block: &[u8; HALF]) -> u64 {
    let mut flags = [0; HALF];
    for (flag, &byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(!is_plain(byte));
    }
    let mut marks = 0;
    for (nth, eight) in (0_u32..).zip(flags.as_chunks().0) {
        // The lowest bit of each byte to a place of its own in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        marks |= bits << (8 * nth);
    }
    marks
}

/// Without a branch and a table, which would be one byte at a time.
#[inline(always)]
const fn is_plain(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // "-", ".", "/" and the digits are neighbours.
    let number = byte.wrapping_sub(b'-') < 13 && byte != b'/';
    letter | number | (byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_obvious_search_agrees(
            text in proptest::collection::vec(prop_oneof![20 => "[a-zA-Z0-9._-]".prop_map(|s| s.as_bytes()[0]), 1 => any::<u8>()], 0..200),
            cut in any::<prop::sample::Index>(),
            places in proptest::collection::vec(0..220_usize, 0..12),
        ) {
            let len = cut.index(text.len() + 1);
            let mut scan = Scan::new(&text, len).unwrap();
            let mut places = places;
            places.sort_unstable();
            let mut answered = 0;
            for at in places {
                let at = at.max(answered).min(len);
                let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
                let slow = text[at..len].iter().position(|b| !plain(b)).map_or(len, |found| at + found);
                answered = scan.stop(at);
                prop_assert_eq!(answered, slow);
            }
        }
    }

    #[test]
    fn every_byte_is_of_its_class() {
        for byte in 0..=u8::MAX {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            assert_eq!(is_plain(byte), plain, "{byte}");
        }
    }
}
