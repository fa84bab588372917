//! Captures: [`Captured`](crate::Captured) messages as pcapng and as HEP3, both as pure functions of the message and the
//! time. The feature `tokio` has the [`Recorder`](crate::tokio::Recorder) that writes them without ever holding up who
//! sends and receives.

mod hep;
mod packet;
mod pcapng;

pub use self::hep::Hep;
pub use self::pcapng::PcapngWriter;
