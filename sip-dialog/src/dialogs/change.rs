//! Changing a session that is up: our re-INVITE (RFC 3261 section 14.1) and UPDATE (RFC 3311).

use std::time::{Duration, Instant};

use sip_message::header::MinSe;
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_transaction::TransactionLayer;

use super::uac::allows_update;
use super::{Deadline, Dialogs, with_body};
use crate::attempt::Owner;
use crate::config::{Gone, SessionId};
use crate::dialog::ContactValue;
use crate::io::{Body, EndCause, Event, FailureCause, RejectCause};
use crate::session::{Change, Held, Kind, State};
use crate::session_body::Meaning;

/// How often a change is tried in the face of 491 and 422.
const ROUNDS: u8 = 8;

impl Dialogs {
    /// Offers a change of the session; without a body, the other side makes the offer. [`Event::ReInviteAnswered`] or
    /// [`Event::ReInviteRefused`] follows; two sides that change at once wait and try again (section 14.1).
    ///
    /// # Errors
    /// [`Gone`] when the session is not up, or an INVITE of either side is not finished.
    pub fn reinvite(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get(&id).ok_or(Gone)?;
        if !matches!(session.state, State::Up)
            || session.has_invite_pending()
            || session.change.is_some()
        {
            return Err(Gone);
        }
        self.keep_description(id, body.as_ref());
        self.change(id, Kind::ReInvite, body, false);
        Ok(())
    }

    /// Offers a change by UPDATE, which is answered at once: [`Event::UpdateAnswered`] or [`Event::UpdateRefused`] follows.
    ///
    /// In a session that is not up yet, and inside of a re-INVITE of either side, it may only have an offer once the offer of that INVITE was
    /// answered in reliable provisional responses (RFC 3311 section 5.1); without one it may be sent at any time.
    ///
    /// # Errors
    /// [`Gone`] when there is no dialog, the peer does not take UPDATE, another UPDATE of either side is under way, or an offer of either side
    /// is not answered.
    pub fn update(
        &mut self,
        id: SessionId,
        body: Option<Body>,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let may_offer = self.may_offer(id);
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        if matches!(session.state, State::Ending { .. } | State::Over)
            || (body.is_some() && !may_offer)
            || !session.peer_updates
            || session.change_mut(Kind::Update).is_some()
            || session.update.is_some()
            || (body.is_some() && session.has_open_offer())
            || session.current().is_none()
        {
            return Err(Gone);
        }
        self.keep_description(id, body.as_ref());
        self.change(id, Kind::Update, body, false);
        Ok(())
    }

