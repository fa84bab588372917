//! Provisional responses that keep an INVITE from being given up (RFC 3261 section 13.3.1.1): each proxy on the way cancels after
//! three minutes of silence (its Timer C).

use std::time::{Duration, Instant};

use sip_message::StatusCode;
use sip_transaction::TransactionLayer;

use super::{Deadline, Dialogs};
use crate::config::SessionId;

/// "At every minute": what is sent may be lost, and Timer C is three of them.
const LOSSY: Duration = Duration::from_secs(60);
/// "Every two and a half minutes", where each arrives for certain (RFC 3262 section 3).
const RELIABLE: Duration = Duration::from_secs(150);

impl Dialogs {
    /// A provisional response was sent: the next is due if nothing else is sent before.
    pub(super) fn prolong_later(&mut self, id: SessionId, status: StatusCode, now: Instant) {
        if status == StatusCode::TRYING {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let interval = if session.reliable.is_some() {
            RELIABLE
        } else {
            LOSSY
        };
        let Some(ringing) = session.ringing_mut() else {
            return;
        };
        if let Some((_, before)) = ringing.progress.take() {
            self.deadlines.cancel(before);
        }
        let deadline = self.deadlines.insert(now + interval, Deadline::Prolong(id));
        ringing.progress = Some((status, deadline));
    }

    /// Nothing was sent for a while: the last status once more, without a body.
    pub(super) fn on_prolong_due(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let ringing = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.ringing_mut());
        if let Some((status, _)) = ringing.and_then(|ringing| ringing.progress.take())
            && self.send_provisional(id, status, None, t, now).is_ok()
        {
            self.prolong_later(id, status, now);
        }
    }
}
