//! Lists as tables, and traces as ladders.

use std::fmt::Write as _;

use serde_json::Value;

/// A list of objects with these fields as columns.
pub(super) fn table(list: &[Value], columns: &[&str]) -> String {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|entry| columns.iter().map(|name| cell(entry.get(name))).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(place, name)| {
            rows.iter()
                .filter_map(|row| row.get(place))
                .map(|text| text.chars().count())
                .chain([name.len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let head: Vec<String> = columns
        .iter()
        .map(|name| name.replace('_', " ").to_uppercase())
        .collect();
    let mut out = String::new();
    for row in [head].iter().chain(&rows) {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{text:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// An object, a line a field.
pub(super) fn fields(value: &Value) -> String {
    let mut out = String::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = name.replace('_', " ");
        let _ = writeln!(out, "{name:24}{}", cell(Some(value)));
    }
    out
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(value) if !number.is_i64() && !number.is_u64() => format!("{value:.1}"),
            _ => number.to_string(),
        },
        Some(Value::Array(list)) => {
            let list: Vec<String> = list.iter().map(|value| cell(Some(value))).collect();
            list.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// The width of an arrow, without its ends.
const WIDTH: usize = 44;

/// Draws what a trace tells: the server is on the left, whom it talks to on the right.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    start: Option<f64>,
    peer: String,
}

impl Ladder {
    /// The lines of one object of the trace; empty for what is no message.
    pub(super) fn lines(&mut self, value: &Value) -> String {
        let mut out = String::new();
        if let Some(dropped) = value.get("dropped").and_then(Value::as_u64) {
            let _ = writeln!(
                out,
                "{:9}  ({dropped} messages not shown: too many at once)",
                ""
            );
            return out;
        }
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let Some(at) = value.get("at").and_then(Value::as_f64) else {
            return out;
        };
        let start = *self.start.get_or_insert(at);
        let peer = format!(
            "{} {} {}",
            field("local"),
            field("transport"),
            field("peer")
        );
        if self.peer != peer {
            let _ = writeln!(out, "{:9}  {peer}  {}", "", field("call_id"));
            self.peer = peer;
        }
        let label: String = field("summary").chars().take(WIDTH - 4).collect();
        let dashes = WIDTH - 4 - label.chars().count();
        let (left, right) = (dashes / 2, dashes - dashes / 2);
        let (open, close) = if field("direction") == "sent" {
            ("--", "->")
        } else {
            ("<-", "--")
        };
        let _ = writeln!(
            out,
            "{:9.3}  |{open}{} {label} {}{close}|  {}",
            at - start,
            "-".repeat(left.saturating_sub(1)),
            "-".repeat(right.saturating_sub(1)),
            field("cseq")
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table() {
        let list = [
            json!({ "user": "alice", "expires": 60, "q": null }),
            json!({ "user": "bo", "expires": 3600, "q": "0.5" }),
        ];
        assert_eq!(
            table(&list, &["user", "expires", "q"]),
            "USER   EXPIRES  Q\nalice  60       -\nbo     3600     0.5\n"
        );
        assert_eq!(table(&[], &["call_id"]), "CALL ID\n");
    }

    #[test]
    fn a_trace_is_a_ladder() {
        let message = |at: f64, direction: &str, summary: &str| {
            json!({
                "at": at, "direction": direction, "summary": summary, "cseq": "1 INVITE", "call_id": "c1",
                "transport": "UDP", "local": "192.0.2.1:5060", "peer": "192.0.2.9:5062",
            })
        };
        let mut ladder = Ladder::default();
        let mut text = ladder.lines(&message(10.0, "received", "INVITE sip:bob@example.com"));
        text += &ladder.lines(&message(10.012, "sent", "100 Trying"));
        text += &ladder.lines(&json!({ "dropped": 3 }));
        assert_eq!(
            text,
            "           192.0.2.1:5060 UDP 192.0.2.9:5062  c1\n    \
             0.000  |<------- INVITE sip:bob@example.com --------|  1 INVITE\n    \
             0.012  |---------------- 100 Trying --------------->|  1 INVITE\n           \
             (3 messages not shown: too many at once)\n"
        );
    }
}
