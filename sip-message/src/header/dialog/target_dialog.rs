//! Target-Dialog: the dialog that shows the sender of a request to be known (RFC 4538 §7).
//!
//! ```text
//! value = Call-ID, then parameters: local-tag = token and remote-tag = token, each once
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// The dialog that shows the sender of a request to be known (RFC 4538 §7). The tags are as
    /// the sender has them.
    ///
    /// ```
    /// use sip_message::header::TargetDialog;
    /// let value = TargetDialog::parse("98732@h;remote-tag=r33th4x0r;local-tag=ff87ff").unwrap();
    /// assert_eq!((value.call_id(), value.local_tag()), ("98732@h", "ff87ff"));
    /// assert_eq!(TargetDialog::new("98732@h", "1", "2").to_string(), "98732@h;local-tag=1;remote-tag=2");
    /// ```
    TargetDialog, CallId, require: [local_tag = "local-tag", remote_tag = "remote-tag"]
}

impl<'a> TargetDialog<'a> {
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
        TargetDialog<'_>, rfc4538_7_examples: [
            "fa77as7dad8-sd98ajzz@host.example.com\r\n ;local-tag=kkaz-\r\n ;remote-tag=6544",
        ],
        refused: ["", ";local-tag=1;remote-tag=2", "a@b;local-tag=1", "a@b;remote-tag=1", "a@b;local-tag=1;remote-tag=2;local-tag=3", "a@b;local-tag;remote-tag=2", "a b;local-tag=1;remote-tag=2"],
        built: (id in call_id(), one in token(), two in token(), more in params()) => with_params!(TargetDialog::new(&id, &one, &two), more),
    }
}
