//! Asserted identities (RFC 3325, and RFC 5876 for other methods and schemes): who the network says that the caller is.

use sip_message::header::{NameAddr, PAssertedIdentity, PPreferredIdentity, Privacy};
use sip_message::uri::Scheme;
use sip_message::{HeaderName, Headers, Uri, UriRef};

use super::Trust;

/// What a message brings into the trust domain: from outside, no assertion; from inside, at most one SIP or SIPS URI and
/// one telephone URI, the first of each (RFC 3325 §5, RFC 5876 §4.5).
pub fn receive(headers: &mut Headers, is_trusted: bool) {
    if !headers.contains(HeaderName::PAssertedIdentity) {
        return;
    }
    let mut kept: Vec<(bool, String)> = Vec::new();
    if is_trusted {
        for value in headers.values(HeaderName::PAssertedIdentity) {
            let Ok(address) = NameAddr::parse(value) else {
                continue;
            };
            if let Some(is_number) = kind(address.uri())
                && !kept.iter().any(|(known, _)| *known == is_number)
            {
                kept.push((is_number, value.to_owned()));
            }
        }
        let is_untouched = kept.len() == headers.values(HeaderName::PAssertedIdentity).count();
        if is_untouched {
            return;
        }
    }
    headers.remove_all(HeaderName::PAssertedIdentity);
    for (_, value) in kept {
        headers.push_back(HeaderName::PAssertedIdentity, value);
    }
}

/// Asserts a user who has proven to be one (RFC 3325 §5, §6). `identities` are those that the user has, the usual first;
/// of them it may prefer a SIP one and a number by P-Preferred-Identity, with a display name. A preference for another's
/// identity is passed over, and the field goes no further.
pub fn assert(headers: &mut Headers, identities: &[Uri]) {
    let mut chosen: Vec<(bool, String)> = Vec::new();
    for hint in headers
        .typed_all::<PPreferredIdentity<'_>>()
        .filter_map(Result::ok)
    {
        let Some(is_number) = kind(hint.uri()) else {
            continue;
        };
        let is_own = identities
            .iter()
            .any(|own| is_same_identity(own.as_ref(), hint.uri()));
        if is_own && !chosen.iter().any(|(known, _)| *known == is_number) {
            chosen.push((is_number, hint.to_string()));
        }
    }
    if chosen.is_empty()
        && let Some(usual) = identities.first()
    {
        chosen.push((false, format!("<{usual}>")));
    }
    headers.remove_all(HeaderName::PPreferredIdentity);
    headers.remove_all(HeaderName::PAssertedIdentity);
    for (_, value) in chosen {
        headers.push_back(HeaderName::PAssertedIdentity, value);
    }
}

/// What may leave with a message that goes to a next hop outside of the trust domain (RFC 3325 §7): nothing if the user
/// says `Privacy: id`, all if it says `none`, else as the trust domain has it.
pub fn leave(headers: &mut Headers, trust: &Trust) {
    if !headers.contains(HeaderName::PAssertedIdentity) {
        return;
    }
    let hides = match headers.typed::<Privacy<'_>>() {
        Ok(Some(privacy)) if privacy.is_none() => false,
        Ok(Some(privacy)) if privacy.contains("id") => true,
        // A wish that cannot be read is rather fulfilled.
        Err(_) => true,
        Ok(_) => trust.hides_outside(),
    };
    if hides {
        headers.remove_all(HeaderName::PAssertedIdentity);
    }
}

/// The identities that a message asserts.
#[must_use]
pub fn identities(headers: &Headers) -> Vec<Uri> {
    headers
        .typed_all::<PAssertedIdentity<'_>>()
        .filter_map(Result::ok)
        .map(|identity| identity.uri().to_uri())
        .collect()
}

/// Does the caller hide who it is from whom it calls (RFC 5079 §4)?
#[must_use]
pub fn is_anonymous(headers: &Headers) -> bool {
    let is_hidden = headers
        .typed::<Privacy<'_>>()
        .ok()
        .flatten()
        .is_some_and(|privacy| {
            !privacy.is_none()
                && ["id", "user", "header"]
                    .iter()
                    .any(|word| privacy.contains(word))
        });
    let is_nobody = headers
        .typed::<sip_message::header::From<'_>>()
        .ok()
        .flatten()
        .is_some_and(|from| is_anonymous_uri(from.uri()));
    is_hidden || (is_nobody && !headers.contains(HeaderName::PAssertedIdentity))
}

/// RFC 3323 §4.1.1.3: a URI that tells nothing.
#[must_use]
pub fn is_anonymous_uri(uri: UriRef<'_>) -> bool {
    uri.host_str()
        .is_some_and(|host| host.eq_ignore_ascii_case("anonymous.invalid"))
}

