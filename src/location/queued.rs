//! [`QueuedStore`]: updates that are answered later, many at a time.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::Notify;

use super::{BindingUpdate, Refresh, StoreError, UpdateOutcome};
use crate::domain::Aor;

/// A [`LocationStore`](super::LocationStore) that collects updates and answers those of a batch together. A task for each of
/// them, and its waking, would cost more than the update.
pub trait QueuedStore: Send + Sync + fmt::Debug {
    /// As [`LocationStore::update`](super::LocationStore::update), but the answer goes to `reply`, from any thread.
    fn submit(&self, aor: Aor, update: BindingUpdate, now: SystemTime, reply: UpdateReply);

    /// The same of a refresh, for which no [`BindingUpdate`] has to be put together.
    ///
    /// # Errors
    /// The reply, of a store that has no use for this: then the update is to be submitted as a whole.
    fn submit_refresh(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
        reply: UpdateReply,
    ) -> Result<(), UpdateReply> {
        let _ = (aor, refresh, now);
        Err(reply)
    }

    /// Nothing more is submitted for now: what waits is begun. A store may put off until then what it gets from who takes its
    /// answers many at a time, which is who calls this; nobody else has to.
    fn flush(&self) {}
}

type Answer = Result<UpdateOutcome, StoreError>;
type Receiver = Box<dyn FnOnce(Answer) + Send>;

/// Where the answer to an update goes. One that is dropped without an answer answers [`StoreError::Closed`].
///
/// ```
/// use sip_stack::location::{StoreError, UpdateReply};
/// let (sender, receiver) = std::sync::mpsc::channel();
/// drop(UpdateReply::new(move |answer| drop(sender.send(answer))));
/// assert_eq!(receiver.recv(), Ok(Err(StoreError::Closed)));
/// ```
pub struct UpdateReply(Option<To>);

enum To {
    One(Receiver),
    Many(Replies, u64, Instant),
}

impl UpdateReply {
    /// The answer is given to `receiver`, which must not block.
    #[must_use]
    pub fn new(receiver: impl FnOnce(Result<UpdateOutcome, StoreError>) + Send + 'static) -> Self {
        Self(Some(To::One(Box::new(receiver))))
    }

    /// Answers.
    pub fn send(mut self, answer: Result<UpdateOutcome, StoreError>) {
        self.give(answer);
    }

    fn give(&mut self, answer: Answer) {
        match self.0.take() {
            Some(To::One(receiver)) => receiver(answer),
            Some(To::Many(replies, number, begun)) => replies.put(&mut vec![Reply {
                number,
                begun,
                answer,
            }]),
            None => {}
        }
    }

    /// Answers many; those that go to one place go there together.
    pub(crate) fn send_all(answers: impl Iterator<Item = (Self, Answer)>) {
        let mut places: Vec<(Replies, Vec<Reply>)> = Vec::new();
        for (mut reply, answer) in answers {
            match reply.0.take() {
                Some(To::Many(replies, number, begun)) => {
                    let given = Reply {
                        number,
                        begun,
                        answer,
                    };
                    // There is one for each worker, and most follow one of the same.
                    match places.iter_mut().find(|(place, _)| place.is(&replies)) {
                        Some((_, list)) => list.push(given),
                        None => places.push((replies, vec![given])),
                    }
                }
                Some(To::One(receiver)) => receiver(answer),
                None => {}
            }
        }
        for (replies, mut list) in places {
            replies.put(&mut list);
        }
    }

    /// Does who asked take many answers at a time, and say when a batch is complete?
    pub(crate) const fn is_one_of_many(&self) -> bool {
        matches!(self.0, Some(To::Many(..)))
    }

