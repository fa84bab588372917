//! A header that is another type under a name of its own.

macro_rules! newtype_header {
    ($(#[$doc:meta])* $name:ident($inner:ident) = $header:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<'a>($inner<'a>);

        impl<'a> $name<'a> {
            /// Wraps the value.
            #[must_use]
            pub const fn new(value: $inner<'a>) -> Self {
                Self(value)
            }

            /// The value.
            #[must_use]
            pub fn into_inner(self) -> $inner<'a> {
                self.0
            }
        }

        impl<'a> core::ops::Deref for $name<'a> {
            type Target = $inner<'a>;

            fn deref(&self) -> &$inner<'a> {
                &self.0
            }
        }

        impl core::ops::DerefMut for $name<'_> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$header;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> =
                Some(|value| $inner::parse(value).map(Self));
            const REFUSES_LISTS: bool = $inner::REFUSES_LISTS;

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                $inner::parse($crate::header::one(values)?).map(Self)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                self.0.encode(out);
            }
        }
    };
}
pub(crate) use newtype_header;
