//! What came of each sin against each role of the program: kept by each run, put together in `docs/robustness.md`.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::shell;

/// The columns: what `misbehaving` calls the role, and what the page does.
const COLUMNS: [(&str, &str); 7] = [
    ("registrar", "registrar"),
    ("proxy", "proxy, from the caller"),
    ("proxy-callee", "proxy, from the callee"),
    ("notifier", "notifier"),
    ("redirect", "redirect server"),
    ("callee", "`sip answer`"),
    ("caller", "`sip call`"),
];

fn file(role: &str, wire: &str) -> PathBuf {
    shell::target_dir()
        .join("misbehaving")
        .join(format!("{role}-{wire}.txt"))
}

/// Keeps what the program `misbehaving` has printed.
pub(crate) fn keep(role: &str, wire: &str, printed: &str) -> Result<()> {
    let path = file(role, wire);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, printed)?;
    Ok(())
}

/// Writes the part of the page.
pub(crate) fn write() -> Result<()> {
    let mut found = BTreeMap::new();
    for (role, _) in COLUMNS {
        for wire in ["udp", "tcp"] {
            let text = fs::read_to_string(file(role, wire)).with_context(|| {
                format!("nothing was found for {role} over {wire}; `cargo xtask interop misbehaving` does it")
            })?;
            found.insert((role, wire), verdicts(&text));
        }
    }
    super::write("misbehaving", &part(&found))
}

/// Per sin what came of it, in the order of the sins; the last is for the honest calls.
fn verdicts(printed: &str) -> Vec<(String, String)> {
    printed
        .lines()
        .filter_map(|line| {
            let mut words = line.split('\t');
            let (sin, verdict) = (words.next()?, words.next()?);
            let (expected, word) = (words.next()?, words.next()?);
            let verdict = match (sin, word) {
                ("honest", _) => format!("{verdict} of {expected}"),
                (_, "ok") => verdict.to_owned(),
                (_, _) => format!("**{verdict}**"),
            };
            Some((sin.to_owned(), verdict))
        })
        .collect()
}

fn part(found: &BTreeMap<(&str, &str), Vec<(String, String)>>) -> String {
    let mut out = String::from(
        "## A peer that misbehaves\n\n\
         `misbehaving`, of `sip-testkit`, does each of its named sins to the program, all at once, and makes honest calls by the side of it.\n\
         A cell is the final answer that whoever began it gets, over UDP / over TCP if they differ; `none` is silence, which is right where an\n\
         answer is impossible or forbidden. What is expected, and why, is in `sip-testkit/src/misbehave/verdicts.txt`; a cell in bold is not as\n\
         expected. After each run the server's transactions, its proxied requests and its lookups of names have to be none again, and every datagram\n\
         that it sent has to pass the strict validator. The same table, with the stateless proxy, is played in virtual time by `cargo test`\n\
         (`tests/it/misbehaving.rs`). Made by `cargo xtask interop misbehaving --bless`.\n\n| sin |",
    );
    for (_, title) in COLUMNS {
        let _ = write!(out, " {title} |");
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(COLUMNS.len()));
    let sins = found.values().next().into_iter().flatten();
    for (row, (sin, _)) in sins.enumerate() {
        let name = if sin == "honest" {
            "honest calls by the side of it"
        } else {
            sin
        };
        let _ = write!(out, "| {name} |");
        for (role, _) in COLUMNS {
            let cell = |wire| {
                let column: Option<&Vec<(String, String)>> = found.get(&(role, wire));
                column
                    .and_then(|column| column.get(row))
                    .map_or("", |(_, verdict)| verdict.as_str())
            };
            let (udp, tcp) = (cell("udp"), cell("tcp"));
            if udp == tcp {
                let _ = write!(out, " {udp} |");
            } else {
                let _ = write!(out, " {udp} / {tcp} |");
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_sin() {
        let printed =
            "no-ack\t200\t200\tok\ngarbage\t500\t200\tWRONG\nhonest\t11\t11\tok\na fault\n";
        let mut found = BTreeMap::new();
        for (role, _) in COLUMNS {
            found.insert((role, "udp"), verdicts(printed));
            found.insert((role, "tcp"), verdicts(&printed.replacen("200", "400", 1)));
        }
        let text = part(&found);
        assert!(
            text.contains("\n| no-ack | 200 / 400 | 200 / 400 |"),
            "{text}"
        );
        assert!(text.contains("\n| garbage | **500** |"), "{text}");
        assert!(
            text.contains("\n| honest calls by the side of it | 11 of 11 |"),
            "{text}"
        );
    }
}
