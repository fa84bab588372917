//! [`Session`]: the INVITE usage of a dialog, and of the early dialogs before it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_message::{Request, Response, StatusCode, Uri};
use sip_transaction::ServerTransactionId;
use sip_transport::{DeadlineId, FlowId};

use crate::attempt::AttemptId;
use crate::authentication::AccountKey;
use crate::config::SessionId;
use crate::dialog::Dialog;
use crate::early_media::EarlyMedia;
use crate::io::{Body, EndCause};
use crate::subscription::SubscriptionId;

/// Branches of a forked INVITE that are kept apart; a fork beyond still can answer, but not ring reliably.
const BRANCHES: usize = 16;

/// In protocol order: calling or ringing, up, ending.
#[derive(Debug)]
pub(crate) enum State {
    /// We called.
    Calling { attempt: AttemptId, cancelled: bool },
    /// We are called.
    Ringing {
        transaction: ServerTransactionId,
        request: Box<Request>,
    },
    /// It is up.
    Up,
    /// Our BYE is on its way, or answered while a re-INVITE of ours is not: its 2xx would still get an ACK (RFC 5407 section 3.2.3).
    Ending { cause: EndCause, answered: bool },
    /// The session is over; its dialog lives on for subscriptions that share it (RFC 5057 section 4.1).
    Over,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) state: State,
    pub(crate) account: AccountKey,
    pub(crate) contact: Uri,
    pub(crate) local_tag: String,
    pub(crate) call_id: String,
    /// Whether we sent the INVITE that made the Call-ID: who waits longer after a 491 (section 14.1).
    pub(crate) caller: bool,
    pub(crate) dialog: Option<Dialog>,
    /// The early dialogs of our INVITE, one for each branch that told its tag (section 12.1).
    pub(crate) early: Vec<Early>,
    /// Our 2xx without ACK, of the INVITE or of a re-INVITE.
    pub(crate) unacknowledged: Option<Box<Unacknowledged>>,
    /// The ACK that answers each retransmission of the peer's 2xx, by the number of its CSeq.
    pub(crate) ack: Option<Ack>,
    /// What waits for [`Dialogs::acknowledge`](crate::Dialogs::acknowledge) with an answer.
    pub(crate) held: Option<Held>,
    /// What is to be offered in the next PRACK (RFC 6337 pattern 5).
    pub(crate) prack_offer: Option<Body>,
    /// Whether one is under way.
    pub(crate) prack_offered: bool,
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
    pub(crate) timer: Option<SessionTimer>,
    /// The last description of ours, to refresh with where UPDATE is not known; kept only with a session timer.
    pub(crate) description: Option<Body>,
    /// Whether the peer's Allow has UPDATE.
    pub(crate) peer_updates: bool,
    /// Hang up once the ACK is here (section 15: a callee must not send BYE before it).
    pub(crate) ends_after_ack: bool,
    /// When the INVITE that we have not answered expires.
    pub(crate) unanswered: Option<DeadlineId>,
    /// The Reason of our CANCEL or BYE.
    pub(crate) reason: Option<Box<str>>,
    /// The session that this one takes the place of when it is accepted (RFC 3891).
    pub(crate) replaces: Option<SessionId>,
    /// The session that this one joins (RFC 3911).
    pub(crate) joins: Option<SessionId>,
    /// The Recv-Info of the peer (RFC 6086).
    pub(crate) peer_info: Option<Box<str>>,
    /// What waits for preconditions (RFC 3312).
    pub(crate) deferred: Option<Box<Deferred>>,
    /// Subscriptions that share the dialog: those of referrals (RFC 5057).
    pub(crate) usages: Vec<SubscriptionId>,
}

impl Session {
    pub(crate) const fn new(
        state: State,
        account: AccountKey,
        contact: Uri,
        call_id: String,
        local_tag: String,
        dialog: Option<Dialog>,
    ) -> Self {
        let caller = matches!(state, State::Calling { .. });
        Self {
            state,
            account,
            contact,
            local_tag,
            call_id,
            caller,
            dialog,
            early: Vec::new(),
            unacknowledged: None,
            ack: None,
            held: None,
            prack_offer: None,
            prack_offered: false,
            abandoned: Vec::new(),
            reinvite: None,
            update: None,
            change: None,
            reliable: None,
            timer: None,
            description: None,
            peer_updates: false,
            ends_after_ack: false,
            unanswered: None,
            reason: None,
            replaces: None,
            joins: None,
            peer_info: None,
            deferred: None,
            usages: Vec::new(),
        }
    }

    /// The dialog with that remote tag: the confirmed one, or an early one.
    pub(crate) fn dialog_with(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        if let Some(dialog) = &mut self.dialog {
            return (dialog.remote_tag == remote_tag).then_some(dialog);
        }
        self.early
            .iter_mut()
            .map(|early| &mut early.dialog)
            .find(|dialog| dialog.remote_tag == remote_tag)
    }

    /// The dialog in which a request of ours goes: the confirmed one, or the early one that was heard of last.
    pub(crate) fn current(&mut self) -> Option<&mut Dialog> {
        if self.dialog.is_some() {
            return self.dialog.as_mut();
        }
        self.early.last_mut().map(|early| &mut early.dialog)
    }

    /// The early dialog of a provisional response, which comes last from now on.
    pub(crate) fn early(&mut self, response: &Response) -> Option<&mut Early> {
        let tag = response.headers().to_tag()?;
        if let Some(index) = self
            .early
            .iter()
            .position(|early| early.dialog.remote_tag == tag)
        {
            let early = self.early.remove(index);
            self.early.push(early);
        } else {
            if self.early.len() >= BRANCHES {
                return None;
            }
            let dialog = Dialog::of_uac(response, &self.contact)?;
            self.early.push(Early {
                dialog,
                rseq: None,
                exchanged: false,
                media: EarlyMedia::default(),
            });
        }
        let early = self.early.last_mut()?;
        early.media.on_response(response);
        Some(early)
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
    pub(crate) request: Option<Box<Request>>,
    pub(crate) sent: Option<(Bytes, FlowId)>,
}

/// An offer of the peer in a response, which the application has not answered.
#[derive(Debug)]
pub(crate) enum Held {
    /// In a 2xx: the ACK to this INVITE waits.
    Ack(Box<Request>),
    /// In a reliable provisional response: its PRACK waits.
    Prack { tag: String, rseq: u32, cseq: u32 },
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
}

/// Provisional responses that are sent reliably (RFC 3262 section 3).
#[derive(Debug)]
pub(crate) struct Reliable {
    pub(crate) next: u32,
    /// The highest number that was acknowledged.
    pub(crate) acknowledged: Option<u32>,
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
        assert!(size_of::<Session>() <= 792, "{}", size_of::<Session>());
    }
}
