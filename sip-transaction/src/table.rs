//! Prints every state x event pair of a machine, for the snapshot tests beside the machines.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::TransactionConfig;
use crate::step::Step;
use crate::tick::{Span, Tick};
use crate::timer::{Times, Timing};

/// An event by name, and how it happens to a machine.
pub(crate) type Happening<'a, M> = (&'a str, &'a dyn Fn(&mut M) -> Step);

/// What a table is made of: how to reach each state, and what can happen there.
pub(crate) struct Table<'a, M> {
    pub(crate) states: &'a [&'a dyn Fn() -> M],
    pub(crate) events: &'a [Happening<'a, M>],
    pub(crate) name: fn(&M) -> &'static str,
}

impl<M> Table<'_, M> {
    /// One line per pair: state, event, effects, next state.
    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        for build in self.states {
            for (event, apply) in self.events {
                let mut machine = build();
                let from = (self.name)(&machine);
                let step = apply(&mut machine);
                let to = (self.name)(&machine);
                assert_eq!(
                    step.ended,
                    to == "Terminated" && from != "Terminated",
                    "{from} x {event}"
                );
                writeln!(
                    text,
                    "{from:<10} | {event:<11} | {step:<40} | {to}",
                    step = step.to_string()
                )
                .unwrap();
            }
        }
        text
    }
}

/// Compares line by line, so that a failure shows the pair that differs and then the whole new table.
#[track_caller]
pub(crate) fn assert_table(actual: &str, expected: &str) {
    let clean = |text: &str| {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (actual, expected): (Vec<String>, Vec<String>) = (clean(actual), clean(expected));
    let different =
        (0..actual.len().max(expected.len())).find(|i| actual.get(*i) != expected.get(*i));
    if let Some(line) = different {
        panic!(
            "pair {}:\n  expected {:?}\n  actual   {:?}\nthe whole table:\n{}",
            line + 1,
            expected.get(line),
            actual.get(line),
            actual.join("\n"),
        );
    }
}

/// An instant to count from.
pub(crate) fn instant() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs one instant to start from"
    )]
    *EPOCH.get_or_init(Instant::now)
}

pub(crate) fn at(ms: u64) -> Tick {
    Tick::ORIGIN + Span::MILLISECOND.times(ms)
}

pub(crate) fn since_origin(deadline: Option<Tick>) -> Option<u64> {
    let span = deadline?.since(Tick::ORIGIN);
    Some(u64::try_from(Duration::from(span).as_millis()).unwrap())
}

fn times() -> &'static Times {
    static TIMES: std::sync::OnceLock<Times> = std::sync::OnceLock::new();
    TIMES.get_or_init(|| Times::new(&TransactionConfig::default()))
}

pub(crate) fn unreliable() -> Timing<'static> {
    Timing {
        times: times(),
        reliable: false,
    }
}

pub(crate) fn reliable() -> Timing<'static> {
    Timing {
        times: times(),
        reliable: true,
    }
}
