//! The form of Authentication-Info and of the same of a proxy.

/// What is said after a client was authenticated: parameters (RFC 7616 §3.5).
macro_rules! info_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<'a>($crate::header::AuthParams<'a>);

        impl<'a> $name<'a> {
            /// These parameters.
            #[must_use]
            pub const fn new(params: $crate::header::AuthParams<'a>) -> Self {
                Self(params)
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::header::AuthParams<'a> {
                &self.0
            }

            /// The nonce for the next request (RFC 7616 §3.5).
            #[must_use]
            pub fn next_nonce(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.0.get("nextnonce")
            }

            /// The proof that the other side knows the password as well, in hexadecimal digits (RFC 7616 §3.5).
            #[must_use]
            pub fn response_auth(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.0.get("rspauth")
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> =
                Some(|value| $crate::header::AuthParams::parse(value).map(Self));

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                $crate::header::AuthParams::parse($crate::header::one(values)?).map(Self)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(self.0.as_str().as_bytes());
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use info_header;
