//! What a run counted, for a person and for a program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest time that is told apart from longer ones, in microseconds.
const LONGEST: u64 = 300_000_000;

/// Times, in microseconds, three digits of each.
#[derive(Clone, Debug)]
pub(super) struct Times(Option<Histogram<u64>>);

impl Times {
    fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).ok())
    }

    pub(super) fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
            histogram.saturating_record(micros);
        }
    }

    fn json(&self) -> Value {
        let Some(histogram) = self.0.as_ref().filter(|all| !all.is_empty()) else {
            return Value::Null;
        };
        json!({
            "mean": histogram.mean().round(),
            "p50": histogram.value_at_quantile(0.5),
            "p90": histogram.value_at_quantile(0.9),
            "p99": histogram.value_at_quantile(0.99),
            "max": histogram.max(),
        })
    }

    /// `0.21 / 0.40 / 1.03 / 5.12 ms`.
    fn text(&self) -> String {
        let Some(histogram) = self.0.as_ref().filter(|all| !all.is_empty()) else {
            return "-".to_owned();
        };
        let ms = |micros: u64| micros as f64 / 1000.0;
        format!(
            "{:.2} / {:.2} / {:.2} / {:.2} ms",
            ms(histogram.value_at_quantile(0.5)),
            ms(histogram.value_at_quantile(0.9)),
            ms(histogram.value_at_quantile(0.99)),
            ms(histogram.max())
        )
    }
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// Refused with this status.
    Status(u16),
    /// No answer in time.
    TimedOut,
    /// The connection was closed, or could not be opened.
    Disconnected,
    /// An open loop had more in progress than it may.
    Overrun,
    /// The answer made no sense.
    Nonsense,
    /// It was in progress when the run had to end.
    Unfinished,
}

impl Failure {
    pub(super) fn name(self) -> String {
        match self {
            Self::Status(status) => format!("status {status}"),
            Self::TimedOut => "timed out".to_owned(),
            Self::Disconnected => "disconnected".to_owned(),
            Self::Overrun => "too many in progress".to_owned(),
            Self::Nonsense => "nonsense".to_owned(),
            Self::Unfinished => "unfinished".to_owned(),
        }
    }
}

