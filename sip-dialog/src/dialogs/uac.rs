//! The calling side (RFC 3261 section 13.2).

use std::time::{Duration, Instant};

use sip_message::header::{Expires, MinSe, NameAddr, SessionExpires};
use sip_message::{
    HeaderName, Headers, Method, Request, RequestBuilder, Response, StatusCode, Uri,
};
use sip_transaction::TransactionLayer;
use sip_transport::{Flow, SelectError};

use super::{Deadline, Dialogs, agent, with_body};
use crate::attempt::{Owner, secured};
use crate::authentication::AccountKey;
use crate::config::{Gone, InviteRequest, SessionId};
use crate::dialog::{ContactValue, Dialog};
use crate::early_media::EarlyMedia;
use crate::index::CallKey;
use crate::io::{Body, EndCause, Event, FailureCause, Output, RejectCause, Token};
use crate::session::{Ack, Calling, Held, Kind, Session, State};
use crate::session_body::Meaning;

/// Branches of a fork that are remembered as ended; one beyond gets a BYE for each of its 2xx.
const ABANDONED: usize = 16;

/// The CSeq up to which a 422 is obeyed: a server that asks for more each time is given up.
const ROUNDS: u32 = 10;

impl Dialogs {
    /// Calls. [`Event::Progress`], then [`Event::Accepted`] or [`Event::Rejected`] follow.
    pub fn invite(
        &mut self,
        invite: InviteRequest,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> SessionId {
        self.last_now = Some(now);
        let id = SessionId(self.mint());
        let contact = ContactValue::new(&invite.contact);
        let local_tag = self.rng.token(12);
        let call_id = self.rng.token(24);
        let from = NameAddr::new(invite.from.as_ref());
        let from = match &invite.from_display_name {
            Some(name) => from.with_display_name(name),
            None => from,
        };
        let mut builder = with_routes(&invite.target, &invite.route);
        builder = builder
            .max_forwards(70)
            .from(&from.with_tag(&local_tag))
            .to(&NameAddr::new(invite.to.as_ref()))
            .call_id(&call_id)
            .cseq(1)
            .header(HeaderName::Contact, contact.as_str())
            .header(HeaderName::Allow, &self.allow);
        if !self.supported.is_empty() {
            builder = builder.header(HeaderName::Supported, &self.supported);
        }
        if let Some(packages) = &self.allow_events {
            builder = builder.header(HeaderName::AllowEvents, packages);
        }
        if let Some(packages) = self.recv_info() {
            builder = builder.header(HeaderName::RecvInfo, packages);
        }
        if self.config.early_media {
            builder = builder.header(HeaderName::PEarlyMedia, "supported");
        }
        if let Some(interval) = self.config.session_interval {
            builder = builder.header(HeaderName::SessionExpires, interval.as_secs().to_string());
        }
        for (name, value) in invite.headers {
            builder = builder.header(name, value);
        }
        let description = invite
            .body
            .clone()
            .filter(|_| self.config.session_interval.is_some())
            .map(Box::new);
        let body = match &invite.token {
            Some(token) => Some(token.beside(invite.body, &self.rng.token(26))),
            None => invite.body,
        };
        builder = with_body(builder, body);
        let first = invite.route.first().unwrap_or(&invite.target);
        let next_hop = invite.next_hop.as_ref().unwrap_or(first).clone();
        match agent(&self.config, builder).build_partial() {
            Ok(request) => {
                let expires = request.headers().typed::<Expires>().ok().flatten();
                let expires = expires.map(|Expires(seconds)| seconds);
                let attempt = self.attempts.start(
                    Owner::Invite(id),
                    request,
                    next_hop,
                    invite.account,
                    &mut self.outputs,
                );
                if let Some(seconds) = expires {
                    // RFC 3261 §13.2.1: without a final answer by then it is cancelled.
                    let at = now + Duration::from_secs(seconds.into());
                    self.deadlines.insert(at, Deadline::Unanswered(id));
                }
                let state = State::Calling(Box::new(Calling::new(attempt)));
                let key = CallKey::new(&self.call_hash, &call_id, &local_tag);
                let mut session = Session::new(state, invite.account, contact, key, None);
                session.description = description;
                self.by_call.insert(key, id);
                self.sessions.insert(id, Box::new(session));
            }
            Err(_) => self.tell(Event::Rejected {
                session: id,
                cause: RejectCause::Failed(FailureCause::Cancelled),
            }),
        }
        id
    }

    pub(super) fn on_invite_response(
        &mut self,
        id: SessionId,
        request: Box<Request>,
        response: Box<Response>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let status = response.status();
        if status.is_success() {
            self.on_success(id, &request, &response, t, now);
        } else if !self.retry_longer(id, request, &response) {
            self.remove_lingering(id, now);
            self.tell(Event::Rejected {
                session: id,
                cause: RejectCause::Response(response),
            });
        }
    }

    /// RFC 4028 section 7.3: a 422 names the shortest interval that will do, and the INVITE is sent again with it.
    fn retry_longer(
        &mut self,
        id: SessionId,
        mut request: Box<Request>,
        response: &Response,
    ) -> bool {
        if response.status() != StatusCode::SESSION_INTERVAL_TOO_SMALL
            || self.config.session_interval.is_none()
        {
            return false;
        }
        let Ok(Some(least)) = response.headers().typed::<MinSe<'_>>() else {
            return false;
        };
        // RFC 4028 section 7.4: the largest of all, and an interval that is not below it.
        let least = least.seconds();
        let before = request.headers().typed::<MinSe<'_>>().ok().flatten();
        let least = before.map_or(least, |before| before.seconds().max(least));
        let asked = request
            .headers()
            .typed::<SessionExpires<'_>>()
            .ok()
            .flatten();
        let interval = asked.map_or(least, |asked| asked.seconds().max(least));
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let account = session.account;
        let Some(calling) = session.calling().filter(|calling| !calling.cancelled) else {
            return false;
        };
        let Some((number, _)) = request
            .headers()
            .cseq()
            .filter(|(number, _)| *number < ROUNDS)
        else {
            return false;
        };
        let headers = request.headers_mut();
        headers.replace(HeaderName::CSeq, format!("{} INVITE", number + 1));
        headers.replace(HeaderName::SessionExpires, interval.to_string());
        headers.replace(HeaderName::MinSe, least.to_string());
        let Some(next_hop) = next_hop(&request) else {
            return false;
        };
        calling.attempt = self.attempts.start(
            Owner::Invite(id),
            request,
            next_hop,
            account,
            &mut self.outputs,
        );
        self.keep_least(id, response.headers());
        true
    }

