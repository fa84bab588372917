//! Tests of the crate through its public API: corpora with verdicts, properties, limits.
#![allow(missing_docs, reason = "tests")]

mod examples;
mod limits;
mod oracle;
mod properties;
mod rfc4475;
mod rfc5118;
