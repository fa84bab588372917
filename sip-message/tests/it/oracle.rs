//! A slow, obvious parser, written against RFC 3261 section 7 and not against the crate, and what it must agree on.

/// What the obvious parser sees in a head with CRLF line ends: start line, fields (name, unfolded value), body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Obvious {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Obvious> {
    let mut at = 0;
    while bytes[at..].starts_with(b"\r\n") {
        at += 2;
    }
    let end = (at..bytes.len()).find(|&i| bytes[i..].starts_with(b"\r\n\r\n"))?;
    let head = std::str::from_utf8(&bytes[at..end]).ok()?;
    let mut lines: Vec<String> = Vec::new();
    for line in head.split("\r\n") {
        if line.contains(['\r', '\n']) {
            return None;
        }
        if line.starts_with([' ', '\t']) {
            let last = lines.last_mut()?;
            last.push_str("\r\n");
            last.push_str(line);
        } else {
            lines.push(line.to_owned());
        }
    }
    let mut lines = lines.into_iter();
    let start = lines.next()?;
    if start.contains("\r\n") {
        return None;
    }
    let mut fields = Vec::new();
    let mut length = None;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = name.trim_end_matches([' ', '\t']);
        let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return None;
        }
        let value = value.trim_matches([' ', '\t', '\r', '\n']);
        let singular = [
            ["from", "f"],
            ["to", "t"],
            ["call-id", "i"],
            ["cseq", "cseq"],
            ["max-forwards", "max-forwards"],
            ["content-length", "l"],
            ["content-type", "c"],
        ];
        let lower = name.to_ascii_lowercase();
        if let Some(same) = singular.iter().find(|same| same.contains(&lower.as_str())) {
            let again =
                |(other, _): &(String, String)| same.contains(&other.to_ascii_lowercase().as_str());
            if fields.iter().any(again) {
                return None;
            }
        }
        if lower == "content-length" || lower == "l" {
            if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            length = Some(value.parse::<usize>().ok()?);
        }
        fields.push((name.to_owned(), value.to_owned()));
    }
    for same in [
        ["via", "v"],
        ["from", "f"],
        ["to", "t"],
        ["call-id", "i"],
        ["cseq", "cseq"],
    ] {
        if !fields
            .iter()
            .any(|(name, _)| same.contains(&name.to_ascii_lowercase().as_str()))
        {
            return None;
        }
    }
    if !is_start_line(&start) {
        return None;
    }
    let rest = &bytes[end + 4..];
    let body = match length {
        None => rest,
        Some(length) => rest.get(..length)?,
    };
    Some(Obvious {
        start,
        fields,
        body: body.to_vec(),
    })
}

fn is_start_line(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case("SIP/") {
        let code = |code: &str| {
            code.len() == 3
                && code
                    .parse::<u16>()
                    .is_ok_and(|code| (100..=699).contains(&code))
        };
        return words.len() >= 3 && words[0].eq_ignore_ascii_case("SIP/2.0") && code(words[1]);
    }
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    match words[..] {
        [method, uri, version] => {
            !method.is_empty()
                && method.chars().all(token)
                && !uri.is_empty()
                && !uri.chars().any(|c| c.is_ascii_control())
                && version.eq_ignore_ascii_case("SIP/2.0")
        }
        _ => false,
    }
}
