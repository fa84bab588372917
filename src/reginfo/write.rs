//! Documents as text.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{ContactInfo, GRUU_NAMESPACE, NAMESPACE, RegInfo, Registration};

impl RegInfo {
    /// The document, in UTF-8.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::new(Vec::with_capacity(512));
        // Writing into memory does not fail.
        let _ = write(&mut writer, self);
        String::from_utf8(writer.into_inner()).unwrap_or_default()
    }
}

type Out = Writer<Vec<u8>>;

fn write(out: &mut Out, info: &RegInfo) -> std::io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut root = BytesStart::new("reginfo");
    root.push_attribute(("xmlns", NAMESPACE));
    let has_gruus = info
        .registrations
        .iter()
        .flat_map(|registration| &registration.contacts)
        .any(|contact| contact.pub_gruu.is_some() || contact.temp_gruu.is_some());
    if has_gruus {
        root.push_attribute(("xmlns:gr", GRUU_NAMESPACE));
    }
    root.push_attribute(("version", info.version.to_string().as_str()));
    root.push_attribute(("state", if info.is_full { "full" } else { "partial" }));
    out.write_event(Event::Start(root))?;
    for registration in &info.registrations {
        write_registration(out, registration)?;
    }
    out.write_event(Event::End(BytesEnd::new("reginfo")))
}

fn write_registration(out: &mut Out, registration: &Registration) -> std::io::Result<()> {
    let mut start = BytesStart::new("registration");
    start.push_attribute(("aor", registration.aor.as_str()));
    start.push_attribute(("id", registration.id.as_str()));
    start.push_attribute(("state", registration.state.as_str()));
    out.write_event(Event::Start(start))?;
    for contact in &registration.contacts {
        write_contact(out, contact)?;
    }
    out.write_event(Event::End(BytesEnd::new("registration")))
}

fn write_contact(out: &mut Out, contact: &ContactInfo) -> std::io::Result<()> {
    let mut start = BytesStart::new("contact");
    let state = if contact.event.is_active() {
        "active"
    } else {
        "terminated"
    };
    start.push_attribute(("id", contact.id.as_str()));
    start.push_attribute(("state", state));
    start.push_attribute(("event", contact.event.as_str()));
    for (name, number) in [
        ("duration-registered", contact.duration),
        ("expires", contact.expires),
        ("retry-after", contact.retry_after),
        ("cseq", contact.cseq),
    ] {
        if let Some(number) = number {
            start.push_attribute((name, number.to_string().as_str()));
        }
    }
    for (name, text) in [("q", &contact.q), ("callid", &contact.call_id)] {
        if let Some(text) = text {
            start.push_attribute((name, text.as_str()));
        }
    }
    out.write_event(Event::Start(start))?;
    text(out, BytesStart::new("uri"), &contact.uri)?;
    if let Some(name) = &contact.display_name {
        text(out, BytesStart::new("display-name"), name)?;
    }
    for (name, value) in &contact.parameters {
        let mut start = BytesStart::new("unknown-param");
        start.push_attribute(("name", name.as_str()));
        text(out, start, value)?;
    }
    if let Some(uri) = &contact.pub_gruu {
        let mut start = BytesStart::new("gr:pub-gruu");
        start.push_attribute(("uri", uri.as_str()));
        out.write_event(Event::Empty(start))?;
    }
    if let Some((uri, cseq)) = &contact.temp_gruu {
        let mut start = BytesStart::new("gr:temp-gruu");
        start.push_attribute(("uri", uri.as_str()));
        start.push_attribute(("first-cseq", cseq.to_string().as_str()));
        out.write_event(Event::Empty(start))?;
    }
    out.write_event(Event::End(BytesEnd::new("contact")))
}

fn text(out: &mut Out, start: BytesStart<'_>, text: &str) -> std::io::Result<()> {
    let end = start.to_end().into_owned();
    out.write_event(Event::Start(start))?;
    out.write_event(Event::Text(BytesText::new(text)))?;
    out.write_event(Event::End(end))
}
