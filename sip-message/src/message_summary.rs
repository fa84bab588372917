//! [`MessageSummary`]: `application/simple-message-summary` (RFC 3842 §5.2), what NOTIFY of the package
//! `message-summary` carries.
//!
//! ```text
//! summary = "Messages-Waiting" ":" ( "yes" / "no" ) CRLF
//!           [ "Message-Account" ":" URI CRLF ]
//!           *( class ":" new "/" old [ "(" new urgent "/" old urgent ")" ] CRLF )
//!           [ CRLF 1*( field CRLF ) ]                 ; about single messages
//! class   = "voice-message" / "fax-message" / "pager-message" / "multimedia-message" / "text-message" / "none" / ...
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::error::HeaderError;
use crate::lex::{self, Cursor};
use crate::uri::UriRef;

/// How many classes of messages are read. There are six, and each may have extensions; more is no summary.
const MAX_CLASSES: usize = 32;

/// How many messages wait in a mailbox.
///
/// ```
/// use sip_message::{MessageCount, MessageSummary};
/// let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n";
/// let summary = MessageSummary::parse(body).unwrap();
/// assert!(summary.is_waiting());
/// assert_eq!(summary.account().unwrap().user(), Some("alice"));
/// assert_eq!(summary.count("voice-message"), Some(MessageCount::new(2, 8).with_urgent(0, 2)));
/// assert_eq!(summary.to_text(), body);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MessageSummary<'a> {
    waiting: bool,
    account: Option<UriRef<'a>>,
    classes: Vec<(&'a str, MessageCount)>,
    details: &'a str,
}

/// The messages of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageCount {
    /// New ones.
    pub new: u32,
    /// Old ones.
    pub old: u32,
    /// How many of the new and of the old ones are urgent, if it is said.
    pub urgent: Option<(u32, u32)>,
}

impl MessageCount {
    /// Without a word on urgent ones.
    #[must_use]
    pub const fn new(new: u32, old: u32) -> Self {
        Self {
            new,
            old,
            urgent: None,
        }
    }

    /// Says how many of the new and of the old ones are urgent.
    #[must_use]
    pub const fn with_urgent(mut self, new: u32, old: u32) -> Self {
        self.urgent = Some((new, old));
        self
    }

    /// `new "/" old [ "(" new urgent "/" old urgent ")" ]`, with white space around everything.
    fn parse(text: &str) -> Result<Self, HeaderError> {
        let reason = "message count expected";
        let mut cursor = Cursor::new(text);
        let pair = |cursor: &mut Cursor<'_>| {
            let new = cursor.number(reason)?;
            if !cursor.eat_separator(b'/') {
                return Err(cursor.error(reason));
            }
            Ok((new, cursor.number(reason)?))
        };
        let (new, old) = pair(&mut cursor)?;
        let mut urgent = None;
        if cursor.eat_separator(b'(') {
            urgent = Some(pair(&mut cursor)?);
            if !cursor.eat_separator(b')') {
                return Err(cursor.error("`)` expected"));
            }
        }
        cursor.finish("unexpected text after a message count")?;
        Ok(Self { new, old, urgent })
    }
}

impl<'a> MessageSummary<'a> {
    /// A summary that says whether new messages wait.
    #[must_use]
    pub const fn new(waiting: bool) -> Self {
        Self {
            waiting,
            account: None,
            classes: Vec::new(),
            details: "",
        }
    }

    /// Reads a body. Lines may end in CRLF or in LF alone, which some voice mail servers send.
    ///
    /// # Errors
    /// When the text does not have the form. Lines of classes that have no counts are passed over.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut rest = text;
        let mut next = || -> Option<(usize, &'a str)> {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let at = text.len() - rest.len();
            rest = after;
            let line = line.strip_suffix('\r').unwrap_or(line);
            (!line.is_empty()).then_some((at, line))
        };
        let missing = || HeaderError::new("Messages-Waiting expected", 0);
        let status = next()
            .and_then(|(_, line)| field(line))
            .filter(|(name, _)| is(name, "Messages-Waiting"));
        let (_, status) = status.ok_or_else(missing)?;
        let waiting = is(status, "yes");
        if !waiting && !is(status, "no") {
            return Err(missing());
        }
        let mut summary = Self::new(waiting);
        while let Some((at, line)) = next() {
            let (name, value) =
                field(line).ok_or_else(|| HeaderError::new("malformed line", at))?;
            if is(name, "Message-Account") {
                let uri = UriRef::parse(value).map_err(|error| {
                    HeaderError::new(error.reason(), at + line.len() - value.len())
                })?;
                summary.account = Some(uri);
            } else if value.starts_with(|c: char| c.is_ascii_digit()) {
                let count = MessageCount::parse(value)
                    .map_err(|error| HeaderError::new(error.reason(), at))?;
                if summary.classes.len() >= MAX_CLASSES {
                    return Err(HeaderError::new("too many classes of messages", at));
                }
                summary.classes.push((name, count));
            }
        }
        summary.details = rest;
        Ok(summary)
    }

    /// Sets the mailbox.
    #[must_use]
    pub const fn with_account(mut self, account: UriRef<'a>) -> Self {
        self.account = Some(account);
        self
    }

    /// Adds the count of a class: `Voice-Message`, `Fax-Message`, `Text-Message`, ...
    #[must_use]
    pub fn with_count(mut self, class: &'a str, count: MessageCount) -> Self {
        self.classes.push((class, count));
        self
    }

    /// Do new messages wait?
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The mailbox.
    #[must_use]
    pub const fn account(&self) -> Option<UriRef<'a>> {
        self.account
    }

    /// The messages of a class, by its name without regard to case.
    #[must_use]
    pub fn count(&self, class: &str) -> Option<MessageCount> {
        self.counts()
            .find(|(name, _)| is(name, class))
            .map(|(_, count)| count)
    }

    /// The classes with their counts, in order.
    pub fn counts(&self) -> impl Iterator<Item = (&'a str, MessageCount)> {
        self.classes.iter().copied()
    }

    /// The fields about single messages, as they are there.
    #[must_use]
    pub const fn details(&self) -> &'a str {
        self.details
    }

    /// The body, with CRLF after each line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::from("Messages-Waiting: ");
        out.push_str(if self.waiting { "yes\r\n" } else { "no\r\n" });
        if let Some(account) = self.account {
            out.push_str("Message-Account: ");
            out.push_str(account.as_str());
            out.push_str("\r\n");
        }
        for (class, count) in &self.classes {
            // Writing to a String does not fail.
            let _ = write!(out, "{class}: {}/{}", count.new, count.old);
            if let Some((new, old)) = count.urgent {
                let _ = write!(out, " ({new}/{old})");
            }
            out.push_str("\r\n");
        }
        if !self.details.is_empty() {
            out.push_str("\r\n");
            out.push_str(self.details);
        }
        out
    }
}

