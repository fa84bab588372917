//! The namespace that a run happens in.

use std::{
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
    ip(&["link", "set", device, "up"])
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
