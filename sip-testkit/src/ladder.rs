//! [`Ladder`]: who sent what to whom, as text.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::network::Fate;

/// The packets of a simulation in the order in which they were sent.
///
/// The text is meant to be the expected value of a test: it starts with a line end, so that the literal does too.
#[derive(Debug, Default)]
pub struct Ladder {
    columns: Vec<(String, SocketAddr)>,
    lines: Vec<Line>,
    enabled: bool,
}

#[derive(Debug)]
struct Line {
    millis: u128,
    from: SocketAddr,
    to: SocketAddr,
    label: String,
    fate: Fate,
}

/// Characters between two lifelines.
const WIDTH: usize = 19;
/// Characters before the first lifeline.
const MARGIN: usize = 13;

impl Ladder {
    pub(crate) fn new() -> Self {
        Self {
            enabled: true,
            ..Self::default()
        }
    }

    /// Stops recording: for simulations of a million calls.
    pub fn disable(&mut self) {
        self.enabled = false;
    }

    pub(crate) fn add_column(&mut self, name: &str, address: SocketAddr) {
        self.columns.push((name.to_owned(), address));
    }

    pub(crate) fn record(
        &mut self,
        millis: u128,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        fate: Fate,
    ) {
        if self.enabled {
            self.lines.push(Line {
                millis,
                from,
                to,
                label: describe(payload),
                fate,
            });
        }
    }

    /// Removes and returns the text of what was recorded so far.
    #[must_use]
    pub fn take(&mut self) -> String {
        let text = self.to_text();
        self.lines.clear();
        text
    }

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from("\n");
        let mut names = String::new();
        for (index, (name, _)) in self.columns.iter().enumerate() {
            // Each name is centred over its lifeline.
            let lifeline = MARGIN + index * (WIDTH + 1);
            let missing = (lifeline - name.len() / 2).saturating_sub(names.len());
            names.push_str(&" ".repeat(missing));
            names.push_str(name);
        }
        let _ = writeln!(text, "{names}");
        for line in &self.lines {
            let _ = writeln!(
                text,
                "{:>7} ms   {}",
                line.millis,
                self.arrow(line).trim_end()
            );
        }
        text
    }

    fn arrow(&self, line: &Line) -> String {
        let column = |address| {
            self.columns
                .iter()
                .position(|(_, column)| *column == address)
        };
        let (Some(from), Some(to)) = (column(line.from), column(line.to)) else {
            // A NAT, or an address that nobody has.
            return format!(
                "{} -> {} {}{}",
                line.from,
                line.to,
                line.label,
                note(line.fate)
            );
        };
        let (left, right) = (from.min(to), from.max(to));
        let mut out = String::new();
        let mut at = 0;
        while at < self.columns.len() {
            out.push('|');
            if at == left && left != right {
                let width = (right - left) * (WIDTH + 1) - 1;
                let label: String = line.label.chars().take(width.saturating_sub(4)).collect();
                let dashes = format!("{label:-^width$}", width = width - 1);
                let lost = matches!(line.fate, Fate::Lost | Fate::Filtered);
                let head = if lost {
                    'x'
                } else if from < to {
                    '>'
                } else {
                    '<'
                };
                if from < to {
                    let _ = write!(out, "{dashes}{head}");
                } else {
                    let _ = write!(out, "{head}{dashes}");
                }
                at = right;
            } else {
                if at + 1 < self.columns.len() {
                    out.push_str(&" ".repeat(WIDTH));
                }
                at += 1;
            }
        }
        out + note(line.fate)
    }
}

fn note(fate: Fate) -> &'static str {
    match fate {
        Fate::Arrives => "",
        Fate::Duplicated => "  twice",
        Fate::Lost => "  lost",
        Fate::Filtered => "  filtered",
    }
}

/// A message in two or three words: `INVITE`, `180 (INVITE)`, `200 (BYE)`; the first word of what is no SIP.
#[must_use]
pub fn describe(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let first = words.next().unwrap_or_default();
    if first != "SIP/2.0" {
        return first.to_owned();
    }
    let status = words.next().unwrap_or_default();
    let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq:"));
    let method = cseq
        .and_then(|cseq| cseq.split_whitespace().nth(1))
        .unwrap_or_default();
    format!("{status} ({method})")
}
