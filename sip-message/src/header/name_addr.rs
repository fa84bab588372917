//! [`NameAddr`], which From, To, Contact, Route, Refer-To and many others are.
//!
//! RFC 3261 §25.1: a URI in angle brackets with an optional display name, or a bare URI; then parameters.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::chars;
use crate::error::HeaderError;
use crate::lex::{self, Cursor};
use crate::param::{self, Params};
use crate::scan;
use crate::uri::UriRef;

/// `( [ display-name ] "<" addr-spec ">" / addr-spec ) *( ";" param )` (RFC 3261 §20.10, §25.1).
///
/// Without angle brackets, what follows a semicolon, comma or question mark belongs to the header, not to the URI
/// (RFC 3261 §20). It is always written with angle brackets.
///
/// ```
/// use sip_message::{UriRef, header::NameAddr};
/// let addr = NameAddr::parse("\"A. G. Bell\" <sip:agb@bell-telephone.com>;tag=a48s")?;
/// assert_eq!(addr.display_name().as_deref(), Some("A. G. Bell"));
/// assert_eq!(addr.uri().user(), Some("agb"));
/// assert_eq!(addr.tag(), Some("a48s"));
/// let mine = NameAddr::new(UriRef::parse("sip:bob@example.com").unwrap()).with_display_name("Bob").with_tag("8");
/// assert_eq!(mine.to_string(), "\"Bob\" <sip:bob@example.com>;tag=8");
/// # Ok::<(), sip_message::HeaderError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NameAddr<'a> {
    display: Display<'a>,
    uri: UriRef<'a>,
    params: Params<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Display<'a> {
    None,
    /// As written: a quoted string with its quotes, or tokens.
    Raw(&'a str),
    /// Without quotes and escapes.
    Plain(&'a str),
}

impl<'a> NameAddr<'a> {
    /// A comma is nowhere but in quotes and angle brackets.
    pub(crate) const REFUSES_LISTS: bool = true;

    /// A URI without display name and parameters.
    #[must_use]
    pub const fn new(uri: UriRef<'a>) -> Self {
        Self {
            display: Display::None,
            uri,
            params: Params::new(),
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let bytes = text.as_bytes();
        // As nearly everyone writes it: a quoted string without escapes or nothing, and a sip URI without rare parts.
        let (display, open) = match bytes {
            [b'<', ..] => (Display::None, 1),
            [b'"', ..] => match quoted(text) {
                Some((display, open)) => (display, open),
                None => return Self::parse_any(text),
            },
            _ => return Self::parse_any(text),
        };
        match UriRef::at(text, open) {
            Some((uri, end)) if bytes.get(end) == Some(&b'>') => Ok(Self {
                display,
                uri,
                params: Params::decode(Cursor::at(text, end + 1))?,
            }),
            _ => Self::parse_any(text),
        }
    }

    /// The same for every form.
    #[inline(never)]
    fn parse_any(text: &'a str) -> Result<Self, HeaderError> {
        let parts = split(text)?;
        let uri = UriRef::parse(parts.uri)
            .map_err(|error| HeaderError::new(error.reason(), parts.uri_at + error.offset()))?;
        Ok(Self {
            display: parts.display,
            uri,
            params: Params::decode(parts.rest)?,
        })
    }

    /// Sets the display name, which is written as a quoted string.
    #[must_use]
    pub fn with_display_name(mut self, name: &'a str) -> Self {
        self.display = if name.is_empty() {
            Display::None
        } else {
            Display::Plain(name)
        };
        self
    }

    /// Sets the tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// Sets a header parameter (`None`: a name alone).
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// The URI.
    #[must_use]
    pub const fn uri(&self) -> UriRef<'a> {
        self.uri
    }

    /// The display name without quotes and escapes.
    #[must_use]
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        match self.display {
            Display::None => None,
            Display::Raw(raw) => Some(param::unquote(raw)),
            Display::Plain(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// The tag, if there is one and it is not empty.
    #[must_use]
    #[inline]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// The header parameters; those in the URI are [`UriRef::params`].
    #[must_use]
    pub const fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// The header parameters, to change.
    pub const fn params_mut(&mut self) -> &mut Params<'a> {
        &mut self.params
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self.display {
            Display::None => {}
            Display::Raw(raw) => {
                out.extend_from_slice(raw.as_bytes());
                out.push(b' ');
            }
            Display::Plain(text) => {
                let mut quoted = String::with_capacity(text.len() + 2);
                param::push_quoted(&mut quoted, text);
                out.extend_from_slice(quoted.as_bytes());
                out.push(b' ');
            }
        }
        out.push(b'<');
        out.extend_from_slice(self.uri.as_str().as_bytes());
        out.push(b'>');
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

super::display_encoded!(NameAddr<'_>);

impl PartialEq for NameAddr<'_> {
    /// The same display name, an equivalent URI (RFC 3261 §19.1.4) and the same parameters.
    fn eq(&self, other: &Self) -> bool {
        self.display_name() == other.display_name()
            && self.uri == other.uri
            && self.params == other.params
    }
}

/// A quoted string without escapes at the front of a text, and the place behind the bracket that follows.
fn quoted(text: &str) -> Option<(Display<'_>, usize)> {
    let rest = text.as_bytes().get(1..)?;
    let len = rest.iter().position(|&b| matches!(b, b'"' | b'\\'))?;
    let open = match rest.get(len..)? {
        [b'"', b' ', b'<', ..] => len + 4,
        [b'"', b'<', ..] => len + 3,
        _ => return None,
    };
    Some((Display::Raw(text.get(..len + 2)?), open))
}

struct Split<'a> {
    display: Display<'a>,
    uri: &'a str,
    uri_at: usize,
    /// At the parameters.
    rest: Cursor<'a>,
}

/// Finds display name, URI and parameters without looking into the latter two.
fn split(text: &str) -> Result<Split<'_>, HeaderError> {
    let mut cursor = Cursor::new(text);
    cursor.skip_lws();
    let display = match cursor.peek() {
        Some(b'"') => {
            let raw = cursor.quoted()?;
            cursor.skip_lws();
            if cursor.peek() != Some(b'<') {
                return Err(cursor.error("`<` expected after the display name"));
            }
            Display::Raw(raw)
        }
        Some(b'<') => Display::None,
        _ => {
            let from = cursor.pos();
            // display-name = *(token LWS): only those may stand before the bracket.
            let name = cursor.take_while(|b| chars::is_token(b) || chars::is_lws(b));
            if cursor.peek() == Some(b'<') {
                let name = lex::trim(name);
                if name.is_empty() {
                    Display::None
                } else {
                    Display::Raw(name)
                }
            } else {
                cursor.seek(from);
                return bare(cursor);
            }
        }
    };
    cursor.eat(b'<');
    let uri_at = cursor.pos();
    let rest = cursor.rest();
    let Some(len) = scan::byte(rest.as_bytes(), b'>') else {
        cursor.seek(uri_at + rest.len());
        return Err(cursor.error("`>` expected"));
    };
    let uri = rest.get(..len).unwrap_or_default();
    cursor.seek(uri_at + len + 1);
    Ok(Split {
        display,
        uri,
        uri_at,
        rest: cursor,
    })
}

/// RFC 3261 §20.10: without angle brackets a semicolon, comma or question mark ends the URI. A comma and a question
/// mark cannot follow it then, so such a value is malformed.
fn bare(mut cursor: Cursor<'_>) -> Result<Split<'_>, HeaderError> {
    let uri_at = cursor.pos();
    let uri = cursor
        .take_while(|b| !chars::is_lws(b) && !matches!(b, b';' | b',' | b'?' | b'<' | b'>' | b'"'));
    if uri.is_empty() {
        return Err(cursor.error("URI expected"));
    }
    Ok(Split {
        display: Display::None,
        uri,
        uri_at,
        rest: cursor,
    })
}

/// The text of the parameters of a value, for those who want one of them only.
pub(crate) fn params_of(text: &str) -> Option<&str> {
    split(text).ok().map(|parts| parts.rest.rest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::From;
    use crate::header::testing::check_reencode;
    use alloc::string::ToString;

    #[test]
    fn rfc3261_20_20_forms() {
        check_reencode!(
            From<'_>,
            [
                (
                    "\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s",
                    Some("\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s")
                ),
                (
                    "sip:+12125551212@server.phone2net.com;tag=887s",
                    Some("<sip:+12125551212@server.phone2net.com>;tag=887s")
                ),
                (
                    "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
                    Some("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8")
                ),
                ("Bob  Smith<sip:b@h>", Some("Bob  Smith <sip:b@h>")),
                ("\"a\\\"b\" <sip:b@h>", Some("\"a\\\"b\" <sip:b@h>")),
                (
                    "\"x,y\"<sip:b@h;lr>;p=\"q;r\"",
                    Some("\"x,y\" <sip:b@h;lr>;p=\"q;r\"")
                ),
                ("<sip:b@h>\r\n ;tag=x", Some("<sip:b@h>\r\n ;tag=x")),
                ("<sip:b@h", None),
                ("sip:b@h>", None),
                ("\"x\" sip:b@h", None),
                ("\"x <sip:b@h>", None),
                ("", None),
                ("<>", None),
                ("Bob sip:b@h", None),
                ("<sip:b@h>;", None),
                ("<sip:b@h> x", None),
                ("sip:b@h?a=b", None),
            ]
        );
    }

    #[test]
    fn rfc3261_20_10_bare_uri_parameters_belong_to_the_header() {
        let addr = NameAddr::parse("sip:bob@h;tag=1;lr").unwrap();
        assert_eq!(addr.uri().as_str(), "sip:bob@h");
        assert_eq!((addr.tag(), addr.uri().param("lr")), (Some("1"), None));
        assert_eq!(
            params_of("\"<;tag=9>\" <sip:h;tag=8>;tag=7"),
            Some(";tag=7")
        );
    }

    #[test]
    fn display_names_are_quoted_when_written() {
        let uri = UriRef::parse("sip:h").unwrap();
        let addr = NameAddr::new(uri).with_display_name("a \"b\" \\ \r\nVia: x");
        let text = addr.to_string();
        assert_eq!(text, "\"a \\\"b\\\" \\\\   Via: x\" <sip:h>");
        assert_eq!(
            NameAddr::parse(&text).unwrap().display_name().unwrap(),
            "a \"b\" \\   Via: x"
        );
    }

    proptest::proptest! {
        /// The pass over usual values finds what the parser of all forms finds.
        #[test]
        fn the_pass_over_usual_values_agrees(
            text in "(\"[a<>;\\\\]{0,3}\"|Bob)?[ ]?<?(sip:[ab;:@+.1]{1,8}|tel:\\+1)>?(;tag=[ab]{0,2}| ;x=\"[>;]\")?[>;]?",
        ) {
            let show = |value: Result<NameAddr<'_>, HeaderError>| match value {
                Ok(value) => alloc::format!("{value:?}"),
                Err(_) => String::from("refused"),
            };
            proptest::prop_assert_eq!(show(NameAddr::parse(&text)), show(NameAddr::parse_any(&text)));
        }
    }
}
