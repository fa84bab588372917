//! P-Charging-Function-Addresses: where charging data go (RFC 7315 §4.5, §5.5).
//!
//! ```text
//! one of the values = parameter *( ";" parameter ), among them ccf, ecf, ccf-2, ecf-2
//! ```

use crate::header::shape::{params_api, params_header};

params_header! {
    /// Where charging data go (RFC 7315 §4.5).
    PChargingFunctionAddresses
}

params_api! { PChargingFunctionAddresses:
    /// The offline charging function.
    text ccf / with_ccf = "ccf";
    /// The online charging function.
    text ecf / with_ecf = "ecf";
    /// The offline charging function to take when the first does not answer.
    text ccf_2 / with_ccf_2 = "ccf-2";
    /// The online charging function to take when the first does not answer.
    text ecf_2 / with_ecf_2 = "ecf-2";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, headers, host, some_of, with_params};
    use alloc::vec::Vec;

    use crate::name::HeaderName;
    use crate::param::Params;

    header_tests! {
        PChargingFunctionAddresses<'_>, rfc7315_4_5_examples: [
            "ccf=192.0.8.1; ecf=192.0.8.3",
            "ccf-2=192.0.8.2; ecf-2=192.0.8.4",
            "ccf=\"[2001:db8::1]\"",
        ],
        refused: ["", ";ccf=1", "ccf=", "=1"],
        built: (one in host(), more in some_of(&[("ecf", "[a-z.]{1,5}"), ("ccf-2", "[a-z ]{1,5}")])) => with_params!(PChargingFunctionAddresses::new(Params::new().with("ccf", Some(&one))), more),
    }

    #[test]
    fn rfc7315_4_5_two_values_in_one_field() {
        let headers = headers(
            HeaderName::PChargingFunctionAddresses,
            &["ccf=192.0.8.1; ecf=192.0.8.3,\r\n ccf-2=192.0.8.2; ecf-2=192.0.8.4"],
        );
        let both: Vec<_> = headers
            .typed_all::<PChargingFunctionAddresses<'_>>()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            (both[0].ccf().as_deref(), both[0].ecf().as_deref()),
            (Some("192.0.8.1"), Some("192.0.8.3"))
        );
        assert_eq!(
            (both[1].ccf_2().as_deref(), both[1].ecf_2().as_deref()),
            (Some("192.0.8.2"), Some("192.0.8.4"))
        );
        assert_eq!((both.len(), both[1].ccf()), (2, None));
    }
}
