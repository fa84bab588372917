//! Routes (RFC 3261 §16.4, §16.6, steps 4 to 7, §16.12): what comes off, what goes on, and where a request goes next.

use std::net::SocketAddr;

use sip_message::header::NameAddr;
use sip_message::{HeaderName, Headers, Method, Request, StatusCode, Uri, UriRef};
use sip_transport::{Flow, Seed, ShortCode, TransportKind};

use crate::auth::is_for;
use crate::domain::{Aor, Domains};
use crate::gruu::{Gruus, Wanted};
use crate::role::node::Node;
use crate::role::{Ipv4Text, Refusal};

/// Where a request is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To this server itself.
    Server,
    /// To a user of the domain.
    User(Aor),
    /// To one instance of a user of the domain (RFC 5627 §6.1).
    Instance(Aor, Wanted),
    /// To whatever the Request-URI names.
    Elsewhere,
}

/// The mark in our Record-Route: a proof that we put it there, for this Call-ID. A request that brings it back belongs
/// to a dialog that was let through, and needs no credentials.
pub(in crate::role) struct Mark {
    codes: ShortCode,
}

/// The name of the URI parameter.
const MARK: &str = "m";
/// What is before its value.
const BEFORE_MARK: &str = ";lr;m=";
/// Its hexadecimal digits.
const DIGITS: usize = 2 * ShortCode::LEN;

impl Mark {
    pub(in crate::role) fn new(seed: &Seed) -> Self {
        Self {
            codes: ShortCode::new(seed),
        }
    }

    /// The mark of a dialog.
    fn of(&self, call_id: &str) -> Digits {
        let code = self.codes.of(call_id.as_bytes());
        let mut digits = [0; DIGITS];
        for (place, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(code) {
            *place = [byte >> 4, byte & 15].map(|nibble| match nibble {
                0..=9 => b'0' + nibble,
                _ => b'a' - 10 + nibble,
            });
        }
        Digits(digits)
    }

    pub(in crate::role) fn is_on(&self, uri: UriRef<'_>, call_id: &str) -> bool {
        uri.param(MARK)
            .is_some_and(|mark| self.of(call_id).is(mark))
    }
}

/// The mark of one dialog.
#[derive(Clone, Copy)]
struct Digits([u8; DIGITS]);

impl Digits {
    /// Takes as long for one that is nearly right, so that none is found digit by digit.
    fn is(&self, mark: &str) -> bool {
        let Ok(mark) = <&[u8; DIGITS]>::try_from(mark.as_bytes()) else {
            return false;
        };
        let differences = self
            .0
            .iter()
            .zip(mark)
            .fold(0, |all, (own, other)| all | (own ^ other));
        std::hint::black_box(differences) == 0
    }

    fn is_on(&self, uri: UriRef<'_>) -> bool {
        uri.param(MARK).is_some_and(|mark| self.is(mark))
    }

