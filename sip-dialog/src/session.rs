//! [`Session`]: the INVITE usage of a dialog, and of the early dialogs before it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_message::{Request, Response, StatusCode};
use sip_transaction::ServerTransactionId;
use sip_transport::{DeadlineId, FlowId};
use smallvec::SmallVec;

use crate::attempt::AttemptId;
use crate::authentication::AccountKey;
use crate::config::SessionId;
use crate::dialog::{ContactValue, Dialog};
use crate::early_media::EarlyMedia;
use crate::index::CallKey;
use crate::io::{Body, EndCause};
use crate::subscription::SubscriptionId;

/// Branches of a forked INVITE that are kept apart; a fork beyond still can answer, but not ring reliably.
const BRANCHES: usize = 16;

/// In protocol order: calling or ringing, up, ending.
#[derive(Debug)]
pub(crate) enum State {
    /// We called.
    Calling(Box<Calling>),
    /// We are called.
    Ringing(Box<Ringing>),
    /// It is up.
    Up,
    /// Our BYE is on its way, or answered while a re-INVITE of ours is not: its 2xx would still get an ACK (RFC 5407 section 3.2.3).
    Ending { cause: EndCause, answered: bool },
    /// The session is over; its dialog lives on for subscriptions that share it (RFC 5057 section 4.1).
    Over,
}

/// What a call of ours has until it is answered.
#[derive(Debug)]
pub(crate) struct Calling {
    pub(crate) attempt: AttemptId,
    pub(crate) cancelled: bool,
    /// The early dialogs of our INVITE, one for each branch that told its tag (section 12.1).
    pub(crate) early: SmallVec<[Early; 1]>,
    /// What is to be offered in the next PRACK (RFC 6337 pattern 5).
    pub(crate) prack_offer: Option<Body>,
    /// Whether one is under way.
    pub(crate) prack_offered: bool,
}

impl Calling {
    pub(crate) fn new(attempt: AttemptId) -> Self {
        Self {
            attempt,
            cancelled: false,
            early: SmallVec::new(),
            prack_offer: None,
            prack_offered: false,
        }
    }

    /// The early dialog with that remote tag.
    pub(crate) fn branch(&mut self, remote_tag: &str) -> Option<&mut Early> {
        self.early
            .iter_mut()
            .find(|early| early.dialog.remote_tag() == remote_tag)
    }

    /// Puts the early dialog with that remote tag last; whether there is one.
    pub(crate) fn hear_of(&mut self, remote_tag: &str) -> bool {
        let known = self
            .early
            .iter()
            .position(|early| early.dialog.remote_tag() == remote_tag);
        if let Some(index) = known
            && index + 1 < self.early.len()
        {
            let early = self.early.remove(index);
            self.early.push(early);
        }
        known.is_some()
    }

    /// The early dialog of a provisional response, which comes last from now on.
    pub(crate) fn early(&mut self, response: &Response) -> Option<&mut Early> {
        let tag = response.headers().to_tag()?;
        if !self.hear_of(tag) {
            if self.early.len() >= BRANCHES {
                return None;
            }
            self.early.push(Early {
                dialog: Dialog::of_uac(response)?,
                rseq: None,
                exchanged: false,
                media: EarlyMedia::default(),
            });
        }
        let early = self.early.last_mut()?;
        early.media.on_response(response);
        Some(early)
    }
}

