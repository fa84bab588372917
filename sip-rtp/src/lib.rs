//! RTP, RTCP, jitter buffer, telephone events and codecs as machines without sockets.
#![forbid(unsafe_code)]
