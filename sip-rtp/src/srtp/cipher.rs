//! Session keys and what is done with them (RFC 3711 §4, RFC 6188 §2, §3, RFC 7714 §8, §9).

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, KeyInit};
use ctr::cipher::consts::U16;
use ctr::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, StreamCipher};
use ctr::{Ctr128BE, CtrCore};
use hmac::{Hmac, Mac};
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
#[expect(
    clippy::large_enum_variant,
    reason = "a session has four of them, and the larger one is the usual one"
)]
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

/// A keyed AES: cloned per packet, which copies the expanded key and is cheaper than expanding it.
#[derive(Clone)]
pub(super) enum Aes {
    A128(Aes128),
    A192(Aes192),
    A256(Aes256),
}

pub(super) enum Gcm {
    A128(Box<Aes128Gcm>),
    A256(Box<Aes256Gcm>),
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
                let gcm = match key.as_slice().try_into() {
                    Ok(key) => Gcm::A128(Box::new(Aes128Gcm::new(&<[u8; 16]>::into(key)))),
                    Err(_) => {
                        let mut long = Zeroizing::new([0; 32]);
                        long.copy_from_slice(&key);
                        Gcm::A256(Box::new(Aes256Gcm::new(&(*long).into())))
                    }
                };
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
            return Self::A128(Aes128::new(&key.into()));
        }
        if let Ok(key) = <[u8; 24]>::try_from(key) {
            return Self::A192(Aes192::new(&key.into()));
        }
        let mut long = Zeroizing::new([0; 32]);
        let len = key.len().min(32);
        if let (Some(to), Some(from)) = (long.get_mut(..len), key.get(..len)) {
            to.copy_from_slice(from);
        }
        Self::A256(Aes256::new(&(*long).into()))
    }

    /// Adds the key stream of counter mode to `data`.
    pub(super) fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        match self {
            Self::A128(aes) => apply_ctr(aes, iv, data),
            Self::A192(aes) => apply_ctr(aes, iv, data),
            Self::A256(aes) => apply_ctr(aes, iv, data),
        }
    }
}

fn apply_ctr<C>(aes: &C, iv: &[u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Clone,
{
    Ctr128BE::from_core(CtrCore::inner_iv_init(aes.clone(), &(*iv).into())).apply_keystream(data);
}

impl Gcm {
    /// Encrypts in place and returns the tag.
    pub(super) fn seal(
        &self,
        iv: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; GCM_TAG_LEN], SrtpError> {
        let (iv, data) = ((*iv).into(), InOutBuf::from(data));
        let tag = match self {
            Self::A128(gcm) => gcm.encrypt_inout_detached(&iv, aad, data),
            Self::A256(gcm) => gcm.encrypt_inout_detached(&iv, aad, data),
        };
        // Only for data beyond the limits of GCM, which no datagram reaches.
        tag.map(Into::into).map_err(|_| SrtpError::Malformed)
    }

    /// Checks the tag and decrypts in place.
    pub(super) fn open(
        &self,
        iv: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; GCM_TAG_LEN],
    ) -> Result<(), SrtpError> {
        let (iv, data, tag) = ((*iv).into(), InOutBuf::from(data), (*tag).into());
        let opened = match self {
            Self::A128(gcm) => gcm.decrypt_inout_detached(&iv, aad, data, &tag),
            Self::A256(gcm) => gcm.decrypt_inout_detached(&iv, aad, data, &tag),
        };
        opened.map_err(|_| SrtpError::Authentication)
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
