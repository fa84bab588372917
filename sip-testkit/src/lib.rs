#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clock;
mod double;
mod endpoint;
mod ladder;
pub mod misbehave;
pub mod model;
mod nat;
mod network;
mod path;
mod seeds;
mod simulation;
pub mod storm;

pub use crate::clock::Clock;
pub use crate::double::{Call, RecordingTransactions};
pub use crate::endpoint::{Endpoint, User};
pub use crate::ladder::{Ladder, describe};
pub use crate::nat::{Filtering, Mapping, Nat};
pub use crate::network::{Fate, Network, Packet};
pub use crate::path::{Loss, Path};
pub use crate::seeds::{for_each_seed, seed_of};
pub use crate::simulation::{Node, NodeId, Simulation};
pub use sip_transport::{TransportKind, judge as validate};
