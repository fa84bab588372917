#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod capture;
mod config;
mod deadline;
mod failover;
mod flow;
mod id;
mod identity;
mod io;
#[cfg(feature = "__judge")]
pub mod judge;
mod keep_alive;
mod kind;
mod minted;
mod procedure;
mod recovery;
mod room;
mod route;
mod seed;
mod short_code;
mod sighted;
mod slab;
mod stats;
mod stun;
mod target;
#[cfg(test)]
mod testing;
#[cfg(feature = "tokio")]
pub mod tokio;
mod transports;
mod usual;
mod via;

pub use crate::capture::{Hep, PcapngWriter};
pub use crate::config::{Limits, TransportConfig};
pub use crate::deadline::{DeadlineId, DeadlineQueue};
pub use crate::failover::Failover;
pub use crate::flow::{Flow, SentBy};
pub use crate::id::{ConnectionId, FlowId, ListenerId, ResolveId, SelectId};
pub use crate::identity::PeerIdentity;
pub use crate::io::{
    Answer, Captured, CertificateFault, ConnectionError, Event, FlowFailure, Gone, Input,
    Malformed, NaptrRecord, Output, Question, ResolveError, Rewrite, SelectError, SrvRecord,
};
pub use crate::keep_alive::KeepAlive;
pub use crate::kind::TransportKind;
pub use crate::minted::{MintedHash, MintedHasher};
pub use crate::recovery::Recovery;
pub use crate::seed::{KeyedHash, Rng, Seed};
pub use crate::short_code::ShortCode;
pub use crate::sighted::Sighted;
pub use crate::stats::Stats;
pub use crate::target::{Target, TargetError, TargetHost};
pub use crate::transports::{FlowTokenError, Transports};
