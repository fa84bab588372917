//! What challenges and credentials have in common: a scheme, then parameters separated by commas.

macro_rules! auth_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<'a> {
            scheme: alloc::borrow::Cow<'a, str>,
            params: $crate::header::AuthParams<'a>,
        }

        impl<'a> $name<'a> {
            /// Commas stand between its parameters.
            pub(crate) const REFUSES_LISTS: bool = false;

            /// A scheme without parameters.
            #[must_use]
            pub fn new(scheme: &'a str) -> Self {
                Self { scheme: alloc::borrow::Cow::Borrowed(scheme), params: $crate::header::AuthParams::default() }
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let mut cursor = $crate::lex::Cursor::new(text);
                let scheme = cursor.token("authentication scheme expected")?;
                if !cursor.peek().is_some_and($crate::chars::is_lws) {
                    return Err(cursor.error("authentication parameters expected"));
                }
                Ok(Self { scheme: alloc::borrow::Cow::Borrowed(scheme), params: $crate::header::AuthParams::decode(cursor)? })
            }

            /// Adds a parameter whose value is written as a quoted string.
            #[must_use]
            pub fn with_quoted(mut self, name: &str, value: &str) -> Self {
                self.params.push(name, value, true);
                self
            }

            /// Adds a parameter whose value is written without quotes, if it can be.
            #[must_use]
            pub fn with_token(mut self, name: &str, value: &str) -> Self {
                self.params.push(name, value, false);
                self
            }

            /// The scheme: `Digest`, `Bearer`, ... Compare without case.
            #[must_use]
            pub fn scheme(&self) -> &str {
                &self.scheme
            }

            /// Is the scheme Digest?
            #[must_use]
            pub fn is_digest(&self) -> bool {
                self.scheme.eq_ignore_ascii_case("Digest")
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::header::AuthParams<'a> {
                &self.params
            }

            /// The value of a parameter without quotes and escapes.
            #[must_use]
            pub fn param(&self, name: &str) -> Option<alloc::borrow::Cow<'_, str>> {
                self.params.get(name)
            }

            /// The protection space.
            #[must_use]
            pub fn realm(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.param("realm")
            }

            /// The server's nonce.
            #[must_use]
            pub fn nonce(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.param("nonce")
            }

            /// What is returned unchanged.
            #[must_use]
            pub fn opaque(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.param("opaque")
            }

            /// The algorithm as written; absent means MD5 (RFC 7616 §3.3).
            #[must_use]
            pub fn algorithm(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.param("algorithm")
            }

            /// The quality of protection: a list in a challenge, one word in credentials.
            #[must_use]
            pub fn qop(&self) -> Option<alloc::borrow::Cow<'_, str>> {
                self.param("qop")
            }

            pub(crate) fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(self.scheme.as_bytes());
                out.push(b' ');
                out.extend_from_slice(self.params.as_str().as_bytes());
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.scheme.eq_ignore_ascii_case(&other.scheme) && self.params == other.params
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(super) use auth_value;
