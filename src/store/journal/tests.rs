use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::store::file::Contents;

fn binding(user: &str, cseq: u32) -> Arc<[Binding]> {
    let expires = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    Arc::new([Binding::new(
        &format!("sip:{user}@192.0.2.1"),
        expires,
        "c",
        cseq,
    )])
}

/// A file, and what a writer of it would know.
struct World {
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
    database: Option<Database>,
    journal: Journal,
    index: Index,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sip.redb");
        file::create(&path, "h").unwrap();
        let (database, contents) = file::open(&path).unwrap();
        Self {
            path,
            _directory: directory,
            database: Some(database),
            journal: contents.journal,
            index: Index::default(),
        }
    }

    fn change(&mut self, rows: &[(&str, Option<u32>)]) {
        let mut changes = Changes::default();
        for (user, cseq) in rows {
            let bindings = cseq.map(|cseq| binding(user, cseq)).unwrap_or_default();
            changes.bindings.insert(Aor::new(user, "h"), bindings);
        }
        let database = self.database.as_ref().unwrap();
        write(database, &changes, &mut self.journal, &self.index).unwrap();
        let mut known = self.index.bindings.write().unwrap();
        for (aor, bindings) in changes.bindings.drain() {
            if bindings.is_empty() {
                known.remove(&aor);
            } else {
                known.insert(aor, bindings);
            }
        }
    }

    /// As after a crash: only what is in the file is known.
    fn reopen(&mut self) -> Contents {
        drop(self.database.take());
        let (database, contents) = file::open(&self.path).unwrap();
        self.database = Some(database);
        contents
    }

    fn check(&mut self) {
        let found = self.reopen().bindings;
        assert_eq!(found, *self.index.bindings.read().unwrap());
    }
}

/// How many rows there are in places of their own, and entries in the journal.
fn rows(path: &Path) -> (u64, u64) {
    use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
    let database = Database::open(path).unwrap();
    let reading = database.begin_read().unwrap();
    let bindings = reading.open_table(file::BINDINGS).unwrap();
    let journal = reading.open_table(file::JOURNAL).unwrap();
    (bindings.len().unwrap(), journal.len().unwrap())
}

#[test]
fn the_last_entry_counts_and_an_empty_one_removes() {
    let mut world = World::new();
    world.change(&[("alice", Some(1)), ("bob", Some(1)), ("carol", Some(1))]);
    world.change(&[("alice", Some(2)), ("bob", None)]);
    world.check();
    world.change(&[("bob", Some(3)), ("carol", None)]);
    world.check();
    drop(world.database.take());
    assert_eq!(rows(&world.path), (0, 3));
}

#[test]
fn a_long_journal_becomes_rows_and_nothing_is_lost() {
    let mut world = World::new();
    let users: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
    let mut folds = 0;
    for round in 0..40_u32 {
        let rows: Vec<(&str, Option<u32>)> = users
            .iter()
            .enumerate()
            // Each round one is gone, who comes back in the next.
            .map(|(at, user)| (&**user, (at as u32 != round).then_some(round)))
            .collect();
        let before = world.journal.changed.len();
        world.change(&rows);
        folds += u32::from(world.journal.changed.len() < before);
        assert!(world.journal.changed.len() <= users.len() * ROWS_EACH);
        if round % 7 == 0 {
            // What is replayed goes on as it was.
            let contents = world.reopen();
            assert_eq!(contents.bindings, *world.index.bindings.read().unwrap());
            assert_eq!(contents.journal.changed.len(), world.journal.changed.len());
            world.journal = contents.journal;
        }
    }
    assert_eq!(folds, 2);
    world.check();
    drop(world.database.take());
    let (own, entries) = rows(&world.path);
    assert_eq!((own, entries), (99, 8));
}

#[test]
fn more_at_once_than_the_journal_takes_has_its_own_place_at_once() {
    let mut world = World::new();
    let users: Vec<String> = (0..=FEW).map(|n| format!("user{n}")).collect();
    let all: Vec<_> = users.iter().map(|user| (&**user, Some(1))).collect();
    world.change(&all);
    world.check();
    drop(world.database.take());
    assert_eq!(rows(&world.path), (FEW as u64 + 1, 0));
}

#[test]
fn a_damaged_entry_is_none() {
    let mut entry = Vec::new();
    put(&mut entry, |entry| entry.extend_from_slice(b"sip:alice@h")).unwrap();
    put(&mut entry, |entry| write_row(&binding("alice", 1), entry)).unwrap();
    let replayed = |entry: &[u8]| {
        let mut bindings = HashMap::new();
        let done = Journal::default().replay(0, entry, &mut bindings);
        done.map(|()| bindings.into_iter().collect::<BTreeMap<_, _>>())
    };
    assert_eq!(replayed(&entry).unwrap().len(), 1);
    for cut in 1..entry.len() {
        assert_eq!(replayed(&entry[..cut]), None, "{cut}");
    }
    let mut bad = entry.clone();
    bad[4] = 0xff;
    assert_eq!(replayed(&bad), None);
}
