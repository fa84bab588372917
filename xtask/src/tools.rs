//! The programs from Debian's packages that the checks use, installed when missing.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// A program and the Debian package that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

/// What `interop` starts.
pub(crate) const INTEROP: &[Tool] = &[
    tool("sipp", "sip-tester"),
    tool("baresip", "baresip-core"),
    tool("sipsak", "sipsak"),
    tool("tshark", "tshark"),
    tool("dumpcap", "wireshark-common"),
    tool("ip", "iproute2"),
    tool("unshare", "util-linux"),
    tool("openssl", "openssl"),
    tool("kamailio", "kamailio"),
    tool(
        "/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so",
        "kamailio-tls-modules",
    ),
    tool("/usr/bin/python3", "python3"),
    tool(
        "/usr/lib/python3/dist-packages/websockets/__init__.py",
        "python3-websockets",
    ),
    tool("knotd", "knot"),
    tool("redis-server", "redis-server"),
    tool("redis-cli", "redis-tools"),
];

/// What `fuzz` compiles libFuzzer with.
pub(crate) const FUZZ: &[Tool] = &[tool("c++", "g++")];

/// What counting instructions needs.
pub(crate) const BENCH: &[Tool] = &[tool("valgrind", "valgrind")];

/// What the comparison of servers needs.
pub(crate) const SERVERS: &[Tool] = &[
    tool("kamailio", "kamailio"),
    tool("taskset", "util-linux"),
    tool("valgrind", "valgrind"),
];

/// Everything that `ci` uses.
pub(crate) const ALL: &[Tool] = &[
    tool("sipp", "sip-tester"),
    tool("baresip", "baresip-core"),
    tool("sipsak", "sipsak"),
    tool("tshark", "tshark"),
    tool("dumpcap", "wireshark-common"),
    tool("ip", "iproute2"),
    tool("unshare", "util-linux"),
    tool("openssl", "openssl"),
    tool("kamailio", "kamailio"),
    tool(
        "/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so",
        "kamailio-tls-modules",
    ),
    tool("/usr/bin/python3", "python3"),
    tool(
        "/usr/lib/python3/dist-packages/websockets/__init__.py",
        "python3-websockets",
    ),
    tool("cc", "gcc"),
    tool("c++", "g++"),
    tool("git", "git"),
    tool("valgrind", "valgrind"),
    tool("knotd", "knot"),
    tool("redis-server", "redis-server"),
    tool("redis-cli", "redis-tools"),
];

/// Install what is missing, with one `apt-get update` before it. Nothing is done when nothing is missing.
pub(crate) fn install(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools
        .iter()
        .filter(|tool| !shell::has(tool.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if !shell::has("apt-get") || !nix::unistd::geteuid().is_root() {
        bail!(
            "these programs are missing; install them and run this again: {}",
            packages.join(" ")
        );
    }
    shell::run(apt().arg("update"))?;
    shell::run(
        apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(&packages),
    )?;
    let still: Vec<&str> = missing
        .iter()
        .filter(|tool| !shell::has(tool.program))
        .map(|tool| tool.program)
        .collect();
    if !still.is_empty() {
        bail!(
            "installed {}, and still there is no {}",
            packages.join(" "),
            still.join(", ")
        );
    }
    Ok(())
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
    command
}
