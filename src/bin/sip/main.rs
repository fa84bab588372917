//! The program `sip`: a SIP server and a telephone.
#![forbid(unsafe_code)]
fn main() {}
