//! A scripted peer that asks any SIP implementation to behave, in the manner of the ETSI conformance suite.
//!
//! A scenario (`conformance/scenarios/ROLE/NAME.txt`) is what its peers send and what they demand: the language is in
//! `conformance/scenarios/README.md`. It uses nothing of the crates that it judges: messages are lines of text here.

pub(crate) mod message;
pub(crate) mod peer;
pub(crate) mod play;
pub(crate) mod script;
pub(crate) mod table;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};

use self::{
    peer::Wire,
    play::Stage,
    script::{Role, Script},
};
use crate::{robustness::sins, shell};

/// Who is examined from outside, without being started here.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) address: SocketAddr,
    pub(crate) wire: Wire,
    pub(crate) role: Role,
    pub(crate) domain: String,
    /// The address of our peers.
    pub(crate) host: IpAddr,
    /// How a caller is made to call: a command with `{self}` for the address of the peer, and `{wire}`.
    pub(crate) caller: Vec<String>,
}

/// Every scenario of a role, in the order of their names.
pub(crate) fn scripts(role: Role) -> Result<Vec<Script>> {
    let directory = shell::root()
        .join("conformance/scenarios")
        .join(role.name());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default();
            let text = std::fs::read_to_string(path)?;
            Script::parse(&name, &text).with_context(|| path.display().to_string())
        })
        .collect()
}

/// How one scenario went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) title: String,
    /// What was demanded and did not happen.
    pub(crate) fault: Option<String>,
}

/// Plays every scenario of the subject's role that its transport admits.
pub(crate) fn examine(subject: &Subject) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for script in scripts(subject.role)? {
        if !script.admits(subject.wire) {
            continue;
        }
        let fault = Stage::open(subject, &script)?
            .play(&script)
            .err()
            .map(|error| format!("{error:#}"));
        outcomes.push(Outcome {
            name: script.name.clone(),
            title: script.title.clone(),
            fault,
        });
    }
    Ok(outcomes)
}

/// Prints how it went; the number of scenarios that failed.
pub(crate) fn tell(outcomes: &[Outcome]) -> usize {
    for outcome in outcomes {
        match &outcome.fault {
            None => println!("  ok    {}: {}", outcome.name, outcome.title),
            Some(fault) => println!(
                "  FAIL  {}: {}\n        {fault}",
                outcome.name, outcome.title
            ),
        }
    }
    outcomes
        .iter()
        .filter(|outcome| outcome.fault.is_some())
        .count()
}

/// `cargo xtask conformance --subject`: an implementation that runs already.
pub(crate) fn from_outside(
    subject: &str,
    role: Role,
    domain: Option<&str>,
    caller: Option<&str>,
    misbehaving: bool,
) -> Result<()> {
    let (wire, address) = match subject.split_once(':') {
        Some(("tcp", rest)) => (Wire::Tcp, rest),
        Some(("udp", rest)) => (Wire::Udp, rest),
        _ => (Wire::Udp, subject),
    };
    let address: SocketAddr = address
        .parse()
        .with_context(|| format!("{address}: not an address and a port, such as 127.0.0.1:5060"))?;
    if role == Role::Caller && caller.is_none_or(|caller| caller.trim().is_empty()) {
        bail!("--role caller needs --caller, the command by which the subject calls");
    }
    if misbehaving {
        let wire = wire.name().to_lowercase();
        return sins::from_outside(address, &wire, role, domain, caller);
    }
    // Whatever address the system would use to get there.
    let probe = std::net::UdpSocket::bind(if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    })?;
    probe.connect(address)?;
    let subject = Subject {
        address,
        wire,
        role,
        domain: domain.map_or_else(|| address.ip().to_string(), str::to_owned),
        host: probe.local_addr()?.ip(),
        caller: caller
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    };
    let outcomes = examine(&subject)?;
    let failed = tell(&outcomes);
    println!(
        "{} of {} scenarios passed",
        outcomes.len() - failed,
        outcomes.len()
    );
    if failed > 0 {
        bail!("{failed} scenarios failed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_repository_reads() {
        let mut count = 0;
        for role in Role::ALL {
            count += scripts(role).expect("scenarios").len();
        }
        assert!(count >= 30, "{count} scenarios");
    }
}
