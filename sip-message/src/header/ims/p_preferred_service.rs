//! P-Preferred-Service: one service that the user wishes for (RFC 6050 §4.2).
//!
//! ```text
//! one of the values = "urn:urn-7:" label *( "." label )
//! ```

use super::service::service_header;

service_header! {
    /// One service that the user wishes for (RFC 6050 §4.2).
    PPreferredService
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        PPreferredService<'_>, rfc6050_4_examples: [
            "urn:urn-7:3gpp-service.exampletelephony.version1",
            "URN:URN-7:3gpp-service.ims.icsi.mmtel",
        ],
        refused: ["", "urn:urn-7:", "urn:urn-7:a..b", "urn:service:sos", "urn:urn-7:a;b", "urn:urn-7:a:b"],
        built: (value in "urn:urn-7:[a-z0-9-]{1,9}([.][a-z0-9-]{1,5}){0,2}") => PPreferredService::new(&value),
    }

    #[test]
    fn rfc6050_4_4_services_have_parts() {
        let all = PPreferredService::new("urn:urn-7:3gpp-service.ims");
        let part = PPreferredService::new("urn:urn-7:3gpp-service.IMS.icsi");
        assert!(part.is_part_of(&all) && part.is_part_of(&part) && !all.is_part_of(&part));
        assert!(all.labels().eq(["3gpp-service", "ims"]));
    }
}
