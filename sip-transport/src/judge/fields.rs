//! Which field may be in which message, by the tables of the RFCs, and how often.

use super::Faults;
use super::read::Text;

const TABLE: &str = include_str!("fields.txt");

/// The columns of the table.
const METHODS: [&str; 14] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INVITE",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "MESSAGE",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "INFO",
    "PUBLISH",
];

/// Fields of which a message has one at most, with one value (the grammar of RFC 3261 §25 and of the extensions).
const SINGLE: &[&str] = &[
    "Call-ID",
    "Content-Disposition",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Event",
    "Expires",
    "From",
    "Info-Package",
    "Max-Breadth",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "Priority",
    "RAck",
    "Refer-To",
    "Referred-By",
    "Replaces",
    "Reply-To",
    "Retry-After",
    "RSeq",
    "Server",
    "Session-Expires",
    "SIP-ETag",
    "SIP-If-Match",
    "Subject",
    "Subscription-State",
    "Target-Dialog",
    "Timestamp",
    "To",
    "User-Agent",
];

struct Row<'a> {
    field: &'a str,
    place: &'a str,
    code: &'a str,
}

pub(super) fn check(message: &Text<'_>, faults: &mut Faults) {
    for name in SINGLE {
        if message.lines(name).count() > 1 {
            faults.add(format!("{name}: more than one"));
        }
    }
    let method = message.method();
    let Some(column) = METHODS.iter().position(|other| *other == method) else {
        return;
    };
    let rows: Vec<Row<'_>> = rows(column)
        .filter(|row| applies(row.place, message.status()))
        .collect();
    for (index, row) in rows.iter().enumerate() {
        let others = || rows.iter().filter(|other| other.field == row.field);
        let is_first = !rows[..index].iter().any(|other| other.field == row.field);
        if is_first && message.has(row.field) && others().all(|other| other.code == "-") {
            faults.add(format!("{}: not allowed here", row.field));
        }
        if is_first && !message.has(row.field) && others().any(|other| other.code == "m") {
            faults.add(format!("{}: missing", row.field));
        }
    }
}

/// What the table says for a method.
fn rows(column: usize) -> impl Iterator<Item = Row<'static>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(move |line| {
        let mut cells = line.split('|').map(str::trim);
        let (field, place, codes) = (cells.next()?, cells.next()?, cells.next()?);
        let code = codes.split_whitespace().nth(column)?;
        (code != ".").then_some(Row { field, place, code })
    })
}

/// Whether a row is about a message: a request if there is no status.
fn applies(place: &str, status: Option<u16>) -> bool {
    place.split(',').any(|place| match (place, status) {
        ("" | "c" | "Rr", _) | ("R", None) | ("r" | "rc", Some(_)) => true,
        (_, None) | ("R", Some(_)) => false,
        (codes, Some(status)) => {
            let (low, high) = codes.split_once('-').unwrap_or((codes, codes));
            let bound = |text: &str, fill: &str| {
                let digits = text.replace('x', fill);
                // `3-6xx` is short for `3xx-6xx`.
                format!("{digits:0<3}").parse::<u16>().ok()
            };
            bound(low, "0").is_some_and(|low| status >= low)
                && bound(high, "9").is_some_and(|high| status <= high)
        }
    })
}
