//! The form of P-Asserted-Service and P-Preferred-Service.

/// One service, named by labels (RFC 6050 §4.4).
macro_rules! service_header {
    ($(#[$doc:meta])* $name:ident) => {
        $crate::header::shape::word_header! {
            $(#[$doc])*
            $name, Service
        }

        impl<'a> $name<'a> {
            /// The labels, the most general first.
            pub fn labels(&self) -> impl Iterator<Item = &'a str> {
                self.0
                    .get("urn:urn-7:".len()..)
                    .unwrap_or_default()
                    .split('.')
            }

            /// Is it this service or a part of it (RFC 6050 §4.4)? Compared without case.
            #[must_use]
            pub fn is_part_of(&self, service: &$name<'_>) -> bool {
                let mut mine = self.labels();
                service.labels().all(|label| {
                    mine.next()
                        .is_some_and(|own| own.eq_ignore_ascii_case(label))
                })
            }
        }
    };
}
pub(crate) use service_header;
