//! P-DCS-Redirect: the redirections of a surveilled call (RFC 5503 §8).
//!
//! ```text
//! value = URI in quotes, then parameters: redirector-uri = URI in quotes, count = 1*DIGIT
//! ```

use alloc::borrow::Cow;

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// The redirections of a surveilled PacketCable call (RFC 5503 §8).
    PDcsRedirect, Quoted
}

params_api! { PDcsRedirect:
    /// Who redirected the call last.
    text redirector / with_redirector = "redirector-uri";
    /// How often it was redirected.
    number count / with_count = "count";
}

impl PDcsRedirect<'_> {
    /// The URI that was called first, without quotes and escapes.
    #[must_use]
    pub fn called(&self) -> Cow<'_, str> {
        crate::param::unquote(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        PDcsRedirect<'_>, rfc5503_8_1_forms: [
            "\"tel:+12125551212\";redirector-uri=\"sip:a@h\";count=1",
        ],
        refused: ["", "tel:+1", "\"a", ";count=1"],
        built: (value in "\"tel:[+][0-9]{1,9}\"", more in some_of(&[("count", "[1-9]"), ("redirector-uri", "sip:[a-z]{1,4}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(PDcsRedirect::new(&value), more),
    }

    #[test]
    fn rfc5503_8_1_called_and_count() {
        let value = PDcsRedirect::parse("\"tel:+1\"")
            .unwrap()
            .with_count(2)
            .with_redirector("sip:a@h");
        assert_eq!(
            (
                value.called().as_ref(),
                value.count(),
                value.redirector().as_deref()
            ),
            ("tel:+1", Some(2), Some("sip:a@h"))
        );
    }
}
