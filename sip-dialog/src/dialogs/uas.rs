//! The called side (RFC 3261 sections 8.2 and 13.3), and its 2xx until the ACK.

use std::time::{Duration, Instant};

use sip_message::header::Expires;
use sip_message::{HeaderName, Method, Request, ResponseBuilder, StatusCode};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId, TransactionLayer};
use sip_transport::{Flow, TransportKind};

use super::uac::allows_update;
use super::{Deadline, Dialogs, answered_with};
use crate::authentication::AccountKey;
use crate::config::{Gone, SessionId};
use crate::dialog::Dialog;
use crate::io::{Body, EndCause, Event};
use crate::session::{Session, State, Unacknowledged};
use crate::session_body::Meaning;

impl Dialogs {
    /// Tells the caller of an [`Event::Incoming`] how far it is: 180 rings, 183 progresses. Where both sides know `100rel` it is sent
    /// reliably, after the one before is acknowledged (RFC 3262).
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
        self.send_provisional(id, status, body, t, now)
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
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let State::Ringing {
            transaction,
            request,
        } = &session.state
        else {
            return Err(Gone);
        };
        let (transaction, request) = (*transaction, request.clone());
        let mut body = body;
        if let Some(session) = self.sessions.get_mut(&id)
            && let Some(reliable) = &mut session.reliable
        {
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
        self.accept_invite(id, transaction, &request, body, t, now)?;
        // RFC 3891 section 3: the session whose place this one takes ends now.
        let replaced = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.replaces.take());
        if let Some(replaced) = replaced {
            self.replace(replaced, t, now);
            self.answer_orphans(t, now);
        }
        Ok(())
    }

    /// Accepts an [`Event::ReInvite`].
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
        let (transaction, request) = session.reinvite.take().ok_or(Gone)?;
        // RFC 6141 section 4.4: the target moves when the re-INVITE is accepted.
        if let Some(dialog) = &mut session.dialog {
            dialog.refresh(request.headers());
        }
        self.accept_invite(id, transaction, &request, body, t, now)
    }

    /// Refuses an [`Event::ReInvite`]: the session stays as it is (section 14.2).
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
        self.last_now = Some(now);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let (transaction, request) = session.reinvite.take().ok_or(Gone)?;
        self.by_server_transaction.remove(&transaction);
        let response = self.answer(&request, status, "").build();
        self.respond(transaction, response, t, now)
            .map(|_| ())
            .ok_or(Gone)
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
        let State::Ringing {
            transaction,
            request,
        } = &session.state
        else {
            return Err(Gone);
        };
        let mut response = self.answer(request, status, &session.local_tag);
        for (name, value) in headers {
            response = response.header(name.clone(), value);
        }
        let (transaction, response) = (*transaction, response.build());
        let sent = self.respond(transaction, response, t, now);
        self.ended(id, EndCause::Local);
        sent.map(|_| ()).ok_or(Gone)
    }

    fn accept_invite(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: &Request,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let agreed = self.agree_as_uas(request);
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let mut response = self
            .in_dialog(
                self.answer(request, StatusCode::OK, &session.local_tag),
                request,
                session,
            )
            .header(HeaderName::Allow, &self.allow);
        if !self.supported.is_empty() {
            response = response.header(HeaderName::Supported, self.supported.join(", "));
        }
        if let Some(packages) = self.recv_info() {
            response = response.header(HeaderName::RecvInfo, packages);
        }
        self.keep_info(id, request.headers());
        self.keep_description(id, body.as_ref());
        let offered = request.body().is_empty() && body.is_some();
        let response = answered_with(Self::agreed(response, agreed), body).build();
        let response = self.respond(transaction, response, t, now).ok_or(Gone)?;
        let (interval, gives_up) = (self.config.t1, now + self.config.t1 * 64);
        let deadline = self.deadlines.insert(now + interval, Deadline::Success(id));
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        session.state = State::Up;
        if let Some(timer) = session.unanswered.take() {
            self.deadlines.cancel(timer);
        }
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
            .header(HeaderName::Contact, format!("<{}>", session.contact))
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
        let _ = t.respond(
            unacknowledged.transaction,
            unacknowledged.response.clone(),
            now,
        );
        unacknowledged.interval = (unacknowledged.interval * 2).min(self.config.t2);
        let next = (due + unacknowledged.interval).min(unacknowledged.gives_up);
        unacknowledged.deadline = self.deadlines.insert(next, Deadline::Success(id));
    }

    pub(super) fn on_ack(
        &mut self,
        invite: Option<ServerTransactionId>,
        request: Request,
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
        let tag = session.local_tag.clone();
        let _ = t.answer_cancel(cancel, request, Some(invite), &tag, now);
        if let State::Ringing {
            transaction,
            request,
        } = &session.state
            && *transaction == invite
        {
            let (transaction, request) = (*transaction, request.clone());
            let response = self
                .answer(&request, StatusCode::REQUEST_TERMINATED, &tag)
                .build();
            self.respond(transaction, response, t, now);
            self.ended(id, EndCause::Cancelled);
        } else if let Some((transaction, request)) =
            session.reinvite.take_if(|(id, _)| *id == invite)
        {
            self.by_server_transaction.remove(&transaction);
            let response = self
                .answer(&request, StatusCode::REQUEST_TERMINATED, "")
                .build();
            self.respond(transaction, response, t, now);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not ours goes back, whatever its method"
    )]
    pub(super) fn on_request(
        &mut self,
        id: ServerTransactionId,
        request: Request,
        flow: Flow,
        merged: bool,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<TransactionEvent> {
        if let Some(local_tag) = request.headers().to_tag() {
            if let Some(session) = self.session_of(request.headers().call_id(), Some(local_tag))
                && self.is_in_dialog(session, &request)
            {
                self.within(session, id, request, t, now);
                return None;
            }
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
        match request.method() {
            Method::Invite => self.on_invite(id, request, flow, merged, t, now),
            Method::Options => {
                let tag = self.rng.token(12);
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
        request: Request,
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
        let contact = contact(&request, &flow);
        let Some(dialog) = Dialog::of_uas(&request, &tag, &contact) else {
            // Section 8.1.1.8: an INVITE must have a Contact.
            let response = self
                .answer(&request, StatusCode::BAD_REQUEST, &tag)
                .reason("Missing or Invalid Contact")
                .build();
            self.respond(id, response, t, now);
            return;
        };
        let session = SessionId(self.mint());
        let call_id = request.headers().call_id().unwrap_or_default().to_owned();
        self.by_call.insert((call_id.clone(), tag.clone()), session);
        self.by_server_transaction.insert(id, session);
        let expires = request.headers().typed::<Expires>().ok().flatten();
        let state = State::Ringing {
            transaction: id,
            request: Box::new(request.clone()),
        };
        let mut new = Session::new(state, AccountKey(0), contact, call_id, tag, Some(dialog));
        new.peer_updates = allows_update(request.headers());
        new.replaces = replaced;
        new.joins = joined;
        new.unanswered = expires.map(|Expires(seconds)| {
            let at = now + Duration::from_secs(seconds.into());
            self.deadlines.insert(at, Deadline::Unanswered(session))
        });
        self.sessions.insert(session, new);
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
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let State::Ringing {
            transaction,
            request,
        } = &session.state
        else {
            return;
        };
        let transaction = *transaction;
        let response = self
            .answer(request, StatusCode::REQUEST_TERMINATED, &session.local_tag)
            .build();
        self.respond(transaction, response, t, now);
        self.ended(id, EndCause::Cancelled);
    }

    fn is_in_dialog(&mut self, id: SessionId, request: &Request) -> bool {
        let tag = request.headers().from_tag().unwrap_or_default();
        self.sessions
            .get_mut(&id)
            .is_some_and(|session| session.dialog_with(tag).is_some())
    }
}

/// Our Contact in a call that arrived over `flow`: the user that was called, at the address where it arrived (section 12.1.1).
pub(super) fn contact(request: &Request, flow: &Flow) -> sip_message::Uri {
    let user = request
        .uri()
        .ok()
        .and_then(|uri| uri.user().map(str::to_owned));
    let (user, host) = (user.as_deref(), flow.local.ip().into());
    let port = Some(flow.local.port());
    // Section 12.1.1: a SIPS URI for a request to one, or that came by a route of them.
    let secure = flow.kind.is_secure() && is_secure(request);
    let uri = if secure {
        sip_message::Uri::sips(user, host, port)
    } else {
        sip_message::Uri::sip(user, host, port)
    };
    let kind = flow.kind;
    // RFC 3261 section 26.2.2: over TLS is what a SIPS URI means.
    if kind == TransportKind::Udp || (kind == TransportKind::Tls && secure) {
        return uri;
    }
    // RFC 7118 section 5: there is one value for WebSockets, over TLS or not.
    let websocket = kind == TransportKind::Wss;
    let kind = if websocket { TransportKind::Ws } else { kind };
    uri.with_param("transport", Some(kind.uri_param()))
}

/// Does the Request-URI, or the topmost Record-Route, or without one the Contact, ask for SIPS (section 12.1.1)?
fn is_secure(request: &Request) -> bool {
    let headers = request.headers();
    let route = headers.values(HeaderName::RecordRoute).next();
    let of = |value: &str| {
        let name = sip_message::header::NameAddr::parse(value);
        name.is_ok_and(|name| name.uri().is_secure())
    };
    let peer = match route {
        Some(route) => of(route),
        None => headers.get(HeaderName::Contact).is_some_and(of),
    };
    peer || request.uri().is_ok_and(|uri| uri.is_secure())
}
