//! What the tests of each header share: examples as a table, and two properties.
//!
//! [`header_tests`] makes three tests. The RFC's examples read, and are written as they came or as the table says; what
//! the table calls refused is refused. What is built from generated parts reads back as the same value. Whatever else
//! reads (examples with a few characters changed, noise) is written so that it reads back as the same value.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::{HeaderName, Headers, TypedHeader};

pub(crate) fn headers(name: HeaderName, lines: &[&str]) -> Headers {
    let mut headers = Headers::with_capacity(64);
    for line in lines {
        headers.push_back(name.clone(), line);
    }
    headers
}

pub(crate) fn encoded<'a, H: TypedHeader<'a>>(header: &H) -> String {
    let mut out = Vec::new();
    header.encode(&mut out);
    String::from_utf8(out).unwrap()
}

/// Decodes each text, encodes it, and compares with what is expected; `None` stands for an error.
macro_rules! check_reencode {
    ($header:ty, $cases:expr) => {
        for (text, expected) in $cases {
            let headers = $crate::header::testing::headers(
                <$header as $crate::TypedHeader<'_>>::NAME,
                &[text],
            );
            let again = headers.typed::<$header>().map(|header| {
                $crate::header::testing::encoded(
                    &header.unwrap_or_else(|| panic!("{text}: no value")),
                )
            });
            let expected: Option<&str> = expected;
            assert_eq!(again.as_deref().ok(), expected, "{text}");
        }
    };
}
pub(crate) use check_reencode;

/// The three tests of a header: see the top of the file. `"text" => "again"` stands for an example that is written in
/// another way than it came.
macro_rules! header_tests {
    (
        $header:ty,
        $examples:ident: [$($text:literal $(=> $again:literal)?),* $(,)?],
        refused: [$($bad:literal),* $(,)?],
        built: ($($arg:ident in $strategy:expr),* $(,)?) => $(let $local:ident = $value:expr;)* $build:expr $(,)?
    ) => {
        #[test]
        fn $examples() {
            let name = <$header as $crate::TypedHeader<'_>>::NAME;
            $(
                let headers = $crate::header::testing::headers(name.clone(), &[$text]);
                let value = headers.typed::<$header>();
                assert!(matches!(value, Ok(Some(_))), "{:?}: {value:?}", $text);
                let value = value.ok().flatten().expect("just looked");
                let again: &[&str] = &[$text $(, $again)?];
                assert_eq!(
                    $crate::header::testing::encoded(&value),
                    again[again.len() - 1],
                    "{:?}", $text
                );
            )*
            let refused: &[&str] = &[$($bad),*];
            for bad in refused {
                let headers = $crate::header::testing::headers(name.clone(), &[bad]);
                assert!(headers.typed::<$header>().is_err(), "{bad:?} reads");
            }
        }

        proptest::proptest! {
            #![proptest_config($crate::header::testing::config())]

            #[test]
            fn what_is_built_reads_back($($arg in $strategy),*) {
                $(let $local = $value;)*
                let value: $header = $build;
                let text = $crate::header::testing::encoded(&value);
                let headers = $crate::header::testing::headers(<$header as $crate::TypedHeader<'_>>::NAME, &[&text]);
                let again = headers.typed::<$header>();
                proptest::prop_assert!(matches!(again, Ok(Some(_))), "{:?}: {:?}", text, again);
                let again = again.ok().flatten().expect("just looked");
                proptest::prop_assert_eq!(&again, &value, "{:?}", text);
                proptest::prop_assert_eq!($crate::header::testing::encoded(&again), text);
            }

            #[test]
            fn what_reads_writes_and_reads_again(text in $crate::header::testing::soup(&[$($text),*])) {
                let headers = $crate::header::testing::headers(<$header as $crate::TypedHeader<'_>>::NAME, &[&text]);
                if let Ok(Some(value)) = headers.typed::<$header>() {
                    let text = $crate::header::testing::encoded(&value);
                    let headers = $crate::header::testing::headers(<$header as $crate::TypedHeader<'_>>::NAME, &[&text]);
                    let again = headers.typed::<$header>();
                    proptest::prop_assert!(matches!(again, Ok(Some(_))), "{:?}: {:?}", text, again);
                    let again = again.ok().flatten().expect("just looked");
                    proptest::prop_assert_eq!(&again, &value, "{:?}", text);
                    proptest::prop_assert_eq!($crate::header::testing::encoded(&again), text);
                }
            }
        }
    };
}
pub(crate) use header_tests;

/// Fewer cases than usual: there are over two hundred of these tests, and each value is small.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// An example with up to three characters changed, or noise.
pub(crate) fn soup(examples: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit = (
        any::<Index>(),
        0..3_u8,
        "[a-z0-9;,=<>\"\\\\@:*./ \\t\u{e9}-]",
    );
    let edited = (any::<Index>(), proptest::collection::vec(edit, 0..4)).prop_map(
        move |(example, edits)| {
            let mut chars: Vec<char> = examples
                .get(example.index(examples.len().max(1)))
                .map_or_else(Vec::new, |text| text.chars().collect());
            for (at, what, with) in edits {
                let at = at.index(chars.len() + 1);
                let with = with.chars().next().unwrap_or(' ');
                match what {
                    0 => chars.insert(at, with),
                    1 if at < chars.len() => chars[at] = with,
                    _ if at < chars.len() => {
                        chars.remove(at);
                    }
                    _ => {}
                }
            }
            chars.into_iter().collect::<String>()
        },
    );
    prop_oneof![4 => edited, 1 => "[ -~\\t\u{e9}\u{20ac}]{0,24}"]
        .prop_map(|text: String| text.trim().to_string())
}

pub(crate) fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

/// A token without dots and with nothing that a q value or a number would be.
pub(crate) fn label() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,8}"
}

pub(crate) fn tokens() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(token(), 0..6)
}