    /// Section 13.2.2.4: the first 2xx makes the session; the ACK needs a flow of its own.
    fn on_success(
        &mut self,
        id: SessionId,
        request: &Request,
        response: &Response,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let tag = response.headers().to_tag().unwrap_or_default();
        let (mut cancelled, mut early) = (false, None);
        if let Some(calling) = session.calling() {
            cancelled = calling.cancelled;
            early = calling
                .early
                .iter()
                .position(|early| early.dialog.remote_tag() == tag)
                .map(|index| calling.early.swap_remove(index));
        }
        let exchanged = early.as_ref().is_some_and(|early| early.exchanged);
        let early = early.map(|early| early.dialog);
        let dialog = match (Dialog::of_uac(response), early) {
            // The route set and the target are those of the 2xx; the sequence numbers go on.
            (Some(mut dialog), Some(early)) => {
                dialog.local_cseq = dialog.local_cseq.max(early.local_cseq);
                dialog.remote_cseq = early.remote_cseq;
                dialog
            }
            (Some(dialog), None) => dialog,
            (None, Some(early)) => early,
            (None, None) => {
                // A 2xx without a Contact makes no dialog: there is nowhere to send ACK or BYE to.
                self.remove(id);
                self.tell(Event::Rejected {
                    session: id,
                    cause: RejectCause::Failed(FailureCause::Unreachable),
                });
                return;
            }
        };
        let remote_target = dialog.remote_target.to_string();
        session.dialog = Some(dialog);
        session.state = State::Up;
        session.peer_updates = allows_update(response.headers());
        let body = Body::of(response.headers(), response.body_bytes());
        let meaning = match body {
            None => Meaning::Nothing,
            // RFC 3261 section 13.2.1: what follows the answer is ignored.
            Some(_) if exchanged => Meaning::Repeated,
            Some(_) if request.body().is_empty() => Meaning::Offer,
            Some(_) => Meaning::Answer,
        };
        if meaning == Meaning::Offer && !cancelled {
            session.held = Some(Box::new(Held::Ack(Box::new(request.clone()))));
        } else {
            self.prepare_ack(id, request, None);
        }
        if cancelled {
            // Section 9.1: the answer crossed the CANCEL; the session is ended at once.
            self.end(id, t, now);
            return;
        }
        self.agree_as_uac(id, response.headers(), now);
        self.keep_info(id, response.headers());
        self.tell(Event::Accepted {
            session: id,
            body,
            meaning,
            remote_target,
        });
    }

