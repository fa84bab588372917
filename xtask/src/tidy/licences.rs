//! Every package that the workspace links has a licence that `deny.toml` allows.

use std::collections::HashSet;
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

pub(crate) fn check() -> Result<Vec<String>> {
    let policy = Policy::read()?;
    let metadata = shell::capture(shell::cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--all-features",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo metadata lists no packages")?;
    let built = built()?;
    let mut found = Vec::new();
    for package in packages {
        let field = |name: &str| package.get(name).and_then(Value::as_str);
        let name = field("name").context("a package without a name")?;
        let version = field("version").unwrap_or("?");
        if !built.contains(&format!("{name} v{version}")) {
            continue;
        }
        if policy.banned.iter().any(|banned| banned == name) {
            found.push(format!("{name} {version} is banned by deny.toml"));
        }
        match field("license") {
            None => found.push(format!("{name} {version} states no licence")),
            Some(expression) if !policy.allows(name, expression) => {
                found.push(format!(
                    "{name} {version}: '{expression}' is not allowed by deny.toml"
                ));
            }
            Some(_) => {}
        }
        // A source of null is a path inside this workspace.
        if field("source")
            .is_some_and(|source| source != "registry+https://github.com/rust-lang/crates.io-index")
        {
            found.push(format!("{name} {version} does not come from the registry"));
        }
    }
    Ok(found)
}

/// `name vVERSION` of every package that any build of the workspace has, on any platform. `cargo metadata` also lists
/// optional dependencies that a feature mentions (`ring?/std`) and none turns on.
fn built() -> Result<HashSet<String>> {
    let tree = shell::capture(shell::cargo().args([
        "tree",
        "--locked",
        "--workspace",
        "--all-features",
        "--target",
        "all",
        "--edges",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    Ok(tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .collect())
}

#[derive(Debug, Default)]
struct Policy {
    allowed: Vec<String>,
    /// A crate and a licence allowed for it alone.
    exceptions: Vec<(String, String)>,
    banned: Vec<String>,
}

impl Policy {
    fn read() -> Result<Self> {
        let table: toml::Table = fs::read_to_string(shell::root().join("deny.toml"))?
            .parse()
            .context("deny.toml is not TOML")?;
        let strings = |value: Option<&toml::Value>| -> Vec<String> {
            let values = value
                .and_then(toml::Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        };
        let licences = table
            .get("licenses")
            .context("deny.toml has no [licenses]")?;
        let mut policy = Self {
            allowed: strings(licences.get("allow")),
            ..Self::default()
        };
        for exception in licences
            .get("exceptions")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = exception
                .get("crate")
                .and_then(toml::Value::as_str)
                .context("an exception names no crate")?;
            policy.exceptions.extend(
                strings(exception.get("allow"))
                    .into_iter()
                    .map(|licence| (name.to_owned(), licence)),
            );
        }
        let banned = table
            .get("bans")
            .and_then(|bans| bans.get("deny"))
            .and_then(toml::Value::as_array);
        policy.banned = banned
            .into_iter()
            .flatten()
            .filter_map(|ban| ban.get("crate")?.as_str().map(str::to_owned))
            .collect();
        Ok(policy)
    }

    /// An SPDX expression: `OR` (or the old `/`) needs one side, `AND` both; parentheses group.
    fn allows(&self, name: &str, expression: &str) -> bool {
        let spaced = expression
            .replace('/', " OR ")
            .replace('(', " ( ")
            .replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut parser = Expression {
            words: &words,
            at: 0,
        };
        let allowed = parser.or(&|licence| {
            self.allowed.iter().any(|known| known == licence)
                || self
                    .exceptions
                    .iter()
                    .any(|(known, only)| known == name && only == licence)
        });
        allowed && parser.at == words.len()
    }
}

/// A recursive-descent reader of SPDX expressions; what it cannot read is not allowed.
struct Expression<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Expression<'_> {
    fn or(&mut self, allowed: &dyn Fn(&str) -> bool) -> bool {
        let mut result = self.and(allowed);
        while self.eat("OR") {
            result |= self.and(allowed);
        }
        result
    }

    fn and(&mut self, allowed: &dyn Fn(&str) -> bool) -> bool {
        let mut result = self.licence(allowed);
        while self.eat("AND") {
            result &= self.licence(allowed);
        }
        result
    }

    fn licence(&mut self, allowed: &dyn Fn(&str) -> bool) -> bool {
        if self.eat("(") {
            let result = self.or(allowed);
            return self.eat(")") && result;
        }
        let Some(word) = self.words.get(self.at) else {
            return false;
        };
        self.at += 1;
        if self.eat("WITH") {
            let Some(exception) = self.words.get(self.at) else {
                return false;
            };
            self.at += 1;
            return allowed(&format!("{word} WITH {exception}"));
        }
        allowed(word)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: bool) {
        let policy = Policy {
            allowed: [
                "MIT",
                "Apache-2.0",
                "Apache-2.0 WITH LLVM-exception",
                "Unicode-3.0",
            ]
            .map(str::to_owned)
            .to_vec(),
            exceptions: vec![("xso".to_owned(), "MPL-2.0".to_owned())],
            banned: Vec::new(),
        };
        assert_eq!(policy.allows("some", expression), expected, "{expression}");
    }

    #[test]
    fn spdx_expressions() {
        check("MIT", true);
        check("MIT/Apache-2.0", true);
        check("GPL-3.0 OR MIT", true);
        check("GPL-3.0 AND MIT", false);
        check("(MIT OR GPL-3.0) AND Unicode-3.0", true);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("MIT WITH something", false);
        check("MPL-2.0", false);
        check("(MIT", false);
        check("", false);
    }
}
