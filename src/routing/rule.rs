//! [`Table`]: rules, of which the first that fits decides.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sip_message::{HeaderName, Host, Method, Request};
use sip_transport::Flow;

use super::{Route, Router, user_part};

/// Rules in their order; the first that fits a request decides.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rules: Vec<Rule>,
}

impl Table {
    /// A table that decides nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { rules: Vec::new() }
    }

    /// Adds a rule after the others.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl FromIterator<Rule> for Table {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self {
            rules: rules.into_iter().collect(),
        }
    }
}

impl Router for Table {
    fn route(&self, request: &Request, flow: &Flow) -> Option<Route> {
        self.rules
            .iter()
            .find(|rule| rule.fits(request, flow))
            .map(|rule| rule.route.clone())
    }

    fn has_stateless(&self) -> bool {
        self.rules.iter().any(|rule| rule.route.is_stateless())
    }
}

/// A route, and which requests take it: those that fit every condition; without a condition, all.
#[derive(Clone, Debug)]
pub struct Rule {
    route: Route,
    domains: Vec<Box<str>>,
    prefixes: Vec<Box<str>>,
    methods: Vec<Method>,
    sources: Vec<Network>,
    headers: Vec<(HeaderName, Box<str>)>,
}

impl Rule {
    /// A rule for every request.
    #[must_use]
    pub const fn new(route: Route) -> Self {
        Self {
            route,
            domains: Vec::new(),
            prefixes: Vec::new(),
            methods: Vec::new(),
            sources: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The host of the Request-URI is this one, or another that was named so.
    #[must_use]
    pub fn domain(mut self, name: &str) -> Self {
        self.domains.push(name.trim_end_matches('.').into());
        self
    }

    /// The user of the Request-URI, or its telephone number, begins like this, or like another that was named so.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// The method is this one, or another that was named so. What is for INVITE is for its CANCEL and ACK too.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// It came from an address of this network, or of another that was named so.
    #[must_use]
    pub fn source(mut self, network: Network) -> Self {
        self.sources.push(network);
        self
    }

    /// A field of this name contains the text; all that were named so must.
    #[must_use]
    pub fn header(mut self, name: HeaderName, text: &str) -> Self {
        self.headers.push((name, text.into()));
        self
    }

    /// What the rule decides.
    #[must_use]
    pub const fn route(&self) -> &Route {
        &self.route
    }

    fn fits(&self, request: &Request, flow: &Flow) -> bool {
        let follows = matches!(request.method(), Method::Cancel | Method::Ack);
        any(&self.methods, |method| {
            request.method() == method || (follows && *method == Method::Invite)
        }) && any(&self.sources, |network| network.contains(flow.remote.ip()))
            && self.headers.iter().all(|(name, text)| {
                request
                    .headers()
                    .values(name.clone())
                    .any(|value| value.contains(&**text))
            })
            && self.fits_uri(request)
    }

    fn fits_uri(&self, request: &Request) -> bool {
        if self.domains.is_empty() && self.prefixes.is_empty() {
            return true;
        }
        let Ok(uri) = request.uri() else { return false };
        let host = uri.host();
        let user = uri
            .user_unescaped()
            .filter(|_| uri.is_sip())
            .unwrap_or_else(|| user_part(uri).into());
        any(&self.domains, |name| match &host {
            Some(Host::Name(host)) => host.trim_end_matches('.').eq_ignore_ascii_case(name),
            Some(host) => {
                let bare = name.trim_start_matches('[').trim_end_matches(']');
                host.ip().is_some_and(|ip| bare.parse() == Ok(ip))
            }
            None => false,
        }) && any(&self.prefixes, |prefix| user.starts_with(&**prefix))
    }
}

/// Does one of them fit, or is there no condition at all?
fn any<T>(conditions: &[T], fits: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(fits)
}

/// Addresses that begin with the same bits: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: use ADDRESS or ADDRESS/BITS, such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NetworkError(Box<str>);

impl Network {
    /// Is the address one of them? An IPv4 address in an IPv6 one is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differ = u32::from(first) ^ u32::from(address);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differ = u128::from(first) ^ u128::from(address);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.into());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| error())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(error)?,
        };
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::{Message, ParserConfig, Uri};
    use sip_transport::{FlowId, TransportKind};

    fn request(method: &str, uri: &str) -> Request {
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 {method}\r\nUser-Agent: Example 1.0\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn flow(remote: &str) -> Flow {
        let local = "192.0.2.10:5060".parse().unwrap();
        Flow::new(
            FlowId::from_parts(0, 0),
            TransportKind::Udp,
            local,
            remote.parse().unwrap(),
        )
    }

    fn rule() -> Rule {
        Rule::new(Route::rewrite(Uri::parse("sip:x@example.com").unwrap()))
    }

    #[test]
    fn every_condition_must_fit_and_one_of_each_kind_does() {
        let fits = |rule: &Rule, method: &str, uri: &str| {
            rule.fits(&request(method, uri), &flow("198.51.100.7:5060"))
        };
        assert!(fits(&rule(), "INVITE", "sip:h"));
        let numbers = rule().prefix("+44").prefix("0044").method(Method::Invite);
        assert!(fits(&numbers, "INVITE", "sip:+441@h"));
        assert!(fits(&numbers, "INVITE", "sip:%2B441@h"));
        assert!(fits(&numbers, "INVITE", "sip:00441@h"));
        assert!(fits(&numbers, "INVITE", "tel:+44-1"));
        assert!(!fits(&numbers, "INVITE", "sip:+491@h"));
        assert!(!fits(&numbers, "MESSAGE", "sip:+441@h"));
        let domain = rule().domain("Example.com").domain("2001:db8::1");
        assert!(fits(&domain, "INVITE", "sip:a@EXAMPLE.COM.:5080"));
        assert!(fits(&domain, "INVITE", "sip:a@[2001:db8:0::1]"));
        assert!(!fits(&domain, "INVITE", "sip:a@example.org"));
        assert!(!fits(&domain, "INVITE", "tel:+44"));
        let near = rule().source("198.51.100.0/24".parse().unwrap());
        assert!(fits(&near, "INVITE", "sip:h"));
        assert!(!near.fits(&request("INVITE", "sip:h"), &flow("203.0.113.7:5060")));
        let agent = rule().header(HeaderName::UserAgent, "Example");
        assert!(fits(&agent, "INVITE", "sip:h"));
        let both = agent.header(HeaderName::Subject, "x");
        assert!(!fits(&both, "INVITE", "sip:h"));
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let other = Route::reject(403, "").unwrap();
        let table: Table = [rule().prefix("1"), Rule::new(other.clone())]
            .into_iter()
            .collect();
        let route = |uri: &str| table.route(&request("INVITE", uri), &flow("192.0.2.1:5060"));
        assert_eq!(route("sip:12@h").as_ref(), Some(rule().route()));
        assert_eq!(route("sip:22@h"), Some(other));
        assert_eq!(
            Table::new().route(&request("INVITE", "sip:1@h"), &flow("192.0.2.1:5060")),
            None
        );
    }

    #[test]
    fn networks() {
        let contains = |network: &str, address: &str| {
            network
                .parse::<Network>()
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("::/0", "192.0.2.1"));
        for wrong in ["", "192.0.2.0/33", "192.0.2/24", "::/129", "1.2.3.4/x"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
