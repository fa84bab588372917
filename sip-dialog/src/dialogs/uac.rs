//! The calling side (RFC 3261 section 13.2).

use std::time::Instant;

use sip_message::header::NameAddr;
use sip_message::{HeaderName, Method, Request, Response};
use sip_transaction::TransactionLayer;
use sip_transport::{Flow, SelectError};

use super::{ALLOW, Ack, Dialogs, InviteRequest, Session, SessionId, State, agent};
use crate::attempt::Owner;
use crate::dialog::Dialog;
use crate::io::{Body, EndCause, Event, FailureCause, Output, RejectCause, Token};

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
        let local_tag = self.rng.token(12);
        let call_id = self.rng.token(24);
        let from = NameAddr::new(invite.from.as_ref());
        let from = match &invite.from_display_name {
            Some(name) => from.with_display_name(name),
            None => from,
        };
        let mut builder = Request::builder(Method::Invite, invite.target.as_str());
        for route in &invite.route {
            builder = builder.header(HeaderName::Route, format!("<{route}>"));
        }
        builder = builder
            .max_forwards(70)
            .from(&from.with_tag(&local_tag))
            .to(&NameAddr::new(invite.to.as_ref()))
            .call_id(&call_id)
            .cseq(1)
            .header(HeaderName::Contact, format!("<{}>", invite.contact))
            .header(HeaderName::Allow, ALLOW);
        if !self.config.supported.is_empty() {
            builder = builder.header(HeaderName::Supported, self.config.supported.join(", "));
        }
        for (name, value) in invite.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = invite.body {
            builder = builder.body(&body.content_type, body.content);
        }
        let next_hop = invite.route.first().unwrap_or(&invite.target).clone();
        match agent(&self.config, builder).build_partial() {
            Ok(request) => {
                let attempt = self.attempts.start(
                    Owner::Invite(id),
                    request,
                    next_hop,
                    invite.account,
                    &mut self.outputs,
                );
                let session = Session {
                    state: State::Calling {
                        attempt,
                        cancelled: false,
                    },
                    account: invite.account,
                    contact: invite.contact,
                    local_tag: local_tag.clone(),
                    call_id: call_id.clone(),
                    dialog: None,
                    unacknowledged: None,
                    ack: None,
                    reinvite: None,
                    ends_after_ack: false,
                };
                self.by_call.insert((call_id, local_tag), id);
                self.sessions.insert(id, session);
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
        request: &Request,
        response: Response,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let status = response.status();
        if status.is_provisional() {
            let body = Body::of(response.headers(), response.body_bytes());
            if status.as_u16() != 100 {
                self.tell(Event::Progress {
                    session: id,
                    status,
                    body,
                });
            }
        } else if status.is_success() {
            self.on_success(id, request, &response, t, now);
        } else if self.remove(id).is_some() {
            self.tell(Event::Rejected {
                session: id,
                cause: RejectCause::Response(response),
            });
        }
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
        let cancelled = matches!(
            session.state,
            State::Calling {
                cancelled: true,
                ..
            }
        );
        let Some(dialog) = Dialog::of_uac(request, response, &session.contact) else {
            // A 2xx without a Contact makes no dialog: there is nowhere to send ACK or BYE to.
            self.remove(id);
            self.tell(Event::Rejected {
                session: id,
                cause: RejectCause::Failed(FailureCause::Unreachable),
            });
            return;
        };
        let remote_target = dialog.remote_target.to_string();
        session.dialog = Some(dialog);
        session.state = State::Up;
        self.acknowledge(id, request);
        if cancelled {
            // Section 9.1: the answer crossed the CANCEL; the session is ended at once.
            self.end(id, t, now);
            return;
        }
        let body = Body::of(response.headers(), response.body_bytes());
        self.tell(Event::Accepted {
            session: id,
            body,
            remote_target,
        });
    }

    /// Asks for the flow of an ACK, which has the credentials of its INVITE (section 22.1).
    fn acknowledge(&mut self, id: SessionId, invite: &Request) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (Some(dialog), Some((number, _))) = (&mut session.dialog, invite.headers().cseq())
        else {
            return;
        };
        let mut builder = dialog.request(Method::Ack, Some(number));
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
        let Ok(request) = agent(&self.config, builder).build_partial() else {
            return;
        };
        let size = request.to_bytes().len();
        session.ack = Some(Ack {
            number,
            request,
            sent: None,
            waiting: true,
        });
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
        if u64::from(ack.number) != number {
            return;
        }
        ack.waiting = false;
        match result.ok().and_then(|flows| flows.first().copied()) {
            Some(flow) => {
                let payload = t.send_ack(ack.request.clone(), flow, now);
                ack.sent = Some((payload, flow.id));
            }
            // The remote target cannot be reached: neither can a BYE.
            None => self.ended(id, EndCause::Lost),
        }
    }

    /// Whether it is a 2xx to an INVITE of ours that was answered before.
    pub(super) fn is_repeated_success(&self, response: &Response) -> bool {
        let headers = response.headers();
        response.status().is_success()
            && headers
                .cseq()
                .is_some_and(|(_, method)| method == Method::Invite)
            && self
                .session_of(headers.call_id(), headers.from_tag())
                .is_some()
    }

    /// Section 13.2.2.4: each retransmission of a 2xx gets the same ACK; a 2xx of another branch gets an ACK and a BYE.
    pub(super) fn on_success_again(
        &mut self,
        response: &Response,
        flow: Flow,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let headers = response.headers();
        let Some(id) = self.session_of(headers.call_id(), headers.from_tag()) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(dialog) = &session.dialog else {
            return;
        };
        let Some((number, _)) = headers.cseq() else {
            return;
        };
        if headers.to_tag().unwrap_or_default() == dialog.remote_tag {
            if let Some(Ack {
                number: acknowledged,
                sent: Some((payload, flow)),
                ..
            }) = &session.ack
                && *acknowledged == number
            {
                t.retransmit(payload.clone(), *flow, now);
            }
            return;
        }
        let Some(ack) = &session.ack else { return };
        let Some(mut other) = Dialog::of_uac(&ack.request, response, &session.contact) else {
            return;
        };
        let account = session.account;
        other.local_cseq = number;
        if let Ok(request) = other.request(Method::Ack, Some(number)).build_partial() {
            t.send_ack(request, flow, now);
        }
        if let Ok(mut request) = other.request(Method::Bye, None).build_partial() {
            request.headers_mut().remove_all(HeaderName::Contact);
            let next_hop = other.next_hop();
            self.attempts
                .start(Owner::Nobody, request, next_hop, account, &mut self.outputs);
        }
    }

    pub(super) fn session_of(
        &self,
        call_id: Option<&str>,
        local_tag: Option<&str>,
    ) -> Option<SessionId> {
        self.by_call
            .get(&(call_id?.to_owned(), local_tag?.to_owned()))
            .copied()
    }
}
