//! [`History`]: the retargetings that a request went through (RFC 7044), kept and added to by an element on its way.
//!
//! ```text
//!  of(request)          what it brought, and on behalf of the hop before what that left out     §9.1
//!  retarget(..)         the entry of one copy, put into that copy alone                          §9.2
//!  answered(..)         the entry with its reason, for the copies and responses that follow      §9.3
//!  write_response(..)   all of it, for who understands it                                        §9.4
//! ```

use sip_message::header::{HistoryInfo, NameAddr};
use sip_message::{HeaderName, Request, Response, StatusCode, UriRef, uri};

use crate::domain::Domains;

/// How many entries a request may gather; more are not added.
const MOST: usize = 64;

/// How a target came about (RFC 7044 §10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7044 section 10.4 has these")]
pub enum Retarget {
    /// `np`: it is the Request-URI itself.
    Same,
    /// `rc`: a contact of the same user.
    Contact,
    /// `mp`: another user, or a number's.
    Mapped,
    /// Out of a redirection that does not say.
    Unknown,
}

/// The entries of one request, in the order of their indices.
#[derive(Clone, Debug)]
pub struct History {
    entries: Vec<Entry>,
    /// The index of the Request-URI that arrived: copies go below it.
    here: Box<str>,
    branches: u32,
    /// Does the caller want to hear of it (§9.4)?
    is_told: bool,
}

/// One entry: a target, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    index: Box<str>,
    /// The URI without its header fields.
    target: Box<str>,
    /// Header fields in the URI, escaped as they stand there.
    fields: Vec<(Box<str>, Box<str>)>,
    /// The parameters behind the brackets other than the index, with their semicolon.
    rest: Box<str>,
}

