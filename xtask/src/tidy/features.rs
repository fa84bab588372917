//! Every feature of every crate builds alone, and so does none.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

pub(crate) fn check() -> Result<Vec<String>> {
    let metadata =
        shell::capture(shell::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo metadata lists no packages")?;
    let mut found = Vec::new();
    for package in packages {
        let name = package
            .get("name")
            .and_then(Value::as_str)
            .context("a package without a name")?;
        // Unpublished crates are built as they are.
        if package
            .get("publish")
            .is_some_and(|publish| publish.as_array().is_some_and(Vec::is_empty))
        {
            continue;
        }
        let features = package
            .get("features")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let names = features
            .map(|(feature, _)| feature.as_str())
            .filter(|feature| !feature.starts_with("__") && *feature != "default");
        for feature in std::iter::once("").chain(names) {
            // Clippy passes the flag to the crate itself only: what it depends on is built as for any other command.
            let mut command = shell::cargo();
            command.args([
                "clippy",
                "--quiet",
                "--package",
                name,
                "--no-default-features",
            ]);
            if !feature.is_empty() {
                command.args(["--features", feature]);
            }
            command.args(["--", "-D", "warnings"]);
            if let Err(error) = shell::capture(&mut command) {
                let which = if feature.is_empty() {
                    "no features"
                } else {
                    feature
                };
                found.push(format!("{name} with {which}: {error:#}"));
            }
        }
    }
    Ok(found)
}
