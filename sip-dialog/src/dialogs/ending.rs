//! How sessions end (RFC 3261 section 15), and what is left of them.

use std::time::Instant;

use sip_message::{HeaderName, Method, StatusCode};
use sip_transaction::TransactionLayer;

use super::{Deadline, Dialogs, Lingering};
use crate::attempt::Owner;
use crate::config::SessionId;
use crate::io::{EndCause, Event, FailureCause, RejectCause};
use crate::session::{Held, Kind, Session, State};
use crate::subscription::SubscriptionEnd;

impl Dialogs {
    /// Ends a session, whatever its state: cancels an INVITE that has no answer, refuses (480) one that we have not answered, sends BYE.
    /// The session's last event follows.
    pub fn end(&mut self, id: SessionId, t: &mut dyn TransactionLayer, now: Instant) {
        self.last_now = Some(now);
        self.end_session(id, t, now);
        self.answer_orphans(t, now);
    }

    /// The same, with the value of a Reason field for the CANCEL or BYE (RFC 3326), such as `Q.850;cause=16`.
    pub fn end_because(
        &mut self,
        id: SessionId,
        reason: &str,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.reason = Some(reason.into());
        }
        self.end(id, t, now);
    }

    pub(super) fn end_session(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match &mut session.state {
            State::Calling(calling) => {
                if calling.cancelled {
                    return;
                }
                calling.cancelled = true;
                let attempt = calling.attempt;
                let reason = session.reason.take();
                if !self.attempts.cancel(attempt, reason.as_deref(), t, now) {
                    self.remove(id);
                    self.tell(Event::Rejected {
                        session: id,
                        cause: RejectCause::Failed(FailureCause::Cancelled),
                    });
                }
            }
            State::Ringing { .. } => {
                let _ = self.reject(id, StatusCode::TEMPORARILY_UNAVAILABLE, &[], t, now);
            }
            State::Up => {
                // A 2xx that waits for our answer still has its ACK.
                if let Some(Held::Ack(invite)) = session.held.take().map(|held| *held) {
                    self.prepare_ack(id, &invite, None);
                }
                let Some(session) = self.sessions.get_mut(&id) else {
                    return;
                };
                // Section 15: not before the ACK, or the time for it is over.
                if session.unacknowledged.is_some() {
                    session.ends_after_ack = true;
                    return;
                }
                self.bye(id, EndCause::Local);
            }
            State::Ending { .. } | State::Over => {}
        }
    }

    pub(super) fn on_bye_answered(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id)
            && let State::Ending { answered, .. } = &mut session.state
        {
            *answered = true;
            self.end_if_done(id);
        }
    }

    /// The end, once neither our BYE nor a re-INVITE of ours is under way.
    pub(super) fn end_if_done(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let State::Ending {
            cause,
            answered: true,
        } = session.state
        else {
            return;
        };
        let waits = session
            .change
            .as_ref()
            .is_some_and(|change| change.kind == Kind::ReInvite && change.waits.is_none())
            || session.ack.as_ref().is_some_and(|ack| ack.sent.is_none());
        if !waits {
            self.ended(id, cause);
        }
    }

    pub(super) fn ended(&mut self, id: SessionId, cause: EndCause) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session.usages.is_empty() {
            self.remove(id);
        } else if matches!(session.state, State::Up | State::Ending { .. }) {
            // RFC 5057 section 4.1: the end of the session leaves its dialog to the others.
            self.hollow(id);
        } else if !matches!(session.state, State::Over) {
            // An early dialog ends with its INVITE, and all that is in it.
            for usage in session.usages.clone() {
                self.subscription_over(usage, SubscriptionEnd::Lost);
            }
            self.remove(id);
        } else {
            return;
        }
        self.tell(Event::Ended { session: id, cause });
    }

    /// Leaves only the dialog of a session that is over.
    pub(super) fn hollow(&mut self, id: SessionId) {
        let Some(mut session) = self.remove(id) else {
            return;
        };
        let mut husk = Session::new(
            State::Over,
            session.account,
            session.contact,
            session.key,
            session.dialog.take(),
        );
        husk.usages = session.usages;
        self.by_call.insert(husk.key, id);
        self.sessions.insert(id, Box::new(husk));
        self.husks += 1;
    }

    /// Takes a session out of everything that knows it.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Box<Session>> {
        self.orphan(id);
        let session = self.sessions.remove(&id)?;
        self.by_call.remove(&session.key);
        let transactions = [
            session.ringing().map(|ringing| ringing.transaction),
            session
                .unacknowledged
                .as_ref()
                .map(|waits| waits.transaction),
        ];
        for transaction in transactions.into_iter().flatten() {
            self.by_server_transaction.remove(&transaction);
        }
        let deadlines = [
            session.unacknowledged.as_ref().map(|waits| waits.deadline),
            session
                .reliable
                .as_ref()
                .and_then(|reliable| Some(reliable.waiting.as_ref()?.deadline)),
            session.change.as_ref().and_then(|change| change.waits),
            session
                .change
                .as_ref()
                .and_then(|change| change.within.as_ref()?.waits),
            session.timer.as_ref().map(|timer| timer.deadline),
            session.ringing().and_then(|ringing| ringing.unanswered),
            session
                .ringing()
                .and_then(|ringing| Some(ringing.progress?.1)),
        ];
        for deadline in deadlines.into_iter().flatten() {
            self.deadlines.cancel(deadline);
        }
        Some(session)
    }

    /// Section 15.1.2: what the peer still waits for in a session that ends is answered 487.
    pub(super) fn orphan(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(reinvite) = session.reinvite.take() {
            self.by_server_transaction.remove(&reinvite.0);
            self.orphans.push(reinvite);
        }
        self.orphans.extend(session.update.take());
    }

    pub(super) fn answer_orphans(&mut self, t: &mut dyn TransactionLayer, now: Instant) {
        if self.orphans.is_empty() {
            return;
        }
        for (transaction, request) in std::mem::take(&mut self.orphans) {
            let response = self
                .answer(&request, StatusCode::REQUEST_TERMINATED, "")
                .build();
            self.respond(transaction, response, t, now);
        }
    }

    /// Takes out a session whose INVITE came to nothing. A 2xx of another branch, or one that crossed our CANCEL, may still come for as
    /// long as it is repeated (section 13.2.2.4).
    pub(super) fn remove_lingering(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.remove(id) else {
            return;
        };
        if self.lingering.len() >= self.config.sessions {
            return;
        }
        let key = session.key;
        self.deadlines
            .insert(now + self.config.t1 * 64, Deadline::Forget(key));
        self.lingering.insert(
            key,
            Lingering {
                account: session.account,
                contact: session.contact,
                abandoned: session.abandoned,
            },
        );
    }

    /// Sends BYE; the session ends with its answer (section 15.1.1).
    pub(super) fn bye(&mut self, id: SessionId, cause: EndCause) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !matches!(session.state, State::Up) {
            return;
        }
        session.state = State::Ending {
            cause,
            answered: false,
        };
        if let Some(timer) = session.timer.take() {
            self.deadlines.cancel(timer.deadline);
        }
        let reason = session.reason.take();
        self.orphan(id);
        if self
            .send_within(id, Method::Bye, Owner::Bye(id), |builder| match &reason {
                Some(reason) => builder.header(HeaderName::Reason, reason),
                None => builder,
            })
            .is_none()
        {
            self.ended(id, cause);
        }
    }
}
