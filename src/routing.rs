//! [`Router`]: where a request goes that begins something; [`Table`]: one that reads rules.
//!
//! The proxy asks its router about each request that is not part of a dialog and brings no Route of its own, before it
//! asks anybody for a password. What the router does not decide goes the way of RFC 3261 §16.5: users of the domain by
//! their bindings, other URIs to where they lead.
//!
//! ```
//! use sip_stack::message::{Method, Uri};
//! use sip_stack::routing::{Hop, Route, Rule, Table};
//!
//! // Numbers abroad go to a gateway, with a second one for when it is down; nobody calls the test extension.
//! let hop = |text: &str| Hop::new(Uri::parse(text).unwrap());
//! let table = Table::new()
//!     .rule(Rule::new(Route::to([hop("sip:gw1.example.com"), hop("sip:gw2.example.com").priority(2)])).prefix("+"))
//!     .rule(Rule::new(Route::reject(403, "Not For You").unwrap()).prefix("999").method(Method::Invite));
//! assert_eq!(table.rules().len(), 2);
//! ```

mod emergency;
mod health;
mod history;
mod number;
mod preference;
mod rule;
mod shared;

use std::fmt;
use std::sync::Arc;

use sip_message::{Request, StatusCode, Uri, UriRef};
use sip_transport::{Flow, Rng};

pub use self::emergency::Emergency;
pub use self::health::{Health, Probed};
pub use self::history::{Entry, History, Retarget, hide};
pub use self::number::{NumberLookup, NumberStep};
pub use self::preference::{Disposition, Preferences, Wish};
pub use self::rule::{Network, NetworkError, Rule, Table};
pub use self::shared::Shared;

/// Decides where requests go.
///
/// It is asked on the path of every new request, so it answers at once, from what it knows: a router that has to ask
/// others keeps a table that they change.
pub trait Router: fmt::Debug + Send + Sync {
    /// The way of a request that came over this flow; `None` for the usual one. It may be asked more than once about a request.
    fn route(&self, request: &Request, flow: &Flow) -> Option<Route>;

    /// May it ever answer with a [stateless](Route::stateless) route? If not, nobody asks about that beforehand.
    fn has_stateless(&self) -> bool {
        true
    }
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    action: Action,
    trusted: bool,
    stateless: bool,
}

/// The kinds of [`Route`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// It goes the usual way, with this Request-URI.
    Rewrite(Uri),
    /// It goes to one of these; see [`Route::to`]. Shared with the table that says so.
    Forward(Arc<[Hop]>),
    /// Its sender is told where to go instead (RFC 3261 §8.3).
    Redirect(Vec<Uri>),
    /// It is refused.
    Reject {
        /// The status, 300 or above.
        status: StatusCode,
        /// The reason phrase.
        reason: Box<str>,
    },
}

impl Route {
    const fn new(action: Action) -> Self {
        Self {
            action,
            trusted: false,
            stateless: false,
        }
    }

    /// It goes the usual way, as if this had been its Request-URI.
    #[must_use]
    pub const fn rewrite(uri: Uri) -> Self {
        Self::new(Action::Rewrite(uri))
    }

    /// It goes to the first hop that takes it: in the order of [priority](Hop::priority), and at random by
    /// [weight](Hop::weight) among those of one priority. The next is tried when one cannot be reached, is silent, or
    /// answers 408, 500, 502, 503 or 504; any other answer is the answer.
    #[must_use]
    pub fn to(hops: impl IntoIterator<Item = Hop>) -> Self {
        Self::new(Action::Forward(hops.into_iter().collect()))
    }

    /// 302 with these contacts, the first the best.
    #[must_use]
    pub fn redirect(contacts: impl IntoIterator<Item = Uri>) -> Self {
        Self::new(Action::Redirect(contacts.into_iter().collect()))
    }

    /// A final answer. `None` when the status is none from 300 to 699.
    #[must_use]
    pub fn reject(status: u16, reason: &str) -> Option<Self> {
        let status = StatusCode::from_u16(status).filter(|status| status.class() >= 3)?;
        let reason = if reason.is_empty() {
            status.reason_phrase()
        } else {
            reason
        };
        Some(Self::new(Action::Reject {
            status,
            reason: reason.into(),
        }))
    }

