//! Who is calling, and what of it must not be shown.

mod additional_identity;
mod identity;
mod identity_info;
mod p_asserted_identity;
mod p_preferred_identity;
mod privacy;
mod remote_party_id;

pub use self::additional_identity::AdditionalIdentity;
pub use self::identity::Identity;
pub use self::identity_info::IdentityInfo;
pub use self::p_asserted_identity::PAssertedIdentity;
pub use self::p_preferred_identity::PPreferredIdentity;
pub use self::privacy::Privacy;
pub use self::remote_party_id::RemotePartyId;
