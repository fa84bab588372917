//! [`Writer`]: the thread that owns the database.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use redb::Database;
use tokio::sync::oneshot;

use super::journal::{self, Journal};
use super::{Index, StoreError, file};
use crate::domain::Aor;
use crate::location::{Binding, BindingUpdate, Cause, UpdateOutcome, UpdateReply, apply};
use crate::users::Ha1s;

/// How much one commit carries at most.
const BATCH: usize = 1024;
/// How often bindings that have expired are removed from the file.
const SWEEP: Duration = Duration::from_secs(60);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is asked of the writer.
pub(super) enum Job {
    Update {
        aor: Aor,
        update: BindingUpdate,
        now: SystemTime,
        reply: UpdateReply,
    },
    User {
        name: Box<str>,
        hashes: Option<Ha1s>,
        reply: Reply<bool>,
    },
}

pub(super) struct Writer {
    path: PathBuf,
    /// `None` after a failure, until it could be opened again.
    database: Option<Database>,
    index: Arc<Index>,
    /// What is in the journal of the file.
    journal: Journal,
}

/// The rows that a batch changes: `None` removes. Ordered, so that equal batches write equal pages.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) bindings: BTreeMap<Aor, Arc<[Binding]>>,
    pub(super) users: BTreeMap<Box<str>, Option<Ha1s>>,
    /// Why bindings change that no telephone asked for.
    causes: Vec<(Aor, Cause)>,
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
        }
    }

    /// Serves until every [`DataFile`](super::DataFile) is gone.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        let mut swept = Instant::now();
        loop {
            match queue.recv_timeout(SWEEP.saturating_sub(swept.elapsed())) {
                Ok(first) => {
                    let jobs = std::iter::once(first)
                        .chain(queue.try_iter().take(BATCH - 1))
                        .collect();
                    self.batch(jobs);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.sweep(SystemTime::now());
            }
        }
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        if let Err(error) = self.reopen() {
            for job in jobs {
                answer_error(job, &error);
            }
            return;
        }
        let mut changes = Changes::default();
        let pending: Vec<Pending> = jobs
            .into_iter()
            .map(|job| self.decide(job, &mut changes))
            .collect();
        let result = self.commit(changes);
        for pending in pending {
            // Who asked may have gone.
            match (pending, &result) {
                (Pending::Update(reply, outcome), Ok(())) => reply.send(Ok(outcome)),
                (Pending::User(reply, was_there), Ok(())) => drop(reply.send(Ok(was_there))),
                (Pending::Update(reply, _), Err(error)) => reply.send(Err(error.clone())),
                (Pending::User(reply, _), Err(error)) => drop(reply.send(Err(error.clone()))),
            }
        }
    }

    /// Decides one job on what is committed and what the jobs before it in the batch changed.
    fn decide(&self, job: Job, changes: &mut Changes) -> Pending {
        match job {
            Job::Update {
                aor,
                update,
                now,
                reply,
            } => {
                let cause = update.cause;
                let told = (cause != Cause::Request).then(|| aor.clone());
                let outcome = match changes.bindings.entry(aor) {
                    Entry::Occupied(mut known) => {
                        let outcome = apply(known.get(), update, now);
                        if let UpdateOutcome::Stored(bindings) = &outcome {
                            known.insert(Arc::clone(bindings));
                        }
                        outcome
                    }
                    Entry::Vacant(new) => {
                        let index = self
                            .index
                            .bindings
                            .read()
                            .unwrap_or_else(PoisonError::into_inner);
                        let known = index.get(new.key()).map_or(&[][..], |all| all);
                        let outcome = apply(known, update, now);
                        if let UpdateOutcome::Stored(bindings) = &outcome {
                            new.insert(Arc::clone(bindings));
                        }
                        outcome
                    }
                };
                if let (Some(aor), UpdateOutcome::Stored(_)) = (told, &outcome) {
                    changes.causes.push((aor, cause));
                }
                Pending::Update(reply, outcome)
            }
            Job::User {
                name,
                hashes,
                reply,
            } => {
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

    fn commit(&mut self, changes: Changes) -> Result<(), StoreError> {
        if changes.bindings.is_empty() && changes.users.is_empty() {
            return Ok(());
        }
        let result = match &self.database {
            Some(database) => journal::write(database, &changes, &mut self.journal, &self.index),
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
        for (aor, list) in changes.bindings {
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
            for (name, hashes) in changes.users {
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
            // A failure was logged; the next sweep comes.
            let _ = self.commit(Changes {
                bindings: expired,
                ..Changes::default()
            });
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

pub(super) fn answer_error(job: Job, error: &StoreError) {
    match job {
        Job::Update { reply, .. } => reply.send(Err(error.clone())),
        Job::User { reply, .. } => drop(reply.send(Err(error.clone()))),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::location::{Change, ContactUpdate};

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
        writer.batch(vec![Job::Update {
            aor,
            update,
            now: SystemTime::UNIX_EPOCH,
            reply,
        }]);
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
