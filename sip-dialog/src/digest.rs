//! Digest access authentication, the computation (RFC 7616, RFC 2617, RFC 8760): pure functions for both sides.

use md5::Md5;
use sha2::{Sha256, Sha512_256};
use smallvec::SmallVec;

/// A hash algorithm of RFC 8760 section 2, in its plain or session form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `MD5`, the default when a challenge names none.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    /// The algorithm of that token, in any case (RFC 7616 section 3.3).
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        [
            Self::Md5,
            Self::Md5Sess,
            Self::Sha256,
            Self::Sha256Sess,
            Self::Sha512_256,
            Self::Sha512_256Sess,
        ]
        .into_iter()
        .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(token))
    }

    /// The registered token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// Whether the session key is part of it (RFC 7616 section 3.4.2).
    #[must_use]
    pub const fn is_session(self) -> bool {
        matches!(
            self,
            Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess
        )
    }

    /// How strong it is, for choosing among challenges; higher is better.
    #[must_use]
    pub const fn strength(self) -> u8 {
        match self {
            Self::Md5 | Self::Md5Sess => 0,
            Self::Sha256 | Self::Sha256Sess => 1,
            Self::Sha512_256 | Self::Sha512_256Sess => 2,
        }
    }

    /// The lower-case hexadecimal hash of `parts` joined by colons.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> String {
        hex(self.hash_bytes(parts).as_bytes())
    }

    /// The bytes that [`hash`](Self::hash) is the hexadecimal form of.
    #[must_use]
    pub fn hash_bytes(self, parts: &[&[u8]]) -> Hash {
        match self {
            Self::Md5 | Self::Md5Sess => joined::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => joined::<Sha256>(parts),
            Self::Sha512_256 | Self::Sha512_256Sess => joined::<Sha512_256>(parts),
        }
    }

    /// `H(user:realm:password)`: what a server keeps instead of a password (RFC 7616 section 3.4.2, without `-sess`).
    #[must_use]
    pub fn ha1(self, user: &str, realm: &str, password: &str) -> String {
        self.hash(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()])
    }
}

/// The hash, of the parts in one piece: nearly all fit in a place that nobody has to allocate.
fn joined<D: sha2::Digest>(parts: &[&[u8]]) -> Hash {
    let mut text = SmallVec::<[u8; 256]>::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push(b':');
        }
        text.extend_from_slice(part);
    }
    let digest = D::digest(&text);
    let mut hash = Hash {
        bytes: [0; MAX_HASH],
        len: digest.len().min(MAX_HASH) as u8,
    };
    for (byte, of_digest) in hash.bytes.iter_mut().zip(digest) {
        *byte = of_digest;
    }
    hash
}

/// The most bytes that a hash has.
const MAX_HASH: usize = 32;

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash {
    bytes: [u8; MAX_HASH],
    len: u8,
}

impl Hash {
    /// A hash from its hexadecimal digits of any case; `None` if these are none, or too many.
    ///
    /// ```
    /// use sip_dialog::digest::Hash;
    /// let hash = Hash::from_hex("00fFa5").unwrap();
    /// assert_eq!(hash.as_bytes(), [0, 255, 0xa5]);
    /// assert_eq!(hash.to_hex().as_bytes(), b"00ffa5");
    /// assert_eq!((Hash::from_hex("0"), Hash::from_hex("zz")), (None, None));
    /// ```
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return None;
        };
        let mut bytes = [0; MAX_HASH];
        let mut seen = 0;
        for (byte, [high, low]) in bytes.get_mut(..pairs.len())?.iter_mut().zip(pairs) {
            let (high, low) = (value_of(*high), value_of(*low));
            *byte = high << 4 | low & 15;
            seen |= high | low;
        }
        (seen < 16).then_some(Self {
            bytes,
            len: pairs.len() as u8,
        })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// The lower-case hexadecimal digits, for who computes with them.
    #[must_use]
    pub fn to_hex(&self) -> Hex {
        Hex::of(self.as_bytes())
    }
}

/// The hexadecimal digits of a hash.
#[derive(Debug, Clone, Copy)]
pub struct Hex {
    digits: [[u8; 2]; MAX_HASH],
    len: u8,
}

impl Hex {
    /// The lower-case digits of the first 32 bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digits = [[0; 2]; MAX_HASH];
        for (pair, byte) in digits.iter_mut().zip(bytes) {
            *pair = [digit_of(byte >> 4), digit_of(byte & 15)];
        }
        Self {
            digits,
            len: bytes.len().min(MAX_HASH) as u8,
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let pairs = self.digits.get(..self.len.into()).unwrap_or_default();
        pairs.as_flattened()
    }
}

impl AsRef<[u8]> for Hex {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

const fn digit_of(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

/// 16 and more for what is no digit.
const fn value_of(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0xff,
    }
}

/// Lower-case hexadecimal digits, two for each byte: how a hash stands in a message (RFC 7616 section 3.1.3).
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit_of(byte >> 4).into());
        text.push(digit_of(byte & 15).into());
    }
    text
}

/// Quality of protection (RFC 7616 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Qop {
    /// The request line is protected.
    Auth,
    /// The body too.
    AuthInt,
}

impl Qop {
    /// The token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// What a response is computed from.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the inputs of RFC 7616 section 3.4.1, all of them"
)]
pub struct Inputs<'a> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// [`Algorithm::ha1`], before the session form is applied.
    pub ha1: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// Quality of protection, nonce count and client nonce; `None` for RFC 2069 compatibility.
    pub qop: Option<(Qop, u32, &'a str)>,
    /// The client nonce for a session algorithm without a quality of protection.
    pub cnonce: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// The `uri` parameter, as it was sent.
    pub uri: &'a str,
    /// The body, for `auth-int`.
    pub body: &'a [u8],
}

impl Inputs<'_> {
    /// The value of the `response` parameter (RFC 7616 section 3.4.1).
    #[must_use]
    pub fn response(&self) -> String {
        let algorithm = self.algorithm;
        let cnonce = self.qop.map_or(self.cnonce, |(_, _, cnonce)| cnonce);
        let session;
        let ha1 = if algorithm.is_session() {
            session = algorithm.hash(&[
                self.ha1.as_bytes(),
                self.nonce.as_bytes(),
                cnonce.as_bytes(),
            ]);
            &session
        } else {
            self.ha1
        };
        let ha2 = match self.qop {
            Some((Qop::AuthInt, ..)) => {
                let body = algorithm.hash(&[self.body]);
                algorithm.hash(&[self.method.as_bytes(), self.uri.as_bytes(), body.as_bytes()])
            }
            Some((Qop::Auth, ..)) | None => {
                algorithm.hash(&[self.method.as_bytes(), self.uri.as_bytes()])
            }
        };
        match self.qop {
            Some((qop, count, cnonce)) => {
                let count = format!("{count:08x}");
                let parts =
                    [ha1, self.nonce, &count, cnonce, qop.as_str(), &ha2].map(str::as_bytes);
                algorithm.hash(&parts)
            }
            None => algorithm.hash(&[ha1.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes()]),
        }
    }
}
