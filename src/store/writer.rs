//! [`Writer`]: the thread that owns the database.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use redb::Database;

use super::journal::{self, Journal};
use super::queue::{Batch, ENOUGH, Job, Queue, QueuedRefresh, Reply, Taken};
use super::{Index, StoreError, file};
use crate::domain::Aor;
use crate::location::{Binding, Cause, UpdateOutcome, UpdateReply, apply};
use crate::users::Ha1s;

/// How much one commit carries at most.
const BATCH: usize = ENOUGH;
/// After a commit for so many the disk rests for as long as that took, but no longer than this, so that the next one is for
/// more. Who asks alone never waits for it.
const BUSY: usize = 16;
const REST: Duration = Duration::from_millis(1);
/// How often bindings that have expired are removed from the file.
const SWEEP: Duration = Duration::from_secs(60);

pub(super) struct Writer {
    path: PathBuf,
    /// `None` after a failure, until it could be opened again.
    database: Option<Database>,
    index: Arc<Index>,
    /// What is in the journal of the file.
    journal: Journal,
    /// Of the batch that is being written; empty between two.
    changes: Changes,
    pending: Vec<Pending>,
}

/// The rows that a batch changes: `None` removes. In an order that the batch tells, so that equal batches write equal pages.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) bindings: Rows,
    pub(super) users: BTreeMap<Box<str>, Option<Ha1s>>,
    /// Why bindings change that no telephone asked for.
    causes: Vec<(Aor, Cause)>,
}

/// Bindings of addresses of record, each once, in the order in which they came; none at all removes.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<(Aor, Arc<[Binding]>)>,
    /// Where each is; never iterated.
    places: HashMap<Aor, usize>,
}

/// Room for more rows is given back.
const ROOM: usize = 4 * BATCH;

impl Rows {
    pub(super) fn insert(&mut self, aor: Aor, bindings: Arc<[Binding]>) {
        self.change(aor, |_, _| Some(bindings));
    }

    pub(super) fn get(&self, aor: &Aor) -> Option<&Arc<[Binding]>> {
        let (_, bindings) = self.rows.get(*self.places.get(aor)?)?;
        Some(bindings)
    }

