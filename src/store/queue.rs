//! [`Queue`]: what waits for the writer.
//!
//! It is handed over as a whole, with one wake-up, however much it is. A refresh, which is what nearly all of it is, stands in it
//! as the words of its request, one behind the other in one text.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use super::StoreError;
use crate::domain::Aor;
use crate::location::{BindingUpdate, Q, Refresh, UpdateReply};
use crate::users::Ha1s;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is asked of the writer.
pub(super) enum Job {
    Refresh(QueuedRefresh),
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

impl Job {
    pub(super) fn fail(self, error: &StoreError) {
        match self {
            Self::Refresh(QueuedRefresh { reply, .. }) | Self::Update { reply, .. } => {
                reply.send(Err(error.clone()));
            }
            Self::User { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// A [`Refresh`], whose words are elsewhere.
pub(super) struct QueuedRefresh {
    pub(super) aor: Aor,
    pub(super) now: SystemTime,
    pub(super) reply: UpdateReply,
    /// Where its words begin, and where each of them ends: contact, parameters, user agent, Call-ID.
    from: usize,
    ends: [usize; 4],
    q: Option<Q>,
    expires: u32,
    cseq: u32,
    limit: usize,
}

impl QueuedRefresh {
    /// What was asked for.
    pub(super) fn refresh<'a>(&self, words: &'a str) -> Refresh<'a> {
        let mut from = self.from;
        let [contact, parameters, user_agent, call_id] = self.ends.map(|end| {
            let word = words.get(from..end).unwrap_or_default();
            from = end;
            word
        });
        Refresh {
            contact,
            parameters,
            q: self.q,
            expires: self.expires,
            user_agent,
            call_id,
            cseq: self.cseq,
            limit: self.limit,
            follows: false,
        }
    }
}

/// What was taken from a [`Queue`].
#[derive(Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Job>,
    /// Those of the refreshes.
    pub(super) words: String,
}

/// So many are written at once, and not waited for.
pub(super) const ENOUGH: usize = 1024;

/// Memory for more than that is given back.
const JOBS: usize = 2048;
const WORDS: usize = 1 << 18;

impl Batch {
    /// Makes room for another one.
    fn clear(&mut self) {
        self.jobs.clear();
        self.jobs.shrink_to(JOBS);
        self.words.clear();
        self.words.shrink_to(WORDS);
    }
}

/// What became of waiting for jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Some,
    /// There are none, for as long as was waited.
    None,
    /// There never will be one again.
    Closed,
}

/// See the [module](self).
pub(super) struct Queue {
    limit: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Batch,
    /// How many were taken and are not begun.
    taken: usize,
    /// Does the writer sleep?
    is_asleep: bool,
    /// Nobody asks any more.
    is_closed: bool,
    /// Nobody writes any more.
    has_ended: bool,
}

impl State {
    fn check(&self, limit: usize) -> Result<(), StoreError> {
        if self.has_ended {
            Err(StoreError::Closed)
        } else if self.waiting.jobs.len() + self.taken >= limit {
            Err(StoreError::Busy)
        } else {
            Ok(())
        }
    }
}

impl Queue {
    /// For so many jobs.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            wake: Condvar::new(),
        }
    }

    /// Puts a job behind the others, and wakes nobody. One that is not taken is told so.
    pub(super) fn push(&self, job: Job) {
        let mut state = self.lock();
        match state.check(self.limit) {
            Ok(()) => state.waiting.jobs.push(job),
            Err(error) => {
                drop(state);
                job.fail(&error);
            }
        }
    }

    /// The same of a refresh.
    pub(super) fn push_refresh(
        &self,
        aor: &Aor,
        refresh: &Refresh<'_>,
        now: SystemTime,
        reply: UpdateReply,
    ) {
        let mut state = self.lock();
        if let Err(error) = state.check(self.limit) {
            drop(state);
            return reply.send(Err(error));
        }
        let Batch { jobs, words } = &mut state.waiting;
        let from = words.len();
        let ends = [
            refresh.contact,
            refresh.parameters,
            refresh.user_agent,
            refresh.call_id,
        ];
        let ends = ends.map(|word| {
            words.push_str(word);
            words.len()
        });
        jobs.push(Job::Refresh(QueuedRefresh {
            aor: aor.clone(),
            now,
            reply,
            from,
            ends,
            q: refresh.q,
            expires: refresh.expires,
            cseq: refresh.cseq,
            limit: refresh.limit,
        }));
    }

    /// Wakes the writer, if it sleeps and there is something for it, or rests and there is enough.
    pub(super) fn wake(&self) {
        let mut state = self.lock();
        let waiting = state.waiting.jobs.len();
        if (state.is_asleep && waiting > 0) || waiting >= ENOUGH {
            state.is_asleep = false;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Takes all that waits, or waits for it. The writer says by [`begin`](Self::begin) how much of it is left. It rests first, unless
    /// [`ENOUGH`] waits.
    pub(super) fn take(&self, batch: &mut Batch, rest: Duration, patience: Duration) -> Taken {
        batch.clear();
        let mut state = self.lock();
        if !rest.is_zero() {
            let rested = self.wake.wait_timeout_while(state, rest, |state| {
                state.waiting.jobs.len() < ENOUGH && !state.is_closed
            });
            state = rested.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.waiting.jobs.is_empty() && !state.is_closed {
            state.is_asleep = true;
            let waited = self
                .wake
                .wait_timeout_while(state, patience, |state| state.is_asleep && !state.is_closed);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.is_asleep = false;
        }
        if state.waiting.jobs.is_empty() {
            return if state.is_closed {
                Taken::Closed
            } else {
                Taken::None
            };
        }
        std::mem::swap(&mut state.waiting, batch);
        state.taken = batch.jobs.len();
        Taken::Some
    }

    /// So many of those that were taken are not begun.
    pub(super) fn begin(&self, left: usize) {
        self.lock().taken = left;
    }

    /// Nobody asks any more: what waits is to be written, and that is all.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_one();
    }

    /// Nobody writes any more: who waits, and who comes, is told so.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        // A reply that is dropped says that the store is closed.
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{Replies, UpdateOutcome};

    fn refresh<'a>(contact: &'a str, call_id: &'a str) -> Refresh<'a> {
        Refresh {
            contact,
            parameters: ";audio",
            q: None,
            expires: 60,
            user_agent: "",
            call_id,
            cseq: 3,
            limit: 10,
            follows: false,
        }
    }

    #[test]
    fn words_come_out_as_they_went_in_and_no_more_waits_than_may() {
        let (queue, replies) = (Queue::new(3), Replies::new(8));
        let aor = Aor::new("alice", "h");
        let push = |contact: &str, call_id: &str| {
            let reply = replies.reply(1, std::time::Instant::now()).unwrap();
            queue.push_refresh(
                &aor,
                &refresh(contact, call_id),
                SystemTime::UNIX_EPOCH,
                reply,
            );
        };
        let refused = || {
            let mut taken = Vec::new();
            replies.take(&mut taken);
            taken
                .into_iter()
                .filter_map(|reply| reply.answer.err())
                .collect::<Vec<_>>()
        };
        let mut batch = Batch::default();
        assert_eq!(
            queue.take(&mut batch, Duration::ZERO, Duration::ZERO),
            Taken::None
        );
        for number in ["1", "22"] {
            push("sip:a@h", number);
        }
        assert_eq!(
            queue.take(&mut batch, Duration::ZERO, Duration::from_secs(9)),
            Taken::Some
        );
        let words: Vec<_> = batch
            .jobs
            .iter()
            .map(|job| match job {
                Job::Refresh(queued) => {
                    let refresh = queued.refresh(&batch.words);
                    (refresh.contact, refresh.parameters, refresh.call_id)
                }
                _ => panic!("another job"),
            })
            .collect();
        let both = [("sip:a@h", ";audio", "1"), ("sip:a@h", ";audio", "22")];
        assert_eq!(words, both);
        // What was taken counts until it is begun.
        push("sip:b@h", "3");
        assert_eq!(refused(), []);
        push("sip:b@h", "4");
        assert_eq!(refused(), [StoreError::Busy]);
        queue.begin(0);
        push("sip:b@h", "4");
        queue.close();
        assert_eq!(
            queue.take(&mut batch, Duration::ZERO, Duration::from_secs(9)),
            Taken::Some
        );
        assert_eq!((batch.jobs.len(), refused().len()), (2, 2));
        assert_eq!(
            queue.take(&mut batch, Duration::ZERO, Duration::from_secs(9)),
            Taken::Closed
        );
        assert_eq!(refused().len(), 2, "each that is dropped is answered");
        queue.end();
        push("sip:c@h", "5");
        assert_eq!(
            (refused(), replies.expected()),
            (vec![StoreError::Closed], 0)
        );
    }

    #[test]
    fn a_writer_that_rests_is_woken_by_what_is_enough_and_by_the_end() {
        let queue = Queue::new(2 * ENOUGH);
        let push = || {
            queue.push(Job::User {
                name: "alice".into(),
                hashes: None,
                reply: oneshot::channel().0,
            });
        };
        let (mut batch, long) = (Batch::default(), Duration::from_secs(600));
        push();
        let (rest, begun) = (Duration::from_millis(5), std::time::Instant::now());
        assert_eq!(queue.take(&mut batch, rest, long), Taken::Some);
        assert!(begun.elapsed() >= rest);
        std::thread::scope(|threads| {
            let writing = threads.spawn(|| {
                let (mut batch, mut taken) = (Batch::default(), Vec::new());
                while queue.take(&mut batch, long, long) == Taken::Some {
                    taken.push(batch.jobs.len() >= ENOUGH);
                }
                taken
            });
            for _ in 0..ENOUGH {
                push();
                queue.wake();
            }
            while queue.lock().waiting.jobs.len() >= ENOUGH {
                std::thread::yield_now();
            }
            push();
            queue.close();
            assert_eq!(writing.join().unwrap(), [true, false]);
        });
    }

    #[test]
    fn a_writer_that_sleeps_is_woken_once_for_all_and_at_the_end() {
        let queue = Queue::new(8);
        let (reply, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|threads| {
            let writing = threads.spawn(|| {
                let (mut batch, mut taken) = (Batch::default(), Vec::new());
                while queue.take(&mut batch, Duration::ZERO, Duration::from_secs(60)) == Taken::Some
                {
                    taken.push(batch.jobs.len());
                    for job in batch.jobs.drain(..) {
                        job.fail(&StoreError::Full);
                    }
                }
                taken
            });
            while !queue.lock().is_asleep {
                std::thread::yield_now();
            }
            for _ in 0..3 {
                let reply = reply.clone();
                let reply = UpdateReply::new(move |answer| drop(reply.send(answer)));
                let aor = Aor::new("alice", "h");
                queue.push_refresh(&aor, &refresh("sip:a@h", "c"), SystemTime::now(), reply);
            }
            assert!(queue.lock().is_asleep);
            queue.wake();
            for _ in 0..3 {
                let answer: Result<UpdateOutcome, _> = receiver.recv().unwrap();
                assert_eq!(answer, Err(StoreError::Full));
            }
            queue.close();
            assert_eq!(writing.join().unwrap(), [3]);
        });
    }
}
