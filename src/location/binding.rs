//! [`Binding`]: one contact of an address of record, kept small.
//!
//! A registrar keeps one for every telephone. What one says of itself in words is therefore in one allocation, which
//! copies share, and which a refresh that says the same again shares with what it refreshes:
//!
//! ```text
//!   sip:alice@192.0.2.7 | ;audio | call-1 | Phone 1.0 | flow | node | instance | 22:<sip:p1.example.com;lr>...
//!                      ends[0]  [1]      [2]         [3]    [4]    [5]        [6]
//! ```

mod row;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sip_message::Params;

pub(crate) use self::row::{read_row, write_row};
use super::{Outbound, Q, update};

/// A binding: an address of record is reached at this contact, until it expires.
///
/// Its texts are read by methods; [`edit`](Self::edit) changes them. The form that is stored as JSON is that of
/// [`BindingFields`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BindingFields", into = "BindingFields")]
pub struct Binding {
    /// When it expires.
    pub expires: SystemTime,
    /// Which registrations of its instance it belongs to: another number after each change of the Call-ID, the same in all
    /// bindings of the instance (RFC 5627 §5.1). 0 is none.
    pub epoch: u64,
    /// The CSeq number of the REGISTER that set it.
    pub cseq: u32,
    /// The preference, if the contact has one.
    pub q: Option<Q>,
    texts: Texts,
}

