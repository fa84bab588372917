#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a failed index is a failed test")
)]

mod arena;
mod branch;
mod compose;
mod config;
mod event;
mod fold;
mod id;
mod index;
mod invite_client;
mod invite_server;
mod layer;
mod links;
mod marks;
mod matching;
mod non_invite_client;
mod non_invite_server;
mod outputs;
mod peers;
mod scan;
mod siphash;
mod slab;
mod stats;
mod step;
#[cfg(test)]
mod table;
mod tick;
mod timer;
mod timers;
mod transactions;
mod universal;

pub use sip_transport::{Flow, FlowId, Seed, TransportKind};

pub use crate::branch::Branch;
pub use crate::config::TransactionConfig;
pub use crate::event::{Event, Input, Output};
pub use crate::id::{ClientTransactionId, Gone, ServerTransactionId, TransactionId};
pub use crate::layer::{Interposed, TransactionLayer};
pub use crate::matching::StatelessTag;
pub use crate::stats::Stats;
pub use crate::timer::Timer;
pub use crate::transactions::{Listed, Transactions};
pub use crate::universal::Universal;
