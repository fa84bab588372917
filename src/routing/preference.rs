//! [`Preferences`]: which contacts a caller would rather reach (RFC 3841), matched against what these can do (RFC 3840).
//!
//! ```
//! use sip_stack::routing::{Preferences, Wish};
//! let wishes = Preferences::new().accept(Wish::parse("*;video;explicit").unwrap());
//! assert_eq!(wishes.match_contact(";audio;video"), Some(1000));
//! assert_eq!(wishes.match_contact(";audio"), Some(0), "tried last");
//! assert_eq!(wishes.match_contact(""), Some(1000), "says nothing of itself, so it is left alone");
//! ```

use sip_message::header::{
    AcceptContact, Event, Feature, FeatureValue, Features, RejectContact, RequestDisposition,
};
use sip_message::{HeaderName, Method, Params, Request};

/// How many wishes of a request are looked at (RFC 3841 §11: "A reasonable number is around 20").
const MOST_WISHES: usize = 20;
/// How many features of one wish, or of one contact, are looked at.
const MOST_FEATURES: usize = 64;

/// What a caller wishes of the contact that answers, and what it must not be (RFC 3841 §7.2).
#[derive(Clone, Debug, Default)]
pub struct Preferences {
    accept: Vec<Wish>,
    reject: Vec<Wish>,
    /// From the method and the event, and not from the caller's own words (§7.2.2).
    is_implicit: bool,
}

/// One Accept-Contact or Reject-Contact value: a conjunction of features.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    features: Vec<(Box<str>, Params<'static>)>,
    require: bool,
    explicit: bool,
}

impl Wish {
    /// Reads an Accept-Contact or Reject-Contact value: `*;audio;require`. `None` when it is none.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let wish = AcceptContact::parse(value).ok()?;
        Some(Self::of(
            wish.features(),
            wish.is_required(),
            wish.is_explicit(),
        ))
    }

    fn of(features: Features<'_>, require: bool, explicit: bool) -> Self {
        let features = features
            .take(MOST_FEATURES)
            .map(|feature| {
                let mut params = Params::default();
                params.set(feature.name(), feature.value());
                (plain(feature.name()), params)
            })
            .collect();
        Self {
            features,
            require,
            explicit,
        }
    }

    /// The wish for one value of a feature.
    fn implied(features: &[(&str, &str)]) -> Self {
        let features = features
            .iter()
            .map(|(name, value)| {
                let mut params = Params::default();
                params.set(name, Some(value));
                (plain(name), params)
            })
            .collect();
        Self {
            features,
            require: true,
            explicit: false,
        }
    }

    /// Its features with their tags, each once.
    fn terms(&self) -> impl Iterator<Item = (&str, Feature<'_>)> {
        self.features
            .iter()
            .filter_map(|(tag, params)| Some((&**tag, Features::new(params).next()?)))
    }
}

/// A tag as it is compared: in lower case, and `+video` is `video` (§7.2.3, step 3).
fn plain(tag: &str) -> Box<str> {
    tag.strip_prefix('+')
        .unwrap_or(tag)
        .to_ascii_lowercase()
        .into()
}

