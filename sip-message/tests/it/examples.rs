//! The SIP messages printed in RFCs: each parses, has well-formed fields and comes out as it went in, or has its reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use sip_message::{Message, ParserConfig};

const ARCHIVE: &[u8] = include_bytes!("../data/rfc-examples.txt");
const VERDICTS: &str = include_str!("../data/rfc-examples.verdicts.txt");

pub(crate) struct Example {
    pub(crate) name: String,
    complete: bool,
    pub(crate) bytes: Bytes,
}

/// Entries are a line `=== name length complete|incomplete`, that many bytes, and a line feed.
pub(crate) fn examples() -> Vec<Example> {
    let mut rest = ARCHIVE;
    let mut examples = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|&b| b == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let ["===", name, len, complete] = words[..] else {
            panic!("bad entry line {line}")
        };
        let len: usize = len.parse().unwrap();
        let bytes = Bytes::from_static(&rest[end + 1..end + 1 + len]);
        examples.push(Example {
            name: name.to_owned(),
            complete: complete == "complete",
            bytes,
        });
        rest = &rest[end + 1 + len + 1..];
    }
    examples
}

/// What this crate says about an example: `ok`, or where and why not.
fn verdict(example: &Example) -> String {
    let message = match Message::parse(example.bytes.clone(), &ParserConfig::default()) {
        Ok(message) => message,
        Err(error) => return format!("parse {:?}", error.kind()),
    };
    let mut out = Vec::new();
    message.encode(&mut out);
    // A Content-Length shorter than what is printed cuts the body; the rest comes out as it went in.
    assert!(
        example.bytes.starts_with(&out),
        "{} is not what it was",
        example.name
    );
    match message.validate_all() {
        Ok(()) if out.len() < example.bytes.len() => "ok shorter".to_owned(),
        Ok(()) => "ok".to_owned(),
        Err(error) => {
            let line = example.bytes[..error.offset()]
                .iter()
                .filter(|&&b| b == b'\n')
                .count();
            let line = String::from_utf8_lossy(&example.bytes)
                .lines()
                .nth(line)
                .unwrap_or("")
                .to_owned();
            format!("field {:?}: {line}", error.kind())
        }
    }
}

/// The verdicts file has a line for each example that is not `ok`: name, verdict, and after ` # ` the reason. To write
/// it anew after a change, run with `UPDATE_VERDICTS=1` and give each new line its reason.
#[test]
fn every_printed_message_has_its_verdict() {
    let expected: BTreeMap<&str, (&str, &str)> = VERDICTS
        .lines()
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap();
            let (verdict, reason) = rest.split_once(" # ").unwrap_or((rest, ""));
            (name, (verdict, reason))
        })
        .collect();
    let mut actual = String::new();
    let mut wrong = Vec::new();
    let (mut ok, mut total) = (0, 0);
    for example in examples() {
        total += 1;
        let found = verdict(&example);
        let (wanted, reason) = expected
            .get(example.name.as_str())
            .copied()
            .unwrap_or(("ok", ""));
        if found == "ok" {
            ok += 1;
        } else {
            writeln!(
                actual,
                "{} {found} # {}",
                example.name,
                if reason.is_empty() && !example.complete {
                    "printed in part"
                } else {
                    reason
                }
            )
            .unwrap();
        }
        if found != wanted {
            wrong.push(format!("{} is {found}, expected {wanted}", example.name));
        } else if found != "ok" && reason.is_empty() {
            wrong.push(format!("{} is {found} without a reason", example.name));
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the tests' one switch")]
    if std::env::var("UPDATE_VERDICTS").is_ok() {
        std::fs::write(
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/data/rfc-examples.verdicts.txt"
            ),
            actual,
        )
        .unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{} of {total} ok\n{}",
        ok,
        wrong.join("\n")
    );
}