    /// Puts in the place of the bindings, if there are any here, what `decide` makes of them, unless that is nothing.
    fn change(
        &mut self,
        aor: Aor,
        decide: impl FnOnce(&Aor, Option<&Arc<[Binding]>>) -> Option<Arc<[Binding]>>,
    ) {
        match self.places.entry(aor) {
            Entry::Occupied(place) => {
                if let Some((aor, known)) = self.rows.get_mut(*place.get())
                    && let Some(bindings) = decide(aor, Some(known))
                {
                    *known = bindings;
                }
            }
            Entry::Vacant(place) => {
                if let Some(bindings) = decide(place.key(), None) {
                    self.rows.push((place.key().clone(), bindings));
                    place.insert(self.rows.len() - 1);
                }
            }
        }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, (Aor, Arc<[Binding]>)> {
        self.rows.iter()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Aor> {
        self.rows.iter().map(|(aor, _)| aor)
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes them out, and keeps the room for others.
    pub(super) fn drain(&mut self) -> std::vec::Drain<'_, (Aor, Arc<[Binding]>)> {
        self.places.clear();
        self.places.shrink_to(ROOM);
        self.rows.shrink_to(ROOM);
        self.rows.drain(..)
    }
}

/// What to answer once the batch is on the disk.
enum Pending {
    Update(UpdateReply, UpdateOutcome),
    User(Reply<bool>, bool),
}

impl Writer {
    pub(super) fn new(
        path: &Path,
        database: Database,
        index: Arc<Index>,
        journal: Journal,
    ) -> Self {
        Self {
            path: path.to_owned(),
            database: Some(database),
            index,
            journal,
            changes: Changes::default(),
            pending: Vec::new(),
        }
    }

    /// Serves until every [`DataFile`](super::DataFile) is gone.
    pub(super) fn run(mut self, queue: &Queue) {
        /// Tells who waits, however it ends.
        struct Ended<'a>(&'a Queue);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _ended = Ended(queue);
        let (mut swept, mut batch) = (Instant::now(), Batch::default());
        let mut rest = Duration::ZERO;
        loop {
            let patience = SWEEP.saturating_sub(swept.elapsed());
            match queue.take(&mut batch, std::mem::take(&mut rest), patience) {
                Taken::Some => {
                    let begun = Instant::now();
                    let Batch { jobs, words } = &mut batch;
                    let is_busy = jobs.len() >= BUSY;
                    let mut jobs = jobs.drain(..);
                    while jobs.len() > 0 {
                        queue.begin(jobs.len().saturating_sub(BATCH));
                        self.batch(jobs.by_ref().take(BATCH), words);
                    }
                    if is_busy {
                        rest = begun.elapsed().min(REST);
                    }
                }
                Taken::None => {}
                Taken::Closed => return,
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.sweep(SystemTime::now());
            }
        }
    }

    fn batch(&mut self, jobs: impl Iterator<Item = Job>, words: &str) {
        if let Err(error) = self.reopen() {
            for job in jobs {
                job.fail(&error);
            }
            return;
        }
        for job in jobs {
            let pending = self.decide(job, words);
            self.pending.push(pending);
        }
        let result = self.commit();
        let mut users = Vec::new();
        let updates = self.pending.drain(..).filter_map(|pending| match pending {
            Pending::Update(reply, outcome) => Some((reply, result.clone().map(|()| outcome))),
            Pending::User(reply, was_there) => {
                users.push((reply, was_there));
                None
            }
        });
        UpdateReply::send_all(updates);
        for (reply, was_there) in users {
            // Who asked may have gone.
            let _ = reply.send(result.clone().map(|()| was_there));
        }
    }

    /// Decides one job on what is committed and what the jobs before it in the batch changed.
    fn decide(&mut self, job: Job, words: &str) -> Pending {
        match job {
            Job::Refresh(job) => {
                let refresh = job.refresh(words);
                let QueuedRefresh {
                    aor, now, reply, ..
                } = job;
                let outcome = self.decide_on(aor, |known| refresh.decide(known, now));
                Pending::Update(reply, outcome)
            }
            Job::Update {
                aor,
                update,
                now,
                reply,
            } => {
                let cause = update.cause;
                let told = (cause != Cause::Request).then(|| aor.clone());
                let outcome = self.decide_on(aor, |known| {
                    apply(known.map_or(&[][..], |known| known), update, now)
                });
                if let (Some(aor), UpdateOutcome::Stored(_)) = (told, &outcome) {
                    self.changes.causes.push((aor, cause));
                }
                Pending::Update(reply, outcome)
            }
            Job::User {
                name,
                hashes,
                reply,
            } => {
                let changes = &mut self.changes;
                let index = self
                    .index
                    .users
                    .read()
                    .unwrap_or_else(PoisonError::into_inner);
                let was_there = changes
                    .users
                    .get(&name)
                    .map_or_else(|| index.contains_key(&name), Option::is_some);
                if hashes.is_none() && was_there {
                    // Who is no user any more is not reached any more.
                    let bindings = self
                        .index
                        .bindings
                        .read()
                        .unwrap_or_else(PoisonError::into_inner);
                    let theirs: Vec<Aor> = bindings
                        .keys()
                        .chain(changes.bindings.keys())
                        .filter(|aor| aor.user() == &*name)
                        .cloned()
                        .collect();
                    for aor in theirs {
                        changes.causes.push((aor.clone(), Cause::Rejected));
                        changes.bindings.insert(aor, Arc::default());
                    }
                }
                if hashes.is_some() || was_there {
                    changes.users.insert(name, hashes);
                }
                Pending::User(reply, was_there)
            }
        }
    }

    /// Decides on what is known of one, and adds what is to be stored to the changes.
    fn decide_on(
        &mut self,
        aor: Aor,
        decide: impl FnOnce(Option<&Arc<[Binding]>>) -> UpdateOutcome,
    ) -> UpdateOutcome {
        let index = self
            .index
            .bindings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut outcome = UpdateOutcome::OutOfOrder;
        self.changes.bindings.change(aor, |aor, known| {
            outcome = decide(known.or_else(|| index.get(aor)));
            match &outcome {
                UpdateOutcome::Stored(bindings) => Some(Arc::clone(bindings)),
                UpdateOutcome::OutOfOrder | UpdateOutcome::TooMany(_) => None,
            }
        });
        outcome
    }

    /// Writes the changes, and then shows them; whatever comes of it, there are none any more.
    fn commit(&mut self) -> Result<(), StoreError> {
        let mut changes = std::mem::take(&mut self.changes);
        let result = self.write(&mut changes);
        changes.bindings.drain();
        changes.users.clear();
        changes.causes.clear();
        self.changes = changes;
        result
    }

    fn write(&mut self, changes: &mut Changes) -> Result<(), StoreError> {
        if changes.bindings.is_empty() && changes.users.is_empty() {
            return Ok(());
        }
        let result = match &self.database {
            Some(database) => journal::write(database, changes, &mut self.journal, &self.index),
            None => return Err(StoreError::Closed),
        };
        if let Err(error) = result {
            tracing::warn!(path = %self.path.display(), %error, "could not write the data file");
            // The library takes nothing more after a failed write until the file is opened anew.
            self.database = None;
            return Err(StoreError::Failed(error.to_string().into()));
        }
        let mut bindings = self
            .index
            .bindings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let told: Vec<Aor> = changes
            .bindings
            .keys()
            .filter(|aor| self.index.feed.is_watched(aor))
            .cloned()
            .collect();
        for (aor, list) in changes.bindings.drain() {
            if list.is_empty() {
                bindings.remove(&aor);
            } else {
                bindings.insert(aor, list);
            }
        }
        drop(bindings);
        for aor in told {
            let cause = changes.causes.iter().find(|(other, _)| *other == aor);
            let cause = cause.map_or(Cause::Request, |(_, cause)| *cause);
            self.index.feed.changed(&aor, cause);
        }
        if !changes.users.is_empty() {
            let mut users = self
                .index
                .users
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            for (name, hashes) in std::mem::take(&mut changes.users) {
                match hashes {
                    Some(hashes) => drop(users.insert(name, hashes)),
                    None => drop(users.remove(&name)),
                }
            }
        }
        Ok(())
    }

    /// Opens the file again after a failure, and takes from it what is committed: a commit that failed late may be there.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.database.is_some() {
            return Ok(());
        }
        let (database, contents) =
            file::open(&self.path).map_err(|error| StoreError::Failed(error.to_string().into()))?;
        *self
            .index
            .bindings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = contents.bindings;
        *self
            .index
            .users
            .write()
            .unwrap_or_else(PoisonError::into_inner) = contents.users;
        self.journal = contents.journal;
        self.database = Some(database);
        tracing::info!(path = %self.path.display(), "the data file can be written again");
        Ok(())
    }

    /// Removes what has expired.
    fn sweep(&mut self, now: SystemTime) {
        if self.reopen().is_err() {
            return;
        }
        let index = self
            .index
            .bindings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let expired = expired(&index, now);
        drop(index);
        if !expired.is_empty() {
            for (aor, bindings) in expired {
                self.changes.bindings.insert(aor, bindings);
            }
            // A failure was logged; the next sweep comes.
            let _ = self.commit();
        }
    }
}

