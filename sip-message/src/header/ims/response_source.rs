//! Response-Source: which element made the response (3GPP TS 24.229 §7.2.17).
//!
//! ```text
//! value = fe = "<" URN ">", then parameters
//! ```

use crate::header::shape::{params_api, params_header};

params_header! {
    /// Which element made the response (3GPP TS 24.229 §7.2.17).
    ResponseSource
}

params_api! { ResponseSource:
    /// The element as written, with its angle brackets.
    token element = "fe";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};
    use crate::param::Params;

    header_tests! {
        ResponseSource<'_>, response_source_form: [
            "fe=<urn:3gpp:fe:p-cscf.orig>",
        ],
        refused: ["", "=x"],
        built: (more in some_of(&[("role", "[a-z]{1,5}")])) => with_params!(ResponseSource::new(Params::parse(";fe=<urn:3gpp:fe:as>").unwrap()), more),
    }

    #[test]
    fn element() {
        let source = ResponseSource::parse("fe=<urn:3gpp:fe:as>;role=x").unwrap();
        assert_eq!(source.element(), Some("<urn:3gpp:fe:as>"));
    }
}
