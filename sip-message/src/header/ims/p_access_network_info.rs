//! P-Access-Network-Info: how the user is connected (RFC 7315 §4.4, §5.4).
//!
//! ```text
//! one of the values = access type or class, then parameters: cgi-3gpp, utran-cell-id-3gpp, utran-sai-3gpp,
//!     dsl-location, i-wlan-node-id, ci-3gpp2, ci-3gpp2-femto, eth-location, fiber-location, gstn-location,
//!     dvb-rcs2-node-id, local-time-zone, operator-specific-GI (each a token or quoted string), network-provided
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// One access network: its type, and where the user is in it (RFC 7315 §4.4). What the network itself wrote has
    /// [`is_network_provided`](Self::is_network_provided); only that is to be trusted (RFC 7315 §4.4, RFC 7976 §2).
    PAccessNetworkInfo, Token
}

params_api! { PAccessNetworkInfo:
    /// The cell of a GSM network.
    text cgi_3gpp / with_cgi_3gpp = "cgi-3gpp";
    /// The cell of a UMTS or LTE network.
    text utran_cell_id_3gpp / with_utran_cell_id_3gpp = "utran-cell-id-3gpp";
    /// The service area of a UMTS network.
    text utran_sai_3gpp / with_utran_sai_3gpp = "utran-sai-3gpp";
    /// The line of a DSL network.
    text dsl_location / with_dsl_location = "dsl-location";
    /// The access point of a wireless LAN.
    text i_wlan_node_id / with_i_wlan_node_id = "i-wlan-node-id";
    /// The cell of a CDMA network.
    text ci_3gpp2 / with_ci_3gpp2 = "ci-3gpp2";
    /// The femtocell of a CDMA network.
    text ci_3gpp2_femto / with_ci_3gpp2_femto = "ci-3gpp2-femto";
    /// The line of an Ethernet network.
    text eth_location / with_eth_location = "eth-location";
    /// The line of a fibre network.
    text fiber_location / with_fiber_location = "fiber-location";
    /// The line of a telephone network.
    text gstn_location / with_gstn_location = "gstn-location";
    /// The node of a satellite network.
    text dvb_rcs2_node_id / with_dvb_rcs2_node_id = "dvb-rcs2-node-id";
    /// The time zone of the user.
    text local_time_zone / with_local_time_zone = "local-time-zone";
    /// What the operator calls the place.
    text operator_specific_gi / with_operator_specific_gi = "operator-specific-GI";
    /// Did the network write it, and not the user agent?
    flag is_network_provided / with_network_provided = "network-provided";
}

impl<'a> PAccessNetworkInfo<'a> {
    /// The type or class of the network.
    #[must_use]
    pub const fn access_type(&self) -> &'a str {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        PAccessNetworkInfo<'_>, rfc7315_5_4_forms: [
            "3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11",
            "IEEE-802.11b",
            "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=\"2341511D0FCE11\";network-provided",
            "ADSL2+;dsl-location=\"a, b\";local-time-zone=\"UTC+01:00\"",
        ],
        refused: ["", ";network-provided", "a b"],
        built: (value in token(), more in some_of(&[("utran-cell-id-3gpp", "[0-9A-F]{13}"), ("network-provided", ""), ("x-more", "[a-z ]{0,5}")])) => with_params!(PAccessNetworkInfo::new(&value), more),
    }

    #[test]
    fn rfc7315_5_4_parameters() {
        let info = PAccessNetworkInfo::new("3GPP-GERAN")
            .with_cgi_3gpp("1, 2")
            .with_network_provided();
        assert_eq!(
            info.to_string(),
            "3GPP-GERAN;cgi-3gpp=\"1, 2\";network-provided"
        );
        assert_eq!(
            (info.access_type(), info.cgi_3gpp().as_deref()),
            ("3GPP-GERAN", Some("1, 2"))
        );
        assert!(info.is_network_provided() && info.dsl_location().is_none());
        let zone = PAccessNetworkInfo::parse("ADSL;local-time-zone=\"UTC+01:00\"").unwrap();
        assert_eq!(zone.local_time_zone().as_deref(), Some("UTC+01:00"));
    }
}
