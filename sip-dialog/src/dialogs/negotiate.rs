//! Offers and answers of a [`SessionBody`], put where RFC 6337 has them.

use std::time::Instant;

use sip_message::{HeaderName, Method, Request, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::Dialogs;
use crate::config::{Gone, InviteRequest, SessionId};
use crate::io::{Body, Event};
use crate::session_body::{Meaning, SessionBody};

impl Dialogs {
    /// Calls with an offer of `session_body`.
    ///
    /// # Errors
    /// The status for which there is no offer.
    pub fn invite_with(
        &mut self,
        mut invite: InviteRequest,
        session_body: &mut dyn SessionBody,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<SessionId, StatusCode> {
        invite.body = Some(session_body.offer()?);
        Ok(self.invite(invite, t, now))
    }

    /// Tells a caller how far it is, with an answer to its offer, or an offer if it has made none (RFC 6337 patterns 3 and 4). Where the
    /// caller does not acknowledge provisional responses it is told without one.
    ///
    /// # Errors
    /// [`Gone`] when the caller has given up, or the call was answered.
    pub fn ring_with(
        &mut self,
        id: SessionId,
        status: StatusCode,
        session_body: &mut dyn SessionBody,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let body = if self.may_describe(id) {
            self.described(id, session_body, t, now)?
        } else {
            None
        };
        self.ring(id, status, body, t, now)
    }

    /// Answers a call: with the answer to its offer, or an offer (RFC 6337 patterns 1 and 2). An offer that cannot be accepted is refused
    /// for it.
    ///
    /// # Errors
    /// [`Gone`] when the caller has given up, the call was answered, or is refused by this.
    pub fn accept_with(
        &mut self,
        id: SessionId,
        session_body: &mut dyn SessionBody,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let body = if self.has_described(id) {
            None
        } else {
            self.described(id, session_body, t, now)?
        };
        self.accept(id, body, t, now)
    }

    /// What a call that comes is told: an answer or an offer.
    fn described(
        &mut self,
        id: SessionId,
        session_body: &mut dyn SessionBody,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<Option<Body>, Gone> {
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let (_, request, _) = session.invited().ok_or(Gone)?;
        let body = match Body::of(request.headers(), request.body_bytes()) {
            Some(offer) => session_body.answer(&offer),
            None => session_body.offer(),
        };
        match body {
            Ok(body) => Ok(Some(body)),
            Err(status) => {
                // RFC 6337 table 2: 488 to the INVITE; section 2.3: with a Warning that says why.
                let warning = session_body.warning();
                if session.reinvite.is_some() {
                    self.reject_reinvite_because(id, status, warning, t, now)?;
                } else {
                    let warning = warning.map(|warning| (HeaderName::Warning, warning));
                    self.reject(id, status, warning.as_slice(), t, now)?;
                }
                Err(Gone)
            }
        }
    }

    /// RFC 6337 pattern 5: the offer in a PRACK is answered in its 200, or refused; it then comes again without one (section 2.3).
    fn answer_prack(
        &mut self,
        session: SessionId,
        id: ServerTransactionId,
        prack: &Request,
        session_body: &mut dyn SessionBody,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let Some(offer) = Body::of(prack.headers(), prack.body_bytes()) else {
            return false;
        };
        let (status, body) = match session_body.answer(&offer) {
            Ok(answer) => (StatusCode::OK, Some(answer)),
            Err(status) => (status, None),
        };
        if self
            .respond_within(id, prack, status, body, t, now)
            .is_err()
        {
            // Nobody hears the answer: what was agreed is not known.
            self.end(session, t, now);
        }
        true
    }

    /// Does with an event what `session_body` has to say to it: answers offers, takes answers, and refuses or ends what cannot be (RFC
    /// 6337 tables 1 and 2). Returns whether the event was about a body at all.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events carry no session body"
    )]
    pub fn negotiate(
        &mut self,
        event: &Event,
        session_body: &mut dyn SessionBody,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let (id, body, meaning) = match event {
            Event::Progress {
                session,
                body,
                meaning,
                ..
            }
            | Event::Accepted {
                session,
                body,
                meaning,
                ..
            }
            | Event::ReInviteProgress {
                session,
                body,
                meaning,
                ..
            }
            | Event::ReInviteAnswered {
                session,
                body,
                meaning,
            }
            | Event::Confirmed {
                session,
                body,
                meaning,
            } => (*session, body.as_ref(), *meaning),
            Event::ProvisionalAcknowledged { session, body }
            | Event::PrackAnswered { session, body }
            | Event::UpdateAnswered { session, body } => (*session, body.as_ref(), Meaning::Answer),
            Event::ReInvite { session, body } => {
                let answer = match body {
                    Some(offer) => session_body.answer(offer),
                    None => session_body.offer(),
                };
                let _ = match answer {
                    Ok(answer) => self.accept_reinvite(*session, Some(answer), t, now),
                    Err(status) => {
                        // RFC 3261 §14.2.
                        let warning = session_body.warning();
                        self.reject_reinvite_because(*session, status, warning, t, now)
                    }
                };
                return true;
            }
            Event::Update { session, body } => {
                let _ = match session_body.answer(body) {
                    Ok(answer) => self.accept_update(*session, Some(answer), t, now),
                    Err(status) => {
                        // RFC 3311 §5.2.
                        let warning = session_body.warning();
                        self.reject_update_because(*session, status, warning, t, now)
                    }
                };
                return true;
            }
            Event::Within {
                session,
                id,
                request,
            } if *request.method() == Method::Prack => {
                return self.answer_prack(*session, *id, request, session_body, t, now);
            }
            Event::ReInviteUndone { session, .. } => {
                // RFC 6141 section 3.4: as near to what was before as it goes.
                if let Ok(offer) = session_body.restored() {
                    let _ = self
                        .update(*session, Some(offer.clone()), t, now)
                        .or_else(|Gone| self.reinvite(*session, Some(offer), t, now));
                }
                return true;
            }
            Event::ReInviteRefused { .. } | Event::UpdateRefused { .. } => {
                session_body.rolled_back();
                return true;
            }
            _ => return false,
        };
        let Some(body) = body else {
            return false;
        };
        let done = match meaning {
            Meaning::Offer => session_body.answer(body).and_then(|answer| {
                self.acknowledge(id, Some(answer), t, now)
                    .map_err(|Gone| StatusCode::CALL_DOES_NOT_EXIST)
            }),
            Meaning::Answer => session_body.answered(body),
            Meaning::Preview => {
                session_body.previewed(body);
                Ok(())
            }
            Meaning::Repeated | Meaning::Nothing => Ok(()),
        };
        if done.is_err() {
            // Table 2: what cannot be refused ends the session.
            self.end(id, t, now);
        }
        true
    }
}
