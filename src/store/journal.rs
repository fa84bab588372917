//! [`Journal`]: the bindings that changed last, in the order of the batches that changed them.
//!
//! A row for each address of record would make a batch write as many pages as it has telephones, since theirs are anywhere.
//! So a batch is one entry of a journal, behind the entry before it, and its rows are written when the journal is long: each
//! once, however often it changed, in the order of the pages. Both are done by transactions of the database, so whatever a
//! crash leaves is a journal to read after the rows.
//!
//! ```text
//!   entry    rows                             each: length of the address of record, the same; length of the row, the same
//!            an empty row removes             (lengths as four bytes, the lowest first)
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use redb::{Database, Durability, WriteTransaction};

use super::writer::Changes;
use super::{Index, file};
use crate::domain::Aor;
use crate::location::{Binding, read_row, write_row};

/// How many rows are in the journal at most before they get places of their own, for each address of record that there is.
const ROWS_EACH: usize = 16;
/// As many there may always be.
const FEW: usize = 1024;
/// And no more than that, so that what is done at once takes a fraction of a second.
const MANY: usize = 65_536;

/// What is in the journal of the file.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The number of the next entry.
    next: u64,
    /// Whose rows are in it, some of them several times; shared with the index, because it is long.
    changed: Vec<Aor>,
    /// Where entries are written.
    entry: Vec<u8>,
}

/// Memory for an entry beyond that is given back.
const ENTRY: usize = 1 << 20;

impl Journal {
    /// Adds what an entry says to what is known; `None` if it is damaged.
    pub(super) fn replay(
        &mut self,
        number: u64,
        entry: &[u8],
        bindings: &mut HashMap<Aor, Arc<[Binding]>>,
    ) -> Option<()> {
        let mut rest = entry;
        while !rest.is_empty() {
            let aor = Aor::from_stored(std::str::from_utf8(take(&mut rest)?).ok()?)?;
            let row = take(&mut rest)?;
            self.changed.push(aor.clone());
            if row.is_empty() {
                bindings.remove(&aor);
            } else {
                bindings.insert(aor, read_row(row).ok()?.into());
            }
        }
        self.next = number.checked_add(1)?;
        Some(())
    }

    /// Would it be too long with so many more?
    fn is_full(&self, more: usize, known: usize) -> bool {
        self.changed.len() + more > (known * ROWS_EACH).clamp(FEW, MANY)
    }
}

/// Commits changes. What they are is known to the index only afterwards.
pub(super) fn write(
    database: &Database,
    changes: &Changes,
    journal: &mut Journal,
    index: &Index,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(redb::Error::from)?;
    // A table is opened only when it is needed.
    let mut is_folded = false;
    if !changes.bindings.is_empty() {
        let known = index
            .bindings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        is_folded = journal.is_full(changes.bindings.len(), known.len());
        if is_folded {
            fold(&transaction, changes, journal, &known)?;
        } else {
            append(&transaction, changes, journal)?;
        }
    }
    if !changes.users.is_empty() {
        let mut table = transaction.open_table(file::USERS)?;
        for (name, hashes) in &changes.users {
            match hashes {
                None => drop(table.remove(&**name)?),
                Some(hashes) => drop(table.insert(&**name, json(hashes)?.as_slice())?),
            }
        }
    }
    transaction.commit()?;
    if is_folded {
        *journal = Journal::default();
    } else if !changes.bindings.is_empty() {
        journal.next += 1;
        let known = index
            .bindings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = changes.bindings.keys();
        journal.changed.extend(
            changed.map(|aor| known.get_key_value(aor).map_or(aor, |(aor, _)| aor).clone()),
        );
    }
    Ok(())
}

/// One entry with all of them.
fn append(
    transaction: &WriteTransaction,
    changes: &Changes,
    journal: &mut Journal,
) -> Result<(), redb::Error> {
    let entry = &mut journal.entry;
    entry.clear();
    entry.shrink_to(ENTRY);
    for (aor, bindings) in changes.bindings.iter() {
        put(entry, |entry| {
            entry.extend_from_slice(aor.as_str().as_bytes());
        })?;
        put(entry, |entry| {
            if !bindings.is_empty() {
                write_row(bindings, entry);
            }
        })?;
    }
    transaction
        .open_table(file::JOURNAL)?
        .insert(journal.next, entry.as_slice())?;
    Ok(())
}

/// Every row that the journal or the changes have, in its own place; then the journal is empty.
fn fold(
    transaction: &WriteTransaction,
    changes: &Changes,
    journal: &Journal,
    known: &HashMap<Aor, Arc<[Binding]>>,
) -> Result<(), redb::Error> {
    // Most are there many times: to sort these is dearer than to find them.
    let aors: HashSet<&Aor> = journal
        .changed
        .iter()
        .chain(changes.bindings.keys())
        .collect();
    let mut aors: Vec<&Aor> = aors.into_iter().collect();
    aors.sort_unstable();
    let mut table = transaction.open_table(file::BINDINGS)?;
    let mut row = Vec::new();
    for aor in aors {
        let bindings = changes.bindings.get(aor).or_else(|| known.get(aor));
        match bindings.filter(|bindings| !bindings.is_empty()) {
            Some(bindings) => {
                row.clear();
                write_row(bindings, &mut row);
                table.insert(aor.as_str(), row.as_slice())?;
            }
            None => drop(table.remove(aor.as_str())?),
        }
    }
    transaction.delete_table(file::JOURNAL)?;
    transaction.open_table(file::JOURNAL)?;
    Ok(())
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| redb::Error::Io(error.into()))
}

/// Writes something behind its length.
fn put(entry: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), redb::Error> {
    let at = entry.len();
    entry.extend_from_slice(&[0; 4]);
    write(entry);
    let len =
        u32::try_from(entry.len() - at - 4).map_err(|_| redb::Error::ValueTooLarge(entry.len()))?;
    if let Some(place) = entry.get_mut(at..at + 4) {
        place.copy_from_slice(&len.to_le_bytes());
    }
    Ok(())
}

/// Takes something behind its length off the front.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk()?;
    let (found, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *rest = after;
    Some(found)
}

#[cfg(test)]
mod tests;
