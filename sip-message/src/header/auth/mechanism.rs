//! The form of the three header fields of security agreement.

/// One security mechanism with its parameters (RFC 3329 §2.2).
macro_rules! mechanism_header {
    ($(#[$doc:meta])* $name:ident) => {
        $crate::header::shape::valued_header! {
            $(#[$doc])*
            $name, Token
        }

        $crate::header::shape::params_api! { $name:
            /// The preference of the mechanism; 1 if none is given.
            q q / with_q = "q";
            /// The algorithm of digest.
            token digest_algorithm / with_digest_algorithm = "d-alg";
            /// The quality of protection of digest.
            token digest_qop / with_digest_qop = "d-qop";
            /// The digest over the server's list, which proves that nobody shortened it (RFC 3329 §2.4).
            text digest_verify / with_digest_verify = "d-ver";
        }

        impl<'a> $name<'a> {
            /// The mechanism.
            #[must_use]
            pub const fn mechanism(&self) -> &'a str {
                self.value
            }
        }
    };
}
pub(crate) use mechanism_header;
