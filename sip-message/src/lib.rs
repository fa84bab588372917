//! SIP messages: parse, inspect, edit, build and encode without copying.
#![forbid(unsafe_code)]