/// What a call to us has until it is answered.
#[derive(Debug)]
pub(crate) struct Ringing {
    pub(crate) transaction: ServerTransactionId,
    pub(crate) request: Box<Request>,
    pub(crate) local_tag: String,
    /// When the INVITE expires.
    pub(crate) unanswered: Option<DeadlineId>,
    /// The last provisional response, and when it is repeated so that no proxy gives up.
    pub(crate) progress: Option<(StatusCode, DeadlineId)>,
    /// The session that this one takes the place of when it is accepted (RFC 3891).
    pub(crate) replaces: Option<SessionId>,
    /// The session that this one joins (RFC 3911).
    pub(crate) joins: Option<SessionId>,
    /// What waits for preconditions (RFC 3312).
    pub(crate) deferred: Option<Deferred>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) state: State,
    pub(crate) account: AccountKey,
    /// Whether we sent the INVITE that made the Call-ID: who waits longer after a 491 (section 14.1).
    pub(crate) caller: bool,
    /// Whether the peer's Allow has UPDATE.
    pub(crate) peer_updates: bool,
    /// Hang up once the ACK is here (section 15: a callee must not send BYE before it).
    pub(crate) ends_after_ack: bool,
    /// How its dialog is found.
    pub(crate) key: CallKey,
    pub(crate) contact: ContactValue,
    pub(crate) dialog: Option<Dialog>,
    /// Our 2xx without ACK, of the INVITE or of a re-INVITE.
    pub(crate) unacknowledged: Option<Box<Unacknowledged>>,
    /// The ACK that answers each retransmission of the peer's 2xx, by the number of its CSeq.
    pub(crate) ack: Option<Box<Ack>>,
    /// What waits for [`Dialogs::acknowledge`](crate::Dialogs::acknowledge) with an answer.
    pub(crate) held: Option<Box<Held>>,
    /// The tags of branches that answered too late: they have their ACK and BYE.
    pub(crate) abandoned: Vec<String>,
    /// A re-INVITE of the peer that the application has not answered.
    pub(crate) reinvite: Option<(ServerTransactionId, Box<Request>)>,
    /// An UPDATE of the peer that the application has not answered.
    pub(crate) update: Option<(ServerTransactionId, Box<Request>)>,
    /// Our re-INVITE or UPDATE.
    pub(crate) change: Option<Box<Change>>,
    /// Reliable provisional responses of ours (RFC 3262).
    pub(crate) reliable: Option<Box<Reliable>>,
    pub(crate) timer: Option<Box<SessionTimer>>,
    /// The largest Min-SE of the requests and 422 responses of the peer (RFC 4028 section 7.4), in seconds.
    pub(crate) least_interval: Option<u32>,
    /// The last description of ours, to refresh with where UPDATE is not known; kept only with a session timer.
    pub(crate) description: Option<Box<Body>>,
    /// The Reason of our CANCEL or BYE.
    pub(crate) reason: Option<Box<str>>,
    /// The Recv-Info of the peer (RFC 6086).
    pub(crate) peer_info: Option<Box<str>>,
    /// Subscriptions that share the dialog: those of referrals (RFC 5057).
    pub(crate) usages: Vec<SubscriptionId>,
}

impl Session {
    pub(crate) const fn new(
        state: State,
        account: AccountKey,
        contact: ContactValue,
        key: CallKey,
        dialog: Option<Dialog>,
    ) -> Self {
        let caller = matches!(state, State::Calling { .. });
        Self {
            state,
            account,
            caller,
            peer_updates: false,
            ends_after_ack: false,
            key,
            contact,
            dialog,
            unacknowledged: None,
            ack: None,
            held: None,
            abandoned: Vec::new(),
            reinvite: None,
            update: None,
            change: None,
            reliable: None,
            timer: None,
            least_interval: None,
            description: None,
            reason: None,
            peer_info: None,
            usages: Vec::new(),
        }
    }

    pub(crate) const fn calling(&mut self) -> Option<&mut Calling> {
        match &mut self.state {
            State::Calling(calling) => Some(calling),
            State::Ringing(_) | State::Up | State::Ending { .. } | State::Over => None,
        }
    }

    pub(crate) const fn ringing(&self) -> Option<&Ringing> {
        match &self.state {
            State::Ringing(ringing) => Some(ringing),
            State::Calling(_) | State::Up | State::Ending { .. } | State::Over => None,
        }
    }

    pub(crate) const fn ringing_mut(&mut self) -> Option<&mut Ringing> {
        match &mut self.state {
            State::Ringing(ringing) => Some(ringing),
            State::Calling(_) | State::Up | State::Ending { .. } | State::Over => None,
        }
    }

    /// The early dialogs of our INVITE.
    pub(crate) fn early(&self) -> &[Early] {
        match &self.state {
            State::Calling(calling) => &calling.early,
            State::Ringing(_) | State::Up | State::Ending { .. } | State::Over => &[],
        }
    }

