//! The SIP transaction layer (RFC 3261 section 17, RFC 6026) as machines without sockets.
#![forbid(unsafe_code)]
