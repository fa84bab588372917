//! The automation of the SIP workspace: `cargo xtask help`.
#![forbid(unsafe_code)]
fn main() {}
