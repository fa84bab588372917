//! The registrar under SIPp: many users, wrong passwords.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::interop::{capture, scene::Scene, server::Server, sipp::Sipp};

pub(crate) const CASES: &[Case] = &[
    Case::new("register", "1000-users-udp", |scene| thousand(scene, false)),
    Case::new("register", "1000-users-tcp", |scene| thousand(scene, true)),
    Case::new("register", "wrong-password", wrong_password),
];

/// Names and passwords for a crowd.
pub(crate) fn crowd(size: usize) -> Vec<(String, String)> {
    (0..size)
        .map(|number| {
            (
                format!("user{number:04}"),
                format!("secret-{:05}", number * 7_919 % 99_991),
            )
        })
        .collect()
}

/// As pairs of slices.
pub(crate) fn borrowed(users: &[(String, String)]) -> Vec<(&str, &str)> {
    users
        .iter()
        .map(|(name, password)| (name.as_str(), password.as_str()))
        .collect()
}

fn thousand(scene: &mut Scene, tcp: bool) -> Result<String> {
    let users = crowd(1_000);
    let users = borrowed(&users);
    let mut server = Server::start(scene, &users)?;
    let generator = |label: &str, file| {
        Sipp::file(label, file, 5070)
            .to(Server::address())
            .tcp(tcp)
            .key("contact_port", "5070")
    };
    generator("register", "register.xml")
        .users(scene, &users)?
        .calls(1_000)
        .rate(100)
        .run(scene)?;
    // Each binding is there, and it is the one that was registered.
    generator("query", "query.xml")
        .users(scene, &users)?
        .calls(1_000)
        .rate(200)
        .run(scene)?;
    server.process.stop(Duration::from_secs(10))?;
    let packets = scene.packets()?;
    let (registered, found) = (bindings(&packets, 2)?, bindings(&packets, 3)?);
    if (registered, found) != (1_000, 1_000) {
        bail!("{registered} users were registered and {found} found again, of 1000");
    }
    Ok(
        "1000 registered with digest authentication and found again, each with its own contact"
            .to_owned(),
    )
}

/// How many users had a REGISTER with this number answered 200 with the contact that is theirs, by the packets.
pub(crate) fn bindings(packets: &Path, number: u32) -> Result<usize> {
    let filter = format!(
        "sip.Status-Code == 200 and sip.CSeq.method == \"REGISTER\" and sip.CSeq.seq == {number}"
    );
    let mut users = BTreeSet::new();
    // Several messages in one segment are one row, their values separated by commas, in the same order.
    for row in capture::fields(packets, &filter, &["sip.to.user", "sip.contact.user"])? {
        let (to, contact) = row.split_once('\t').context("two columns")?;
        // An answer 401 in the same segment has a To and no Contact.
        if let Some(other) = contact
            .split(',')
            .find(|contact| !to.split(',').any(|to| to == *contact))
        {
            bail!("an answer to {to} has the contact of '{other}'");
        }
        users.extend(contact.split(',').map(str::to_owned));
    }
    Ok(users.len())
}

/// A wrong password and an unknown user get the same answers, byte for byte but for what names the request.
fn wrong_password(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[("alice", "right")])?;
    let mut answers = BTreeMap::new();
    for (label, user) in [("wrong", "alice"), ("unknown", "nobody")] {
        let (sipp, messages) = Sipp::file(label, "refused.xml", 5070)
            .to(Server::address())
            .messages(scene);
        sipp.users(scene, &[(user, "wrong")])?.calls(1).run(scene)?;
        answers.insert(label, responses(&fs::read_to_string(messages)?, user));
    }
    server.process.stop(Duration::from_secs(10))?;
    let (wrong, unknown) = (&answers["wrong"], &answers["unknown"]);
    let codes: Vec<&str> = wrong
        .iter()
        .filter_map(|answer| answer.split_whitespace().nth(1))
        .collect();
    if codes.len() < 3
        || codes.last() != Some(&"403")
        || codes[..codes.len() - 1].iter().any(|code| *code != "401")
    {
        bail!(
            "a wrong password got {codes:?}; expected 401 to the first request, 401 again, then 403"
        );
    }
    for (one, two) in wrong.iter().zip(unknown) {
        if one != two {
            bail!("a wrong password and an unknown user can be told apart:\n{one}\n--- and\n{two}");
        }
    }
    if wrong.len() != unknown.len() {
        bail!(
            "{} answers to a wrong password, {} to an unknown user",
            wrong.len(),
            unknown.len()
        );
    }
    Ok(format!(
        "{} to a wrong password and to an unknown user alike",
        codes.join(", ")
    ))
}

/// The responses in SIPp's message log, with what differs between any two requests blanked.
fn responses(log: &str, user: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        if line.starts_with("SIP/2.0 ") {
            inside = true;
            found.push(String::new());
        } else if line.trim().is_empty() || line.starts_with("----") {
            inside = false;
        }
        if let Some(answer) = found.last_mut().filter(|_| inside) {
            let name = line.split(':').next().unwrap_or(line);
            let line = match name {
                "Via" | "Call-ID" | "CSeq" | "Date" => format!("{name}: *"),
                "From" | "To" => line
                    .replace(user, "*")
                    .split(";tag=")
                    .next()
                    .unwrap_or(line)
                    .to_owned(),
                "WWW-Authenticate" => blank_nonce(line),
                _ => line.to_owned(),
            };
            answer.push_str(line.trim_end());
            answer.push('\n');
        }
    }
    found
}

fn blank_nonce(line: &str) -> String {
    let Some((before, rest)) = line.split_once("nonce=\"") else {
        return line.to_owned();
    };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}nonce=*{after}")
}

/// Which users had a REGISTER with their credentials answered 200, by the packets.
pub(crate) fn answered(packets: &Path) -> Result<Vec<String>> {
    users_of(packets, "sip.Status-Code == 200 and sip.CSeq.seq == 2")
}

/// Which users had a REGISTER answered so, by the packets.
pub(crate) fn users_of(packets: &Path, answer: &str) -> Result<Vec<String>> {
    let filter = format!("sip.CSeq.method == \"REGISTER\" and {answer}");
    let rows =
        capture::fields(packets, &filter, &["sip.to.user"]).context("the answers to REGISTER")?;
    // tshark prints a field that occurs twice as one cell with commas.
    let mut names: Vec<String> = rows
        .iter()
        .filter_map(|row| row.split(',').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
