//! [`NumberLookup`]: where a telephone number leads, by the domain name system (ENUM, RFC 6116).
//!
//! ```
//! use sip_stack::routing::{NumberLookup, NumberStep};
//! use sip_stack::transport::Rewrite;
//!
//! let (mut lookup, name) = NumberLookup::start("+441632960083", "e164.arpa").unwrap();
//! assert_eq!(&*name, "3.8.0.0.6.9.2.3.6.1.4.4.e164.arpa");
//! let record = Rewrite::new(100, 10, "u", "E2U+sip", "!^\\+44(.*)$!sip:\\1@example.com!", ".");
//! let NumberStep::Found(uris) = lookup.answered(vec![record]) else { panic!() };
//! assert_eq!(uris[0].as_str(), "sip:1632960083@example.com");
//! ```

mod expression;

use sip_message::{Uri, UriRef};
use sip_transport::Rewrite;

use self::expression::Substitution;
use super::user_part;

/// A look-up on its way: a function of the records that the names have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberLookup {
    /// The number with its plus sign: the application unique string (RFC 6116 §3.1).
    number: Box<str>,
    asked: Vec<Box<str>>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a driver handles each of these")]
pub enum NumberStep {
    /// Ask for the NAPTR records of this name.
    Ask(Box<str>),
    /// It leads to these SIP URIs, the preferred first.
    Found(Vec<Uri>),
    /// It leads to none.
    Nothing,
}

/// How often a record may point to another name (RFC 6116 §4.1 warns of loops).
const MOST_NAMES: usize = 5;
/// How many URIs are tried.
const MOST_URIS: usize = 8;
/// E.164 numbers have at most 15 digits.
const MOST_DIGITS: usize = 15;

