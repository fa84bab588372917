//! [`Embedded`]: bindings in the data file.

use std::path::Path;
use std::sync::PoisonError;
use std::time::SystemTime;

use super::{
    Binding, BindingUpdate, Feed, LocationStore, QueuedStore, Refresh, UpdateOutcome, UpdateReply,
};
use crate::domain::Aor;
use crate::store::{BoxFuture, DataFile, OpenError, StoreError, default_realm};

/// The bindings of a [`DataFile`]: an update is on the disk before it is answered, and survives the death of the process.
#[derive(Clone, Debug)]
pub struct Embedded {
    file: DataFile,
}

impl Embedded {
    /// The bindings of an open file.
    #[must_use]
    pub const fn new(file: DataFile) -> Self {
        Self { file }
    }

    /// Opens a file, or creates it if there is none, for a domain with the name of this machine
    /// ([`DataFile::open_or_create`] takes another).
    ///
    /// # Errors
    /// See [`DataFile::open_or_create`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        DataFile::open_or_create(path.as_ref(), &default_realm()).map(Self::new)
    }

    fn lookup_now(&self, aor: &Aor, now: SystemTime) -> Vec<Binding> {
        let index = self
            .file
            .index()
            .bindings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        index
            .get(aor)
            .into_iter()
            .flat_map(|bindings| bindings.iter())
            .filter(|binding| binding.is_live(now))
            .cloned()
            .collect()
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &DataFile {
        &self.file
    }
}

impl LocationStore for Embedded {
    fn lookup(&self, aor: &Aor, now: SystemTime) -> BoxFuture<Result<Vec<Binding>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.lookup_now(aor, now))))
    }

    fn lookup_at_once(
        &self,
        aor: &Aor,
        now: SystemTime,
    ) -> Option<Result<Vec<Binding>, StoreError>> {
        Some(Ok(self.lookup_now(aor, now)))
    }

    fn update(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> BoxFuture<Result<UpdateOutcome, StoreError>> {
        self.file.update(aor.clone(), update, now)
    }

    fn feed(&self) -> Option<&Feed> {
        Some(&self.file.index().feed)
    }

    fn queued(&self) -> Option<&dyn QueuedStore> {
        Some(self)
    }

    fn len(&self) -> Option<usize> {
        Some(
            self.file
                .index()
                .bindings
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .len(),
        )
    }
}

impl QueuedStore for Embedded {
    fn submit(&self, aor: Aor, update: BindingUpdate, now: SystemTime, reply: UpdateReply) {
        self.file.submit(aor, update, now, reply);
    }

    fn submit_refresh(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
        reply: UpdateReply,
    ) -> Result<(), UpdateReply> {
        self.file.submit_refresh(aor, refresh, now, reply);
        Ok(())
    }

    fn flush(&self) {
        self.file.flush();
    }
}
