//! The crate's tests through its public API.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod attributes;
mod browsers;
mod bundles;
mod corpus;
mod data;
mod edit;
mod examples;
mod exchange;
mod exchanges;
mod negotiation;
mod parse;
mod properties;
mod protection;
mod statements;
