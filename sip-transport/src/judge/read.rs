//! A message as the validator reads it.

use super::Faults;

/// Start line, fields and body.
pub(super) struct Text<'a> {
    pub(super) start: Start<'a>,
    /// Names as they are called in full, and values without folds.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: &'a [u8],
}

pub(super) enum Start<'a> {
    Request { method: &'a str, uri: &'a str },
    Response { status: u16 },
}

/// RFC 3261 sets no limit to a line; some that is sent must be read by somebody, and this is what peers read.
const LONGEST_LINE: usize = 8192;

/// The one-letter names of RFC 3261 §7.3.3 and of the extensions.
const COMPACT: &[(&str, &str)] = &[
    ("a", "Accept-Contact"),
    ("b", "Referred-By"),
    ("c", "Content-Type"),
    ("d", "Request-Disposition"),
    ("e", "Content-Encoding"),
    ("f", "From"),
    ("i", "Call-ID"),
    ("j", "Reject-Contact"),
    ("k", "Supported"),
    ("l", "Content-Length"),
    ("m", "Contact"),
    ("n", "Identity-Info"),
    ("o", "Event"),
    ("r", "Refer-To"),
    ("s", "Subject"),
    ("t", "To"),
    ("u", "Allow-Events"),
    ("v", "Via"),
    ("x", "Session-Expires"),
    ("y", "Identity"),
];

impl<'a> Text<'a> {
    /// None when it is so broken that nothing else can be said of it.
    pub(super) fn read(payload: &'a [u8], faults: &mut Faults) -> Option<Self> {
        let Some(end) = payload.windows(4).position(|four| four == b"\r\n\r\n") else {
            faults.add("message: no empty line after the fields");
            return None;
        };
        let (head, rest) = payload.split_at(end);
        let body = rest.get(4..).unwrap_or_default();
        let Ok(head) = std::str::from_utf8(head) else {
            faults.add("message: the fields are not UTF-8");
            return None;
        };
        let mut lines = head.split("\r\n");
        let start = Start::read(lines.next().unwrap_or_default(), faults)?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            faults.unless(line.len() <= LONGEST_LINE, "message: a line is too long");
            let printable = |char: char| !char.is_control() || char == '\t';
            faults.unless(
                line.chars().all(printable),
                "message: a control character in a field",
            );
            if line.starts_with([' ', '\t']) {
                // RFC 3261 §7.3.1: a fold.
                match fields.last_mut() {
                    Some((_, value)) => {
                        // The space that a fold stands for; before a value it is none of it.
                        if !value.is_empty() {
                            value.push(' ');
                        }
                        value.push_str(line.trim());
                    }
                    None => faults.add("message: the first field line is a continuation"),
                }
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                faults.add(format!("message: a line without a colon: {line}"));
                continue;
            };
            let name = name.trim_end_matches([' ', '\t']);
            faults.unless(is_token(name), "message: a field name that is no token");
            fields.push((full_name(name), value.trim().to_owned()));
        }
        Some(Self {
            start,
            fields,
            body,
        })
    }

    /// The values of all fields of a name, one string for each line.
    pub(super) fn lines<'b, 'n>(
        &'b self,
        name: &'n str,
    ) -> impl Iterator<Item = &'b str> + use<'a, 'b, 'n> {
        self.fields
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of a field in which commas separate them.
    pub(super) fn values<'b>(&'b self, name: &str) -> Vec<&'b str> {
        self.lines(name)
            .flat_map(|line| split(line, ','))
            .map(str::trim)
            .collect()
    }

    /// The first value.
    pub(super) fn first<'b>(&'b self, name: &str) -> Option<&'b str> {
        self.lines(name).next()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The method of the request, or of the CSeq.
    pub(super) fn method(&self) -> &str {
        match self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => {
                let cseq = self.first("CSeq").unwrap_or_default();
                cseq.split_whitespace().nth(1).unwrap_or_default()
            }
        }
    }

    pub(super) const fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status } => Some(status),
        }
    }
}

impl<'a> Start<'a> {
    fn read(line: &'a str, faults: &mut Faults) -> Option<Self> {
        faults.unless(line.len() <= LONGEST_LINE, "start line: too long");
        faults.unless(
            !line.chars().any(char::is_control),
            "start line: a control character",
        );
        if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
            // RFC 3261 §7.2: a space follows the status even if there is no phrase.
            let status = rest.get(..3).and_then(|digits| digits.parse().ok());
            let spaced = rest.get(3..4) == Some(" ");
            let Some(status) = status.filter(|status| spaced && (100..700).contains(status)) else {
                faults.add(format!("start line: no status line: {line}"));
                return None;
            };
            return Some(Self::Response { status });
        }
        // RFC 3261 §7.1: single spaces, and none within.
        let mut words = line.split(' ');
        let (Some(method), Some(uri), Some("SIP/2.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            faults.add(format!("start line: no request line: {line}"));
            return None;
        };
        faults.unless(is_token(method), "start line: the method is no token");
        Some(Self::Request { method, uri })
    }
}

fn full_name(name: &str) -> String {
    let compact = COMPACT
        .iter()
        .find(|(letter, _)| letter.eq_ignore_ascii_case(name));
    compact.map_or(name, |(_, full)| full).to_owned()
}

pub(super) fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

/// Splits where a separator is neither in quotes nor in angle brackets.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ if char == separator && !quoted && !bracketed => {
                parts.push(&text[start..at]);
                start = at + char.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A URI with its parameters in a From, To, Contact or Route.
pub(super) struct Address<'a> {
    pub(super) uri: &'a str,
    pub(super) bracketed: bool,
    /// Name and value of the parameters of the field.
    pub(super) params: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Address<'a> {
    pub(super) fn read(value: &'a str) -> Option<Self> {
        let mut parts = split(value, ';').into_iter();
        let first = parts.next()?.trim();
        let params = parts.map(|param| match param.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (param.trim(), None),
        });
        let params: Vec<_> = params.collect();
        let named = params
            .iter()
            .all(|(name, value)| is_token(name) && value.is_none_or(|value| !value.is_empty()));
        // The last bracket: a quoted display name may have some too.
        let (uri, bracketed) = match first.strip_suffix('>') {
            Some(inner) => (inner.rsplit_once('<')?.1, true),
            None => (first, false),
        };
        (named && uri.contains(':') && !uri.contains([' ', '<', '>'])).then_some(Self {
            uri,
            bracketed,
            params,
        })
    }

    pub(super) fn param(&self, name: &str) -> Option<&'a str> {
        let mut all = self.params.iter();
        all.find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or_default())
    }

    pub(super) fn count(&self, name: &str) -> usize {
        let all = self.params.iter();
        all.filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .count()
    }
}
