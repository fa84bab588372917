//! History-Info: the retargetings that the request went through (RFC 7044 §5).
//!
//! ```text
//! one of the values = [ display name ] "<" URI ">", then parameters:
//!     index = number *( "." number ), and one of rc, mp and np = the same form
//! ; Reason and Privacy stand in the URI, as header fields
//! ```

use alloc::borrow::Cow;

use crate::header::NameAddr;
use crate::header::shape::newtype_header;
use crate::param::Params;

newtype_header! {
    /// One retargeting that the request went through (RFC 7044 §5).
    ///
    /// ```
    /// use sip_message::header::{HistoryInfo, HistoryTarget, NameAddr};
    /// let text = "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.2;rc=1.1";
    /// let entry = HistoryInfo::new(NameAddr::parse(text).unwrap());
    /// assert_eq!((entry.index(), entry.target()), (Some("1.2"), Some(HistoryTarget::Contact("1.1"))));
    /// assert_eq!(entry.reason().as_deref(), Some("SIP;cause=302"));
    /// ```
    HistoryInfo(NameAddr) = HistoryInfo
}

/// How the URI of an entry came from that of another one, whose index is given (RFC 7044 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 7044 section 5 has these three"
)]
pub enum HistoryTarget<'a> {
    /// `rc`: a contact of the same user.
    Contact(&'a str),
    /// `mp`: mapped to another user.
    Mapped(&'a str),
    /// `np`: not changed.
    Same(&'a str),
}

impl HistoryInfo<'_> {
    /// The place in the tree of retargetings: `1.1.2`. `None` when it is missing or has another form.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        index(self.params(), "index")
    }

    /// How the URI came about.
    #[must_use]
    pub fn target(&self) -> Option<HistoryTarget<'_>> {
        history_target(self.params())
    }

    /// The Reason field in the URI: why the request left this target (RFC 7044 §10.2), to be read with
    /// [`Reason::parse`](crate::header::Reason::parse).
    #[must_use]
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        self.field_in_uri("Reason")
    }

    /// Must the entry be hidden outside the domain that made it (RFC 7044 §10.1.1)?
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.field_in_uri("Privacy").is_some_and(|privacy| {
            privacy
                .split(';')
                .any(|value| value.trim().eq_ignore_ascii_case("history"))
        })
    }

    fn field_in_uri(&self, name: &str) -> Option<Cow<'_, str>> {
        self.uri()
            .headers()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| crate::uri::unescape(value))
    }
}

/// Which of the three parameters there is, with its index.
pub(in crate::header) fn history_target<'a>(params: &'a Params<'_>) -> Option<HistoryTarget<'a>> {
    let contact = index(params, "rc").map(HistoryTarget::Contact);
    let mapped = || index(params, "mp").map(HistoryTarget::Mapped);
    let same = || index(params, "np").map(HistoryTarget::Same);
    contact.or_else(mapped).or_else(same)
}

fn index<'a>(params: &'a Params<'_>, name: &str) -> Option<&'a str> {
    params.get(name).filter(|index| is_index(index))
}

/// `number *( "." number )`, without zeros in front.
fn is_index(text: &str) -> bool {
    text.split('.').all(|number| {
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && (number.len() == 1 || !number.starts_with('0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{address, header_tests, params, text, uri};

    header_tests! {
        HistoryInfo<'_>, rfc7044_5_examples: [
            "<sip:UserA@ims.example.com>;index=1;foo=bar",
            "<sip:UserA@ims.example.com?Reason=SIP%3Bcause%3D302>;index=1.1",
            "<sip:UserB@example.com?Privacy=history&Reason=SIP%3Bcause%3D486>;index=1.2;mp=1.1",
            "<sip:45432@192.168.0.3>;index=1.3;rc=1.2",
        ],
        refused: ["", ";index=1", "<sip:h"],
        built: (target in uri(), display in text(), more in params()) => HistoryInfo::new(address(&target, &display, &more)),
    }

    #[test]
    fn rfc7044_5_targets_and_hidden_fields() {
        let entry = |text| HistoryInfo::new(NameAddr::parse(text).unwrap());
        let value = entry(
            "<sip:UserB@example.com?Privacy=history&Reason=SIP%3Bcause%3D486>;index=1.2;mp=1.1",
        );
        assert_eq!(
            (value.index(), value.target()),
            (Some("1.2"), Some(HistoryTarget::Mapped("1.1")))
        );
        assert!(value.is_private() && value.reason().as_deref() == Some("SIP;cause=486"));
        let value = entry("<sip:h>;index=1.0.3;np=1");
        assert_eq!(
            (value.index(), value.target()),
            (Some("1.0.3"), Some(HistoryTarget::Same("1")))
        );
        assert!(!value.is_private());
        for bad in [
            "<sip:h>",
            "<sip:h>;index=1.",
            "<sip:h>;index=01",
            "<sip:h>;index=a;rc=b",
        ] {
            assert_eq!(
                (entry(bad).index(), entry(bad).target()),
                (None, None),
                "{bad}"
            );
        }
    }
}
