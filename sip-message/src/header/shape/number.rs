//! Headers that are a number, alone or with parameters.

macro_rules! number_header {
    ($(#[$doc:meta])* $name:ident($int:ty), $reason:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
        pub struct $name(pub $int);

        impl<'a> $crate::TypedHeader<'a> for $name {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(|value| {
                let mut cursor = $crate::lex::Cursor::new(value);
                let number = cursor.number($reason)?;
                cursor.finish($reason)?;
                <$int>::try_from(number).map(Self).map_err(|_| $crate::HeaderError::new($reason, 0))
            });

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                $crate::header::decode_value(values)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $crate::header::push_decimal(out, self.0.into());
            }
        }

        $crate::header::shape::display_encoded!($name);
    };
}
pub(crate) use number_header;

macro_rules! seconds_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            seconds: u32,
            params: $crate::Params<'a>,
        }

        impl<'a> $name<'a> {
            /// An interval without parameters.
            #[must_use]
            pub const fn new(seconds: u32) -> Self {
                Self { seconds, params: $crate::Params::new() }
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let mut cursor = $crate::lex::Cursor::new(text);
                let seconds = cursor.number("seconds expected")?;
                Ok(Self { seconds, params: $crate::Params::decode(cursor)? })
            }

            /// The interval in seconds.
            #[must_use]
            pub const fn seconds(&self) -> u32 {
                self.seconds
            }

            /// Sets a parameter (`None`: a name alone).
            #[must_use]
            pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
                self.params.set(name, value);
                self
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                &self.params
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(Self::parse);

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $crate::header::push_decimal(out, self.seconds.into());
                out.extend_from_slice(self.params.as_str().as_bytes());
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use seconds_header;
