//! Virtual clock, simulated network, ladders and corpora for the tests of the SIP workspace.
#![forbid(unsafe_code)]