    /// The user part of a route that is ours, to the place that the request was sent to: known by its letters when it came back
    /// just as [`record`](Self::record) wrote it, as it nearly always does. Whatever else it may be, it is to be read as a URI.
    fn returned<'a>(&self, route: &'a str, here: &Ipv4Text) -> Option<Option<&'a str>> {
        let uri = route.strip_prefix('<')?.strip_suffix('>')?;
        let (front, mark) = uri.split_at_checked(uri.len().checked_sub(DIGITS)?)?;
        let front = front.strip_suffix(BEFORE_MARK)?;
        let rest = front
            .strip_prefix("sip:")
            .or_else(|| front.strip_prefix("sips:"))?;
        let (user, place) = match memchr::memchr(b'@', rest.as_bytes()) {
            Some(at) => (Some(rest.get(..at)?), rest.get(at + 1..)?),
            None => (None, rest),
        };
        let transport = match place.as_bytes().strip_prefix(here.as_bytes())? {
            [] => &[],
            param => param.strip_prefix(b";transport=")?,
        };
        // Tokens have nothing else, and no part of a URI is in them. All are looked at, which is faster than to stop.
        let is_token = |text: &[u8]| {
            let is_one = |all: bool, byte: &u8| all & byte.is_ascii_alphanumeric();
            text.iter().fold(true, is_one)
        };
        (is_token(transport) && user.is_none_or(|user| is_token(user.as_bytes())) && self.is(mark))
            .then_some(user)
    }

    /// Puts the Record-Route for a flow on top.
    fn record(&self, side: &Side<'_>, headers: &mut Headers) {
        let (flow, is_secure) = (side.flow, side.is_secure);
        // RFC 3261 §16.6, step 4: a SIPS URI for a request to one, and for no other, whatever the transport.
        let scheme = if is_secure { "sips" } else { "sip" };
        let transport = match flow.kind {
            TransportKind::Udp => "",
            // §26.2.2: over TLS is what a SIPS URI means.
            TransportKind::Tls if is_secure => "",
            kind => kind.uri_param(),
        };
        // They are ASCII.
        let mark = std::str::from_utf8(&self.0).unwrap_or_default();
        // RFC 5626 §5.3: the user part names the flow to that side.
        let (token, at) = side.token.map_or(("", ""), |token| (token, "@"));
        let (name, is) = match transport {
            "" => ("", ""),
            _ => (";transport=", transport),
        };
        let (v4, v6);
        let place = match flow.sent_by().addr() {
            SocketAddr::V4(addr) => {
                v4 = Ipv4Text::of_place(*addr.ip(), addr.port());
                v4.as_str()
            }
            SocketAddr::V6(_) => {
                v6 = flow.sent_by().to_string();
                &v6
            }
        };
        let parts = [
            "<",
            scheme,
            ":",
            token,
            at,
            place,
            name,
            is,
            BEFORE_MARK,
            mark,
            ">",
        ];
        headers.push_front_parts(HeaderName::RecordRoute, &parts);
    }
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mark(..)")
    }
}

/// One side of this proxy: a flow, and its token where the flow is the only way to there.
pub(in crate::role) struct Side<'a> {
    flow: &'a Flow,
    token: Option<&'a str>,
    /// Is the Request-URI a SIPS one there?
    is_secure: bool,
}

impl<'a> Side<'a> {
    pub(in crate::role) const fn new(
        flow: &'a Flow,
        token: Option<&'a str>,
        is_secure: bool,
    ) -> Self {
        Self {
            flow,
            token,
            is_secure,
        }
    }
}

/// What a marked route says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trusted {
    /// The token of the flow that the request goes on by.
    pub(super) token: Option<Box<str>>,
    /// Did another server of the domain take it from a binding (RFC 5626 §5.3)?
    pub(super) is_edge: bool,
}

/// What matters of a Request-URI before anything is changed, found out in one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bearing {
    /// Is there no Route, and no parameter in the URI? So it is of most requests that begin something: nothing in them could
    /// have led here.
    is_plain: bool,
    /// Is it a URI of the domain, on whatever port (RFC 3261 §16.5)?
    pub(super) is_served: bool,
    has_mark: bool,
    has_maddr: bool,
}

impl Bearing {
    pub(super) fn of(request: &Request, domains: &Domains) -> Self {
        let Ok(uri) = request.uri() else {
            return Self {
                is_plain: false,
                is_served: false,
                has_mark: false,
                has_maddr: false,
            };
        };
        let has_params = uri.params().next().is_some();
        Self {
            is_plain: !has_params && !request.headers().contains(HeaderName::Route),
            is_served: domains.serves(uri),
            has_mark: has_params && uri.param(MARK).is_some(),
            has_maddr: has_params && uri.param("maddr").is_some(),
        }
    }

    /// May [`preprocess`] change the request, and leave something in it that is for this server itself? What is
    /// [ours](Domains::is_ours) is served too.
    pub(super) const fn may_end_here(self) -> bool {
        !self.is_plain && (self.is_served || self.has_mark || self.has_maddr)
    }
}

