//! [`RegTable`]: the state that documents of a subscription come to (RFC 3680 §5.2).

use super::{ContactInfo, RegInfo, RegistrationState};

/// What a subscriber knows.
#[derive(Clone, Debug, Default)]
pub struct RegTable {
    version: Option<u32>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    registration: String,
    aor: String,
    contact: ContactInfo,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Applied {
    /// It is older than what is known, and left out.
    Stale,
    /// It was taken.
    Taken {
        /// The contacts that it tells of which were not known like that, each with its address of record.
        changes: Vec<(String, ContactInfo)>,
        /// Documents before it are missing: the subscriber should refresh, which brings the full state.
        has_gap: bool,
    },
}

/// How many contacts a table keeps; those beyond are passed over.
const ROWS: usize = 10_000;

impl RegTable {
    /// Takes a document.
    pub fn apply(&mut self, info: &RegInfo) -> Applied {
        let has_gap = match self.version {
            Some(version) if info.version <= version && !(info.is_full && info.version == 0) => {
                return Applied::Stale;
            }
            Some(version) => info.version > version.saturating_add(1) && !info.is_full,
            None => false,
        };
        self.version = Some(info.version);
        let before = if info.is_full {
            std::mem::take(&mut self.rows)
        } else {
            Vec::new()
        };
        let mut changes = Vec::new();
        for registration in &info.registrations {
            for contact in &registration.contacts {
                let is_it =
                    |row: &Row| row.registration == registration.id && row.contact.id == contact.id;
                let known = before.iter().chain(&self.rows).find(|row| is_it(row));
                if known.is_none_or(|known| differs(&known.contact, contact)) {
                    changes.push((registration.aor.clone(), contact.clone()));
                }
                self.rows.retain(|row| !is_it(row));
                // A row that is terminated may be removed at any time.
                if contact.event.is_active()
                    && registration.state == RegistrationState::Active
                    && self.rows.len() < ROWS
                {
                    self.rows.push(Row {
                        registration: registration.id.clone(),
                        aor: registration.aor.clone(),
                        contact: contact.clone(),
                    });
                }
            }
        }
        Applied::Taken { changes, has_gap }
    }

    /// The contacts that are bound, each with its address of record.
    pub fn contacts(&self) -> impl Iterator<Item = (&str, &ContactInfo)> {
        self.rows.iter().map(|row| (&*row.aor, &row.contact))
    }
}

/// Other than by the time that has passed.
fn differs(known: &ContactInfo, told: &ContactInfo) -> bool {
    known.event != told.event
        || known.uri != told.uri
        || known.cseq != told.cseq
        || known.call_id != told.call_id
}
