//! Via: the path of the request, which the response takes back (RFC 3261 §20.42, RFC 3581).
//!
//! ```text
//! value   = "SIP" "/" "2.0" "/" transport, white space, sent-by, then parameters: branch, received, rport, maddr, ttl
//! sent-by = host [ ":" port ]
//! ```
//! White space may stand around every separator.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::TypedHeader;
use crate::chars;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;
use crate::token::Token;
use crate::uri::{self, Host};

/// One value of Via.
///
/// ```
/// use sip_message::{Host, header::{Transport, Via}};
/// let via = Via::new(Transport::Udp, Host::Name("pc33.example.com"), Some(5066)).with_branch("z9hG4bK776").with_rport();
/// assert_eq!(via.to_string(), "SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bK776;rport");
/// let read = Via::parse("SIP / 2.0 / TCP [2001:db8::1] : 5060 ;branch=z9hG4bK1;rport=9;received=192.0.2.9").unwrap();
/// assert_eq!(read.rport(), Some(Some(9)));
/// assert_eq!(read.received(), Some("192.0.2.9".parse().unwrap()));
/// assert_eq!(read.transport(), &Transport::Tcp);
/// ```
#[derive(Clone, Debug)]
pub struct Via<'a> {
    transport: Transport,
    host: SentBy<'a>,
    port: Option<u16>,
    params: Params<'a>,
}

/// The host, which many who read a Via do not ask for.
#[derive(Clone, Copy, Debug)]
enum SentBy<'a> {
    /// Known to be one, and not looked into.
    Text(&'a str),
    Host(Host<'a>),
}

impl<'a> Via<'a> {
    /// A Via without parameters.
    #[must_use]
    pub const fn new(transport: Transport, host: Host<'a>, port: Option<u16>) -> Self {
        Self {
            transport,
            host: SentBy::Host(host),
            port,
            params: Params::new(),
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// When the text does not have the form, or is not of SIP/2.0.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        match usual(text) {
            Some((transport, host, port, end)) => Ok(Self {
                transport,
                host: SentBy::Text(host),
                port,
                params: Params::decode(Cursor::at(text, end))?,
            }),
            None => Self::parse_any(text),
        }
    }

    /// The same for every form.
    fn parse_any(text: &'a str) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(text);
        let transport = sent_protocol(&mut cursor)?;
        if !cursor.peek().is_some_and(chars::is_lws) {
            return Err(cursor.error("white space expected before sent-by"));
        }
        cursor.skip_lws();
        let at = cursor.pos();
        let len = uri::host_len(cursor.rest().as_bytes())
            .ok_or_else(|| HeaderError::new("bad host in Via", at))?;
        cursor.seek(at + len);
        let host = SentBy::Text(cursor.slice(at));
        let port = if cursor.eat_separator(b':') {
            let at = cursor.pos();
            let (port, len) = uri::port(text.as_bytes(), at)
                .ok_or_else(|| HeaderError::new("bad port in Via", at))?;
            cursor.seek(at + len);
            Some(port)
        } else {
            None
        };
        Ok(Self {
            transport,
            host,
            port,
            params: Params::decode(cursor)?,
        })
    }

    /// Sets the branch.
    #[must_use]
    pub fn with_branch(mut self, branch: &str) -> Self {
        self.params.set("branch", Some(branch));
        self
    }

    /// Asks for the response to come back to the source port (RFC 3581 §3).
    #[must_use]
    pub fn with_rport(mut self) -> Self {
        self.params.set("rport", None);
        self
    }

    /// Sets a parameter (`None`: a name alone).
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Sets `received`: the source address as the receiver saw it (RFC 3261 §18.2.1).
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set("received", Some(&address.to_string()));
    }

    /// Gives `rport` its value: the source port as the receiver saw it (RFC 3581 §4).
    pub fn set_rport(&mut self, port: u16) {
        self.params.set("rport", Some(&port.to_string()));
    }

    /// The transport the request was sent over.
    #[must_use]
    pub const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The host of sent-by.
    #[must_use]
    pub fn host(&self) -> Host<'a> {
        match self.host {
            SentBy::Text(text) => Host::located(text).unwrap_or(Host::Name(text)),
            SentBy::Host(host) => host,
        }
    }

    /// The port of sent-by.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The branch: the transaction's name (RFC 3261 §8.1.1.7).
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The source address that the receiver saw. RFC 5118 §4.5: an IPv6 address is read with and without brackets.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let text = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .unwrap_or(text);
        if text.contains(':') {
            uri::ipv6(text).map(IpAddr::V6)
        } else {
            text.parse().ok()
        }
    }

    /// `rport`: `Some(None)` asks for the source port, `Some(Some(port))` says it (RFC 3581).
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|port| port.parse().ok())
    }

    /// `maddr`: the multicast address the request was sent to.
    #[must_use]
    pub fn maddr(&self) -> Option<&str> {
        self.params.get("maddr").filter(|maddr| !maddr.is_empty())
    }

    /// `ttl`: the time to live of a multicast request.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        self.params.get("ttl")?.parse().ok()
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

