//! [`Addresses`]: IPv4 addresses that were read of late, by their texts.

use std::net::Ipv4Addr;

/// A small table from the text of an IPv4 address to the address. A peer's messages name the same few hosts again and again,
/// its own and the one they go to, and to find a text here is a quarter of reading it. Each text has one place, which it
/// shares with others: whoever comes last has it. So its size is fixed, nobody can make it slow, and a miss costs what
/// reading costs anyway.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    places: [Place; PLACES],
}

const PLACES: usize = 1 << BITS;
const BITS: u32 = 4;

/// A text of eight bytes or more, and no more than sixteen, is known by its first and last eight and its length.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: u64,
    last: u64,
    len: usize,
    address: Ipv4Addr,
}

impl Default for Place {
    /// No text has this length.
    fn default() -> Self {
        Self {
            first: 0,
            last: 0,
            len: 0,
            address: Ipv4Addr::UNSPECIFIED,
        }
    }
}

impl Addresses {
    /// Four decimal numbers without leading zeros, or `None`.
    #[inline(always)]
    pub(super) fn read(&mut self, text: &[u8]) -> Option<Ipv4Addr> {
        if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            // Any mixture will do, because a collision costs reading and nothing else.
            let mixed = (first ^ last.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let at = (mixed >> (u64::BITS - BITS)) as usize;
            if let Some(place) = self.places.get_mut(at) {
                if place.first == first && place.last == last && place.len == text.len() {
                    return Some(place.address);
                }
                return note(place, text, first, last);
            }
        }
        ipv4(text)
    }
}

#[inline(never)]
fn note(place: &mut Place, text: &[u8], first: u64, last: u64) -> Option<Ipv4Addr> {
    let address = ipv4(text)?;
    *place = Place {
        first,
        last,
        len: text.len(),
        address,
    };
    Some(address)
}

#[inline(never)]
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (first, rest) = octet(text)?;
    let (second, rest) = octet(rest.strip_prefix(b".")?)?;
    let (third, rest) = octet(rest.strip_prefix(b".")?)?;
    let (fourth, rest) = octet(rest.strip_prefix(b".")?)?;
    rest.is_empty()
        .then(|| Ipv4Addr::new(first, second, third, fourth))
}

#[inline(always)]
fn octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let value = |digit: &u8| u32::from(digit - b'0');
    let (number, rest) = match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            (value(a) * 100 + value(b) * 10 + value(c), rest)
        }
        [a @ b'1'..=b'9', b @ b'0'..=b'9', rest @ ..] => (value(a) * 10 + value(b), rest),
        [a @ b'0'..=b'9', rest @ ..] => (value(a), rest),
        _ => return None,
    };
    Some((u8::try_from(number).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Texts that are alike, after each other, whatever was read before.
        #[test]
        fn the_obvious_reading_agrees(
            texts in proptest::collection::vec("[12]?[0-9]?[0-9]\\.[0-9]{1,3}\\.[0-9]{1,2}\\.[0-9]{1,3}(\\.|[0-9]{0,5})", 1..40),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..80),
        ) {
            let mut addresses = Addresses::default();
            for at in order {
                let text = at.get(&texts);
                // The one of the standard library refuses leading zeros too.
                prop_assert_eq!(addresses.read(text.as_bytes()), text.parse().ok(), "{}", text);
            }
        }
    }

    #[test]
    fn a_text_is_another_one_with_any_byte_changed() {
        let text = b"192.168.100.254";
        let mut addresses = Addresses::default();
        assert_eq!(addresses.read(text), Some([192, 168, 100, 254].into()));
        for at in 0..text.len() {
            let mut other = *text;
            other[at] = if other[at] == b'.' { b'5' } else { b'.' };
            assert_eq!(addresses.read(&other), None);
        }
        for len in 0..text.len() {
            let expected = std::str::from_utf8(&text[..len]).unwrap().parse().ok();
            assert_eq!(addresses.read(&text[..len]), expected, "{len}");
        }
        assert_eq!(addresses.read(b"192.168.100.2541"), None);
    }
}
