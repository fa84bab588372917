//! Provisional responses that are acknowledged (RFC 3262), both sides.

use std::collections::VecDeque;
use std::time::Instant;

use sip_message::header::{RAck, RSeq};
use sip_message::{HeaderName, Headers, Method, Request, Response, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::uac::allows_update;
use super::{Deadline, Dialogs, answered_with, with_body};
use crate::attempt::Owner;
use crate::config::{Gone, SessionId};
use crate::io::{Body, EndCause, Event};
use crate::session::{Held, Reliable, State, Waiting};
use crate::session_body::Meaning;

/// Provisional responses that wait for the PRACK of the one before; a further one is refused.
const QUEUED: usize = 8;

impl Dialogs {
    /// A provisional response to our INVITE, other than 100.
    pub(super) fn on_provisional(&mut self, id: SessionId, offered: bool, response: &Response) {
        let understood = self.config.supports("100rel");
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let headers = response.headers();
        let body = Body::of(headers, response.body_bytes());
        if headers.contains(HeaderName::Allow) {
            // RFC 3311 section 5.1: a provisional response says it too.
            session.peer_updates = allows_update(headers);
        }
        let Some(calling) = session.calling() else {
            return;
        };
        let (mut held, mut prack_offer) = (None, None);
        let mut meaning = match body {
            None => Meaning::Nothing,
            Some(_) => Meaning::Preview,
        };
        let mut prack = None;
        let mut offer_now = false;
        if let Some(early) = calling.early(response)
            && understood
            && has_tag(headers, HeaderName::Require, "100rel")
            && let Ok(Some(RSeq(rseq))) = headers.typed::<RSeq>()
            && let Some((cseq, _)) = headers.cseq()
        {
            // RFC 3262 section 4: in order, each once; what is not the next one is not acknowledged.
            if early
                .rseq
                .is_some_and(|last| last.checked_add(1) != Some(rseq))
            {
                return;
            }
            early.rseq = Some(rseq);
            if body.is_some() {
                // RFC 6337 patterns 3 and 4: the first one answers, or offers if nothing was.
                meaning = match (early.exchanged, !offered) {
                    (true, _) => Meaning::Repeated,
                    (false, true) => Meaning::Offer,
                    (false, false) => Meaning::Answer,
                };
            }
            early.exchanged |= meaning == Meaning::Answer;
            if meaning == Meaning::Offer {
                let tag = early.dialog.remote_tag().to_owned();
                held = Some(Box::new(Held::Prack { tag, rseq, cseq }));
            } else {
                prack = Some((rseq, cseq));
                offer_now = meaning == Meaning::Answer;
            }
        }
        if offer_now && let Some(offer) = calling.prack_offer.take() {
            calling.prack_offered = true;
            prack_offer = Some(offer);
        }
        if held.is_some() {
            session.held = held;
        }
        if let Some((rseq, cseq)) = prack {
            self.send_prack(id, rseq, cseq, prack_offer);
        }
        self.tell(Event::Progress {
            session: id,
            status: response.status(),
            body,
            meaning,
        });
    }

    /// Offers a change in the PRACK of the next reliable provisional response that has an answer (RFC 6337 pattern 5);
    /// [`Event::PrackAnswered`] tells the answer. It is an offer that the other side can hardly refuse.
    ///
    /// # Errors
    /// [`Gone`] when the call is answered, or an answer was acknowledged already.
    pub fn offer_in_prack(&mut self, id: SessionId, offer: Body) -> Result<(), Gone> {
        let understood = self.config.supports("100rel");
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let calling = session.calling().ok_or(Gone)?;
        if calling.early.iter().any(|early| early.exchanged) || !understood {
            return Err(Gone);
        }
        calling.prack_offer = Some(offer);
        Ok(())
    }

    /// A PRACK has its final response. Only one that made an offer has anything to tell: RFC 3262 section 4 leaves another that is refused
    /// without consequence, as the final response to the INVITE decides.
    pub(super) fn on_prack_answered(
        &mut self,
        id: SessionId,
        request: &Request,
        response: &Response,
    ) {
        if request.body().is_empty() || !self.offered_in_prack(id) {
            return;
        }
        let headers = request.headers();
        if !response.status().is_success()
            && let Ok(Some(rack)) = headers.typed::<RAck>()
        {
            // RFC 6337 section 2.3: the same response is acknowledged again, without the offer, in its own early dialog.
            if let Some(calling) = self
                .sessions
                .get_mut(&id)
                .and_then(|session| session.calling())
            {
                calling.hear_of(headers.to_tag().unwrap_or_default());
            }
            self.send_prack(id, rack.response, rack.cseq, None);
        }
        let body = Body::of(response.headers(), response.body_bytes())
            .filter(|_| response.status().is_success());
        self.tell(Event::PrackAnswered { session: id, body });
    }

    /// A PRACK had no response.
    pub(super) fn on_prack_failed(&mut self, id: SessionId) {
        if self.offered_in_prack(id) {
            self.tell(Event::PrackAnswered {
                session: id,
                body: None,
            });
        }
    }

    /// Whether an offer in a PRACK waited for its answer, as it does no longer.
    fn offered_in_prack(&mut self, id: SessionId) -> bool {
        self.sessions
            .get_mut(&id)
            .and_then(|session| session.calling())
            .is_some_and(|calling| std::mem::take(&mut calling.prack_offered))
    }

    /// Whether a description may go with the next provisional response.
    pub(super) fn may_describe(&self, id: SessionId) -> bool {
        let Some((_, request, _)) = self.sessions.get(&id).and_then(|session| session.invited())
        else {
            return false;
        };
        let reliably = self.config.supports("100rel") && takes_reliably(request.headers());
        reliably && !self.has_described(id)
    }

    /// Whether a reliable provisional response had a description, or will.
    pub(super) fn has_described(&self, id: SessionId) -> bool {
        self.sessions
            .get(&id)
            .and_then(|session| session.reliable.as_ref())
            .is_some_and(|reliable| {
                reliable.described || reliable.queue.iter().any(|(_, body)| body.is_some())
            })
    }

    /// Acknowledges a provisional response in the early dialog that was heard of last.
    pub(super) fn send_prack(&mut self, id: SessionId, rseq: u32, cseq: u32, body: Option<Body>) {
        let rack = RAck::new(rseq, cseq, Method::Invite);
        self.send_within(id, Method::Prack, Owner::Prack(id), |builder| {
            with_body(builder.typed(&rack), body)
        });
    }

    /// Sends a provisional response: reliably where both sides can.
    pub(super) fn send_provisional(
        &mut self,
        id: SessionId,
        status: StatusCode,
        body: Option<Body>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        let understood = self.config.supports("100rel");
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        let (_, request, _) = session.invited().ok_or(Gone)?;
        // Section 5: the first reliable response to an INVITE without an offer makes one; without one it goes as it may be lost.
        let lacks_offer = request.body().is_empty() && body.is_none();
        let is_required = has_tag(request.headers(), HeaderName::Require, "100rel");
        let takes = understood && status != StatusCode::TRYING && takes_reliably(request.headers());
        let is_first = session.reliable.is_none();
        if takes && lacks_offer && is_first && is_required {
            return Err(Gone);
        }
        let reliably = takes && !(lacks_offer && is_first);
        if reliably && let Some(reliable) = &mut session.reliable {
            if reliable.accept.is_some() {
                return Err(Gone);
            }
            if reliable.waiting.is_some() {
                // Section 3: not before the one before is acknowledged.
                let had =
                    reliable.described || reliable.queue.iter().any(|(_, body)| body.is_some());
                if reliable.queue.len() >= QUEUED || (had && body.is_some()) {
                    return Err(Gone);
                }
                reliable.queue.push_back((status, body));
                return Ok(());
            }
        }
        let described = body.is_some();
        let session = self.sessions.get(&id).ok_or(Gone)?;
        // RFC 6337 section 2.2: no offer where it may be lost, and no second description where none is.
        let had = session
            .reliable
            .as_ref()
            .is_some_and(|reliable| reliable.described);
        let (transaction, request, local_tag) = session.invited().ok_or(Gone)?;
        let offers = request.body().is_empty();
        if described && (had || (!reliably && offers)) {
            return Err(Gone);
        }
        let mut response =
            self.in_dialog(self.answer(request, status, local_tag), request, session);
        if reliably && described {
            // RFC 3311 section 4: whether an UPDATE may follow.
            response = response.header(HeaderName::Allow, &self.allow);
        }
        let mut response = answered_with(response, body);
        if !reliably {
            let response = response.build();
            return self.respond(transaction, response, t, now).ok_or(Gone);
        }
        let rseq = match &session.reliable {
            Some(reliable) => reliable.next,
            // Section 3: the first number is drawn from 1 to 2^31 - 1, from where counting never comes to the end of 32 bits.
            None => u32::try_from(self.rng.below(0x7fff_ffff)).unwrap_or(0) + 1,
        };
        response = response
            .header(HeaderName::Require, "100rel")
            .typed(&RSeq(rseq));
        let later = session.reinvite.as_ref().map(|(_, request)| request);
        let target = later.and_then(|request| request.headers().get(HeaderName::Contact));
        let target = target.map(str::to_owned);
        let response = self
            .respond_and_keep(transaction, response.build(), t, now)
            .ok_or(Gone)?;
        let (interval, gives_up) = (self.config.t1, now + self.config.t1 * 64);
        let deadline = self
            .deadlines
            .insert(now + interval, Deadline::Provisional(id));
        let session = self.sessions.get_mut(&id).ok_or(Gone)?;
        // RFC 6141 section 4.6: a reliable response moves the target, whatever the final one will be.
        if let (Some(dialog), Some(contact)) = (&mut session.dialog, target) {
            dialog.move_to(&contact);
        }
        let reliable = session.reliable.get_or_insert_with(|| {
            Box::new(Reliable {
                next: rseq,
                acknowledged: None,
                refused: None,
                waiting: None,
                described: false,
                queue: VecDeque::new(),
                accept: None,
            })
        });
        reliable.next = rseq + 1;
        reliable.described |= described;
        reliable.waiting = Some(Waiting {
            rseq,
            response,
            described,
            interval,
            gives_up,
            deadline,
        });
        Ok(())
    }

    /// Section 3: repeated with doubling intervals; without a PRACK after 64 times T1 the INVITE is refused.
    pub(super) fn on_provisional_due(
        &mut self,
        id: SessionId,
        due: Instant,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some((transaction, ..)) = session.invited() else {
            return;
        };
        let Some(waiting) = session
            .reliable
            .as_mut()
            .and_then(|reliable| reliable.waiting.as_mut())
        else {
            return;
        };
        if now >= waiting.gives_up {
            self.unacknowledged_provisional(id, t, now);
            return;
        }
        let _ = t.respond(transaction, &waiting.response, now);
        waiting.interval *= 2;
        let next = (due + waiting.interval).min(waiting.gives_up);
        waiting.deadline = self.deadlines.insert(next, Deadline::Provisional(id));
    }

    /// Section 3: an INVITE whose provisional response nobody acknowledges is refused.
    fn unacknowledged_provisional(
        &mut self,
        id: SessionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.reinvite.is_some() {
            self.refuse_reinvite(id, StatusCode::SERVER_TIMEOUT, None, t, now);
            return;
        }
        if let Some((transaction, request, tag)) = session.invited() {
            let (request, tag) = (request.clone(), tag.to_owned());
            let response = self.answer(&request, StatusCode::SERVER_TIMEOUT, &tag);
            self.respond(transaction, response.build(), t, now);
        }
        self.ended(id, EndCause::NoAck);
    }

    /// What is left of the reliable provisional responses to an INVITE that has its final one.
    pub(super) fn forget_reliable(&mut self, id: SessionId) {
        let waiting = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.reliable.take()?.waiting);
        if let Some(waiting) = waiting {
            self.deadlines.cancel(waiting.deadline);
        }
    }

    /// The application refuses the offer in a PRACK.
    pub(super) fn prack_refused(&mut self, request: &Request) {
        let headers = request.headers();
        let number = headers.typed::<RAck>().ok().flatten();
        let reliable = self
            .session_of(headers.call_id(), headers.to_tag())
            .and_then(|id| self.sessions.get_mut(&id)?.reliable.as_mut());
        if let (Some(reliable), Some(rack)) = (reliable, number) {
            reliable.refused = Some(rack.response);
        }
    }

    pub(super) fn on_prack(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let rack = request.headers().typed::<RAck>().ok().flatten();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let invite = match &session.state {
            State::Ringing(ringing) => {
                let cseq = ringing.request.headers().cseq();
                cseq.map(|(number, _)| number)
            }
            State::Up => session
                .invited()
                .and_then(|(_, request, _)| request.headers().cseq())
                .or_else(|| session.unacknowledged.as_ref()?.response.headers().cseq())
                .map(|(number, _)| number),
            State::Calling { .. } | State::Ending { .. } | State::Over => None,
        };
        let matching = rack.filter(|rack| {
            rack.method == Method::Invite && invite.is_none_or(|number| number == rack.cseq)
        });
        let mut repeated = false;
        let waiting = session.reliable.as_mut().and_then(|reliable| {
            let rseq = matching.as_ref()?.response;
            // RFC 6337 section 2.3: the same acknowledgement, without the offer that was refused.
            repeated = reliable
                .refused
                .take_if(|refused| *refused == rseq)
                .is_some();
            if reliable
                .waiting
                .as_ref()
                .is_some_and(|waiting| waiting.rseq == rseq)
            {
                reliable.acknowledged = Some(rseq);
                reliable.waiting.take()
            } else {
                None
            }
        });
        if repeated {
            let response = self.answer(&request, StatusCode::OK, "").build();
            self.respond(transaction, response, t, now);
            return;
        }
        let Some(waiting) = waiting else {
            // Section 3: one that matches nothing that is not acknowledged: 481.
            let response = self
                .answer(&request, StatusCode::CALL_DOES_NOT_EXIST, "")
                .build();
            self.respond(transaction, response, t, now);
            return;
        };
        self.deadlines.cancel(waiting.deadline);
        let body = Body::of(request.headers(), request.body_bytes());
        let offers_again = body.is_some() && !self.offered_by_us(id, &waiting);
        let later = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.reinvite.is_some());
        if offers_again {
            // Section 5: a PRACK may make an offer of its own, which its 200 answers.
            self.tell(Event::Within {
                session: id,
                id: transaction,
                request,
            });
        } else {
            let response = self.answer(&request, StatusCode::OK, "").build();
            self.respond(transaction, response, t, now);
            self.tell(Event::ProvisionalAcknowledged { session: id, body });
        }
        let Some(reliable) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.reliable.as_mut())
        else {
            return;
        };
        if let Some(body) = reliable.accept.take() {
            let _ = if later {
                self.accept_reinvite(id, body, t, now)
            } else {
                self.accept(id, body, t, now)
            };
        } else if let Some((status, body)) = reliable.queue.pop_front() {
            let _ = self.send_provisional(id, status, body, t, now);
        }
    }

    /// Whether the response that is acknowledged made the offer: the INVITE had none.
    fn offered_by_us(&self, id: SessionId, waiting: &Waiting) -> bool {
        let offers = self
            .sessions
            .get(&id)
            .and_then(|session| session.invited())
            .is_none_or(|(_, request, _)| !request.body().is_empty());
        waiting.described && !offers
    }
}

/// Whether the sender of an INVITE acknowledges provisional responses.
fn takes_reliably(headers: &Headers) -> bool {
    [HeaderName::Supported, HeaderName::Require]
        .into_iter()
        .any(|name| has_tag(headers, name, "100rel"))
}

/// Whether a list of option tags has one.
pub(super) fn has_tag(headers: &Headers, name: HeaderName, tag: &str) -> bool {
    headers
        .values(name)
        .any(|value| value.trim().eq_ignore_ascii_case(tag))
}