/// `true` for a number, `false` for a SIP or SIPS URI, `None` for what is not asserted.
fn kind(uri: UriRef<'_>) -> Option<bool> {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips => Some(false),
        _ => uri.scheme_str().eq_ignore_ascii_case("tel").then_some(true),
    }
}

/// The same user, whatever the parameters and whether SIP or SIPS; or the same number, whatever the separators.
fn is_same_identity(own: UriRef<'_>, hint: UriRef<'_>) -> bool {
    match (kind(own), kind(hint)) {
        (Some(false), Some(false)) => {
            own.user_unescaped() == hint.user_unescaped()
                && own.port() == hint.port()
                && own
                    .host_str()
                    .zip(hint.host_str())
                    .is_some_and(|(own, hint)| own.eq_ignore_ascii_case(hint))
        }
        (Some(true), Some(true)) => {
            crate::routing::user_part(own) == crate::routing::user_part(hint)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_message::{Message, ParserConfig, Request};

    fn request(fields: &str) -> Request {
        let from = if fields.contains("From:") {
            ""
        } else {
            "From: <sip:a@h>;tag=1\r\n"
        };
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{from}To: <sip:b@h>\r\nCall-ID: x\r\n\
             CSeq: 1 INVITE\r\n{fields}\r\n"
        );
        match Message::parse(text.into(), &ParserConfig::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn asserted(request: &Request) -> Vec<&str> {
        request
            .headers()
            .values(HeaderName::PAssertedIdentity)
            .collect()
    }

    fn uris(list: &[&str]) -> Vec<Uri> {
        list.iter().map(|text| Uri::parse(text).unwrap()).collect()
    }

    #[test]
    fn rfc3325_5_assertions_of_others_do_not_come_in() {
        let fields = "P-Asserted-Identity: <sip:a@h>, <tel:+1>, <sip:c@h>, <http://h>\r\n";
        let mut outside = request(fields);
        receive(outside.headers_mut(), false);
        assert!(asserted(&outside).is_empty());
        let mut inside = request(fields);
        receive(inside.headers_mut(), true);
        assert_eq!(asserted(&inside), ["<sip:a@h>", "<tel:+1>"]);
    }

    #[test]
    fn rfc3325_6_a_preference_is_a_hint_for_the_users_own_identities() {
        let own = uris(&["sip:alice@example.com", "tel:+49-30-1234"]);
        for (preferred, expected) in [
            ("", vec!["<sip:alice@example.com>"]),
            (
                "P-Preferred-Identity: <tel:+49301234>\r\n",
                vec!["<tel:+49301234>"],
            ),
            (
                "P-Preferred-Identity: \"Alice A\" <sips:alice@EXAMPLE.com;user=phone>\r\nP-Preferred-Identity: <tel:+49301234>\r\n",
                vec![
                    "\"Alice A\" <sips:alice@EXAMPLE.com;user=phone>",
                    "<tel:+49301234>",
                ],
            ),
            (
                "P-Preferred-Identity: <sip:bob@example.com>\r\n",
                vec!["<sip:alice@example.com>"],
            ),
            (
                "P-Preferred-Identity: <tel:+49309999>\r\n",
                vec!["<sip:alice@example.com>"],
            ),
            (
                "P-Preferred-Identity: <sip:alice@example.com:5070>\r\n",
                vec!["<sip:alice@example.com>"],
            ),
        ] {
            let mut request = request(preferred);
            assert(request.headers_mut(), &own);
            assert_eq!(asserted(&request), expected, "{preferred}");
            assert!(!request.headers().contains(HeaderName::PPreferredIdentity));
        }
    }

    #[test]
    fn rfc3325_7_what_leaves_is_up_to_the_user_first() {
        for (privacy, hides, stays) in [
            ("", false, true),
            ("", true, false),
            ("Privacy: id\r\n", false, false),
            ("Privacy: header; ID; critical\r\n", false, false),
            ("Privacy: none\r\n", true, true),
            ("Privacy: id, none\r\n", false, false),
        ] {
            let mut request = request(&format!("P-Asserted-Identity: <sip:a@h>\r\n{privacy}"));
            leave(request.headers_mut(), &Trust::new().hide_outside(hides));
            assert_eq!(!asserted(&request).is_empty(), stays, "{privacy:?} {hides}");
        }
    }

    #[test]
    fn rfc5079_4_who_is_anonymous() {
        let nobody = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1\r\n";
        for (fields, expected) in [
            (String::new(), false),
            (nobody.to_owned(), true),
            (format!("{nobody}P-Asserted-Identity: <sip:a@h>\r\n"), false),
            (
                format!("{nobody}P-Asserted-Identity: <sip:a@h>\r\nPrivacy: id\r\n"),
                true,
            ),
            ("Privacy: none\r\n".to_owned(), false),
            ("Privacy: session\r\n".to_owned(), false),
        ] {
            assert_eq!(
                is_anonymous(request(&fields).headers()),
                expected,
                "{fields}"
            );
        }
    }
}
