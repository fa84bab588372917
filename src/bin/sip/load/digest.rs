//! The answer to a challenge (RFC 3261 section 22, RFC 7616).

use sip_dialog::digest::{Algorithm, Inputs, Qop};

/// The parameters of a challenge.
#[derive(Debug, PartialEq, Eq)]
struct Challenge<'a> {
    realm: &'a str,
    nonce: &'a str,
    opaque: Option<&'a str>,
    algorithm: Algorithm,
    has_qop: bool,
}

impl<'a> Challenge<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let (scheme, mut rest) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut challenge = Self {
            realm: "",
            nonce: "",
            opaque: None,
            algorithm: Algorithm::Md5,
            has_qop: false,
        };
        while let Some((name, value)) = rest.split_once('=') {
            let value = value.trim_start();
            let (value, behind) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value.split_at(value.find(',').unwrap_or(value.len())),
            };
            rest = behind.trim_start().trim_start_matches(',');
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = value,
                "nonce" => challenge.nonce = value,
                "opaque" => challenge.opaque = Some(value),
                "algorithm" => challenge.algorithm = Algorithm::from_token(value.trim())?,
                "qop" => challenge.has_qop = value.split(',').any(|one| one.trim() == "auth"),
                _ => {}
            }
        }
        Some(challenge)
    }
}

/// The value of Authorization or Proxy-Authorization that answers the first of the challenges whose algorithm is known
/// (RFC 8760 section 2.4); `None` if there is none.
pub(super) fn answer<'a>(
    challenges: impl Iterator<Item = &'a str>,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    cnonce: &str,
) -> Option<String> {
    let mut challenges = challenges;
    let challenge = challenges.find_map(Challenge::parse)?;
    let ha1 = challenge.algorithm.ha1(user, challenge.realm, password);
    let inputs = Inputs {
        algorithm: challenge.algorithm,
        ha1: &ha1,
        nonce: challenge.nonce,
        qop: challenge.has_qop.then_some((Qop::Auth, 1, cnonce)),
        cnonce,
        method,
        uri,
        body: b"",
    };
    let response = inputs.response();
    let mut value = format!(
        "Digest username=\"{user}\",realm=\"{}\",nonce=\"{}\",uri=\"{uri}\",response=\"{response}\",algorithm={}",
        challenge.realm,
        challenge.nonce,
        challenge.algorithm.as_str()
    );
    if challenge.has_qop {
        value.push_str(",qop=auth,nc=00000001,cnonce=\"");
        value.push_str(cnonce);
        value.push('"');
    }
    if let Some(opaque) = challenge.opaque {
        value.push_str(",opaque=\"");
        value.push_str(opaque);
        value.push('"');
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc2617_3_5_the_example() {
        let challenge = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let value = answer(
            std::iter::once(challenge),
            "Mufasa",
            "Circle Of Life",
            "GET",
            "/dir/index.html",
            "0a4f113b",
        )
        .unwrap();
        assert!(
            value.contains("response=\"6629fae49393a05397450978507c4ef1\""),
            "{value}"
        );
        assert!(value.ends_with("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
    }

    #[test]
    fn rfc8760_2_4_an_algorithm_that_is_unknown_is_passed_over() {
        let challenges = [
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA3-512",
            "Basic realm=\"r\"",
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"",
        ];
        let value = answer(challenges.into_iter(), "u", "p", "REGISTER", "sip:h", "c").unwrap();
        assert!(value.contains("algorithm=SHA-256"), "{value}");
        assert!(answer(std::iter::empty(), "u", "p", "REGISTER", "sip:h", "c").is_none());
    }
}
