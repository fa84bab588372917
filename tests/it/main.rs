//! The whole of it over loopback: a server, telephones of the library, and the program as a script would use it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what a test does not expect makes it fail"
)]

#[cfg(unix)]
mod activation;
mod agents;
mod chaos;
mod disorder;
mod extensions;
mod faults;
mod flows;
mod killed;
mod misbehaving;
#[cfg(unix)]
mod nodes;
mod operate;
mod outage;
mod peer;
mod program;
mod registrations;
mod secure;
mod sessions;
mod subject;
#[cfg(all(unix, feature = "otel"))]
mod telemetry;
mod telephones;
mod transfers;
mod trusted;
#[cfg(unix)]
mod workers;
