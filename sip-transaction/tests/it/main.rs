//! Tests of the layer through its public API.

mod cancel;
mod client;
mod flows;
mod layer;
mod limits;
mod matching;
mod model;
mod rfc3665;
mod rig;
mod server;
mod storm;