    /// Nobody wants an answer any more.
    pub(crate) fn forget(mut self) {
        if let Some(To::Many(replies, ..)) = self.0.take() {
            replies.0.expected.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UpdateReply {
    fn drop(&mut self) {
        self.give(Err(StoreError::Closed));
    }
}

/// An answer, to what, and when that was asked.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) number: u64,
    pub(crate) begun: Instant,
    pub(crate) answer: Result<UpdateOutcome, StoreError>,
}

/// Where the answers to the updates of one worker come together; clones are the same place.
#[derive(Clone, Debug)]
pub(crate) struct Replies(Arc<Place>);

#[derive(Debug)]
struct Place {
    given: Mutex<Vec<Reply>>,
    wake: Notify,
    /// How many were asked for and not taken.
    expected: AtomicUsize,
    limit: usize,
}

impl Replies {
    /// A place for so many answers at once.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Place {
            given: Mutex::default(),
            wake: Notify::new(),
            expected: AtomicUsize::new(0),
            limit,
        }))
    }

    /// For the answer to the update that has this number here; `None`: there are too many.
    pub(crate) fn reply(&self, number: u64, begun: Instant) -> Option<UpdateReply> {
        if self.expected() >= self.0.limit {
            return None;
        }
        self.0.expected.fetch_add(1, Ordering::Relaxed);
        Some(UpdateReply(Some(To::Many(self.clone(), number, begun))))
    }

    /// How many answers were asked for and not taken.
    pub(crate) fn expected(&self) -> usize {
        self.0.expected.load(Ordering::Relaxed)
    }

    /// Takes what is there; `into` is empty.
    pub(crate) fn take(&self, into: &mut Vec<Reply>) {
        std::mem::swap(&mut *self.lock(), into);
        self.0.expected.fetch_sub(into.len(), Ordering::Relaxed);
    }

    /// Waits until there is something to take. A call that is given up loses nothing.
    pub(crate) async fn ready(&self) {
        while self.lock().is_empty() {
            self.0.wake.notified().await;
        }
    }

    fn put(&self, list: &mut Vec<Reply>) {
        let mut given = self.lock();
        if given.is_empty() {
            std::mem::swap(&mut *given, list);
        } else {
            given.append(list);
        }
        drop(given);
        self.0.wake.notify_one();
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Reply>> {
        self.0.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UpdateReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpdateReply(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(replies: &Replies) -> Vec<(u64, bool)> {
        let mut taken = Vec::new();
        replies.take(&mut taken);
        let is_ok = |reply: Reply| (reply.number, reply.answer.is_ok());
        taken.into_iter().map(is_ok).collect()
    }

    #[test]
    fn each_place_gets_its_own_answers_and_no_more_than_it_has_room_for() {
        let (here, there) = (Replies::new(3), Replies::new(8));
        let now = Instant::now();
        let ask = |replies: &Replies, number| replies.reply(number, now);
        let mut asked: Vec<_> = [(&here, 1), (&there, 1), (&here, 2), (&here, 3)]
            .into_iter()
            .filter_map(|(replies, number)| ask(replies, number))
            .collect();
        assert!(ask(&here, 4).is_none());
        let (sender, receiver) = std::sync::mpsc::channel();
        asked.push(UpdateReply::new(move |answer| drop(sender.send(answer))));
        // One is dropped, as by a store that ends.
        drop(asked.remove(2));
        let answers = asked
            .into_iter()
            .map(|reply| (reply, Ok(UpdateOutcome::OutOfOrder)));
        UpdateReply::send_all(answers);
        assert_eq!(receiver.recv(), Ok(Ok(UpdateOutcome::OutOfOrder)));
        assert_eq!(numbers(&here), [(2, false), (1, true), (3, true)]);
        assert_eq!(numbers(&there), [(1, true)]);
        assert_eq!((here.expected(), there.expected()), (0, 0));
        ask(&here, 5).unwrap().forget();
        assert_eq!((numbers(&here), here.expected()), (vec![], 0));
    }

    #[tokio::test]
    async fn who_waits_is_woken_and_who_has_taken_waits_again() {
        let replies = Replies::new(1);
        let reply = replies.reply(7, Instant::now()).unwrap();
        let sending = std::thread::spawn(move || reply.send(Ok(UpdateOutcome::OutOfOrder)));
        replies.ready().await;
        sending.join().unwrap();
        assert_eq!(numbers(&replies), [(7, true)]);
        let none = std::time::Duration::from_millis(10);
        assert!(tokio::time::timeout(none, replies.ready()).await.is_err());
    }
}
