#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attempt;
mod authentication;
mod dialog;
mod dialogs;
pub mod digest;
mod io;

pub use authentication::{AccountKey, Credential};
pub use dialogs::{
    DialogConfig, Dialogs, Gone, InviteRequest, OutgoingRequest, RequestId, SessionId,
};
pub use io::{Body, EndCause, Event, FailureCause, Output, RejectCause, Token};
