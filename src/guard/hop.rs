//! Overload control goes from hop to hop (RFC 7339 §5.6): what a client wrote into its Via is for the server that it sent the
//! request to, and for nobody further on.
//!
//! ```text
//!   client -- Via: SIP/2.0/UDP a;branch=z9;oc;oc-algo="loss"  -->  proxy  -- Via: a;branch=z9;kept-oc="loss"  --> server
//!   client <-- Via: SIP/2.0/UDP a;branch=z9;oc=20;...         --   proxy  <-- Via: a;branch=z9;kept-oc="loss" --  server
//! ```
//! The Via comes back in each response, so it can remember that the client asked, under a name that tells others nothing. That
//! serves who keeps no state too.

use sip_message::{HeaderName, Headers, Request, Response};

/// The name of the parameter that remembers what the client understands.
const KEPT: &str = "kept-oc";

/// A request goes on: what the client that sent it says of overload control does not go with it.
pub(crate) fn keep(request: &mut Request) {
    if !tops_may_speak(request.headers()) {
        return;
    }
    let kept = request.headers().values(HeaderName::Via).next();
    if let Some(via) = kept.and_then(kept_back) {
        request.headers_mut().remove_first(HeaderName::Via);
        request.headers_mut().push_front(HeaderName::Via, via);
    }
}

/// A response goes back to the client, and our Via is off it: it says what the client wrote.
pub(crate) fn give_back(response: &mut Response) {
    if !tops_may_speak(response.headers()) {
        return;
    }
    let given = response.headers().values(HeaderName::Via).next();
    if let Some(via) = given.and_then(given_back) {
        response.headers_mut().remove_first(HeaderName::Via);
        response.headers_mut().push_front(HeaderName::Via, via);
    }
}

/// `None`: there is nothing to keep.
fn kept_back(via: &str) -> Option<String> {
    if !may_speak(via.as_bytes())
        || !params(via).any(|param| is_ours(name(param)) || is(param, KEPT))
    {
        return None;
    }
    let asks = params(via).any(|param| is(param, "oc"));
    let algorithms = params(via)
        .find(|param| is(param, "oc-algo"))
        .and_then(value)
        .filter(|_| asks);
    let more = algorithms.map(|algorithms| format!(";{KEPT}={algorithms}"));
    Some(without(via) + &more.unwrap_or_default())
}

/// `None`: the client did not ask.
fn given_back(via: &str) -> Option<String> {
    if !may_speak(via.as_bytes()) {
        return None;
    }
    let algorithms = params(via).find(|param| is(param, KEPT)).and_then(value)?;
    Some(without(via) + &format!(";oc;oc-algo={algorithms}"))
}

/// May there be a parameter of overload control in the topmost Via? Asked of its field as it is, before that is taken apart.
fn tops_may_speak(headers: &Headers) -> bool {
    headers
        .get_bytes(HeaderName::Via)
        // The topmost Via is in another field then.
        .is_some_and(|via| via.is_empty() || may_speak(via))
}

/// May there be a parameter of overload control? All their names begin with one of these letters, and most Vias have no
/// parameter that does.
fn may_speak(via: &[u8]) -> bool {
    memchr::memchr_iter(b';', via).any(|at| {
        let name = via.get(at + 1..).unwrap_or_default().trim_ascii_start();
        matches!(name.first(), Some(b'o' | b'O' | b'k' | b'K'))
    })
}

/// The value of a Via without the parameters of overload control.
fn without(via: &str) -> String {
    let mut kept = via
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_owned();
    for param in params(via) {
        if !is_ours(name(param)) && !is(param, KEPT) {
            kept.push(';');
            kept.push_str(param);
        }
    }
    kept
}

/// The parameters of a Via. A semicolon in quotes separates none.
fn params(via: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = via.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ';' && !is_quoted
    });
    parts.skip(1).map(str::trim)
}

fn name(param: &str) -> &str {
    param.split('=').next().unwrap_or_default().trim_end()
}

fn value(param: &str) -> Option<&str> {
    let (_, value) = param.split_once('=')?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

fn is(param: &str, wanted: &str) -> bool {
    name(param).eq_ignore_ascii_case(wanted)
}

/// RFC 7339 §4.
fn is_ours(name: &str) -> bool {
    ["oc", "oc-algo", "oc-validity", "oc-seq"]
        .iter()
        .any(|ours| name.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7339_5_6_what_the_client_wrote_stays_with_the_server_and_comes_back() {
        for (via, kept, back) in [
            (
                "SIP/2.0/UDP a;branch=z9hG4bK1;oc;oc-algo=\"loss,rate\"",
                Some("SIP/2.0/UDP a;branch=z9hG4bK1;kept-oc=\"loss,rate\""),
                Some("SIP/2.0/UDP a;branch=z9hG4bK1;oc;oc-algo=\"loss,rate\""),
            ),
            (
                "SIP/2.0/UDP a ; OC ; Oc-Algo = loss ; rport=5 ;x=\";oc\"",
                Some("SIP/2.0/UDP a;rport=5;x=\";oc\";kept-oc=loss"),
                Some("SIP/2.0/UDP a;rport=5;x=\";oc\";oc;oc-algo=loss"),
            ),
            // RFC 7339 §4.2: who names no algorithm understands none.
            (
                "SIP/2.0/UDP a;oc;branch=z9hG4bK1",
                Some("SIP/2.0/UDP a;branch=z9hG4bK1"),
                None,
            ),
            ("SIP/2.0/UDP a;oc-algo=loss", Some("SIP/2.0/UDP a"), None),
            ("SIP/2.0/UDP a;oc;oc-algo=", Some("SIP/2.0/UDP a"), None),
            (
                "SIP/2.0/UDP a;oc=5;oc-validity=1;oc-seq=1.0",
                Some("SIP/2.0/UDP a"),
                None,
            ),
            ("SIP/2.0/UDP a;kept-oc=loss", Some("SIP/2.0/UDP a"), None),
            ("SIP/2.0/UDP a;branch=z9hG4bK1;ocean=5;rport", None, None),
            ("SIP/2.0/UDP oc", None, None),
            ("", None, None),
        ] {
            assert_eq!(kept_back(via).as_deref(), kept, "{via}");
            let returned = kept.and_then(given_back);
            assert_eq!(returned.as_deref(), back, "{via}");
        }
        // What a server further on wrote there goes no further.
        assert_eq!(
            given_back("SIP/2.0/UDP a;kept-oc=\"loss\";oc=100;oc-seq=9.0").as_deref(),
            Some("SIP/2.0/UDP a;oc;oc-algo=\"loss\"")
        );
    }
}