    /// Whether it has a dialog with that remote tag.
    pub(crate) fn has_dialog_with(&self, remote_tag: &str) -> bool {
        match &self.dialog {
            Some(dialog) => dialog.remote_tag() == remote_tag,
            None => self
                .early()
                .iter()
                .any(|early| early.dialog.remote_tag() == remote_tag),
        }
    }

    /// The dialog with that remote tag: the confirmed one, or an early one.
    pub(crate) fn dialog_with(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        if self.dialog.is_some() {
            return self
                .dialog
                .as_mut()
                .filter(|dialog| dialog.remote_tag() == remote_tag);
        }
        Some(&mut self.calling()?.branch(remote_tag)?.dialog)
    }

    /// The dialog in which a request of ours goes, the confirmed one, or the early one that was heard of last, and our Contact in it.
    pub(crate) fn current(&mut self) -> Option<(&mut Dialog, &ContactValue)> {
        let dialog = match (&mut self.dialog, &mut self.state) {
            (Some(dialog), _) => dialog,
            (None, State::Calling(calling)) => &mut calling.early.last_mut()?.dialog,
            (None, State::Ringing(_) | State::Up | State::Ending { .. } | State::Over) => {
                return None;
            }
        };
        Some((dialog, &self.contact))
    }

    /// The INVITE of the peer that has no final response, the first or a later one: its transaction, and our tag if the INVITE has none.
    pub(crate) fn invited(&self) -> Option<(ServerTransactionId, &Request, &str)> {
        match &self.state {
            State::Ringing(ringing) => {
                Some((ringing.transaction, &ringing.request, &ringing.local_tag))
            }
            State::Up => {
                let (transaction, request) = self.reinvite.as_ref()?;
                Some((*transaction, request, ""))
            }
            State::Calling(_) | State::Ending { .. } | State::Over => None,
        }
    }

    /// Whether an offer in the peer's re-INVITE, or in our response to it, has its answer: what they agree on is in use (RFC 6141 section
    /// 3.3).
    pub(crate) fn has_executed(&self) -> bool {
        self.reinvite.is_some()
            && self
                .reliable
                .as_ref()
                .is_some_and(|reliable| reliable.described && reliable.waiting.is_none())
    }

    /// Our change of that kind: the re-INVITE, or the UPDATE, be it by itself or inside of a re-INVITE.
    pub(crate) fn change_mut(&mut self, kind: Kind) -> Option<&mut Change> {
        let change = self.change.as_deref_mut()?;
        if change.kind == kind {
            Some(change)
        } else {
            let within = change.within.as_deref_mut();
            within.filter(|within| within.kind == kind)
        }
    }

    /// The same when it is over; an UPDATE that is not finished outlives the re-INVITE that it was sent in.
    pub(crate) fn take_change(&mut self, kind: Kind) -> Option<Box<Change>> {
        let change = self.change.as_deref_mut()?;
        if change.kind != kind {
            return change.within.take_if(|within| within.kind == kind);
        }
        let mut change = self.change.take()?;
        self.change = change.within.take();
        Some(change)
    }

    /// An offer that came in a provisional response to our re-INVITE is void when that is over.
    pub(crate) fn forget_later_prack(&mut self, kind: Kind) {
        if kind == Kind::ReInvite && matches!(self.held.as_deref(), Some(Held::LaterPrack { .. })) {
            self.held = None;
        }
    }

    /// Whether an offer in an INVITE or UPDATE of either side is not answered, once the session is up (RFC 3311 section 5.1).
    pub(crate) fn has_open_offer(&self) -> bool {
        let ours = self.change.as_deref().is_some_and(|change| {
            // One that waits out a 491 is on its way again by then, and the answer to one without an offer is one.
            change.is_offering() || (change.kind == Kind::ReInvite && !change.exchanged)
        });
        ours || self.held.is_some() || (self.reinvite.is_some() && !self.has_executed())
    }

    /// Whether an INVITE of either side is not finished (section 14.1).
    pub(crate) fn has_invite_pending(&self) -> bool {
        self.reinvite.is_some()
            || self.unacknowledged.is_some()
            || self.held.is_some()
            || self
                .change
                .as_ref()
                .is_some_and(|change| change.kind == Kind::ReInvite)
    }
}

