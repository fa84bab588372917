//! The topmost Via, as the transport layer reads and writes it.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sip_message::{HeaderName, Headers, Host, ParseError, Request};

use crate::room::Room;
use crate::target::parse_host;
use crate::usual;

/// Where the topmost Via of a request says that responses go (RFC 3261 §18.2.2, RFC 3581 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplyRoute {
    maddr: Option<IpAddr>,
    /// A `maddr` that has to be resolved.
    maddr_name: Option<Box<str>>,
    /// The port in `sent-by`.
    port: Option<u16>,
    /// RFC 3581: was there an `rport`?
    symmetric: bool,
    /// RFC 5923: was there an `alias`?
    alias: bool,
}

impl ReplyRoute {
    /// Does the peer take requests for its sent-by over the connection of this one (RFC 5923 §8.1)?
    pub(crate) const fn is_alias(&self) -> bool {
        self.alias
    }

    /// The name that the response by datagram goes to, and the port.
    pub(crate) fn name(&self) -> Option<(&str, u16)> {
        let port = self.port.filter(|&port| port != 0).unwrap_or(5060);
        Some((self.maddr_name.as_deref()?, port))
    }

    /// Where a response by datagram goes, to a request that came from `source`.
    pub(crate) fn datagram(&self, source: SocketAddr) -> SocketAddr {
        let port = self.port.filter(|&port| port != 0).unwrap_or(5060);
        if let Some(maddr) = self.maddr {
            return SocketAddr::new(maddr, port);
        }
        if self.symmetric {
            // RFC 3581 §4: "to the IP address and port from which it was received".
            return source;
        }
        // RFC 3261 §18.2.2: the address is the one in `received`, or equal to the one in `sent-by`: the source.
        let mut to = source;
        to.set_port(port);
        to
    }

    /// Where a connection is opened for a response when the one of the request is closed.
    pub(crate) fn stream(&self, source: SocketAddr, default_port: u16) -> SocketAddr {
        let mut to = source;
        to.set_port(self.port.filter(|&port| port != 0).unwrap_or(default_port));
        to
    }
}

/// Makes sure that a request is well-formed, writes `received` and `rport` into its topmost Via, and answers where
/// responses go. `named` is told of a sent-by that is a name.
pub(crate) fn receive(
    request: &mut Request,
    source: SocketAddr,
    honour_maddr: bool,
    room: &mut Room,
    known: &mut usual::Addresses,
    named: impl FnOnce(&str, Option<u16>),
) -> Result<ReplyRoute, ParseError> {
    let Some(via) = usual::request(request, known) else {
        request.validate()?;
        if let Some((Host::Name(name), port)) = sent_by(request.headers()) {
            named(name, port);
        }
        let route = stamp(request, source, honour_maddr);
        // The parameters that were written are well-formed.
        request.set_validated();
        return Ok(route);
    };
    if via.host.is_none()
        && let Some(value) = request.headers().get_bytes(HeaderName::Via)
        && let Some(name) = value.get(via.host_at..via.host_at + via.host_len)
        && let Ok(name) = std::str::from_utf8(name)
    {
        named(name, via.port);
    }
    let ip = source.ip().to_canonical();
    // As below: RFC 3261 §18.2.1, RFC 3581 §4.
    if via.rport.is_some() || via.host.is_none_or(|host| IpAddr::V4(host) != ip) {
        let without = via.rport.map_or(0..0, |at| at..at + usual::RPORT);
        let port = via.rport.map(|_| source.port());
        let headers = request.headers_mut();
        let (room, stamp) = room.open_for(ip, port);
        headers.stamp_plain_via(room, without, stamp);
    }
    request.set_validated();
    Ok(ReplyRoute {
        maddr: None,
        maddr_name: None,
        port: via.port,
        symmetric: via.rport.is_some(),
        alias: via.alias,
    })
}

