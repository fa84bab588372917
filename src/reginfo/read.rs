//! Text as documents. What has another namespace, or is not known, is passed over (RFC 3680 §5.1).

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::{
    ContactEvent, ContactInfo, GRUU_NAMESPACE, NAMESPACE, RegInfo, RegInfoError, Registration,
    RegistrationState,
};

/// The largest document that is read, in bytes.
const SIZE: usize = 1 << 20;
/// How deep its elements may be.
const DEPTH: usize = 16;

impl RegInfo {
    /// Reads a document.
    ///
    /// # Errors
    /// It is not well-formed, has a document type, is too large, or does not say what it must.
    pub fn parse(text: &str) -> Result<Self, RegInfoError> {
        if text.len() > SIZE {
            return Err(RegInfoError::TooLarge);
        }
        let mut reader = NsReader::from_str(text);
        let mut read = Read::default();
        loop {
            let (space, event) = reader
                .read_resolved_event()
                .map_err(|error| RegInfoError::Xml(error.to_string()))?;
            let space = match space {
                ResolveResult::Bound(space) => Some(space.0.to_owned()),
                ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
            };
            match event {
                Event::Start(start) => read.start(space.as_deref(), &start)?,
                Event::Empty(start) => {
                    read.start(space.as_deref(), &start)?;
                    read.end();
                }
                Event::End(_) => read.end(),
                Event::Text(text) => read.text(&text.xml10_content()),
                Event::CData(text) => read.text(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let name = reference.xml10_content();
                    let found = match reference.resolve_char_ref() {
                        Ok(Some(c)) => Some(c.to_string()),
                        _ => quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned),
                    };
                    let found = found.ok_or_else(|| {
                        RegInfoError::Xml(format!("the entity {name} is not declared"))
                    })?;
                    read.text(&found);
                }
                // None of our documents has one, and attacks do.
                Event::DocType(_) => return Err(RegInfoError::Content("a document type")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        read.info
            .filter(|_| read.path.is_empty())
            .ok_or(RegInfoError::Content("no reginfo element"))
    }
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Root,
    Registration,
    Contact,
    Uri,
    DisplayName,
    Parameter,
    /// In what is passed over.
    Other,
}

#[derive(Default)]
struct Read {
    info: Option<RegInfo>,
    path: Vec<Place>,
}

impl Read {
    fn start(&mut self, space: Option<&str>, start: &BytesStart<'_>) -> Result<(), RegInfoError> {
        if self.path.len() >= DEPTH {
            return Err(RegInfoError::TooLarge);
        }
        let local = start.local_name();
        let name: &str = local.as_ref();
        let place = match (self.path.last(), space, name) {
            (None, Some(NAMESPACE), "reginfo") if self.info.is_none() => {
                self.info = Some(RegInfo {
                    version: required(start, "version")?
                        .parse()
                        .map_err(|_| RegInfoError::Content("version is no number"))?,
                    is_full: match &*required(start, "state")? {
                        "full" => true,
                        "partial" => false,
                        _ => return Err(RegInfoError::Content("neither full nor partial")),
                    },
                    registrations: Vec::new(),
                });
                Place::Root
            }
            (None, ..) => return Err(RegInfoError::Content("no reginfo element")),
            (Some(Place::Root), Some(NAMESPACE), "registration") => {
                let registration = Registration {
                    aor: required(start, "aor")?,
                    id: required(start, "id")?,
                    state: RegistrationState::parse(&required(start, "state")?)
                        .ok_or(RegInfoError::Content("an unknown state"))?,
                    contacts: Vec::new(),
                };
                if let Some(info) = &mut self.info {
                    info.registrations.push(registration);
                }
                Place::Registration
            }
            (Some(Place::Registration), Some(NAMESPACE), "contact") => {
                let contact = contact(start)?;
                if let Some(registration) = self.registration() {
                    registration.contacts.push(contact);
                }
                Place::Contact
            }
            (Some(Place::Contact), Some(NAMESPACE), "uri") => Place::Uri,
            (Some(Place::Contact), Some(NAMESPACE), "display-name") => Place::DisplayName,
            (Some(Place::Contact), Some(NAMESPACE), "unknown-param") => {
                let name = required(start, "name")?;
                if let Some(contact) = self.contact() {
                    contact.parameters.push((name, String::new()));
                }
                Place::Parameter
            }
            (Some(Place::Contact), Some(GRUU_NAMESPACE), "pub-gruu") => {
                let uri = required(start, "uri")?;
                if let Some(contact) = self.contact() {
                    contact.pub_gruu = Some(uri);
                }
                Place::Other
            }
            (Some(Place::Contact), Some(GRUU_NAMESPACE), "temp-gruu") => {
                let uri = required(start, "uri")?;
                let cseq = number(start, "first-cseq")?.unwrap_or_default();
                if let Some(contact) = self.contact() {
                    contact.temp_gruu = Some((uri, cseq));
                }
                Place::Other
            }
            (Some(_), ..) => Place::Other,
        };
        self.path.push(place);
        Ok(())
    }

    fn end(&mut self) {
        let place = self.path.pop();
        let Some(contact) = self.contact() else {
            return;
        };
        // Editors break lines around what stands in an element.
        match place {
            Some(Place::Uri) => contact.uri = contact.uri.trim().to_owned(),
            Some(Place::DisplayName) => {
                contact.display_name = contact
                    .display_name
                    .take()
                    .map(|name| name.trim().to_owned());
            }
            Some(Place::Parameter) => {
                if let Some((_, value)) = contact.parameters.last_mut() {
                    *value = value.trim().to_owned();
                }
            }
            Some(Place::Root | Place::Registration | Place::Contact | Place::Other) | None => {}
        }
    }

    fn text(&mut self, text: &str) {
        let place = self.path.last().copied();
        let Some(contact) = self.contact() else {
            return;
        };
        match place {
            Some(Place::Uri) => contact.uri.push_str(text),
            Some(Place::DisplayName) => contact.display_name.get_or_insert_default().push_str(text),
            Some(Place::Parameter) => {
                if let Some((_, value)) = contact.parameters.last_mut() {
                    value.push_str(text);
                }
            }
            Some(Place::Root | Place::Registration | Place::Contact | Place::Other) | None => {}
        }
    }

    fn registration(&mut self) -> Option<&mut Registration> {
        self.info.as_mut()?.registrations.last_mut()
    }

    fn contact(&mut self) -> Option<&mut ContactInfo> {
        self.registration()?.contacts.last_mut()
    }
}

fn contact(start: &BytesStart<'_>) -> Result<ContactInfo, RegInfoError> {
    let event = ContactEvent::parse(&required(start, "event")?)
        .ok_or(RegInfoError::Content("an unknown event"))?;
    let mut contact = ContactInfo::new(required(start, "id")?, event, "");
    contact.expires = number(start, "expires")?;
    contact.retry_after = number(start, "retry-after")?;
    contact.duration = number(start, "duration-registered")?;
    contact.cseq = number(start, "cseq")?;
    contact.q = attribute(start, "q")?;
    contact.call_id = attribute(start, "callid")?;
    Ok(contact)
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, RegInfoError> {
    let xml = |error: String| RegInfoError::Xml(error);
    start
        .try_get_attribute(name)
        .map_err(|error| xml(error.to_string()))?
        .map(|attribute| {
            attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map(std::borrow::Cow::into_owned)
                .map_err(|error| xml(error.to_string()))
        })
        .transpose()
}

fn required(start: &BytesStart<'_>, name: &'static str) -> Result<String, RegInfoError> {
    attribute(start, name)?.ok_or(RegInfoError::Content("an attribute is missing"))
}

fn number(start: &BytesStart<'_>, name: &str) -> Result<Option<u64>, RegInfoError> {
    attribute(start, name)?
        .map(|text| {
            text.trim()
                .parse()
                .map_err(|_| RegInfoError::Content("a number is none"))
        })
        .transpose()
}
