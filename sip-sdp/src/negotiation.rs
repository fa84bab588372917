//! Offer and answer (RFC 3264, RFC 6337): a function of what this side can do, what was agreed before, and what the
//! peer says. Nothing here reads a clock or draws a number: keys, credentials and identifiers come with the
//! [`LocalSession`].
//!
//! ```
//! use sip_sdp::negotiation::{Codec, LocalSession, Negotiator};
//!
//! // Alice offers.
//! let alice_can = LocalSession::new(1, "192.0.2.1").audio(4000, [Codec::PCMU, Codec::PCMA, Codec::telephone_event(8000)]);
//! let mut alice = Negotiator::new();
//! let offer = alice.offer(&alice_can)?;
//!
//! // Bob answers with what he can do.
//! let bob_can = LocalSession::new(2, "192.0.2.2").audio(5000, [Codec::PCMA, Codec::telephone_event(8000)]);
//! let mut bob = Negotiator::new();
//! let answer = bob.answer(&bob_can, &offer)?;
//!
//! // Alice takes the answer.
//! let session = alice.accept(&answer.description)?;
//! let stream = session.first("audio").expect("audio was agreed on");
//! assert_eq!(stream.remote_rtp.socket_addr(), Some("192.0.2.2:5000".parse()?));
//! assert_eq!(stream.codec().map(|codec| codec.name.as_str()), Some("PCMA"));
//! assert_eq!(stream.telephone_event().map(|event| event.send_payload_type), Some(101));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Hold is [`LocalSession::hold`] and the next offer. One offer that was forked has several answers: clone the negotiator
//! for each dialog before [`Negotiator::accept`].

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::description::SessionDescription;
use crate::error::{AttributeError, ParseError};

mod answer;
mod codec;
mod local;
mod offer;
mod settle;
mod stream;
mod write;

use codec::Meaning;

pub use codec::Codec;
pub use local::{
    Bundle, CodecOrder, LocalCrypto, LocalDtls, LocalIce, LocalMedia, LocalRtcp, LocalSession,
};
pub use stream::{Endpoint, RemoteIce, Security, Session, Stream, StreamCodec, StreamStatus};

/// Why a negotiation step was refused. The state is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// An offer of this side waits for its answer (RFC 3264 §4; SIP answers 491).
    OfferPending,
    /// There is no offer of this side to answer or to roll back.
    NoOfferPending,
    /// The answer has not as many media lines as the offer (RFC 3264 §6).
    MediaCount {
        /// Lines offered.
        offered: usize,
        /// Lines answered.
        answered: usize,
    },
    /// A later offer has fewer media lines than before (RFC 3264 §8).
    MediaRemoved {
        /// Lines before.
        before: usize,
        /// Lines now.
        now: usize,
    },
    /// An answered media line has another kind or protocol than the offered one.
    MediaMismatch {
        /// Index of the line.
        index: usize,
    },
    /// The answer accepts a media line without any format that was offered.
    NoCommonFormat {
        /// Index of the line.
        index: usize,
    },
    /// The peer restarts ICE: [`LocalIce`] needs new credentials before it can be answered (RFC 8839 §4.4.1.1.1).
    IceRestart {
        /// Index of the line.
        index: usize,
    },
    /// More codecs than there are payload types.
    PayloadTypes {
        /// Index of the line.
        index: usize,
    },
    /// An attribute of the peer that negotiation needs is malformed.
    Attribute(AttributeError),
    /// A text of the [`LocalSession`] cannot stand in a description: where in what would have been sent.
    Local(ParseError),
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfferPending => write!(f, "an offer waits for its answer"),
            Self::NoOfferPending => write!(f, "no offer waits for an answer"),
            Self::MediaCount { offered, answered } => {
                write!(
                    f,
                    "{offered} media lines were offered and {answered} answered"
                )
            }
            Self::MediaRemoved { before, now } => {
                write!(f, "the offer has {now} media lines after {before} before")
            }
            Self::MediaMismatch { index } => write!(
                f,
                "media line {index} is answered with another kind or protocol"
            ),
            Self::NoCommonFormat { index } => write!(
                f,
                "media line {index} is answered without an offered format"
            ),
            Self::IceRestart { index } => write!(
                f,
                "media line {index} restarts ICE and needs new credentials"
            ),
            Self::PayloadTypes { index } => {
                write!(f, "media line {index} has more codecs than payload types")
            }
            Self::Attribute(error) => write!(f, "{error}"),
            Self::Local(error) => write!(f, "the local session cannot be described: {error}"),
        }
    }
}

