//! Tests of the layer through its public API.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "events that a test does not expect make it fail"
)]

mod at_sight;
mod cancel;
mod client;
mod flows;
mod layer;
mod limits;
mod matching;
mod model;
mod repeat;
mod rfc3665;
mod rig;
mod section17;
mod server;
mod statements;
mod statements_rfc3261;
mod storm;
