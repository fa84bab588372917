//! Byte classes of RFC 3261 section 25.1, as one table of bit sets.

/// `token`: alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~"
const TOKEN: u16 = 1;
/// Characters of the `user` part as they may appear unescaped: unreserved / user-unreserved.
const USER: u16 = 2;
/// Characters of the `password` part: unreserved / "&" / "=" / "+" / "$" / ",".
const PASSWORD: u16 = 4;
/// `paramchar` of a URI: param-unreserved / unreserved.
const URI_PARAM: u16 = 8;
/// Characters of the headers part of a URI: hnv-unreserved / unreserved.
const URI_HEADER: u16 = 16;
/// Characters of a host name. The underscore is not in the grammar, but names made by container tools have it.
const HOST: u16 = 32;
/// Characters that an absolute URI may have: reserved / unreserved / "%" (RFC 2396), and those of RFC 3986.
const URI_ANY: u16 = 64;
/// Characters of a `word` (Call-ID) that a `token` does not have are `()<>:\"/[]?{}`.
const WORD: u16 = 128;

/// What the value of a URI parameter has: paramchar, and the "=" of base64, which peers put there.
const URI_PARAM_VALUE: u16 = 256;
/// What the value of a header parameter has without quotes: see [`crate::Params`].
const PARAM_VALUE: u16 = 512;

static CLASSES: [u16; 256] = classes();

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut i = 0;
    while i < set.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "const evaluation, bounded by the loop"
        )]
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

#[expect(
    clippy::indexing_slicing,
    reason = "const evaluation, bounded by the loop"
)]
const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0_usize;
    while i < 256 {
        let b = i as u8;
        let alphanum = b.is_ascii_alphanumeric();
        let unreserved = alphanum || contains(b"-_.!~*'()", b);
        let mut class = 0;
        if alphanum || contains(b"-.!%*_+`'~", b) {
            class |= TOKEN | WORD;
        }
        if contains(b"()<>:\\\"/[]?{}", b) {
            class |= WORD;
        }
        if unreserved || contains(b"&=+$,;?/", b) {
            class |= USER;
        }
        if unreserved || contains(b"&=+$,", b) {
            class |= PASSWORD;
        }
        if unreserved || contains(b"[]/:&+$", b) {
            class |= URI_PARAM;
        }
        if class & URI_PARAM != 0 || b == b'=' {
            class |= URI_PARAM_VALUE;
        }
        if class & TOKEN != 0 || contains(b"[]:/@()&$=", b) {
            class |= PARAM_VALUE;
        }
        if unreserved || contains(b"[]/?:+$=&", b) {
            class |= URI_HEADER;
        }
        if alphanum || contains(b"-._", b) {
            class |= HOST;
        }
        if unreserved || contains(b";/?:@&=+$,%[]#", b) {
            class |= URI_ANY;
        }
        table[i] = class;
        i += 1;
    }
    table
}

#[inline]
const fn is(byte: u8, class: u16) -> bool {
    #[expect(
        clippy::indexing_slicing,
        reason = "a table of 256 entries indexed by a byte"
    )]
    let found = CLASSES[byte as usize];
    found & class != 0
}

pub(crate) const fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}
pub(crate) const fn is_user(byte: u8) -> bool {
    is(byte, USER)
}
pub(crate) const fn is_password(byte: u8) -> bool {
    is(byte, PASSWORD)
}
pub(crate) const fn is_uri_param(byte: u8) -> bool {
    is(byte, URI_PARAM)
}
pub(crate) const fn is_uri_param_value(byte: u8) -> bool {
    is(byte, URI_PARAM_VALUE)
}
/// Peers send URIs and other characters unquoted (`;received=2001:db8::1`, RFC 5118 section 4.5), which are
/// unambiguous up to a semicolon, a comma or white space.
pub(crate) const fn is_param_value(byte: u8) -> bool {
    is(byte, PARAM_VALUE)
}
pub(crate) const fn is_uri_header(byte: u8) -> bool {
    is(byte, URI_HEADER)
}
pub(crate) const fn is_host(byte: u8) -> bool {
    is(byte, HOST)
}
pub(crate) const fn is_uri_any(byte: u8) -> bool {
    is(byte, URI_ANY)
}
pub(crate) const fn is_word(byte: u8) -> bool {
    is(byte, WORD)
}

/// `WSP`, and the CR and LF of a fold: the framing guarantees that white space follows them inside a field.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `SP` or `HTAB`.
pub(crate) const fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How many bytes at the front are of a class.
#[inline]
pub(crate) fn run(text: &[u8], class: impl Fn(u8) -> bool) -> usize {
    let mut rest = text;
    // Eight bytes for one look at the length.
    while let Some((block, after)) = rest.split_first_chunk::<8>() {
        if let Some(at) = block.iter().position(|&b| !class(b)) {
            return text.len() - rest.len() + at;
        }
        rest = after;
    }
    let at = rest.iter().position(|&b| !class(b));
    text.len() - rest.len() + at.unwrap_or(rest.len())
}

/// Is the text a `token` of at least one character?
pub(crate) fn all_token(text: &[u8]) -> bool {
    // The tags and branches that most make, eight bytes at a time.
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk())
        && text.len() <= 16
        && all_plain(u64::from_le_bytes(*first))
        && all_plain(u64::from_le_bytes(*last))
    {
        return true;
    }
    !text.is_empty() && text.iter().all(|&b| is_token(b))
}

/// Is each byte a letter, a digit, `-` or `.`?
const fn all_plain(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * LOW;
    /// Which bytes, all of which are ASCII, are of a range: no sum carries into the next byte.
    const fn between(word: u64, first: u8, last: u8) -> u64 {
        let from_first = word + LOW * (0x80 - first as u64);
        let beyond_last = word + LOW * (0x7f - last as u64);
        from_first & !beyond_last
    }
    if word & HIGH != 0 {
        return false;
    }
    let folded = word | (0x20 * LOW);
    let letters = between(folded, b'a', b'z');
    let others = between(word, b'0', b'9') | between(word, b'-', b'.');
    (letters | others) & HIGH == HIGH
}

/// Does every byte belong to `class` or to a complete `%` HEX HEX?
pub(crate) fn all_escaped(text: &[u8], class: impl Fn(u8) -> bool) -> bool {
    let mut rest = text;
    while let Some((&b, tail)) = rest.split_first() {
        if class(b) {
            rest = tail;
        } else if b == b'%' {
            let Some(([h, l], after)) = tail.split_first_chunk::<2>() else {
                return false;
            };
            if !h.is_ascii_hexdigit() || !l.is_ascii_hexdigit() {
                return false;
            }
            rest = after;
        } else {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_characters_at_every_place() {
        for len in 0..20 {
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    let mut text = [b'x'; 20];
                    text[place] = byte;
                    assert_eq!(all_token(&text[..len]), is_token(byte), "{byte} in {len}");
                }
            }
        }
        assert!(!all_token(b""));
    }
}
