//! Who calls: trust between networks, asserted identities, privacy, and signatures over both.
//!
//! [`Trust`] is what a network believes, of whom; [`asserted`] and [`privacy`] are what follows from it for a message
//! (RFC 3323, RFC 3325); [`stir`] looks at signatures and makes them (RFC 8224). All of it is pure: a custom server calls the same functions that the proxy does.

pub mod asserted;
pub mod certificate;
mod fetch;
pub mod passport;
mod peers;
pub mod privacy;
pub mod stir;
mod store;
mod trust;

pub use self::fetch::{CertificateFetcher, NoAuthority};
pub use self::peers::Peers;
pub use self::store::{CertificateDirectory, CertificateStore, CertificateStores};
pub use self::trust::Trust;
