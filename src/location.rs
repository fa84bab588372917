//! The location service (RFC 3261 §10.1): which contacts an address of record is bound to now.
//!
//! [`LocationStore`] is the boundary; [`Memory`] forgets with the process, [`Embedded`] keeps its bindings in a file.
//! Both decide by the same pure function, [`apply`].

mod binding;
mod embedded;
mod feed;
mod memory;
mod queued;
#[cfg(feature = "redis")]
pub mod redis;
mod update;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use self::binding::{Binding, BindingFields};
pub(crate) use self::binding::{read_row, write_row};
pub use self::embedded::Embedded;
pub use self::feed::{Cause, Feed, Notice, Watcher};
pub use self::memory::Memory;
pub use self::queued::{QueuedStore, UpdateReply};
pub(crate) use self::queued::{Replies, Reply};
#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisConfig};
pub use self::update::apply;
use crate::domain::Aor;
pub use crate::store::{BoxFuture, StoreError};

/// The preference of a contact among those of its address of record, in thousandths (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Q(u16);

impl Q {
    /// 1.0: what a contact without `q` is taken for.
    pub const MAX: Self = Self(1000);

    /// From thousandths; above 1000 is 1000.
    #[must_use]
    pub fn from_thousandths(value: u16) -> Self {
        Self(value.min(1000))
    }

    /// In thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

impl Default for Q {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for Q {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, rest) => write!(f, "{whole}.{}", format!("{rest:03}").trim_end_matches('0')),
        }
    }
}

/// A user agent registers by several flows, each known by a number (RFC 5626 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "RFC 5626 names these two")]
pub struct Outbound {
    /// The user agent: its `+sip.instance`.
    pub instance: Box<str>,
    /// The flow: its `reg-id`.
    pub reg_id: u32,
}

/// What a REGISTER asks for: applied whole or not at all (RFC 3261 §10.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindingUpdate {
    /// The Call-ID of the request.
    pub call_id: Box<str>,
    /// The CSeq number of the request.
    pub cseq: u32,
    /// What changes.
    pub change: Change,
    /// How many bindings the address of record may have afterwards.
    pub limit: usize,
    /// A random number: the [epoch](Binding::epoch) of instances that begin a new one by this. 0: they have none.
    pub epoch: u64,
    /// Why, for those who watch.
    pub cause: Cause,
}

impl BindingUpdate {
    /// The update that a REGISTER with this Call-ID and CSeq number asks for.
    #[must_use]
    pub fn new(call_id: &str, cseq: u32, change: Change) -> Self {
        Self {
            call_id: call_id.into(),
            cseq,
            change,
            limit: 10,
            epoch: 0,
            cause: Cause::Request,
        }
    }

    /// Another bound for the bindings of one address of record; it is 10.
    #[must_use]
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Another cause than a request of a telephone.
    #[must_use]
    pub const fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// The epoch of instances that begin a new one (RFC 5627 §5.1).
    #[must_use]
    pub const fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }
}

/// The change that an update makes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 3261 section 10.3, steps 6 and 7, know these two"
)]
pub enum Change {
    /// `Contact: *` with `Expires: 0`.
    RemoveAll,
    /// Contacts to add, refresh or remove.
    Contacts(Vec<ContactUpdate>),
}

/// One contact of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactUpdate {
    /// The URI.
    pub contact: Box<str>,
    /// See [`BindingFields::parameters`].
    pub parameters: Box<str>,
    /// See [`Binding::q`].
    pub q: Option<Q>,
    /// For how many seconds; 0 removes it.
    pub expires: u32,
    /// See [`BindingFields::path`].
    pub path: Vec<Box<str>>,
    /// See [`BindingFields::user_agent`].
    pub user_agent: Box<str>,
    /// See [`BindingFields::flow`].
    pub flow: Option<Box<str>>,
    /// See [`BindingFields::node`].
    pub node: Option<Box<str>>,
    /// See [`BindingFields::outbound`].
    pub outbound: Option<Outbound>,
}

impl ContactUpdate {
    /// A contact for so many seconds.
    #[must_use]
    pub fn new(contact: &str, expires: u32) -> Self {
        Self {
            contact: contact.into(),
            parameters: "".into(),
            q: None,
            expires,
            path: Vec::new(),
            user_agent: "".into(),
            flow: None,
            node: None,
            outbound: None,
        }
    }

    /// See [`Binding::instance`].
    #[must_use]
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        binding::instance(
            &self.parameters,
            self.outbound.as_ref().map(|outbound| &*outbound.instance),
        )
    }
}

