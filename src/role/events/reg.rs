//! [`RegPackage`]: the event package `reg` (RFC 3680) with GRUUs (RFC 5628).

use std::collections::HashMap;
use std::time::SystemTime;

use bytes::Bytes;
use sip_message::{Host, Params, Uri};
use sip_transport::{Rng, Seed};

use super::package::{Package, Scope, Source};
use crate::domain::Aor;
use crate::gruu::Gruus;
use crate::location::{Binding, Cause};
use crate::reginfo::{self, ContactEvent, ContactInfo, RegInfo, Registration, RegistrationState};

/// Tells what is registered: each user what is for themselves, and some for all.
#[derive(Debug)]
pub struct RegPackage {
    /// The users who may watch everybody.
    watchers: Vec<Box<str>>,
    gruus: Option<Gruus>,
    /// For the temporary GRUUs that users are told.
    rng: Option<Rng>,
    /// Keyed by addresses of record that peers choose, hence the standard library's keyed hasher; never iterated.
    resources: HashMap<Aor, Resource>,
    next: u64,
}

/// What is known of an address of record that is watched.
#[derive(Debug, Default)]
struct Resource {
    id: u64,
    rows: Vec<Row>,
    /// Those of the last change, the ones that are gone too.
    changed: Vec<Row>,
    was_active: bool,
}

#[derive(Clone, Debug)]
struct Row {
    id: u64,
    event: ContactEvent,
    /// When it was first seen.
    since: SystemTime,
    binding: Binding,
}

impl RegPackage {
    /// For a domain whose GRUUs are made by `gruus`; the named users may watch all others.
    #[must_use]
    pub fn new(watchers: Vec<Box<str>>, gruus: Option<Gruus>) -> Self {
        Self {
            watchers,
            gruus,
            rng: None,
            resources: HashMap::new(),
            next: 0,
        }
    }

    /// Users who watch themselves are told a temporary GRUU of each contact too (RFC 5628 §5), a new one each time.
    #[must_use]
    pub fn temporary_gruus(mut self, seed: &Seed) -> Self {
        self.rng = Some(seed.derive("reg").rng());
        self
    }

    fn info(&self, aor: &Aor, row: &Row, wall: SystemTime) -> ContactInfo {
        let binding = &row.binding;
        let mut info = ContactInfo::new(row.id.to_string(), row.event, binding.contact());
        if row.event.is_active() {
            info.expires = Some(binding.remaining(wall).into());
        }
        info.duration = wall
            .duration_since(row.since)
            .ok()
            .map(|since| since.as_secs());
        info.q = binding.q.map(|q| q.to_string());
        info.call_id = Some(binding.call_id().to_owned());
        info.cseq = Some(binding.cseq.into());
        if let Ok(parameters) = Params::parse(binding.parameters()) {
            info.parameters = parameters
                .iter()
                .map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()))
                .collect();
        }
        info.pub_gruu = self
            .gruus
            .as_ref()
            .and_then(|gruus| gruus.public(aor, &binding.instance()?))
            .map(|uri| uri.to_string());
        info
    }

    fn write(
        &mut self,
        resource: &Aor,
        version: u32,
        scope: Scope,
        wall: SystemTime,
        is_owner: bool,
    ) -> Bytes {
        let known = self.resources.get(resource);
        let rows: &[Row] = match (known, scope) {
            (None, _) => &[],
            (Some(known), Scope::Full) => &known.rows,
            (Some(known), Scope::Partial) => &known.changed,
        };
        let state = match known {
            Some(known) if !known.rows.is_empty() => RegistrationState::Active,
            Some(known) if known.was_active => RegistrationState::Terminated,
            _ => RegistrationState::Init,
        };
        let mut contacts: Vec<ContactInfo> = rows
            .iter()
            .map(|row| self.info(resource, row, wall))
            .collect();
        // RFC 5628 §5: who may not register for it SHOULD NOT be told.
        if is_owner && let (Some(gruus), Some(rng)) = (&self.gruus, &mut self.rng) {
            // All contacts of an instance have the same.
            let mut made: Vec<(u64, String)> = Vec::new();
            for (row, contact) in rows.iter().zip(&mut contacts) {
                let epoch = row.binding.epoch;
                if !row.event.is_active() || row.binding.instance().is_none() {
                    continue;
                }
                let uri = match made.iter().find(|(other, _)| *other == epoch) {
                    Some((_, uri)) => Some(uri.clone()),
                    None => gruus
                        .temporary(resource, epoch, rng)
                        .map(|uri| uri.to_string()),
                };
                if let Some(uri) = uri {
                    made.push((epoch, uri.clone()));
                    contact.temp_gruu = Some((uri, epoch & 0xffff_ffff));
                }
            }
        }
        // The canonical form has no escapes, and a URI needs them.
        let aor = Host::parse(resource.domain())
            .map(|host| Uri::sip(Some(resource.user()), host, None).to_string());
        let info = RegInfo {
            version,
            is_full: scope == Scope::Full,
            registrations: vec![Registration {
                aor: aor.unwrap_or_default(),
                id: known.map_or(0, |known| known.id).to_string(),
                state,
                contacts,
            }],
        };
        info.to_xml().into()
    }
}

