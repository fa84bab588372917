//! What a run of the tests printed.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    Ignored,
}

/// The tests of a run by the last part of their names.
#[derive(Debug, Default)]
pub(crate) struct Results(BTreeMap<String, Vec<Verdict>>);

impl Results {
    /// From what `cargo test` prints.
    pub(crate) fn parse(output: &str) -> Self {
        let mut results = Self::default();
        for line in output.lines() {
            results.line(line);
        }
        results
    }

    fn line(&mut self, line: &str) {
        let Some((path, verdict)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let verdict = match verdict.split(',').next().map(str::trim) {
            Some("ok") => Verdict::Passed,
            Some("ignored") => Verdict::Ignored,
            _ => Verdict::Failed,
        };
        // What follows is said of tests that should panic.
        let path = path.split(" - ").next().unwrap_or(path);
        let name = path.rsplit("::").next().unwrap_or(path);
        self.0.entry(name.to_owned()).or_default().push(verdict);
    }

    /// Did every test of this name pass, and was there one?
    pub(crate) fn passed(&self, name: &str) -> Result<(), &'static str> {
        let Some(verdicts) = self.0.get(name) else {
            return Err("is not there");
        };
        if verdicts.contains(&Verdict::Failed) {
            Err("failed")
        } else if verdicts.contains(&Verdict::Ignored) {
            Err("was ignored")
        } else {
            Ok(())
        }
    }
}

/// Run the tests of the workspace and read what they print; a failure of any is an error here.
pub(crate) fn of_a_run() -> Result<Results> {
    let mut output = String::new();
    run_and_keep(&mut output)?;
    Ok(Results::parse(&output))
}

/// `cargo test --workspace`, shown as it runs and kept.
pub(crate) fn run_and_keep(output: &mut String) -> Result<()> {
    let mut command = shell::cargo();
    // With the judge of all that leaves a stack, which ends the process of a test that lets something wrong go.
    command
        .args(["test", "--workspace"])
        .env_remove("SIP_JUDGE");
    println!("$ {}", shell::line(&command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let Some(stdout) = child.stdout.take() else {
        bail!("cargo has no output");
    };
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what the tests print")?;
        println!("{line}");
        output.push_str(&line);
        output.push('\n');
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("{status}: {}", shell::line(&command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_run_is_read() {
        let results = Results::parse(
            "running 4 tests\n\
             test a::b::rfc9_1_one ... ok\n\
             test rfc9_1_two ... FAILED\n\
             test c::rfc9_1_three ... ignored, because\n\
             test c::rfc9_1_four - should panic ... ok\n\
             test result: ok. 4 passed; 0 failed\n",
        );
        assert_eq!(results.passed("rfc9_1_one"), Ok(()));
        assert_eq!(results.passed("rfc9_1_two"), Err("failed"));
        assert_eq!(results.passed("rfc9_1_three"), Err("was ignored"));
        assert_eq!(results.passed("rfc9_1_four"), Ok(()));
        assert_eq!(results.passed("rfc9_1_five"), Err("is not there"));
    }

    #[test]
    fn of_two_tests_with_one_name_both_must_pass() {
        let results = Results::parse("test a::x ... ok\ntest b::x ... FAILED\n");
        assert_eq!(results.passed("x"), Err("failed"));
    }
}
