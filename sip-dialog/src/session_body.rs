//! [`SessionBody`]: the narrow boundary to whatever describes sessions, and what a body means where it stands.

use sip_message::StatusCode;

use crate::io::Body;

/// What a body is in the exchange of offer and answer (RFC 6337 section 2.2), as the message says in which it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a body offers, answers, shows an answer or repeats one"
)]
pub enum Meaning {
    /// There is no body.
    Nothing,
    /// It offers, and is to be answered.
    Offer,
    /// It answers our offer.
    Answer,
    /// It stands in a provisional response that may be lost: the answer that will come.
    Preview,
    /// It stands where there is nothing to be said any more, and is of no effect (RFC 3261 section 13.2.1).
    Repeated,
}

/// Describes one session: makes offers, answers them, and learns what was agreed. [`Dialogs::negotiate`](crate::Dialogs::negotiate) puts
/// what it says into the messages where it belongs.
///
/// One for session descriptions lives above this layer, which looks into no body; [`OpaqueBody`] says the same each time.
pub trait SessionBody {
    /// What we offer: a new session, or what this one is to become.
    ///
    /// # Errors
    /// The status for which the call is given up, 488 as a rule.
    fn offer(&mut self) -> Result<Body, StatusCode>;

    /// Our answer to an offer of the other side.
    ///
    /// # Errors
    /// The status with which the offer is refused; where an offer cannot be refused, the session ends.
    fn answer(&mut self, offer: &Body) -> Result<Body, StatusCode>;

    /// The answer to our last offer.
    ///
    /// # Errors
    /// Some status when it is no answer to it; the session ends.
    fn answered(&mut self, answer: &Body) -> Result<(), StatusCode>;

    /// What will be the answer, as far as one can know by now; the answer follows.
    fn previewed(&mut self, answer: &Body) {
        let _ = answer;
    }

    /// Our last offer was refused: what was agreed before stands (RFC 3261 section 14.1).
    fn rolled_back(&mut self) {}

    /// The value of a Warning that says why an offer was refused (RFC 3261 section 20.43), for the response that refuses it.
    fn warning(&self) -> Option<String> {
        None
    }

    /// An offer as near as it goes to what was agreed before the last exchange, which the other side has undone, or not (RFC 6141 section
    /// 3.4).
    ///
    /// # Errors
    /// The status for which there is none; the session then stays as it is.
    fn restored(&mut self) -> Result<Body, StatusCode> {
        self.rolled_back();
        self.offer()
    }
}

/// A session body that is always the same, for who keeps his descriptions elsewhere; it notes what the other side said last.
///
/// ```
/// use sip_dialog::{Body, OpaqueBody, SessionBody};
/// let mut body = OpaqueBody::new(Body::sdp("v=0\r\n"));
/// assert_eq!(body.offer(), Ok(Body::sdp("v=0\r\n")));
/// assert_eq!(body.answer(&Body::sdp("theirs")), Ok(Body::sdp("v=0\r\n")));
/// assert_eq!(body.theirs(), Some(&Body::sdp("theirs")));
/// ```
#[derive(Debug, Clone)]
pub struct OpaqueBody {
    ours: Body,
    theirs: Option<Body>,
}

impl OpaqueBody {
    /// Says `ours` each time.
    #[must_use]
    pub const fn new(ours: Body) -> Self {
        Self { ours, theirs: None }
    }

    /// What the other side said last, and was agreed to.
    #[must_use]
    pub const fn theirs(&self) -> Option<&Body> {
        self.theirs.as_ref()
    }
}

impl SessionBody for OpaqueBody {
    fn offer(&mut self) -> Result<Body, StatusCode> {
        Ok(self.ours.clone())
    }

    fn answer(&mut self, offer: &Body) -> Result<Body, StatusCode> {
        self.theirs = Some(offer.clone());
        Ok(self.ours.clone())
    }

    fn answered(&mut self, answer: &Body) -> Result<(), StatusCode> {
        self.theirs = Some(answer.clone());
        Ok(())
    }
}
