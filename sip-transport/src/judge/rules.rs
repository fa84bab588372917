//! The rules that are no table.

use std::net::IpAddr;

use super::Faults;
use super::read::{Address, Start, Text, is_token, split};
use crate::kind::TransportKind;

/// Methods that exist within a dialog only: both tags are there. An ACK has the To of the response, which is without a tag
/// if the peer is of RFC 2543.
const IN_DIALOG: [&str; 4] = ["BYE", "PRACK", "UPDATE", "INFO"];
/// Methods whose requests and 2xx responses name the remote target.
const TARGET: [&str; 5] = ["INVITE", "SUBSCRIBE", "NOTIFY", "REFER", "UPDATE"];
/// Fields whose value is a number of 32 bits (RFC 3261 §25.1 delta-seconds and the like).
const NUMBERS: [&str; 6] = [
    "Content-Length",
    "Expires",
    "Min-Expires",
    "RSeq",
    "Max-Breadth",
    "Flow-Timer",
];

pub(super) fn check(message: &Text<'_>, transport: TransportKind, faults: &mut Faults) {
    check_hop(message, transport, faults);
    tags(message, faults);
    call_id(message, faults);
    contacts(message, transport, faults);
    content_type(message, faults);
    reliability(message, faults);
    for name in NUMBERS {
        let number = |value: &str| value.parse::<u32>().is_ok() && !value.starts_with('+');
        if !message.lines(name).all(number) {
            faults.add(format!("{name}: no number of 32 bits"));
        }
    }
    for name in ["WWW-Authenticate", "Proxy-Authenticate"] {
        // RFC 8760 §2.6, RFC 3261 §22.4: a challenge names a realm and a nonce.
        let whole = |value: &str| {
            !value.starts_with("Digest ")
                || (value.contains("realm=\"") && value.contains("nonce=\""))
        };
        if !message.lines(name).all(whole) {
            faults.add(format!("{name}: no realm or no nonce"));
        }
    }
    for name in ["Require", "Proxy-Require", "Supported", "Unsupported"] {
        let tokens = message.values(name);
        if !tokens.iter().all(|tag| is_token(tag) || tag.is_empty()) {
            faults.add(format!("{name}: no option tag"));
        }
    }
    // RFC 3261 §20.17: in GMT.
    let gmt = message
        .first("Date")
        .is_none_or(|date| date.ends_with(" GMT"));
    faults.unless(gmt, "Date: not in GMT");
}

/// What who passes a message on is answerable for.
pub(super) fn check_hop(message: &Text<'_>, transport: TransportKind, faults: &mut Faults) {
    if let Start::Request { uri, .. } = message.start {
        request_uri(uri, faults);
    }
    vias(message, faults);
    cseq(message, faults);
    max_forwards(message, faults);
    routes(message, faults);
    content_length(message, transport, faults);
}

/// RFC 3261 §8.1.1.1, §19.1.1: no header fields and no method in a Request-URI, no brackets around it.
fn request_uri(uri: &str, faults: &mut Faults) {
    let scheme = uri.split(':').next().unwrap_or_default();
    let named = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    faults.unless(
        uri.contains(':') && named && !scheme.is_empty(),
        "Request-URI: no scheme",
    );
    faults.unless(
        !uri.contains(['<', '>', '"']),
        "Request-URI: brackets or quotes",
    );
    if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
        faults.unless(!uri.contains('?'), "Request-URI: header fields");
        let params = uri.to_ascii_lowercase();
        faults.unless(!params.contains(";method="), "Request-URI: a method");
    }
}

