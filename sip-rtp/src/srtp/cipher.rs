//! Session keys and what is done with them (RFC 3711 §4, RFC 6188 §2, §3, RFC 7714 §8, §9).

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc, Block};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{MasterKey, Profile, SrtpError};

/// Octets of an HMAC-SHA1 key (RFC 3711 §4.2.1).
const AUTH_KEY_LEN: usize = 20;
/// Octets of a GCM tag (RFC 7714 §13).
pub(super) const GCM_TAG_LEN: usize = 16;

/// Which keys of RFC 3711 §4.3.2: the labels begin here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Rtp = 0,
    Rtcp = 3,
}

/// The keys of one direction and one of RTP and RTCP.
pub(super) enum SessionKeys {
    Cm {
        aes: Aes,
        salt: [u8; 16],
        hmac: Hmac<Sha1>,
        tag_len: usize,
    },
    Gcm {
        gcm: Gcm,
        salt: [u8; 12],
    },
}

/// A keyed AES. Counter mode only ever encrypts, so that the keys of the other direction are not kept.
pub(super) enum Aes {
    A128(Aes128Enc),
    A192(Aes192Enc),
    A256(Aes256Enc),
}

/// Galois counter mode (NIST SP 800-38D) over the cipher and the hash: it computes key stream, ciphertext and the blocks to
/// hash in one pass, which for packets of this size takes two fifths of the time of the two after each other.
pub(super) struct Gcm {
    aes: Aes,
    ghash: GHash,
}

impl SessionKeys {
    pub(super) fn derive(master: &MasterKey, stream: Stream) -> Self {
        let profile = master.profile();
        // The lengths were checked when the master key was made.
        let prf = Aes::new(master.key());
        let label = stream as u8;
        let mut key = Zeroizing::new(vec![0; profile.key_len()]);
        derive(&prf, master.salt(), label, &mut key);
        let mut salt = Zeroizing::new([0; 16]);
        let salt_len = profile.salt_len();
        if let Some(salt) = salt.get_mut(..salt_len) {
            derive(&prf, master.salt(), label + 2, salt);
        }
        match profile {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => {
                let gcm = Gcm::new(Aes::new(&key));
                let mut short = [0; 12];
                short.copy_from_slice(salt.get(..12).unwrap_or_default());
                Self::Gcm { gcm, salt: short }
            }
            Profile::AesCm128HmacSha1_80
            | Profile::AesCm128HmacSha1_32
            | Profile::AesCm192HmacSha1_80
            | Profile::AesCm192HmacSha1_32
            | Profile::AesCm256HmacSha1_80
            | Profile::AesCm256HmacSha1_32 => {
                let mut auth = Zeroizing::new([0; AUTH_KEY_LEN]);
                derive(&prf, master.salt(), label + 1, &mut *auth);
                let tag_len = match stream {
                    Stream::Rtp => profile.rtp_overhead(),
                    Stream::Rtcp => 10,
                };
                Self::Cm {
                    aes: Aes::new(&key),
                    salt: *salt,
                    hmac: keyed_hmac(&auth),
                    tag_len,
                }
            }
        }
    }
}

impl Aes {
    /// From a key of 16, 24 or 32 octets.
    pub(super) fn new(key: &[u8]) -> Self {
        if let Ok(key) = <[u8; 16]>::try_from(key) {
            return Self::A128(Aes128Enc::new(&key.into()));
        }
        if let Ok(key) = <[u8; 24]>::try_from(key) {
            return Self::A192(Aes192Enc::new(&key.into()));
        }
        let mut long = Zeroizing::new([0; 32]);
        let len = key.len().min(32);
        if let (Some(to), Some(from)) = (long.get_mut(..len), key.get(..len)) {
            to.copy_from_slice(from);
        }
        Self::A256(Aes256Enc::new(&(*long).into()))
    }

