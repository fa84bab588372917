//! Bytes of memory that things take which stay, such as a transaction that waits for its last timer.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::shell;

/// Prints them, each measured in a process of its own and not under valgrind: the allocator's overhead counts.
pub(super) fn print(binary: &Path, layers: &[String]) -> Result<()> {
    let names = shell::capture(Command::new(binary).arg("--footprints"))?;
    for name in names.lines().filter(|name| {
        layers
            .iter()
            .any(|layer| name.starts_with(&format!("{layer}/")))
    }) {
        let bytes = shell::capture(Command::new(binary).args(["--bytes", name]))?;
        println!("{name:<44} {:>14} bytes of memory", bytes.trim());
    }
    Ok(())
}
