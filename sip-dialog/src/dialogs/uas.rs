//! The called side (RFC 3261 sections 12.2.2, 13.3 and 14.2), and what happens in a dialog that is up.

use std::time::Instant;

use sip_message::{HeaderName, Method, Request, ResponseBuilder, StatusCode};
use sip_transaction::{Event as TransactionEvent, ServerTransactionId, TransactionLayer};
use sip_transport::Flow;

use super::{ALLOW, Deadline, Dialogs, Gone, Session, SessionId, State, Unacknowledged};
use crate::authentication::AccountKey;
use crate::dialog::Dialog;
use crate::io::{Body, EndCause, Event};

impl Dialogs {
    /// Tells the caller of an [`Event::Incoming`] how far it is: 180 rings, 183 progresses.
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
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let State::Ringing {
            transaction,
            request,
        } = &session.state
        else {
            return Err(Gone);
        };
        let mut response = self.in_dialog(
            self.answer(request, status, &session.local_tag),
            request,
            session,
        );
        if let Some(body) = body {
            response = response.body(&body.content_type, body.content);
        }
        let (transaction, response) = (*transaction, response.build());
        self.respond(transaction, response, t, now)
            .map(|_| ())
            .ok_or(Gone)
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
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let State::Ringing {
            transaction,
            request,
        } = &session.state
        else {
            return Err(Gone);
        };
        let (transaction, request) = (*transaction, request.clone());
        self.accept_invite(id, transaction, &request, body, t, now)
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

    /// Answers an [`Event::Within`].
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended.
    pub fn respond_within(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        status: StatusCode,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let mut response = self.answer(request, status, "");
        if let Some(body) = body {
            response = response.body(&body.content_type, body.content);
        }
        let response = response.build();
        self.respond(id, response, t, now).map(|_| ()).ok_or(Gone)
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
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let mut response = self.in_dialog(
            self.answer(request, StatusCode::OK, &session.local_tag),
            request,
            session,
        );
        response = response.header(HeaderName::Allow, ALLOW);
        if !self.config.supported.is_empty() {
            response = response.header(HeaderName::Supported, self.config.supported.join(", "));
        }
        if let Some(body) = body {
            response = response.body(&body.content_type, body.content);
        }
        let response = self
            .respond(transaction, response.build(), t, now)
            .ok_or(Gone)?;
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        session.state = State::Up;
        let (t1, gives_up) = (self.config.t1, now + self.config.t1 * 64);
        session.unacknowledged = Some(Unacknowledged {
            transaction,
            response,
            interval: t1,
            gives_up,
        });
        self.deadlines.insert(now + t1, Deadline::Retransmit(id));
        Ok(())
    }

