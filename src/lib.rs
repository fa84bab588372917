//! The umbrella of the SIP workspace.
#![forbid(unsafe_code)]