impl Entry {
    fn read(value: &HistoryInfo<'_>) -> Option<Self> {
        let index = value.index()?;
        let uri = value.uri();
        let fields = uri
            .headers()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let text = uri.as_str();
        let target = text.split_once('?').map_or(text, |(target, _)| target);
        let rest: String = value
            .params()
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("index"))
            .map(|(name, value)| match value {
                Some(value) => format!(";{name}={value}"),
                None => format!(";{name}"),
            })
            .collect();
        Some(Self {
            index: index.into(),
            target: target.into(),
            fields,
            rest: rest.into(),
        })
    }

    /// Its index, such as `1.2.1`.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    fn order(&self) -> Vec<u32> {
        self.index
            .split('.')
            .map(|number| number.parse().unwrap_or(u32::MAX))
            .collect()
    }

    /// The value of the field.
    fn value(&self) -> String {
        let mut text = format!("<{}", self.target);
        for (place, (name, value)) in self.fields.iter().enumerate() {
            text.push(if place == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text.push_str(">;index=");
        text.push_str(&self.index);
        text.push_str(&self.rest);
        text
    }

    /// §10.2: a tel URI has no place for a reason.
    fn add_reason(&mut self, reason: &str) {
        let is_sip = UriRef::parse(&self.target).is_ok_and(|uri| uri.is_sip());
        if is_sip {
            let value = uri::escape_header(reason).into_owned();
            self.fields.push(("Reason".into(), value.into()));
        }
    }
}

impl History {
    /// What a request brought, completed for the hop before if that added nothing (RFC 7044 §9.1).
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        let mut entries: Vec<Entry> = headers
            .typed_all::<HistoryInfo<'_>>()
            .filter_map(Result::ok)
            .filter_map(|value| Entry::read(&value))
            .take(MOST)
            .collect();
        let is_told = !entries.is_empty()
            || headers
                .values(HeaderName::Supported)
                .any(|tag| tag.eq_ignore_ascii_case("histinfo"));
        let asked = target(request.uri_str());
        let is_complete = entries
            .last()
            .is_some_and(|last| is_same(&last.target, &asked));
        if !is_complete {
            // §10.3, rule 6: a zero where a hop kept quiet.
            let index = match entries.last() {
                None => "1".into(),
                Some(last) => format!("{}.0", last.index).into(),
            };
            entries.push(Entry {
                index,
                target: asked,
                fields: Vec::new(),
                rest: "".into(),
            });
        }
        let here = entries
            .last()
            .map_or_else(|| "1".into(), |entry| entry.index.clone());
        Self {
            entries,
            here,
            branches: 0,
            is_told,
        }
    }

    /// The entry for a copy to `uri` (RFC 7044 §9.2). It is not among the others before the copy has its answer.
    pub fn retarget(&mut self, uri: &str, how: Retarget) -> Entry {
        let from = self.here.clone();
        self.branches += 1;
        let parameter = match how {
            Retarget::Same => "np",
            Retarget::Contact => "rc",
            Retarget::Mapped => "mp",
            Retarget::Unknown => "",
        };
        let rest = if parameter.is_empty() {
            "".into()
        } else {
            format!(";{parameter}={from}").into()
        };
        Entry {
            index: format!("{from}.{}", self.branches).into(),
            target: target(uri),
            fields: Vec::new(),
            rest,
        }
    }

    /// The entry for a copy that a redirection led to: what its contact said of itself, `rc` or `mp`, with the index of the
    /// copy that was redirected (RFC 7044 §10.4).
    pub fn redirected(&mut self, uri: &str, from: &Entry, how: Retarget) -> Entry {
        let mut entry = self.retarget(uri, Retarget::Unknown);
        entry.rest = match how {
            Retarget::Contact => format!(";rc={}", from.index).into(),
            Retarget::Mapped => format!(";mp={}", from.index).into(),
            Retarget::Same | Retarget::Unknown => "".into(),
        };
        entry
    }

    /// Writes the entries, and the one of this copy, into the copy.
    pub fn write_request(&self, copy: &mut Request, entry: &Entry) {
        copy.headers_mut().remove_all(HeaderName::HistoryInfo);
        for known in self.entries.iter().chain([entry]) {
            copy.headers_mut()
                .push_back(HeaderName::HistoryInfo, known.value());
        }
    }

    /// The copy with this entry has a response other than 100, or timed out, as if by 408 (RFC 7044 §9.3).
    pub fn answered(&mut self, entry: &Entry, response: &Response) {
        let mut entry = entry.clone();
        if response.status().class() > 2 {
            entry.add_reason(&reason(response.status()));
            for value in response.headers().values(HeaderName::Reason).take(4) {
                entry.add_reason(value);
            }
        }
        self.keep(entry);
        // Step 3: what was added further on.
        let more: Vec<Entry> = response
            .headers()
            .typed_all::<HistoryInfo<'_>>()
            .filter_map(Result::ok)
            .filter_map(|value| Entry::read(&value))
            .collect();
        for entry in more {
            if !self.entries.iter().any(|known| known.index == entry.index) {
                self.keep(entry);
            }
        }
    }

    /// Puts an entry in its place; a newer one of the same index and target takes the place of the older.
    fn keep(&mut self, entry: Entry) {
        let known = self
            .entries
            .iter_mut()
            .find(|known| known.index == entry.index && known.target == entry.target);
        if let Some(known) = known {
            *known = entry;
            return;
        }
        if self.entries.len() >= MOST {
            return;
        }
        let order = entry.order();
        let place = self
            .entries
            .iter()
            .position(|known| known.order() > order)
            .unwrap_or(self.entries.len());
        self.entries.insert(place, entry);
    }

    /// Writes the entries into a response, if the caller understands them (RFC 7044 §9.4).
    pub fn write_response(&self, response: &mut Response) {
        if response.status() == StatusCode::TRYING {
            return;
        }
        response.headers_mut().remove_all(HeaderName::HistoryInfo);
        if !self.is_told {
            return;
        }
        for known in &self.entries {
            response
                .headers_mut()
                .push_back(HeaderName::HistoryInfo, known.value());
        }
    }
}