    /// No password is asked for, and strangers may use it. Without this, whoever says to be a user of the domain proves
    /// it, and others reach nobody but users of the domain: a gateway that costs money stays closed to them.
    #[must_use]
    pub const fn trusted(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// It is forwarded without a transaction (RFC 3261 §16.11), by [`Stateless`](crate::role::stateless::Stateless),
    /// which is asked about every request, also about one of a dialog: nothing is retransmitted, forked or tried again,
    /// no password can be asked for, and of several hops one is chosen by the request's hash.
    #[must_use]
    pub const fn stateless(mut self) -> Self {
        self.stateless = true;
        self
    }

    /// Is it forwarded without a transaction?
    #[must_use]
    pub const fn is_stateless(&self) -> bool {
        self.stateless
    }

    /// What is done.
    #[must_use]
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// May anybody use it?
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    pub(crate) fn into_action(self) -> Action {
        self.action
    }
}

/// One place that a request may be sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    uri: Uri,
    keeps_uri: bool,
    priority: u16,
    weight: u16,
}

impl Hop {
    /// The request gets this URI; if that names no user, the user of the request stays: `sip:gw.example.com` makes
    /// `sip:+441234@gw.example.com` of a call to `+441234`.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self {
            uri,
            keeps_uri: false,
            priority: 1,
            weight: 1,
        }
    }

    /// The request keeps its URI and is sent by way of this proxy (a Route with `lr`).
    #[must_use]
    pub const fn via(uri: Uri) -> Self {
        Self {
            uri,
            keeps_uri: true,
            priority: 1,
            weight: 1,
        }
    }

    /// Lower ones are tried first; without this, 1.
    #[must_use]
    pub const fn priority(mut self, priority: u16) -> Self {
        self.priority = priority;
        self
    }

    /// The share of the requests among hops of one priority; without this, 1. With 0 it is used when the others fail.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.weight = weight;
        self
    }

    /// The proxy that a request goes by which keeps its URI.
    pub(crate) fn by_way(&self) -> Option<UriRef<'_>> {
        self.keeps_uri.then(|| self.uri.as_ref())
    }

    /// The Route to that proxy, in parts.
    pub(crate) fn route(proxy: UriRef<'_>) -> [&str; 4] {
        let lr = if proxy.is_loose_router() { "" } else { ";lr" };
        ["<", proxy.as_str(), lr, ">"]
    }

    /// The URI of a request to this hop, and the Route to it if it keeps its own.
    pub(crate) fn target(&self, request_uri: UriRef<'_>) -> (Uri, Option<String>) {
        if let Some(proxy) = self.by_way() {
            return (request_uri.to_uri(), Some(Self::route(proxy).concat()));
        }
        if self.uri.as_ref().user().is_some() || !self.uri.as_ref().is_sip() {
            return (self.uri.clone(), None);
        }
        let user = user_part(request_uri);
        if user.is_empty() {
            return (self.uri.clone(), None);
        }
        // RFC 3261 §19.1.6: a number stays recognisable as one.
        let is_number = request_uri.is_global_number()
            || is_telephone(request_uri)
            || request_uri.param("user") == Some("phone");
        let text = self.uri.as_str();
        let with_user = text
            .split_once(':')
            .and_then(|(scheme, rest)| Uri::parse(&format!("{scheme}:{user}@{rest}")).ok());
        match with_user {
            Some(uri) if is_number && uri.as_ref().param("user").is_none() => {
                (uri.with_param("user", Some("phone")), None)
            }
            Some(uri) => (uri, None),
            None => (self.uri.clone(), None),
        }
    }
}

/// The user of a SIP URI as written, or the number of a telephone one, without separators.
pub(crate) fn user_part(uri: UriRef<'_>) -> String {
    if uri.is_sip() {
        return uri.user().unwrap_or_default().to_owned();
    }
    if !is_telephone(uri) {
        return String::new();
    }
    // RFC 3966 §3: visual separators carry no meaning.
    let number = uri.opaque();
    let number = number.split(';').next().unwrap_or_default();
    number
        .chars()
        .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
        .collect()
}

fn is_telephone(uri: UriRef<'_>) -> bool {
    uri.scheme_str().eq_ignore_ascii_case("tel")
}

/// The order in which hops are tried: by priority, then at random by weight (as RFC 2782 has it).
pub(crate) fn order(hops: &[Hop], rng: &mut Rng) -> Vec<Hop> {
    let mut left = hops.to_vec();
    left.sort_by_key(|hop| hop.priority);
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let priority = first.priority;
        let peers = left
            .iter()
            .take_while(|hop| hop.priority == priority)
            .count();
        let total: u64 = left
            .iter()
            .take(peers)
            .map(|hop| u64::from(hop.weight))
            .sum();
        let mut draw = if total == 0 { 0 } else { rng.below(total) };
        let mut chosen = 0;
        for (place, hop) in left.iter().take(peers).enumerate() {
            let weight = u64::from(hop.weight);
            if draw < weight {
                chosen = place;
                break;
            }
            draw -= weight;
        }
        ordered.push(left.remove(chosen));
    }
    ordered
}

