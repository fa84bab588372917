//! The remaining headers of RFC 3261 section 20: Alert-Info, Call-Info, Error-Info, Warning, Timestamp, Subject, ...

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::auth::AuthParams;
use super::list::token_list;
use super::text::text_header;
use super::valued::valued_header;
use super::{NameAddr, QValue, TypedHeader, newtype_header};
use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param;

newtype_header! {
    /// One ring tone for the callee, or ring-back tone for the caller (RFC 3261 §20.4).
    AlertInfo(NameAddr) = AlertInfo
}

newtype_header! {
    /// One more thing to know about the caller or callee; `purpose` says which (RFC 3261 §20.9).
    CallInfo(NameAddr) = CallInfo
}

newtype_header! {
    /// Where more is said about the error (RFC 3261 §20.18).
    ErrorInfo(NameAddr) = ErrorInfo
}

text_header! {
    /// What the call is about (RFC 3261 §20.36).
    Subject
}

text_header! {
    /// To what organization the sender belongs (RFC 3261 §20.25).
    Organization
}

text_header! {
    /// The name of a body part for references from others: `<id@host>` (RFC 8262, RFC 2045 §7).
    ContentId
}

valued_header! {
    /// How urgent the request is to the person: `emergency`, `urgent`, `normal`, `non-urgent` (RFC 3261 §20.26).
    Priority, Token
}

valued_header! {
    /// The version of MIME, `1.0` (RFC 3261 §20.24).
    MimeVersion, Token
}

valued_header! {
    /// What the body is for: `session`, `render`, `icon`, `alert`, ... (RFC 3261 §20.11).
    ///
    /// ```
    /// use sip_message::header::ContentDisposition;
    /// assert!(!ContentDisposition::parse("early-session;handling=optional").unwrap().is_required());
    /// assert!(ContentDisposition::new("session").is_required());
    /// ```
    ContentDisposition, Token
}

impl ContentDisposition<'_> {
    /// Must a recipient who does not understand the body refuse the message with 415? So it is unless `handling` says
    /// `optional` (RFC 3261 §20.11).
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self
            .params()
            .get("handling")
            .is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

valued_header! {
    /// How a body part is encoded: `binary`, `base64`, ... (RFC 2045 §6).
    ContentTransferEncoding, Token
}

token_list! {
    /// How the body is compressed (RFC 3261 §20.12).
    ContentEncoding
}

token_list! {
    /// In what languages the body is (RFC 3261 §20.13).
    ContentLanguage
}

macro_rules! preferred {
    ($name:ident) => {
        impl $name<'_> {
            /// The preference; 1 if none is given.
            #[must_use]
            pub fn q(&self) -> QValue {
                self.params()
                    .get("q")
                    .and_then(QValue::parse)
                    .unwrap_or(QValue::ONE)
            }
        }
    };
}

valued_header! {
    /// One compression that the sender understands (RFC 3261 §20.2).
    AcceptEncoding, Token
}
preferred!(AcceptEncoding);

valued_header! {
    /// One language that the sender understands (RFC 3261 §20.3).
    AcceptLanguage, Token
}
preferred!(AcceptLanguage);

/// One warning: a code of 300 to 399, who warns, and a text for people (RFC 3261 §20.43).
///
/// ```
/// use sip_message::header::Warning;
/// let warning = Warning::parse("307 isi.edu \"Session parameter 'foo' not understood\"").unwrap();
/// assert_eq!((warning.code(), warning.agent()), (307, "isi.edu"));
/// assert_eq!(Warning::new(399, "h", "a \"b\"").to_string(), "399 h \"a \\\"b\\\"\"");
/// ```
#[derive(Clone, Debug)]
pub struct Warning<'a> {
    code: u16,
    agent: &'a str,
    /// As written, with its quotes; or without them when it was set by us.
    text: &'a str,
    quoted: bool,
}

impl<'a> Warning<'a> {
    /// A warning. The agent is a host with an optional port, or a pseudonym.
    #[must_use]
    pub const fn new(code: u16, agent: &'a str, text: &'a str) -> Self {
        Self {
            code,
            agent,
            text,
            quoted: false,
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let digits = cursor.take_while(|b| b.is_ascii_digit());
        let code = digits.parse().ok().filter(|_| digits.len() == 3);
        let code =
            code.ok_or_else(|| HeaderError::new("warning code of three digits expected", 0))?;
        cursor.skip_lws();
        let agent = cursor.take_while(|b| !crate::chars::is_lws(b) && b != b'"');
        cursor.skip_lws();
        if agent.is_empty() {
            return Err(cursor.error("warning agent expected"));
        }
        let text = cursor.quoted()?;
        cursor.finish("unexpected text after the warning")?;
        Ok(Self {
            code,
            agent,
            text,
            quoted: true,
        })
    }

    /// The code: 370 is "insufficient bandwidth", 399 anything else.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Who warns.
    #[must_use]
    pub const fn agent(&self) -> &'a str {
        self.agent
    }

    /// The text for people.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        if self.quoted {
            param::unquote(self.text)
        } else {
            Cow::Borrowed(self.text)
        }
    }
}

impl PartialEq for Warning<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.agent == other.agent && self.text() == other.text()
    }
}