#[expect(clippy::iter_over_hash_type, reason = "the result is ordered")]
fn expired(index: &HashMap<Aor, Arc<[Binding]>>, now: SystemTime) -> BTreeMap<Aor, Arc<[Binding]>> {
    let mut changes = BTreeMap::new();
    for (aor, list) in index {
        if list.iter().any(|binding| !binding.is_live(now)) {
            changes.insert(
                aor.clone(),
                list.iter()
                    .filter(|binding| binding.is_live(now))
                    .cloned()
                    .collect(),
            );
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use tokio::sync::oneshot;

    use super::*;
    use crate::location::{BindingUpdate, Change, ContactUpdate};

    /// A disk that is full when it is told so.
    #[derive(Debug)]
    struct Disk(InMemoryBackend, Arc<AtomicBool>);

    impl Disk {
        fn room(&self) -> io::Result<()> {
            if self.1.load(Ordering::Relaxed) {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.room()?;
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.room()?;
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.room()?;
            self.0.write(offset, data)
        }
    }

    fn update(writer: &mut Writer, user: &str, cseq: u32) -> Result<UpdateOutcome, StoreError> {
        let (reply, mut answer) = oneshot::channel();
        let reply = UpdateReply::new(move |outcome| drop(reply.send(outcome)));
        let change = Change::Contacts(vec![ContactUpdate::new("sip:a@192.0.2.1", 60)]);
        let update = BindingUpdate::new("c", cseq, change);
        let aor = Aor::new(user, "h");
        let job = Job::Update {
            aor,
            update,
            now: SystemTime::UNIX_EPOCH,
            reply,
        };
        writer.batch(std::iter::once(job), "");
        answer.try_recv().unwrap()
    }

    #[test]
    fn a_full_disk_refuses_shows_nothing_and_is_written_again_when_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sip.redb");
        file::create(&path, "h").unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let disk = Disk(InMemoryBackend::new(), Arc::clone(&full));
        let database = Database::builder().create_with_backend(disk).unwrap();
        let index = Arc::new(Index::default());
        let journal = Journal::default();
        let mut writer = Writer::new(&path, database, Arc::clone(&index), journal);
        assert!(matches!(
            update(&mut writer, "alice", 1),
            Ok(UpdateOutcome::Stored(_))
        ));
        full.store(true, Ordering::Relaxed);
        assert!(matches!(
            update(&mut writer, "bob", 1),
            Err(StoreError::Failed(_))
        ));
        let known = || {
            index
                .bindings
                .read()
                .unwrap()
                .keys()
                .map(|aor| aor.user().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(known(), ["alice"], "what was refused is not shown");
        // It is opened again; here that is another file, which shows that what is in the file counts.
        assert!(matches!(
            update(&mut writer, "carol", 1),
            Ok(UpdateOutcome::Stored(_))
        ));
        assert_eq!(known(), ["carol"]);
    }

    #[test]
    fn a_sweep_keeps_what_is_live() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let binding = |at: u64| {
            Binding::new(
                "sip:a@h",
                SystemTime::UNIX_EPOCH + Duration::from_secs(at),
                "c",
                1,
            )
        };
        let index = HashMap::from([
            (Aor::new("live", "h"), Arc::from([binding(200)])),
            (
                Aor::new("half", "h"),
                Arc::from([binding(50), binding(200)]),
            ),
            (Aor::new("dead", "h"), Arc::from([binding(100)])),
        ]);
        let changes = expired(&index, now);
        let left: Vec<_> = changes
            .iter()
            .map(|(aor, list)| (aor.user(), list.len()))
            .collect();
        assert_eq!(left, [("dead", 0), ("half", 1)]);
    }
}
