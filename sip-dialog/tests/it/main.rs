//! The dialog layer through its public interface: alone over a recording double, and in pairs over a simulated network.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "events that a test does not expect make it fail"
)]

mod agent;
mod agreement;
mod authentication;
mod calls;
mod changes;
mod dialogs;
mod digest;
mod flows;
mod forked;
mod hooks;
mod identity;
mod model;
mod offers;
mod phone;
mod publications;
mod races;
mod redirect;
mod referrals;
mod reinvites;
mod reliable;
mod statements;
mod statements_rfc3261;
mod statements_rfc3262;
mod statements_rfc3903;
mod statements_rfc4028;
mod statements_rfc6665;
mod statements_transfer;
mod statements_uac;
mod statements_uas;
mod subscriptions;
mod timers;
mod transfers;