impl Preferences {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            accept: Vec::new(),
            reject: Vec::new(),
            is_implicit: false,
        }
    }

    /// Those of a request: its Accept-Contact and Reject-Contact, or without any of both what its method and event
    /// imply (RFC 3841 §7.2.1, §7.2.2). Values that are none are passed over.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        let is_explicit = headers.contains(HeaderName::AcceptContact)
            || headers.contains(HeaderName::RejectContact);
        if !is_explicit {
            let method = request.method().as_str();
            let event = headers
                .typed::<Event<'_>>()
                .ok()
                .flatten()
                .filter(|_| *request.method() == Method::Subscribe);
            let wish = match &event {
                Some(event) => Wish::implied(&[("methods", method), ("events", event.value())]),
                None => Wish::implied(&[("methods", method)]),
            };
            return Self {
                accept: vec![wish],
                reject: Vec::new(),
                is_implicit: true,
            };
        }
        let accept = headers
            .typed_all::<AcceptContact<'_>>()
            .filter_map(Result::ok)
            .take(MOST_WISHES)
            .map(|wish| Wish::of(wish.features(), wish.is_required(), wish.is_explicit()))
            .collect();
        let reject = headers
            .typed_all::<RejectContact<'_>>()
            .filter_map(Result::ok)
            .take(MOST_WISHES)
            .map(|wish| Wish::of(wish.features(), false, false))
            .collect();
        Self {
            accept,
            reject,
            is_implicit: false,
        }
    }

    /// One more Accept-Contact.
    #[must_use]
    pub fn accept(mut self, wish: Wish) -> Self {
        self.accept.push(wish);
        self
    }

    /// One more Reject-Contact.
    #[must_use]
    pub fn reject(mut self, wish: Wish) -> Self {
        self.reject.push(wish);
        self
    }

    /// Are they the server's conclusions, and not the caller's words? Then they may not lead to nobody: if no contact is
    /// left, all are (§7.2.4).
    #[must_use]
    pub const fn is_implicit(&self) -> bool {
        self.is_implicit
    }

    /// How well a contact with these parameters (`;audio;methods="INVITE,BYE"`) fits: the preference Qa of RFC 3841
    /// §7.2.4 in thousandths. `None`: it is not to be called.
    #[must_use]
    pub fn match_contact(&self, parameters: &str) -> Option<u16> {
        let params = Params::parse(parameters).unwrap_or_default();
        let contact = Self::capabilities(&params);
        // §7.2.3: who says nothing of itself is left alone.
        if contact.is_empty() {
            return Some(1000);
        }
        let find = |tag: &str| {
            contact
                .iter()
                .find(|(name, _)| **name == *tag)
                .map(|(_, feature)| feature)
        };
        // Only what a contact has said of itself is held against it.
        let is_rejected = self.reject.iter().any(|wish| {
            !wish.features.is_empty()
                && wish
                    .terms()
                    .all(|(tag, wanted)| find(tag).is_some_and(|has| is_compatible(has, &wanted)))
        });
        if is_rejected {
            return None;
        }
        let (mut sum, mut count) = (0_u64, 0_u64);
        for wish in &self.accept {
            let (mut known, mut terms, mut fits) = (0_u64, 0_u64, true);
            for (tag, wanted) in wish.terms() {
                terms += 1;
                if let Some(has) = find(tag) {
                    known += 1;
                    fits &= is_compatible(has, &wanted);
                }
            }
            if !fits {
                if wish.require {
                    return None;
                }
                continue;
            }
            // A wish without features is fulfilled by everybody.
            let mut score = (known * 1000).checked_div(terms).unwrap_or(1000);
            if known < terms && wish.explicit {
                if wish.require {
                    return None;
                }
                score = 0;
            }
            sum += score;
            count += 1;
        }
        // No wish that it matches, where there was one: it is the last.
        let average = sum.checked_div(count);
        let none = if self.accept.is_empty() { 1000 } else { 0 };
        Some(average.map_or(none, |average| {
            u16::try_from(average).unwrap_or(1000).min(1000)
        }))
    }

    fn capabilities<'a>(params: &'a Params<'_>) -> Vec<(Box<str>, Feature<'a>)> {
        let mut known: Vec<(Box<str>, Feature<'a>)> = Vec::new();
        for feature in Features::new(params).take(MOST_FEATURES) {
            let tag = plain(feature.name());
            if !known.iter().any(|(name, _)| *name == tag) {
                known.push((tag, feature));
            }
        }
        known
    }
}

/// Is there a value that both allow (the matching of RFC 2533, of which RFC 3841 §7.2.4 needs this much)?
fn is_compatible(has: &Feature<'_>, wanted: &Feature<'_>) -> bool {
    has.values().any(|(is_not, value)| {
        wanted
            .values()
            .any(|(other_is_not, other)| match (is_not, other_is_not) {
                // There are more values than two lists can exclude.
                (true, true) => true,
                (false, false) => overlap(value, other),
                (true, false) => !covers(value, other),
                (false, true) => !covers(other, value),
            })
    })
}

fn overlap(one: FeatureValue<'_>, other: FeatureValue<'_>) -> bool {
    match (one, other) {
        (FeatureValue::Word(one), FeatureValue::Word(other)) => one.eq_ignore_ascii_case(other),
        (FeatureValue::Text(one), FeatureValue::Text(other)) => one == other,
        (FeatureValue::Range(from, to), FeatureValue::Range(low, high)) => {
            from <= high && low <= to
        }
        _ => false,
    }
}

/// Is every value of the second one of the first?
fn covers(one: FeatureValue<'_>, other: FeatureValue<'_>) -> bool {
    match (one, other) {
        (FeatureValue::Range(from, to), FeatureValue::Range(low, high)) => {
            from <= low && high <= to
        }
        _ => overlap(one, other),
    }
}

/// How a caller wants its request handled on the way (RFC 3841 §9.1). What it does not say, and what it says twice in
/// different ways, is left to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disposition {
    /// Forward it, or tell where to go?
    pub proxies: Option<bool>,
    /// Cancel the other branches when one is answered?
    pub cancels: Option<bool>,
    /// May it go to more than one place?
    pub forks: Option<bool>,
    /// Follow redirections?
    pub recurses: Option<bool>,
    /// All places together, or one after the other?
    pub is_parallel: Option<bool>,
}

impl Disposition {
    /// That of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        match request.headers().typed::<RequestDisposition<'_>>() {
            Ok(Some(wish)) => Self {
                proxies: wish.proxies(),
                cancels: wish.cancels(),
                forks: wish.forks(),
                recurses: wish.recurses(),
                is_parallel: wish.is_parallel(),
            },
            Ok(None) | Err(_) => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferences(accept: &[&str], reject: &[&str]) -> Preferences {
        let mut preferences = Preferences::new();
        for value in accept {
            preferences = preferences.accept(Wish::parse(value).unwrap());
        }
        for value in reject {
            preferences = preferences.reject(Wish::parse(value).unwrap());
        }
        preferences
    }

