//! Join: the dialog that the INVITE joins (RFC 3911 §7.1).
//!
//! ```text
//! value = Call-ID, then parameters: to-tag = token and from-tag = token, each once
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// The dialog that the INVITE joins (RFC 3911 §7.1). The tags are as the recipient has them: its own
    /// is the `to-tag`.
    ///
    /// ```
    /// use sip_message::header::Join;
    /// let value = Join::parse("98732@h;from-tag=r33th4x0r;to-tag=ff87ff").unwrap();
    /// assert_eq!((value.call_id(), value.to_tag()), ("98732@h", "ff87ff"));
    /// assert_eq!(Join::new("98732@h", "1", "2").to_string(), "98732@h;to-tag=1;from-tag=2");
    /// ```
    Join, CallId, require: [to_tag = "to-tag", from_tag = "from-tag"]
}

impl<'a> Join<'a> {
    /// The Call-ID of the dialog.
    #[must_use]
    pub const fn call_id(&self) -> &'a str {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{call_id, header_tests, params, token, with_params};

    header_tests! {
        Join<'_>, rfc3911_7_1_examples: [
            "98732@sip.example.com\r\n ;from-tag=r33th4x0r\r\n ;to-tag=ff87ff",
            "12adf2f34456gs5;to-tag=12345;from-tag=54321",
            "87134@192.0.2.23;to-tag=24796;from-tag=0",
        ],
        refused: ["", ";to-tag=1;from-tag=2", "a@b;to-tag=1", "a@b;from-tag=1", "a@b;to-tag=1;from-tag=2;to-tag=3", "a@b;to-tag;from-tag=2", "a b;to-tag=1;from-tag=2"],
        built: (id in call_id(), one in token(), two in token(), more in params()) => with_params!(Join::new(&id, &one, &two), more),
    }
}