/// What is in a [`Binding`], each by itself: to change it, to write it, and to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BindingFields {
    /// The URI of the contact.
    pub contact: Box<str>,
    /// The Contact parameters other than `q` and `expires`, as they were sent, with the leading semicolon.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub parameters: Box<str>,
    /// See [`Binding::q`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<Q>,
    /// See [`Binding::expires`].
    #[serde(with = "update::seconds")]
    pub expires: SystemTime,
    /// The Call-ID of the REGISTER that set it.
    pub call_id: Box<str>,
    /// See [`Binding::cseq`].
    pub cseq: u32,
    /// The route to the contact, topmost first: the Path of the REGISTER (RFC 3327 §5.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Box<str>>,
    /// What the telephone calls itself (User-Agent), for people.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub user_agent: Box<str>,
    /// The token of the flow that the REGISTER came over, when the contact is reached by that
    /// ([`Transports::flow_of_token`](sip_transport::Transports::flow_of_token)). An empty one is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Box<str>>,
    /// The route to that flow, when several servers share the bindings ([`Node`](crate::role::node::Node)). An empty one is
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Box<str>>,
    /// Which flow of which user agent it is (RFC 5626).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Outbound>,
    /// See [`Binding::epoch`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Binding {
    /// A binding of a contact; the rest is for its fields and for [`edit`](Self::edit).
    #[must_use]
    pub fn new(contact: &str, expires: SystemTime, call_id: &str, cseq: u32) -> Self {
        let words = Words {
            contact,
            call_id,
            ..Words::default()
        };
        Self::of(&words, expires, cseq)
    }

    /// One that says this.
    pub(super) fn of(words: &Words<'_>, expires: SystemTime, cseq: u32) -> Self {
        Self::with(Texts::new(words), expires, cseq)
    }

    /// As [`of`](Self::of); what is said as it was said before is shared with that.
    pub(super) fn again(&self, words: &Words<'_>, expires: SystemTime, cseq: u32) -> Self {
        let texts = if self.texts.say(words) {
            self.texts.clone()
        } else {
            Texts::new(words)
        };
        Self::with(texts, expires, cseq)
    }

    /// Makes it one that says this; words that it says already stay where they are.
    pub(super) fn renew(&mut self, words: &Words<'_>, expires: SystemTime, cseq: u32) {
        if !self.texts.say(words) {
            self.texts = Texts::new(words);
        }
        (self.expires, self.cseq) = (expires, cseq);
        (self.epoch, self.q) = (0, None);
    }

    const fn with(texts: Texts, expires: SystemTime, cseq: u32) -> Self {
        Self {
            expires,
            epoch: 0,
            cseq,
            q: None,
            texts,
        }
    }

    /// The URI of the contact.
    #[must_use]
    pub fn contact(&self) -> &str {
        self.texts.part(0)
    }

    /// The Contact parameters other than `q` and `expires`, as they were sent, with the leading semicolon.
    #[must_use]
    pub fn parameters(&self) -> &str {
        self.texts.part(1)
    }

    /// The Call-ID of the REGISTER that set it.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.texts.part(2)
    }

    /// What the telephone calls itself (User-Agent), for people.
    #[must_use]
    pub fn user_agent(&self) -> &str {
        self.texts.part(3)
    }

    /// See [`BindingFields::flow`].
    #[must_use]
    pub fn flow(&self) -> Option<&str> {
        Some(self.texts.part(4)).filter(|text| !text.is_empty())
    }

    /// See [`BindingFields::node`].
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        Some(self.texts.part(5)).filter(|text| !text.is_empty())
    }

    /// The instance of the user agent and the number of its flow, if it registers by flows (RFC 5626 §4.2).
    #[must_use]
    pub fn outbound(&self) -> Option<(&str, u32)> {
        Some((self.texts.part(6), self.texts.reg_id?))
    }

    /// The route to the contact, topmost first: the Path of the REGISTER (RFC 3327 §5.3).
    pub fn path(&self) -> impl Iterator<Item = &str> + Clone {
        let mut rest = self.texts.path();
        std::iter::from_fn(move || {
            let (value, after) = split_netstring(rest)?;
            rest = after;
            Some(value)
        })
    }

    /// The user agent instance that it belongs to (`+sip.instance`, RFC 5626 §4.1), without quotes and angle brackets.
    #[must_use]
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        instance(
            self.parameters(),
            self.outbound().map(|(instance, _)| instance),
        )
    }

    /// What it consists of.
    #[must_use]
    pub fn fields(&self) -> BindingFields {
        BindingFields {
            contact: self.contact().into(),
            parameters: self.parameters().into(),
            q: self.q,
            expires: self.expires,
            call_id: self.call_id().into(),
            cseq: self.cseq,
            path: self.path().map(Box::from).collect(),
            user_agent: self.user_agent().into(),
            flow: self.flow().map(Box::from),
            node: self.node().map(Box::from),
            outbound: self.outbound().map(|(instance, reg_id)| Outbound {
                instance: instance.into(),
                reg_id,
            }),
            epoch: self.epoch,
        }
    }

    /// Changes what it consists of.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use sip_stack::location::Binding;
    /// let mut binding = Binding::new("sip:alice@192.0.2.7", SystemTime::UNIX_EPOCH, "call-1", 1);
    /// binding.edit(|fields| fields.path.push("<sip:edge.example.com;lr>".into()));
    /// assert!(binding.path().eq(["<sip:edge.example.com;lr>"]));
    /// ```
    pub fn edit(&mut self, change: impl FnOnce(&mut BindingFields)) {
        let mut fields = self.fields();
        change(&mut fields);
        *self = fields.into();
    }

    /// Does it still hold?
    #[must_use]
    pub fn is_live(&self, now: SystemTime) -> bool {
        self.expires > now
    }

    /// The whole seconds that are left, at least 1 while it holds.
    #[must_use]
    pub fn remaining(&self, now: SystemTime) -> u32 {
        let Ok(left) = self.expires.duration_since(now) else {
            return 0;
        };
        let rounded = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        u32::try_from(rounded).unwrap_or(u32::MAX)
    }
}

impl From<BindingFields> for Binding {
    fn from(fields: BindingFields) -> Self {
        let words = Words {
            contact: &fields.contact,
            parameters: &fields.parameters,
            call_id: &fields.call_id,
            user_agent: &fields.user_agent,
            flow: fields.flow.as_deref(),
            node: fields.node.as_deref(),
            outbound: fields.outbound.as_ref(),
            path: &fields.path,
        };
        let mut binding = Self::of(&words, fields.expires, fields.cseq);
        binding.epoch = fields.epoch;
        binding.q = fields.q;
        binding
    }
}