/// What tells whether a route leads here.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) domains: &'a Domains,
    pub(super) mark: &'a Mark,
    pub(super) node: Option<&'a Node>,
    /// The address that the request was sent to.
    pub(super) local: SocketAddr,
}

impl Here<'_> {
    /// Does a route with our mark lead here? It may name the address of another server of the domain, which has the same mark: when
    /// that died, and its address was moved here, its calls go on here.
    fn is_at(&self, uri: UriRef<'_>) -> bool {
        let is_here = || {
            let usual = if uri.is_secure() { 5061 } else { 5060 };
            let there = uri.host().and_then(|host| host.ip());
            there.is_some_and(|ip| {
                ip.to_canonical() == self.local.ip().to_canonical()
                    && uri.port().unwrap_or(usual) == self.local.port()
            })
        };
        self.domains.is_ours(uri) || is_here()
    }
}

/// Takes off the routes that led here. Was one of them marked? The bearing is that of the request, before and after.
pub(super) fn preprocess(
    request: &mut Request,
    bearing: &mut Bearing,
    here: Here<'_>,
) -> Result<Option<Trusted>, Refusal> {
    let Here {
        domains,
        mark,
        node,
        ..
    } = here;
    let bad = |_| Refusal::because(StatusCode::BAD_REQUEST, "Malformed Route");
    if bearing.is_plain {
        return Ok(None);
    }
    let own = mark.of(request.headers().call_id().unwrap_or_default());
    let mut trusted: Option<Trusted> = None;
    // A strict router put our Record-Route into the Request-URI, and the Request-URI at the end of Route.
    let is_recorded = bearing.has_mark
        && request
            .uri()
            .is_ok_and(|uri| own.is_on(uri) && here.is_at(uri));
    if is_recorded {
        trusted = Some(Trusted {
            token: None,
            is_edge: false,
        });
        let mut routes: Vec<String> = request
            .headers()
            .values(HeaderName::Route)
            .map(str::to_owned)
            .collect();
        if let Some(last) = routes.pop() {
            let target = NameAddr::parse(&last).map_err(bad)?.uri().to_uri();
            request
                .set_uri(target.as_str())
                .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST))?;
            set_routes(request, &routes);
            *bearing = Bearing::of(request, domains);
        }
    }
    // maddr with one of our addresses means us, and has done its work.
    if bearing.has_maddr
        && let Some(uri) = without_maddr(request, domains)
    {
        request
            .set_uri(uri.as_str())
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST))?;
        *bearing = Bearing::of(request, domains);
    }
    // What comes back unchanged is known by its letters, unless there are other servers, whose routes may be ours too.
    let written = match here.local {
        SocketAddr::V4(local) if node.is_none() => {
            Some(Ipv4Text::of_place(*local.ip(), local.port()))
        }
        _ => None,
    };
    // The first route, if it is ours; and the second, if we recorded two (RFC 5658 §5).
    for _ in 0..2 {
        // Nothing but one value in the field, which needs no reading.
        if let Some(written) = &written
            && let Some(first) = request.headers().get(HeaderName::Route)
            && let Some(user) = own.returned(first, written)
        {
            trusted = Some(Trusted {
                token: user.map(Box::from),
                is_edge: false,
            });
            request.headers_mut().remove_first(HeaderName::Route);
            continue;
        }
        let Some(first) = request.headers().values(HeaderName::Route).next() else {
            break;
        };
        let uri = NameAddr::parse(first).map_err(bad)?.uri();
        let is_ours = domains.is_ours(uri);
        let flow = node.filter(|_| is_ours).and_then(|node| node.flow_of(uri));
        if flow.is_some() {
            request.headers_mut().remove_first(HeaderName::Route);
            return Ok(Some(Trusted {
                token: flow,
                is_edge: true,
            }));
        }
        let is_marked = own.is_on(uri) && here.is_at(uri);
        if !is_marked && (!is_ours || trusted.is_some()) {
            break;
        }
        if is_marked {
            // The last one is that of the side where it goes on.
            trusted = Some(Trusted {
                token: uri.user().map(Box::from),
                is_edge: false,
            });
        }
        request.headers_mut().remove_first(HeaderName::Route);
        if !is_marked {
            break;
        }
    }
    Ok(trusted)
}

