//! SipHash-1-3 with 128 bits of output, keyed from the seed of the layer.
//!
//! Branches, sent-by values and Call-IDs are chosen by peers. What identifies a transaction here is not these strings
//! but their keyed hash: nobody without the key can make two of them collide or aim at a bucket of a hash map, the
//! map needs no second hash, and a transaction stores 16 bytes instead of three strings. Two honest keys collide with
//! probability 2^-128.

/// The key, drawn once per layer.
#[derive(Clone, Copy)]
pub(crate) struct HashKey(pub(crate) u64, pub(crate) u64);

/// The hash that this layer uses: one round per block and three at the end, as in the hash maps of std.
pub(crate) type SipHash = Hash<1, 3>;

/// A SipHash with so many rounds per block and at the end. Input is gathered first and then absorbed in one go.
pub(crate) struct Hash<const COMPRESS: usize, const FINISH: usize> {
    v: [u64; 4],
    buffer: [u8; BUFFER],
    filled: usize,
    /// Bytes absorbed before the buffer; a multiple of eight.
    absorbed: usize,
}

const BUFFER: usize = 128;

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

impl<const COMPRESS: usize, const FINISH: usize> Hash<COMPRESS, FINISH> {
    pub(crate) fn new(HashKey(k0, k1): HashKey) -> Self {
        let v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self {
            v,
            buffer: [0; BUFFER],
            filled: 0,
            absorbed: 0,
        }
    }

    /// Adds a field; its end is marked, so that ("ab", "c") and ("a", "bc") differ.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        // The common case in one go.
        if let Some(place) = self.buffer.get_mut(self.filled..=self.filled + bytes.len())
            && let Some((mark, place)) = place.split_last_mut()
        {
            place.copy_from_slice(bytes);
            *mark = 0xff;
            self.filled += bytes.len() + 1;
            return;
        }
        self.write(bytes);
        // 0xff occurs in no UTF-8 text.
        self.write(&[0xff]);
    }

    /// Adds a field whose letter case carries no meaning.
    pub(crate) fn field_ignoring_case(&mut self, text: &[u8]) {
        let mut lower = [0; 32];
        if let Some(place) = lower.get_mut(..text.len()) {
            place.copy_from_slice(text);
            // All of it, which is a handful of instructions; the zeros do not change.
            lower.make_ascii_lowercase();
            self.field(lower.get(..text.len()).unwrap_or_default());
            return;
        }
        for chunk in text.chunks(lower.len()) {
            let lower = lower.get_mut(..chunk.len()).unwrap_or_default();
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            self.write(lower);
        }
        self.write(&[0xff]);
    }

    pub(crate) fn finish(&mut self) -> [u64; 2] {
        let length = (self.absorbed + self.filled) as u64;
        let whole = self.filled & !7;
        self.absorb(whole);
        let mut last = length << 56;
        for (i, byte) in self
            .buffer
            .get(whole..self.filled)
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            last |= u64::from(*byte) << (8 * i);
        }
        let mut v = self.v;
        block::<COMPRESS>(&mut v, last);
        v[2] ^= 0xee;
        rounds::<FINISH>(&mut v);
        let low = v[0] ^ v[1] ^ v[2] ^ v[3];
        v[1] ^= 0xdd;
        rounds::<FINISH>(&mut v);
        [low, v[0] ^ v[1] ^ v[2] ^ v[3]]
    }

    fn write(&mut self, mut bytes: &[u8]) {
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            if let Some(place) = room.get_mut(..now.len()) {
                place.copy_from_slice(now);
            }
            self.filled += now.len();
            if later.is_empty() {
                return;
            }
            self.absorb(BUFFER);
            self.absorbed += BUFFER;
            self.filled = 0;
            bytes = later;
        }
    }

    /// Absorbs the first bytes of the buffer, a multiple of eight.
    fn absorb(&mut self, bytes: usize) {
        let mut v = self.v;
        let (blocks, _) = self
            .buffer
            .get(..bytes)
            .unwrap_or_default()
            .as_chunks::<8>();
        for bytes in blocks {
            block::<COMPRESS>(&mut v, u64::from_le_bytes(*bytes));
        }
        self.v = v;
    }
}

fn block<const ROUNDS: usize>(v: &mut [u64; 4], block: u64) {
    v[3] ^= block;
    rounds::<ROUNDS>(v);
    v[0] ^= block;
}

#[inline(always)]
fn rounds<const ROUNDS: usize>(v: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    for _ in 0..ROUNDS {
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
    }
    *v = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: HashKey = HashKey(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);

    fn hash(length: u8) -> String {
        let mut hash = Hash::<2, 4>::new(KEY);
        let input: Vec<u8> = (0..length).collect();
        // Split at odd places: the result must not depend on them.
        for chunk in input.chunks(3) {
            hash.write(chunk);
        }
        let [low, high] = hash.finish();
        low.to_le_bytes()
            .iter()
            .chain(&high.to_le_bytes())
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The first, second and last of the test vectors that the authors of SipHash published for the 128-bit variant of
    /// SipHash-2-4; the one used here differs in the number of rounds only.
    #[test]
    fn the_published_vectors() {
        assert_eq!(hash(0), "a3817f04ba25a8e66df67214c7550293");
        assert_eq!(hash(1), "da87c1d86b99af44347659119b22fc45");
        assert_eq!(hash(63), "5150d1772f50834a503e069a973fbd7c");
    }

    #[test]
    fn inputs_longer_than_the_buffer() {
        let input: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let of = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut hash = SipHash::new(KEY);
            pieces.for_each(|piece| hash.write(piece));
            hash.finish()
        };
        let whole = of(&mut std::iter::once(input.as_slice()));
        for size in [1, 7, 8, 127, 128, 129, 500] {
            assert_eq!(of(&mut input.chunks(size)), whole, "{size}");
        }
        assert_ne!(of(&mut std::iter::once(input.get(..999).unwrap())), whole);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let of = |fields: &[&str]| {
            let mut hash = SipHash::new(KEY);
            fields.iter().for_each(|field| hash.field(field.as_bytes()));
            hash.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    }

    #[test]
    fn letter_case_is_ignored_at_every_place_of_the_buffer() {
        for before in 0..200 {
            let of = |name: &[u8]| {
                let mut hash = SipHash::new(KEY);
                hash.write(&vec![b'x'; before]);
                hash.field_ignoring_case(name);
                hash.finish()
            };
            assert_eq!(
                of(b"Atlanta.Example.COM"),
                of(b"atlanta.example.com"),
                "{before}"
            );
            assert_ne!(
                of(b"atlanta.example.com"),
                of(b"biloxi.example.com"),
                "{before}"
            );
        }
    }
}