impl From<Binding> for BindingFields {
    fn from(binding: Binding) -> Self {
        binding.fields()
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Binding");
        let texts = [
            ("contact", self.contact()),
            ("parameters", self.parameters()),
            ("call_id", self.call_id()),
            ("user_agent", self.user_agent()),
        ];
        for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            fields.field(name, text);
        }
        fields
            .field("cseq", &self.cseq)
            .field("q", &self.q)
            .field("expires", &self.expires)
            .field("path", &self.path().collect::<Vec<_>>())
            .field("flow", &self.flow())
            .field("node", &self.node())
            .field("outbound", &self.outbound())
            .field("epoch", &self.epoch)
            .finish()
    }
}

/// The value of `+sip.instance`, without its quotes and angle brackets.
pub(super) fn instance<'a>(parameters: &'a str, of_flow: Option<&'a str>) -> Option<Cow<'a, str>> {
    if let Some(instance) = of_flow {
        return Some(Cow::Borrowed(instance));
    }
    if !parameters.contains('+') {
        return None;
    }
    let parameters = Params::parse(parameters).ok()?;
    let value = parameters.unquoted("+sip.instance")?;
    let text = value
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    Some(Cow::Owned(text.unwrap_or(&value).to_owned()))
}

/// What a binding says in words, before it is put together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) contact: &'a str,
    pub(super) parameters: &'a str,
    pub(super) call_id: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) flow: Option<&'a str>,
    pub(super) node: Option<&'a str>,
    pub(super) outbound: Option<&'a Outbound>,
    pub(super) path: &'a [Box<str>],
}

/// How many texts there are before the path.
const PARTS: usize = 7;

impl Words<'_> {
    fn parts(&self) -> [&str; PARTS] {
        [
            self.contact,
            self.parameters,
            self.call_id,
            self.user_agent,
            self.flow.unwrap_or_default(),
            self.node.unwrap_or_default(),
            self.outbound.map_or("", |outbound| &outbound.instance),
        ]
    }

    fn reg_id(&self) -> Option<u32> {
        self.outbound.map(|outbound| outbound.reg_id)
    }
}

/// The texts, one behind the other.
#[derive(Clone, PartialEq, Eq)]
struct Texts {
    all: Arc<str>,
    /// Where each ends. Behind the last is the path, each value as a netstring.
    ends: [u32; PARTS],
    /// Which flow of the instance; without it there is none of RFC 5626.
    reg_id: Option<u32>,
}

impl Texts {
    fn new(words: &Words<'_>) -> Self {
        let parts = words.parts();
        let mut all = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let mut ends = [0; PARTS];
        for (end, part) in ends.iter_mut().zip(parts) {
            // Most say little.
            if !part.is_empty() {
                all.push_str(part);
            }
            // No message has 4 GB.
            *end = u32::try_from(all.len()).unwrap_or(u32::MAX);
        }
        for value in words.path {
            all.push_str(&value.len().to_string());
            all.push(':');
            all.push_str(value);
        }
        Self {
            all: all.into(),
            ends,
            reg_id: words.reg_id(),
        }
    }

    /// Is this what they say?
    fn say(&self, words: &Words<'_>) -> bool {
        if !words.path.is_empty() || !self.path().is_empty() || self.reg_id != words.reg_id() {
            return false;
        }
        let all = self.all.as_bytes();
        let mut from = 0;
        for (end, part) in self.ends.iter().zip(words.parts()) {
            let end = *end as usize;
            // Most say little.
            if end - from != part.len()
                || (!part.is_empty() && all.get(from..end) != Some(part.as_bytes()))
            {
                return false;
            }
            from = end;
        }
        true
    }

    fn part(&self, number: usize) -> &str {
        let end = |number: usize| self.ends.get(number).map_or(0, |end| *end as usize);
        let from = number.checked_sub(1).map_or(0, end);
        self.all.get(from..end(number)).unwrap_or_default()
    }

    fn path(&self) -> &str {
        let [.., last] = self.ends;
        self.all.get(last as usize..).unwrap_or_default()
    }
}

