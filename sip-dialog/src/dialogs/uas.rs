//! The called side (RFC 3261 sections 8.2 and 13.3), and its 2xx until the ACK.

use std::time::{Duration, Instant};

use sip_message::header::Expires;
use sip_message::{HeaderName, Method, Request, ResponseBuilder, StatusCode};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::uac::allows_update;
use super::{Deadline, Dialogs, answered_with};
use crate::authentication::AccountKey;
use crate::config::{Gone, SessionId};
use crate::dialog::{ContactValue, Dialog};
use crate::index::CallKey;
use crate::io::{Body, EndCause, Event};
use crate::session::{Ringing, Session, State, Unacknowledged};
use crate::session_body::Meaning;

impl Dialogs {
    /// Tells the caller of an [`Event::Incoming`], or the sender of an [`Event::ReInvite`], how far it is: 180 rings, 183 progresses. Where
    /// both sides know `100rel` it is sent reliably, after the one before is acknowledged (RFC 3262). It is repeated while the call rings
    /// on, so that no proxy on the way gives up (section 13.3.1.1).
    ///
    /// # Errors
    /// [`Gone`] when the caller has given up, or the call was answered.
    pub fn ring(
        &mut self,
        id: SessionId,
        status: StatusCode,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        if self.defers_ringing(id, status, body.as_ref()) {
            return Ok(());
        }
        self.send_provisional(id, status, body, t, now)?;
        self.prolong_later(id, status, now);
        Ok(())
    }