impl core::error::Error for NegotiationError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Attribute(error) => Some(error),
            Self::Local(error) => Some(error),
            Self::OfferPending
            | Self::NoOfferPending
            | Self::MediaCount { .. }
            | Self::MediaRemoved { .. }
            | Self::MediaMismatch { .. }
            | Self::NoCommonFormat { .. }
            | Self::IceRestart { .. }
            | Self::PayloadTypes { .. } => None,
        }
    }
}

impl From<AttributeError> for NegotiationError {
    fn from(error: AttributeError) -> Self {
        Self::Attribute(error)
    }
}

/// An answer and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// To be sent.
    pub description: SessionDescription,
    /// What is agreed on with it.
    pub session: Session,
}

/// The state of one side of a session: what was agreed on, and an offer of this side that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Negotiator {
    agreed: Option<Agreed>,
    pending: Option<Pending>,
    /// One per media line of the session.
    lines: Vec<LineState>,
    /// Local media whose line was rejected or removed: not offered again by themselves.
    spent: Vec<usize>,
    /// The description this side sent last, answered or not: its version decides the next.
    sent: Option<SessionDescription>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Agreed {
    local: SessionDescription,
    remote: SessionDescription,
    session: Session,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    offer: SessionDescription,
    /// The lines as they are when the offer is answered.
    lines: Vec<LineState>,
}

/// What lasts of a media line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LineState {
    /// The local media tied to it.
    media: Option<usize>,
    mid: Option<String>,
    /// Every payload type this side ever named here (RFC 3264 §8.3.2: they keep their meaning).
    payloads: Vec<Meaning>,
    /// Rejected or removed: free for another stream (RFC 3264 §8.1).
    dead: bool,
}

impl Negotiator {
    /// A session without history.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an offer: the first, or a later one that keeps the media lines and payload types of before.
    ///
    /// # Errors
    /// While another offer of this side waits; when the local session cannot be described.
    pub fn offer(&mut self, local: &LocalSession) -> Result<SessionDescription, NegotiationError> {
        if self.pending.is_some() {
            return Err(NegotiationError::OfferPending);
        }
        let (offer, lines) = offer::plan(self, local)?;
        self.sent = Some(offer.clone());
        self.pending = Some(Pending {
            offer: offer.clone(),
            lines,
        });
        Ok(offer)
    }

    /// Answers an offer of the peer.
    ///
    /// Media that have nothing in common with the local ones are rejected; that no line is left is for the caller to judge
    /// (SIP answers 488): [`Session::active`] is then empty.
    ///
    /// # Errors
    /// While an offer of this side waits; when the offer drops media lines, has a malformed attribute, or restarts ICE
    /// without new local credentials.
    pub fn answer(
        &mut self,
        local: &LocalSession,
        offer: &SessionDescription,
    ) -> Result<Answer, NegotiationError> {
        if self.pending.is_some() {
            return Err(NegotiationError::OfferPending);
        }
        let before = self.lines.len();
        if offer.media_len() < before {
            return Err(NegotiationError::MediaRemoved {
                before,
                now: offer.media_len(),
            });
        }
        check_attributes(offer)?;
        let (description, mut lines) = answer::plan(self, local, offer)?;
        let previous = self.agreed.as_ref().map(|agreed| &agreed.session);
        let session = settle::settle(
            &description,
            offer,
            settle::Role::Answerer,
            &lines,
            previous,
        )?;
        bury(&mut lines, &mut self.spent, &session);
        self.lines = lines;
        self.sent = Some(description.clone());
        self.agreed = Some(Agreed {
            local: description.clone(),
            remote: offer.clone(),
            session: session.clone(),
        });
        Ok(Answer {
            description,
            session,
        })
    }

