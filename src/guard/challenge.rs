//! How a challenge becomes small: RFC 3261 §22.4 has nothing against it, and forged requests are worth less.

use bytes::Bytes;

/// Is this a 401 or a 407?
pub(super) fn is_challenge(payload: &[u8]) -> bool {
    payload.starts_with(b"SIP/2.0 401 ") || payload.starts_with(b"SIP/2.0 407 ")
}

/// The challenge in at most `limit` bytes: first with the last of its algorithms alone, which is the one that most phones
/// know, then with the short names of the fields and without the reason, at last without what is understood by itself.
/// `None` if none of them fits.
pub(super) fn fit(payload: &[u8], limit: usize) -> Option<Bytes> {
    let (status, fields) = split(payload)?;
    let last = fields.iter().rposition(|field| field.is_challenge());
    let one: Vec<Field<'_>> = fields
        .iter()
        .enumerate()
        .filter(|(place, field)| !field.is_challenge() || Some(*place) == last)
        .map(|(_, field)| *field)
        .collect();
    let short = status.get(..12)?;
    [
        write(status, &one, Style::Full),
        write(short, &one, Style::Compact),
        write(short, &one, Style::Bare),
    ]
    .into_iter()
    .find(|text| text.len() <= limit)
    .map(Bytes::from)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// As it was, but for the other challenges.
    Full,
    /// Short names, and no field that a response can do without (RFC 3261 §8.2.6.2; §20.14 for datagrams).
    Compact,
    /// As compact, and the challenge without spaces and without the algorithm that is meant when there is none.
    Bare,
}

#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'a [u8],
    /// With the folds in it.
    value: &'a [u8],
}

impl Field<'_> {
    fn is(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    fn is_challenge(&self) -> bool {
        self.is(&["WWW-Authenticate", "Proxy-Authenticate"])
    }

    /// The short name (RFC 3261 §7.3.3) of a field that a response must have.
    fn short(&self) -> Option<&'static [u8]> {
        let table: [(&[&str], &'static [u8]); 5] = [
            (&["Via", "v"], b"v"),
            (&["From", "f"], b"f"),
            (&["To", "t"], b"t"),
            (&["Call-ID", "i"], b"i"),
            (&["CSeq"], b"CSeq"),
        ];
        table
            .into_iter()
            .find(|(names, _)| self.is(names))
            .map(|(_, short)| short)
    }
}

/// The status line and the fields; `None` if there is a body.
fn split(payload: &[u8]) -> Option<(&[u8], Vec<Field<'_>>)> {
    let mut rest = payload;
    let mut lines: Vec<&[u8]> = Vec::new();
    loop {
        let mut end = find(rest, b"\r\n")?;
        if end == 0 {
            break;
        }
        // RFC 3261 §7.3.1: a line that begins with white space goes on with the one before.
        while matches!(rest.get(end + 2), Some(b' ' | b'\t')) {
            end += 2 + find(rest.get(end + 2..)?, b"\r\n")?;
        }
        lines.push(rest.get(..end)?);
        rest = rest.get(end + 2..)?;
    }
    if rest.len() != 2 {
        return None;
    }
    let (status, lines) = lines.split_first()?;
    let fields = lines
        .iter()
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some(Field {
                name: line.get(..colon)?.trim_ascii(),
                value: line.get(colon + 1..)?.trim_ascii(),
            })
        })
        .collect::<Option<_>>()?;
    Some((status, fields))
}

fn find(text: &[u8], what: &[u8; 2]) -> Option<usize> {
    text.windows(2).position(|pair| pair == what)
}

fn write(status: &[u8], fields: &[Field<'_>], style: Style) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(status);
    for field in fields {
        let name = match (style, field.short()) {
            (Style::Full, _) => field.name,
            (Style::Compact | Style::Bare, Some(short)) => short,
            (Style::Compact | Style::Bare, None) if field.is_challenge() => field.name,
            (Style::Compact | Style::Bare, None) => continue,
        };
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name);
        out.push(b':');
        if style == Style::Full {
            out.push(b' ');
        }
        if style == Style::Bare && field.is_challenge() {
            bare(field.value, &mut out);
        } else {
            out.extend_from_slice(field.value);
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
    out
}

/// The challenges are ours, so they have no quoted commas but in the realm, and these are not followed by our names.
fn bare(value: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    // RFC 7616 §3.3: "If this is not present, it is assumed to be "MD5"".
    let text = text.replace(", algorithm=MD5,", ",");
    let mut text = text.as_str();
    // Only the parts that we write ourselves lose their space.
    for name in ["nonce=", "algorithm=", "qop=", "stale="] {
        if let Some(at) = text.find(&format!(", {name}")) {
            let (before, after) = text.split_at(at);
            out.extend_from_slice(before.as_bytes());
            out.push(b',');
            text = after.get(2..).unwrap_or_default();
        }
    }
    out.extend_from_slice(text.as_bytes());
}
