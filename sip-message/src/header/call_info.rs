//! Call-Info: more about the caller or callee (RFC 3261 §20.9, RFC 8688 §6).
//!
//! ```text
//! one of the values = "<" URI ">", then parameters, among them
//!                     purpose = "icon" / "info" / "card" / "jwscard" / token
//! ```

use crate::header::shape::{params_api, uri_header};

uri_header! {
    /// One more thing to know about the caller or callee; [`purpose`](Self::purpose) says which (RFC 3261 §20.9).
    ///
    /// ```
    /// use sip_message::header::CallInfo;
    /// let info = CallInfo::parse("<http://wwww.example.com/alice/photo.jpg> ;purpose=icon").unwrap();
    /// assert_eq!((info.purpose(), info.is_jws_card()), (Some("icon"), false));
    /// ```
    CallInfo
}

params_api! { CallInfo:
    /// What it is: `icon`, `info`, `card`, `jwscard`, `call-completion`, ...
    token purpose / with_purpose = "purpose";
}

impl CallInfo<'_> {
    /// Is it the signed card of who rejected the call with 608 (RFC 8688 §6)?
    #[must_use]
    pub fn is_jws_card(&self) -> bool {
        self.purpose()
            .is_some_and(|purpose| purpose.eq_ignore_ascii_case("jwscard"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, uri, with_params};
    use crate::uri::UriRef;

    header_tests! {
        CallInfo<'_>, rfc3261_20_9_and_rfc8688_examples: [
            "<http://wwww.example.com/alice/photo.jpg> ;purpose=icon",
            "<http://www.example.com/alice/> ;purpose=info",
            "<https://block.example.net/complaint-jws>;purpose=jwscard",
        ],
        refused: ["", "http x", "Bob <http://h>"],
        built: (target in uri(), more in params()) => with_params!(CallInfo::new(UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc8688_6_jwscard() {
        let info =
            CallInfo::parse("<https://block.example.net/complaint-jws>;purpose=jwscard").unwrap();
        assert!(info.is_jws_card());
        let mine = CallInfo::new(info.uri()).with_purpose("card");
        assert_eq!(
            mine.to_string(),
            "<https://block.example.net/complaint-jws>;purpose=card"
        );
    }
}