    /// Section 12.1.1: a response that makes a dialog copies the Record-Route and has a Contact.
    fn in_dialog(
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
    pub(super) fn retransmit(
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
            self.bye(id);
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
        self.deadlines.insert(next, Deadline::Retransmit(id));
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
        if let Some(unacknowledged) = session.unacknowledged.take() {
            self.by_server_transaction
                .remove(&unacknowledged.transaction);
        }
        let ends = session.ends_after_ack;
        let body = Body::of(headers, request.body_bytes());
        self.tell(Event::Confirmed { session: id, body });
        if ends {
            self.end(id, t, now);
        }
        None
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
        {
            let (transaction, request) = (*transaction, request.clone());
            let response = self
                .answer(&request, StatusCode::REQUEST_TERMINATED, &tag)
                .build();
            self.respond(transaction, response, t, now);
            self.ended(id, EndCause::Cancelled);
        } else if let Some((transaction, request)) = session.reinvite.take() {
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
            return match self.session_of(request.headers().call_id(), Some(local_tag)) {
                Some(session) if self.is_in_dialog(session, &request) => {
                    self.within(session, id, request, t, now);
                    None
                }
                // Section 12.2.2: 481; another part of the stack may know the dialog.
                _ => Some(TransactionEvent::Request {
                    id,
                    request,
                    flow,
                    merged,
                }),
            };
        }
        match request.method() {
            Method::Invite => self.on_invite(id, request, flow, merged, t, now),
            Method::Options => {
                // Section 11.2: what an INVITE would be told.
                let tag = self.rng.token(12);
                let mut response = self
                    .answer(&request, StatusCode::OK, &tag)
                    .header(HeaderName::Allow, ALLOW);
                response = response
                    .header(HeaderName::Accept, "application/sdp")
                    .header(HeaderName::Supported, self.config.supported.join(", "));
                let response = response.build();
                self.respond(id, response, t, now);
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
        let refusal = if merged {
            // Section 8.2.2.2: the same request by another way.
            Some(self.answer(&request, StatusCode::LOOP_DETECTED, &tag))
        } else if self.sessions.len() >= self.config.sessions {
            Some(
                self.answer(&request, StatusCode::SERVICE_UNAVAILABLE, &tag)
                    .header(HeaderName::RetryAfter, "10"),
            )
        } else {
            // Section 8.2.2.3: extensions that are required and not understood.
            let unknown: Vec<&str> = request
                .headers()
                .values(HeaderName::Require)
                .filter(|option| {
                    !self
                        .config
                        .supported
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(option))
                })
                .collect();
            (!unknown.is_empty()).then(|| {
                self.answer(&request, StatusCode::BAD_EXTENSION, &tag)
                    .header(HeaderName::Unsupported, unknown.join(", "))
            })
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
        let call_id = dialog.call_id.clone();
        self.by_call.insert((call_id.clone(), tag.clone()), session);
        self.by_server_transaction.insert(id, session);
        self.sessions.insert(
            session,
            Session {
                state: State::Ringing {
                    transaction: id,
                    request: Box::new(request.clone()),
                },
                account: AccountKey(0),
                contact,
                local_tag: tag,
                call_id,
                dialog: Some(dialog),
                unacknowledged: None,
                ack: None,
                reinvite: None,
                ends_after_ack: false,
            },
        );
        self.tell(Event::Incoming {
            session,
            request,
            flow,
        });
    }

    fn is_in_dialog(&self, id: SessionId, request: &Request) -> bool {
        let headers = request.headers();
        self.sessions
            .get(&id)
            .and_then(|session| session.dialog.as_ref())
            .is_some_and(|dialog| {
                dialog.matches(
                    headers.call_id().unwrap_or_default(),
                    headers.to_tag().unwrap_or_default(),
                    headers.from_tag().unwrap_or_default(),
                )
            })
    }

    /// A request in a dialog of ours (section 12.2.2).
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "any other method is refused"
    )]
    fn within(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(dialog) = &mut session.dialog else {
            return;
        };
        let number = request.headers().cseq().map_or(0, |(number, _)| number);
        if !dialog.accept_cseq(number) {
            // Out of order: 500.
            let response = self
                .answer(&request, StatusCode::SERVER_INTERNAL_ERROR, "")
                .reason("CSeq Out of Order")
                .build();
            self.respond(transaction, response, t, now);
            return;
        }
        match request.method() {
            Method::Bye => {
                let response = self.answer(&request, StatusCode::OK, "").build();
                self.respond(transaction, response, t, now);
                // Section 15.1.2: requests that still wait are answered 487.
                if let Some((pending, reinvite)) = session_reinvite(self, id) {
                    let response = self
                        .answer(&reinvite, StatusCode::REQUEST_TERMINATED, "")
                        .build();
                    self.respond(pending, response, t, now);
                }
                self.ended(id, EndCause::Remote);
            }
            Method::Invite => self.on_reinvite(id, transaction, request, t, now),
            Method::Options => {
                let response = self
                    .answer(&request, StatusCode::OK, "")
                    .header(HeaderName::Allow, ALLOW)
                    .header(HeaderName::Accept, "application/sdp");
                let response = response.build();
                self.respond(transaction, response, t, now);
            }
            _ => {
                // Section 8.2.1.
                let response = self
                    .answer(&request, StatusCode::METHOD_NOT_ALLOWED, "")
                    .header(HeaderName::Allow, ALLOW)
                    .build();
                self.respond(transaction, response, t, now);
            }
        }
    }

    fn on_reinvite(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !matches!(session.state, State::Up)
            || session.reinvite.is_some()
            || session.unacknowledged.is_some()
        {
            // Section 14.2: another INVITE of theirs is not finished: 500 with a Retry-After of 0 to 10 seconds.
            let wait = self.rng.below(11).to_string();
            let response = self
                .answer(&request, StatusCode::SERVER_INTERNAL_ERROR, "")
                .header(HeaderName::RetryAfter, wait)
                .build();
            self.respond(transaction, response, t, now);
            return;
        }
        if let Some(dialog) = &mut session.dialog {
            dialog.refresh(request.headers());
        }
        let body = Body::of(request.headers(), request.body_bytes());
        session.reinvite = Some((transaction, Box::new(request)));
        self.by_server_transaction.insert(transaction, id);
        self.tell(Event::ReInvite { session: id, body });
    }
}

fn session_reinvite(
    dialogs: &mut Dialogs,
    id: SessionId,
) -> Option<(ServerTransactionId, Box<Request>)> {
    let (transaction, request) = dialogs.sessions.get_mut(&id)?.reinvite.take()?;
    dialogs.by_server_transaction.remove(&transaction);
    Some((transaction, request))
}

/// Our Contact in a call that arrived over `flow`: the user that was called, at the address where it arrived (section 12.1.1).
fn contact(request: &Request, flow: &Flow) -> sip_message::Uri {
    let user = request
        .uri()
        .ok()
        .and_then(|uri| uri.user().map(str::to_owned));
    let uri = sip_message::Uri::sip(
        user.as_deref(),
        flow.local.ip().into(),
        Some(flow.local.port()),
    );
    if flow.kind.is_reliable() {
        uri.with_param("transport", Some(flow.kind.uri_param()))
    } else {
        uri
    }
}
