//! [`RegInfo`]: the documents of the event package `reg` (RFC 3680 §5), with GRUUs (RFC 5628), and [`RegTable`]: what they
//! come to (§5.2).

mod read;
mod table;
mod write;

use std::fmt;

pub use self::table::{Applied, RegTable};

/// The Content-Type.
pub const CONTENT_TYPE: &str = "application/reginfo+xml";
/// The namespace of the elements (RFC 3680 §5.1).
pub(crate) const NAMESPACE: &str = "urn:ietf:params:xml:ns:reginfo";
/// The namespace of the GRUUs (RFC 5628 §9).
pub(crate) const GRUU_NAMESPACE: &str = "urn:ietf:params:xml:ns:gruuinfo";

/// A document: what is registered for some addresses of record, or what of it has changed.
///
/// ```
/// use sip_stack::reginfo::{RegInfo, RegTable};
/// let text = r#"<?xml version="1.0"?>
/// <reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full">
///   <registration aor="sip:user@example.com" id="as9" state="active">
///     <contact id="76" state="active" event="registered" q="0.8"><uri>sip:user@pc887.example.com</uri></contact>
///   </registration>
/// </reginfo>"#;
/// let info = RegInfo::parse(text)?;
/// assert_eq!(info.registrations[0].contacts[0].uri, "sip:user@pc887.example.com");
/// assert_eq!(RegInfo::parse(&info.to_xml())?, info);
/// # Ok::<(), sip_stack::reginfo::RegInfoError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 3680 section 5.1 has these")]
pub struct RegInfo {
    /// Counts the documents of a subscription.
    pub version: u32,
    /// Is it everything, or only what has changed?
    pub is_full: bool,
    /// The addresses of record.
    pub registrations: Vec<Registration>,
}

/// What is registered for an address of record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 3680 section 5.1 has these")]
pub struct Registration {
    /// The address of record, a URI.
    pub aor: String,
    /// Names it within the subscription.
    pub id: String,
    /// Where it stands.
    pub state: RegistrationState,
    /// The contacts.
    pub contacts: Vec<ContactInfo>,
}

/// Where an address of record stands (RFC 3680 §4.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3680 section 5.1 has these")]
pub enum RegistrationState {
    /// Nothing was registered yet.
    Init,
    /// There is a contact.
    Active,
    /// The last contact is gone.
    Terminated,
}

/// A contact of an address of record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactInfo {
    /// Names it within the registration.
    pub id: String,
    /// What happened to it last, which tells whether it is bound.
    pub event: ContactEvent,
    /// Its URI.
    pub uri: String,
    /// A name for people.
    pub display_name: Option<String>,
    /// For how many seconds more.
    pub expires: Option<u64>,
    /// After how many seconds to try again.
    pub retry_after: Option<u64>,
    /// For how many seconds so far.
    pub duration: Option<u64>,
    /// The preference, as it is written.
    pub q: Option<String>,
    /// The Call-ID of the last REGISTER.
    pub call_id: Option<String>,
    /// The CSeq number of the last REGISTER.
    pub cseq: Option<u64>,
    /// Contact parameters that RFC 3261 does not have, with their values as they stand in the header field.
    pub parameters: Vec<(String, String)>,
    /// The public GRUU (RFC 5628 §5).
    pub pub_gruu: Option<String>,
    /// A temporary GRUU, and the CSeq number from which on there are any.
    pub temp_gruu: Option<(String, u64)>,
}

impl ContactInfo {
    /// A contact with what a document must say of it.
    #[must_use]
    pub fn new(id: impl Into<String>, event: ContactEvent, uri: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            event,
            uri: uri.into(),
            display_name: None,
            expires: None,
            retry_after: None,
            duration: None,
            q: None,
            call_id: None,
            cseq: None,
            parameters: Vec::new(),
            pub_gruu: None,
            temp_gruu: None,
        }
    }
}

/// What happened to a contact (RFC 3680 §4.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3680 section 5.1 has these")]
pub enum ContactEvent {
    /// A REGISTER made it.
    Registered,
    /// It was made otherwise.
    Created,
    /// A REGISTER went on with it.
    Refreshed,
    /// The registrar made its time shorter.
    Shortened,
    /// Its time is over.
    Expired,
    /// The registrar removed it; the telephone may register again at once.
    Deactivated,
    /// The registrar removed it; the telephone may register again later.
    Probation,
    /// A REGISTER removed it.
    Unregistered,
    /// The registrar removed it for good.
    Rejected,
}

impl ContactEvent {
    const ALL: [Self; 9] = [
        Self::Registered,
        Self::Created,
        Self::Refreshed,
        Self::Shortened,
        Self::Expired,
        Self::Deactivated,
        Self::Probation,
        Self::Unregistered,
        Self::Rejected,
    ];

    /// As the document has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Created => "created",
            Self::Refreshed => "refreshed",
            Self::Shortened => "shortened",
            Self::Expired => "expired",
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Unregistered => "unregistered",
            Self::Rejected => "rejected",
        }
    }

    /// Is the contact bound after it?
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Registered | Self::Created | Self::Refreshed | Self::Shortened
        )
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

impl fmt::Display for ContactEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl RegistrationState {
    /// As the document has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Active => "active",
            Self::Terminated => "terminated",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Init, Self::Active, Self::Terminated]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Why a document is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegInfoError {
    /// It is not well-formed.
    #[error("not well-formed XML: {0}")]
    Xml(String),
    /// It is well-formed, and does not say what it must.
    #[error("no registration information: {0}")]
    Content(&'static str),
    /// It is larger or deeper than any such document.
    #[error("too large")]
    TooLarge,
}

#[cfg(test)]
mod tests;
