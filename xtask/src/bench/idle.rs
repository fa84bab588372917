//! Memory of idle connections: the binary `idle` of `sip-bench`, which fails when they take more than they may.

use std::process::Command;

use anyhow::Result;

use crate::shell;

/// Runs it for TCP and for TLS; with fewer connections when `quick`, each of which may take as much.
pub(super) fn run(quick: bool) -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("idle connections are measured on Linux only");
        return Ok(());
    }
    let mut build = shell::cargo();
    build.args(["build", "--package", "sip-bench", "--bin", "idle"]);
    build.args(["--profile", "bench"]);
    if quick {
        super::fast_build(&mut build);
    }
    shell::run(&mut build)?;
    let binary = super::target(quick).join("release/idle");
    for (kind, many, few) in [("tcp", "10000", "2000"), ("tls", "4000", "400")] {
        let count = if quick { few } else { many };
        shell::run(Command::new(&binary).args([kind, count]))?;
    }
    Ok(())
}
