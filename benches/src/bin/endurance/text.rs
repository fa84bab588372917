//! The little of SIP that the telephones read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The values of the lines with this name, which is written as everybody here writes it.
pub(crate) fn values<'a>(message: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    message
        .split("\r\n")
        .take_while(|line| !line.is_empty())
        .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub(crate) fn value<'a>(message: &'a str, name: &'a str) -> &'a str {
    values(message, name).next().unwrap_or_default()
}

pub(crate) fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

pub(crate) fn method(message: &str) -> &str {
    if message.starts_with("SIP/2.0 ") {
        value(message, "CSeq").split(' ').nth(1).unwrap_or_default()
    } else {
        message.split(' ').next().unwrap_or_default()
    }
}

/// The address of a telephone.
pub(crate) fn address(agent: u32) -> SocketAddr {
    let [_, a, b, c] = agent.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a, b, c)), 5060)
}

/// Whose address it is.
pub(crate) fn agent(address: SocketAddr) -> Option<u32> {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [ten, a, b, c] = ip.octets();
            (ten == 10).then(|| u32::from_be_bytes([0, a, b, c]))
        }
        IpAddr::V6(_) => None,
    }
}

/// Via, Record-Route, From, To, Call-ID and CSeq of a request, as a response repeats them.
pub(crate) fn copied(request: &str, to_tag: &str) -> String {
    let mut out = String::with_capacity(512);
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in values(request, name) {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            if name == "To" && !value.contains(";tag=") && !to_tag.is_empty() {
                out.push_str(";tag=");
                out.push_str(to_tag);
            }
            out.push_str("\r\n");
        }
    }
    out
}

/// What is between angle brackets.
pub(crate) fn uri(value: &str) -> &str {
    value
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(value, |(uri, _)| uri)
}