impl NumberLookup {
    /// Begins with a number such as `+441632960083`; separators are passed over. Returns the name to ask for under `suffix`
    /// as well, or `None` if this is no global number.
    #[must_use]
    pub fn start(number: &str, suffix: &str) -> Option<(Self, Box<str>)> {
        let rest = number.strip_prefix('+')?;
        let digits: String = rest
            .chars()
            .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
            .collect();
        let is_number =
            (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_number {
            return None;
        }
        // RFC 6116 §3.2: the digits from the last to the first, each a label.
        let mut name = String::with_capacity(2 * digits.len() + suffix.len());
        for digit in digits.chars().rev() {
            name.push(digit);
            name.push('.');
        }
        name.push_str(suffix.trim_matches('.'));
        let name: Box<str> = name.into();
        let lookup = Self {
            number: format!("+{digits}").into(),
            asked: vec![name.clone()],
        };
        Some((lookup, name))
    }

    /// The global number that a URI names: a `tel` URI, or a SIP one with `user=phone` (RFC 3261 §19.1.6).
    #[must_use]
    pub fn number_of(uri: UriRef<'_>) -> Option<String> {
        let is_number = !uri.is_sip() || uri.param("user") == Some("phone");
        let number = user_part(uri);
        let number = number.split(';').next().unwrap_or_default();
        (is_number && number.starts_with('+')).then(|| number.to_owned())
    }

    /// The records of the name that was asked for.
    pub fn answered(&mut self, records: Vec<Rewrite>) -> NumberStep {
        let mut records = records;
        // RFC 6116 §3.4.3.2, RFC 3403 §4.1: by order, and by preference within one.
        records.sort_by_key(|record| (record.order, record.preference));
        let mut order = None;
        let mut found: Vec<Uri> = Vec::new();
        for record in &records {
            // RFC 3403 §4.1: once a rule of an order fits, those of a higher one are not looked at.
            if order.is_some_and(|order| order != record.order) {
                break;
            }
            if record.flags.is_empty() {
                // RFC 6116 §3.4.2: a rule that is not the last names the next.
                let next = record
                    .replacement
                    .trim_end_matches('.')
                    .to_ascii_lowercase();
                let is_new = !next.is_empty() && !self.asked.iter().any(|name| **name == *next);
                if found.is_empty() && is_new && self.asked.len() < MOST_NAMES {
                    let next: Box<str> = next.into();
                    self.asked.push(next.clone());
                    return NumberStep::Ask(next);
                }
                continue;
            }
            if !record.flags.eq_ignore_ascii_case("u") || !is_for_sip(&record.service) {
                continue;
            }
            let uri = Substitution::parse(&record.regexp)
                .and_then(|substitution| substitution.apply(&self.number))
                .and_then(|text| Uri::parse(&text).ok())
                .filter(|uri| uri.as_ref().is_sip());
            if let Some(uri) = uri {
                order = Some(record.order);
                if found.len() < MOST_URIS && !found.contains(&uri) {
                    found.push(uri);
                }
            }
        }
        if found.is_empty() {
            NumberStep::Nothing
        } else {
            NumberStep::Found(found)
        }
    }
}

/// RFC 6116 §3.4.3: `E2U` and a list of services, of which one is `sip` (RFC 3764).
fn is_for_sip(service: &str) -> bool {
    let mut parts = service.split('+');
    parts
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case("E2U"))
        && parts.any(|service| service.eq_ignore_ascii_case("sip"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> NumberLookup {
        NumberLookup::start("+441632960083", "e164.arpa").unwrap().0
    }

    fn found(records: Vec<Rewrite>) -> Vec<String> {
        match start().answered(records) {
            NumberStep::Found(uris) => uris.iter().map(Uri::to_string).collect(),
            NumberStep::Nothing => Vec::new(),
            NumberStep::Ask(name) => panic!("{name}"),
        }
    }

    fn sip(order: u16, preference: u16, regexp: &str) -> Rewrite {
        Rewrite::new(order, preference, "u", "E2U+sip", regexp, ".")
    }

    #[test]
    fn rfc6116_3_2_the_name_of_a_number() {
        let (_, name) = NumberLookup::start("+44-116-496-0348", "e164.arpa.").unwrap();
        assert_eq!(&*name, "8.4.3.0.6.9.4.6.1.1.4.4.e164.arpa");
        for wrong in ["", "+", "441164960348", "+44x", "+1234567890123456", "112"] {
            assert_eq!(NumberLookup::start(wrong, "e164.arpa"), None, "{wrong}");
        }
    }

    #[test]
    fn rfc6116_4_example() {
        // Section 4: a SIP and a mailto service.
        assert_eq!(
            found(vec![
                Rewrite::new(
                    100,
                    50,
                    "u",
                    "E2U+sip",
                    "!^(\\+441632960083)$!sip:\\1@example.com!",
                    "."
                ),
                Rewrite::new(
                    100,
                    51,
                    "u",
                    "E2U+h323",
                    "!^\\+441632960083$!h323:operator@example.com!",
                    "."
                ),
                Rewrite::new(
                    100,
                    52,
                    "u",
                    "E2U+email:mailto",
                    "!^.*$!mailto:info@example.com!",
                    "."
                ),
            ]),
            ["sip:+441632960083@example.com"]
        );
    }

    #[test]
    fn rfc3403_4_1_order_comes_before_preference() {
        assert_eq!(
            found(vec![
                sip(200, 1, "!^.*$!sip:later@example.com!"),
                sip(100, 20, "!^.*$!sip:second@example.com!"),
                sip(100, 10, "!^.*$!sips:first@example.com!"),
                sip(50, 1, "!^\\+1.*$!sip:america@example.com!"),
            ]),
            ["sips:first@example.com", "sip:second@example.com"]
        );
    }

    #[test]
    fn rfc6116_3_4_3_which_services_are_for_sip() {
        for (service, expected) in [
            ("E2U+sip", true),
            ("e2u+SIP", true),
            ("E2U+voice:tel+sip", true),
            ("E2U+pstn:tel", false),
            ("E2U+pstn:sip", false),
            ("E2U+presence", false),
            ("sip+E2U", false),
            ("SIP+D2U", false),
        ] {
            assert_eq!(is_for_sip(service), expected, "{service}");
        }
        assert!(
            found(vec![Rewrite::new(
                1,
                1,
                "u",
                "E2U+pstn:tel",
                "!^.*$!tel:+1!",
                "."
            )])
            .is_empty()
        );
        assert!(found(vec![sip(1, 1, "!^.*$!http://example.com!")]).is_empty());
        assert!(
            found(vec![Rewrite::new(
                1,
                1,
                "s",
                "E2U+sip",
                "!^.*$!sip:a@h!",
                "."
            )])
            .is_empty()
        );
    }

    #[test]
    fn rfc6116_3_4_2_a_rule_that_is_not_the_last_names_the_next() {
        let on = |name: &str| Rewrite::new(1, 1, "", "", "", name);
        let mut lookup = start();
        assert_eq!(
            lookup.answered(vec![on("A.example.com.")]),
            NumberStep::Ask("a.example.com".into())
        );
        assert_eq!(
            lookup.answered(vec![on("a.example.com"), sip(2, 1, "!^.*$!sip:a@h!")]),
            NumberStep::Found(vec![Uri::parse("sip:a@h").unwrap()]),
            "a loop is no way"
        );
        let mut lookup = start();
        let steps = (0..20)
            .take_while(|n| {
                matches!(
                    lookup.answered(vec![on(&format!("n{n}.example.com"))]),
                    NumberStep::Ask(_)
                )
            })
            .count();
        assert_eq!(steps, MOST_NAMES - 1);
    }

    #[test]
    fn rfc3261_19_1_6_which_uris_name_numbers() {
        let number = |text: &str| NumberLookup::number_of(UriRef::parse(text).unwrap());
        assert_eq!(
            number("tel:+44-1632.960083;ext=5").as_deref(),
            Some("+441632960083")
        );
        assert_eq!(
            number("sip:+441632960083@h;user=phone").as_deref(),
            Some("+441632960083")
        );
        assert_eq!(
            number("sip:+441632960083;ext=5@h;user=phone").as_deref(),
            Some("+441632960083")
        );
        for other in [
            "tel:112;phone-context=+44",
            "sip:+44@h",
            "sip:44@h;user=phone",
            "urn:service:sos",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