    #[test]
    fn rfc3841_7_2_5_example() {
        let preferences = preferences(
            &[
                "*;audio;require",
                "*;video;explicit",
                "*;methods=\"BYE\";class=\"business\";q=1.0",
            ],
            &["*;actor=\"msg-taker\";video"],
        );
        for (contact, expected) in [
            (";audio;video;methods=\"INVITE,BYE\"", Some(833)),
            (
                ";audio=\"FALSE\";methods=\"INVITE\";actor=\"msg-taker\"",
                None,
            ),
            (";audio;actor=\"msg-taker\";methods=\"INVITE\";video", None),
            (";audio;methods=\"INVITE,OPTIONS\"", Some(500)),
            ("", Some(1000)),
            (";expires=60", Some(1000)),
        ] {
            assert_eq!(preferences.match_contact(contact), expected, "{contact}");
        }
    }

    #[test]
    fn rfc3841_7_2_4_require_and_explicit() {
        // Figure 1: what does not match, what matches because nothing is said, what matches.
        for (wish, other, unknown, same) in [
            ("*;mobility=\"mobile\"", Some(0), Some(0), Some(1000)),
            (
                "*;mobility=\"mobile\";explicit",
                Some(0),
                Some(0),
                Some(1000),
            ),
            ("*;mobility=\"mobile\";require", None, Some(0), Some(1000)),
            (
                "*;mobility=\"mobile\";require;explicit",
                None,
                None,
                Some(1000),
            ),
        ] {
            let preferences = preferences(&[wish], &[]);
            let found = [
                ";mobility=\"fixed\"",
                ";audio",
                ";mobility=\"Mobile,fixed\"",
            ]
            .map(|contact| preferences.match_contact(contact));
            assert_eq!(found, [other, unknown, same], "{wish}");
        }
    }

    #[test]
    fn rfc3841_7_2_4_values_are_compared_by_their_form() {
        let fits = |contact: &str, wish: &str| {
            preferences(&[&format!("*;{wish};require")], &[])
                .match_contact(contact)
                .is_some()
        };
        assert!(fits(";+sip.rate=\"#2:5\"", "+sip.rate=\"#>=5\""));
        assert!(!fits(";+sip.rate=\"#2:5\"", "+sip.rate=\"#>=6\""));
        assert!(fits(";+sip.rate=\"#=4\"", "+sip.rate=\"!#1:3\""));
        assert!(!fits(";+sip.rate=\"#=2\"", "+sip.rate=\"!#1:3\""));
        assert!(fits(";description=\"<PC>\"", "description=\"<PC>\""));
        assert!(!fits(";description=\"<PC>\"", "description=\"<pc>\""));
        assert!(fits(";events=\"!presence\"", "events=\"dialog\""));
        assert!(!fits(";events=\"!presence\"", "events=\"Presence\""));
        assert!(fits(";events=\"!presence\"", "events=\"!dialog\""));
        assert!(
            fits(";+video", "video"),
            "section 7.2.3, step 3: the plus makes no other feature"
        );
    }

    #[test]
    fn rfc3841_7_2_4_only_what_was_said_is_held_against_a_contact() {
        let preferences = preferences(&[], &["*;automata;video", "*"]);
        assert_eq!(preferences.match_contact(";automata"), Some(1000));
        assert_eq!(preferences.match_contact(";automata;video"), None);
        assert_eq!(
            preferences.match_contact(";automata;video=\"FALSE\""),
            Some(1000)
        );
    }

    #[test]
    fn rfc3841_7_2_2_what_the_method_implies() {
        let request = |text: &str| {
            let text = format!(
                "{text}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\n\
                 CSeq: 1 SUBSCRIBE\r\nEvent: presence\r\n\r\n"
            );
            match sip_message::Message::parse(text.into(), &sip_message::ParserConfig::default()) {
                Ok(sip_message::Message::Request(request)) => request,
                other => panic!("{other:?}"),
            }
        };
        let implied = Preferences::of(&request("SUBSCRIBE sip:b@h SIP/2.0"));
        assert!(implied.is_implicit());
        for (contact, expected) in [
            (
                ";methods=\"INVITE,SUBSCRIBE\";events=\"presence\"",
                Some(1000),
            ),
            (";methods=\"INVITE,SUBSCRIBE\"", Some(500)),
            (";methods=\"INVITE\"", None),
            (";events=\"dialog\"", None),
        ] {
            assert_eq!(implied.match_contact(contact), expected, "{contact}");
        }
        let said = Preferences::of(&request(
            "SUBSCRIBE sip:b@h SIP/2.0\r\nAccept-Contact: *;audio, *;video;require",
        ));
        assert!(!said.is_implicit() && said.accept.len() == 2);
        assert_eq!(said.match_contact(";methods=\"INVITE\""), Some(0));
    }

    #[test]
    fn wishes_are_bounded() {
        let value = format!("*{}", ";audio".repeat(200));
        assert!(Wish::parse(&value).unwrap().features.len() <= MOST_FEATURES);
    }
}
