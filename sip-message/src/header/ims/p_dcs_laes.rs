//! P-DCS-LAES: where a call is surveilled (RFC 5503 §8).
//!
//! ```text
//! value = host [ ":" port ], then parameters:
//!     content = host [ ":" port ], cccid = 1*8HEXDIG, bcid = 1*48HEXDIG
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// Where a PacketCable call is surveilled (RFC 5503 §8).
    PDcsLaes, HostPort
}

params_api! { PDcsLaes:
    /// Where the media are copied to.
    token content / with_content = "content";
    /// The identifier of the call content connection.
    token cccid / with_cccid = "cccid";
    /// The identifier that ties the billing records together.
    token bcid / with_bcid = "bcid";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, hostport, some_of, with_params};

    header_tests! {
        PDcsLaes<'_>, rfc5503_8_1_forms: [
            "192.0.2.1:5060;content=192.0.2.2:9",
            "h.example;cccid=0a1B;bcid=12AF",
        ],
        refused: ["", ";content=h", "h:99999", "a b"],
        built: (value in hostport(), more in some_of(&[("cccid", "[0-9A-F]{1,8}"), ("bcid", "[0-9A-F]{1,48}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(PDcsLaes::new(&value), more),
    }

    #[test]
    fn rfc5503_8_1_parameters() {
        let laes = PDcsLaes::new("h:1")
            .with_content("192.0.2.2:9")
            .with_cccid("0A")
            .with_bcid("1F");
        assert_eq!(
            (laes.content(), laes.cccid(), laes.bcid()),
            (Some("192.0.2.2:9"), Some("0A"), Some("1F"))
        );
    }
}
