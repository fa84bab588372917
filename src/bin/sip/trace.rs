//! `--trace`: the messages of a dialogue as a ladder.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use sip_stack::agent::{Direction, Traced};

/// The width of an arrow, without its ends.
const WIDTH: usize = 44;

/// Prints a line per message: when, which way, what, and with whom.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    start: Option<Instant>,
    peer: Option<SocketAddr>,
}

impl Ladder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The line (or two, when the peer changes) of one message.
    pub(crate) fn line(&mut self, traced: &Traced) -> String {
        let start = *self.start.get_or_insert(traced.at);
        let mut out = String::new();
        if self.peer != Some(traced.remote) {
            self.peer = Some(traced.remote);
            let _ = writeln!(
                out,
                "{:9}  {} {} {}",
                "", traced.local, traced.transport, traced.remote
            );
        }
        let seconds = traced.at.saturating_duration_since(start).as_secs_f64();
        let label: String = traced.summary.chars().take(WIDTH - 4).collect();
        let dashes = WIDTH - 4 - label.chars().count();
        let (left, right) = (dashes / 2, dashes - dashes / 2);
        let (open, close) = match traced.direction {
            Direction::Sent => ("--", "->"),
            Direction::Received => ("<-", "--"),
        };
        let _ = writeln!(
            out,
            "{seconds:9.3}  |{open}{} {label} {}{close}|  {}",
            "-".repeat(left.saturating_sub(1)),
            "-".repeat(right.saturating_sub(1)),
            traced.detail
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_is_a_ladder() {
        let start = Instant::now();
        let traced = |direction, summary: &str, milliseconds| Traced {
            at: start + Duration::from_millis(milliseconds),
            direction,
            transport: "UDP",
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.2:5060".parse().unwrap(),
            summary: summary.to_owned(),
            detail: "1 INVITE".to_owned(),
        };
        let mut ladder = Ladder::new();
        let mut text = ladder.line(&traced(Direction::Sent, "INVITE sip:bob@192.0.2.2", 0));
        text += &ladder.line(&traced(Direction::Received, "180 Ringing", 12));
        assert_eq!(
            text,
            "           192.0.2.1:5060 UDP 192.0.2.2:5060\n    \
                0.000  |--------- INVITE sip:bob@192.0.2.2 -------->|  1 INVITE\n    \
                0.012  |<-------------- 180 Ringing ----------------|  1 INVITE\n"
        );
    }
}