impl PartialEq for Via<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.transport == other.transport
            && self.host() == other.host()
            && self.port == other.port
            && self.params == other.params
    }
}

/// The front of a Via as nearly everyone writes it: a registered transport, one space, a host, and a port behind a colon.
/// The last value is where the parameters begin.
#[inline]
fn usual(text: &str) -> Option<(Transport, &str, Option<u16>, usize)> {
    let bytes = text.as_bytes();
    let (transport, start) = match bytes.strip_prefix(b"SIP/2.0/")?.first_chunk()? {
        b"UDP " => (Transport::Udp, 12),
        b"TCP " => (Transport::Tcp, 12),
        b"TLS " => (Transport::Tls, 12),
        b"WSS " => (Transport::Wss, 12),
        [b'W', b'S', b' ', _] => (Transport::Ws, 11),
        _ => return None,
    };
    let host_end = start + uri::host_len(bytes.get(start..)?)?;
    let mut end = host_end;
    let mut port = None;
    if bytes.get(end) == Some(&b':') {
        let (number, len) = uri::port(bytes, end + 1)?;
        port = Some(number);
        end += 1 + len;
    }
    if !matches!(bytes.get(end), None | Some(b';')) {
        return None;
    }
    Some((transport, text.get(start..host_end)?, port, end))
}

/// `protocol-name SLASH protocol-version SLASH transport`.
fn sent_protocol(cursor: &mut Cursor<'_>) -> Result<Transport, HeaderError> {
    let name = cursor.token("protocol expected in Via")?;
    let slash = cursor.eat_separator(b'/');
    let version = cursor.take_while(chars::is_token);
    if !slash
        || !name.eq_ignore_ascii_case("SIP")
        || version != "2.0"
        || !cursor.eat_separator(b'/')
    {
        return Err(cursor.error("SIP/2.0 expected in Via"));
    }
    let at = cursor.pos();
    let transport = cursor.take_while(chars::is_token);
    Transport::from_bytes(transport.as_bytes())
        .ok_or_else(|| HeaderError::new("transport expected in Via", at))
}

impl<'a> TypedHeader<'a> for Via<'a> {
    const NAME: HeaderName = HeaderName::Via;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);
    const REFUSES_LISTS: bool = true;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(self.transport.as_str().as_bytes());
        out.push(b' ');
        match self.host() {
            Host::Name(name) => out.extend_from_slice(name.as_bytes()),
            Host::V4(v4) => super::push_ip(out, v4.into()),
            Host::V6(v6) => {
                out.push(b'[');
                super::push_ip(out, v6.into());
                out.push(b']');
            }
        }
        if let Some(port) = self.port {
            out.push(b':');
            super::push_decimal(out, port.into());
        }
        out.extend_from_slice(self.params.as_str().as_bytes());
    }
}

super::display_encoded!(Via<'_>);

/// The transport of a Via. Names are compared without case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP (RFC 4168).
    Sctp,
    /// TLS over SCTP (RFC 4168).
    TlsSctp,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
    /// Another one.
    Other(Token),
}

impl Transport {
    /// The transport that the bytes name, or `None` if they are not a token.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        for known in [
            Self::Udp,
            Self::Tcp,
            Self::Tls,
            Self::Ws,
            Self::Wss,
            Self::Sctp,
            Self::TlsSctp,
        ] {
            if known.as_str().as_bytes().eq_ignore_ascii_case(bytes) {
                return Some(known);
            }
        }
        Token::from_bytes(bytes).map(Self::Other)
    }

    /// The name as it is written in a Via.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::TlsSctp => "TLS-SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(token) => token.as_str(),
        }
    }
}

impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for Transport {}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{
        check_reencode, encoded, header_tests, headers, host, params, token, with_params,
    };

    #[test]
    fn rfc3261_20_42_forms() {
        check_reencode!(
            Via<'_>,
            [
                (
                    "SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7",
                    Some("SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7")
                ),
                (
                    "SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207;branch=z9hG4bK77asjd",
                    Some("SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207;branch=z9hG4bK77asjd")
                ),
                (
                    "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
                    Some(
                        "SIP/2.0/UDP first.example.com:4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"
                    )
                ),
                ("SIP/2.0/tls h", Some("SIP/2.0/TLS h")),
                ("SIP/2.0/UNKNOWN h", Some("SIP/2.0/UNKNOWN h")),
                (
                    "SIP/2.0/UDP [2001:DB8::1]:5060",
                    Some("SIP/2.0/UDP [2001:db8::1]:5060")
                ),
                ("SIP/2.0/UDP\r\n h", Some("SIP/2.0/UDP h")),
                ("SIP/2.0/UDP", None),
                ("SIP/2.0/UDP h:", None),
                ("SIP/2.0/UDP h:65536", None),
                ("SIP/2.0/UDP [::1", None),
                ("SIP/2.0/UDP h h", None),
                ("SIP/3.0/UDP h", None),
                ("HTTP/2.0/UDP h", None),
                ("SIP/2.0 UDP h", None),
                ("", None),
            ]
        );
    }

    #[test]
    fn rfc3581_4_rport_and_received_are_filled_in() {
        let mut headers = headers(
            HeaderName::Via,
            &["SIP/2.0/UDP a:5060;rport;branch=z9hG4bK1, SIP/2.0/UDP b"],
        );
        assert_eq!(headers.top_via().unwrap().rport(), Some(None));
        assert!(headers.set_top_via_params(Some("192.0.2.7".parse().unwrap()), Some(6000)));
        let top = headers.top_via().unwrap();
        assert_eq!(
            (top.rport(), top.received()),
            (Some(Some(6000)), Some("192.0.2.7".parse().unwrap()))
        );
        assert_eq!(top.branch(), Some("z9hG4bK1"));
        assert_eq!(
            headers.values(HeaderName::Via).last(),
            Some("SIP/2.0/UDP b")
        );
        assert!(headers.set_top_via_params(Some("2001:db8::1".parse().unwrap()), None));
        assert_eq!(
            headers.top_via().unwrap().received(),
            Some("2001:db8::1".parse().unwrap())
        );
    }

    #[test]
    fn rfc3261_18_2_1_received_and_rport_are_put_into_the_bytes_as_they_came() {
        let v4 = Some("192.0.2.7".parse().unwrap());
        for (text, received, rport, expected) in [
            (
                "SIP/2.0/UDP a",
                v4,
                None,
                "SIP/2.0/UDP a;received=192.0.2.7",
            ),
            (
                "SIP/2.0/UDP a;rport;branch=z",
                v4,
                Some(9),
                "SIP/2.0/UDP a;branch=z;received=192.0.2.7;rport=9",
            ),
            (
                "SIP / 2.0 / UDP\ta ;RPort ; x=\";rport\" ;ReCeived=b",
                v4,
                Some(9),
                "SIP / 2.0 / UDP\ta; x=\";rport\" ;received=192.0.2.7;rport=9",
            ),
            (
                "SIP/2.0/UDP a;received=b;rport=1",
                None,
                Some(65_535),
                "SIP/2.0/UDP a;received=b;rport=65535",
            ),
            (
                "SIP/2.0/UDP a;received=b;rport;received=c , SIP/2.0/UDP d;rport",
                Some("2001:db8::1".parse().unwrap()),
                None,
                "SIP/2.0/UDP a;rport;received=2001:db8::1, SIP/2.0/UDP d;rport",
            ),
            ("SIP/2.0/UDP a;rport=1", None, None, "SIP/2.0/UDP a;rport=1"),
        ] {
            let mut headers = headers(HeaderName::Via, &["", text]);
            assert!(headers.set_top_via_params(received, rport), "{text}");
            let fields: Vec<_> = headers
                .fields()
                .map(|field| field.value().unwrap())
                .collect();
            assert_eq!(fields, ["", expected]);
            // Once more: now the bytes are in the overlay.
            assert!(headers.set_top_via_params(received, rport));
            assert_eq!(
                headers.fields().nth(1).and_then(|field| field.value()),
                Some(expected)
            );
        }
        for text in ["", "SIP/2.0/UDP", "SIP/2.0/UDP a;"] {
            let mut headers = headers(HeaderName::Via, &[text]);
            assert!(!headers.set_top_via_params(v4, Some(9)), "{text}");
        }
    }

    #[test]
    fn rfc5118_4_5_received_with_and_without_brackets() {
        for text in [
            "SIP/2.0/UDP [::9];received=[2001:db8::9:255]",
            "SIP/2.0/UDP [::9];received=2001:db8::9:255",
        ] {
            assert_eq!(
                Via::parse(text).unwrap().received(),
                Some("2001:db8::9:255".parse().unwrap())
            );
        }
        assert_eq!(
            encoded(&Via::new(Transport::Wss, Host::Name("x.invalid"), None)),
            "SIP/2.0/WSS x.invalid"
        );
    }

    header_tests! {
        Via<'_>, rfc3261_20_42_examples: [
            "SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7",
            "SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207\r\n ;branch=z9hG4bK77asjd",
            "SIP / 2.0 / UDP first.example.com: 4000;ttl=16\r\n ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"
                => "SIP/2.0/UDP first.example.com:4000;ttl=16\r\n ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1",
        ],
        refused: ["", "SIP/2.0/UDP", "SIP/2.0/UDP h:99999"],
        built: (transport in token(), host in host(), port in proptest::option::of(proptest::prelude::any::<u16>()), branch in token(), more in params()) =>
            with_params!(
                Via::new(Transport::from_bytes(transport.as_bytes()).unwrap(), Host::parse(&host).unwrap(), port).with_branch(&branch),
                more
            ),
    }
}
