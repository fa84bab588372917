//! [`QueuedStore`]: updates that are answered later, many at a time.

use std::fmt;
use std::time::SystemTime;

use super::{BindingUpdate, StoreError, UpdateOutcome};
use crate::domain::Aor;

/// A [`LocationStore`](super::LocationStore) that collects updates and answers those of a batch together. A task for each of
/// them, and its waking, would cost more than the update.
pub trait QueuedStore: Send + Sync + fmt::Debug {
    /// As [`LocationStore::update`](super::LocationStore::update), but the answer goes to `reply`, from any thread.
    fn submit(&self, aor: Aor, update: BindingUpdate, now: SystemTime, reply: UpdateReply);
}

type Receiver = Box<dyn FnOnce(Result<UpdateOutcome, StoreError>) + Send>;

/// Where the answer to an update goes. One that is dropped without an answer answers [`StoreError::Closed`].
///
/// ```
/// use sip_stack::location::{StoreError, UpdateReply};
/// let (sender, receiver) = std::sync::mpsc::channel();
/// drop(UpdateReply::new(move |answer| drop(sender.send(answer))));
/// assert_eq!(receiver.recv(), Ok(Err(StoreError::Closed)));
/// ```
pub struct UpdateReply(Option<Receiver>);

impl UpdateReply {
    /// The answer is given to `receiver`, which must not block.
    #[must_use]
    pub fn new(receiver: impl FnOnce(Result<UpdateOutcome, StoreError>) + Send + 'static) -> Self {
        Self(Some(Box::new(receiver)))
    }

    /// Answers.
    pub fn send(mut self, answer: Result<UpdateOutcome, StoreError>) {
        if let Some(receiver) = self.0.take() {
            receiver(answer);
        }
    }
}

impl Drop for UpdateReply {
    fn drop(&mut self) {
        if let Some(receiver) = self.0.take() {
            receiver(Err(StoreError::Closed));
        }
    }
}

impl fmt::Debug for UpdateReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpdateReply(..)")
    }
}
