//! The figures, side by side.

use super::Setup;
use super::load::Run;
use super::report::{Bar, Figure};
use super::scenario::Scenario;
use super::subject::Kind;

/// What one server took.
#[derive(Clone, Debug, Default)]
struct Side {
    /// Microseconds of CPU for each operation, one for each round.
    cpu: Vec<f64>,
    rate: Vec<f64>,
    server_busy: Vec<f64>,
    generator_busy: Vec<f64>,
    instructions: Option<u64>,
}

/// One scenario.
#[derive(Clone, Debug)]
pub(super) struct Row {
    title: &'static str,
    bars: (u32, Option<u32>),
    kamailio: Side,
    ours: Side,
}

impl Row {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            title: scenario.title,
            bars: scenario.bars,
            kamailio: Side::default(),
            ours: Side::default(),
        }
    }

    const fn side(&mut self, kind: Kind) -> &mut Side {
        match kind {
            Kind::Kamailio => &mut self.kamailio,
            Kind::Ours => &mut self.ours,
        }
    }

    pub(super) fn add(&mut self, kind: Kind, run: &Run) {
        let side = self.side(kind);
        side.cpu.push(run.server);
        side.rate.push(run.rate);
        side.server_busy.push(run.server_busy);
        side.generator_busy.push(run.generator_busy);
    }

    pub(super) fn count(&mut self, kind: Kind, instructions: u64) {
        self.side(kind).instructions = Some(instructions);
    }

    /// The scenario as figures to keep.
    pub(super) fn figures(&self, setup: &Setup) -> Vec<Figure> {
        let (short, long) = setup.counted();
        let bar = |bar: u32| Bar::Ratio(f64::from(bar) / 100.0);
        let mut figures = Vec::new();
        if let (Some(kamailio), Some(ours)) = (median(&self.kamailio.cpu), median(&self.ours.cpu)) {
            figures.push(Figure {
                name: format!("{}: CPU, us", self.title),
                kamailio,
                ours,
                bar: bar(self.bars.0),
                how: setup.timed(),
            });
        }
        if let (Some(kamailio), Some(ours)) = (self.kamailio.instructions, self.ours.instructions) {
            figures.push(Figure {
                name: format!("{}: thousand instructions", self.title),
                kamailio: kamailio as f64 / 1e3,
                ours: ours as f64 / 1e3,
                bar: self.bars.1.map_or(Bar::None, bar),
                how: format!("{} operations", long - short),
            });
        }
        figures
    }

    /// The scenario in one line.
    pub(super) fn line(&self) -> String {
        let cpu = |side: &Side| {
            median(&side.cpu).map_or_else(
                || "-".to_owned(),
                |middle| {
                    let (least, most) = spread(&side.cpu);
                    format!("{middle:.1} ({least:.1}-{most:.1})")
                },
            )
        };
        let time = match (median(&self.ours.cpu), median(&self.kamailio.cpu)) {
            (Some(ours), Some(theirs)) => verdict(ours / theirs, Some(self.bars.0)),
            _ => "-".to_owned(),
        };
        let count = |side: &Side| {
            side.instructions.map_or_else(
                || "-".to_owned(),
                |count| format!("{:.1}", count as f64 / 1e3),
            )
        };
        let instructions = match (self.ours.instructions, self.kamailio.instructions) {
            (Some(ours), Some(theirs)) if theirs > 0 => {
                verdict(ours as f64 / theirs as f64, self.bars.1)
            }
            _ => "-".to_owned(),
        };
        let rate = |side: &Side| {
            median(&side.rate).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"))
        };
        format!(
            "{:<38} {:>21} {:>21} {time:>13} {:>9} {:>9} {instructions:>13} {:>15} {:>22}",
            self.title,
            cpu(&self.kamailio),
            cpu(&self.ours),
            count(&self.kamailio),
            count(&self.ours),
            format!("{} / {}", rate(&self.kamailio), rate(&self.ours)),
            format!("{} / {}", busy(&self.kamailio), busy(&self.ours)),
        )
    }
}

/// `0.55 <= 0.70`, or `0.80 > 0.70`.
fn verdict(ratio: f64, bar: Option<u32>) -> String {
    let Some(bar) = bar else {
        return format!("{ratio:.2}");
    };
    let bar = f64::from(bar) / 100.0;
    let sign = if ratio <= bar { "<=" } else { ">" };
    format!("{ratio:.2} {sign} {bar:.2}")
}

/// Which of the two had no time left.
fn busy(side: &Side) -> String {
    let (Some(server), Some(generator)) = (median(&side.server_busy), median(&side.generator_busy))
    else {
        return "-".to_owned();
    };
    let who = if server >= generator {
        "server"
    } else {
        "generator"
    };
    format!("{who} {:.0}%", 100.0 * server.max(generator))
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, 0.0), |(least, most), value| {
        (value.min(least), value.max(most))
    })
}

pub(super) fn print(rows: &[Row]) {
    println!(
        "\n{:<38} {:>21} {:>21} {:>13} {:>9} {:>9} {:>13} {:>15} {:>22}",
        "CPU us (spread), thousand instructions",
        "Kamailio us",
        "ours us",
        "ratio, bar",
        "Kam. ins",
        "ours ins",
        "ratio, bar",
        "rates",
        "busiest"
    );
    for row in rows {
        println!("{}", row.line());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_told_with_its_bar() {
        assert_eq!(verdict(0.5, Some(70)), "0.50 <= 0.70");
        assert_eq!(verdict(0.71, Some(70)), "0.71 > 0.70");
        assert_eq!(verdict(0.5, None), "0.50");
    }

    #[test]
    fn the_middle_and_the_spread() {
        let values = [3.0, 1.0, 2.0];
        assert_eq!(median(&values), Some(2.0));
        assert_eq!(spread(&values), (1.0, 3.0));
        assert_eq!(median(&[]), None);
    }
}