/// The Request-URI without a maddr that means us.
fn without_maddr(request: &Request, domains: &Domains) -> Option<Uri> {
    let uri = request.uri().ok()?;
    let host = sip_message::Host::parse(uri.param("maddr")?)?;
    let there = Uri::sip(None, host, uri.port());
    domains.is_ours(there.as_ref()).then(|| {
        uri.to_uri()
            .without_param("maddr")
            .without_param("transport")
    })
}

/// RFC 3261 §16.5: who is responsible for the Request-URI. Within a dialog it is a contact, whose missing port is 5060.
pub(super) fn destination(
    request: &Request,
    bearing: Bearing,
    is_trusted: bool,
    domains: &Domains,
    gruus: Option<&Gruus>,
) -> Destination {
    // §16.5: with maddr the Request-URI is the only target. One that led here came off before (§16.4).
    if !bearing.is_served || bearing.has_maddr {
        return Destination::Elsewhere;
    }
    let Ok(uri) = request.uri() else {
        return Destination::Elsewhere;
    };
    let is_in_dialog = is_trusted || request.headers().to_tag().is_some();
    if is_in_dialog && !domains.is_ours(uri) {
        return Destination::Elsewhere;
    }
    if let Some((aor, wanted)) = gruus.and_then(|gruus| gruus.read(uri, domains)) {
        return Destination::Instance(aor, wanted);
    }
    domains
        .aor(uri)
        .map_or(Destination::Server, Destination::User)
}

/// Removes the credentials for a realm; others stay.
pub(super) fn remove_credentials(request: &mut Request, realm: &str) {
    let name = HeaderName::ProxyAuthorization;
    let others: Vec<String> = request
        .headers()
        .values(name.clone())
        .filter(|value| !is_for(value, realm))
        .map(str::to_owned)
        .collect();
    request.headers_mut().remove_all(name.clone());
    for value in others {
        request.headers_mut().push_back(name.clone(), value);
    }
}

/// RFC 3261 §16.6, step 6: for a strict router the Request-URI goes to the end of Route and the first route into the
/// Request-URI. Then step 7: the URI of the next hop, which is reached by TLS when the Request-URI is a SIPS URI.
pub(in crate::role) fn next_hop(request: &mut Request) -> Option<Uri> {
    let is_secure = is_secure(request);
    let next_hop = first_hop(request)?;
    if is_secure && !next_hop.as_ref().is_secure() {
        return next_hop.as_ref().to_sips();
    }
    Some(next_hop)
}

/// Is the Request-URI a SIPS one? Of a request whose Request-URI is known to be a URI.
pub(in crate::role) fn is_secure(request: &Request) -> bool {
    has_scheme(request, "sips:")
}

/// The same of one that SIP reaches.
pub(super) fn is_sip(request: &Request) -> bool {
    has_scheme(request, "sip:") || has_scheme(request, "sips:")
}

fn has_scheme(request: &Request, scheme: &str) -> bool {
    request
        .uri_str()
        .get(..scheme.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(scheme))
}

fn first_hop(request: &mut Request) -> Option<Uri> {
    let first = request
        .headers()
        .values(HeaderName::Route)
        .next()
        .map(|value| NameAddr::parse(value).map(|route| route.uri().to_uri()));
    match first {
        None => request.uri().ok().map(|uri| uri.to_uri()),
        Some(Err(_)) => None,
        Some(Ok(first)) if first.as_ref().is_loose_router() => Some(first),
        Some(Ok(first)) => {
            let mut routes: Vec<String> = request
                .headers()
                .values(HeaderName::Route)
                .skip(1)
                .map(str::to_owned)
                .collect();
            routes.push(format!("<{}>", request.uri_str()));
            request.set_uri(first.as_str()).ok()?;
            set_routes(request, &routes);
            Some(first)
        }
    }
}