    /// What is known of the early media of the branch that was heard of last; `None` once the call is answered, or before.
    #[must_use]
    pub fn early_media(&self, id: SessionId) -> Option<&EarlyMedia> {
        Some(&self.sessions.get(&id)?.early().last()?.media)
    }

    /// Answers an offer that came in a response: in the ACK to a 2xx, or in the PRACK to a reliable provisional response.
    ///
    /// # Errors
    /// [`Gone`] when no offer waits.
    pub fn acknowledge(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        match *session.held.take().ok_or(Gone)? {
            Held::Ack(invite) => {
                self.keep_description(id, body.as_ref());
                self.prepare_ack(id, &invite, body);
            }
            Held::Prack { tag, rseq, cseq } => {
                let calling = session.calling().ok_or(Gone)?;
                calling.hear_of(&tag);
                calling.branch(&tag).ok_or(Gone)?.exchanged = true;
                self.keep_description(id, body.as_ref());
                self.send_prack(id, rseq, cseq, body);
            }
            Held::LaterPrack { rseq, cseq } => {
                session.change_mut(Kind::ReInvite).ok_or(Gone)?.exchanged = true;
                self.keep_description(id, body.as_ref());
                self.send_prack(id, rseq, cseq, body);
            }
        }
        Ok(())
    }

    /// Asks for the flow of an ACK, which has the credentials of its INVITE (section 22.1).
    pub(super) fn prepare_ack(&mut self, id: SessionId, invite: &Request, body: Option<Body>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (Some(dialog), Some((number, _))) = (&mut session.dialog, invite.headers().cseq())
        else {
            return;
        };
        let mut builder = dialog.request(Method::Ack, Some(number), &session.contact);
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            for value in invite
                .headers()
                .fields()
                .filter(|field| field.is(&name))
                .filter_map(|field| field.value())
            {
                builder = builder.header(name.clone(), value);
            }
        }
        let next_hop = dialog.next_hop();
        let Ok(request) = with_body(agent(&self.config, builder), body).build_partial() else {
            return;
        };
        let next_hop = secured(next_hop, &request);
        let size = request.encoded_len();
        session.ack = Some(Box::new(Ack {
            number,
            request: Some(request),
            sent: None,
        }));
        self.outputs.push_back(Output::SelectFlow {
            token: Token::Ack(id, u64::from(number)),
            next_hop,
            size,
        });
    }

    pub(super) fn send_ack(
        &mut self,
        id: SessionId,
        number: u64,
        result: Result<Vec<Flow>, SelectError>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(ack) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.ack.as_mut())
        else {
            return;
        };
        if u64::from(ack.number) != number || ack.sent.is_some() {
            return;
        }
        match result.ok().and_then(|flows| flows.first().copied()) {
            Some(flow) => {
                let Some(request) = ack.request.take() else {
                    return;
                };
                let payload = t.send_ack(&request, flow, now);
                ack.sent = Some((payload, flow.id));
                // Section 13.2.2.4: no 2xx is repeated after 64 times T1, and none needs this ACK.
                self.deadlines.insert(
                    now + self.config.t1 * 64,
                    Deadline::Acknowledged(id, ack.number),
                );
                self.end_if_done(id);
            }
            // The remote target cannot be reached: neither can a BYE.
            None => self.ended(id, EndCause::Lost),
        }
    }

    /// The copy of an ACK is kept for as long as its 2xx may come again.
    pub(super) fn forget_ack(&mut self, id: SessionId, number: u32) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.ack.take_if(|ack| ack.number == number).is_some()
        {
            session.abandoned = Vec::new();
        }
    }

    /// Whether it is a 2xx to an INVITE of ours that was answered, or given up, before.
    pub(super) fn is_repeated_success(&self, response: &Response) -> bool {
        let headers = response.headers();
        let is_invite = headers
            .cseq()
            .is_some_and(|(_, method)| method == Method::Invite);
        if !response.status().is_success() || !is_invite {
            return false;
        }
        let (Some(call_id), Some(tag)) = (headers.call_id(), headers.from_tag()) else {
            return false;
        };
        let key = CallKey::new(&self.call_hash, call_id, tag);
        self.by_call.contains_key(&key) || self.lingering.contains_key(&key)
    }

    /// Section 13.2.2.4: each retransmission of a 2xx gets the same ACK; a 2xx of another branch, or to an INVITE that was given up, gets
    /// an ACK and a BYE.
    pub(super) fn on_success_again(
        &mut self,
        response: &Response,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let headers = response.headers();
        let (Some(call_id), Some(local_tag), Some((number, _))) =
            (headers.call_id(), headers.from_tag(), headers.cseq())
        else {
            return;
        };
        let tag = headers.to_tag().unwrap_or_default();
        let key = CallKey::new(&self.call_hash, call_id, local_tag);
        let (contact, account, abandoned) = if let Some(session) = self
            .by_call
            .get(&key)
            .and_then(|id| self.sessions.get_mut(id))
        {
            let Some(dialog) = &session.dialog else {
                return;
            };
            if tag == dialog.remote_tag() {
                if let Some(ack) = &session.ack
                    && ack.number == number
                    && let Some((payload, flow)) = &ack.sent
                {
                    t.retransmit(payload.clone(), *flow, now);
                }
                return;
            }
            (
                session.contact.clone(),
                session.account,
                &mut session.abandoned,
            )
        } else if let Some(lingering) = self.lingering.get_mut(&key) {
            (
                lingering.contact.clone(),
                lingering.account,
                &mut lingering.abandoned,
            )
        } else {
            return;
        };
        let ended = abandoned.iter().any(|known| known == tag);
        if !ended && abandoned.len() < ABANDONED {
            abandoned.push(tag.to_owned());
        }
        self.abandon(response, &contact, account, ended, flow, t, now);
    }

    /// Acknowledges a 2xx that nobody wants, and ends its dialog.
    #[expect(clippy::too_many_arguments, reason = "split off one call")]
    fn abandon(
        &mut self,
        response: &Response,
        contact: &ContactValue,
        account: AccountKey,
        ended: bool,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(mut dialog) = Dialog::of_uac(response) else {
            return;
        };
        let ack = dialog.request(Method::Ack, Some(dialog.local_cseq), contact);
        if let Ok(request) = ack.build_partial() {
            t.send_ack(&request, flow, now);
        }
        if ended {
            return;
        }
        let bye = agent(&self.config, dialog.request(Method::Bye, None, contact));
        if let Ok(request) = bye.build_partial() {
            let next_hop = dialog.next_hop();
            self.attempts
                .start(Owner::Nobody, request, next_hop, account, &mut self.outputs);
        }
    }

    pub(super) fn session_of(
        &self,
        call_id: Option<&str>,
        local_tag: Option<&str>,
    ) -> Option<SessionId> {
        let key = CallKey::new(&self.call_hash, call_id?, local_tag?);
        self.by_call.get(&key).copied()
    }
}

