//! What came of each sin against each role of the program, and of others: kept by each run, put together in `docs/robustness.md`.

use std::{
    collections::BTreeMap, fmt::Write as _, fs, net::SocketAddr, path::PathBuf, process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{blackbox::script, shell};

/// Who is sinned against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Program,
    Kamailio,
    Baresip,
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Self::Program => "sip",
            Self::Kamailio => "kamailio",
            Self::Baresip => "baresip",
        }
    }
}

/// A column: who, what `misbehaving` calls the role, and what the page does.
type Column = (Subject, &'static str, &'static str);

const OURS: [Column; 7] = [
    (Subject::Program, "registrar", "registrar"),
    (Subject::Program, "proxy", "proxy, from the caller"),
    (Subject::Program, "proxy-callee", "proxy, from the callee"),
    (Subject::Program, "notifier", "notifier"),
    (Subject::Program, "redirect", "redirect server"),
    (Subject::Program, "callee", "`sip answer`"),
    (Subject::Program, "caller", "`sip call`"),
];

const OTHERS: [Column; 5] = [
    (Subject::Kamailio, "registrar", "Kamailio: registrar"),
    (Subject::Kamailio, "proxy", "proxy, from the caller"),
    (Subject::Kamailio, "proxy-callee", "proxy, from the callee"),
    (Subject::Baresip, "callee", "baresip answers"),
    (Subject::Baresip, "caller", "baresip calls"),
];

/// What came of it, by role and transport.
type Found = BTreeMap<(&'static str, &'static str), Vec<(String, String)>>;

fn file(subject: Subject, role: &str, wire: &str) -> PathBuf {
    let name = format!("{}-{role}-{wire}.txt", subject.name());
    shell::target_dir().join("misbehaving").join(name)
}

/// Keeps what the program `misbehaving` has printed.
pub(crate) fn keep(subject: Subject, role: &str, wire: &str, printed: &str) -> Result<()> {
    let path = file(subject, role, wire);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, printed)?;
    Ok(())
}

/// How many verdicts were as expected, and of how many.
pub(crate) fn shared(subject: Subject, role: &str, wire: &str) -> Result<(usize, usize)> {
    let text = fs::read_to_string(file(subject, role, wire))?;
    Ok(as_expected(&verdicts(&text)))
}

/// The program that misbehaves, built if it is not there.
pub(crate) fn program() -> Result<PathBuf> {
    let program = shell::target_dir().join("debug/misbehaving");
    if !program.is_file() {
        build()?;
    }
    Ok(program)
}

fn build() -> Result<()> {
    shell::run(shell::cargo().args(["build", "--package", "sip-testkit", "--bin", "misbehaving"]))
}

/// `cargo xtask conformance --subject .. --misbehaving`: an implementation that runs already.
pub(crate) fn from_outside(
    address: SocketAddr,
    wire: &str,
    role: script::Role,
    domain: Option<&str>,
    caller: Option<&str>,
) -> Result<()> {
    build()?;
    let roles: &[&str] = match role {
        script::Role::Server => &["registrar", "proxy", "proxy-callee"],
        script::Role::Callee => &["callee"],
        script::Role::Caller => &["caller"],
    };
    println!(
        "In each role every sin of docs/robustness.md, for about a minute. A line is the sin, what came of it, what may come of it, and \
         `ok` if that is the same; the last is how many of the peers that behave were served."
    );
    let mut wrong = 0;
    for role in roles {
        println!("{role}:");
        let mut command = Command::new(program()?);
        command
            .args(["--role", role, "--wire", wire])
            .args(["--subject", &address.to_string()]);
        if let Some(domain) = domain {
            command.args(["--domain", domain]);
        }
        if let Some(caller) = caller {
            let target = caller.replace("sip:alice@{self}", "{target}");
            command.args(["--call", &target]);
        }
        let status = command.status().context("misbehaving does not start")?;
        match status.code() {
            Some(0) => {}
            Some(1) => wrong += 1,
            _ => bail!(
                "the role {role} could not begin: does the subject listen at {address} over {wire}, is its domain {}, and does it take \
                 registrations and calls without a password?",
                domain.map_or_else(|| address.ip().to_string(), str::to_owned)
            ),
        }
    }
    if wrong > 0 {
        bail!(
            "in {wrong} of {} roles something came that may not: the lines without `ok`",
            roles.len()
        );
    }
    println!("{} roles: nothing came that may not", roles.len());
    Ok(())
}

/// Writes the two parts of the page of which there are results.
pub(crate) fn write() -> Result<()> {
    let (ours, others) = (found(&OURS), found(&OTHERS));
    if let (Err(why), Err(_)) = (&ours, &others) {
        bail!("{why:#}");
    }
    match ours {
        Ok(ours) => super::write("misbehaving", &part(&ours))?,
        Err(why) => println!("{why:#}"),
    }
    match others {
        Ok(others) => super::write("others", &compared(&others))?,
        Err(why) => println!("{why:#}"),
    }
    Ok(())
}

