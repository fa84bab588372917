//! [`Package`]: what the notifier must know of an event package.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::domain::Aor;
use crate::location::{Binding, Cause};

/// An event package (RFC 6665 §5) whose resources are the users of the domain.
///
/// The notifier knows who is subscribed to which resource; the package knows its state. A resource is watched from its
/// first subscription to the end of its last, and nothing is kept of it in between.
pub trait Package: fmt::Debug + Send {
    /// As the Event field has it.
    fn name(&self) -> &'static str;

    /// The Content-Type of its documents.
    fn content_type(&self) -> &'static str;

    /// May this user watch that one? `None` is one who was not asked for a proof and says to be of elsewhere.
    fn allows(&self, watcher: Option<&Aor>, resource: &Aor) -> bool;

    /// Where its state comes from.
    fn source(&self) -> Source;

    /// For a package of [`Source::Bindings`]: these are bound now. Has the state changed since all were [told](Self::told)?
    fn bound(
        &mut self,
        resource: &Aor,
        bindings: &[Binding],
        cause: Cause,
        wall: SystemTime,
    ) -> bool {
        let _ = (resource, bindings, cause, wall);
        false
    }

    /// All who watch the resource know what has changed of it by now: what follows is the next change.
    fn told(&mut self, resource: &Aor) {
        let _ = resource;
    }

    /// A document for a subscriber who was told `version` documents before it: all of the state, or what has changed since
    /// all were [told](Self::told).
    fn document(&mut self, resource: &Aor, version: u32, scope: Scope, wall: SystemTime) -> Bytes;

    /// The same for a subscriber who may register for the resource: its user, who has proven to be that.
    fn document_for_owner(
        &mut self,
        resource: &Aor,
        version: u32,
        scope: Scope,
        wall: SystemTime,
    ) -> Bytes {
        self.document(resource, version, scope, wall)
    }

    /// When the state changes by itself, so that it has to be asked for again.
    fn changes_at(&self, resource: &Aor) -> Option<SystemTime> {
        let _ = resource;
        None
    }

    /// Nobody watches the resource any more.
    fn forget(&mut self, resource: &Aor);
}

/// Where the state of a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the notifier acts on each")]
pub enum Source {
    /// From the bindings of the resource: they are looked up, and [`Package::bound`] is told.
    Bindings,
    /// The package has it, and [`Events::changed`](super::Events::changed) is called when it changes.
    Own,
}

/// How much a document tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two kinds of state")]
pub enum Scope {
    /// All.
    Full,
    /// What has changed.
    Partial,
}
