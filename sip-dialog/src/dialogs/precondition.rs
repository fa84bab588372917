//! Preconditions (RFC 3312) as a hook: who is called is not alerted, and does not answer, before the application has what the session needs.
//!
//! Which preconditions there are, and when they are met, stands in the session description, of which this layer knows nothing. It holds
//! back what must not be sent before.

use std::time::Instant;

use sip_message::StatusCode;
use sip_transaction::TransactionLayer;

use super::Dialogs;
use crate::config::{Gone, SessionId};
use crate::io::Body;
use crate::session::Deferred;

impl Dialogs {
    /// Holds back the 180 and the 200 of a call that comes, until [`Self::preconditions_met`]; a 183 with the description of what is
    /// wanted goes out (RFC 3312 section 6).
    ///
    /// # Errors
    /// [`Gone`] when the call was answered or given up.
    pub fn await_preconditions(&mut self, id: SessionId) -> Result<(), Gone> {
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let ringing = session.ringing_mut().ok_or(Gone)?;
        ringing.deferred.get_or_insert_default();
        Ok(())
    }

    /// The preconditions of a call are met: what was held back is sent.
    ///
    /// # Errors
    /// [`Gone`] when the call was answered or given up, or does not wait.
    pub fn preconditions_met(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let ringing = session.ringing_mut().ok_or(Gone)?;
        let deferred = ringing.deferred.take().ok_or(Gone)?;
        if let Some(body) = deferred.ringing {
            self.ring(id, StatusCode::RINGING, body, t, now)?;
        }
        if let Some(body) = deferred.accept {
            self.accept(id, body, t, now)?;
        }
        Ok(())
    }

    /// They cannot be met: the call is refused with 580 (RFC 3312 section 8).
    ///
    /// # Errors
    /// [`Gone`] when the call was answered or given up.
    pub fn preconditions_failed(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.reject(id, StatusCode::PRECONDITION_FAILURE, &[], t, now)
    }

    /// Keeps a 180 for later; whether it was kept.
    pub(super) fn defers_ringing(
        &mut self,
        id: SessionId,
        status: StatusCode,
        body: Option<&Body>,
    ) -> bool {
        match self.deferred(id) {
            Some(deferred) if status == StatusCode::RINGING => {
                deferred.ringing = Some(body.cloned());
                true
            }
            Some(_) | None => false,
        }
    }

    /// Keeps an answer for later; whether it was kept.
    pub(super) fn defers_accept(&mut self, id: SessionId, body: Option<&Body>) -> bool {
        let Some(deferred) = self.deferred(id) else {
            return false;
        };
        deferred.accept = Some(body.cloned());
        true
    }

    fn deferred(&mut self, id: SessionId) -> Option<&mut Deferred> {
        let ringing = self.sessions.get_mut(&id)?.ringing_mut()?;
        ringing.deferred.as_mut()
    }
}
