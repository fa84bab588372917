//! Privacy as far as a proxy can give it (RFC 3323 §5, RFC 7044 §10.1.2).
//!
//! | wish | here |
//! |---|---|
//! | `none` | nothing is hidden, the field stays |
//! | `id` | the asserted identity stays in the trust domain ([`leave`](super::asserted::leave)) |
//! | `history` | the retargetings of this domain are hidden |
//! | `header`, `user` | what only informs comes off: Subject, Call-Info, Organization, User-Agent, Reply-To, In-Reply-To, Server. The Via, Contact and From of the caller stay, for to hide them takes a back-to-back user agent |
//! | `session` | nothing: the same |
//! | `critical` | 500 when one of the others is not given in full |

use sip_message::header::Privacy;
use sip_message::{HeaderName, Headers};

use super::{Trust, asserted};
use crate::domain::Domains;
use crate::routing::hide;

/// What a message asks for that a proxy does not give in full: if it insists (`critical`), it is refused as 500, with a
/// reason phrase that names this (RFC 3323 §5). `None`: it may go on.
#[must_use]
pub fn unsupported(headers: &Headers) -> Option<String> {
    let privacy = headers.typed::<Privacy<'_>>().ok().flatten()?;
    if !privacy.is_critical() || privacy.is_none() {
        return None;
    }
    let wanting: Vec<&str> = privacy
        .iter()
        .filter(|word| {
            !["id", "history", "critical"]
                .iter()
                .any(|given| given.eq_ignore_ascii_case(word))
        })
        .collect();
    (!wanting.is_empty()).then(|| format!("Privacy Not Supported: {}", wanting.join(", ")))
}

/// Applies what a message asks for where it leaves the trust domain.
pub fn leave(headers: &mut Headers, trust: &Trust, domains: &Domains) {
    asserted::leave(headers, trust);
    let wish = match headers.typed::<Privacy<'_>>() {
        Ok(Some(privacy)) if privacy.is_none() => return,
        Ok(Some(privacy)) => privacy
            .iter()
            .map(str::to_ascii_lowercase)
            .collect::<Vec<_>>(),
        Ok(None) | Err(_) => Vec::new(),
    };
    let wants = |word: &str| wish.iter().any(|other| other == word);
    if wants("header") || wants("user") {
        for name in INFORMATION {
            headers.remove_all(name);
        }
    }
    let is_done = hide(headers, wants("history") || wants("header"), domains);
    // RFC 7044 §10.1.2: what was done for the history is not asked for again.
    if is_done && wants("history") {
        let left: Vec<&str> = wish
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "history")
            .collect();
        headers.remove_all(HeaderName::Privacy);
        // RFC 3323 §5: "critical" alone asks for nothing.
        if left.iter().any(|word| *word != "critical") {
            headers.push_back(HeaderName::Privacy, left.join(";"));
        } else {
            remove_option(headers);
        }
    }
}

/// RFC 3323 §5: without a Privacy field nobody needs to understand one.
fn remove_option(headers: &mut Headers) {
    let others: Vec<String> = headers
        .values(HeaderName::ProxyRequire)
        .filter(|tag| !tag.eq_ignore_ascii_case(OPTION))
        .map(str::to_owned)
        .collect();
    if headers.remove_all(HeaderName::ProxyRequire) > 0 && !others.is_empty() {
        headers.push_back(HeaderName::ProxyRequire, others.join(", "));
    }
}

/// The option tag by which a request makes sure that proxies know of privacy (RFC 3323 §4.3).
pub const OPTION: &str = "privacy";

/// RFC 3323 §5.1, §5.3.
const INFORMATION: [HeaderName; 7] = [
    HeaderName::Subject,
    HeaderName::CallInfo,
    HeaderName::Organization,
    HeaderName::UserAgent,
    HeaderName::ReplyTo,
    HeaderName::InReplyTo,
    HeaderName::Server,
];

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::{Message, ParserConfig, Request};

    fn request(fields: &str) -> Request {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\n{fields}\r\n"
        );
        match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn rfc3323_5_what_is_critical_and_not_given_in_full_fails() {
        for (privacy, expected) in [
            ("id", None),
            ("header", None),
            ("id;critical", None),
            ("id; history; critical", None),
            ("none;critical", None),
            ("header;id;critical", Some("Privacy Not Supported: header")),
            (
                "Session;user;critical",
                Some("Privacy Not Supported: Session, user"),
            ),
        ] {
            let request = request(&format!("Privacy: {privacy}\r\n"));
            assert_eq!(
                unsupported(request.headers()).as_deref(),
                expected,
                "{privacy}"
            );
        }
        assert_eq!(unsupported(request("").headers()), None);
    }

    #[test]
    fn rfc3323_5_3_what_only_informs_comes_off() {
        let domains = Domains::new("example.com");
        let fields = "Subject: s\r\nCall-Info: <http://h>\r\nOrganization: o\r\nUser-Agent: u\r\nReply-To: <sip:r@h>\r\n\
            In-Reply-To: i\r\nContact: <sip:a@192.0.2.1>\r\nP-Asserted-Identity: <sip:a@h>\r\n";
        let mut user = request(&format!("{fields}Privacy: user;id\r\n"));
        leave(user.headers_mut(), &Trust::new(), &domains);
        for name in INFORMATION {
            assert!(!user.headers().contains(name.clone()), "{name:?}");
        }
        assert!(!user.headers().contains(HeaderName::PAssertedIdentity));
        assert!(user.headers().contains(HeaderName::Contact));
        assert_eq!(user.headers().get(HeaderName::Privacy), Some("user;id"));
        let mut none = request(&format!("{fields}Privacy: none\r\n"));
        let before = none.to_bytes();
        leave(none.headers_mut(), &Trust::new(), &domains);
        assert_eq!(none.to_bytes(), before);
    }

    #[test]
    fn rfc7044_10_1_2_the_history_is_hidden_once() {
        let domains = Domains::new("example.com");
        let history =
            "History-Info: <sip:a@example.com>;index=1\r\nProxy-Require: privacy, foo\r\n";
        for (privacy, left) in [
            ("history", None),
            ("history;critical", None),
            ("history;id", Some("id")),
            ("id", Some("id")),
        ] {
            let mut request = request(&format!("{history}Privacy: {privacy}\r\n"));
            leave(request.headers_mut(), &Trust::new(), &domains);
            assert_eq!(request.headers().get(HeaderName::Privacy), left);
            let required = if left.is_none() {
                "foo"
            } else {
                "privacy, foo"
            };
            assert_eq!(
                request.headers().get(HeaderName::ProxyRequire),
                Some(required)
            );
            let is_hidden = request
                .headers()
                .get(HeaderName::HistoryInfo)
                .is_some_and(|value| value.contains("anonymous.invalid"));
            assert_eq!(is_hidden, privacy.contains("history"));
        }
    }
}
