//! Event notification and reference (RFC 6665, RFC 3515, RFC 3903).

mod allow_events;
mod event;
mod refer_events_at;
mod refer_sub;
mod refer_to;
mod referred_by;
mod sip_etag;
mod sip_if_match;
mod subscription_state;
mod suppress_if_match;

pub use self::allow_events::AllowEvents;
pub use self::event::Event;
pub use self::refer_events_at::ReferEventsAt;
pub use self::refer_sub::ReferSub;
pub use self::refer_to::ReferTo;
pub use self::referred_by::ReferredBy;
pub use self::sip_etag::SipETag;
pub use self::sip_if_match::SipIfMatch;
pub use self::subscription_state::SubscriptionState;
pub use self::suppress_if_match::SuppressIfMatch;
