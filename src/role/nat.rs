//! Which requests come from a user agent that is reached by the flow they came over, and by nothing else.

use std::net::IpAddr;

use sip_message::{HeaderName, Host, Request, UriRef};
use sip_transport::Flow;

use super::Ipv4Text;

/// Did the request come from the user agent itself, over no proxy that would know the way back?
fn is_direct(request: &Request) -> bool {
    request.headers().values(HeaderName::Via).count() == 1
        && !request.headers().contains(HeaderName::Path)
        && !request.headers().contains(HeaderName::RecordRoute)
}

/// May [`needs_flow`] be true of a contact of this request? Without looking at the contact, because it nearly never is where
/// nothing translates addresses.
pub(super) fn may_need_flow(request: &Request, flow: &Flow) -> bool {
    flow.kind.is_stream()
        || !names_sender(request, flow)
        || request
            .headers()
            .get_bytes(HeaderName::Contact)
            .is_some_and(|contact| {
                memchr::memchr2_iter(b'v', b'V', contact).any(|at| {
                    let name = at
                        .checked_sub(2)
                        .and_then(|from| contact.get(from..from + 7));
                    name.is_some_and(|name| name.eq_ignore_ascii_case(b"invalid"))
                })
            })
}

/// Does the topmost Via name the address that the request came from?
fn names_sender(request: &Request, flow: &Flow) -> bool {
    sender(request, flow).is_some_and(|host| host.ip() == Some(flow.remote.ip()))
}

/// The host that the topmost Via names.
fn sender<'a>(request: &'a Request, flow: &Flow) -> Option<Host<'a>> {
    let headers = request.headers();
    // As nearly everybody writes it, nothing needs to be decoded.
    if let (IpAddr::V4(ip), Some(via)) = (flow.remote.ip(), headers.get_bytes(HeaderName::Via))
        && let Some(space) = memchr::memchr(b' ', via)
        && let Some(behind) = via
            .get(space + 1..)
            .and_then(|host| host.strip_prefix(Ipv4Text::of_ip(ip).as_bytes()))
        && matches!(behind.first(), None | Some(b':' | b';'))
    {
        return Some(Host::V4(ip));
    }
    headers.top_via().map(|via| via.host())
}

/// Does a contact of the sender lead nowhere but over the flow that the request came over?
///
/// That is so for a connection that the user agent opened, since its port there is no listening one (RFC 5923 §2,
/// RFC 7118 §5), and behind a translator of addresses: it names the address that it believes to be its own, in Via and
/// in Contact, and the packets come from another. A contact elsewhere, as in a registration for a third party, is left as it is.
pub(super) fn needs_flow(request: &Request, flow: &Flow, contact: UriRef<'_>) -> bool {
    // A socket of both families has the IPv4 addresses of its peers as IPv6 ones.
    let is_remote = |ip: IpAddr| ip.to_canonical() == flow.remote.ip().to_canonical();
    let port = contact.port().unwrap_or_else(|| flow.kind.default_port());
    let Some(contact) = contact.host() else {
        return false;
    };
    // Nearly every telephone that nothing translates: its datagrams come from the address that it says.
    if !flow.kind.is_stream() && contact.ip().is_some_and(is_remote) {
        return false;
    }
    if !is_direct(request) {
        return false;
    }
    // RFC 7118 appendix B.1: what a browser calls itself.
    if let Host::Name(name) = &contact
        && is_invalid(name)
    {
        return true;
    }
    let Some(sender) = sender(request, flow) else {
        return false;
    };
    let names_itself = contact.is_same(&sender);
    if flow.kind.is_stream() {
        // It may have learned from earlier responses how it looks from here, and say so in Contact. At another port something
        // else may listen.
        return names_itself || port == flow.remote.port() && contact.ip().is_some_and(is_remote);
    }
    names_itself && sender.ip().is_some_and(|ip| !is_remote(ip))
}

