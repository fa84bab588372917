//! What a server still completes when more is offered than it can bear.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};

use super::Setup;
use super::load::Generator;
use super::report::{Bar, Figure};
use super::scenario::{GUARDED, OFFERED};
use super::subject::{Kind, Subject, Wrapper};
use crate::shell;

/// What is offered, in hundredths of what ours can bear.
const OFFERS: [u32; 6] = [50, 75, 100, 150, 200, 300];
/// How long each load lasts, in seconds: as long as the closed loop that it is compared with, of which the second half counts, so that
/// as many calls are remembered.
const SECONDS: f64 = 3.0;
/// What is to be completed at twice the load that can be borne, in hundredths of the best.
const BAR: f64 = 80.0;

/// Times that the whole is done: what a machine that is shared can do differs from one minute to the next, so each curve is
/// compared with the most of its own minute, and the median counts.
const ROUNDS: usize = 5;

/// A curve: what was offered, and what was completed, for each second.
type Curve = Vec<(f64, f64)>;

/// What was measured of one server in a round.
struct Round {
    curve: Curve,
    /// What was completed at twice the load, in hundredths of the best.
    twice: f64,
}

pub(super) fn run(setup: &Setup, is_kept: bool) -> Result<Figure> {
    let generator = Generator::new(setup);
    let rounds = if setup.quick { 1 } else { ROUNDS };
    println!("\ncalls a second offered and completed (stateful, UDP)");
    let mut all: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (kind, measured) in [Kind::Kamailio, Kind::Ours].into_iter().zip(&mut all) {
            println!("{kind}, round {} of {rounds}:", round + 1);
            measured.push(one_round(setup, &generator, kind)?);
        }
    }
    for measured in &mut all {
        measured.sort_by(|a, b| a.twice.total_cmp(&b.twice));
    }
    let [kamailio, ours] = all.each_ref().map(|measured| measured.get(rounds / 2));
    let (kamailio, ours) = kamailio.zip(ours).context("nothing was measured")?;
    for (kind, measured, median) in [
        (Kind::Kamailio, &all[0], kamailio),
        (Kind::Ours, &all[1], ours),
    ] {
        let each: Vec<String> = measured
            .iter()
            .map(|one| format!("{:.0}", one.twice))
            .collect();
        let sign = if median.twice >= BAR {
            "at least"
        } else {
            "below"
        };
        println!(
            "{kind}: {:.0} % at twice the load (each round: {}), {sign} {BAR:.0} %",
            median.twice,
            each.join(", ")
        );
    }
    if is_kept {
        let path = shell::root().join("docs/overload.svg");
        let curves = [
            (Kind::Kamailio, kamailio.curve.clone()),
            (Kind::Ours, ours.curve.clone()),
        ];
        fs::write(&path, plot(&curves)).with_context(|| path.display().to_string())?;
        println!("written: docs/overload.svg");
    }
    Ok(Figure {
        name: "calls completed at twice the load, % of the most".to_owned(),
        kamailio: kamailio.twice,
        ours: ours.twice,
        bar: Bar::Least(BAR),
        how: format!("median of {rounds}"),
    })
}

fn one_round(setup: &Setup, generator: &Generator, kind: Kind) -> Result<Round> {
    let before = most(setup, generator, kind)?;
    let seconds = SECONDS.min(setup.seconds);
    let mut curve = Curve::new();
    let mut at_twice = 0.0;
    for offer in OFFERS {
        let subject = Subject::start(setup, &GUARDED, kind, Wrapper::Core)?;
        let offered = before * f64::from(offer) / 100.0;
        let run = generator.offer(&subject, &GUARDED, offered, seconds)?;
        println!(
            "{kind:<10} {offer:>4} %: offered {offered:>7.0}, completed {:>7.0} ({:>3.0} % of the most), {} failed, {} retransmitted; \
             server {:.0} %, generator {:.0} %",
            run.rate,
            100.0 * run.rate / before,
            run.failed,
            run.retransmissions,
            100.0 * run.server_busy,
            100.0 * run.generator_busy,
        );
        curve.push((offered, run.rate));
        if offer == 200 {
            at_twice = run.rate;
        }
    }
    let after = most(setup, generator, kind)?;
    let middle = f64::midpoint(before, after);
    println!("{kind:<10} most, one call after another: {before:.0} before, {after:.0} after");
    let best = curve.iter().map(|(_, done)| *done).fold(middle, f64::max);
    Ok(Round {
        curve,
        twice: 100.0 * at_twice / best,
    })
}

/// How many calls one core can serve in a second, when the next begins as one ends.
fn most(setup: &Setup, generator: &Generator, kind: Kind) -> Result<f64> {
    let subject = Subject::start(setup, &OFFERED, kind, Wrapper::Core)?;
    let seconds = SECONDS.min(setup.seconds) / 2.0;
    generator.run(&subject, &OFFERED, 0, seconds)?;
    Ok(generator.run(&subject, &OFFERED, 1, seconds)?.rate)
}

/// The curves as a picture.
fn plot(curves: &[(Kind, Curve)]) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 400.0;
    const EDGE: f64 = 50.0;
    let points = || curves.iter().flat_map(|(_, curve)| curve);
    let most_x = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let most_y = points().map(|(_, y)| *y).fold(1.0, f64::max);
    let x = |value: f64| EDGE + value / most_x * (WIDTH - 2.0 * EDGE);
    let y = |value: f64| HEIGHT - EDGE - value / most_y * (HEIGHT - 2.0 * EDGE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <path d=\"M{EDGE} {EDGE}V{0}H{1}\" fill=\"none\" stroke=\"black\"/>\n\
         <text x=\"{2}\" y=\"{3}\" text-anchor=\"middle\">calls offered a second (to {most_x:.0})</text>\n\
         <text x=\"{EDGE}\" y=\"{4}\">calls completed a second (to {most_y:.0})</text>\n",
        HEIGHT - EDGE,
        WIDTH - EDGE,
        WIDTH / 2.0,
        HEIGHT - EDGE / 3.0,
        EDGE * 0.7
    );
    for ((kind, curve), colour) in curves.iter().zip(["#c0392b", "#2471a3"]) {
        let line: Vec<String> = curve
            .iter()
            .map(|(offered, done)| format!("{:.1},{:.1}", x(*offered), y(*done)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        if let Some((offered, done)) = curve.last() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\" text-anchor=\"end\">{kind}</text>",
                x(*offered),
                y(*done) - 6.0
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_within_the_picture() {
        let svg = plot(&[
            (Kind::Kamailio, vec![(100.0, 100.0), (200.0, 50.0)]),
            (Kind::Ours, vec![(100.0, 100.0), (200.0, 90.0)]),
        ]);
        assert!(
            svg.contains("<polyline points=\"320.0,50.0 590.0,200.0\""),
            "{svg}"
        );
        assert!(svg.contains("sip serve"), "{svg}");
    }
}
