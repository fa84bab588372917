//! Why something that a user agent was asked to do did not come about.

use sip_message::StatusCode;

use crate::media::MediaError;
use crate::runtime::Stopped;

/// Why something that a user agent was asked to do did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// What was asked makes no sense; the text says why, and what would.
    #[error("{0}")]
    Usage(String),
    /// The other side said no.
    #[error("{} {reason}", status.as_u16())]
    Refused {
        /// The final status.
        status: StatusCode,
        /// The reason phrase that came with it.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("{0} did not answer")]
    NoAnswer(String),
    /// There is no way to the other side: its name does not resolve, nothing listens there, the network says no.
    #[error("{0}")]
    Unreachable(String),
    /// Offer and answer have nothing in common.
    #[error("no common audio: {0}")]
    NoCommonMedia(String),
    /// A socket could not be opened.
    #[error("{0}")]
    Socket(#[source] std::io::Error),
    /// Audio could not be set up.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The call has ended before this could be done.
    #[error("the call has ended")]
    Ended,
    /// The user agent has been shut down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
