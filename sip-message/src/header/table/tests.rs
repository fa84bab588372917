use alloc::format;

use super::*;
use crate::header::testing::headers;

/// Fields that are only text here, each with its reason.
const TEXT_ONLY: [(&str, &str); 13] = [
    ("Attestation-Info", "3GPP TS 24.229, no RFC"),
    ("DC-Info", "3GPP TS 24.229, no RFC"),
    ("Encryption", "RFC 2543, removed by RFC 3261"),
    ("Hide", "RFC 2543, removed by RFC 3261"),
    ("Origination-Id", "3GPP TS 24.229, no RFC"),
    ("Priority-Share", "3GPP TS 24.229, no RFC"),
    ("Priority-Verstat", "3GPP TS 24.229, no RFC"),
    ("Relayed-Charge", "3GPP TS 24.229, no RFC"),
    ("Resource-Share", "3GPP TS 24.229, no RFC"),
    ("Response-Key", "RFC 2543, removed by RFC 3261"),
    ("Restoration-Info", "3GPP TS 24.229, no RFC"),
    ("Service-Interact-Info", "3GPP TS 24.229, no RFC"),
    ("X-Not-Registered", "an example of a name without a type"),
];

#[test]
fn every_registered_field_has_a_type_or_a_reason() {
    for name in HeaderName::REGISTERED {
        let types = TYPES.iter().filter(|(_, other)| other == name).count();
        let reasons = TEXT_ONLY
            .iter()
            .filter(|(text, _)| name.as_str() == *text)
            .count();
        assert_eq!(types + reasons, 1, "{name}");
    }
    assert_eq!(
        TYPES.len() + TEXT_ONLY.len() - 1,
        HeaderName::REGISTERED.len()
    );
}

#[test]
fn every_type_is_found_by_the_name_of_its_field() {
    for (kind, name) in TYPES {
        // Words of no token are malformed in every form but a text for people.
        let fields = headers(name.clone(), &["€ €"]);
        let is_text = ["Organization", "Server", "Subject", "UserAgent"].contains(kind);
        assert_eq!(check_field(&fields, 0).is_ok(), is_text, "{kind}");
        assert_eq!(normalize(&fields, name).is_ok(), is_text, "{kind}");
    }
    for (text, _) in TEXT_ONLY {
        let name = HeaderName::from_bytes(text.as_bytes()).unwrap();
        let fields = headers(name.clone(), &["€ €"]);
        assert_eq!(check_field(&fields, 0), Ok(()), "{text}");
        assert_eq!(normalize(&fields, &name).unwrap(), ["€ €"], "{text}");
    }
}

/// Each type has a file of its own name, which says where the field is defined and what its grammar is, has the examples
/// and is in the round-trip property ([`header_tests`](crate::header::testing)).
#[cfg(feature = "std")]
#[test]
fn every_type_has_its_file_with_grammar_examples_and_round_trip() {
    let mut files = Vec::new();
    let mut folders = std::vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/header"
    ))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    for (kind, name) in TYPES {
        let file = files.iter().find(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy();
            stem.replace('_', "") == kind.to_ascii_lowercase()
        });
        let text =
            std::fs::read_to_string(file.unwrap_or_else(|| panic!("{kind}: no file"))).unwrap();
        let comment: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let defined = ["RFC ", "3GPP TS ", "draft-"];
        assert!(
            defined.iter().any(|by| comment.contains(by)),
            "{kind}: defined where?"
        );
        assert!(comment.contains("= "), "{kind}: no grammar");
        let tests = text.split("header_tests! {").nth(1).unwrap_or_default();
        let (tested, examples) = tests.trim_start().split_once(", ").unwrap_or_default();
        assert_eq!(
            tested.trim_end_matches("<'_>"),
            *kind,
            "not in the round-trip property"
        );
        // The tests of an RFC's examples have its number in their name.
        let by_rfc = name.defined_in().is_some_and(|by| by.starts_with("RFC"));
        assert!(
            examples.starts_with("rfc") || !by_rfc,
            "{kind}: whose examples?"
        );
        assert!(tests.contains("built: ("), "{kind}: not built");
    }
}

/// What `HEADERS.md` has to be: one line for each entry of the name table, with its type here.
fn documentation() -> String {
    let mut out =
        String::from("| field | compact | values | defined in | type |\n|---|---|---|---|---|\n");
    for name in HeaderName::REGISTERED {
        let kind = TYPES.iter().find(|(_, other)| other == name).map_or_else(
            || String::from("text"),
            |(kind, _)| format!("[`{kind}`](crate::header::{kind})"),
        );
        out.push_str(&format!(
            "| {name} | {} | {} | {} | {kind} |\n",
            name.compact().unwrap_or_default(),
            if name.is_list() { "list" } else { "one" },
            name.defined_in().unwrap_or_default(),
        ));
    }
    out
}

/// The table in the documentation of `header` is the table of the code. To write it anew, run with `UPDATE_HEADERS=1`.
#[cfg(feature = "std")]
#[test]
fn the_documented_table_is_that_of_the_code() {
    #[expect(clippy::disallowed_methods, reason = "the tests' one switch")]
    if std::env::var("UPDATE_HEADERS").is_ok() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/HEADERS.md");
        std::fs::write(path, documentation()).unwrap();
        return;
    }
    assert!(
        include_str!("../../../HEADERS.md") == documentation(),
        "HEADERS.md is out of date: UPDATE_HEADERS=1 cargo test -p sip-message --lib documented_table"
    );
}
