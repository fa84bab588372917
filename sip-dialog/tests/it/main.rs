//! The dialog layer through its public interface: alone over a recording double, and in pairs over a simulated network.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "events that a test does not expect make it fail"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test's time has to begin somewhere"
)]
#![allow(
    clippy::large_enum_variant,
    reason = "a test keeps one of them at a time"
)]

mod authentication;
mod calls;
mod dialogs;
mod digest;
mod phone;
