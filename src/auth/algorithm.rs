//! [`Algorithm`]: the hash functions of digest authentication.

use sip_dialog::digest;
pub(crate) use sip_dialog::digest::{Hash, Hex, hex};

/// A digest algorithm (RFC 7616 §3.2; RFC 8760 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the stored hashes are for these three"
)]
pub enum Algorithm {
    /// `MD5`, which every telephone knows.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`.
    Sha512_256,
}

impl Algorithm {
    /// The algorithm that a parameter names, without case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512_256]
            .into_iter()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.as_str()))
    }

    /// The name in a message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.digest().as_str()
    }

    /// How many bytes a hash has.
    #[must_use]
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 | Self::Sha512_256 => 32,
        }
    }

    /// The computation is the user agent's: there is one for both sides.
    const fn digest(self) -> digest::Algorithm {
        match self {
            Self::Md5 => digest::Algorithm::Md5,
            Self::Sha256 => digest::Algorithm::Sha256,
            Self::Sha512_256 => digest::Algorithm::Sha512_256,
        }
    }

    /// RFC 7616 §3.4.2: `user:realm:password`, hashed.
    pub(crate) fn ha1(self, username: &str, realm: &str, password: &str) -> Hash {
        let parts = [username, realm, password].map(str::as_bytes);
        self.digest().hash_bytes(&parts)
    }

    /// RFC 7616 §3.4.3: `method:uri`, hashed, as digits.
    pub(crate) fn ha2(self, method: &str, uri: &str) -> Hex {
        let parts = [method, uri].map(str::as_bytes);
        self.digest().hash_bytes(&parts).to_hex()
    }

    /// RFC 7616 §3.4.1: `middle` is `nonce:nc:cnonce:qop`, or only the nonce without quality of protection.
    pub(crate) fn response(
        self,
        ha1: &(impl AsRef<[u8]> + ?Sized),
        middle: &(impl AsRef<[u8]> + ?Sized),
        ha2: &(impl AsRef<[u8]> + ?Sized),
    ) -> Hash {
        let parts = [ha1.as_ref(), middle.as_ref(), ha2.as_ref()];
        self.digest().hash_bytes(&parts)
    }
}

/// Bytes from pairs of digits of any case.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7616_3_9_1_md5_and_sha256_examples() {
        let middle = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v:00000001:f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth";
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let ha1 = hex(algorithm
                .ha1("Mufasa", "http-auth@example.org", "Circle of Life")
                .as_bytes());
            let ha2 = algorithm.ha2("GET", "/dir/index.html");
            assert_eq!(
                hex(algorithm.response(&ha1, middle, &ha2).as_bytes()),
                expected
            );
        }
    }

    #[test]
    fn names_and_digits() {
        assert_eq!(Algorithm::parse("sha-512-256"), Some(Algorithm::Sha512_256));
        assert_eq!(Algorithm::parse("MD5-sess"), None);
        assert_eq!(unhex("00fFa5"), Some(vec![0, 255, 0xa5]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
        assert_eq!(hex(&[0, 255, 0xa5]), "00ffa5");
    }
}
