//! SDP session descriptions and the offer/answer function.
#![forbid(unsafe_code)]
