//! [`Draft`]: a message as lines of text, which may be as wrong as one likes.

/// A message before it is bytes. Nothing is checked, and nothing is added but a Content-Length where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) start: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: String,
}

impl Draft {
    pub(super) fn new(start: impl Into<String>) -> Self {
        Self {
            start: start.into(),
            fields: Vec::new(),
            body: String::new(),
        }
    }

    /// What came; `None` if it has no end of its header.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = head.split("\r\n");
        let mut draft = Self::new(lines.next()?);
        for line in lines {
            let (name, value) = line.split_once(':')?;
            draft = draft.with(full(name.trim()), value.trim());
        }
        body.clone_into(&mut draft.body);
        Some(draft)
    }

    /// The length of the first whole message of a stream, once it is there.
    pub(super) fn frame(stream: &[u8]) -> Option<usize> {
        let head = stream.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(stream.get(..head)?).to_ascii_lowercase();
        let length = text
            .split("\r\n")
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                ["content-length", "l"]
                    .contains(&name.trim())
                    .then(|| value.trim().parse::<usize>().ok())?
            })
            .unwrap_or(0);
        let whole = head.checked_add(length)?;
        (stream.len() >= whole).then_some(whole)
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Changes the first field of this name.
    pub(super) fn change(&mut self, name: &str, change: impl FnOnce(&str) -> String) {
        if let Some((_, value)) = self
            .fields
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            *value = change(value);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.fields
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// The code of a response.
    pub(super) fn status(&self) -> Option<u16> {
        self.start
            .strip_prefix("SIP/2.0 ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    }

    /// The method of a request, or of the request that a response is to.
    pub(super) fn method(&self) -> &str {
        if self.status().is_none() {
            return self.start.split(' ').next().unwrap_or_default();
        }
        let cseq = self.get("CSeq").unwrap_or_default();
        cseq.split_whitespace().nth(1).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.get("Content-Length").is_none() && self.get("l").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

/// The name as it is in full: others may pass on what we made short.
fn full(name: &str) -> &str {
    match name {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "c" => "Content-Type",
        "l" => "Content-Length",
        other if other.eq_ignore_ascii_case("CSeq") => "CSeq",
        other => other,
    }
}

/// The URI in brackets, or what is before the parameters.
pub(super) fn uri(value: &str) -> &str {
    match value
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
    {
        Some((uri, _)) => uri,
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_and_written_as_it_is() {
        let text = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;branch=1\r\nCSeq: 7 INVITE\r\nContent-Length: 2\r\n\r\nhi";
        let draft = Draft::parse(text.as_bytes()).unwrap();
        assert_eq!((draft.status(), draft.method()), (Some(180), "INVITE"));
        assert_eq!(draft.bytes(), text.as_bytes());
        assert_eq!(uri("\"A\" <sip:a@b;lr>;tag=1"), "sip:a@b;lr");
        assert_eq!(uri("sip:a@b;tag=1"), "sip:a@b");
        let stream = format!("{text}{text}");
        assert_eq!(Draft::frame(stream.as_bytes()), Some(text.len()));
        assert_eq!(Draft::frame(&text.as_bytes()[..text.len() - 1]), None);
    }
}