/// `LENGTH:TEXT` and what follows it.
fn split_netstring(text: &str) -> Option<(&str, &str)> {
    let (len, rest) = text.split_once(':')?;
    rest.split_at_checked(len.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    pub(super) fn full() -> Binding {
        let expires = UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        let mut binding = Binding::new(
            "sip:alice@192.0.2.7:5060;transport=tcp",
            expires,
            "call-1",
            7,
        );
        binding.edit(|fields| {
            fields.parameters = ";audio;+sip.instance=\"<urn:uuid:1>\"".into();
            fields.user_agent = "Fön 1.0".into();
            fields.q = Some(Q::from_thousandths(700));
            fields.flow = Some("token/+=".into());
            fields.node = Some("<sip:token@192.0.2.1;lr>".into());
            fields.outbound = Some(Outbound {
                instance: "urn:uuid:1".into(),
                reg_id: 2,
            });
            fields.path = vec![
                "<sip:p1.example.com;lr>".into(),
                "".into(),
                "<sip:7:x@h>".into(),
            ];
            fields.epoch = u64::MAX - 1;
        });
        binding
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let binding = full();
        assert_eq!(binding.contact(), "sip:alice@192.0.2.7:5060;transport=tcp");
        assert_eq!(
            binding.parameters(),
            ";audio;+sip.instance=\"<urn:uuid:1>\""
        );
        assert_eq!((binding.call_id(), binding.cseq), ("call-1", 7));
        assert_eq!(binding.user_agent(), "Fön 1.0");
        assert_eq!(binding.flow(), Some("token/+="));
        assert_eq!(binding.node(), Some("<sip:token@192.0.2.1;lr>"));
        assert_eq!(binding.outbound(), Some(("urn:uuid:1", 2)));
        assert_eq!(binding.instance().as_deref(), Some("urn:uuid:1"));
        let path: Vec<&str> = binding.path().collect();
        assert_eq!(path, ["<sip:p1.example.com;lr>", "", "<sip:7:x@h>"]);
        assert_eq!(Binding::from(binding.fields()), binding);
        let plain = Binding::new("sip:a@h", UNIX_EPOCH, "c", 1);
        assert_eq!(
            (plain.flow(), plain.node(), plain.outbound()),
            (None, None, None)
        );
        assert_eq!(plain.path().count(), 0);
    }

    #[test]
    fn the_json_is_that_of_earlier_versions() {
        let text = r#"{"contact":"sip:a@h","parameters":";audio","q":500,"expires":60000,"call_id":"c","cseq":4,"path":["<sip:p;lr>"],"user_agent":"u","flow":"f","node":"n","outbound":{"instance":"i","reg_id":1},"epoch":9}"#;
        let binding: Binding = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&binding).unwrap(), text);
        let text = r#"{"contact":"sip:a@h","expires":60000,"call_id":"c","cseq":4}"#;
        let binding: Binding = serde_json::from_str(text).unwrap();
        assert_eq!(binding.remaining(UNIX_EPOCH), 60);
        assert_eq!(serde_json::to_string(&binding).unwrap(), text);
    }

    #[test]
    fn a_refresh_that_says_the_same_shares_it() {
        let words = Words {
            contact: "sip:a@h",
            call_id: "c",
            ..Words::default()
        };
        let first = Binding::of(&words, UNIX_EPOCH, 1);
        let same = first.again(&words, UNIX_EPOCH, 2);
        assert!(Arc::ptr_eq(&first.texts.all, &same.texts.all));
        for other in [
            Words {
                contact: "sip:a@hc",
                call_id: "",
                ..words
            },
            Words {
                contact: "sip:b@h",
                ..words
            },
            Words {
                user_agent: "u",
                ..words
            },
            Words {
                path: &["<sip:p;lr>".into()],
                ..words
            },
        ] {
            let other = first.again(&other, UNIX_EPOCH, 2);
            assert!(
                !Arc::ptr_eq(&first.texts.all, &other.texts.all),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_binding_is_small() {
        assert!(size_of::<Binding>() <= 88, "{}", size_of::<Binding>());
    }
}
