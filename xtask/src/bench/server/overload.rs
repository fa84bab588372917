//! What a server still completes when more is offered than it can bear.

use std::fmt::Write as _;
use std::fs;
use std::thread;

use anyhow::{Context as _, Result};

use super::Setup;
use super::load::Generator;
use super::report::{Bar, Figure};
use super::scenario::{GUARDED, named};
use super::subject::{Kind, Subject, Wrapper};
use crate::shell;

/// What is offered, in hundredths of what ours can bear.
const OFFERS: [u32; 6] = [50, 75, 100, 150, 200, 300];
/// Calls that a run may take, about: a proxy keeps what it knows of each for 64 T1 after its answer, and the more it has to keep
/// the less it can bear. What it can is measured in a run that is no longer.
const CALLS: f64 = 40_000.0;
/// What is to be completed at twice the load that can be borne, in hundredths of the best.
const BAR: f64 = 80.0;

/// A curve: what was offered, and what was completed, for each second.
type Curve = Vec<(f64, f64)>;

pub(super) fn run(setup: &Setup, is_kept: bool) -> Result<Figure> {
    let scenario = &GUARDED;
    let generator = Generator::new(setup);
    println!("\ncalls a second offered and completed (stateful, UDP)");
    let mut curves: Vec<(Kind, Curve)> = Vec::new();
    let mut shares = Vec::new();
    for kind in [Kind::Kamailio, Kind::Ours] {
        let most = {
            let plain = named("call-udp").context("there is no such scenario")?;
            let subject = Subject::start(setup, plain, kind, Wrapper::Core)?;
            let seconds = setup.seconds.min(1.5);
            generator.run(&subject, plain, 0, seconds)?;
            generator.run(&subject, plain, 1, seconds)?.rate
        };
        let seconds = (setup.seconds * 2.0).min(CALLS / most);
        let mut curve = Curve::new();
        for offer in OFFERS {
            let subject = Subject::start(setup, scenario, kind, Wrapper::Core)?;
            let offered = most * f64::from(offer) / 100.0;
            let run = generator.offer(&subject, scenario, offered, seconds)?;
            println!(
                "{kind:<10} {offer:>4} %: offered {offered:>7.0}, completed {:>7.0} ({:>3.0} % of the best), {} failed, {} retransmitted",
                run.rate,
                100.0 * run.rate / most,
                run.failed,
                run.retransmissions
            );
            curve.push((offered, run.rate));
        }
        let best = curve.iter().map(|(_, done)| *done).fold(most, f64::max);
        let twice = curve
            .iter()
            .zip(OFFERS)
            .find(|(_, offer)| *offer == 200)
            .map_or(0.0, |((_, done), _)| *done);
        let percent = 100.0 * twice / best;
        let sign = if percent >= BAR { "at least" } else { "below" };
        println!("{kind}: {percent:.0} % at twice the load, {sign} {BAR:.0} %");
        curves.push((kind, curve));
        shares.push(percent);
        thread::sleep(setup.rest());
    }
    if is_kept {
        let path = shell::root().join("docs/overload.svg");
        fs::write(&path, plot(&curves)).with_context(|| path.display().to_string())?;
        println!("written: docs/overload.svg");
    }
    let share = |place: usize| shares.get(place).copied().unwrap_or(0.0);
    Ok(Figure {
        name: "calls completed at twice the load, % of the most".to_owned(),
        kamailio: share(0),
        ours: share(1),
        bar: Bar::Least(BAR),
        how: "once".to_owned(),
    })
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
