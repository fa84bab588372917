//! Tests of the crate through its public API.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bad_input;
mod call;
mod path;