/// An early dialog of ours.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) dialog: Dialog,
    /// The RSeq of its last reliable response (RFC 3262 section 4).
    pub(crate) rseq: Option<u32>,
    /// Whether offer and answer were exchanged in it: a later body is neither.
    pub(crate) exchanged: bool,
    pub(crate) media: EarlyMedia,
}

/// What is held back until preconditions are met.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    /// A 180.
    pub(crate) ringing: Option<Option<Body>>,
    /// A 200.
    pub(crate) accept: Option<Option<Body>>,
}

/// A 2xx that waits for its ACK (section 13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) transaction: ServerTransactionId,
    pub(crate) response: Response,
    /// Whether the 2xx has an offer, whose answer only the ACK can have.
    pub(crate) offered: bool,
    pub(crate) interval: Duration,
    pub(crate) gives_up: Instant,
    pub(crate) deadline: DeadlineId,
}

#[derive(Debug)]
pub(crate) struct Ack {
    pub(crate) number: u32,
    /// Until it is sent.
    pub(crate) request: Option<Request>,
    pub(crate) sent: Option<(Bytes, FlowId)>,
}

/// An offer of the peer in a response, which the application has not answered.
#[derive(Debug)]
pub(crate) enum Held {
    /// In a 2xx: the ACK to this INVITE waits.
    Ack(Box<Request>),
    /// In a reliable provisional response: its PRACK waits.
    Prack { tag: String, rseq: u32, cseq: u32 },
    /// The same in a response to a re-INVITE.
    LaterPrack { rseq: u32, cseq: u32 },
}

/// What changes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ReInvite,
    Update,
}

#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) body: Option<Body>,
    /// Only a refresh of the session timer, of which the application hears nothing.
    pub(crate) refresh: bool,
    /// Set while a 491 is waited out (section 14.1).
    pub(crate) waits: Option<DeadlineId>,
    /// Responses 422 and 491 that were obeyed.
    pub(crate) rounds: u8,
    /// The RSeq of the last reliable response to a re-INVITE (RFC 3262 section 4).
    pub(crate) rseq: Option<u32>,
    /// Whether offer and answer were exchanged in provisional responses to it (RFC 6141 section 3).
    pub(crate) exchanged: bool,
    /// Our UPDATE inside of this re-INVITE (RFC 3311 section 5.1).
    pub(crate) within: Option<Box<Self>>,
}

impl Change {
    /// Does an offer of ours wait for its answer?
    pub(crate) fn is_offering(&self) -> bool {
        let offers =
            |change: &Self| change.waits.is_none() && change.body.is_some() && !change.exchanged;
        offers(self) || self.within.as_deref().is_some_and(offers)
    }
}

/// Provisional responses that are sent reliably (RFC 3262 section 3).
#[derive(Debug)]
pub(crate) struct Reliable {
    pub(crate) next: u32,
    /// The highest number that was acknowledged.
    pub(crate) acknowledged: Option<u32>,
    /// The number whose PRACK was refused for its offer: it comes again without one (RFC 6337 section 2.3).
    pub(crate) refused: Option<u32>,
    pub(crate) waiting: Option<Waiting>,
    /// Whether one of them had a description: there is no second one to an INVITE (RFC 6337 section 2.2).
    pub(crate) described: bool,
    /// At most one waits for its PRACK at a time.
    pub(crate) queue: VecDeque<(StatusCode, Option<Body>)>,
    /// The 2xx that waits for the PRACK of a description.
    pub(crate) accept: Option<Option<Body>>,
}

/// A reliable provisional response without its PRACK.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) rseq: u32,
    pub(crate) response: Response,
    pub(crate) described: bool,
    pub(crate) interval: Duration,
    pub(crate) gives_up: Instant,
    pub(crate) deadline: DeadlineId,
}

/// RFC 4028.
#[derive(Debug)]
pub(crate) struct SessionTimer {
    /// In seconds.
    pub(crate) interval: u32,
    pub(crate) we_refresh: bool,
    /// Whether the refresh was sent; then the deadline is the end of the session.
    pub(crate) refreshed: bool,
    pub(crate) expires: Instant,
    pub(crate) deadline: DeadlineId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_stay_small() {
        // What a session holds while it is up and nothing happens; the cold halves are boxed.
        assert!(size_of::<Session>() <= 360, "{}", size_of::<Session>());
    }
}