/// RFC 3261 §8.1.1.7, §20.42, §25.1.
fn vias(message: &Text<'_>, faults: &mut Faults) {
    let vias = message.values("Via");
    if vias.is_empty() {
        faults.add("Via: missing");
    }
    for (index, via) in vias.iter().enumerate() {
        let mut parts = split(via, ';').into_iter().map(str::trim);
        let mut words = parts.next().unwrap_or_default().split_whitespace();
        let protocol = words.next().and_then(|word| word.strip_prefix("SIP/2.0/"));
        let sent_by = words.next().unwrap_or_default();
        let port = match sent_by.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => {
                port.parse::<u16>().is_ok_and(|port| port > 0)
            }
            Some(_) | None => true,
        };
        let whole = protocol.is_some_and(is_token) && !sent_by.is_empty() && port;
        faults.unless(whole, "Via: no protocol, transport and sent-by");
        let mut branches = Vec::new();
        for param in parts {
            let (name, value) = param.split_once('=').unwrap_or((param, ""));
            faults.unless(is_token(name.trim()), "Via: a parameter without a name");
            if name.eq_ignore_ascii_case("branch") {
                branches.push(value);
            }
            let address = value.trim_matches(['[', ']']);
            if name.eq_ignore_ascii_case("received") && address.parse::<IpAddr>().is_err() {
                faults.add("Via: received is no address");
            }
        }
        faults.unless(branches.len() <= 1, "Via: more than one branch");
        if index == 0 && message.status().is_none() {
            // Ours, even if others below are of RFC 2543.
            let unique = branches
                .first()
                .is_some_and(|branch| branch.len() > 7 && branch.starts_with("z9hG4bK"));
            faults.unless(unique, "Via: no branch with the magic cookie");
        }
    }
}

/// RFC 3261 §8.1.1.5, §20.16.
fn cseq(message: &Text<'_>, faults: &mut Faults) {
    let Some(value) = message.first("CSeq") else {
        faults.add("CSeq: missing");
        return;
    };
    let mut words = value.split_whitespace();
    let number = words.next().and_then(|word| word.parse::<u32>().ok());
    let method = words.next().unwrap_or_default();
    let whole = number.is_some_and(|number| number < 1 << 31) && words.next().is_none();
    faults.unless(whole && is_token(method), "CSeq: no number and method");
    if let Start::Request { method: other, .. } = message.start {
        faults.unless(method == other, "CSeq: another method than the request's");
    }
}

/// RFC 3261 §8.1.1.2, §8.1.1.3, §8.2.6.2, §19.3.
fn tags(message: &Text<'_>, faults: &mut Faults) {
    for name in ["From", "To"] {
        let Some(value) = message.first(name) else {
            faults.add(format!("{name}: missing"));
            continue;
        };
        let Some(address) = Address::read(value) else {
            faults.add(format!("{name}: no address: {value}"));
            continue;
        };
        // RFC 3261 §20.10, §20.20: what has a comma, a question mark or a semicolon is in brackets.
        if !address.bracketed && address.uri.contains([',', '?']) {
            faults.add(format!("{name}: a URI that needs brackets"));
        }
        if address.count("tag") > 1 || address.param("tag").is_some_and(|tag| !is_token(tag)) {
            faults.add(format!("{name}: a tag that is none"));
        }
        let needs = match (name, message.status()) {
            // A response has the From of the request, which is without a tag if the peer is of RFC 2543.
            ("From", status) => status.is_none(),
            (_, None) => IN_DIALOG.contains(&message.method()),
            (_, Some(status)) => status != 100,
        };
        if needs && address.param("tag").is_none() {
            faults.add(format!("{name}: no tag"));
        }
    }
}

/// RFC 3261 §8.1.1.4, §25.1: one word.
fn call_id(message: &Text<'_>, faults: &mut Faults) {
    match message.first("Call-ID") {
        None => faults.add("Call-ID: missing"),
        Some(value) => faults.unless(
            !value.is_empty() && !value.contains([' ', '\t', ',', ';']),
            "Call-ID: no word",
        ),
    }
}

/// RFC 3261 §8.1.1.6, §20.22.
fn max_forwards(message: &Text<'_>, faults: &mut Faults) {
    if message.status().is_some() {
        return;
    }
    match message.first("Max-Forwards") {
        None => faults.add("Max-Forwards: missing"),
        Some(value) => faults.unless(
            value.parse::<u8>().is_ok(),
            "Max-Forwards: no number up to 255",
        ),
    }
}