fn set_routes(request: &mut Request, routes: &[String]) {
    if routes.is_empty() {
        request.headers_mut().remove_all(HeaderName::Route);
    } else {
        request
            .headers_mut()
            .replace(HeaderName::Route, routes.join(", "));
    }
}

/// Is a route made of the Record-Route of a request? RFC 6665 §4.3: also of a NOTIFY, which makes the dialog of its
/// subscriber, when we are on the route of the SUBSCRIBE, and then only.
pub(in crate::role) fn makes_route(request: &Request, is_recorded: bool) -> bool {
    let is_first = request.headers().to_tag().is_none();
    // RFC 3261 §16.6, step 4: a method that is not known may have the semantics of a dialog.
    let may = request.method().creates_dialog() || matches!(request.method(), Method::Other(_));
    (may && is_first) || (*request.method() == Method::Notify && is_recorded)
}

/// RFC 3261 §16.6, step 4: a request that makes a dialog has us on its route; twice when it changes its transport, its
/// scheme or our address, and so its family, on the way (RFC 5658 §3), so that each side finds one that it can reach.
pub(in crate::role) fn record(
    request: &mut Request,
    incoming: &Side<'_>,
    outgoing: &Side<'_>,
    mark: &Mark,
) {
    let own = mark.of(request.headers().call_id().unwrap_or_default());
    let place = |side: &Side<'_>| (side.flow.kind, side.flow.local, side.is_secure);
    let is_same_place = place(incoming) == place(outgoing);
    // One that names a flow is good for that side alone.
    if !is_same_place || incoming.token.is_some() || outgoing.token.is_some() {
        own.record(incoming, request.headers_mut());
    }
    own.record(outgoing, request.headers_mut());
}

#[cfg(test)]
mod tests {
    use sip_transport::FlowId;

    use super::*;

    /// What comes back as it was written is known by its letters, and means what it means when it is read as a URI.
    #[test]
    fn rfc3261_16_12_a_route_that_comes_back_unchanged_is_ours() {
        let mark = Mark::new(&Seed::from_bytes([9; 32]));
        let own = mark.of("call");
        let local = "192.0.2.10:5062".parse().unwrap();
        let place = |port| Ipv4Text::of_place("192.0.2.10".parse().unwrap(), port);
        let (here, elsewhere) = (place(5062), place(5060));
        let route = |kind, token, is_secure| {
            let remote = "192.0.2.1:5060".parse().unwrap();
            let flow = Flow::new(FlowId::from_parts(1, 0), kind, local, remote);
            let mut headers = Headers::new();
            own.record(&Side::new(&flow, token, is_secure), &mut headers);
            headers.get(HeaderName::RecordRoute).unwrap().to_owned()
        };
        for kind in [TransportKind::Udp, TransportKind::Tcp, TransportKind::Tls] {
            for token in [None, Some("0a1f")] {
                for is_secure in [false, true] {
                    let route = route(kind, token, is_secure);
                    assert_eq!(own.returned(&route, &here), Some(token), "{route}");
                    let uri = NameAddr::parse(&route).unwrap().uri();
                    assert!(own.is_on(uri) && uri.user() == token, "{route}");
                    assert_eq!(mark.of("other").returned(&route, &here), None);
                    assert_eq!(own.returned(&route, &elsewhere), None);
                }
            }
        }
        let route = route(TransportKind::Tcp, Some("0a1f"), false);
        for other in [
            format!("{route}, {route}"),
            format!("{route};x=y"),
            format!(" {route}"),
            route.replace("0a1f", "0a:1f"),
            route.replace("0a1f", "<sip:0a1f"),
            route.replace(":5062", ":50620"),
            route.replace(":5062", ""),
            route.replace(";lr", ";lr;maddr=192.0.2.7"),
            route.replace(";transport=tcp", ";maddr=192.0.2.7"),
            route.replace("sip:", "tel:"),
            String::new(),
        ] {
            assert_eq!(own.returned(&other, &here), None, "{other}");
        }
    }
}