/// What was counted so far.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) started: u64,
    pub(super) completed: u64,
    pub(super) failures: BTreeMap<Failure, u64>,
    /// Requests and responses that were sent again because nothing had come.
    pub(super) retransmissions: u64,
    /// Messages of operations that had ended, and such as belong to none.
    pub(super) strays: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// From the first request of an operation to its last answer.
    pub(super) times: Times,
    /// From an INVITE to its 200.
    pub(super) setups: Times,
    /// How long it took, until nothing was in progress.
    pub(super) elapsed: Duration,
    /// How many were completed while operations were begun, and how long that was.
    window: Option<(u64, Duration)>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            started: 0,
            completed: 0,
            failures: BTreeMap::new(),
            retransmissions: 0,
            strays: 0,
            sent: 0,
            received: 0,
            times: Times::new(),
            setups: Times::new(),
            elapsed: Duration::ZERO,
            window: None,
        }
    }

    /// No more is begun.
    pub(super) fn close_window(&mut self, elapsed: Duration) {
        self.window.get_or_insert((self.completed, elapsed));
    }

    /// Did nothing fail for another reason than that nobody answered?
    pub(super) fn is_silence(&self) -> bool {
        self.failures
            .keys()
            .all(|failure| matches!(failure, Failure::TimedOut | Failure::Disconnected))
    }

    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }

    pub(super) const fn in_progress(&self, failed: u64) -> u64 {
        self.started.saturating_sub(self.completed + failed)
    }

    /// How many of a hundred that ended failed.
    pub(super) fn failure_percent(&self) -> f64 {
        let failed = self.failed();
        let all = self.completed + failed;
        if all == 0 {
            return 0.0;
        }
        100.0 * failed as f64 / all as f64
    }

    /// Completed for each second: of the time in which operations were begun if most ended in it, so that the wait for the last
    /// ones does not count.
    fn rate(&self) -> f64 {
        let whole = (self.completed, self.elapsed);
        let (completed, time) = self
            .window
            .filter(|(completed, _)| completed * 2 > self.completed)
            .unwrap_or(whole);
        let seconds = time.as_secs_f64();
        if seconds > 0.0 {
            completed as f64 / seconds
        } else {
            0.0
        }
    }

    /// One line about the last second.
    pub(super) fn progress(&self, before: &Self) -> (Value, String) {
        let seconds = (self.elapsed - before.elapsed).as_secs_f64().max(1e-9);
        let failed = self.failed();
        let rate = (self.completed - before.completed) as f64 / seconds;
        let fields = json!({
            "seconds": rounded(self.elapsed.as_secs_f64()),
            "rate": rate.round(),
            "completed": self.completed,
            "failed": failed,
            "in_progress": self.in_progress(failed),
            "retransmissions": self.retransmissions,
        });
        let text = format!(
            "{:>6.0} s  {rate:>8.0}/s  {} done, {failed} failed, {} in progress, {} retransmitted",
            self.elapsed.as_secs_f64(),
            self.completed,
            self.in_progress(failed),
            self.retransmissions
        );
        (fields, text)
    }

    /// The end of the run.
    pub(super) fn json(&self) -> Value {
        let failures: serde_json::Map<String, Value> = self
            .failures
            .iter()
            .map(|(failure, count)| (failure.name(), (*count).into()))
            .collect();
        json!({
            "seconds": rounded(self.elapsed.as_secs_f64()),
            "rate": rounded(self.rate()),
            "started": self.started,
            "completed": self.completed,
            "failed": self.failed(),
            "failures": failures,
            "retransmissions": self.retransmissions,
            "strays": self.strays,
            "sent": self.sent,
            "received": self.received,
            "latency_us": self.times.json(),
            "setup_us": self.setups.json(),
        })
    }

    /// The end of the run.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{} done in {:.2} s: {:.0} a second; {} failed ({:.2} %)\n",
            self.completed,
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.failed(),
            self.failure_percent()
        );
        for (failure, count) in &self.failures {
            let _ = writeln!(text, "  {}: {count}", failure.name());
        }
        let _ = write!(
            text,
            "time p50 / p90 / p99 / longest: {}",
            self.times.text()
        );
        if self.setups.0.as_ref().is_some_and(|all| !all.is_empty()) {
            let _ = write!(text, "; until answered: {}", self.setups.text());
        }
        let _ = write!(
            text,
            "\nmessages sent {}, received {}, retransmitted {}, strays {}",
            self.sent, self.received, self.retransmissions, self.strays
        );
        text
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_times_and_failures_by_kind() {
        let mut report = Report::new();
        report.started = 1000;
        for micros in 1..=998 {
            report.completed += 1;
            report.times.record(Duration::from_micros(micros));
        }
        report.fail(Failure::Status(486));
        report.fail(Failure::TimedOut);
        report.elapsed = Duration::from_secs(2);
        let json = report.json();
        assert_eq!(json["rate"], 499.0);
        assert_eq!(json["failed"], 2);
        assert_eq!(json["failures"]["status 486"], 1);
        assert_eq!(json["failures"]["timed out"], 1);
        assert_eq!(json["latency_us"]["p50"], 499);
        assert_eq!(json["latency_us"]["max"], 998);
        assert_eq!(json["setup_us"], Value::Null);
        assert!((report.failure_percent() - 0.2).abs() < 1e-9);
        assert!(
            report.text().contains("  status 486: 1"),
            "{}",
            report.text()
        );
    }

    #[test]
    fn what_takes_for_ever_is_told_as_the_longest_time() {
        let mut report = Report::new();
        report.times.record(Duration::from_secs(10_000));
        let longest = report.json()["latency_us"]["max"].as_u64().unwrap();
        assert!(longest.abs_diff(LONGEST) < LONGEST / 500, "{longest}");
    }
}
