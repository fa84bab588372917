//! The call flows of RFC 3665 and RFC 5359, compared with what the RFC prints: each end of each flow in turn being ours, and all ends at
//! once over a simulated network.
//!
//! `data/rfc3665.txt` and `data/rfc5359.txt` hold the messages without bodies and without the fields that no dialog looks at. Tags,
//! Call-IDs and numbers are ours where we choose them: the text of the RFC is rewritten with them.

mod both;
mod desk;
mod one;
mod rfc3665;
mod rfc5359;
mod script;
mod world;
