//! `docs/robustness.md`'s part on endurance, and its picture.

use std::fmt::Write as _;

use anyhow::Result;

use super::calls::Found;
use crate::shell;

pub(crate) fn write(found: &Found, day: &str) -> Result<()> {
    let docs = shell::root().join("docs");
    std::fs::write(docs.join("endurance.svg"), plot(&found.memory))?;
    crate::robustness::write("endurance", &page(found, day))
}

fn page(found: &Found, day: &str) -> String {
    let mut out = String::from(
        "Made by `cargo xtask soak --bless`.\n\n\
         ## A day of a domain, in virtual time\n\n\
         Telephones of a few lines each register, call, hang up, are busy, give up and vanish around the composed server (registrar, proxy,\n\
         transactions, transport), over a network that loses one datagram in a hundred. Once an hour it is looked at what the process keeps; at the end\n\
         every call has to have ended as it was meant to, and nothing may be left. `cargo run --release -p sip-bench --bin endurance`:\n\n```text\n",
    );
    out.push_str(day.trim_end());
    out.push_str("\n```\n\n## Real minutes\n\n");
    let _ = writeln!(
        out,
        "SIPp calls SIPp through `sip serve` (release build, UDP, Record-Route, bindings in memory) on one machine of two cores.{}",
        found.maximum.map_or_else(String::new, |maximum| format!(
            "\nThe most calls a second that were all completed in ten seconds, doubling from 100, was {maximum}; SIPp takes more of the machine than the server."
        ))
    );
    let _ = writeln!(
        out,
        "\n{} calls in {} minutes, {} a second, all completed; the server took {:.0} % of a core.",
        found.calls,
        found.minutes,
        found.rate,
        found.cpu * 100.0
    );
    if let Some((early, late)) = found.halves() {
        let _ = writeln!(
            out,
            "Resident memory after the first 90 seconds: at most {early} KiB in the first half, {late} KiB in the second."
        );
    }
    out.push_str("\n![resident memory over time](endurance.svg)\n");
    out
}

fn plot(memory: &[(u64, u64)]) -> String {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 300.0;
    const EDGE: f64 = 45.0;
    let last = memory.last().map_or(1, |(second, _)| *second).max(1) as f64;
    let most = memory.iter().map(|(_, kib)| *kib).max().unwrap_or(1).max(1) as f64;
    let points: Vec<String> = memory
        .iter()
        .map(|(second, kib)| {
            format!(
                "{:.1},{:.1}",
                EDGE + *second as f64 / last * (WIDTH - 2.0 * EDGE),
                HEIGHT - EDGE - *kib as f64 / most * (HEIGHT - 2.0 * EDGE)
            )
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <path d=\"M{EDGE} {EDGE}V{}H{}\" fill=\"none\" stroke=\"black\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">seconds (to {last:.0})</text>\n\
         <text x=\"{EDGE}\" y=\"{}\">resident KiB (to {most:.0})</text>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#2471a3\" stroke-width=\"2\"/>\n</svg>\n",
        HEIGHT - EDGE,
        WIDTH - EDGE,
        WIDTH / 2.0,
        HEIGHT - EDGE / 3.0,
        EDGE * 0.7,
        points.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_figures_and_the_picture_stays_in_its_frame() {
        let found = Found {
            maximum: Some(800),
            rate: 400,
            minutes: 1,
            calls: 24_000,
            cpu: 0.25,
            memory: vec![(0, 10), (100, 40), (200, 40)],
        };
        let text = page(&found, "nothing is left\n");
        assert!(
            text.contains("24000 calls in 1 minutes, 400 a second"),
            "{text}"
        );
        assert!(text.contains("25 % of a core"), "{text}");
        let picture = plot(&found.memory);
        assert!(
            picture.contains("45.0,201.2 ") || picture.contains("45.0,202.5 "),
            "{picture}"
        );
        assert!(picture.contains("595.0,45.0"), "{picture}");
    }
}
