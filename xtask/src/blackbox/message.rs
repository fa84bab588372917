//! SIP messages as lines of text: as simple as the grammar allows, and nothing of `sip-message`.

/// A message: a start line, fields, a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The compact forms (RFC 3261 section 20 and its extensions).
const COMPACT: [(&str, &str); 13] = [
    ("i", "Call-ID"),
    ("m", "Contact"),
    ("e", "Content-Encoding"),
    ("l", "Content-Length"),
    ("c", "Content-Type"),
    ("f", "From"),
    ("s", "Subject"),
    ("k", "Supported"),
    ("t", "To"),
    ("v", "Via"),
    ("o", "Event"),
    ("r", "Refer-To"),
    ("x", "Session-Expires"),
];

fn full(name: &str) -> &str {
    COMPACT
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(name))
        .map_or(name, |(_, long)| long)
}

impl Message {
    /// `None` for what is no SIP message.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        if !start.contains("SIP/2.0") {
            return None;
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':')?;
            fields.push((full(name.trim()).to_owned(), value.trim().to_owned()));
        }
        Some(Self {
            start,
            fields,
            body: body.to_owned(),
        })
    }

    /// The code of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        let rest = self.start.strip_prefix("SIP/2.0 ")?;
        rest.split(' ').next()?.parse().ok()
    }

    /// The method of a request, or of the request that a response answers.
    pub(crate) fn method(&self) -> &str {
        if self.status().is_some() {
            self.get("CSeq")
                .and_then(|value| value.split_whitespace().nth(1))
                .unwrap_or_default()
        } else {
            self.start.split(' ').next().unwrap_or_default()
        }
    }

    /// The Request-URI.
    pub(crate) fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The first value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of a field, one for each line.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(full(name)))
            .map(|(_, value)| value.as_str())
    }

    /// The tag of From or To.
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
        after
            .split(';')
            .find_map(|param| param.trim().strip_prefix("tag="))
    }

    /// The URI of the first Contact.
    pub(crate) fn contact(&self) -> Option<&str> {
        inner(self.get("Contact")?)
    }

    /// The values of Record-Route one by one.
    pub(crate) fn record_route(&self) -> Vec<&str> {
        self.all("Record-Route")
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .collect()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

/// What is between angle brackets, or all before the parameters.
fn inner(value: &str) -> Option<&str> {
    match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map(|(uri, _)| uri),
        None => value.split(';').next(),
    }
}

/// The length of the first message on a stream, if it is complete.
pub(crate) fn frame(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(buffer.get(..end)?);
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| full(name.trim()).eq_ignore_ascii_case("Content-Length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    (buffer.len() >= end + length).then_some(end + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@h;tag=no>;tag=1\r\nt: sip:b@h;tag=2\r\n\
        i: x\r\nCSeq: 3 INVITE\r\nm: \"B\" <sip:b@pc;x=1>;q=1\r\nRecord-Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\nl: 2\r\n\r\nhi";

    #[test]
    fn a_message_is_read() {
        let message = Message::parse(TEXT).expect("a message");
        assert_eq!((message.status(), message.method()), (Some(200), "INVITE"));
        assert_eq!(
            (message.tag("From"), message.tag("To")),
            (Some("1"), Some("2"))
        );
        assert_eq!(message.contact(), Some("sip:b@pc;x=1"));
        assert_eq!(message.record_route(), ["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(message.body, "hi");
        assert_eq!(Message::parse(b"hello\r\n\r\n"), None);
    }

    #[test]
    fn a_stream_is_cut_into_messages() {
        let mut stream = TEXT.to_vec();
        stream.extend_from_slice(b"SIP/2.0 100 T");
        assert_eq!(frame(&stream), Some(TEXT.len()));
        assert_eq!(frame(&TEXT[..TEXT.len() - 1]), None);
        assert_eq!(frame(b"SIP/2.0 200 OK\r\n"), None);
    }
}
