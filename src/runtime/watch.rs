//! [`Watchers`]: where the messages of taps go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::stack::{Stack, TapFilter, TapId, Tapped};

/// Messages that may wait for one who watches; more are dropped and counted.
const QUEUE: usize = 256;
/// How many may watch at once.
const WATCHERS: usize = 16;

/// The messages that one tap is for.
#[derive(Debug)]
#[non_exhaustive]
pub struct Watch {
    /// The tap.
    pub id: TapId,
    /// They come here, until the receiver is dropped.
    pub messages: mpsc::Receiver<Tapped>,
    /// How many were not shown because too many waited.
    pub dropped: Arc<AtomicU64>,
}

/// Who watches, by the tap; its ids are minted by the stack.
#[derive(Debug, Default)]
pub struct Watchers {
    list: HashMap<TapId, (mpsc::Sender<Tapped>, Arc<AtomicU64>)>,
    dropped: u64,
}

impl Watchers {
    /// Begins to watch; `None` when too many do already.
    pub fn watch(&mut self, filter: TapFilter, stack: &mut Stack) -> Option<Watch> {
        self.forget_gone(stack);
        if self.list.len() >= WATCHERS {
            return None;
        }
        let (sender, messages) = mpsc::channel(QUEUE);
        let id = stack.tap(filter);
        let dropped = Arc::new(AtomicU64::new(0));
        self.list.insert(id, (sender, Arc::clone(&dropped)));
        Some(Watch {
            id,
            messages,
            dropped,
        })
    }

    /// Ends a watch; a receiver that is dropped ends it too, with the next message.
    pub fn unwatch(&mut self, id: TapId, stack: &mut Stack) {
        self.list.remove(&id);
        stack.untap(id);
    }

    /// How many watch, and how many messages were not shown to somebody.
    #[must_use]
    pub fn stats(&self) -> (usize, u64) {
        (self.list.len(), self.dropped)
    }

    pub(super) fn take(&mut self, id: TapId, tapped: Tapped, stack: &mut Stack) {
        let Some((sender, dropped)) = self.list.get(&id) else {
            stack.untap(id);
            return;
        };
        match sender.try_send(tapped) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                dropped.fetch_add(1, Ordering::Relaxed);
                self.dropped += 1;
            }
            Err(mpsc::error::TrySendError::Closed(_)) => self.unwatch(id, stack),
        }
    }

    fn forget_gone(&mut self, stack: &mut Stack) {
        self.list.retain(|id, (sender, _)| {
            let gone = sender.is_closed();
            if gone {
                stack.untap(*id);
            }
            !gone
        });
    }
}
