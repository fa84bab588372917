//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sip_testkit::TransportKind;
use sip_testkit::misbehave::{Role, Sin};

use super::Error;

/// What is to be done to whom.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) role: Role,
    pub(super) subject: SocketAddr,
    /// The address of the peers; that of the subject when it is not given.
    pub(super) from: IpAddr,
    pub(super) transport: TransportKind,
    pub(super) domain: String,
    pub(super) sins: Vec<Sin>,
    pub(super) time: Duration,
    /// What makes the subject call, word by word.
    pub(super) call: Vec<String>,
    /// Tells the calls of this run from those of another.
    pub(super) stamp: u64,
}

impl Line {
    pub(super) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let (mut role, mut from) = (None, None);
        let mut line = Self {
            role: Role::Proxy,
            subject: SocketAddr::from(([127, 0, 0, 1], 5060)),
            from: IpAddr::from([127, 0, 0, 1]),
            transport: TransportKind::Udp,
            domain: String::new(),
            sins: Vec::new(),
            time: Duration::from_secs(50),
            call: Vec::new(),
            stamp: (u64::try_from(stamp)? % 1_000_000_000 * 100_000
                + u64::from(std::process::id()) % 100_000)
                * 1_000,
        };
        while let Some(word) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--role" => {
                    let known = Role::named(&value);
                    role = Some(known.ok_or_else(|| {
                        names("role", &value, Role::ALL.iter().map(|role| role.name()))
                    })?);
                }
                "--subject" => {
                    line.subject = value
                        .parse()
                        .map_err(|_| format!("{value}: not an address and a port"))?
                }
                "--from" => from = Some(value.parse()?),
                "--wire" if value == "udp" => line.transport = TransportKind::Udp,
                "--wire" if value == "tcp" => line.transport = TransportKind::Tcp,
                "--domain" => line.domain = value,
                "--sin" => {
                    let known = Sin::named(&value);
                    let sin = known.ok_or_else(|| {
                        names("sin", &value, Sin::ALL.iter().map(|sin| sin.name()))
                    })?;
                    line.sins.push(sin);
                }
                "--seconds" => line.time = Duration::from_secs(value.parse()?),
                "--call" => line.call = value.split_whitespace().map(str::to_owned).collect(),
                _ => return Err(format!("{word} {value}: unknown").into()),
            }
        }
        line.role =
            role.ok_or_else(|| names("role", "--role", Role::ALL.iter().map(|role| role.name())))?;
        line.from = from.unwrap_or_else(|| line.subject.ip());
        if line.sins.is_empty() {
            line.sins = Sin::ALL.to_vec();
        }
        if line.domain.is_empty() {
            line.domain = line.subject.ip().to_string();
        }
        Ok(line)
    }
}

fn names<'a>(what: &str, given: &str, all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    format!("{given}: no {what}; there are {}", all.join(", "))
}
