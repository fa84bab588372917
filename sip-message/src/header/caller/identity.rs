//! Identity: a signature over who calls whom (RFC 8224 §4; RFC 4474 §9).
//!
//! ```text
//! value = PASSporT ";" info = "<" URI ">", then parameters: alg = token, ppt = token
//!       / quoted string                          ; RFC 4474
//! PASSporT = header "." claims "." signature, or ".." signature; each base64
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::{display_encoded, params_api};
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;
use crate::uri::UriRef;

/// One signature over the request: a PASSporT with its certificate's address (RFC 8224 §4). The quoted string of RFC 4474
/// is read as well.
///
/// ```
/// use sip_message::header::Identity;
/// let identity = Identity::parse("eyJh.eyJk.sv5CNp;info=<https://biloxi.example.org/b.cer>;alg=ES256;ppt=shaken").unwrap();
/// assert_eq!(identity.info(), Some("https://biloxi.example.org/b.cer"));
/// assert_eq!((identity.algorithm(), identity.passport_type(), identity.is_compact()), (Some("ES256"), Some("shaken"), false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    value: &'a str,
    params: Params<'a>,
}

impl<'a> Identity<'a> {
    /// A PASSporT whose certificate is at this address.
    #[must_use]
    pub fn new(passport: &'a str, info: UriRef<'_>) -> Self {
        let info = alloc::format!(";info=<{info}>");
        Self {
            value: passport,
            params: Params::parse(&info)
                .map(Params::into_owned)
                .unwrap_or_default(),
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let value = crate::header::shape::Word::Signature.take(&mut cursor)?;
        let params = Params::decode(cursor)?;
        let identity = Self { value, params };
        // RFC 8224 §4 demands info, but RFC 4475 §3.1.1.11 has a signature without it, its address being in Identity-Info
        // as RFC 4474 had it. Where it is, it has its brackets.
        if identity.params.contains("info") && identity.info().is_none() {
            return Err(HeaderError::new("`<` expected after info", value.len()));
        }
        Ok(identity)
    }

    /// Sets a parameter (`None`: a name alone).
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// The PASSporT, or the quoted signature of RFC 4474, as written.
    #[must_use]
    pub const fn value(&self) -> &'a str {
        self.value
    }

    /// Are header and claims left out, to be made from the request (RFC 8224 §4, RFC 8225 §7)?
    #[must_use]
    pub fn is_compact(&self) -> bool {
        self.value.starts_with("..")
    }

    /// Where the certificate is.
    #[must_use]
    pub fn info(&self) -> Option<&str> {
        self.params
            .get("info")?
            .strip_prefix('<')?
            .strip_suffix('>')
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// The parameters, to change.
    pub const fn params_mut(&mut self) -> &mut Params<'a> {
        &mut self.params
    }
}

params_api! { Identity:
    /// The algorithm of the signature; ES256 if none is given.
    token algorithm / with_algorithm = "alg";
    /// The extension of PASSporT that is used: `shaken`, `div`, ... (RFC 8225 §8).
    token passport_type / with_passport_type = "ppt";
}

impl<'a> TypedHeader<'a> for Identity<'a> {
    const NAME: HeaderName = HeaderName::Identity;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.value.as_bytes());
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

display_encoded!(Identity<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, uri, with_params};

    header_tests! {
        Identity<'_>, rfc8224_4_and_rfc4474_9_examples: [
            "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0.rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w;info=<https://biloxi.example.org/biloxi.cert>",
            "..rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk;info=<https://biloxi.example.org/biloxi.cert>;alg=ES256",
            "\"CyI4+nAkHrH3ntmaxgr01TMxTmtjP7MASwliNRdupRI1vpkXRvZXx1ja9k3W+v1PDsy32MaqZi0M5WfEkXxbgTnPYW0jIoK8HMyY1VT7egt0kk4XrKFCHYWGCl9nB2sNsM9CG4hq+YJZTMaSROoMUBhikVIjnQ8ykeD6UXNOyfI=\"",
        ],
        refused: [";info=<x:y>", "a;info=<x", "a;info=x", "a;info=", "a b;info=<x:y>", ""],
        built: (passport in "([A-Za-z0-9_-]{1,9}[.]){0,2}[A-Za-z0-9_-]{1,9}", target in uri(), more in some_of(&[("alg", "ES256"), ("ppt", "shaken|div")])) => with_params!(Identity::new(&passport, UriRef::parse(&target).unwrap()), more),
    }

    #[test]
    fn rfc8224_4_parameters() {
        let uri = UriRef::parse("https://h/c?a=1").unwrap();
        let identity = Identity::new("..c2ln", uri)
            .with_algorithm("ES256")
            .with_passport_type("div");
        assert_eq!(
            identity.to_string(),
            "..c2ln;info=<https://h/c?a=1>;alg=ES256;ppt=div"
        );
        assert!(identity.is_compact());
        assert_eq!(
            (identity.info(), identity.value()),
            (Some("https://h/c?a=1"), "..c2ln")
        );
    }
}
