//! SipHash-2-4 with 128 bits of output, keyed from the seed of the layer.
//!
//! Branches, sent-by values and Call-IDs are chosen by peers. What identifies a transaction here is not these strings
//! but their keyed hash: nobody without the key can make two of them collide or aim at a bucket of a hash map, the
//! map needs no second hash, and a transaction stores 16 bytes instead of three strings. Two honest keys collide with
//! probability 2^-128.

/// The key, drawn once per layer.
#[derive(Clone, Copy)]
pub(crate) struct HashKey(pub(crate) u64, pub(crate) u64);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// A streaming SipHash-2-4-128.
pub(crate) struct SipHash {
    v: [u64; 4],
    tail: u64,
    length: u64,
}

impl SipHash {
    pub(crate) fn new(HashKey(k0, k1): HashKey) -> Self {
        let v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self {
            v,
            tail: 0,
            length: 0,
        }
    }

    /// Adds a field; its end is marked, so that ("ab", "c") and ("a", "bc") differ.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.write(bytes);
        // 0xff occurs in no UTF-8 text.
        self.write(&[0xff]);
    }

    /// Adds a field whose letter case carries no meaning.
    pub(crate) fn field_ignoring_case(&mut self, text: &[u8]) {
        for chunk in text.chunks(32) {
            let mut lower = [0; 32];
            for (lower, byte) in lower.iter_mut().zip(chunk) {
                *lower = byte.to_ascii_lowercase();
            }
            self.write(lower.get(..chunk.len()).unwrap_or_default());
        }
        self.write(&[0xff]);
    }

    pub(crate) fn finish(mut self) -> [u64; 2] {
        let last = self.tail | (self.length << 56);
        self.block(last);
        self.v[2] ^= 0xee;
        for _ in 0..4 {
            self.round();
        }
        let low = self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3];
        self.v[1] ^= 0xdd;
        for _ in 0..4 {
            self.round();
        }
        [low, self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]]
    }

    fn write(&mut self, mut bytes: &[u8]) {
        let held = (self.length % 8) as usize;
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let (head, rest) = bytes.split_at(bytes.len().min(8 - held));
            for (i, byte) in head.iter().enumerate() {
                self.tail |= u64::from(*byte) << (8 * (held + i));
            }
            if held + head.len() < 8 {
                return;
            }
            let block = self.tail;
            self.block(block);
            self.tail = 0;
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks::<8>();
        for block in blocks {
            self.block(u64::from_le_bytes(*block));
        }
        for (i, byte) in rest.iter().enumerate() {
            self.tail |= u64::from(*byte) << (8 * i);
        }
    }

    fn block(&mut self, block: u64) {
        self.v[3] ^= block;
        self.round();
        self.round();
        self.v[0] ^= block;
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
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
        self.v = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: HashKey = HashKey(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);

    fn hash(length: u8) -> String {
        let mut hash = SipHash::new(KEY);
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

    /// The first, second and last of the test vectors that the authors of SipHash published for the 128-bit variant.
    #[test]
    fn the_published_vectors() {
        assert_eq!(hash(0), "a3817f04ba25a8e66df67214c7550293");
        assert_eq!(hash(1), "da87c1d86b99af44347659119b22fc45");
        assert_eq!(hash(63), "5150d1772f50834a503e069a973fbd7c");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let of = |fields: &[&str]| {
            let mut hash = SipHash::new(KEY);
            fields.iter().for_each(|field| hash.field(field.as_bytes()));
            hash.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        let mut lower = SipHash::new(KEY);
        lower.field_ignoring_case(b"Atlanta.Example.COM.and.a.name.of.more.than.32.bytes");
        assert_eq!(
            lower.finish(),
            of(&["atlanta.example.com.and.a.name.of.more.than.32.bytes"])
        );
    }
}
