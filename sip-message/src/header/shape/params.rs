//! Headers that are parameters alone, and functions for the parameters that an RFC names.

/// A header that is parameters alone, the first without a semicolon before it.
macro_rules! params_header {
    ($(#[$doc:meta])* $name:ident $(, require: [$($param:literal),*])?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name<'a>($crate::Params<'a>);

        impl<'a> $name<'a> {
            /// These parameters, of which there must be at least one for the field to be well-formed.
            #[must_use]
            pub const fn new(params: $crate::Params<'a>) -> Self {
                Self(params)
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form, or lacks a parameter that its RFC demands.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let params = $crate::Params::parse_list(text)?;
                $($crate::header::shape::require_params(&params, &[$($param),*])?;)?
                Ok(Self(params))
            }

            /// Sets a parameter (`None`: a name alone).
            #[must_use]
            pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
                self.0.set(name, value);
                self
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                &self.0
            }

            /// The parameters, to change.
            pub const fn params_mut(&mut self) -> &mut $crate::Params<'a> {
                &mut self.0
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(Self::parse);

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                let text = self.0.as_str();
                out.extend_from_slice(text.strip_prefix(';').unwrap_or(text).as_bytes());
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use params_header;

/// Functions for parameters: `kind getter [/ setter] = "name";`. The kinds are `token`, `text` (written as a quoted
/// string), `number`, `flag` (a name alone) and `q`.
macro_rules! params_api {
    ($name:ident: $($(#[$doc:meta])* $kind:ident $getter:ident $(/ $setter:ident)? = $param:literal;)*) => {
        impl $name<'_> {
            $($crate::header::shape::param_fns! { $kind [$(#[$doc])*] $getter [$($setter)?] $param })*
        }
    };
}
pub(crate) use params_api;

macro_rules! param_fns {
    (token [$(#[$doc:meta])*] $getter:ident [$($setter:ident)?] $param:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $getter(&self) -> Option<&str> {
            self.params().get($param).filter(|value| !value.is_empty())
        }

        $(
            #[doc = concat!("Sets `", $param, "`.")]
            #[must_use]
            pub fn $setter(mut self, value: &str) -> Self {
                self.params_mut().set($param, Some(value));
                self
            }
        )?
    };
    (text [$(#[$doc:meta])*] $getter:ident [$($setter:ident)?] $param:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $getter(&self) -> Option<alloc::borrow::Cow<'_, str>> {
            self.params().unquoted($param)
        }

        $(
            #[doc = concat!("Sets `", $param, "`, as a quoted string.")]
            #[must_use]
            pub fn $setter(mut self, value: &str) -> Self {
                let mut quoted = alloc::string::String::with_capacity(value.len() + 2);
                $crate::param::push_quoted(&mut quoted, value);
                self.params_mut().set($param, Some(&quoted));
                self
            }
        )?
    };
    (number [$(#[$doc:meta])*] $getter:ident [$($setter:ident)?] $param:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $getter(&self) -> Option<u32> {
            self.params().get($param)?.parse().ok()
        }

        $(
            #[doc = concat!("Sets `", $param, "`.")]
            #[must_use]
            pub fn $setter(mut self, value: u32) -> Self {
                self.params_mut().set($param, Some(&alloc::format!("{value}")));
                self
            }
        )?
    };
    (flag [$(#[$doc:meta])*] $getter:ident [$($setter:ident)?] $param:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $getter(&self) -> bool {
            self.params().contains($param)
        }

        $(
            #[doc = concat!("Adds `", $param, "`.")]
            #[must_use]
            pub fn $setter(mut self) -> Self {
                self.params_mut().set($param, None);
                self
            }
        )?
    };
    (q [$(#[$doc:meta])*] $getter:ident [$($setter:ident)?] $param:literal) => {
        $(#[$doc])*
        #[must_use]
        pub fn $getter(&self) -> $crate::header::QValue {
            self.params()
                .get($param)
                .and_then($crate::header::QValue::parse)
                .unwrap_or($crate::header::QValue::ONE)
        }

        $(
            #[doc = concat!("Sets `", $param, "`.")]
            #[must_use]
            pub fn $setter(mut self, value: $crate::header::QValue) -> Self {
                self.params_mut().set($param, Some(&alloc::format!("{value}")));
                self
            }
        )?
    };
}
pub(crate) use param_fns;
