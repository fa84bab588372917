//! [`Leg`]: one session of the dialog layer, as its owner in the application holds it.

use std::time::{Duration, Instant};

use sip_dialog::{Event, SessionId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::AgentError;
use super::offer::Negotiation;
use crate::runtime::{Handle, Stopped};

/// How long to wait for the answer to a BYE or CANCEL before going on without it: the transaction goes on as long as the
/// user agent does.
const PARTING: Duration = Duration::from_secs(4);

/// One session of the dialog layer, with what ends it when its owner forgets it.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) handle: Handle,
    pub(super) session: SessionId,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) over: bool,
}

impl Leg {
    /// Calls the dialog layer about this session. What waits for the result is independent of the leg.
    pub(super) fn run<R, F>(
        &self,
        call: F,
    ) -> impl Future<Output = Result<R, AgentError>> + Send + use<R, F>
    where
        R: Send + 'static,
        F: FnOnce(
                &mut sip_dialog::Dialogs,
                SessionId,
                &mut sip_transaction::Transactions,
                Instant,
            ) -> R
            + Send
            + 'static,
    {
        let (handle, session) = (self.handle.clone(), self.session);
        async move {
            let result = handle.run(move |state, wall, now| {
                state.stack.dialogs(wall, now, |dialogs, transactions| {
                    call(dialogs, session, transactions, now)
                })
            });
            result.await?.ok_or_else(|| Stopped.into())
        }
    }

    /// Has the descriptions see to what an event brings: offers are answered, answers taken, and what cannot be is refused or ends the
    /// session (RFC 6337). Whether it was about a description at all.
    ///
    /// It is done whether it is waited for or not.
    pub(super) fn negotiate(
        &self,
        event: Event,
        negotiation: &Negotiation,
    ) -> JoinHandle<Result<bool, AgentError>> {
        let mut negotiation = negotiation.clone();
        tokio::spawn(self.run(move |dialogs, _, transactions, now| {
            dialogs.negotiate(&event, &mut negotiation, transactions, now)
        }))
    }

    /// What is left when the session has gone to another owner.
    pub(super) fn spent(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            session: self.session,
            events: mpsc::channel(1).1,
            over: true,
        }
    }

    /// Waits until the session has ended, but no longer than [`PARTING`].
    pub(super) async fn part(&mut self) {
        let ended = async {
            while let Some(event) = self.events.recv().await {
                if event.is_end() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(PARTING, ended).await;
        self.over = true;
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if !self.over {
            let session = self.session;
            self.handle.post(move |state, wall, now| {
                state.stack.dialogs(wall, now, |dialogs, transactions| {
                    dialogs.end(session, transactions, now)
                });
            });
        }
    }
}