fn found(columns: &[Column]) -> Result<Found> {
    let mut found = Found::new();
    for &(subject, role, _) in columns {
        for wire in ["udp", "tcp"] {
            let text = fs::read_to_string(file(subject, role, wire)).with_context(|| {
                format!(
                    "nothing was found for {} as {role} over {wire}; `cargo xtask interop misbehaving` does it",
                    subject.name()
                )
            })?;
            found.insert((role, wire), verdicts(&text));
        }
    }
    Ok(found)
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

/// How many verdicts are not in bold, and of how many.
fn as_expected(verdicts: &[(String, String)]) -> (usize, usize) {
    let sins = verdicts.iter().filter(|(sin, _)| sin != "honest");
    let good = sins
        .clone()
        .filter(|(_, verdict)| !verdict.starts_with("**"));
    (good.count(), sins.count())
}

fn part(ours: &Found) -> String {
    let mut out = String::from(
        "## A peer that misbehaves\n\n\
         `misbehaving`, of `sip-testkit`, does each of its named sins to the program, all at once, and makes honest calls by the side of it.\n\
         A cell is the final answer that whoever began it gets, over UDP / over TCP if they differ; `none` is silence, which is right where an\n\
         answer is impossible or forbidden. What is expected, and why, is in `sip-testkit/src/misbehave/verdicts.txt`; a cell in bold is not as\n\
         expected. After each run the server's transactions, its proxied requests and its lookups of names have to be none again, and every datagram\n\
         that it sent has to pass the strict validator. The same table, with the stateless proxy, is played in virtual time by `cargo test`\n\
         (`tests/it/misbehaving.rs`). Made by `cargo xtask interop misbehaving --bless`; `cargo xtask conformance --subject udp:HOST:PORT\n\
         --misbehaving` does it to anything else.\n\n",
    );
    table(&mut out, &OURS, ours);
    out
}

fn compared(others: &Found) -> String {
    let mut out = String::from(
        "## The same peer against others\n\n\
         Kamailio 5.6 and baresip 1.0 of Debian 12, with the configuration in `xtask/interop` (that of Kamailio has its `sanity` module check\n\
         each request). Bold is what we would have answered otherwise, and not always a fault: who takes more than the RFC demands, or answers by\n\
         another code that it permits, is in bold as well.\n\n",
    );
    table(&mut out, &OTHERS, others);
    out
}

fn table(out: &mut String, columns: &[Column], found: &Found) {
    out.push_str("| sin |");
    for (_, _, title) in columns {
        let _ = write!(out, " {title} |");
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(columns.len()));
    let sins = found.values().next().into_iter().flatten();
    for (row, (sin, _)) in sins.enumerate() {
        let name = if sin == "honest" {
            "honest calls by the side of it"
        } else {
            sin
        };
        let _ = write!(out, "| {name} |");
        for &(_, role, _) in columns {
            let cell = |wire| {
                let column = found.get(&(role, wire));
                column
                    .and_then(|column| column.get(row))
                    .map_or("", |(_, verdict)| verdict.as_str())
            };
            both(out, cell("udp"), cell("tcp"));
        }
        out.push('\n');
    }
    out.push_str("| as expected |");
    for &(_, role, _) in columns {
        let count = |wire| {
            let column = found.get(&(role, wire)).map(Vec::as_slice);
            let (good, all) = as_expected(column.unwrap_or_default());
            format!("{good} of {all}")
        };
        both(out, &count("udp"), &count("tcp"));
    }
    out.push('\n');
}

fn both(out: &mut String, udp: &str, tcp: &str) {
    let _ = if udp == tcp {
        write!(out, " {udp} |")
    } else {
        write!(out, " {udp} / {tcp} |")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_sin() {
        let printed =
            "no-ack\t200\t200\tok\ngarbage\t500\t200\tWRONG\nhonest\t11\t11\tok\na fault\n";
        let found = |columns: &[Column]| {
            let mut found = Found::new();
            for &(_, role, _) in columns {
                found.insert((role, "udp"), verdicts(printed));
                found.insert((role, "tcp"), verdicts(&printed.replacen("200", "400", 1)));
            }
            found
        };
        let text = part(&found(&OURS)) + &compared(&found(&OTHERS));
        for expected in [
            "\n| no-ack | 200 / 400 | 200 / 400 |",
            "\n| garbage | **500** |",
            "\n| honest calls by the side of it | 11 of 11 |",
            "\n| as expected | 1 of 2 |",
        ] {
            assert_eq!(text.matches(expected).count(), 2, "{expected}: {text}");
        }
    }
}