/// Hides the entries of our own domain that are to be hidden, where a message leaves for another (RFC 7044 §10.1.2): all
/// of them if the message asks for it, else those that ask themselves. Says whether the message had asked.
#[must_use]
pub fn hide(headers: &mut sip_message::Headers, is_asked: bool, domains: &Domains) -> bool {
    if !headers.contains(HeaderName::HistoryInfo) {
        return false;
    }
    let values: Vec<String> = headers
        .values(HeaderName::HistoryInfo)
        .map(|value| {
            let Some(mut entry) = NameAddr::parse(value)
                .ok()
                .and_then(|address| Entry::read(&HistoryInfo::new(address)))
            else {
                return value.to_owned();
            };
            let is_private = entry.fields.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case("Privacy")
                    && uri::unescape(value)
                        .split(';')
                        .any(|word| word.trim().eq_ignore_ascii_case("history"))
            });
            let is_ours = UriRef::parse(&entry.target)
                .is_ok_and(|uri| domains.serves(uri) || domains.is_ours(uri));
            if is_private || (is_asked && is_ours) {
                entry.target = ANONYMOUS.into();
            } else if !entry
                .fields
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("Privacy"))
            {
                return value.to_owned();
            }
            entry
                .fields
                .retain(|(name, _)| !name.eq_ignore_ascii_case("Privacy"));
            entry.value()
        })
        .collect();
    headers.remove_all(HeaderName::HistoryInfo);
    for value in values {
        headers.push_back(HeaderName::HistoryInfo, value);
    }
    is_asked
}

/// RFC 3323 §4.1.1.3.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// A URI as an entry has it: without header fields, and a number as a SIP URI is left as it is written.
fn target(uri: &str) -> Box<str> {
    let text = uri.split_once('?').map_or(uri, |(target, _)| target);
    // What would end the brackets is in no URI.
    text.replace(['<', '>'], "").into()
}

