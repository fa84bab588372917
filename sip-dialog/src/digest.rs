//! Digest access authentication, the computation (RFC 7616, RFC 2617, RFC 8760): pure functions for both sides.

use md5::Md5;
use sha2::{Sha256, Sha512_256};

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
        hex(&self.hash_bytes(parts))
    }

    /// The bytes that [`hash`](Self::hash) is the hexadecimal form of.
    #[must_use]
    pub fn hash_bytes(self, parts: &[&[u8]]) -> Vec<u8> {
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

fn joined<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Lower-case hexadecimal digits, two for each byte: how a hash stands in a message (RFC 7616 section 3.1.3).
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
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