/// Name and value of a line.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = lex::trim(name);
    crate::chars::all_token(name.as_bytes()).then(|| (name, lex::trim(value)))
}

const fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc3842_4_1_and_5_2_examples() {
        let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\n";
        let summary = MessageSummary::parse(body).unwrap();
        assert_eq!(
            summary.count("VOICE-MESSAGE"),
            Some(MessageCount::new(4, 8).with_urgent(1, 2))
        );
        assert_eq!(summary.to_text(), body);
        let body = "Messages-Waiting: no\r\n";
        let summary = MessageSummary::parse(body).unwrap();
        assert!(!summary.is_waiting() && summary.counts().next().is_none());
        assert_eq!(summary.to_text(), body);
        // The example with fields about single messages.
        let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n\
            Voice-Message: 4/1 (2/0)\r\n\r\nTo: <alice@atlanta.example.com>\r\nSubject: carpool tomorrow?\r\n";
        let summary = MessageSummary::parse(body).unwrap();
        assert!(summary.details().starts_with("To: <alice@"));
        assert_eq!(summary.to_text(), body);
    }

    #[test]
    fn other_forms_and_refusals() {
        let summary =
            MessageSummary::parse("messages-waiting : yEs\nVoice-Message:1 / 2(0/0)\nX: y\n")
                .unwrap();
        assert_eq!(
            summary.count("voice-message"),
            Some(MessageCount::new(1, 2).with_urgent(0, 0))
        );
        for (body, reason) in [
            ("", "Messages-Waiting expected"),
            ("Messages-Waiting: maybe\r\n", "Messages-Waiting expected"),
            ("Voice-Message: 1/2\r\n", "Messages-Waiting expected"),
            ("Messages-Waiting: no\r\nx\r\n", "malformed line"),
            (
                "Messages-Waiting: no\r\nVoice-Message: 1\r\n",
                "message count expected",
            ),
            (
                "Messages-Waiting: no\r\nVoice-Message: 1/2 (3\r\n",
                "message count expected",
            ),
            (
                "Messages-Waiting: no\r\nVoice-Message: 1/2 (3/4\r\n",
                "`)` expected",
            ),
            (
                "Messages-Waiting: no\r\nVoice-Message: 1/4294967296\r\n",
                "message count expected",
            ),
        ] {
            assert_eq!(
                MessageSummary::parse(body).unwrap_err().reason(),
                reason,
                "{body}"
            );
        }
        assert!(MessageSummary::parse("Messages-Waiting: no\r\nMessage-Account: x y\r\n").is_err());
        let many = alloc::format!(
            "Messages-Waiting: no\r\n{}",
            "a: 1/1\r\n".repeat(MAX_CLASSES + 1)
        );
        assert_eq!(
            MessageSummary::parse(&many).unwrap_err().reason(),
            "too many classes of messages"
        );
    }

    proptest! {
        #[test]
        fn what_is_built_reads_back(waiting: bool, counts in proptest::collection::vec(("[a-z]{1,8}-message", any::<(u32, u32)>(), any::<Option<(u32, u32)>>()), 0..5)) {
            let mut summary = MessageSummary::new(waiting);
            for (class, (new, old), urgent) in &counts {
                let mut count = MessageCount::new(*new, *old);
                count.urgent = *urgent;
                summary = summary.with_count(class, count);
            }
            let text = summary.to_text();
            prop_assert_eq!(MessageSummary::parse(&text).unwrap(), summary);
        }

        #[test]
        fn noise_never_panics(text in "(Messages-Waiting: yes\r\n)?[ -~\r\n]{0,60}") {
            if let Ok(summary) = MessageSummary::parse(&text) {
                let again = summary.to_text();
                prop_assert_eq!(MessageSummary::parse(&again).unwrap(), summary);
            }
        }
    }
}
