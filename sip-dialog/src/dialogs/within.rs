//! Requests within a dialog (RFC 3261 section 12.2): those that come, and those that the application sends.

use std::time::Instant;

use sip_message::header::Accept;
use sip_message::{HeaderName, Method, Request, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::notifier::names_refer;
use super::uac::allows_update;
use super::{Dialogs, answered_with, with_body};
use crate::attempt::Owner;
use crate::config::{Gone, RequestId, SessionId};
use crate::dialog::ContactValue;
use crate::early_media::EarlyMedia;
use crate::io::{Body, EndCause, Event};
use crate::session::{Kind, State};

impl Dialogs {
    /// Sends a request within the dialog of a session (INFO, MESSAGE, REFER, NOTIFY, ...); [`Event::Responded`] or [`Event::Failed`]
    /// follows. When the other side does not know the dialog any more, or does not answer, the session ends (section 12.2.1.2).
    ///
    /// # Errors
    /// [`Gone`] when there is no dialog, or the method is one that has a verb of its own.
    pub fn request_within(
        &mut self,
        id: SessionId,
        method: Method,
        headers: &[(HeaderName, String)],
        body: Option<Body>,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<RequestId, Gone> {
        self.last_now = Some(now);
        let has_verb = matches!(
            method,
            Method::Invite
                | Method::Ack
                | Method::Cancel
                | Method::Bye
                | Method::Prack
                | Method::Update
        );
        let session = self.sessions.get(&id).ok_or(Gone)?;
        if has_verb || matches!(session.state, State::Ending { .. } | State::Over) {
            return Err(Gone);
        }
        let number = RequestId(self.mint());
        self.send_within(id, method, Owner::Within(id, number), |mut builder| {
            for (name, value) in headers {
                builder = builder.header(name.clone(), value);
            }
            with_body(builder, body)
        })
        .ok_or(Gone)?;
        Ok(number)
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
        if *request.method() == Method::Prack && !status.is_success() {
            self.prack_refused(request);
        }
        let mut response = answered_with(self.answer(request, status, ""), body);
        if *request.method() == Method::Refer
            && status.is_success()
            && let Some(contact) = self.contact_for(request)
        {
            // RFC 3515 table 1: the 2xx to a REFER has a Contact, also within a dialog.
            response = response.header(HeaderName::Contact, contact.as_str());
        }
        self.respond(id, response.build(), t, now).ok_or(Gone)
    }

    /// Accepts an [`Event::Update`].
    ///
    /// # Errors
    /// [`Gone`] when there is none.
    pub fn accept_update(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let (transaction, request) = session.update.take().ok_or(Gone)?;
        self.keep_description(id, body.as_ref());
        self.accept_change(id, transaction, &request, body, t, now)
    }

    /// Refuses an [`Event::Update`]: the session stays as it is.
    ///
    /// # Errors
    /// [`Gone`] when there is none.
    pub fn reject_update(
        &mut self,
        id: SessionId,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.reject_update_because(id, status, None, t, now)
    }

    /// The same, with a Warning that says why.
    pub(super) fn reject_update_because(
        &mut self,
        id: SessionId,
        status: StatusCode,
        warning: Option<String>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let (transaction, request) = session.update.take().ok_or(Gone)?;
        self.refuse_because(transaction, &request, (status, warning), t, now)
            .ok_or(Gone)
    }

    /// The session whose dialog has this Call-ID and these tags, seen from here (section 12): for what names a dialog in a header field,
    /// as Replaces, Join and Target-Dialog do.
    #[must_use]
    pub fn find(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<SessionId> {
        let id = self.session_of(Some(call_id), Some(local_tag))?;
        let session = self.sessions.get(&id)?;
        session.has_dialog_with(remote_tag).then_some(id)
    }

    /// Our Contact in the session that a request came in.
    fn contact_for(&self, request: &Request) -> Option<ContactValue> {
        let headers = request.headers();
        let (call_id, tag) = (headers.call_id()?, headers.to_tag()?);
        let id = self.session_of(Some(call_id), Some(tag))?;
        self.sessions
            .get(&id)
            .map(|session| session.contact.clone())
    }

    /// A request in a dialog of ours (section 12.2.2); hands back one with another remote tag.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "any other method is refused"
    )]
    pub(super) fn within(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Box<Request>> {
        let headers = request.headers();
        let tag = headers.from_tag().unwrap_or_default();
        let session = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.has_dialog_with(tag));
        let Some(session) = session else {
            return Some(request);
        };
        let dialog = session.dialog_with(tag)?;
        let number = headers.cseq().map_or(0, |(number, _)| number);
        let in_order = dialog.accept_cseq(number);
        let ending = matches!(session.state, State::Ending { .. } | State::Over);
        let over = matches!(session.state, State::Over);
        let early = matches!(session.state, State::Calling { .. });
        let usage = match request.method() {
            Method::Notify | Method::Subscribe => self.usage_of(id, &request),
            _ => None,
        };
        let replaces = *request.method() != Method::Invite
            && self.config.supports("replaces")
            && request.headers().contains(HeaderName::Replaces);
        let refusal = if replaces {
            // RFC 3891 section 3: it is of INVITEs alone.
            let response = self.answer(&request, StatusCode::BAD_REQUEST, "");
            Some(response.reason("Replaces Without INVITE"))
        } else if !in_order {
            // Out of order: 500.
            let response = self.answer(&request, StatusCode::SERVER_INTERNAL_ERROR, "");
            Some(response.reason("CSeq Out of Order"))
        } else if (ending && usage.is_none()) && (over || *request.method() != Method::Bye) {
            // RFC 5407 section 3.1.3 and 3.3.3: our BYE has ended the session.
            Some(self.answer(&request, StatusCode::CALL_DOES_NOT_EXIST, ""))
        } else {
            self.unsupported(&request, "")
        };
        if let Some(response) = refusal {
            self.respond(transaction, response.build(), t, now);
            return None;
        }
        if let Some(usage) = usage {
            if *request.method() == Method::Notify {
                self.notified(usage, transaction, request, t, now);
            } else {
                self.on_refresh(usage, transaction, &request, t, now);
            }
            return None;
        }
        if early
            && request.headers().contains(HeaderName::PEarlyMedia)
            && let Some(media) = self.branch_media(id, &request)
        {
            media.on_message(request.headers());
        }
        let surfaced = self.config.methods.contains(request.method());
        let request = if *request.method() == Method::Info {
            self.on_info(id, transaction, request, t, now)?
        } else {
            request
        };
        match request.method() {
            Method::Refer if self.config.refer && early => {
                // Its dialog may still be given up for that of another branch.
                self.answer_later(transaction, &request, t, now);
            }
            Method::Refer if self.config.refer => {
                self.on_refer(Some(id), transaction, request, None, t, now);
            }
            Method::Bye => self.on_bye(id, transaction, &request, t, now),
            Method::Invite => self.on_reinvite(id, transaction, request, t, now),
            Method::Prack if self.config.supports("100rel") => {
                self.on_prack(id, transaction, request, t, now);
            }
            Method::Update if surfaced || self.config.session_interval.is_some() => {
                self.on_update(id, transaction, request, t, now);
            }
            _ if surfaced => self.tell(Event::Within {
                session: id,
                id: transaction,
                request,
            }),
            Method::Options => self.on_options(transaction, &request, "", t, now),
            Method::Subscribe if self.serves_event(request.headers()) => {
                self.refuse_sharing(transaction, &request, t, now);
            }
            Method::Subscribe if self.config.refer && names_refer(request.headers()) => {
                // RFC 3515 section 2.4.4: of no REFER.
                let response = self.answer(&request, StatusCode::FORBIDDEN, "").build();
                self.respond(transaction, response, t, now);
            }
            // RFC 6665 section 4.1.3: of no subscription.
            Method::Notify => {
                let response = self
                    .answer(&request, StatusCode::CALL_DOES_NOT_EXIST, "")
                    .build();
                self.respond(transaction, response, t, now);
            }
            _ => {
                // Section 8.2.1.
                let response = self
                    .answer(&request, StatusCode::METHOD_NOT_ALLOWED, "")
                    .header(HeaderName::Allow, &self.allow)
                    .build();
                self.respond(transaction, response, t, now);
            }
        }
        None
    }

    /// What is known of the early media of the branch that sent a request.
    fn branch_media(&mut self, id: SessionId, request: &Request) -> Option<&mut EarlyMedia> {
        let tag = request.headers().from_tag().unwrap_or_default();
        let calling = self.sessions.get_mut(&id)?.calling()?;
        Some(&mut calling.branch(tag)?.media)
    }

    fn on_bye(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let response = self.answer(request, StatusCode::OK, "").build();
        self.respond(transaction, response, t, now);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match &mut session.state {
            State::Ringing(_) => {
                // Section 15.1.2: requests that still wait are answered 487.
                self.terminate(id, t, now);
            }
            State::Calling(calling) => {
                // Section 15: a callee cancels nothing by BYE; its branch is gone, and the INVITE goes on.
                let gone = request.headers().from_tag().unwrap_or_default();
                calling
                    .early
                    .retain(|early| early.dialog.remote_tag() != gone);
                return;
            }
            State::Up | State::Ending { .. } | State::Over => {}
        }
        self.ended(id, EndCause::Remote);
    }

    fn on_reinvite(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !matches!(session.state, State::Up) || session.reinvite.is_some() {
            // Section 14.2: another INVITE of theirs is not finished: 500 with a Retry-After of 0 to 10 seconds.
            self.answer_later(transaction, &request, t, now);
            return;
        }
        let crossing = session.change.as_ref().is_some_and(|change| {
            change.waits.is_none() && (change.kind == Kind::ReInvite || change.body.is_some())
        }) || session.held.is_some();
        let unanswered = session
            .unacknowledged
            .as_ref()
            .is_some_and(|unacknowledged| unacknowledged.offered);
        if crossing || unanswered {
            // Section 14.2: our own INVITE, or offer in an UPDATE, is not finished. The same when the ACK with the answer to our offer is missing (RFC 5407
            // section 3.1.5).
            let response = self
                .answer(&request, StatusCode::REQUEST_PENDING, "")
                .build();
            self.respond(transaction, response, t, now);
            return;
        }
        if let Some(refusal) = self.not_understood(&request, "") {
            self.respond(transaction, refusal.build(), t, now);
            return;
        }
        if let Some(least) = self.refused_interval(&request) {
            self.too_small(transaction, &request, &least, t, now);
            return;
        }
        // RFC 5407 section 3.1.4: who sends the next INVITE has got the 2xx to the last; its ACK was lost or is late.
        if let Some(session) = self.sessions.get(&id)
            && session.unacknowledged.is_some()
        {
            self.confirm(id, None, t, now);
        }
        let body = Body::of(request.headers(), request.body_bytes());
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !matches!(session.state, State::Up) {
            let response = self
                .answer(&request, StatusCode::CALL_DOES_NOT_EXIST, "")
                .build();
            self.respond(transaction, response, t, now);
            return;
        }
        session.reinvite = Some((transaction, request));
        // RFC 3262 section 3: its provisional responses have numbers of their own.
        self.forget_reliable(id);
        self.by_server_transaction.insert(transaction, id);
        self.tell(Event::ReInvite { session: id, body });
    }

    /// RFC 3311 section 5.2.
    fn on_update(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.update.is_some() {
            self.answer_later(transaction, &request, t, now);
            return;
        }
        let body = Body::of(request.headers(), request.body_bytes());
        let offering = session
            .change
            .as_ref()
            .is_some_and(|change| change.is_offering())
            || session.held.is_some();
        if body.is_some() && offering {
            // An offer of ours is not answered.
            let response = self
                .answer(&request, StatusCode::REQUEST_PENDING, "")
                .build();
            self.respond(transaction, response, t, now);
            return;
        }
        let unanswered = session.reinvite.is_some() && !session.has_executed();
        if body.is_some() && (unanswered || !self.may_offer(id)) {
            // An offer of theirs is not answered.
            self.answer_later(transaction, &request, t, now);
            return;
        }
        if let Some(least) = self.refused_interval(&request) {
            self.too_small(transaction, &request, &least, t, now);
            return;
        }
        match body {
            None => {
                let _ = self.accept_change(id, transaction, &request, None, t, now);
            }
            Some(body) if self.config.methods.contains(&Method::Update) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.update = Some((transaction, request));
                }
                self.tell(Event::Update { session: id, body });
            }
            Some(_) => {
                let response = self
                    .answer(&request, StatusCode::NOT_ACCEPTABLE_HERE, "")
                    .build();
                self.respond(transaction, response, t, now);
            }
        }
    }

    /// Whether the first offer of the session has its answer.
    pub(super) fn may_offer(&self, id: SessionId) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|session| match &session.state {
                State::Ringing { .. } => session
                    .reliable
                    .as_ref()
                    .is_some_and(|reliable| reliable.described && reliable.acknowledged.is_some()),
                State::Calling(calling) => {
                    calling.early.iter().any(|early| early.exchanged) && !calling.prack_offered
                }
                State::Up | State::Ending { .. } | State::Over => !session
                    .unacknowledged
                    .as_ref()
                    .is_some_and(|unacknowledged| unacknowledged.offered),
            })
    }

    /// The 200 to an UPDATE.
    fn accept_change(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: &Request,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let agreed = self.agree_as_uas(request);
        self.keep_least(id, request.headers());
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        if request.headers().contains(HeaderName::Allow) {
            session.peer_updates = allows_update(request.headers());
        }
        let tag = request.headers().from_tag().unwrap_or_default();
        if let Some(dialog) = session.dialog_with(tag) {
            dialog.refresh(request.headers());
        }
        let up = matches!(session.state, State::Up);
        let contact = session.contact.clone();
        let mut response = self
            .answer(request, StatusCode::OK, "")
            .header(HeaderName::Contact, contact.as_str())
            .header(HeaderName::Allow, &self.allow);
        if !self.supported.is_empty() {
            response = response.header(HeaderName::Supported, &self.supported);
        }
        if let Some(packages) = self.recv_info() {
            response = response.header(HeaderName::RecvInfo, packages);
        }
        self.keep_info(id, request.headers());
        let response = answered_with(Self::agreed(response, agreed), body).build();
        self.respond(transaction, response, t, now).ok_or(Gone)?;
        if up {
            self.start_as_uas(id, agreed, now);
        }
        Ok(())
    }

    /// Section 11.2: what an INVITE would be told.
    pub(super) fn on_options(
        &mut self,
        transaction: ServerTransactionId,
        request: &Request,
        tag: &str,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let mut response = self
            .answer(request, StatusCode::OK, tag)
            .header(HeaderName::Allow, &self.allow)
            .header(HeaderName::Accept, "application/sdp")
            .header(HeaderName::Supported, &self.supported);
        if let Some(packages) = &self.allow_events {
            response = response.header(HeaderName::AllowEvents, packages);
        }
        let body = self.config.capabilities.as_ref();
        let body = body.filter(|body| is_read(request, body)).cloned();
        let response = answered_with(response, body).build();
        self.respond(transaction, response, t, now);
    }

    fn answer_later(
        &mut self,
        transaction: ServerTransactionId,
        request: &Request,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let wait = self.rng.below(11).to_string();
        let response = self
            .answer(request, StatusCode::SERVER_INTERNAL_ERROR, "")
            .header(HeaderName::RetryAfter, wait)
            .build();
        self.respond(transaction, response, t, now);
    }

    fn too_small(
        &mut self,
        transaction: ServerTransactionId,
        request: &Request,
        least: &str,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let response = self
            .answer(request, StatusCode::SESSION_INTERVAL_TOO_SMALL, "")
            .header(HeaderName::MinSe, least)
            .build();
        self.respond(transaction, response, t, now);
    }
}

/// RFC 3261 section 20.1: whether the sender reads such a body; who does not say so reads session descriptions.
fn is_read(request: &Request, body: &Body) -> bool {
    let kind = body
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !request.headers().contains(HeaderName::Accept) {
        return kind.eq_ignore_ascii_case("application/sdp");
    }
    let mut ranges = request.headers().typed_all::<Accept<'_>>().flatten();
    ranges.any(|range| range.matches(kind) && range.q().thousandths() > 0)
}
