//! The cases, one file per suite, and the loop that runs them.

mod audio;
mod black_box;
mod dissect;
mod misbehaving;
mod odd;
mod peers;
mod program;
mod proxy;
pub(crate) mod redis;
mod register;
mod restart;
mod telephone;
mod transfer;
mod transport;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, bail};

use super::{capture, namespace, scene::Scene};
use crate::shell;

/// One case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) suite: &'static str,
    pub(crate) name: &'static str,
    /// False for those that try the judges on the peers alone.
    pub(crate) needs_program: bool,
    run: fn(&mut Scene) -> Result<String>,
}

impl Case {
    const fn new(
        suite: &'static str,
        name: &'static str,
        run: fn(&mut Scene) -> Result<String>,
    ) -> Self {
        Self {
            suite,
            name,
            needs_program: true,
            run,
        }
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.suite, self.name)
    }
}

const SUITES: &[&[Case]] = &[
    peers::CASES,
    register::CASES,
    telephone::CASES,
    transfer::CASES,
    proxy::CASES,
    audio::CASES,
    program::CASES,
    odd::CASES,
    restart::CASES,
    redis::CASES,
    transport::CASES,
    black_box::CASES,
    misbehaving::CASES,
    dissect::CASES,
];

/// The cases that these words name: `suite`, `suite/case`, or nothing for all.
pub(crate) fn select(only: &[String]) -> Result<Vec<Case>> {
    let all = || SUITES.iter().flat_map(|suite| suite.iter().copied());
    for word in only {
        if !all().any(|case| case.suite == word || case.full_name() == *word) {
            let mut names: Vec<&str> = all().map(|case| case.suite).collect();
            names.dedup();
            bail!(
                "there is no suite or case '{word}'; the suites are: {}",
                names.join(", ")
            );
        }
    }
    Ok(all()
        .filter(|case| {
            only.is_empty()
                || only
                    .iter()
                    .any(|word| case.suite == word || case.full_name() == *word)
        })
        .collect())
}

/// Where the directories of failed cases are kept.
pub(crate) fn kept() -> PathBuf {
    shell::target_dir().join("interop")
}

/// Run the cases, one after the other: a capture has to show one case only, and no other load.
pub(crate) fn run(cases: &[Case], program: &Path, keep: bool, repeat: u32) -> Result<()> {
    namespace::set_up()?;
    let mut failed = 0;
    let mut passed = 0;
    for case in cases
        .iter()
        .flat_map(|case| std::iter::repeat_n(case, repeat.max(1) as usize))
    {
        let dir = kept().join(case.suite).join(case.name);
        let started = Instant::now();
        let result = run_case(case, &dir, program);
        let took = started.elapsed().as_secs_f64();
        match result {
            Ok(details) => {
                passed += 1;
                println!("ok    {:<34} {took:>5.1} s  {details}", case.full_name());
                if !keep {
                    fs::remove_dir_all(&dir)?;
                }
            }
            Err(error) => {
                failed += 1;
                println!(
                    "FAIL  {:<34} {took:>5.1} s  {error:#}\n        kept in {}",
                    case.full_name(),
                    dir.display()
                );
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} of {} cases failed", passed + failed);
    }
    Ok(())
}

fn run_case(case: &Case, dir: &Path, program: &Path) -> Result<String> {
    let mut scene = Scene::open(dir, program)?;
    let result = (case.run)(&mut scene);
    // The capture is complete on disk whether the case passed or not; it is judged only when it did.
    let packets = scene.packets();
    let mut details = result?;
    let verdict = capture::judge(&packets?, scene.judge)?;
    if verdict.sip == 0 {
        bail!("the capture has no SIP packet: nothing was tested");
    }
    details.push_str(&format!(
        "; {} SIP and {} RTP packets judged",
        verdict.sip, verdict.rtp
    ));
    Ok(details)
}
