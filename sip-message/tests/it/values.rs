//! Values of fields: how lists and parameters are taken apart, against an obvious reading of RFC 3261 section 25.1, and
//! what is not UTF-8.

use bytes::Bytes;
use proptest::prelude::*;
use sip_message::header::{Contact, From, NameAddr};
use sip_message::{HeaderName, Headers, Message, Method, Params, ParserConfig, Request, UriRef};

/// The values of a list, by walking over its characters: a comma separates unless it is in quotes or in brackets. A quote
/// or bracket that does not end has the rest of the text in it.
fn obvious_list(text: &str) -> Vec<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Plain,
        Quotes,
        Escape,
        Brackets,
    }
    let mut values = vec![String::new()];
    let mut state = In::Plain;
    for c in text.chars() {
        let before = state;
        state = match (state, c) {
            (In::Plain, '"') => In::Quotes,
            (In::Plain, '<') => In::Brackets,
            (In::Quotes, '\\') => In::Escape,
            (In::Quotes, '"') | (In::Brackets, '>') => In::Plain,
            (In::Escape, _) => In::Quotes,
            (state, _) => state,
        };
        if before == In::Plain && c == ',' {
            values.push(String::new());
        } else {
            values.last_mut().unwrap().push(c);
        }
    }
    values
        .iter()
        .map(|value| value.trim_matches([' ', '\t', '\r', '\n']).to_owned())
        .collect()
}

/// Name and value of each parameter.
type Pairs = Vec<(String, Option<String>)>;

/// The parameters in a text, or nothing if it is none: a recursive descent over `*( SEMI name [ EQUAL value ] )`.
fn obvious_params(text: &str) -> Option<Pairs> {
    struct Text<'a>(&'a [u8]);
    impl Text<'_> {
        fn space(&mut self) {
            while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.0 {
                self.0 = rest;
            }
        }
        fn eat(&mut self, wanted: u8) -> bool {
            let found = self.0.first() == Some(&wanted);
            if found {
                self.0 = &self.0[1..];
            }
            found
        }
        fn run(&mut self, is_in: impl Fn(u8) -> bool) -> String {
            let mut out = String::new();
            while let Some(&byte) = self.0.first().filter(|byte| is_in(**byte)) {
                out.push(char::from(byte));
                self.0 = &self.0[1..];
            }
            out
        }
        /// From a quote to the next one that has no backslash before it.
        fn quoted(&mut self) -> Option<String> {
            let mut out = Vec::new();
            self.eat(b'"');
            loop {
                let (&first, rest) = self.0.split_first()?;
                self.0 = rest;
                match first {
                    b'"' => return Some(format!("\"{}\"", String::from_utf8(out).ok()?)),
                    b'\\' => {
                        let (&second, rest) = self.0.split_first()?;
                        if second >= 0x80 || second == b'\r' || second == b'\n' {
                            return None;
                        }
                        out.extend([first, second]);
                        self.0 = rest;
                    }
                    byte => out.push(byte),
                }
            }
        }
    }
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    let mut text = Text(text.as_bytes());
    let mut found = Vec::new();
    loop {
        text.space();
        if text.0.is_empty() {
            return Some(found);
        }
        if !text.eat(b';') {
            return None;
        }
        text.space();
        let name = text.run(token);
        if name.is_empty() {
            return None;
        }
        text.space();
        let mut value = None;
        if text.eat(b'=') {
            text.space();
            let written = match text.0.first() {
                Some(b'"') => text.quoted()?,
                Some(b'<') => {
                    let inside = text.run(|byte| byte != b'>');
                    if !text.eat(b'>') {
                        return None;
                    }
                    format!("{inside}>")
                }
                // A token, a host, or what a URI has and nothing else could be.
                _ => text.run(|byte| token(byte) || b"[]:/@()&$=".contains(&byte)),
            };
            if written.is_empty() {
                return None;
            }
            value = Some(written);
        }
        found.push((name, value));
    }
}

/// Display name as written, URI and parameters of an address (RFC 3261 section 25.1 `name-addr` and `addr-spec`, section
/// 20.10 on where a bare URI ends), or nothing if it is none. What is a URI, the crate says.
fn obvious_address(text: &str) -> Option<(String, String, Pairs)> {
    let space = [' ', '\t', '\r', '\n'];
    let text = text.trim_start_matches(space);
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    let (display, rest) = if text.starts_with('"') {
        let mut end = 1;
        while text.as_bytes().get(end)? != &b'"' {
            if text.as_bytes()[end] == b'\\' {
                let next = *text.as_bytes().get(end + 1)?;
                if next >= 0x80 || next == b'\r' || next == b'\n' {
                    return None;
                }
                end += 1;
            }
            end += 1;
        }
        let rest = text[end + 1..].trim_start_matches(space);
        (&text[..=end], rest.strip_prefix('<').map(|_| rest)?)
    } else {
        match text.split_once('<') {
            Some((name, _)) if name.chars().all(|c| is_token(c) || space.contains(&c)) => {
                (name.trim_end_matches(space), &text[name.len()..])
            }
            _ => ("", text),
        }
    };
    let (uri, params) = match rest.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?,
        None => {
            let end = rest
                .find(|c| space.contains(&c) || ";,?<>\"".contains(c))
                .unwrap_or(rest.len());
            rest.split_at(end)
        }
    };
    UriRef::parse(uri).ok()?;
    Some((display.to_owned(), uri.to_owned(), obvious_params(params)?))
}

