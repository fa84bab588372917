//! User-to-User: data from user to user (RFC 7433 §4.1).
//!
//! ```text
//! one of the values = token / quoted string, then parameters:
//!     purpose = token, content = token, encoding = "hex" / token
//! ```

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// Data from user to user, by default in hexadecimal digits (RFC 7433 §4.1).
    ///
    /// ```
    /// use sip_message::header::UserToUser;
    /// let data = UserToUser::parse("56a390;encoding=hex;purpose=foo;content=bar").unwrap();
    /// assert_eq!((data.purpose(), data.octets()), (Some("foo"), Some(vec![0x56, 0xa3, 0x90])));
    /// ```
    UserToUser, TokenOrQuoted
}

params_api! { UserToUser:
    /// The package: what the data are for.
    token purpose / with_purpose = "purpose";
    /// What the data are.
    token content / with_content = "content";
    /// How the data are written; `hex` if it is not said.
    token encoding / with_encoding = "encoding";
}

impl UserToUser<'_> {
    /// The data without quotes and escapes.
    #[must_use]
    pub fn data(&self) -> Cow<'_, str> {
        crate::param::unquote(self.value)
    }

    /// The octets that the hexadecimal digits stand for; `None` when they are written in another way or their number is
    /// odd (RFC 7433 §4.2).
    #[must_use]
    pub fn octets(&self) -> Option<Vec<u8>> {
        if !self
            .encoding()
            .is_none_or(|encoding| encoding.eq_ignore_ascii_case("hex"))
        {
            return None;
        }
        let data = self.data();
        if !data.len().is_multiple_of(2) {
            return None;
        }
        let digit = |b: u8| char::from(b).to_digit(16);
        data.as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        UserToUser<'_>, rfc7433_4_examples: [
            "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar",
            "342342ef34;encoding=hex",
            "\"a b\"",
        ],
        refused: ["", ";encoding=hex", "a b"],
        built: (value in token(), more in some_of(&[("purpose", "foo"), ("encoding", "hex"), ("content", "isdn-uui"), ("x-more", "[a-z ]{0,5}")])) => with_params!(UserToUser::new(&value), more),
    }

    #[test]
    fn rfc7433_4_2_hexadecimal_digits() {
        let octets = |text| UserToUser::parse(text).unwrap().octets();
        assert_eq!(octets("\"0aFF\""), Some(alloc::vec![10, 255]));
        assert_eq!(
            (octets("abc"), octets("zz"), octets("ab;encoding=b64")),
            (None, None, None)
        );
        let mine = UserToUser::new("00")
            .with_purpose("p")
            .with_content("c")
            .with_encoding("hex");
        assert_eq!(mine.to_string(), "00;purpose=p;content=c;encoding=hex");
        assert_eq!(
            (mine.purpose(), mine.content(), mine.encoding()),
            (Some("p"), Some("c"), Some("hex"))
        );
    }
}
