//! SIP dialogs, sessions and subscriptions as machines without sockets.
#![forbid(unsafe_code)]