/// The update that nearly every REGISTER asks for (RFC 3261 §10.3, step 7), in the words of the request: one contact is added or
/// refreshed, and reached by its URI alone, without a path and a flow. See [`LocationStore::refresh_at_once`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Refresh<'a> {
    /// See [`ContactUpdate::contact`].
    pub contact: &'a str,
    /// See [`BindingFields::parameters`].
    pub parameters: &'a str,
    /// See [`Binding::q`].
    pub q: Option<Q>,
    /// For how many seconds, at least 1.
    pub expires: u32,
    /// See [`BindingFields::user_agent`].
    pub user_agent: &'a str,
    /// The Call-ID of the request.
    pub call_id: &'a str,
    /// The CSeq number of the request.
    pub cseq: u32,
    /// See [`BindingUpdate::limit`].
    pub limit: usize,
    /// Whether it is to be decided only where it follows the registration that is stored: with its Call-ID, and a higher CSeq.
    pub follows: bool,
}

impl Refresh<'_> {
    /// The same, for a store that is to decide it only where it follows the registration that is stored.
    #[must_use]
    pub(crate) const fn following(self) -> Self {
        Self {
            follows: true,
            ..self
        }
    }
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateOutcome {
    /// It was applied and stored; these are all bindings now.
    Stored(Arc<[Binding]>),
    /// An older request than one that was applied before it; nothing changed (RFC 3261 §10.3, steps 6 and 7).
    OutOfOrder,
    /// There would be more bindings than the limit, which is given; nothing changed.
    TooMany(usize),
}

/// Where bindings are kept. An update is atomic for its address of record, and durable, as far as the store promises
/// that at all, before it is answered.
pub trait LocationStore: Send + Sync + fmt::Debug {
    /// The bindings that hold now, in the order in which they were first made.
    fn lookup(&self, aor: &Aor, now: SystemTime) -> BoxFuture<Result<Vec<Binding>, StoreError>>;

    /// Applies an update: [`apply`] on what is stored.
    fn update(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> BoxFuture<Result<UpdateOutcome, StoreError>>;

    /// [`lookup`](Self::lookup) of a store that knows it without waiting for anything; `None` if this one does not.
    fn lookup_at_once(
        &self,
        aor: &Aor,
        now: SystemTime,
    ) -> Option<Result<Vec<Binding>, StoreError>> {
        let _ = (aor, now);
        None
    }

    /// [`update`](Self::update) of a store that carries it out without waiting for anything.
    ///
    /// # Errors
    /// The update, of a store that has to wait.
    fn update_at_once(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> Result<Result<UpdateOutcome, StoreError>, BindingUpdate> {
        let _ = (aor, now);
        Err(update)
    }

    /// The same of a refresh, for which no [`BindingUpdate`] has to be put together. `None`: nothing was changed, and the update is
    /// asked for as a whole: this store wants that, or there is more to decide than whether the contact is the only one. An error
    /// within is final, as one of [`update`](Self::update) is. A store that has this heeds [`Refresh::follows`], by which a registrar
    /// tells what is new from a late copy.
    fn refresh_at_once(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
    ) -> Option<Result<UpdateOutcome, StoreError>> {
        let _ = (aor, refresh, now);
        None
    }

    /// Where its changes are told, if it tells them. What has only expired need not be told.
    fn feed(&self) -> Option<&Feed> {
        None
    }

    /// The store as one that answers updates later without a task that waits for each, if it is one.
    fn queued(&self) -> Option<&dyn QueuedStore> {
        None
    }

    /// How many addresses of record have a binding that was not swept yet, if the store can tell.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Is there none? `None` if the store cannot tell.
    fn is_empty(&self) -> Option<bool> {
        self.len().map(|len| len == 0)
    }
}

impl<T: LocationStore + ?Sized> LocationStore for Arc<T> {
    fn lookup(&self, aor: &Aor, now: SystemTime) -> BoxFuture<Result<Vec<Binding>, StoreError>> {
        (**self).lookup(aor, now)
    }

    fn update(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> BoxFuture<Result<UpdateOutcome, StoreError>> {
        (**self).update(aor, update, now)
    }

    fn lookup_at_once(
        &self,
        aor: &Aor,
        now: SystemTime,
    ) -> Option<Result<Vec<Binding>, StoreError>> {
        (**self).lookup_at_once(aor, now)
    }

    fn update_at_once(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> Result<Result<UpdateOutcome, StoreError>, BindingUpdate> {
        (**self).update_at_once(aor, update, now)
    }

    fn refresh_at_once(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
    ) -> Option<Result<UpdateOutcome, StoreError>> {
        (**self).refresh_at_once(aor, refresh, now)
    }

    fn feed(&self) -> Option<&Feed> {
        (**self).feed()
    }

    fn queued(&self) -> Option<&dyn QueuedStore> {
        (**self).queued()
    }

    fn len(&self) -> Option<usize> {
        (**self).len()
    }
}
