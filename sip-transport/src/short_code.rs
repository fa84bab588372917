//! [`ShortCode`]: proves that a short text which comes back is ours.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};

use crate::seed::{KeyedHash, Seed};

/// A message authentication code for texts of some dozens of bytes that we give to peers and want back unchanged: flow tokens
/// (RFC 5626 §5.2), the marks of routes.
///
/// SipHash-2-4 with a secret key is a pseudorandom function made for short texts, and takes a small part of what HMAC takes,
/// which hashes four blocks however short the text is. Two of them with keys of their own give 80 bits, as many as the flow
/// tokens of RFC 5626 §5.2 have.
///
/// ```
/// use sip_transport::{Seed, ShortCode};
/// let codes = ShortCode::new(&Seed::from_bytes([7; 32]));
/// let code = codes.of(b"call@example.com");
/// assert!(codes.is_of(&code, b"call@example.com"));
/// assert!(!codes.is_of(&code, b"other@example.com"));
/// ```
#[derive(Clone, Copy)]
pub struct ShortCode {
    keys: [KeyedHash; 2],
}

impl ShortCode {
    /// The bytes of a code.
    pub const LEN: usize = 10;

    /// Codes with the keys of a seed.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        Self {
            keys: ["code one", "code two"].map(|label| seed.derive(label).hasher()),
        }
    }

    /// The code of a text.
    #[must_use]
    pub fn of(&self, content: &[u8]) -> [u8; Self::LEN] {
        let [one, two] = self.keys.map(|key| {
            let mut hash = key.build_hasher();
            hash.write(content);
            hash.finish().to_le_bytes()
        });
        let mut code = [0; Self::LEN];
        for (place, byte) in code.iter_mut().zip(one.into_iter().chain(two)) {
            *place = byte;
        }
        code
    }

    /// Is it the code of this text? Takes as long for one that is nearly right, so that none is found byte by byte.
    #[must_use]
    pub fn is_of(&self, code: &[u8], content: &[u8]) -> bool {
        let own = self.of(content);
        let differences = own
            .iter()
            .zip(code)
            .fold(0, |all, (own, other)| all | (own ^ other));
        code.len() == Self::LEN && std::hint::black_box(differences) == 0
    }
}

impl fmt::Debug for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShortCode(..)")
    }
}

/// The byte of two hexadecimal digits in either case.
#[inline]
pub(crate) fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    let value = |digit: u8| VALUES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT);
    let (high, low) = (value(high), value(low));
    // What is no digit has a bit that digits have not.
    (high | low < 16).then_some(high << 4 | low)
}

const NO_DIGIT: u8 = 16;

#[expect(clippy::indexing_slicing, reason = "const evaluation")]
static VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

/// Bytes as hexadecimal digits, one run behind the other.
pub(crate) fn hex_of(runs: &[&[u8]]) -> String {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' - 10 + nibble,
    };
    let mut text = vec![0; 2 * runs.iter().map(|bytes| bytes.len()).sum::<usize>()];
    let mut rest = text.as_mut_slice();
    for bytes in runs {
        let (places, behind) = rest.split_at_mut(2 * bytes.len());
        for (place, byte) in places.as_chunks_mut::<2>().0.iter_mut().zip(*bytes) {
            *place = [digit(byte >> 4), digit(byte & 15)];
        }
        rest = behind;
    }
    // It is ASCII.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_its_text_and_key_alone() {
        let codes = ShortCode::new(&Seed::from_bytes([1; 32]));
        let others = ShortCode::new(&Seed::from_bytes([2; 32]));
        let code = codes.of(b"text");
        assert_eq!(code, codes.of(b"text"));
        assert!(codes.is_of(&code, b"text"));
        assert!(!others.is_of(&code, b"text"));
        assert!(!codes.is_of(&code, b"texts"));
        assert!(!codes.is_of(&code[..9], b"text"), "cut short");
        assert!(!codes.is_of(&[code.as_slice(), &[0]].concat(), b"text"));
        for bit in 0..80 {
            let mut forged = code;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!codes.is_of(&forged, b"text"));
        }
        assert_eq!(format!("{codes:?}"), "ShortCode(..)");
    }

    #[test]
    fn digits_are_read_as_they_are_written() {
        assert_eq!(hex_of(&[&[0x00, 0x9a], &[0xff]]), "009aff");
        for byte in 0..=u8::MAX {
            for text in [format!("{byte:02x}"), format!("{byte:02X}")] {
                let digits = text.as_bytes().first_chunk().copied();
                assert_eq!(digits.and_then(hex_byte), Some(byte));
            }
        }
        for digits in [*b"g0", *b"0g", *b"/0", *b"0:", *b"@0", [0x80, b'0']] {
            assert_eq!(hex_byte(digits), None, "{digits:?}");
        }
    }
}