    /// We are to be reached at another address from now on (RFC 6141 section 4.4): the other side is told by an UPDATE, or where it does not
    /// take one by a re-INVITE that offers `body`. Subscriptions in the dialog move with it.
    ///
    /// # Errors
    /// [`Gone`] when the session is not up, or a change is under way; the address is then as it was.
    pub fn relocate(
        &mut self,
        id: SessionId,
        contact: Uri,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let old = std::mem::replace(&mut session.contact, ContactValue::new(&contact));
        let sent = match self.update(id, None, t, now) {
            // Section 4.4: a change of the target alone is the one that is easily accepted.
            Ok(()) => Ok(()),
            Err(Gone) => self.reinvite(id, body, t, now),
        };
        if sent.is_err()
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.contact = old;
        }
        sent
    }

    pub(super) fn change(&mut self, id: SessionId, kind: Kind, body: Option<Body>, refresh: bool) {
        if let Some(session) = self.sessions.get_mut(&id) {
            let change = Box::new(Change {
                kind,
                body,
                refresh,
                waits: None,
                rounds: 0,
                rseq: None,
                exchanged: false,
                within: None,
            });
            match &mut session.change {
                Some(outer) => outer.within = Some(change),
                None => session.change = Some(change),
            }
            self.send_change(id, kind);
        }
    }

    fn send_change(&mut self, id: SessionId, kind: Kind) {
        let Some(change) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.change_mut(kind))
        else {
            return;
        };
        let body = change.body.clone();
        let method = match kind {
            Kind::ReInvite => Method::Invite,
            Kind::Update => Method::Update,
        };
        let (allow, supported) = (self.allow.clone(), self.supported.clone());
        let timer = self.refreshing(id);
        let packages = self.recv_info();
        self.send_within(id, method, Owner::Change(id, kind), |mut builder| {
            builder = builder.header(HeaderName::Allow, allow);
            if !supported.is_empty() {
                builder = builder.header(HeaderName::Supported, supported);
            }
            if let Some(packages) = packages {
                builder = builder.header(HeaderName::RecvInfo, packages);
            }
            for (name, value) in timer {
                builder = builder.header(name, value);
            }
            with_body(builder, body)
        });
    }

    pub(super) fn on_change_response(
        &mut self,
        id: SessionId,
        kind: Kind,
        request: Box<Request>,
        response: Box<Response>,
        now: Instant,
    ) {
        let status = response.status();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let ending = matches!(session.state, State::Ending { .. });
        let caller = session.caller;
        let Some(change) = session.change_mut(kind) else {
            return;
        };
        if status == StatusCode::REQUEST_PENDING && change.rounds < ROUNDS && !ending {
            // Section 14.1: who made the Call-ID waits 2.1 to 4 seconds, the other side up to 2, in units of 10 ms.
            change.rounds += 1;
            let units = if caller {
                210 + self.rng.below(191)
            } else {
                self.rng.below(201)
            };
            let at = now + Duration::from_millis(units * 10);
            change.waits = Some(self.deadlines.insert(at, Deadline::Glare(id, kind)));
            return;
        }
        if status == StatusCode::SESSION_INTERVAL_TOO_SMALL
            && change.rounds < ROUNDS
            && !ending
            && let Ok(Some(least)) = response.headers().typed::<MinSe<'_>>()
        {
            change.rounds += 1;
            self.lengthen(id, least.seconds());
            self.keep_least(id, response.headers());
            self.send_change(id, kind);
            return;
        }
        let (refresh, exchanged) = (change.refresh, change.exchanged);
        session.take_change(kind);
        session.forget_later_prack(kind);
        if !status.is_success() {
            if exchanged && !ending {
                self.undone(id, RejectCause::Response(response));
            } else if !refresh && !ending {
                self.refused(id, kind, RejectCause::Response(response));
            }
            self.after_failure(id, request.method(), status);
            self.end_if_done(id);
            return;
        }
        // Section 12.2.1.2: a 2xx to a target refresh moves the target.
        if let Some((dialog, _)) = session.current() {
            dialog.refresh(response.headers());
        }
        if response.headers().contains(HeaderName::Allow) {
            session.peer_updates = allows_update(response.headers());
        }
        let body = Body::of(response.headers(), response.body_bytes());
        let meaning = match body {
            None => Meaning::Nothing,
            // RFC 6337 section 2.2: the exchange is over.
            Some(_) if exchanged => Meaning::Repeated,
            Some(_) if request.body().is_empty() => Meaning::Offer,
            Some(_) => Meaning::Answer,
        };
        if kind == Kind::ReInvite {
            if meaning == Meaning::Offer && !ending {
                session.held = Some(Box::new(Held::Ack(request)));
            } else {
                self.prepare_ack(id, &request, None);
            }
        }
        if ending {
            self.end_if_done(id);
            return;
        }
        self.agree_as_uac(id, response.headers(), now);
        self.keep_info(id, response.headers());
        match kind {
            Kind::ReInvite => self.tell(Event::ReInviteAnswered {
                session: id,
                body,
                meaning,
            }),
            Kind::Update if refresh => {}
            Kind::Update => self.tell(Event::UpdateAnswered { session: id, body }),
        }
    }

    pub(super) fn on_change_failed(&mut self, id: SessionId, kind: Kind, cause: FailureCause) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(change) = session.take_change(kind) else {
            return;
        };
        session.forget_later_prack(kind);
        if !change.refresh && !matches!(session.state, State::Ending { .. }) {
            self.refused(id, kind, RejectCause::Failed(cause));
        }
        // Section 12.2.1.2: no response at all is a 408, and the dialog is ended.
        if cause == FailureCause::TimedOut {
            self.bye(id, EndCause::Lost);
        }
        self.end_if_done(id);
    }

    fn refused(&mut self, session: SessionId, kind: Kind, cause: RejectCause) {
        self.tell(match kind {
            Kind::ReInvite => Event::ReInviteRefused { session, cause },
            Kind::Update => Event::UpdateRefused { session, cause },
        });
    }

    pub(super) fn on_glare_over(&mut self, id: SessionId, kind: Kind) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let other_pending = session.reinvite.is_some()
            || session.update.is_some()
            || session.unacknowledged.is_some();
        let ending = matches!(session.state, State::Ending { .. });
        let Some(change) = session.change_mut(kind) else {
            return;
        };
        change.waits = None;
        if ending {
            session.take_change(kind);
        } else if other_pending {
            // The other side was first, and is not finished: wait once more.
            change.rounds += 1;
            if change.rounds >= ROUNDS {
                let refresh = change.refresh;
                session.take_change(kind);
                if !refresh {
                    self.refused(id, kind, RejectCause::Failed(FailureCause::Cancelled));
                }
                return;
            }
            if let Some(now) = self.last_now {
                let at = now + Duration::from_millis(self.rng.below(201) * 10 + 10);
                change.waits = Some(self.deadlines.insert(at, Deadline::Glare(id, kind)));
            }
        } else {
            self.send_change(id, kind);
        }
    }
}