/// RFC 2606 §2: no such name exists.
fn is_invalid(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.rsplit('.')
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case("invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::{Message, ParserConfig};
    use sip_transport::{FlowId, TransportKind};

    fn needs(kind: TransportKind, via: &str, contact: &str, more: &str) -> bool {
        needs_from("198.51.100.7:31000", kind, via, contact, more)
    }

    fn needs_from(remote: &str, kind: TransportKind, via: &str, contact: &str, more: &str) -> bool {
        let text = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\n{more}From: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
        );
        let Message::Request(request) =
            Message::parse(text.into(), &ParserConfig::default()).unwrap()
        else {
            panic!("a request")
        };
        let flow = Flow::new(
            FlowId::from_parts(0, 0),
            kind,
            "192.0.2.10:5060".parse().unwrap(),
            remote.parse().unwrap(),
        );
        needs_flow(&request, &flow, UriRef::parse(contact).unwrap())
    }

    #[test]
    fn a_datagram_from_another_address_than_the_sender_knows_came_through_a_translator() {
        let udp = TransportKind::Udp;
        assert!(needs(udp, "192.168.1.2", "sip:a@192.168.1.2:5060", ""));
        assert!(!needs(udp, "198.51.100.7", "sip:a@198.51.100.7:5062", ""));
        // For a third party: not where the request came from.
        assert!(!needs(udp, "192.168.1.2", "sip:a@192.168.1.3", ""));
        assert!(!needs(
            udp,
            "phone.example.com",
            "sip:a@phone.example.com",
            ""
        ));
    }

    #[test]
    fn rfc5923_2_a_connection_leads_back_to_who_opened_it() {
        let tcp = TransportKind::Tcp;
        assert!(needs(
            tcp,
            "198.51.100.7",
            "sip:a@198.51.100.7:5060;transport=tcp",
            ""
        ));
        // RFC 5626 §4.2: one that learned its address from a response says so.
        assert!(needs(
            tcp,
            "192.168.1.2",
            "sip:a@198.51.100.7:31000;transport=tcp",
            ""
        ));
        // And what listens elsewhere on the same host is reached there.
        assert!(!needs(tcp, "a.example", "sip:a@198.51.100.7:5070", ""));
        assert!(!needs(
            tcp,
            "198.51.100.7",
            "sip:a@203.0.113.1;transport=tcp",
            ""
        ));
    }

    #[test]
    fn rfc4291_2_5_5_2_an_address_that_is_mapped_is_the_same() {
        let mapped = "[::ffff:198.51.100.7]:5060";
        let (udp, tcp) = (TransportKind::Udp, TransportKind::Tcp);
        let contact = "sip:a@198.51.100.7";
        assert!(!needs_from(mapped, udp, "198.51.100.7", contact, ""));
        assert!(needs_from(
            mapped,
            udp,
            "192.168.1.2",
            "sip:a@192.168.1.2",
            ""
        ));
        assert!(needs_from(mapped, tcp, "192.168.1.2", contact, ""));
    }

    #[test]
    fn rfc7118_b_1_a_browser_has_no_name() {
        let ws = TransportKind::Ws;
        assert!(needs(
            ws,
            "x.invalid",
            "sip:a@df7jal23ls0d.invalid;transport=ws",
            ""
        ));
        assert!(needs(
            ws,
            "x.invalid",
            "sip:a@other.INVALID.;transport=ws",
            ""
        ));
    }

    #[test]
    fn a_proxy_between_knows_the_way() {
        let tcp = TransportKind::Tcp;
        let contact = "sip:a@198.51.100.7;transport=tcp";
        for more in [
            "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2\r\n",
            "Path: <sip:edge.example.com;lr>\r\n",
            "Record-Route: <sip:edge.example.com;lr>\r\n",
        ] {
            assert!(!needs(tcp, "198.51.100.7", contact, more), "{more}");
        }
    }
}