impl<'a> TypedHeader<'a> for Warning<'a> {
    const NAME: HeaderName = HeaderName::Warning;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        super::push_decimal(out, self.code.into());
        out.push(b' ');
        out.extend_from_slice(self.agent.as_bytes());
        out.push(b' ');
        if self.quoted {
            out.extend_from_slice(self.text.as_bytes());
        } else {
            let mut text = String::new();
            param::push_quoted(&mut text, self.text);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

super::display_encoded!(Warning<'_>);

/// When the request was sent by the clock of the client, and how long the server held it: decimal seconds
/// (RFC 3261 §20.38). The client alone makes sense of the first; it is returned as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    time: &'a str,
    delay: Option<&'a str>,
}

impl<'a> Timestamp<'a> {
    /// Reads one value: `1*DIGIT [ "." *DIGIT ] [ LWS *DIGIT [ "." *DIGIT ] ]`.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut words = text
            .split([' ', '\t', '\r', '\n'])
            .filter(|word| !word.is_empty());
        let decimal = |word: &&str| {
            let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
            (whole.len() + fraction.len() > 0)
                && whole
                    .bytes()
                    .chain(fraction.bytes())
                    .all(|b| b.is_ascii_digit())
        };
        let time = words
            .next()
            .filter(decimal)
            .ok_or_else(|| HeaderError::new("bad timestamp", 0))?;
        let delay = words.next();
        if words.next().is_some() || delay.is_some_and(|delay| !decimal(&delay)) {
            return Err(HeaderError::new("bad delay in Timestamp", time.len()));
        }
        Ok(Self { time, delay })
    }

    /// The time of the client, as written.
    #[must_use]
    pub const fn time(&self) -> &'a str {
        self.time
    }

    /// How many seconds the server held the request, as written.
    #[must_use]
    pub const fn delay(&self) -> Option<&'a str> {
        self.delay
    }

    /// Adds the delay, in decimal seconds.
    #[must_use]
    pub const fn with_delay(mut self, delay: &'a str) -> Self {
        self.delay = Some(delay);
        self
    }
}

impl<'a> TypedHeader<'a> for Timestamp<'a> {
    const NAME: HeaderName = HeaderName::Timestamp;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.time.as_bytes());
        if let Some(delay) = self.delay {
            out.push(b' ');
            out.extend_from_slice(delay.as_bytes());
        }
    }
}

super::display_encoded!(Timestamp<'_>);

macro_rules! authentication_info {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<'a>(AuthParams<'a>);

        impl<'a> $name<'a> {
            /// These parameters.
            #[must_use]
            pub const fn new(params: AuthParams<'a>) -> Self {
                Self(params)
            }

            /// The parameters: `nextnonce`, `qop`, `rspauth`, `cnonce`, `nc`.
            #[must_use]
            pub const fn params(&self) -> &AuthParams<'a> {
                &self.0
            }
        }

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName = HeaderName::$name;

            fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
                AuthParams::parse(super::one(values)?).map(Self)
            }

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.as_str().as_bytes());
            }
        }
    };
}

authentication_info! {
    /// What a server says after it has authenticated the client (RFC 3261 §20.6, RFC 7615 §3).
    AuthenticationInfo
}

authentication_info! {
    /// What a proxy says after it has authenticated the client (RFC 7615 §4).
    ProxyAuthenticationInfo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc3261_20_4_and_20_9_info() {
        check_reencode!(
            AlertInfo<'_>,
            [(
                "<http://www.example.com/sounds/moo.wav>",
                Some("<http://www.example.com/sounds/moo.wav>")
            )]
        );
        check_reencode!(
            CallInfo<'_>,
            [
                (
                    "<http://wwww.example.com/alice/photo.jpg> ;purpose=icon",
                    Some("<http://wwww.example.com/alice/photo.jpg> ;purpose=icon")
                ),
                ("http x", None)
            ]
        );
        check_reencode!(
            ErrorInfo<'_>,
            [(
                "<sip:not-in-service-recording@atlanta.com>",
                Some("<sip:not-in-service-recording@atlanta.com>")
            )]
        );
    }

    #[test]
    fn rfc3261_20_38_timestamp() {
        check_reencode!(
            Timestamp<'_>,
            [
                ("54", Some("54")),
                ("54.2 .1", Some("54.2 .1")),
                ("x", None),
                (".", None),
                ("1 2 3", None),
                ("-1", None)
            ]
        );
    }

    #[test]
    fn rfc3261_20_43_warning() {
        check_reencode!(
            Warning<'_>,
            [
                (
                    "301 isi.edu \"Incompatible network address type 'E.164'\"",
                    Some("301 isi.edu \"Incompatible network address type 'E.164'\"")
                ),
                ("1812 overture \"In Progress\"", None),
                ("399 h", None),
                ("399 \"x\"", None),
            ]
        );
    }

    #[test]
    fn rfc3261_20_2_20_3_20_6_20_11_20_13() {
        check_reencode!(AcceptEncoding<'_>, [("gzip;q=0.5", Some("gzip;q=0.5"))]);
        check_reencode!(AcceptLanguage<'_>, [("en-gb;q=0.8", Some("en-gb;q=0.8"))]);
        check_reencode!(ContentLanguage<'_>, [("fr, en", Some("fr, en"))]);
        check_reencode!(ContentEncoding<'_>, [("gzip", Some("gzip"))]);
        check_reencode!(
            ContentDisposition<'_>,
            [(
                "session;handling=optional",
                Some("session;handling=optional")
            )]
        );
        check_reencode!(
            AuthenticationInfo<'_>,
            [
                (
                    "nextnonce=\"47364c23432d2e131a5fb210812c\"",
                    Some("nextnonce=\"47364c23432d2e131a5fb210812c\"")
                ),
                ("x", None)
            ]
        );
        check_reencode!(Subject<'_>, [("Need more boxes", Some("Need more boxes"))]);
    }
}