/// One hop among those of the first priority, by weight: the same for the same hash.
pub(crate) fn choose(hops: &[Hop], hash: u64) -> Option<&Hop> {
    let priority = hops.iter().map(|hop| hop.priority).min()?;
    let peers = || hops.iter().filter(|hop| hop.priority == priority);
    let total: u64 = peers().map(|hop| u64::from(hop.weight)).sum();
    if total == 0 {
        return peers().next();
    }
    let mut draw = hash % total;
    peers().find(|hop| {
        let weight = u64::from(hop.weight);
        let is_it = draw < weight;
        draw = draw.saturating_sub(weight);
        is_it
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_transport::Seed;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    #[test]
    fn a_hop_keeps_the_number_and_changes_the_host() {
        let to = |hop: &Hop, text: &str| {
            let (uri, route) = hop.target(uri(text).as_ref());
            (uri.as_str().to_owned(), route)
        };
        let gateway = Hop::new(uri("sip:gw.example.com:5070;transport=tcp"));
        assert_eq!(
            to(&gateway, "sip:+441234@example.org;user=phone"),
            (
                "sip:+441234@gw.example.com:5070;transport=tcp;user=phone".into(),
                None
            )
        );
        assert_eq!(
            to(&gateway, "tel:+44-12.34;ext=5").0,
            "sip:+441234@gw.example.com:5070;transport=tcp;user=phone"
        );
        assert_eq!(
            to(&gateway, "sip:alice@example.org").0,
            "sip:alice@gw.example.com:5070;transport=tcp"
        );
        assert_eq!(
            to(&gateway, "sip:example.org").0,
            "sip:gw.example.com:5070;transport=tcp"
        );
        let one = Hop::new(uri("sip:desk@gw.example.com"));
        assert_eq!(to(&one, "sip:112@example.org").0, "sip:desk@gw.example.com");
        let proxy = Hop::via(uri("sip:proxy.example.com"));
        assert_eq!(
            to(&proxy, "sip:112@example.org"),
            (
                "sip:112@example.org".into(),
                Some("<sip:proxy.example.com;lr>".into())
            )
        );
        let loose = Hop::via(uri("sip:proxy.example.com;lr"));
        assert_eq!(
            to(&loose, "sip:112@example.org").1.as_deref(),
            Some("<sip:proxy.example.com;lr>")
        );
    }

    #[test]
    fn rfc2782_order_is_by_priority_and_then_by_weight() {
        let hop = |name: &str, priority, weight| {
            Hop::new(uri(&format!("sip:{name}")))
                .priority(priority)
                .weight(weight)
        };
        let hops = vec![
            hop("z", 2, 1),
            hop("a", 1, 3),
            hop("b", 1, 1),
            hop("c", 1, 0),
        ];
        let mut rng = Seed::from_bytes([3; 32]).rng();
        let mut first = [0; 2];
        for _ in 0..1000 {
            let ordered: Vec<String> = order(&hops, &mut rng)
                .iter()
                .map(|hop| hop.uri.as_str().to_owned())
                .collect();
            assert_eq!(ordered.last().map(String::as_str), Some("sip:z"));
            assert_eq!(ordered.get(2).map(String::as_str), Some("sip:c"));
            first[usize::from(ordered.first().map(String::as_str) == Some("sip:a"))] += 1;
        }
        // Three to one, with room for chance (the seed is fixed).
        assert!((700..800).contains(&first[1]), "{first:?}");
    }

    #[test]
    fn rfc3261_16_11_the_choice_of_a_hop_is_that_of_the_hash() {
        let hop = |name: &str, priority, weight| {
            Hop::new(uri(&format!("sip:{name}")))
                .priority(priority)
                .weight(weight)
        };
        let hops = [
            hop("z", 2, 1),
            hop("a", 1, 3),
            hop("b", 1, 1),
            hop("c", 1, 0),
        ];
        let chosen = |hash| choose(&hops, hash).map(|hop| hop.uri.as_str());
        assert_eq!(
            (0..5).map(chosen).collect::<Vec<_>>(),
            ["sip:a", "sip:a", "sip:a", "sip:b", "sip:a"].map(Some)
        );
        assert_eq!(choose(&[], 1), None);
        assert_eq!(
            choose(&[hop("only", 1, 0)], 9).map(|hop| hop.uri.as_str()),
            Some("sip:only")
        );
    }

    #[test]
    fn only_a_final_refusal_rejects() {
        assert_eq!(Route::reject(200, "x"), None);
        assert_eq!(Route::reject(99, "x"), None);
        assert_eq!(
            Route::reject(404, "").map(Route::into_action),
            Some(Action::Reject {
                status: StatusCode::NOT_FOUND,
                reason: "Not Found".into()
            })
        );
    }
}
