//! Headers that are a word with parameters.

use crate::error::HeaderError;
use crate::param::Params;

/// Each of these parameters is there once and has a value.
pub(crate) fn require_params(params: &Params<'_>, names: &[&str]) -> Result<(), HeaderError> {
    for name in names {
        let mut found = params
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        if found.next().and_then(|(_, value)| value).is_none() {
            return Err(HeaderError::new("a mandatory parameter is missing", 0));
        }
        if found.next().is_some() {
            return Err(HeaderError::new("a mandatory parameter is there twice", 0));
        }
    }
    Ok(())
}

/// A header that is a word with parameters; those in `require` are there exactly once, and `new` takes them. With
/// `new: own` the type has a `new` of its own.
macro_rules! valued_header {
    ($(#[$doc:meta])* $name:ident, $word:ident $(, require: [$($arg:ident = $param:literal),*])? $(, new: $own:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            value: &'a str,
            params: $crate::Params<'a>,
        }

        $crate::header::shape::valued_header! { @new $name $([$($arg = $param),*])? $($own)? }

        impl<'a> $name<'a> {
            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form, or lacks a parameter that its RFC demands.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let mut cursor = $crate::lex::Cursor::new(text);
                let value = $crate::header::shape::Word::$word.take(&mut cursor)?;
                let params = $crate::Params::decode(cursor)?;
                $($crate::header::shape::require_params(&params, &[$($param),*])?;)?
                Ok(Self { value, params })
            }

            /// Sets a parameter (`None`: a name alone).
            #[must_use]
            pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
                self.params.set(name, value);
                self
            }

            /// What stands before the parameters, as written.
            #[must_use]
            pub const fn value(&self) -> &'a str {
                self.value
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                &self.params
            }

            /// The parameters, to change.
            pub const fn params_mut(&mut self) -> &mut $crate::Params<'a> {
                &mut self.params
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(Self::parse);

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(self.value.as_bytes());
                out.extend_from_slice(self.params.as_str().as_bytes());
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
    (@new $name:ident own) => {};
    (@new $name:ident) => {
        impl<'a> $name<'a> {
            /// A value without parameters.
            #[must_use]
            pub const fn new(value: &'a str) -> Self {
                Self { value, params: $crate::Params::new() }
            }
        }
    };
    (@new $name:ident [$($arg:ident = $param:literal),*]) => {
        impl<'a> $name<'a> {
            /// A value with the parameters that its RFC demands.
            #[must_use]
            pub fn new(value: &'a str, $($arg: &str),*) -> Self {
                let params = $crate::Params::new()$(.with($param, Some($arg)))*;
                Self { value, params }
            }

            $(
                #[doc = concat!("The `", $param, "` parameter.")]
                #[must_use]
                pub fn $arg(&self) -> &str {
                    self.params.get($param).unwrap_or_default()
                }
            )*
        }
    };
}
pub(crate) use valued_header;