/// RFC 3261 §8.1.1.8, §12.1.1, §10.2.2.
fn contacts(message: &Text<'_>, transport: TransportKind, faults: &mut Faults) {
    let values = message.values("Contact");
    let (method, status) = (message.method(), message.status());
    if values.contains(&"*") {
        let alone = method == "REGISTER"
            && status.is_none()
            && values.len() == 1
            && message.first("Expires") == Some("0");
        faults.unless(
            alone,
            "Contact: a star that is not alone with Expires: 0 in a REGISTER",
        );
        return;
    }
    let addresses: Vec<_> = values.iter().map(|value| Address::read(value)).collect();
    for address in &addresses {
        let Some(address) = address else {
            faults.add("Contact: no address");
            continue;
        };
        if !address.bracketed && address.uri.contains([',', '?']) {
            faults.add("Contact: a URI that needs brackets");
        }
    }
    let names_target = match status {
        None => TARGET.contains(&method),
        // A 101 to 199 makes an early dialog if the request could make one.
        Some(101..=299) => TARGET.contains(&method) && !values.is_empty(),
        Some(_) => false,
    };
    if !names_target {
        return;
    }
    faults.unless(values.len() == 1, "Contact: not exactly one");
    let is_sip = |uri: &str| uri.starts_with("sip:") || uri.starts_with("sips:");
    let good = |address: &Option<Address<'_>>| address.as_ref().is_none_or(|to| is_sip(to.uri));
    faults.unless(addresses.iter().all(good), "Contact: no SIP or SIPS URI");
    if let Start::Request { uri, .. } = message.start
        && uri.starts_with("sips:")
        // A network that is simulated without TLS has no address that a SIPS URI could have.
        && transport.is_secure()
    {
        let secure = |address: &Option<Address<'_>>| {
            address
                .as_ref()
                .is_none_or(|to| to.uri.starts_with("sips:"))
        };
        faults.unless(
            addresses.iter().all(secure),
            "Contact: not SIPS in a SIPS request",
        );
    }
}

/// RFC 3261 §20.30, §20.34: always in brackets.
fn routes(message: &Text<'_>, faults: &mut Faults) {
    for name in ["Route", "Record-Route", "Path", "Service-Route"] {
        for value in message.values(name) {
            if !Address::read(value).is_some_and(|address| address.bracketed) {
                faults.add(format!("{name}: not an address in brackets"));
            }
        }
    }
}

/// RFC 3261 §18.3, §20.14.
fn content_length(message: &Text<'_>, transport: TransportKind, faults: &mut Faults) {
    match message.first("Content-Length") {
        None => faults.unless(
            !transport.is_reliable(),
            "Content-Length: missing on a stream",
        ),
        Some(length) => faults.unless(
            length.parse() == Ok(message.body.len()),
            "Content-Length: not the length of the body",
        ),
    }
}

/// RFC 3261 §7.4.1, §20.15.
fn content_type(message: &Text<'_>, faults: &mut Faults) {
    let kind = message.first("Content-Type");
    faults.unless(
        message.body.is_empty() || kind.is_some(),
        "Content-Type: missing for a body",
    );
    if let Some(kind) = kind {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let whole = kind
            .split_once('/')
            .is_some_and(|(kind, sub)| is_token(kind.trim()) && is_token(sub.trim()));
        faults.unless(whole, "Content-Type: no type and subtype");
    }
}

/// RFC 3262 §3, §7.1, §7.2.
fn reliability(message: &Text<'_>, faults: &mut Faults) {
    let provisional = message.status().is_some_and(|status| status < 200);
    let requires = message.values("Require").contains(&"100rel");
    if provisional {
        faults.unless(
            requires == message.has("RSeq"),
            "RSeq: only with Require: 100rel, and always then",
        );
        faults.unless(message.first("RSeq") != Some("0"), "RSeq: zero");
    }
    if let Some(value) = message.first("RAck") {
        let words: Vec<_> = value.split_whitespace().collect();
        let whole = matches!(words.as_slice(), [response, request, method]
            if response.parse::<u32>().is_ok() && request.parse::<u32>().is_ok() && is_token(method));
        faults.unless(whole, "RAck: no two numbers and a method");
    }
}
