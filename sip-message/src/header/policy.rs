//! Session policies (RFC 6794) and consent (RFC 5360).

mod permission_missing;
mod policy_contact;
mod policy_id;
mod trigger_consent;

pub use self::permission_missing::PermissionMissing;
pub use self::policy_contact::PolicyContact;
pub use self::policy_id::PolicyId;
pub use self::trigger_consent::TriggerConsent;
