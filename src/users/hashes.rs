//! [`Ha1s`]: what is kept of a password.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::auth::Algorithm;

/// The hashes of `user:realm:password` (RFC 7616 §3.4.2, without `-sess`), one for each algorithm, so that each can be
/// offered. Whoever has them can authenticate as the user in this realm: they are kept like passwords.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1s {
    #[serde(with = "hexadecimal")]
    md5: [u8; 16],
    #[serde(with = "hexadecimal")]
    sha256: [u8; 32],
    #[serde(with = "hexadecimal")]
    sha512_256: [u8; 32],
}

impl Ha1s {
    /// The hashes of a password.
    #[must_use]
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        let hash = |algorithm: Algorithm| algorithm.ha1(username, realm, password);
        Self {
            md5: array(hash(Algorithm::Md5).as_bytes()),
            sha256: array(hash(Algorithm::Sha256).as_bytes()),
            sha512_256: array(hash(Algorithm::Sha512_256).as_bytes()),
        }
    }

    /// Hashes of no password: what an unknown user is checked against, so that it takes as long.
    pub(crate) fn dummy(secret: &[u8; 32]) -> Self {
        Self {
            md5: array(secret),
            sha256: *secret,
            sha512_256: *secret,
        }
    }

    /// The hash for one algorithm.
    #[must_use]
    pub(crate) fn bytes(&self, algorithm: Algorithm) -> &[u8] {
        match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Sha512_256 => &self.sha512_256,
        }
    }
}

/// The first bytes; a shorter source leaves zeros.
fn array<const N: usize>(source: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(source) {
        *to = *from;
    }
    out
}

impl fmt::Debug for Ha1s {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1s(..)")
    }
}

mod hexadecimal {
    use super::{Deserialize as _, Deserializer, Serializer};
    use crate::auth::{hex, unhex};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        unhex(&text)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| serde::de::Error::custom("no hash of this length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_survive_the_store_and_never_show() {
        let hashes = Ha1s::new("Mufasa", "http-auth@example.org", "Circle of Life");
        let text = serde_json::to_string(&hashes).unwrap();
        // RFC 7616 §3.9.1 computes with these.
        assert!(
            text.contains("7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Ha1s>(&text).unwrap(), hashes);
        assert!(serde_json::from_str::<Ha1s>(&text.replace("7987", "798")).is_err());
        assert_eq!(format!("{hashes:?}"), "Ha1s(..)");
        assert!(!text.contains("Circle"));
    }
}
