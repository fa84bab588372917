//! What is tracked: sizes, names, and habits of tests that would make them slow or silent.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use super::source;
use crate::{fuzz, shell};

/// A larger file belongs outside the repository.
const LARGEST: u64 = 1024 * 1024;

/// What no Rust file may hold, and why. `{}` stands for nothing: it keeps this table from finding itself.
const NEVER: &[(&str, &str)] = &[
    ("#[ignore", "a test that does not run proves nothing"),
    ("#[should_panic", "say which error is expected"),
    ("todo!(", "unfinished"),
    ("unimplemented!(", "unfinished"),
];

/// What no test may hold.
const NEVER_IN_TESTS: &[(&str, &str)] = &[
    ("thread::sleep(", "a test never sleeps: time is an argument"),
    ("time::sleep(", "a test never sleeps: time is an argument"),
    ("sleep_ms", "a test never sleeps: time is an argument"),
];

pub(crate) fn check() -> Result<Vec<String>> {
    let root = shell::root();
    let listing = shell::capture(
        Command::new("git")
            .current_dir(&root)
            .args(["ls-files", "-z"]),
    )?;
    let mut found = Vec::new();
    for name in listing.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // A file that is deleted but not yet committed is still listed.
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.len() > LARGEST {
            found.push(format!(
                "{name}: {} KiB; the limit is {} KiB",
                metadata.len() / 1024,
                LARGEST / 1024
            ));
        }
        if name.ends_with("/mod.rs") {
            found.push(format!(
                "{name}: the file of a module is foo.rs beside foo/"
            ));
        }
        if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
            let whole = source::is_test(path.strip_prefix(&root).unwrap_or(&path));
            found.extend(findings(name, &text, whole));
        }
    }
    Ok(found)
}

fn findings(name: &str, text: &str, all_tests: bool) -> Vec<String> {
    let code = source::code(text);
    let tests = if all_tests {
        0
    } else {
        source::tests_from(&code)
    };
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let here = NEVER
            .iter()
            .chain(NEVER_IN_TESTS.iter().filter(|_| number >= tests));
        for (word, reason) in here {
            if line.contains(word) {
                found.push(format!("{name}:{}: `{word}`: {reason}", number + 1));
            }
        }
    }
    found
}

/// A file in `fuzz/fuzz_targets` that the manifest does not name would silently never run.
pub(crate) fn fuzz_targets() -> Result<Vec<String>> {
    let manifest: toml::Table =
        fs::read_to_string(shell::root().join("fuzz/Cargo.toml"))?.parse()?;
    let registered: Vec<&str> = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .map(|bins| {
            bins.iter()
                .filter_map(|bin| bin.get("name")?.as_str())
                .collect()
        })
        .unwrap_or_default();
    let files = fuzz::targets()?;
    let layers = fuzz::layers()?;
    let mut found = Vec::new();
    for name in &files {
        let of = layers
            .iter()
            .filter(|(_, targets)| targets.contains(name))
            .count();
        if of != 1 {
            found.push(format!(
                "fuzz/Cargo.toml: '{name}' is in {of} lists of [package.metadata.layers]; one is right"
            ));
        }
        if !registered.contains(&name.as_str()) {
            found.push(format!(
                "fuzz/fuzz_targets/{name}.rs is not a [[bin]] of fuzz/Cargo.toml"
            ));
        }
    }
    for name in registered {
        if !files.iter().any(|file| file == name) {
            found.push(format!(
                "fuzz/Cargo.toml names '{name}', and there is no such file"
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_test_is_found_and_a_sleeping_program_is_not() {
        let text = "fn a() { std::thread::sleep(d); }\n#[cfg(test)]\nmod tests {\n fn b() { std::thread::sleep(d); }\n}\n";
        assert_eq!(findings("x.rs", text, false).len(), 1);
        assert_eq!(findings("tests/x.rs", text, true).len(), 2);
    }

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(
            findings("x.rs", concat!("#[", "ignore]\nfn a() {}\n"), false).len(),
            1
        );
        assert!(findings("x.rs", "// #[ignore] is not used here\n", false).is_empty());
    }
}
