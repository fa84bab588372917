//! Which crate may depend on which, read from the manifests.

use std::fs;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use crate::shell;

/// A crate, its directory, the workspace crates that it may use, and whether it is a pure library crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) dir: &'static str,
    below: &'static [&'static str],
    pub(crate) pure: bool,
    pub(crate) no_std: bool,
}

/// ARCHITECTURE.md draws this picture; a new line here needs its reason there.
pub(crate) const LAYERS: &[Layer] = &[
    Layer {
        name: "sip-message",
        dir: "sip-message",
        below: &[],
        pure: true,
        no_std: true,
    },
    Layer {
        name: "sip-sdp",
        dir: "sip-sdp",
        below: &[],
        pure: true,
        no_std: true,
    },
    Layer {
        name: "sip-rtp",
        dir: "sip-rtp",
        below: &[],
        pure: true,
        no_std: false,
    },
    Layer {
        name: "sip-transport",
        dir: "sip-transport",
        below: &["sip-message"],
        pure: true,
        no_std: false,
    },
    Layer {
        name: "sip-transaction",
        dir: "sip-transaction",
        below: &["sip-message", "sip-transport"],
        pure: true,
        no_std: false,
    },
    Layer {
        name: "sip-dialog",
        dir: "sip-dialog",
        below: &["sip-message", "sip-transport", "sip-transaction"],
        pure: true,
        no_std: false,
    },
    Layer {
        name: "sip-stack",
        dir: ".",
        below: &[
            "sip-message",
            "sip-sdp",
            "sip-rtp",
            "sip-transport",
            "sip-transaction",
            "sip-dialog",
        ],
        pure: false,
        no_std: false,
    },
];

/// Crates that are not published may look at any layer; no layer depends on them, but for tests on the kit.
const UNPUBLISHED: &[&str] = &["sip-testkit", "sip-bench", "xtask"];

/// What a pure crate may take from outside the workspace without asking (an optional dependency has to be asked for).
const CORE: &[&str] = &[
    "bytes",
    "bytestring",
    "memchr",
    "smallvec",
    "foldhash",
    "rand",
    "md-5",
    "sha2",
    "hmac",
    "subtle",
    "zeroize",
];

pub(crate) fn check() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for layer in LAYERS {
        let manifest = shell::root().join(layer.dir).join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        let table: Table = text
            .parse()
            .with_context(|| format!("{} is not TOML", manifest.display()))?;
        found.extend(layer_findings(layer, &table));
    }
    found.extend(members()?);
    Ok(found)
}

fn layer_findings(layer: &Layer, manifest: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (section, dependency, value) in dependencies(manifest) {
        let own = dependency.starts_with("sip-") || dependency == "xtask";
        let dev = section.contains("dev-");
        if own && dev {
            // Itself with a feature for its tests alone; and what tests are written with.
            let is_usual = dependency == layer.name || dependency == "sip-testkit";
            if !layer.below.contains(&dependency.as_str()) && !is_usual {
                found.push(format!(
                    "{}: [{section}] {dependency} is not below it",
                    layer.name
                ));
            }
        } else if own {
            if !layer.below.contains(&dependency.as_str()) {
                found.push(format!("{}: [{section}] {dependency} is an edge that DESIGN.md section 2 does not draw", layer.name));
            }
        } else if layer.pure && !dev && !CORE.contains(&dependency.as_str()) && !optional(value) {
            found.push(format!(
                "{}: [{section}] {dependency} is neither in the core list nor optional",
                layer.name
            ));
        }
    }
    found
}

/// Each dependency of each dependency section, target-specific ones included: section, name, value.
fn dependencies(manifest: &Table) -> Vec<(String, String, &Value)> {
    let mut places: Vec<(String, &Table)> = vec![(String::new(), manifest)];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        places.extend(
            targets.iter().filter_map(|(target, value)| {
                Some((format!("target.{target}."), value.as_table()?))
            }),
        );
    }
    let mut found = Vec::new();
    for (prefix, table) in places {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(section).and_then(Value::as_table);
            for (name, value) in entries.into_iter().flatten() {
                found.push((format!("{prefix}{section}"), name.clone(), value));
            }
        }
    }
    found
}

fn optional(value: &Value) -> bool {
    value
        .get("optional")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// Every member is either a layer or known to be unpublished, and says so.
fn members() -> Result<Vec<String>> {
    let text = fs::read_to_string(shell::root().join("Cargo.toml"))?;
    let table: Table = text.parse()?;
    let members = table
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(Value::as_array);
    let mut found = Vec::new();
    for member in members.context("the workspace lists no members")? {
        let dir = member.as_str().context("a member that is not text")?;
        let manifest: Table =
            fs::read_to_string(shell::root().join(dir).join("Cargo.toml"))?.parse()?;
        let package = manifest
            .get("package")
            .and_then(Value::as_table)
            .with_context(|| format!("{dir} has no package"))?;
        let name = package
            .get("name")
            .and_then(Value::as_str)
            .with_context(|| format!("{dir} has no name"))?;
        if LAYERS.iter().any(|layer| layer.name == name) {
            if layer_dir(name) != Some(dir) {
                found.push(format!(
                    "{name} is in {dir}: a layer's directory has the crate's name"
                ));
            }
        } else if !UNPUBLISHED.contains(&name) {
            found.push(format!(
                "{name}: a member that neither the layers nor the unpublished crates list"
            ));
        } else if package.get("publish").and_then(Value::as_bool) != Some(false) {
            found.push(format!(
                "{name}: not published, so it needs `publish = false`"
            ));
        }
    }
    Ok(found)
}

fn layer_dir(name: &str) -> Option<&'static str> {
    LAYERS
        .iter()
        .find(|layer| layer.name == name)
        .map(|layer| layer.dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layer: &str, manifest: &str) -> Vec<String> {
        let layer = LAYERS
            .iter()
            .find(|known| known.name == layer)
            .expect("a known layer");
        layer_findings(layer, &manifest.parse().expect("TOML"))
    }

    #[test]
    fn an_edge_upwards_is_found() {
        let found = check(
            "sip-message",
            "[dependencies]\nsip-transport = { workspace = true }\nbytes.workspace = true\n",
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("sip-transport"), "{found:?}");
    }

    #[test]
    fn an_edge_under_a_target_is_found() {
        let found = check(
            "sip-sdp",
            "[target.'cfg(unix)'.dependencies]\nsip-message = { workspace = true }\n",
        );
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_runtime_has_to_be_optional_in_a_pure_crate() {
        assert_eq!(
            check(
                "sip-transport",
                "[dependencies]\ntokio = { workspace = true }\n"
            )
            .len(),
            1
        );
        assert!(
            check(
                "sip-transport",
                "[dependencies]\ntokio = { workspace = true, optional = true }\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn the_test_kit_is_for_tests_only() {
        assert!(
            check(
                "sip-dialog",
                "[dev-dependencies]\nsip-testkit.workspace = true\nproptest = \"1\"\n"
            )
            .is_empty()
        );
        assert_eq!(
            check(
                "sip-dialog",
                "[dependencies]\nsip-testkit.workspace = true\n"
            )
            .len(),
            1
        );
    }
}