impl Package for RegPackage {
    fn name(&self) -> &'static str {
        "reg"
    }

    fn content_type(&self) -> &'static str {
        reginfo::CONTENT_TYPE
    }

    /// RFC 3680 §4.6: who may register for an address of record may watch it; others by policy.
    fn allows(&self, watcher: Option<&Aor>, resource: &Aor) -> bool {
        watcher.is_some_and(|watcher| {
            watcher == resource || self.watchers.iter().any(|user| **user == *watcher.user())
        })
    }

    fn source(&self) -> Source {
        Source::Bindings
    }

    fn bound(
        &mut self,
        resource: &Aor,
        bindings: &[Binding],
        cause: Cause,
        wall: SystemTime,
    ) -> bool {
        let next = &mut self.next;
        let mut id = || {
            *next += 1;
            *next
        };
        let known = self
            .resources
            .entry(resource.clone())
            .or_insert_with(|| Resource {
                id: id(),
                ..Resource::default()
            });
        let mut before = std::mem::take(&mut known.rows);
        for binding in bindings {
            let at = before.iter().position(|row| is_same(&row.binding, binding));
            let row = match at.map(|at| before.remove(at)) {
                None => {
                    let row = Row {
                        id: id(),
                        event: ContactEvent::Registered,
                        since: wall,
                        binding: binding.clone(),
                    };
                    known.note(row.clone());
                    row
                }
                Some(mut row) => {
                    let event = what_happened(&row.binding, binding);
                    row.binding = binding.clone();
                    if let Some(event) = event {
                        row.event = event;
                        known.note(row.clone());
                    }
                    row
                }
            };
            known.rows.push(row);
        }
        for mut row in before {
            row.event = match cause {
                Cause::Deactivated => ContactEvent::Deactivated,
                Cause::Rejected => ContactEvent::Rejected,
                Cause::Request if row.binding.is_live(wall) => ContactEvent::Unregistered,
                Cause::Request => ContactEvent::Expired,
            };
            known.note(row);
        }
        known.was_active |= !known.rows.is_empty();
        !known.changed.is_empty()
    }

    fn told(&mut self, resource: &Aor) {
        if let Some(known) = self.resources.get_mut(resource) {
            known.changed.clear();
        }
    }

    fn document(&mut self, resource: &Aor, version: u32, scope: Scope, wall: SystemTime) -> Bytes {
        self.write(resource, version, scope, wall, false)
    }

    fn document_for_owner(
        &mut self,
        resource: &Aor,
        version: u32,
        scope: Scope,
        wall: SystemTime,
    ) -> Bytes {
        self.write(resource, version, scope, wall, true)
    }

    fn changes_at(&self, resource: &Aor) -> Option<SystemTime> {
        let rows = &self.resources.get(resource)?.rows;
        rows.iter().map(|row| row.binding.expires).min()
    }

    fn forget(&mut self, resource: &Aor) {
        self.resources.remove(resource);
    }
}

impl Resource {
    /// Something happened to a contact, of which not all have been told. What happened last counts, but a contact that they were
    /// not told of is new to them.
    fn note(&mut self, mut row: Row) {
        if let Some(at) = self.changed.iter().position(|known| known.id == row.id) {
            let before = self.changed.remove(at);
            if before.event == ContactEvent::Registered && row.event.is_active() {
                row.event = before.event;
            }
        }
        self.changed.push(row);
    }
}

/// Is it the same contact, as the location service has it?
fn is_same(a: &Binding, b: &Binding) -> bool {
    match (a.outbound(), b.outbound()) {
        (Some(a), Some(b)) => a == b,
        _ => a.contact() == b.contact(),
    }
}

/// RFC 3680 §4.7.1.
fn what_happened(before: &Binding, now: &Binding) -> Option<ContactEvent> {
    if (before.cseq, before.call_id()) != (now.cseq, now.call_id()) || before.expires < now.expires
    {
        Some(ContactEvent::Refreshed)
    } else if before.expires > now.expires {
        Some(ContactEvent::Shortened)
    } else {
        None
    }
}