/// The display name without its quotes and escapes: one character after a backslash is itself.
fn obvious_name(display: &str) -> String {
    let Some(inner) = display
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return display.to_owned();
    };
    let mut chars = inner.chars();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

fn one_field(name: HeaderName, text: &str) -> Request {
    let mut request = Request::builder(Method::Options, "sip:h")
        .build_partial()
        .unwrap();
    request.headers_mut().push_back(name, text);
    request
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rfc3261_7_3_1_the_obvious_splitting_agrees(text in "[a-c,\"<>\\\\ ;\u{e9}]{0,24}") {
        let request = one_field(HeaderName::Contact, &text);
        // Setting a value takes the white space off its ends.
        let Some(text) = request.headers().get(HeaderName::Contact).filter(|text| !text.is_empty()) else {
            prop_assert_eq!(request.headers().values(HeaderName::Contact).count(), 0);
            return Ok(());
        };
        let values: Vec<&str> = request.headers().values(HeaderName::Contact).collect();
        prop_assert_eq!(&values, &obvious_list(text), "{:?}", text);
        let mut backwards: Vec<&str> = request.headers().values_rev(HeaderName::Contact).collect();
        backwards.reverse();
        prop_assert_eq!(values, backwards, "{:?}", text);
    }

    #[test]
    fn rfc3261_25_1_the_obvious_address_agrees(
        text in "(\"?[a-c \\\\\u{e9}]{0,4}\"?)?[ \t]?<?sips?:[a-c@;=:5%]{1,5}>?(;|[a-c=\"<>,? ]){0,8}",
    ) {
        let found = NameAddr::parse(&text).ok().map(|address| {
            let params = address.params().iter();
            let params = params.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
            let name = address.display_name().unwrap_or_default().into_owned();
            (name, address.uri().as_str().to_owned(), params.collect::<Pairs>())
        });
        let obvious = obvious_address(&text)
            .map(|(display, uri, params)| (obvious_name(&display), uri, params));
        prop_assert_eq!(found, obvious, "{:?}", text);
    }

    #[test]
    fn rfc3261_25_1_the_obvious_parameters_agree(text in "([;=] ?|[a-c]|\"|<|>|\\\\|[ @:\\[]|\u{e9}){0,16}") {
        let found = Params::parse(&text).ok().map(|params| {
            params.iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect::<Pairs>()
        });
        prop_assert_eq!(found, obvious_params(&text), "{:?}", text);
    }
}

#[test]
fn rfc3261_25_1_display_names_are_utf8_in_quotes() {
    let request = one_field(
        HeaderName::From,
        "\"J\u{f6}rg \\\"\u{4f60}\u{597d}\\\"\" <sip:j@h>;tag=1",
    );
    let from: From<'_> = request.headers().typed().unwrap().unwrap();
    assert_eq!(
        from.display_name().unwrap(),
        "J\u{f6}rg \"\u{4f60}\u{597d}\""
    );
    // Without quotes a display name is tokens, and those are ASCII.
    let request = one_field(HeaderName::From, "J\u{f6}rg <sip:j@h>;tag=1");
    assert!(request.headers().typed::<From<'_>>().is_err());
}

#[test]
fn rfc3261_7_bytes_of_another_encoding_are_seen_as_bytes() {
    let head = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: \"J\xf6rg\" <sip:j@h>;tag=1\r\nTo: <sip:b>\r\n\
        Call-ID: c\r\nCSeq: 1 OPTIONS\r\nm: <sip:a@h>, \"\xe9\" <sip:b@h>, <sip:c@h>\r\n\r\n";
    assert!(Message::parse(Bytes::from_static(head), &ParserConfig::default()).is_err());
    let mut config = ParserConfig::default();
    config.accept_non_utf8 = true;
    let message = Message::parse(Bytes::from_static(head), &config).unwrap();
    let headers: &Headers = message.headers();
    assert!(headers.typed::<From<'_>>().is_err() && headers.get(HeaderName::From).is_none());
    assert_eq!(
        headers.get_bytes(HeaderName::From),
        Some(&b"\"J\xf6rg\" <sip:j@h>;tag=1"[..])
    );
    // The text values are there beside the one that is not, which is seen as bytes and as an error.
    assert!(
        headers
            .values(HeaderName::Contact)
            .eq(["<sip:a@h>", "<sip:c@h>"])
    );
    let mut values = headers.values(HeaderName::Contact);
    values.next_bytes();
    assert_eq!(values.next_bytes(), Some(&b"\"\xe9\" <sip:b@h>"[..]));
    let read: Vec<bool> = headers
        .typed_all::<Contact<'_>>()
        .map(|contact| contact.is_ok())
        .collect();
    assert_eq!(read, [true, false, true]);
    assert_eq!(message.to_bytes(), &head[..]);
}
