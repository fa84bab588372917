//! `cargo xtask tidy`: the rules of the workspace that no compiler checks.
//!
//! Each rule is a function that returns what it found wrong, one line each. Nothing is repaired.

mod edges;
mod features;
mod files;
mod licences;
mod no_std;
mod purity;
mod source;

use anyhow::{Result, bail};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Only this rule: edges, purity, files, licences, fuzz, features or no-std
    #[arg(long)]
    only: Option<String>,
    /// Leave out the rules that compile (features, no-std)
    #[arg(long)]
    quick: bool,
}

impl Options {
    pub(crate) fn all() -> Self {
        Self {
            only: None,
            quick: false,
        }
    }
}

/// A rule's name, what it holds true, and its check.
type Rule = (
    &'static str,
    &'static str,
    bool,
    fn() -> Result<Vec<String>>,
);

const RULES: &[Rule] = &[
    (
        "edges",
        "the crates depend on each other only downwards",
        false,
        edges::check,
    ),
    (
        "purity",
        "pure crates have no socket, clock, thread, environment or global",
        false,
        purity::check,
    ),
    (
        "files",
        "tracked files are small, tests neither sleep nor hide",
        false,
        files::check,
    ),
    (
        "fuzz",
        "every fuzz target is registered",
        false,
        files::fuzz_targets,
    ),
    (
        "licences",
        "every dependency has a licence that deny.toml allows",
        false,
        licences::check,
    ),
    (
        "features",
        "every feature builds alone",
        true,
        features::check,
    ),
    (
        "no-std",
        "sip-message and sip-sdp link without std",
        true,
        no_std::check,
    ),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(only) = &options.only
        && !RULES.iter().any(|(name, ..)| name == only)
    {
        let names: Vec<&str> = RULES.iter().map(|(name, ..)| *name).collect();
        bail!("there is no rule '{only}'; there are: {}", names.join(", "));
    }
    let mut broken = 0;
    for (name, holds, compiles, check) in RULES {
        if options.only.as_deref().is_some_and(|only| only != *name) || (options.quick && *compiles)
        {
            continue;
        }
        let found = check()?;
        println!(
            "{:4}  {name}: {holds}",
            if found.is_empty() { "ok" } else { "FAIL" }
        );
        for line in &found {
            println!("      {line}");
        }
        broken += found.len();
    }
    if broken > 0 {
        bail!("{broken} findings");
    }
    Ok(())
}
