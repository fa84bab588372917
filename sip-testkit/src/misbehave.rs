//! A peer that misbehaves, by name.
//!
//! A [`Peer`] calls, registers, watches or is called, as a telephone would; with a [`Sin`] it does one thing wrong, again
//! and again, and at last it ends what it began. Without one it is as good as it should be: the others on the same server,
//! whom no sin may disturb. It shares nothing with the crates that it examines but the RFCs: messages are text here.
//!
//! What each sin comes to against each [`Role`] is data: [`expected`] reads it from `misbehave/verdicts.txt`. The tests of the
//! umbrella crate play all of it in virtual time; the program `misbehaving` does it to a real implementation.
//!
//! ```
//! use std::time::Instant;
//! use sip_testkit::misbehave::{Peer, Plan, Role, Sin};
//!
//! let mut plan = Plan::new(Role::Registrar, "192.0.2.9:5060".parse().unwrap(), "192.0.2.1:5060".parse().unwrap());
//! plan.sin = Some(Sin::ViaStripped);
//! let mut peer = Peer::new(plan);
//! peer.start(Instant::now());
//! let sent = peer.poll_sent().unwrap();
//! assert!(sent.bytes.starts_with(b"REGISTER sip:example.com SIP/2.0\r\nMax-Forwards: 70\r\n"));
//! assert_eq!(peer.verdict(), "none");
//! ```

mod draft;
mod peer;
mod sin;
mod verdicts;
mod wrong;

pub use self::peer::{Peer, Plan, Sent};
pub use self::sin::{Role, Sin};
pub use self::verdicts::expected;