    /// Answers the call (200). The 2xx is repeated until its ACK comes (section 13.3.1.4), which [`Event::Confirmed`] tells.
    ///
    /// # Errors
    /// [`Gone`] when the caller has given up, or the call was answered.
    pub fn accept(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        if self.defers_accept(id, body.as_ref()) {
            return Ok(());
        }
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        session.ringing().ok_or(Gone)?;
        let mut body = body;
        if let Some(reliable) = &mut session.reliable {
            if reliable.accept.is_some() {
                return Err(Gone);
            }
            // RFC 6337 section 2.2: a description that went before is not followed by another.
            if reliable.described {
                body = None;
            }
            // RFC 3262 section 3: not before the PRACK of a description that was sent.
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
        let State::Ringing(ringing) = std::mem::replace(&mut session.state, State::Up) else {
            return Err(Gone);
        };
        let Ringing {
            transaction,
            request,
            local_tag,
            ..
        } = &*ringing;
        let accepted = self.accept_invite(id, *transaction, request, local_tag, body, t, now);
        if accepted.is_err() {
            // Its transaction is gone; the time-out of the INVITE or the application ends the rest.
            if let Some(session) = self.sessions.get_mut(&id) {
                session.state = State::Ringing(ringing);
            }
            return accepted;
        }
        let progress = ringing.progress.map(|(_, timer)| timer);
        for timer in ringing.unanswered.into_iter().chain(progress) {
            self.deadlines.cancel(timer);
        }
        // RFC 3891 section 3: the session whose place this one takes ends now.
        if let Some(replaced) = ringing.replaces {
            self.replace(replaced, t, now);
            self.answer_orphans(t, now);
        }
        Ok(())
    }

    /// Refuses the call with a final status other than 2xx.
    ///
    /// # Errors
    /// [`Gone`] when the caller has given up, or the call was answered.
    pub fn reject(
        &mut self,
        id: SessionId,
        status: StatusCode,
        headers: &[(HeaderName, String)],
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let ringing = session.ringing().ok_or(Gone)?;
        let mut response = self.answer(&ringing.request, status, &ringing.local_tag);
        for (name, value) in headers {
            response = response.header(name.clone(), value);
        }
        let (transaction, response) = (ringing.transaction, response.build());
        let sent = self.respond(transaction, response, t, now);
        self.ended(id, EndCause::Local);
        sent.ok_or(Gone)
    }

    #[expect(clippy::too_many_arguments, reason = "split off two calls")]
    pub(super) fn accept_invite(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: &Request,
        local_tag: &str,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let agreed = self.agree_as_uas(request);
        self.keep_least(id, request.headers());
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let mut response = self
            .in_dialog(
                self.answer(request, StatusCode::OK, local_tag),
                request,
                session,
            )
            .header(HeaderName::Allow, &self.allow);
        if !self.supported.is_empty() {
            response = response.header(HeaderName::Supported, &self.supported);
        }
        if let Some(packages) = &self.allow_events {
            response = response.header(HeaderName::AllowEvents, packages);
        }
        if let Some(packages) = self.recv_info() {
            response = response.header(HeaderName::RecvInfo, packages);
        }
        self.keep_info(id, request.headers());
        self.keep_description(id, body.as_ref());
        let offered = request.body().is_empty() && body.is_some();
        let response = answered_with(Self::agreed(response, agreed), body).build();
        let response = self
            .respond_and_keep(transaction, response, t, now)
            .ok_or(Gone)?;
        let (interval, gives_up) = (self.config.t1, now + self.config.t1 * 64);
        let deadline = self.deadlines.insert(now + interval, Deadline::Success(id));
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        session.peer_updates |= allows_update(request.headers());
        session.unacknowledged = Some(Box::new(Unacknowledged {
            transaction,
            response,
            offered,
            interval,
            gives_up,
            deadline,
        }));
        self.start_as_uas(id, agreed, now);
        Ok(())
    }

    /// Section 12.1.1: a response that makes a dialog copies the Record-Route and has a Contact.
    pub(super) fn in_dialog(
        &self,
        response: ResponseBuilder,
        request: &Request,
        session: &Session,
    ) -> ResponseBuilder {
        response
            .copy(request, HeaderName::RecordRoute)
            .header(HeaderName::Contact, session.contact.as_str())
    }

    /// Section 13.3.1.4: a 2xx is repeated with doubling intervals, over any transport, until its ACK or for 64 times T1.
    pub(super) fn on_success_due(
        &mut self,
        id: SessionId,
        due: Instant,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(unacknowledged) = &mut session.unacknowledged else {
            return;
        };
        if now >= unacknowledged.gives_up {
            let transaction = unacknowledged.transaction;
            session.unacknowledged = None;
            self.by_server_transaction.remove(&transaction);
            // The dialog is confirmed, but the session is ended: with a BYE, whose answer ends it here.
            self.bye(id, EndCause::NoAck);
            return;
        }
        // A transaction that has ended (its Timer L) keeps the 2xx from being sent; the give-up time still stands.
        let _ = t.respond(unacknowledged.transaction, &unacknowledged.response, now);
        unacknowledged.interval = (unacknowledged.interval * 2).min(self.config.t2);
        let next = (due + unacknowledged.interval).min(unacknowledged.gives_up);
        unacknowledged.deadline = self.deadlines.insert(next, Deadline::Success(id));
    }

    pub(super) fn on_ack(
        &mut self,
        invite: Option<ServerTransactionId>,
        request: Box<Request>,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        let headers = request.headers();
        let Some(id) = self.session_of(headers.call_id(), headers.to_tag()) else {
            return Some(TransactionEvent::Ack {
                invite,
                request,
                flow,
            });
        };
        let session = self.sessions.get_mut(&id)?;
        let same_number = session
            .unacknowledged
            .as_ref()
            .is_some_and(|unacknowledged| {
                unacknowledged
                    .response
                    .headers()
                    .cseq()
                    .map(|(number, _)| number)
                    == headers.cseq().map(|(number, _)| number)
            });
        if !same_number {
            // The ACK to a 2xx that was acknowledged before.
            return None;
        }
        let body = Body::of(headers, request.body_bytes());
        self.confirm(id, body, t, now);
        None
    }

    /// The 2xx has arrived: its ACK is here, or cannot be missing.
    pub(super) fn confirm(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let ends = session.ends_after_ack;
        let mut meaning = if body.is_some() {
            Meaning::Repeated
        } else {
            Meaning::Nothing
        };
        if let Some(unacknowledged) = session.unacknowledged.take() {
            if unacknowledged.offered && body.is_some() {
                meaning = Meaning::Answer;
            }
            self.by_server_transaction
                .remove(&unacknowledged.transaction);
            self.deadlines.cancel(unacknowledged.deadline);
        }
        self.tell(Event::Confirmed {
            session: id,
            body,
            meaning,
        });
        if ends {
            self.end(id, t, now);
        }
    }

    /// Section 9.2: the INVITE is answered 487, unless it has its final response.
    pub(super) fn on_cancel(
        &mut self,
        id: SessionId,
        cancel: ServerTransactionId,
        invite: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let tag = session
            .dialog
            .as_ref()
            .map(Dialog::local_tag)
            .unwrap_or_default();
        let _ = t.answer_cancel(cancel, request, Some(invite), &tag, now);
        if session
            .ringing()
            .is_some_and(|ringing| ringing.transaction == invite)
        {
            self.terminate(id, t, now);
            self.ended(id, EndCause::Cancelled);
        } else if session
            .reinvite
            .as_ref()
            .is_some_and(|(id, _)| *id == invite)
        {
            let _ = self.reject_reinvite(id, StatusCode::REQUEST_TERMINATED, t, now);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not ours goes back, whatever its method"
    )]
    pub(super) fn on_request(
        &mut self,
        id: ServerTransactionId,
        request: Box<Request>,
        flow: Flow,
        merged: bool,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        if let Some(local_tag) = request.headers().to_tag() {
            let session = self.session_of(request.headers().call_id(), Some(local_tag));
            let request = match session {
                Some(session) => self.within(session, id, request, t, now)?,
                None => request,
            };
            let request = match request.method() {
                Method::Notify => self.on_notify(id, request, t, now)?,
                Method::Subscribe => self.on_resubscribe(id, request, t, now)?,
                _ => request,
            };
            // Section 12.2.2: 481; another part of the stack may know the dialog.
            return Some(TransactionEvent::Request {
                id,
                request,
                flow,
                merged,
            });
        }
        if self.config.supports("replaces")
            && *request.method() != Method::Invite
            && request.headers().contains(HeaderName::Replaces)
        {
            // RFC 3891 section 3: it is of INVITEs alone.
            let tag = self.rng.token(12);
            let response = self.answer(&request, StatusCode::BAD_REQUEST, &tag);
            let response = response.reason("Replaces Without INVITE").build();
            self.respond(id, response, t, now);
            return None;
        }
        match request.method() {
            Method::Invite => self.on_invite(id, request, flow, merged, t, now),
            Method::Options => {
                let tag = self.rng.token(12);
                // Section 11.2: as an INVITE would be.
                if let Some(refusal) = self.unsupported(&request, &tag) {
                    self.respond(id, refusal.build(), t, now);
                    return None;
                }
                self.on_options(id, &request, &tag, t, now);
            }
            Method::Refer if self.config.refer => {
                self.on_refer(None, id, request, Some(&flow), t, now);
            }
            Method::Publish => {
                let request = self.on_publish(id, request, t, now)?;
                return Some(TransactionEvent::Request {
                    id,
                    request,
                    flow,
                    merged,
                });
            }
            Method::Subscribe => {
                let (request, flow) = self.on_subscribe(id, request, flow, t, now)?;
                return Some(TransactionEvent::Request {
                    id,
                    request,
                    flow,
                    merged,
                });
            }
            _ => {
                return Some(TransactionEvent::Request {
                    id,
                    request,
                    flow,
                    merged,
                });
            }
        }
        None
    }

    fn on_invite(
        &mut self,
        id: ServerTransactionId,
        request: Box<Request>,
        flow: Flow,
        merged: bool,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let tag = self.rng.token(12);
        let (mut replaced, mut joined) = (None, None);
        let refusal = if merged {
            // Section 8.2.2.2: the same request by another way.
            Some(self.answer(&request, StatusCode::LOOP_DETECTED, &tag))
        } else if self.sessions.len() >= self.config.sessions {
            Some(
                self.answer(&request, StatusCode::SERVICE_UNAVAILABLE, &tag)
                    .header(HeaderName::RetryAfter, "10"),
            )
        } else if let Some(refusal) = self.unsupported(&request, &tag) {
            Some(refusal)
        } else if let Some(refusal) = self.not_understood(&request, &tag) {
            Some(refusal)
        } else if let Some(least) = self.refused_interval(&request) {
            Some(
                self.answer(&request, StatusCode::SESSION_INTERVAL_TOO_SMALL, &tag)
                    .header(HeaderName::MinSe, least),
            )
        } else {
            match self.named_session(&request) {
                Ok(named) => {
                    (replaced, joined) = named;
                    None
                }
                Err(status) => Some(self.answer(&request, status, &tag)),
            }
        };
        if let Some(response) = refusal {
            self.respond(id, response.build(), t, now);
            return;
        }
        let Some(dialog) = Dialog::of_uas(&request, &tag) else {
            // Section 8.1.1.8: an INVITE must have a Contact.
            let response = self
                .answer(&request, StatusCode::BAD_REQUEST, &tag)
                .reason("Missing or Invalid Contact")
                .build();
            self.respond(id, response, t, now);
            return;
        };
        let session = SessionId(self.mint());
        let key = CallKey::new(&self.call_hash, dialog.call_id(), &tag);
        self.by_call.insert(key, session);
        self.by_server_transaction.insert(id, session);
        let expires = request.headers().typed::<Expires>().ok().flatten();
        let unanswered = expires.map(|Expires(seconds)| {
            let at = now + Duration::from_secs(seconds.into());
            self.deadlines.insert(at, Deadline::Unanswered(session))
        });
        let state = State::Ringing(Box::new(Ringing {
            transaction: id,
            request: request.clone(),
            local_tag: tag,
            unanswered,
            progress: None,
            replaces: replaced,
            joins: joined,
            deferred: None,
        }));
        let contact = ContactValue::of(&request, &flow);
        let mut new = Session::new(state, AccountKey(0), contact, key, Some(dialog));
        new.peer_updates = allows_update(request.headers());
        self.sessions.insert(session, Box::new(new));
        self.tell(Event::Incoming {
            session,
            request,
            flow,
        });
    }

    /// Section 8.2.2.3: extensions that are required and not understood.
    pub(super) fn unsupported(&self, request: &Request, tag: &str) -> Option<ResponseBuilder> {
        let unknown: Vec<&str> = self.unknown_options(request).collect();
        (!unknown.is_empty()).then(|| {
            self.answer(request, StatusCode::BAD_EXTENSION, tag)
                .header(HeaderName::Unsupported, unknown.join(", "))
        })
    }

    pub(super) fn unknown_options<'a>(
        &'a self,
        request: &'a Request,
    ) -> impl Iterator<Item = &'a str> {
        request
            .headers()
            .values(HeaderName::Require)
            .filter(|option| !self.config.supports(option))
    }

    /// Section 13.3.1: an INVITE that has expired before it was answered is answered 487.
    pub(super) fn on_unanswered(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        if self.terminate(id, t, now) {
            self.ended(id, EndCause::Cancelled);
        } else if let Some(State::Calling(_)) = self.sessions.get(&id).map(|session| &session.state)
        {
            // Section 13.2.1: our own.
            self.end(id, t, now);
        }
    }

    /// Answers an INVITE 487 that has no final response; whether there was one.
    pub(super) fn terminate(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let Some(ringing) = self.sessions.get(&id).and_then(|session| session.ringing()) else {
            return false;
        };
        let transaction = ringing.transaction;
        let response = self
            .answer(
                &ringing.request,
                StatusCode::REQUEST_TERMINATED,
                &ringing.local_tag,
            )
            .build();
        self.respond(transaction, response, t, now);
        true
    }
}
