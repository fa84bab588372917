//! P-Preferred-Service: one service that the user wishes for (RFC 6050 §4.2).
//!
//! ```text
//! one of the values = "urn:urn-7:" label *( "." label )
//! ```

use crate::header::shape::word_header;

word_header! {
    /// One service that the user wishes for (RFC 6050 §4.2).
    PPreferredService, Service
}

impl<'a> PPreferredService<'a> {
    /// The labels, the most general first.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> {
        self.0
            .get("urn:urn-7:".len()..)
            .unwrap_or_default()
            .split('.')
    }

    /// Is it this service or a part of it (RFC 6050 §4.4)? Compared without case.
    #[must_use]
    pub fn is_part_of(&self, service: &PPreferredService<'_>) -> bool {
        let mut mine = self.labels();
        service.labels().all(|label| {
            mine.next()
                .is_some_and(|own| own.eq_ignore_ascii_case(label))
        })
    }
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