fn is_same(one: &str, other: &str) -> bool {
    match (UriRef::parse(one), UriRef::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn reason(status: StatusCode) -> String {
    format!("SIP;cause={}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::{Message, ParserConfig};

    fn request(uri: &str, fields: &str) -> Request {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\n{fields}\r\n"
        );
        match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn response(status: u16, fields: &[(HeaderName, &str)]) -> Response {
        let mut builder = Response::to(
            &request("sip:b@h", ""),
            StatusCode::from_u16(status).unwrap(),
        )
        .to_tag("t");
        for (name, value) in fields {
            builder = builder.header(name.clone(), value);
        }
        builder.build().unwrap()
    }

    fn values(request: &Request) -> Vec<&str> {
        request.headers().values(HeaderName::HistoryInfo).collect()
    }

    #[test]
    fn rfc7044_3_1_example_of_a_call_that_goes_to_voice_mail() {
        // Bob's two contacts, busy and silent, and then his mailbox, as in the figure of section 3.1 in RFC 7044.
        let asked = request("sip:bob@example.com", "Supported: histinfo\r\n");
        let mut history = History::of(&asked);
        let office = history.retarget("sip:bob@192.0.2.4", Retarget::Contact);
        let home = history.retarget("sip:bob@192.0.2.6", Retarget::Contact);
        let mut copy = asked;
        history.write_request(&mut copy, &office);
        assert_eq!(
            values(&copy),
            [
                "<sip:bob@example.com>;index=1",
                "<sip:bob@192.0.2.4>;index=1.1;rc=1"
            ],
            "section 10.3, rule 5: of a parallel fork only its own entry"
        );
        history.answered(&home, &response(408, &[]));
        history.answered(
            &office,
            &response(486, &[(HeaderName::Reason, "Q.850;cause=17")]),
        );
        let mail = history.retarget("sip:vm@192.0.2.5", Retarget::Mapped);
        history.write_request(&mut copy, &mail);
        assert_eq!(
            values(&copy),
            [
                "<sip:bob@example.com>;index=1",
                "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D486&Reason=Q.850%3Bcause%3D17>;index=1.1;rc=1",
                "<sip:bob@192.0.2.6?Reason=SIP%3Bcause%3D408>;index=1.2;rc=1",
                "<sip:vm@192.0.2.5>;index=1.3;mp=1",
            ]
        );
        assert!(
            copy.headers()
                .typed_all::<HistoryInfo<'_>>()
                .all(|entry| entry.is_ok_and(|entry| entry.index().is_some()))
        );
        let mut ok = response(200, &[]);
        history.answered(&mail, &ok);
        history.write_response(&mut ok);
        assert_eq!(ok.headers().values(HeaderName::HistoryInfo).count(), 4);
    }

    #[test]
    fn rfc7044_10_3_rule_6_a_hop_that_kept_quiet_is_a_zero() {
        let mut history = History::of(&request(
            "sip:c@h",
            "History-Info: <sip:a@h>;index=1, <sip:b@h>;index=1.1.2;mp=1\r\n",
        ));
        let entry = history.retarget("sip:c@h", Retarget::Same);
        assert_eq!(entry.value(), "<sip:c@h>;index=1.1.2.0.1;np=1.1.2.0");
        let mut history = History::of(&request("sip:b@h", "History-Info: <sip:b@h>;index=1.1\r\n"));
        assert_eq!(history.retarget("sip:b@h", Retarget::Same).index(), "1.1.1");
    }

    #[test]
    fn rfc7044_10_4_a_redirection_says_how() {
        let mut history = History::of(&request("sip:b@h", ""));
        let first = history.retarget("sip:b@192.0.2.1", Retarget::Contact);
        history.answered(&first, &response(302, &[]));
        let second = history.redirected("sip:c@h", &first, Retarget::Mapped);
        assert_eq!(second.value(), "<sip:c@h>;index=1.2;mp=1.1");
        let third = history.redirected("sip:d@h", &first, Retarget::Unknown);
        assert_eq!(third.value(), "<sip:d@h>;index=1.3");
    }

    #[test]
    fn rfc7044_9_3_entries_from_further_on_are_kept_in_order() {
        let mut history = History::of(&request("sip:b@h", "Supported: histinfo\r\n"));
        let first = history.retarget("sip:b@192.0.2.1", Retarget::Contact);
        let second = history.retarget("sip:b@192.0.2.2", Retarget::Contact);
        history.answered(&second, &response(180, &[]));
        let mut far = response(
            486,
            &[(
                HeaderName::HistoryInfo,
                "<sip:b@h>;index=1, <sip:b@192.0.2.1>;index=1.1;rc=1, <sip:x@y>;index=1.1.1;np=1.1",
            )],
        );
        history.answered(&first, &far);
        history.write_response(&mut far);
        let indices: Vec<String> = far
            .headers()
            .typed_all::<HistoryInfo<'_>>()
            .map(|entry| entry.unwrap().index().unwrap().to_owned())
            .collect();
        assert_eq!(indices, ["1", "1.1", "1.1.1", "1.2"]);
    }

    #[test]
    fn rfc7044_9_4_only_who_understands_it_is_told() {
        let mut history = History::of(&request("sip:b@h", ""));
        let entry = history.retarget("sip:b@192.0.2.1", Retarget::Contact);
        let mut busy = response(486, &[(HeaderName::HistoryInfo, "<sip:b@h>;index=1")]);
        history.answered(&entry, &busy);
        history.write_response(&mut busy);
        assert!(!busy.headers().contains(HeaderName::HistoryInfo));
    }

    #[test]
    fn rfc7044_10_1_2_entries_are_hidden_where_a_message_leaves() {
        let mut domains = Domains::new("example.com");
        domains.add_address("192.0.2.10:5060".parse().unwrap());
        let fields = "History-Info: <sip:a@example.com>;index=1\r\n\
            History-Info: <sip:b@example.com?Privacy=history&Reason=SIP%3Bcause%3D486>;index=1.1;mp=1\r\n\
            History-Info: <sip:c@example.org>;index=1.2;mp=1\r\n";
        let mut all = request("sip:c@example.org", fields);
        assert!(hide(all.headers_mut(), true, &domains));
        let hidden = "<sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1";
        assert_eq!(
            values(&all),
            [
                "<sip:anonymous@anonymous.invalid>;index=1",
                hidden,
                "<sip:c@example.org>;index=1.2;mp=1"
            ]
        );
        let mut one = request("sip:c@example.org", fields);
        assert!(!hide(one.headers_mut(), false, &domains));
        assert_eq!(
            values(&one),
            [
                "<sip:a@example.com>;index=1",
                hidden,
                "<sip:c@example.org>;index=1.2;mp=1"
            ]
        );
    }

    #[test]
    fn entries_are_bounded() {
        let mut history = History::of(&request("sip:b@h", ""));
        for n in 0..200 {
            let entry = history.retarget(&format!("sip:b@192.0.2.{n}"), Retarget::Contact);
            history.answered(&entry, &response(486, &[]));
        }
        assert_eq!(history.entries.len(), MOST);
    }
}
