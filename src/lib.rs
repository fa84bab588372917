#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of the layers are non-exhaustive: a match outside of their crates needs such an arm"
)]

pub mod agent;
pub mod auth;
pub mod domain;
pub mod gruu;
pub mod guard;
pub mod identity;
pub mod location;
pub mod media;
pub mod reginfo;
pub mod role;
pub mod routing;
pub mod runtime;
pub mod server;
pub mod stack;
pub mod store;
pub mod users;

/// The layers, as this crate was built with them.
pub use {
    sip_dialog as dialog, sip_message as message, sip_rtp as rtp, sip_sdp as sdp,
    sip_transaction as transaction, sip_transport as transport,
};

pub use agent::{Account, UserAgent};
pub use media::{WavFile, WavRecorder};
pub use server::Server;
