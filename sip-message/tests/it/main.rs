//! Tests of the crate through its public API: corpora with verdicts, properties, limits.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod examples;
mod extensions;
mod limits;
mod oracle;
mod properties;
mod rfc4475;
mod rfc5118;
mod statements;
mod validity;
mod values;