/// Writes `received` and `rport` into the topmost Via, which must decode, and answers where responses go.
pub(crate) fn stamp(request: &mut Request, source: SocketAddr, honour_maddr: bool) -> ReplyRoute {
    let ip = source.ip().to_canonical();
    let Some(via) = request.headers().top_via() else {
        return ReplyRoute {
            maddr: None,
            maddr_name: None,
            port: Some(source.port()),
            symmetric: true,
            alias: false,
        };
    };
    let symmetric = via.rport().is_some();
    let maddr = via.maddr().filter(|_| honour_maddr).and_then(parse_host);
    let maddr_name = match maddr {
        Some(Host::Name(name)) => Some(Box::from(name)),
        _ => None,
    };
    let maddr = maddr
        .and_then(|host| host.ip())
        .filter(|maddr| !maddr.is_unspecified());
    let route = ReplyRoute {
        maddr,
        maddr_name,
        port: via.port(),
        symmetric,
        alias: via.params().contains("alias"),
    };
    // RFC 3261 §18.2.1: a name, or an address other than the source. RFC 3581 §4: always when there is an rport.
    // A `received` that the sender wrote is not believed either.
    let differs = via.host().ip().is_none_or(|host| host.to_canonical() != ip);
    let received = differs || symmetric || via.params().contains("received");
    if received {
        request
            .headers_mut()
            .set_top_via_params(Some(ip), symmetric.then(|| source.port()));
    }
    route
}

/// RFC 3261 §18.1.1: "A client that sends a request to a multicast address MUST add the "maddr" parameter to its Via
/// header field value containing the destination multicast address, and for IPv4, SHOULD add the "ttl" parameter with a
/// value of 1." A response, and what has no Via, is left as it is.
pub(crate) fn for_group(payload: Bytes, group: IpAddr) -> Bytes {
    let Some(at) = end_of_top_via(&payload).filter(|_| !payload.starts_with(b"SIP/2.0 ")) else {
        return payload;
    };
    let parameters = match group {
        IpAddr::V4(ip) => format!(";maddr={ip};ttl=1"),
        IpAddr::V6(ip) => format!(";maddr=[{ip}]"),
    };
    let (front, back) = payload.split_at(at);
    [front, parameters.as_bytes(), back].concat().into()
}

/// Where the value of the topmost Via ends.
fn end_of_top_via(message: &[u8]) -> Option<usize> {
    let mut at = memchr::memmem::find(message, b"\r\n")? + 2;
    loop {
        let line = message.get(at..)?;
        let len = memchr::memmem::find(line, b"\r\n")?;
        let line = line.get(..len).filter(|line| !line.is_empty())?;
        let colon = memchr::memchr(b':', line)?;
        let name = line.get(..colon)?.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v") {
            // Only we wrote it, and no parameter of ours is quoted: the first comma is between two values.
            let value = line.get(colon..)?;
            let end = memchr::memchr(b',', value).unwrap_or(value.len());
            return Some(at + colon + value.get(..end)?.trim_ascii_end().len());
        }
        at += len + 2;
    }
}

/// The `sent-by` of the topmost Via.
pub(crate) fn sent_by(headers: &Headers) -> Option<(Host<'_>, Option<u16>)> {
    headers.top_via().map(|via| (via.host(), via.port()))
}

#[cfg(test)]
mod tests {
    use sip_message::{Message, ParserConfig};

    use super::*;

    /// The Via after stamping, and where the response goes.
    fn check(via: &str, source: &str, expected: &str, to: &str) {
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        let Ok(Message::Request(mut request)) =
            Message::parse(text.into(), &ParserConfig::default())
        else {
            panic!("{via}")
        };
        let source = source.parse().unwrap();
        let mut other = request.clone();
        let route = stamp(&mut request, source, true);
        assert_eq!(request.headers().get(HeaderName::Via), Some(expected));
        assert_eq!(route.datagram(source).to_string(), to);
        // The short way, where it is taken, comes to the same.
        let mut room = Room::default();
        let short = receive(
            &mut other,
            source,
            true,
            &mut room,
            &mut usual::Addresses::default(),
            |_, _| {},
        );
        assert_eq!(short, Ok(route));
        assert_eq!(other.to_bytes(), request.to_bytes());
    }

