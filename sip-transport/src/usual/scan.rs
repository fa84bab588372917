//! [`Scan`]: where the bytes of a text are that are not of a name.

/// A text whose every byte was looked at once, many at a time, before anybody asks: so that to find where a name ends costs
/// hardly more than to look at the one byte that ends it.
///
/// *Plain* is what host names and parameters of URIs have: letters, digits, "-" and ".". All else may mean something, and
/// stops who reads on.
///
/// A `LONG` text may have more bytes than are looked at at once; for the others, which most are, less is to be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a, const LONG: bool> {
    text: &'a [u8],
    /// The text, and the bytes behind it in its buffer: looked at with it, and not believed.
    beyond: &'a [u8],
    /// Where what is known begins.
    from: usize,
    /// A bit for each byte from there on that is not plain, or beyond the end, and was not passed yet.
    marks: u64,
}

/// Bytes that are known at once.
pub(super) const WINDOW: usize = 64;

impl<'a, const LONG: bool> Scan<'a, LONG> {
    /// Of the first `len` bytes of what is there of a buffer: fewer than [`WINDOW`], unless the text is `LONG`.
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

    /// The next byte that is not plain, which is passed; or the end of the text, behind which nobody asks.
    #[inline(always)]
    pub(super) fn next(&mut self) -> usize {
        if LONG && self.marks == 0 {
            // By value, so that all of this stays in registers.
            (self.from, self.marks) = later(self.beyond, self.text.len(), self.from);
        }
        // What is not long begins with the window, and the mark of its end is in it.
        let from = if LONG { self.from } else { 0 };
        let at = from + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks.wrapping_sub(1);
        at
    }

    /// Passes the first bytes of the text, fewer than [`WINDOW`], before anybody asks.
    #[inline(always)]
    pub(super) const fn skip(&mut self, bytes: u32) {
        self.marks &= u64::MAX << bytes;
    }
}

/// The next window that has a mark, and where it begins.
#[inline(never)]
fn later(beyond: &[u8], len: usize, from: usize) -> (usize, u64) {
    let mut from = from;
    loop {
        from += WINDOW;
        if from >= len {
            return (len, u64::MAX);
        }
        let marks = window(beyond.get(from..).unwrap_or_default(), len - from);
        if marks != 0 {
            return (from, marks);
        }
    }
}

/// The marks of the first bytes of a buffer, of which so many are of the text.
#[inline(never)]
fn window(beyond: &[u8], len: usize) -> u64 {
    let marks = if len <= HALF
        && let Some(block) = beyond.first_chunk()
    {
        half(block)
    } else if let Some(block) = beyond.first_chunk() {
        whole(block)
    } else {
        at_the_end(beyond)
    };
    if len < WINDOW {
        marks | u64::MAX << len
    } else {
        marks
    }
}

/// The marks of the last bytes of a buffer.
#[cold]
#[inline(never)]
fn at_the_end(bytes: &[u8]) -> u64 {
    let mut block = [0; WINDOW];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    whole(&block)
}

const HALF: usize = WINDOW / 2;

/// Written so that the compiler takes sixteen bytes at a time: first what each of them is, a bit for each sixteenth byte; then
/// the bits of eight such bytes, which are the rows of a square, are its columns.
#[inline(always)]
fn whole(block: &[u8; WINDOW]) -> u64 {
    let mut flags = [0_u8; 16];
    let [first, second, third, fourth] = sixteens(block);
    let bytes = first.iter().zip(second).zip(third.iter().zip(fourth));
    for (flag, ((a, b), (c, d))) in flags.iter_mut().zip(bytes) {
        *flag = mark(*a, 1) | mark(*b, 4) | mark(*c, 16) | mark(*d, 64);
    }
    columns(&flags)
}

/// The same of half as many.
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

#[inline(always)]
fn mark(byte: u8, bit: u8) -> u8 {
    if is_plain(byte) { 0 } else { bit }
}

#[inline(always)]
fn sixteens(block: &[u8; WINDOW]) -> [&[u8; 16]; 4] {
    const NOTHING: &[u8; 16] = &[0; 16];
    let part = |nth: usize| block.as_chunks().0.get(nth).unwrap_or(NOTHING);
    [part(0), part(1), part(2), part(3)]
}

/// Of the flags of bytes 0 to 15, 16 to 31 and so on, which are in every other bit of sixteen bytes, a word with one bit for each
/// byte in order.
#[inline(always)]
fn columns(flags: &[u8; 16]) -> u64 {
    let all = u128::from_le_bytes(*flags);
    let mut square = all as u64 | ((all >> 64) as u64) << 1;
    // Bit `b` of byte `a` to bit `a` of byte `b`: squares of four by two, then by four, then by eight change their corners.
    for (shift, corners) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let changed = (square ^ (square >> shift)) & corners;
        square ^= changed ^ (changed << shift);
    }
    square
}

/// Without a branch and a table, which would be one byte at a time; and by signed numbers, whose comparison is an instruction
/// for sixteen of them: what is moved so that the last of a row is the largest number there is, is of the row if it is large.
#[inline(always)]
const fn is_plain(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_add(0x7f - b'z') as i8 > (0x7f - 26) as i8;
    // "-", ".", "/" and the digits are neighbours.
    let number = byte.wrapping_add(0x7f - b'9') as i8 > (0x7f - 13) as i8;
    letter | number & (byte != b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_obvious_search_agrees(
            text in proptest::collection::vec(prop_oneof![20 => "[a-zA-Z0-9.-]".prop_map(|s| s.as_bytes()[0]), 1 => any::<u8>()], 0..200),
            cut in any::<prop::sample::Index>(),
            skipped in 0..64_usize,
        ) {
            let len = cut.index(text.len() + 1);
            let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
            let skipped = skipped.min(len);
            let mut short = Scan::<false>::new(&text, len.min(WINDOW - 1)).unwrap();
            let mut scan = Scan::<true>::new(&text, len).unwrap();
            short.skip(skipped as u32);
            scan.skip(skipped as u32);
            for at in (skipped..len).filter(|&at| !plain(&text[at])) {
                prop_assert_eq!(scan.next(), at);
                if at < WINDOW - 1 {
                    prop_assert_eq!(short.next(), at);
                }
            }
            prop_assert_eq!(scan.next(), len);
            prop_assert_eq!(short.next(), len.min(WINDOW - 1));
        }
    }

    #[test]
    fn every_byte_is_of_its_class() {
        for byte in 0..=u8::MAX {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            assert_eq!(is_plain(byte), plain, "{byte}");
        }
    }
}
