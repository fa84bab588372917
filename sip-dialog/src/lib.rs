#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attempt;
mod authentication;
mod config;
mod dialog;
mod dialogs;
pub mod digest;
mod early_media;
mod index;
mod io;
mod package;
mod publication;
mod refer;
mod referrer_token;
mod session;
mod session_body;
mod subscription;

pub use authentication::{AccountKey, Credential};
pub use config::{DialogConfig, Gone, InviteRequest, OutgoingRequest, RequestId, SessionId};
pub use dialogs::{Dialogs, Effect};
pub use early_media::{EarlyMedia, EarlyMediaDirection};
pub use io::{Body, EndCause, Event, FailureCause, Output, RejectCause, Token};
pub use package::EventPackage;
pub use publication::{PublicationChange, PublicationEnd, PublicationId, PublishRequest};
pub use refer::{ReferRequest, ReferTarget, Report};
pub use referrer_token::{ReferrerIdentity, ReferrerToken, check_referrer};
pub use session_body::{Meaning, OpaqueBody, SessionBody};
pub use subscription::{SubscribeRequest, SubscriptionEnd, SubscriptionId, SubscriptionStatus};
