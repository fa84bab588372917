//! Cellular-Network-Info: cells that the user sees but does not use (3GPP TS 24.229 §7.2.15).
//!
//! ```text
//! one of the values = access type, then parameters, among them cell-info-age = seconds
//! ```

use crate::header::shape::{params_api, valued_header};

valued_header! {
    /// One cell of an access network that is not the one in use (3GPP TS 24.229 §7.2.15).
    CellularNetworkInfo, Token
}

params_api! { CellularNetworkInfo:
    /// The cell.
    text utran_cell_id_3gpp / with_utran_cell_id_3gpp = "utran-cell-id-3gpp";
    /// How many seconds ago the cell was seen.
    number age / with_age = "cell-info-age";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, token, with_params};

    header_tests! {
        CellularNetworkInfo<'_>, cellular_network_info_form: [
            "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=234151D0FCE11;cell-info-age=5",
        ],
        refused: ["", ";x"],
        built: (value in token(), more in some_of(&[("cell-info-age", "[0-9]{1,4}"), ("x-more", "[a-z ]{0,5}")])) => with_params!(CellularNetworkInfo::new(&value), more),
    }

    #[test]
    fn cell_and_age() {
        let cell = CellularNetworkInfo::new("3GPP-NR")
            .with_utran_cell_id_3gpp("2")
            .with_age(5);
        assert_eq!(
            (cell.utran_cell_id_3gpp().as_deref(), cell.age()),
            (Some("2"), Some(5))
        );
    }
}
