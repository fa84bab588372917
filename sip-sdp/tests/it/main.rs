//! The crate's tests through its public API.

mod attributes;
mod browsers;
mod corpus;
mod data;
mod edit;
mod examples;
mod exchange;
mod exchanges;
mod negotiation;
mod parse;
mod properties;
mod statements;
