//! Session-ID: one name of the session for both ends and all on the way (RFC 7989 §5).
//!
//! ```text
//! value = 32 hexadecimal digits, then parameters, among them remote = 32 hexadecimal digits
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// One name of the session for both ends and all on the way: 32 hexadecimal digits, and those of the other end as
    /// [`remote`](Self::remote) (RFC 7989 §5). The form of RFC 7329, without `remote`, is read as well (RFC 7989 §11).
    ///
    /// ```
    /// use sip_message::header::SessionId;
    /// let id = SessionId::parse("ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2").unwrap();
    /// assert_eq!(id.remote(), Some("47755a9de7794ba387653f2099600ef2"));
    /// assert!(!id.is_nil());
    /// ```
    SessionId, Uuid
}

params_api! { SessionId:
    /// The part of the other end.
    token remote / with_remote = "remote";
}

impl<'a> SessionId<'a> {
    /// The identifier of an end that is not known yet: 32 zeros (RFC 7989 §5).
    pub const NIL: &'static str = "00000000000000000000000000000000";

    /// The part of the sender.
    #[must_use]
    pub const fn local(&self) -> &'a str {
        self.value
    }

    /// Is the sender's part not known yet?
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.value == Self::NIL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        SessionId<'_>, rfc7989_5_examples: [
            "ab30317f1a784dc48ff824d0d3715d86;\r\n remote=47755a9de7794ba387653f2099600ef2",
            "ab30317f1a784dc48ff824d0d3715d86\r\n ;remote=00000000000000000000000000000000",
            "f81d4fae7dec11d0a76500a0c91e6bf6",
        ],
        refused: ["", "abc", "ab30317f1a784dc48ff824d0d3715d8g", "ab30317f1a784dc48ff824d0d3715d860"],
        built: (value in "[0-9a-f]{32}", more in some_of(&[("remote", "[0-9a-f]{32}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(SessionId::new(&value), more),
    }

    #[test]
    fn rfc7989_5_nil() {
        let mine = SessionId::new("ab30317f1a784dc48ff824d0d3715d86").with_remote(SessionId::NIL);
        assert!(!mine.is_nil() && SessionId::new(SessionId::NIL).is_nil());
        assert_eq!(
            (mine.local(), mine.remote()),
            ("ab30317f1a784dc48ff824d0d3715d86", Some(SessionId::NIL))
        );
    }
}
