//! The namespace that a run happens in.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The address of the network interface inside: from the block that is reserved for documentation (RFC 5737), so it
/// is nobody's. baresip takes its media address from an interface that is not loopback.
pub(crate) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

/// The beginning of a command that runs in fresh network, process and mount namespaces. When it ends, everything
/// that it started ends.
pub(crate) fn command() -> Result<Command> {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        // Needs user namespaces to be allowed.
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .stdin(Stdio::null());
    Ok(command)
}

/// Bring the interfaces up; called inside.
pub(crate) fn set_up() -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    // Some kernels lack the dummy device; one end of a virtual cable does as well.
    let device = if ip(&["link", "add", "dummy0", "type", "dummy"]).is_ok() {
        "dummy0"
    } else {
        ip(&[
            "link", "add", "dummy0", "type", "veth", "peer", "name", "dummy1",
        ])?;
        ip(&["link", "set", "dummy1", "up"])?;
        "dummy0"
    };
    ip(&["address", "add", &format!("{HOST}/24"), "dev", device])?;
    ip(&["link", "set", device, "up"])?;
    let taken = ports_with_dissectors(&shell::capture(
        Command::new("tshark").args(["-G", "decodes"]),
    )?);
    if let Err(error) = fs::write(RESERVED, taken.join(",")) {
        println!("{RESERVED}: {error}; tshark may take a port of a client for a protocol");
    }
    Ok(())
}

/// Ports that no client is given by the system.
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
/// Where those begin that clients are given.
const EPHEMERAL: u16 = 32_768;

/// The ports that a client could be given and that the judge takes for those of other protocols: that of EtherCAT, say, in whose
/// packets it then finds faults that are none. From what `tshark -G decodes` prints: table, value, protocol.
fn ports_with_dissectors(decodes: &str) -> Vec<String> {
    let ports: BTreeSet<u16> = decodes
        .lines()
        .filter_map(|line| {
            let (table, rest) = line.split_once('\t')?;
            let port = rest.split('\t').next()?.parse().ok()?;
            (matches!(table, "tcp.port" | "udp.port") && port >= EPHEMERAL).then_some(port)
        })
        .collect();
    ports.iter().map(u16::to_string).collect()
}

/// Another address of the interface; one that it has already is no fault.
pub(crate) fn add_address(address: IpAddr) -> Result<()> {
    ip(&[
        "address",
        "replace",
        &format!("{address}/24"),
        "dev",
        "dummy0",
    ])
}

fn ip(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(arguments);
    let output = command.output().context("cannot start ip")?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            shell::line(&command),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_mean_something_else_are_no_ports_of_clients() {
        let decodes = "tcp.port\t34980\tecatf\nudp.port\t34980\tecatf\ntcp.port\t5060\tsip\nudp.port\t47808\tbvlc\n\
             sctp.port\t50000\tx\nbroken\n";
        assert_eq!(ports_with_dissectors(decodes), ["34980", "47808"]);
    }
}
