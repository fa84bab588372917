//! Headers that are a URI with parameters, without display name: in angle brackets, or bare.

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::lex::Cursor;
use crate::param::Params;
use crate::uri::UriRef;

/// `"<" URI ">" *( ";" param )`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BracketedUri<'a> {
    pub(crate) uri: UriRef<'a>,
    pub(crate) params: Params<'a>,
}

impl<'a> BracketedUri<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        if !cursor.eat(b'<') {
            return Err(cursor.error("`<` expected"));
        }
        let at = cursor.pos();
        let uri = UriRef::parse(cursor.take_while(|b| b != b'>'))
            .map_err(|error| HeaderError::new(error.reason(), at + error.offset()))?;
        if !cursor.eat(b'>') {
            return Err(cursor.error("`>` expected"));
        }
        Ok(Self {
            uri,
            params: Params::decode(cursor)?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(self.uri.as_str().as_bytes());
        out.push(b'>');
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

/// A header that is a URI in angle brackets.
macro_rules! uri_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<'a>($crate::header::shape::BracketedUri<'a>);

        impl<'a> $name<'a> {
            /// A URI without parameters.
            #[must_use]
            pub const fn new(uri: $crate::UriRef<'a>) -> Self {
                Self($crate::header::shape::BracketedUri { uri, params: $crate::Params::new() })
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                $crate::header::shape::BracketedUri::parse(text).map(Self)
            }

            /// Sets a parameter (`None`: a name alone).
            #[must_use]
            pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
                self.0.params.set(name, value);
                self
            }

            /// The URI.
            #[must_use]
            pub const fn uri(&self) -> $crate::UriRef<'a> {
                self.0.uri
            }

            /// The parameters after the bracket.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                &self.0.params
            }

            /// The parameters, to change.
            pub const fn params_mut(&mut self) -> &mut $crate::Params<'a> {
                &mut self.0.params
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(Self::parse);

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                self.0.encode(out);
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use uri_header;

/// A header whose grammar is a URI without angle brackets, then parameters.
macro_rules! bare_uri_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<'a>($crate::header::NameAddr<'a>);

        impl<'a> $name<'a> {
            /// A URI without parameters.
            #[must_use]
            pub const fn new(uri: $crate::UriRef<'a>) -> Self {
                Self($crate::header::NameAddr::new(uri))
            }

            /// Reads one value. The grammar has no angle brackets; a value with them, which a URI with parameters of its
            /// own needs, is read as well.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, $crate::HeaderError> {
                let address = $crate::header::NameAddr::parse(text)?;
                if address.display_name().is_some() {
                    return Err($crate::HeaderError::new("URI expected", 0));
                }
                Ok(Self(address))
            }

            /// Sets a parameter (`None`: a name alone).
            #[must_use]
            pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
                self.0.params_mut().set(name, value);
                self
            }

            /// The URI.
            #[must_use]
            pub const fn uri(&self) -> $crate::UriRef<'a> {
                self.0.uri()
            }

            /// The parameters after the URI.
            #[must_use]
            pub const fn params(&self) -> &$crate::Params<'a> {
                self.0.params()
            }

            /// The parameters, to change.
            pub const fn params_mut(&mut self) -> &mut $crate::Params<'a> {
                self.0.params_mut()
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;
            const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, $crate::HeaderError>> = Some(Self::parse);

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                Self::parse($crate::header::one(values)?)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                let uri = self.uri().as_str();
                // RFC 3261 §20: without brackets, what follows these characters would not belong to the URI.
                if uri.contains([';', ',', '?']) {
                    self.0.encode(out);
                } else {
                    out.extend_from_slice(uri.as_bytes());
                    out.extend_from_slice(self.params().as_str().as_bytes());
                }
            }
        }

        $crate::header::shape::display_encoded!($name<'_>);
    };
}
pub(crate) use bare_uri_header;
