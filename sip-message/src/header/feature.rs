//! Features of user agents and of elements on the way (RFC 3840 §9, RFC 6809 §6.3): parameters of Contact,
//! Accept-Contact, Reject-Contact and Feature-Caps.
//!
//! ```text
//! feature = tag [ "=" DQUOTE ( value *( "," value ) / "<" text ">" ) DQUOTE ]
//! tag     = one of the base tags, or "+" and a name
//! value   = [ "!" ] ( token / "#" ( ">=" number / "<=" number / "=" number / number ":" number ) )
//! ```

use alloc::borrow::Cow;

use crate::param::{self, ParamIter, Params};

/// The tags that are written without a plus sign in front (RFC 3840 §9 `base-tags`).
const BASE: [&str; 20] = [
    "audio",
    "automata",
    "class",
    "duplex",
    "data",
    "control",
    "mobility",
    "description",
    "events",
    "priority",
    "methods",
    "schemes",
    "application",
    "video",
    "language",
    "type",
    "isfocus",
    "actor",
    "text",
    "extensions",
];

/// The features among parameters, in order.
///
/// ```
/// use sip_message::{Params, header::Features};
/// let params = Params::parse(";expires=60;audio;methods=\"INVITE,BYE\";+sip.src").unwrap();
/// let features = Features::new(&params);
/// assert!(features.map(|feature| feature.name()).eq(["audio", "methods", "+sip.src"]));
/// ```
#[derive(Clone, Debug)]
pub struct Features<'a>(ParamIter<'a>);

impl<'a> Features<'a> {
    /// The features among these parameters.
    #[must_use]
    pub fn new(params: &'a Params<'_>) -> Self {
        Self(params.iter())
    }
}

impl<'a> Iterator for Features<'a> {
    type Item = Feature<'a>;

    fn next(&mut self) -> Option<Feature<'a>> {
        let is_feature = |name: &str| {
            name.len() > 1 && name.starts_with('+')
                || BASE.iter().any(|base| base.eq_ignore_ascii_case(name))
        };
        let (name, value) = self.0.find(|(name, _)| is_feature(name))?;
        Some(Feature {
            name,
            value: value.map(param::unquote),
        })
    }
}

/// One feature: its tag, and what values it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature<'a> {
    name: &'a str,
    value: Option<Cow<'a, str>>,
}

/// One value of a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3840 section 9 has these three"
)]
pub enum FeatureValue<'a> {
    /// A word, compared without case.
    Word(&'a str),
    /// All numbers from the first to the second, both included; an open end is infinite.
    Range(f64, f64),
    /// A text, compared with case.
    Text(&'a str),
}

impl<'a> Feature<'a> {
    /// The tag, as written: `audio`, `+sip.instance`. Compare without case.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The value without quotes and escapes; `None` for a name alone, which says that the feature is there.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The values, each with whether it is what the feature is not. What has another form than the RFC's is a word.
    pub fn values(&self) -> impl Iterator<Item = (bool, FeatureValue<'_>)> {
        let text = self.value().unwrap_or("TRUE");
        let inner = text
            .strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'));
        let list = if inner.is_some() { "" } else { text };
        let words = list
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| match word.strip_prefix('!') {
                Some(word) => (true, value(word)),
                None => (false, value(word)),
            });
        inner
            .map(|text| (false, FeatureValue::Text(text)))
            .into_iter()
            .chain(words)
    }

    /// Does the feature have this value: is it one of the values, or something else than what is excluded?
    ///
    /// ```
    /// use sip_message::{Params, header::Features};
    /// let params = Params::parse(";events=\"!presence,message-summary\";+sip.rate=\"#-4:+5.125\"").unwrap();
    /// let features: Vec<_> = Features::new(&params).collect();
    /// assert!(features[0].has("message-summary") && features[0].has("dialog") && !features[0].has("presence"));
    /// assert!(features[1].has("5") && !features[1].has("6"));
    /// ```
    #[must_use]
    pub fn has(&self, wanted: &str) -> bool {
        self.values().any(|(excluded, value)| {
            let is_same = match value {
                FeatureValue::Word(word) => word.eq_ignore_ascii_case(wanted),
                FeatureValue::Text(text) => text == wanted,
                FeatureValue::Range(from, to) => {
                    number(wanted).is_some_and(|number| (from..=to).contains(&number))
                }
            };
            is_same != excluded
        })
    }
}

fn value(text: &str) -> FeatureValue<'_> {
    text.strip_prefix('#')
        .and_then(range)
        .map_or(FeatureValue::Word(text), |(from, to)| {
            FeatureValue::Range(from, to)
        })
}

fn range(text: &str) -> Option<(f64, f64)> {
    if let Some(from) = text.strip_prefix(">=") {
        return Some((number(from)?, f64::INFINITY));
    }
    if let Some(to) = text.strip_prefix("<=") {
        return Some((f64::NEG_INFINITY, number(to)?));
    }
    if let Some(only) = text.strip_prefix('=') {
        let only = number(only)?;
        return Some((only, only));
    }
    let (from, to) = text.split_once(':')?;
    Some((number(from)?, number(to)?))
}

/// `[ "+" / "-" ] 1*DIGIT [ "." *DIGIT ]`.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Contact;
    use alloc::vec::Vec;

    /// The example of RFC 3840 section 5.
    const CONTACT: &str = "<sip:user@pc.example.com>\r\n ;mobility=\"fixed\";events=\"!presence,message-summary\"\r\n \
        ;language=\"en,de\";description=\"<PC>\"\r\n ;+sip.newparam;+rangeparam=\"#-4:+5.125\"";

    #[test]
    fn rfc3840_5_features_of_a_contact() {
        let contact = Contact::parse(CONTACT).unwrap();
        let features: Vec<Feature<'_>> = contact.features().collect();
        let names = features.iter().map(Feature::name);
        assert!(names.eq([
            "mobility",
            "events",
            "language",
            "description",
            "+sip.newparam",
            "+rangeparam"
        ]));
        assert!(features[0].has("FIXED") && !features[0].has("mobile"));
        assert!(features[1].has("dialog") && !features[1].has("presence"));
        assert!(features[2].has("de") && !features[2].has("fr"));
        assert!(features[3].has("PC") && !features[3].has("pc"));
        assert!(features[4].has("true") && features[4].value().is_none());
        assert!(features[5].has("-4") && features[5].has("5.125") && !features[5].has("5.126"));
    }

    #[test]
    fn rfc3840_9_numbers() {
        for (text, expected) in [
            ("#>=3", FeatureValue::Range(3.0, f64::INFINITY)),
            ("#<=-1.5", FeatureValue::Range(f64::NEG_INFINITY, -1.5)),
            ("#=+2", FeatureValue::Range(2.0, 2.0)),
            ("#1:2", FeatureValue::Range(1.0, 2.0)),
            ("#inf:1", FeatureValue::Word("#inf:1")),
            ("#1e5:2", FeatureValue::Word("#1e5:2")),
            ("#", FeatureValue::Word("#")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        assert_eq!(
            (number(""), number("."), number("1.2.3")),
            (None, None, None)
        );
    }

    #[test]
    fn rfc7866_8_recording_aware_user_agents() {
        let contact = Contact::parse("<sip:Recorder@example.com>;+sip.src").unwrap();
        assert!(
            contact
                .features()
                .any(|feature| feature.name() == "+sip.src")
        );
    }
}