    /// Adds the key stream of counter mode to `data`.
    pub(super) fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        self.run(CounterMode::<false, _> {
            counter: u128::from_be_bytes(*iv),
            mask: None,
            data,
            each: |_| {},
        });
    }

    fn run<const DECRYPT: bool, F: FnMut(Block)>(&self, mode: CounterMode<'_, DECRYPT, F>) {
        match self {
            Self::A128(aes) => aes.encrypt_with_backend(mode),
            Self::A192(aes) => aes.encrypt_with_backend(mode),
            Self::A256(aes) => aes.encrypt_with_backend(mode),
        }
    }
}

/// One run of counter mode. A closure over the backend, so that the processor's instructions are chosen once per packet.
struct CounterMode<'a, const DECRYPT: bool, F> {
    /// The block that is encrypted first.
    counter: u128,
    /// Takes the first block of the key stream, which then is not added to the data.
    mask: Option<&'a mut Block>,
    data: &'a mut [u8],
    /// Hears each block of the ciphertext, the last one filled up with zeros: what goes in with `DECRYPT`, else what comes out.
    each: F,
}

impl<const DECRYPT: bool, F> BlockSizeUser for CounterMode<'_, DECRYPT, F> {
    type BlockSize = U16;
}

impl<const DECRYPT: bool, F: FnMut(Block)> BlockCipherEncClosure for CounterMode<'_, DECRYPT, F> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(mut self, backend: &B) {
        let mut counter = self.counter;
        let mut next = || {
            let mut block = Block::from(counter.to_be_bytes());
            // RFC 3711 §4.1.1 counts 2^16 blocks, SP 800-38D 2^32: a datagram has 2^12 at most.
            counter = counter.wrapping_add(1);
            backend.encrypt_block((&mut block).into());
            block
        };
        if let Some(mask) = self.mask {
            *mask = next();
        }
        let (chunks, rest) = self.data.as_chunks_mut::<16>();
        for chunk in chunks {
            let (input, mut block) = (*chunk, next());
            // Octet by octet over arrays: this is one instruction on vectors.
            for index in 0..16 {
                block[index] ^= input[index];
            }
            *chunk = block.into();
            (self.each)(if DECRYPT { input.into() } else { block });
        }
        if !rest.is_empty() {
            let (stream, mut last) = (next(), Block::default());
            for ((octet, stream), last) in rest.iter_mut().zip(&stream).zip(&mut last) {
                let input = *octet;
                *octet ^= stream;
                *last = if DECRYPT { input } else { *octet };
            }
            (self.each)(last);
        }
    }
}

impl Gcm {
    pub(super) fn new(aes: Aes) -> Self {
        // SP 800-38D §7.1: the hash key is the encryption of zeros.
        let mut key = Zeroizing::new([0; 16]);
        aes.apply(&[0; 16], &mut *key);
        let ghash = GHash::new(&(*key).into());
        Self { aes, ghash }
    }

    /// Encrypts in place and returns the tag.
    pub(super) fn seal(&self, iv: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; GCM_TAG_LEN] {
        let mut mask = Block::default();
        let mut hasher = Hasher::new(&self.ghash);
        hasher.update(aad);
        let length = data.len();
        self.aes.run(CounterMode::<false, _> {
            counter: first_counter(iv),
            mask: Some(&mut mask),
            data,
            each: |block| hasher.push(block),
        });
        hasher.finish(aad.len(), length, &mask)
    }

    /// Decrypts in place and checks the tag; when that is wrong, the data is zeros.
    pub(super) fn open(
        &self,
        iv: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; GCM_TAG_LEN],
    ) -> Result<(), SrtpError> {
        let mut mask = Block::default();
        let mut hasher = Hasher::new(&self.ghash);
        hasher.update(aad);
        self.aes.run(CounterMode::<true, _> {
            counter: first_counter(iv),
            mask: Some(&mut mask),
            data,
            each: |block| hasher.push(block),
        });
        let expected = hasher.finish(aad.len(), data.len(), &mask);
        if bool::from(expected.ct_eq(tag)) {
            return Ok(());
        }
        // SP 800-38D §7.2: nothing of what is not authentic leaves.
        data.fill(0);
        Err(SrtpError::Authentication)
    }
}

