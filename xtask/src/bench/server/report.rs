//! `benches/server.md`: what was measured last, one row for each figure.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::shell;

const HEAD: &str = "# The server beside Kamailio

Written by `cargo xtask bench server --write`, which replaces the rows of what it measured. CPU time and instructions are those of the
server's processes for one operation; see the README for how. Bars are the most that ours may cost: of Kamailio's, or as a figure.
The last column says how it was measured: rounds and their seconds, or the operations that instructions were counted of, and the load
average of the machine when that began, which should be near 0; on a busy machine caches are shared with others, and the times of both
are higher and less certain. Instructions are those of the programs themselves, and depend on the load by a few percent: by how many datagrams a turn finds.
All load of a scenario comes from one address, as from a trunk, and what a busy server answers at once may leave as one (`segmentation-offload`,
which is \"busy\" unless it is configured); where each telephone has its own address the rows with \"each datagram by itself\" hold, of
`segmentation-offload = false`.
Memory is what the processes hold (PSS) when the transactions of the load have ended: first with what these left with the allocator, which
serves the next ones, then, for as many bindings more, what a binding itself adds.
The overload is the median of its rounds, in each of which the calls that are completed at twice the load are compared with the most of that
round; it is offered by one core too.

| figure | Kamailio | `sip serve` | ratio | bar | met | measured |
|---|---|---|---|---|---|---|
";

/// One figure of both servers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// What, in what unit.
    pub(super) name: String,
    pub(super) kamailio: f64,
    pub(super) ours: f64,
    pub(super) bar: Bar,
    /// By how many rounds or operations.
    pub(super) how: String,
}

/// What ours is measured by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bar {
    None,
    /// At most this share of Kamailio's.
    Ratio(f64),
    /// At most so much.
    Most(f64),
    /// At least so much.
    Least(f64),
}

impl Figure {
    fn row(&self, load: &str) -> String {
        let ratio = self.ours / self.kamailio;
        let (bar, is_met) = match self.bar {
            Bar::None => ("-".to_owned(), None),
            Bar::Ratio(bar) => (format!("ratio {bar:.2}"), Some(ratio <= bar)),
            Bar::Most(bar) => (format!("at most {bar:.0}"), Some(self.ours <= bar)),
            Bar::Least(bar) => (format!("at least {bar:.0}"), Some(self.ours >= bar)),
        };
        let met = match is_met {
            None => "-",
            Some(true) => "yes",
            Some(false) => "no",
        };
        format!(
            "| {} | {:.1} | {:.1} | {ratio:.2} | {bar} | {met} | {}, {load} |",
            self.name, self.kamailio, self.ours, self.how
        )
    }
}

/// The text with these rows in place of those of the same name; others stay.
fn merged(before: &str, figures: &[Figure], load: &str) -> String {
    let mut rows: Vec<String> = before
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(str::to_owned)
        .collect();
    for figure in figures {
        let begin = format!("| {} |", figure.name);
        match rows.iter_mut().find(|row| row.starts_with(&begin)) {
            Some(row) => *row = figure.row(load),
            None => rows.push(figure.row(load)),
        }
    }
    let mut text = HEAD.to_owned();
    for row in rows {
        text.push_str(&row);
        text.push('\n');
    }
    text
}

pub(super) fn write(figures: &[Figure], load: &str) -> Result<()> {
    let path: PathBuf = shell::root().join("benches/server.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, merged(&before, figures, load)).with_context(|| path.display().to_string())?;
    println!("written: benches/server.md");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_replaces_its_rows_and_leaves_the_others() {
        let figure = |name: &str, ours, bar| Figure {
            name: name.to_owned(),
            kamailio: 10.0,
            ours,
            bar,
            how: "once".to_owned(),
        };
        let first = merged(
            "",
            &[
                figure("a", 5.0, Bar::Ratio(0.6)),
                figure("b", 501.0, Bar::Most(500.0)),
            ],
            "load 0",
        );
        assert!(first.starts_with(HEAD));
        assert!(first.ends_with(
            "| a | 10.0 | 5.0 | 0.50 | ratio 0.60 | yes | once, load 0 |\n| b | 10.0 | 501.0 | 50.10 | at most 500 | no | once, load 0 |\n"
        ));
        let second = merged(&first, &[figure("a", 7.0, Bar::Ratio(0.6))], "load 0");
        assert!(second.contains(
            "| a | 10.0 | 7.0 | 0.70 | ratio 0.60 | no | once, load 0 |\n| b | 10.0 | 501.0"
        ));
        assert_eq!(merged(&second, &[], "load 9"), second);
        let third = merged(
            &second,
            &[
                figure("c", 80.0, Bar::Least(80.0)),
                figure("d", 1.0, Bar::None),
            ],
            "load 0",
        );
        assert!(third.ends_with(
            "| c | 10.0 | 80.0 | 8.00 | at least 80 | yes | once, load 0 |\n| d | 10.0 | 1.0 | 0.10 | - | - | once, load 0 |\n"
        ));
    }
}
