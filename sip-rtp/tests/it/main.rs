//! Tests of the crate through its public API.

mod call;
mod path;
