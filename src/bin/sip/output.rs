//! What a command says on standard output: a line for a person, or one JSON object per event.

use std::io::Write as _;

use serde_json::Value;

/// Prints one line. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints events in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Says that something happened: `event` with the `fields` of a JSON object for a program, `text` for a person (none
    /// when it is empty).
    pub(crate) fn event(self, event: &str, fields: Value, text: &str) {
        if self.json {
            let mut object = serde_json::Map::new();
            object.insert("event".to_owned(), event.into());
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
            line(&Value::Object(object).to_string());
        } else if !text.is_empty() {
            line(text);
        }
    }
}