    /// Takes the peer's answer to the offer that waits.
    ///
    /// # Errors
    /// When none waits; when the answer does not fit the offer. The offer waits on: another answer may be taken, or it is
    /// rolled back.
    pub fn accept(&mut self, answer: &SessionDescription) -> Result<Session, NegotiationError> {
        let pending = self
            .pending
            .as_ref()
            .ok_or(NegotiationError::NoOfferPending)?;
        let (offered, answered) = (pending.offer.media_len(), answer.media_len());
        // RFC 3264 §6: the same number of m-lines.
        if offered != answered {
            return Err(NegotiationError::MediaCount { offered, answered });
        }
        check_attributes(answer)?;
        let previous = self.agreed.as_ref().map(|agreed| &agreed.session);
        let session = settle::settle(
            &pending.offer,
            answer,
            settle::Role::Offerer,
            &pending.lines,
            previous,
        )?;
        let Some(Pending { offer, mut lines }) = self.pending.take() else {
            return Err(NegotiationError::NoOfferPending);
        };
        bury(&mut lines, &mut self.spent, &session);
        self.lines = lines;
        self.agreed = Some(Agreed {
            local: offer,
            remote: answer.clone(),
            session: session.clone(),
        });
        Ok(session)
    }

    /// Gives up the offer that waits: the session stays as it was (the offer was rejected, or lost against the peer's).
    ///
    /// # Errors
    /// When none waits.
    pub fn rollback(&mut self) -> Result<(), NegotiationError> {
        self.pending
            .take()
            .map(drop)
            .ok_or(NegotiationError::NoOfferPending)
    }

    /// What is agreed on.
    pub fn session(&self) -> Option<&Session> {
        self.agreed.as_ref().map(|agreed| &agreed.session)
    }

    /// The local description of the last agreement.
    pub fn local(&self) -> Option<&SessionDescription> {
        self.agreed.as_ref().map(|agreed| &agreed.local)
    }

    /// The peer's description of the last agreement.
    pub fn remote(&self) -> Option<&SessionDescription> {
        self.agreed.as_ref().map(|agreed| &agreed.remote)
    }

    /// Whether an offer of this side waits for its answer.
    pub const fn has_pending_offer(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether an offer restarts ICE on any agreed stream, so that new local credentials are needed (RFC 8839 §4.4.1.1.1).
    pub fn is_ice_restart(&self, offer: &SessionDescription) -> bool {
        let streams = self
            .session()
            .map(|session| session.streams.as_slice())
            .unwrap_or_default();
        streams.iter().zip(offer.media()).any(|(stream, media)| {
            let credentials = settle::ice_credentials(offer, &media);
            match (&stream.ice, credentials) {
                (Some(before), Some((ufrag, password))) => {
                    stream.bundled_with.is_none()
                        && (before.ufrag != ufrag || before.password != password)
                }
                _ => false,
            }
        })
    }
}

/// Lines that were rejected or removed are free, and lose their media.
fn bury(lines: &mut [LineState], spent: &mut Vec<usize>, session: &Session) {
    for (line, stream) in lines.iter_mut().zip(&session.streams) {
        line.dead = !stream.is_active();
        if line.dead {
            spent.extend(line.media.take());
        }
    }
    // A medium that found a line again lives again.
    spent.retain(|media| !lines.iter().any(|line| line.media == Some(*media)));
    spent.sort_unstable();
    spent.dedup();
}

/// The attributes whose misreading would send media astray.
fn check_attributes(description: &SessionDescription) -> Result<(), NegotiationError> {
    use crate::attribute::{Fingerprint, Rtcp, Rtpmap, Setup};
    for media in description.media().filter(|media| media.port() != 0) {
        for rtpmap in media.attributes_of::<Rtpmap<'_>>() {
            rtpmap?;
        }
        for fingerprint in media.attributes_of::<Fingerprint<'_>>() {
            fingerprint?;
        }
        media.attribute::<Rtcp<'_>>()?;
        media.attribute::<Setup>()?;
    }
    Ok(())
}
