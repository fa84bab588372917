//! What each benchmark case cost when the baseline was written, and whether it costs more now.
//!
//! Instructions and allocated blocks of one operation are the same on every run of one binary, so a difference has its
//! cause in the code, the compiler or a library: wall-clock time is never compared.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A case may cost this many percent more than the baseline says before it counts as a regression.
const TOLERANCE: u64 = 2;

/// What one operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

pub(crate) type Costs = BTreeMap<String, Cost>;

fn path() -> PathBuf {
    shell::root().join("benches/baseline.toml")
}

fn compiler() -> Result<String> {
    Ok(shell::capture(Command::new("rustc").arg("--version"))?
        .trim()
        .to_owned())
}

/// Writes what was measured over what the baseline says of the same cases. Cases of the measured layers that no longer
/// exist go.
pub(crate) fn bless(measured: &Costs, layers: &[String]) -> Result<()> {
    let mut costs = read()?.map(|(_, costs)| costs).unwrap_or_default();
    costs.retain(|case, _| !layers.iter().any(|layer| is_of(case, layer)));
    costs.extend(measured.iter().map(|(case, cost)| (case.clone(), *cost)));
    let mut text = format!(
        "# What one operation of each case costs: user instructions and allocated blocks. Written by\n\
         # `cargo xtask bench --bless`, compared by `cargo xtask bench --check`.\n\
         compiler = {:?}\n\n[cases]\n",
        compiler()?
    );
    for (case, cost) in &costs {
        text.push_str(&format!(
            "{case:?} = {{ instructions = {}, allocations = {} }}\n",
            cost.instructions, cost.allocations
        ));
    }
    fs::write(path(), text).with_context(|| format!("cannot write {}", path().display()))?;
    println!("wrote {}", path().display());
    Ok(())
}

/// Fails when a measured case costs more than the baseline allows, or is not in it.
pub(crate) fn check(measured: &Costs, layers: &[String]) -> Result<()> {
    let Some((compiled, baseline)) = read()? else {
        bail!("there is no benches/baseline.toml; `cargo xtask bench --bless` writes it");
    };
    let now = compiler()?;
    if compiled != now {
        println!("note: the baseline was measured with {compiled}, this is {now}");
    }
    let mut baseline = baseline;
    baseline.retain(|case, _| layers.iter().any(|layer| is_of(case, layer)));
    let found = findings(measured, &baseline);
    for line in &found {
        println!("{line}");
    }
    if found.is_empty() {
        println!(
            "{} cases cost no more than the baseline allows (+{TOLERANCE} % instructions, no allocation more)",
            measured.len()
        );
        return Ok(());
    }
    bail!(
        "{} of {} cases differ from benches/baseline.toml; `cargo xtask bench --bless` accepts what was measured",
        found.len(),
        measured.len()
    );
}

fn is_of(case: &str, layer: &str) -> bool {
    case.strip_prefix(layer)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn findings(measured: &Costs, baseline: &Costs) -> Vec<String> {
    let mut found = Vec::new();
    for (case, now) in measured {
        let Some(before) = baseline.get(case) else {
            found.push(format!("{case}: not in the baseline"));
            continue;
        };
        let allowed = before.instructions.saturating_mul(100 + TOLERANCE);
        if now.instructions.saturating_mul(100) > allowed {
            let change = now.instructions as f64 / before.instructions.max(1) as f64 - 1.0;
            found.push(format!(
                "{case}: {} instructions, {} in the baseline ({:+.1} %)",
                now.instructions,
                before.instructions,
                change * 100.0
            ));
        }
        if now.allocations > before.allocations {
            found.push(format!(
                "{case}: {} allocations, {} in the baseline",
                now.allocations, before.allocations
            ));
        }
    }
    for case in baseline.keys() {
        if !measured.contains_key(case) {
            found.push(format!("{case}: in the baseline, and no longer measured"));
        }
    }
    found
}

fn read() -> Result<Option<(String, Costs)>> {
    let path = path();
    if !path.is_file() {
        return Ok(None);
    }
    let table: toml::Table = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))?;
    let compiled = table
        .get("compiler")
        .and_then(toml::Value::as_str)
        .context("benches/baseline.toml names no compiler")?
        .to_owned();
    let cases = table
        .get("cases")
        .and_then(toml::Value::as_table)
        .context("benches/baseline.toml has no [cases]")?;
    let mut costs = Costs::new();
    for (case, cost) in cases {
        let number = |name: &str| {
            cost.get(name)
                .and_then(toml::Value::as_integer)
                .and_then(|number| u64::try_from(number).ok())
                .with_context(|| format!("benches/baseline.toml: {case} has no {name}"))
        };
        costs.insert(
            case.clone(),
            Cost {
                instructions: number("instructions")?,
                allocations: number("allocations")?,
            },
        );
    }
    Ok(Some((compiled, costs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(cases: &[(&str, u64, u64)]) -> Costs {
        cases
            .iter()
            .map(|&(case, instructions, allocations)| {
                (
                    case.to_owned(),
                    Cost {
                        instructions,
                        allocations,
                    },
                )
            })
            .collect()
    }

    #[test]
    fn a_regression_is_more_than_two_percent_or_one_allocation() {
        let baseline = costs(&[("message/a", 1000, 0), ("message/b", 1000, 2)]);
        let better = costs(&[("message/a", 1020, 0), ("message/b", 400, 1)]);
        assert!(findings(&better, &baseline).is_empty());
        let slower = costs(&[("message/a", 1021, 0), ("message/b", 1000, 2)]);
        assert_eq!(
            findings(&slower, &baseline),
            ["message/a: 1021 instructions, 1000 in the baseline (+2.1 %)"]
        );
        let greedier = costs(&[("message/a", 1000, 1), ("message/b", 1000, 2)]);
        assert_eq!(
            findings(&greedier, &baseline),
            ["message/a: 1 allocations, 0 in the baseline"]
        );
    }

    #[test]
    fn a_case_without_its_counterpart_is_told() {
        let baseline = costs(&[("message/a", 1000, 0)]);
        let measured = costs(&[("message/b", 1, 0)]);
        assert_eq!(
            findings(&measured, &baseline),
            [
                "message/b: not in the baseline",
                "message/a: in the baseline, and no longer measured"
            ]
        );
    }
}