/// Where a request goes: its first route, or its target.
pub(super) fn next_hop(request: &Request) -> Option<Uri> {
    match request.headers().values(HeaderName::Route).next() {
        Some(route) => Some(NameAddr::parse(route).ok()?.uri().to_uri()),
        None => Some(request.uri().ok()?.to_uri()),
    }
}

/// An INVITE with its Request-URI and Route. RFC 3261 §8.1.1.1: routes that were given beforehand are used as those of a
/// dialog (§12.2.1.1), with the desired target as the remote one.
fn with_routes(target: &Uri, routes: &[Uri]) -> RequestBuilder {
    let strict = routes
        .first()
        .filter(|first| !Uri::as_ref(first).is_loose_router());
    // §19.1.5: the method of a URI and its header fields have no place in a Request-URI.
    let mut builder = match strict {
        Some(strict) => Request::builder(Method::Invite, strict.as_ref().without_params()),
        None => Request::builder(Method::Invite, &*target.as_ref().request_uri()),
    };
    for route in routes.iter().skip(usize::from(strict.is_some())) {
        builder = builder.header(HeaderName::Route, format!("<{route}>"));
    }
    match strict {
        Some(_) => builder.header(
            HeaderName::Route,
            format!("<{}>", target.as_ref().request_uri()),
        ),
        None => builder,
    }
}

/// Whether the sender takes UPDATE (RFC 3311 section 5.1).
pub(super) fn allows_update(headers: &Headers) -> bool {
    // Methods are tokens, in whose list nothing is quoted.
    headers
        .get(HeaderName::Allow)
        .is_some_and(|allow| allow.split(',').any(|method| method.trim() == "UPDATE"))
}