    #[test]
    fn rfc3261_18_2_1_received_is_added_to_names_and_other_addresses() {
        check(
            "SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bK1",
            "192.0.2.4:5060",
            "SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bK1;received=192.0.2.4",
            "192.0.2.4:5060",
        );
        check(
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
            "192.0.2.4:40000",
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.4",
            "192.0.2.4:5060",
        );
        check(
            "SIP/2.0/UDP 192.0.2.4:5080;branch=z9hG4bK1",
            "192.0.2.4:40000",
            "SIP/2.0/UDP 192.0.2.4:5080;branch=z9hG4bK1",
            "192.0.2.4:5080",
        );
        check(
            "SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1",
            "[2001:db8::1]:5060",
            "SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1",
            "[2001:db8::1]:5060",
        );
    }

    #[test]
    fn rfc3581_4_rport_is_filled_and_the_response_goes_to_the_source() {
        check(
            "SIP/2.0/UDP 192.0.2.4:5080;rport;branch=z9hG4bK1",
            "192.0.2.4:40000",
            "SIP/2.0/UDP 192.0.2.4:5080;branch=z9hG4bK1;received=192.0.2.4;rport=40000",
            "192.0.2.4:40000",
        );
        // What the sender claims about itself is replaced.
        check(
            "SIP/2.0/UDP 192.0.2.4;rport=1;received=203.0.113.1;branch=z9hG4bK1",
            "192.0.2.4:40000",
            "SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1;received=192.0.2.4;rport=40000",
            "192.0.2.4:40000",
        );
    }

    #[test]
    fn rfc3261_18_2_2_maddr_directs_the_response() {
        check(
            "SIP/2.0/UDP 192.0.2.4:5080;maddr=198.51.100.1;branch=z9hG4bK1",
            "192.0.2.4:5080",
            "SIP/2.0/UDP 192.0.2.4:5080;maddr=198.51.100.1;branch=z9hG4bK1",
            "198.51.100.1:5080",
        );
        // A name has to be resolved; until then the source serves.
        check(
            "SIP/2.0/UDP 192.0.2.4;maddr=example.com;branch=z9hG4bK1",
            "192.0.2.4:5060",
            "SIP/2.0/UDP 192.0.2.4;maddr=example.com;branch=z9hG4bK1",
            "192.0.2.4:5060",
        );
    }

    #[test]
    fn rfc3261_18_1_1_a_request_to_a_group_says_which() {
        for (text, group, expected) in [
            (
                "OPTIONS sip:h SIP/2.0\r\nMax-Forwards: 70\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n",
                "224.0.1.75",
                "OPTIONS sip:h SIP/2.0\r\nMax-Forwards: 70\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;maddr=224.0.1.75;ttl=1\r\n\r\n",
            ),
            (
                "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP h , SIP/2.0/UDP i\r\nVia: x\r\n\r\n",
                "ff02::1",
                "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP h;maddr=[ff02::1] , SIP/2.0/UDP i\r\nVia: x\r\n\r\n",
            ),
            // A response goes as it is (§18.2.2), and so does what is no message.
            (
                "SIP/2.0 200 OK\r\nVia: a\r\n\r\n",
                "224.0.1.75",
                "SIP/2.0 200 OK\r\nVia: a\r\n\r\n",
            ),
            (
                "OPTIONS sip:h SIP/2.0\r\n\r\nVia: a\r\n",
                "224.0.1.75",
                "OPTIONS sip:h SIP/2.0\r\n\r\nVia: a\r\n",
            ),
            ("\r\n\r\n", "224.0.1.75", "\r\n\r\n"),
        ] {
            assert_eq!(for_group(text.into(), group.parse().unwrap()), expected);
        }
    }
}
