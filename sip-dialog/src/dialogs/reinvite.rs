//! re-INVITE of the peer (RFC 3261 section 14.2), and provisional responses to one of either side (RFC 6141): a target that moves with a
//! reliable one, and what is in use before the final response comes.

use std::time::Instant;

use sip_message::header::RSeq;
use sip_message::{HeaderName, Response, StatusCode};
use sip_transaction::TransactionLayer;

use super::Dialogs;
use super::reliable::has_tag;
use crate::config::{Gone, SessionId};
use crate::io::{Body, Event, RejectCause};
use crate::session::{Held, Kind, State};
use crate::session_body::Meaning;

impl Dialogs {
    /// Accepts an [`Event::ReInvite`]. A description that went before in a provisional response is not followed by another; the 2xx
    /// waits for the PRACK of it.
    ///
    /// # Errors
    /// [`Gone`] when there is none.
    pub fn accept_reinvite(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let mut body = body;
        if session.reinvite.is_some()
            && let Some(reliable) = &mut session.reliable
        {
            if reliable.accept.is_some() {
                return Err(Gone);
            }
            if reliable.described {
                body = None;
            }
            // RFC 3262 section 3.
            if reliable
                .waiting
                .as_ref()
                .is_some_and(|waiting| waiting.described)
            {
                reliable.queue.clear();
                reliable.accept = Some(body);
                return Ok(());
            }
        }
        let (transaction, request) = session.reinvite.take().ok_or(Gone)?;
        // RFC 6141 section 4.6: the target moves when the re-INVITE is accepted.
        if let Some(dialog) = &mut session.dialog {
            dialog.refresh(request.headers());
        }
        self.accept_invite(id, transaction, &request, "", body, t, now)
    }

    /// Refuses an [`Event::ReInvite`]: the session stays as it is (section 14.2). One whose offer has its answer, in provisional responses,
    /// is accepted instead: what is in use cannot be refused, only changed again (RFC 6141 section 3.3).
    ///
    /// # Errors
    /// [`Gone`] when there is none.
    pub fn reject_reinvite(
        &mut self,
        id: SessionId,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.reject_reinvite_because(id, status, None, t, now)
    }

    /// The same, with a Warning that says why.
    pub(super) fn reject_reinvite_because(
        &mut self,
        id: SessionId,
        status: StatusCode,
        warning: Option<String>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get(&id).ok_or(Gone)?;
        if session.has_executed() {
            return self.accept_reinvite(id, None, t, now);
        }
        self.refuse_reinvite(id, status, warning, t, now)
            .ok_or(Gone)
    }

    pub(super) fn refuse_reinvite(
        &mut self,
        id: SessionId,
        status: StatusCode,
        warning: Option<String>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<()> {
        let session = self.sessions.get_mut(&id)?;
        let (transaction, request) = session.reinvite.take()?;
        self.forget_reliable(id);
        self.by_server_transaction.remove(&transaction);
        self.refuse_because(transaction, &request, (status, warning), t, now)
    }

    /// A provisional response to our re-INVITE, other than 100.
    pub(super) fn on_change_provisional(
        &mut self,
        id: SessionId,
        offered: bool,
        response: &Response,
    ) {
        let understood = self.config.supports("100rel");
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(change) = session.change_mut(Kind::ReInvite) else {
            return;
        };
        let headers = response.headers();
        let body = Body::of(headers, response.body_bytes());
        let mut meaning = match body {
            None => Meaning::Nothing,
            Some(_) => Meaning::Preview,
        };
        if understood
            && has_tag(headers, HeaderName::Require, "100rel")
            && let Ok(Some(RSeq(rseq))) = headers.typed::<RSeq>()
            && let Some((cseq, _)) = headers.cseq()
        {
            // RFC 3262 section 4: in order, each once.
            if change
                .rseq
                .is_some_and(|last| last.checked_add(1) != Some(rseq))
            {
                return;
            }
            change.rseq = Some(rseq);
            if body.is_some() {
                meaning = match (change.exchanged, offered) {
                    (true, _) => Meaning::Repeated,
                    (false, true) => Meaning::Answer,
                    (false, false) => Meaning::Offer,
                };
            }
            change.exchanged |= meaning == Meaning::Answer;
            // RFC 6141 section 4.7: a reliable response moves the target, another does not.
            if let Some(dialog) = &mut session.dialog {
                dialog.refresh(headers);
            }
            if meaning == Meaning::Offer {
                session.held = Some(Box::new(Held::LaterPrack { rseq, cseq }));
            } else {
                self.send_prack(id, rseq, cseq, None);
            }
        }
        let up = self
            .sessions
            .get(&id)
            .is_some_and(|session| matches!(session.state, State::Up));
        if !up {
            return;
        }
        self.tell(Event::ReInviteProgress {
            session: id,
            status: response.status(),
            body,
            meaning,
        });
    }

    /// Our re-INVITE was refused after its offer had an answer.
    pub(super) fn undone(&mut self, session: SessionId, cause: RejectCause) {
        self.tell(Event::ReInviteUndone { session, cause });
    }
}
