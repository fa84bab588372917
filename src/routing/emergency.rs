//! [`Emergency`]: where calls for help go (RFC 5031, RFC 6881 §9).

use sip_message::{Request, UriRef};

use super::{Hop, Route, user_part};
use crate::domain::Domains;

/// The answering points for emergency services, and the numbers that people dial for them.
///
/// A request for `urn:service:sos`, or for one of its kinds such as `urn:service:sos.fire`, goes to the targets of that
/// kind, or of the nearest broader one. Nobody is asked for a password first, and nothing of the request is changed but
/// its Request-URI: Geolocation and the body that it points to (RFC 6442) and Resource-Priority (RFC 4412) stay.
///
/// ```
/// use sip_stack::message::Uri;
/// use sip_stack::routing::{Emergency, Hop};
/// // The URN stays in the request (Hop::via); a number that is dialled becomes the URN.
/// let hop = |text: &str| Hop::via(Uri::parse(text).unwrap());
/// let emergency = Emergency::new([hop("sip:esrp.example.net")])
///     .service("sos.fire", [hop("sip:fire.example.net")])
///     .number("112", "sos");
/// # drop(emergency);
/// ```
#[derive(Clone, Debug)]
pub struct Emergency {
    services: Vec<(Box<str>, Vec<Hop>)>,
    numbers: Vec<(Box<str>, Box<str>)>,
}

impl Emergency {
    /// Calls for help of any kind go to the first of these that takes them.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = Hop>) -> Self {
        Self {
            services: vec![("sos".into(), targets.into_iter().collect())],
            numbers: Vec::new(),
        }
    }

    /// Calls for this kind of help, such as `sos.fire`, go elsewhere.
    #[must_use]
    pub fn service(mut self, name: &str, targets: impl IntoIterator<Item = Hop>) -> Self {
        self.services.push((
            name.to_ascii_lowercase().into(),
            targets.into_iter().collect(),
        ));
        self
    }

    /// Users of the domain who dial this number, such as `112`, call for this kind of help.
    #[must_use]
    pub fn number(mut self, dialled: &str, service: &str) -> Self {
        self.numbers
            .push((dialled.into(), service.to_ascii_lowercase().into()));
        self
    }

    /// The way of a request that calls for help, whose Request-URI becomes the URN of the service. `None` for one that
    /// does not.
    #[must_use]
    pub fn route(&self, request: &mut Request, domains: &Domains) -> Option<Route> {
        let uri = request.uri().ok()?;
        let service = match self.dialled(uri, domains) {
            Some(service) => service.to_owned(),
            None => uri
                .service()
                .filter(|_| uri.is_emergency_service())?
                .to_ascii_lowercase(),
        };
        let targets = std::iter::successors(Some(service.as_str()), |service| {
            service.rsplit_once('.').map(|(broader, _)| broader)
        })
        .find_map(|service| {
            let mut services = self.services.iter();
            services.find(|(name, _)| **name == *service)
        })
        .map(|(_, targets)| targets.clone())?;
        request.set_uri(format!("urn:service:{service}")).ok()?;
        Some(Route::to(targets).trusted())
    }

    fn dialled(&self, uri: UriRef<'_>, domains: &Domains) -> Option<&str> {
        if self.numbers.is_empty() {
            return None;
        }
        let is_here = if uri.is_sip() {
            domains.serves(uri)
        } else {
            uri.scheme_str().eq_ignore_ascii_case("tel")
        };
        let number = user_part(uri);
        // A local number of a tel URI, or a user part, may have parameters (RFC 3966 §3, RFC 4967).
        let number = number.split(';').next().unwrap_or_default();
        self.numbers
            .iter()
            .find(|(known, _)| is_here && **known == *number)
            .map(|(_, service)| &**service)
    }
}
