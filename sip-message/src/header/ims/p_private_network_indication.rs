//! P-Private-Network-Indication: to which private network the request belongs (RFC 7316 §6).
//!
//! ```text
//! value = host name, then parameters
//! ```

use crate::header::shape::valued_header;

valued_header! {
    /// The private network that the request belongs to, a domain (RFC 7316 §6).
    PPrivateNetworkIndication, HostPort
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        PPrivateNetworkIndication<'_>, rfc7316_6_example: [
            "example.com",
        ],
        refused: ["", ";x", "a b"],
        built: (value in "[a-z]{1,8}([.][a-z]{1,4}){0,2}", more in some_of(&[("x-more", "[a-z ]{0,5}")])) => with_params!(PPrivateNetworkIndication::new(&value), more),
    }
}