/// SP 800-38D §7.1: the nonce, and a counter that starts at 1.
fn first_counter(iv: &[u8; 12]) -> u128 {
    let mut block = [0; 16];
    block[..12].copy_from_slice(iv);
    block[15] = 1;
    u128::from_be_bytes(block)
}

/// GHASH over blocks that are handed to it in one go: the hash takes four at a time.
struct Hasher {
    ghash: GHash,
    blocks: [Block; 12],
    count: usize,
}

impl Hasher {
    fn new(ghash: &GHash) -> Self {
        Self {
            ghash: ghash.clone(),
            blocks: [Block::default(); 12],
            count: 0,
        }
    }

    #[inline(always)]
    fn push(&mut self, block: Block) {
        if self.count == self.blocks.len() {
            self.ghash.update(&self.blocks);
            self.count = 0;
        }
        if let Some(slot) = self.blocks.get_mut(self.count) {
            *slot = block;
            self.count += 1;
        }
    }

    /// Takes octets, filled up with zeros to whole blocks.
    fn update(&mut self, octets: &[u8]) {
        let (chunks, rest) = octets.as_chunks::<16>();
        for chunk in chunks {
            self.push((*chunk).into());
        }
        if !rest.is_empty() {
            let mut block = Block::default();
            block
                .iter_mut()
                .zip(rest)
                .for_each(|(to, from)| *to = *from);
            self.push(block);
        }
    }

    /// The tag: the hash with the lengths in bits at its end, and the mask added.
    fn finish(mut self, aad: usize, data: usize, mask: &Block) -> [u8; GCM_TAG_LEN] {
        let lengths = (u128::from(aad as u64 * 8) << 64) | u128::from(data as u64 * 8);
        self.push(lengths.to_be_bytes().into());
        self.ghash
            .update(self.blocks.get(..self.count).unwrap_or_default());
        let mut tag = self.ghash.finalize();
        for index in 0..16 {
            tag[index] ^= mask[index];
        }
        tag.into()
    }
}

/// RFC 3711 §4.1.1: `IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)`.
pub(super) fn cm_iv(salt: &[u8; 16], ssrc: u32, index: u64) -> [u8; 16] {
    let iv = (u128::from_be_bytes(*salt)) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
    iv.to_be_bytes()
}

/// RFC 7714 §8.1 and §9.1: two zero octets, the SSRC, and 48 bits of index, with the salt added. The index of RTCP has
/// 31 bits, so that its first two octets are zero.
pub(super) fn gcm_iv(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut iv = [0; 12];
    iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
    iv[6..12].copy_from_slice(&index.to_be_bytes()[2..]);
    iv.iter_mut().zip(salt).for_each(|(iv, salt)| *iv ^= salt);
    iv
}

/// The tag over `parts`.
pub(super) fn tag(hmac: &Hmac<Sha1>, parts: [&[u8]; 2]) -> [u8; 20] {
    let mut hmac = hmac.clone();
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

/// Whether the first octets of `tag` are those of `found`, in constant time.
pub(super) fn same_tag(tag: &[u8; 20], found: &[u8]) -> bool {
    tag.get(..found.len())
        .is_some_and(|tag| tag.ct_eq(found).into())
}

/// RFC 3711 §4.3.1 with a key derivation rate of zero: the key stream of AES-CM under the master key, started at the
/// salt with the label added. A 96-bit salt is followed by zeros (RFC 7714 §11).
pub(super) fn derive(prf: &Aes, master_salt: &[u8], label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv.iter_mut()
        .zip(master_salt)
        .for_each(|(iv, salt)| *iv = *salt);
    iv[7] ^= label;
    out.fill(0);
    prf.apply(&iv, out);
}

fn keyed_hmac(key: &[u8; AUTH_KEY_LEN]) -> Hmac<Sha1> {
    // A key shorter than the block is filled up with zeros (RFC 2104 §2): a block is what this constructor takes.
    let mut block = Zeroizing::new([0; 64]);
    block[..AUTH_KEY_LEN].copy_from_slice(key);
    Hmac::<Sha1>::new(&(*block).into())
}
