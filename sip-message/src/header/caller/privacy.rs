//! Privacy: what to hide (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §5).
//!
//! ```text
//! value = word *( ";" word )
//! word  = "header" / "session" / "user" / "none" / "critical" / "id" / "history" / token
//! ```

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::name::HeaderName;

/// What to hide, and how badly: `id`, `header`, `session`, `user`, `history`, `none`, `critical` (RFC 3323 §4.2).
///
/// ```
/// use sip_message::header::Privacy;
/// let wish = Privacy::parse("id; critical").unwrap();
/// assert!(wish.contains("ID") && wish.is_critical() && !wish.is_none());
/// assert_eq!(Privacy::of(&["header", "session"]).to_string(), "header;session");
/// ```
#[derive(Clone, Debug)]
pub struct Privacy<'a>(Cow<'a, str>);

impl<'a> Privacy<'a> {
    /// These words. What is no token is left out.
    #[must_use]
    pub fn of(words: &[&str]) -> Self {
        let mut text = String::new();
        for word in words
            .iter()
            .filter(|word| crate::chars::all_token(word.as_bytes()))
        {
            if !text.is_empty() {
                text.push(';');
            }
            text.push_str(word);
        }
        Self(Cow::Owned(text))
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let value = Self(Cow::Borrowed(text));
        if value
            .iter()
            .all(|word| crate::chars::all_token(word.as_bytes()))
        {
            Ok(value)
        } else {
            Err(HeaderError::new("privacy type expected", 0))
        }
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(';').map(crate::lex::trim)
    }

    /// Is the word there? Compared without case.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.iter().any(|other| other.eq_ignore_ascii_case(word))
    }

    /// Must the request rather fail than go on without the privacy that is asked for?
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.contains("critical")
    }

    /// Must nothing be hidden, not even by default?
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.contains("none")
    }
}

impl PartialEq for Privacy<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> TypedHeader<'a> for Privacy<'a> {
    const NAME: HeaderName = HeaderName::Privacy;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

display_encoded!(Privacy<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, token};

    header_tests! {
        Privacy<'_>, rfc3323_4_2_and_rfc3325_9_3_examples: [
            "id",
            "none",
            "header;session; user",
            "user;critical",
            "history",
        ],
        refused: ["", "id;", ";id", "id,header", "a=b"],
        built: (words in proptest::collection::vec(token(), 1..5)) => let words = refs(&words); Privacy::of(&words),
    }
}