pub(crate) fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

pub(crate) fn hex(len: core::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    proptest::collection::vec("[0-9A-F]", len).prop_map(|digits| digits.concat())
}

pub(crate) fn call_id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~()<>:\\\\/\"\\[\\]?{}-]{1,12}(@[a-z0-9.-]{1,12})?"
}

pub(crate) fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}(\\.[a-z]{2,5}){0,2}",
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}")),
        "\\[2001:db8::[1-9a-f]{1,4}\\]",
    ]
}

pub(crate) fn hostport() -> impl Strategy<Value = String> {
    (host(), proptest::option::of(any::<u16>()))
        .prop_map(|(host, port)| port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// Text of any script, without control characters.
pub(crate) fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

/// Text of any script without white space at its ends, as a field has it.
pub(crate) fn line() -> impl Strategy<Value = String> {
    "[!-~\u{e9}\u{20ac}\u{4f60}](\\PC{0,10}[!-~\u{e9}\u{20ac}\u{4f60}])?"
}

pub(crate) fn uri() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (
            prop_oneof!["sip", "sips"],
            proptest::option::of("[a-z0-9.;&=+$,?/%_!~*'()-]{1,10}".prop_filter("escapes", |user| !user.contains('%'))),
            hostport(),
            proptest::option::of(prop_oneof!["lr", "transport=tcp", "gr=urn:uuid:f81d4fae", "pn-prid=ZTY4"]),
            proptest::option::of("[A-Z][a-z]{1,5}=[a-z]{1,6}"),
        )
            .prop_map(|(scheme, user, host, param, header)| {
                let user = user.map_or_else(String::new, |user| format!("{user}@"));
                let param = param.map_or_else(String::new, |param| format!(";{param}"));
                let header = header.map_or_else(String::new, |header| format!("?{header}"));
                format!("{scheme}:{user}{host}{param}{header}")
            }),
        1 => "tel:\\+[0-9]{5,12}(;ext=[0-9]{1,4})?",
        1 => "urn:service:sos(\\.[a-z]{1,6})?",
        1 => "https?://[a-z]{1,8}\\.example/[a-z0-9/]{0,8}(\\?[a-z]{1,4}=[a-z]{1,4})?",
        1 => "cid:[a-z0-9]{1,8}@[a-z]{1,8}\\.example",
    ]
}

/// Parameters with names that no RFC gives a form to.
pub(crate) fn params() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let value =
        prop_oneof![1 => Just(None), 1 => token().prop_map(Some), 1 => text().prop_map(Some)];
    proptest::collection::vec(("x-[a-z]{1,5}", value), 0..4)
}

/// The value with all these parameters set.
macro_rules! with_params {
    ($value:expr, $params:expr) => {
        $params.iter().fold($value, |value, (name, text)| {
            value.with_param(name, text.as_deref())
        })
    };
}
pub(crate) use with_params;

/// An address of generated parts.
pub(crate) fn address<'a>(
    uri: &'a str,
    display: &'a str,
    params: &[(String, Option<String>)],
) -> crate::header::NameAddr<'a> {
    let address =
        crate::header::NameAddr::new(crate::UriRef::parse(uri).unwrap()).with_display_name(display);
    with_params!(address, params)
}

/// Some of the parameters that the RFC of a header names, with values of their own form.
pub(crate) fn some_of(
    known: &'static [(&'static str, &'static str)],
) -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    proptest::sample::subsequence(known, 0..=known.len()).prop_flat_map(|chosen| {
        chosen
            .into_iter()
            .map(|(name, pattern)| {
                let value = if pattern.is_empty() {
                    Just(None).boxed()
                } else {
                    proptest::string::string_regex(pattern)
                        .unwrap()
                        .prop_map(Some)
                        .boxed()
                };
                (Just((*name).to_string()), value)
            })
            .collect::<Vec<_>>()
    })
}
