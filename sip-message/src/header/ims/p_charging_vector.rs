//! P-Charging-Vector: what ties the charging records of a call together (RFC 7315 §4.6, §5.6).
//!
//! ```text
//! value = icid-value = token, host or quoted string, then parameters:
//!     icid-generated-at = host, orig-ioi, term-ioi, transit-ioi = quoted list, related-icid,
//!     related-icid-generated-at = host
//! ```

use crate::header::shape::{params_api, params_header};

params_header! {
    /// The charging identifiers of the call (RFC 7315 §4.6).
    ///
    /// ```
    /// use sip_message::header::PChargingVector;
    /// let vector = PChargingVector::parse("icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net").unwrap();
    /// assert_eq!((vector.icid().as_deref(), vector.generated_at()), (Some("1234bc9876e"), Some("192.0.6.8")));
    /// ```
    PChargingVector, require: ["icid-value"]
}

params_api! { PChargingVector:
    /// The identifier of the call.
    text icid = "icid-value";
    /// Who made the identifier.
    token generated_at / with_generated_at = "icid-generated-at";
    /// The operator that the call comes from.
    text orig_ioi / with_orig_ioi = "orig-ioi";
    /// The operator that the call goes to.
    text term_ioi / with_term_ioi = "term-ioi";
    /// The operators in between, separated by commas.
    text transit_ioi / with_transit_ioi = "transit-ioi";
    /// The identifier of the call that this one belongs to.
    text related_icid / with_related_icid = "related-icid";
    /// Who made that identifier.
    token related_generated_at / with_related_generated_at = "related-icid-generated-at";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};
    use crate::param::Params;

    header_tests! {
        PChargingVector<'_>, rfc7315_4_6_example: [
            "icid-value=1234bc9876e;\r\n icid-generated-at=192.0.6.8;\r\n orig-ioi=home1.net",
            "icid-value=\"a;b\" ;orig-ioi=x",
        ],
        refused: ["", "orig-ioi=x", "icid-value", "icid-value=1;icid-value=2", "icid-value=;a"],
        built: (id in token(), more in some_of(&[("orig-ioi", "[a-z.]{1,5}"), ("term-ioi", "[a-z ]{1,5}"), ("transit-ioi", "a[.]1,b[.]2")])) => with_params!(PChargingVector::new(Params::new().with("icid-value", Some(&id))), more),
    }

    #[test]
    fn rfc7315_5_6_parameters() {
        let vector = PChargingVector::parse("ICID-value=\"a;b\"")
            .unwrap()
            .with_orig_ioi("h")
            .with_transit_ioi("a.1,void");
        assert_eq!(
            (vector.icid().as_deref(), vector.orig_ioi().as_deref()),
            (Some("a;b"), Some("h"))
        );
        assert_eq!(vector.transit_ioi().as_deref(), Some("a.1,void"));
        let vector = vector
            .with_generated_at("g")
            .with_term_ioi("t")
            .with_related_icid("r")
            .with_related_generated_at("q");
        assert_eq!(
            (vector.generated_at(), vector.term_ioi().as_deref()),
            (Some("g"), Some("t"))
        );
        assert_eq!(
            (
                vector.related_icid().as_deref(),
                vector.related_generated_at()
            ),
            (Some("r"), Some("q"))
        );
    }
}
