//! [`Policy`]: who is not asked for a password, and for what nobody is.

use std::net::IpAddr;

use sip_message::header::From;
use sip_message::{Method, Request};

use crate::routing::Network;

/// Who is not asked for a password, and for what nobody is. Without anything in it everybody is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Peers whose word is taken, by the address that they come from: other servers of ours, gateways. Addresses of
    /// datagrams can be forged: only for networks that nobody else can send from.
    pub trusted: Vec<Network>,
    /// Peers whose word is taken by the names that their certificates prove (RFC 5922), without a final dot.
    pub trusted_names: Vec<Box<str>>,
    /// Methods for which senders of every domain are not asked.
    pub open: Vec<Method>,
    /// Methods for which senders of one domain, by the host of the From, are not asked: in the place of
    /// [`open`](Self::open).
    pub open_by_domain: Vec<(Box<str>, Vec<Method>)>,
}

impl Policy {
    /// Is nobody asked who sends this? A REGISTER is open to trusted addresses only.
    pub(super) fn is_open(&self, request: &Request, source: IpAddr) -> bool {
        if self.trusted.iter().any(|network| network.contains(source)) {
            return true;
        }
        if self.open.is_empty() && self.open_by_domain.is_empty() {
            return false;
        }
        let method = request.method();
        if *method == Method::Register {
            return false;
        }
        let domain = self.open_by_domain.iter().find(|(domain, _)| {
            let from = request.headers().typed::<From<'_>>().ok().flatten();
            let host = from.and_then(|from| from.uri().host().map(|host| host.to_string()));
            host.is_some_and(|host| host.eq_ignore_ascii_case(domain))
        });
        domain
            .map_or(&self.open, |(_, methods)| methods)
            .contains(method)
    }
}

#[cfg(test)]
mod tests {
    use sip_message::{Message, ParserConfig};

    use super::*;

    fn request(method: &str, domain: &str) -> Request {
        let text = format!(
            "{method} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@{domain}>;tag=1\r\n\
             To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\r\n"
        );
        match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn methods_are_open_by_domain_and_addresses_for_everything() {
        let policy = Policy {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            trusted_names: Vec::new(),
            open: vec![Method::Message],
            open_by_domain: vec![(
                "b.example".into(),
                vec![Method::Subscribe, Method::Register],
            )],
        };
        let (far, near) = ("192.0.2.1".parse().unwrap(), "10.1.2.3".parse().unwrap());
        let open = |method, domain| policy.is_open(&request(method, domain), far);
        assert!(open("MESSAGE", "a.example") && !open("SUBSCRIBE", "a.example"));
        assert!(open("SUBSCRIBE", "B.example") && !open("MESSAGE", "b.example"));
        assert!(!open("REGISTER", "b.example"), "never by its method");
        assert!(policy.is_open(&request("REGISTER", "a.example"), near));
        assert!(!Policy::default().is_open(&request("OPTIONS", "a.example"), near));
    }
}
