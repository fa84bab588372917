//! P-DCS-Billing-Info: the billing record of a call (RFC 5503 §7).
//!
//! ```text
//! value = 1*48HEXDIG "/" 1*16HEXDIG "@" host, then parameters: rksgroup = token, charge, calling,
//!     called, routing and locroute = URI in quotes, jip = quoted string
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// The billing record of a PacketCable call (RFC 5503 §7).
    ///
    /// ```
    /// use sip_message::header::PDcsBillingInfo;
    /// let bill = PDcsBillingInfo::parse("4B3F2A/0010F3@rks.example.net;charge=\"tel:+12125551212\"").unwrap();
    /// assert_eq!((bill.correlation_id(), bill.element()), ("4B3F2A", "0010F3@rks.example.net"));
    /// assert_eq!(bill.charge().as_deref(), Some("tel:+12125551212"));
    /// ```
    PDcsBillingInfo, Billing
}

params_api! { PDcsBillingInfo:
    /// The group of record keeping servers.
    token group / with_group = "rksgroup";
    /// Who is charged.
    text charge / with_charge = "charge";
    /// Who calls.
    text calling / with_calling = "calling";
    /// Who is called.
    text called / with_called = "called";
    /// Where the call is routed to.
    text routing / with_routing = "routing";
    /// Where the call is routed to after local number portability.
    text local_routing / with_local_routing = "locroute";
    /// The jurisdiction of the caller.
    text jurisdiction / with_jurisdiction = "jip";
}

impl<'a> PDcsBillingInfo<'a> {
    /// The identifier that ties the records together, in hexadecimal digits.
    #[must_use]
    pub fn correlation_id(&self) -> &'a str {
        self.value.split_once('/').map_or(self.value, |(id, _)| id)
    }

    /// The element that keeps the record: hexadecimal digits, `@` and a host.
    #[must_use]
    pub fn element(&self) -> &'a str {
        self.value
            .split_once('/')
            .map_or("", |(_, element)| element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        PDcsBillingInfo<'_>, rfc5503_7_1_forms: [
            "0123456789ABCDEF/0123456789ABCDEF@h.net;charge=\"tel:+12125551212\"",
            "1/a@[2001:db8::1];rksgroup=g;called=\"sip:b@h\"",
        ],
        refused: ["", "1", "1/2", "g/1@h", "1/g@h", "1/2@", "1/0123456789ABCDEF0@h"],
        built: (value in "[0-9A-F]{1,48}/[0-9A-F]{1,16}@[a-z]{1,8}[.]net", more in some_of(&[("rksgroup", "[a-z]{1,4}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(PDcsBillingInfo::new(&value), more),
    }

    #[test]
    fn rfc5503_7_1_parameters() {
        let bill = PDcsBillingInfo::new("1/2@h")
            .with_group("g")
            .with_charge("a:1")
            .with_calling("a:2")
            .with_called("a:3");
        assert_eq!(
            (bill.group(), bill.charge().as_deref()),
            (Some("g"), Some("a:1"))
        );
        assert_eq!(
            (bill.calling().as_deref(), bill.called().as_deref()),
            (Some("a:2"), Some("a:3"))
        );
        let bill = bill
            .with_routing("a:4")
            .with_local_routing("a:5")
            .with_jurisdiction("1;jip-context=+1");
        assert_eq!(
            (bill.routing().as_deref(), bill.local_routing().as_deref()),
            (Some("a:4"), Some("a:5"))
        );
        assert_eq!(bill.jurisdiction().as_deref(), Some("1;jip-context=+1"));
    }
}
