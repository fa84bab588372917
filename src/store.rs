//! [`DataFile`]: the embedded file with the users and the bindings of a domain.
//!
//! One thread owns the database and writes. It takes whatever has been asked for since its last commit, decides it in
//! order, and commits it as one (group commit): durability costs one `fsync` for all who wait, not one each. After a commit for
//! many the disk rests for as long as that took, a millisecond at most, so that the next one is for more. Bindings go to a
//! journal first, one entry for a batch, and from time to time to rows of their own. What was answered was on the disk before.
//! Reading goes to an index in memory, which changes only after a commit.

mod directory;
mod file;
mod journal;
mod queue;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::SystemTime;

use sip_transport::Seed;
use tokio::sync::oneshot;

pub use self::directory::{FILE_NAME, data_directory, default_realm};
use self::journal::Journal;
use self::queue::{Job, Queue};
use self::writer::Writer;
use crate::domain::Aor;
use crate::location::{Binding, BindingUpdate, Feed, Refresh, UpdateOutcome, UpdateReply};
use crate::users::Ha1s;

/// A future that a store returns: it may be moved to a task of its own.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a store could not answer. The SIP answer to all of them is 503 with Retry-After.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// More is asked of the store than it can queue.
    #[error("the store has more to write than it can queue")]
    Busy,
    /// The store has a bound, and it is reached.
    #[error("the store is full")]
    Full,
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// It could not write; nothing of the request was stored.
    #[error("the store could not write: {0}")]
    Failed(Box<str>),
}

/// Why a data file could not be opened or created. Each says what is wrong and what would help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none.
    #[error("there is no data file {}: `sip serve` and `sip user add` create it", .0.display())]
    Missing(PathBuf),
    /// There is one already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// Another process has it open.
    #[error("{} is open in another process: stop that one, or use another directory by --data", .0.display())]
    Locked(PathBuf),
    /// It cannot be read as a database, or what is in it makes no sense.
    #[error("{} cannot be read ({reason}): put a copy of the file from a backup in its place, or move it away to start anew without users", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A database, but of another program, or of no finished creation.
    #[error("{} is a database of another program: use another directory by --data", .0.display())]
    Foreign(PathBuf),
    /// Written by another version.
    #[error("{} has format {found}, and this program reads {} and the one before: use the version of the program that wrote it", .path.display(), file::FORMAT)]
    Format {
        /// The file.
        path: PathBuf,
        /// The format in it.
        found: u64,
    },
    /// The system refused.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// How much may wait for the writer before a request is refused as [`StoreError::Busy`].
const QUEUE: usize = 8192;

/// The data file of a domain, open. Clones share it; the last one closes it.
///
/// ```
/// use sip_stack::store::DataFile;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("sip.redb");
/// let file = DataFile::create(&path, "example.com")?;
/// assert_eq!(file.realm(), "example.com");
/// drop(file);
/// assert_eq!(DataFile::open(&path)?.realm(), "example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DataFile {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    realm: Box<str>,
    secret: [u8; 32],
    index: Arc<Index>,
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is committed. The maps are keyed, or asked, by what peers choose, so they have the standard library's keyed hasher.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) bindings: RwLock<HashMap<Aor, Arc<[Binding]>>>,
    pub(crate) users: RwLock<HashMap<Box<str>, Ha1s>>,
    pub(crate) feed: Feed,
}

impl DataFile {
    /// Opens the file, which must be there.
    ///
    /// # Errors
    /// When it is missing, open elsewhere, damaged, foreign, or of another format: never does an empty one take its place.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (database, contents) = file::open(path)?;
        let index = Index {
            bindings: RwLock::new(contents.bindings),
            users: RwLock::new(contents.users),
            feed: Feed::default(),
        };
        let secrets = (contents.realm, contents.secret);
        Self::start(path, secrets, database, index, contents.journal)
    }

    /// Creates the file with the realm for which its users' passwords will be hashed.
    ///
    /// # Errors
    /// When it is there already, or cannot be written.
    pub fn create(path: &Path, realm: &str) -> Result<Self, OpenError> {
        file::create(path, realm)?;
        Self::open(path)
    }

    /// Opens the file, or creates it if there is none.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: &Path, realm: &str) -> Result<Self, OpenError> {
        match Self::open(path) {
            Err(OpenError::Missing(_)) => match Self::create(path, realm) {
                Err(OpenError::Exists(_)) => Self::open(path),
                created => created,
            },
            opened => opened,
        }
    }

    fn start(
        path: &Path,
        (realm, secret): (Box<str>, [u8; 32]),
        database: redb::Database,
        index: Index,
        journal: Journal,
    ) -> Result<Self, OpenError> {
        let index = Arc::new(index);
        let queue = Arc::new(Queue::new(QUEUE));
        let jobs = Arc::clone(&queue);
        let writer = Writer::new(path, database, Arc::clone(&index), journal);
        let thread = std::thread::Builder::new()
            .name("sip-store".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(|error| OpenError::Io {
                path: path.to_owned(),
                error,
            })?;
        let inner = Inner {
            path: path.to_owned(),
            realm,
            secret,
            index,
            queue,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The realm of its users.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.inner.realm
    }

    /// A seed that stays the same as long as the file lives: for what has to be recognised after a restart.
    pub(crate) fn seed(&self) -> Seed {
        Seed::from_bytes(self.inner.secret)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.inner.index
    }

    pub(crate) fn update(
        &self,
        aor: Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> BoxFuture<Result<UpdateOutcome, StoreError>> {
        let (reply, answer) = oneshot::channel();
        // Who asked may have gone.
        let reply = UpdateReply::new(move |outcome| drop(reply.send(outcome)));
        self.submit(aor, update, now, reply);
        Box::pin(async { answer.await.unwrap_or(Err(StoreError::Closed)) })
    }

    /// As [`update`](Self::update), with the answer to `reply`.
    pub(crate) fn submit(
        &self,
        aor: Aor,
        update: BindingUpdate,
        now: SystemTime,
        reply: UpdateReply,
    ) {
        let is_put_off = reply.is_one_of_many();
        self.inner.queue.push(Job::Update {
            aor,
            update,
            now,
            reply,
        });
        if !is_put_off {
            self.flush();
        }
    }

    /// As [`submit`](Self::submit), in the words of a request.
    pub(crate) fn submit_refresh(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
        reply: UpdateReply,
    ) {
        let is_put_off = reply.is_one_of_many();
        self.inner.queue.push_refresh(aor, refresh, now, reply);
        if !is_put_off {
            self.flush();
        }
    }

    /// Wakes the writer, if it has something to do.
    pub(crate) fn flush(&self) {
        self.inner.queue.wake();
    }

    /// Sets the hashes of a user, or removes the user with the bindings. Was the user there?
    pub(crate) fn write_user(
        &self,
        name: Box<str>,
        hashes: Option<Ha1s>,
    ) -> BoxFuture<Result<bool, StoreError>> {
        self.ask(|reply| Job::User {
            name,
            hashes,
            reply,
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> BoxFuture<Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.inner.queue.push(job(reply));
        self.flush();
        Box::pin(async { answer.await.unwrap_or(Err(StoreError::Closed)) })
    }
}

impl Drop for Inner {
    /// Waits until what was asked for is written and the file is closed.
    fn drop(&mut self) {
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The thread only ends; a panic in it was reported there.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFile")
            .field("path", &self.inner.path)
            .field("realm", &self.inner.realm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
