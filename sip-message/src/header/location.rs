//! Locations (RFC 6442) and alerts (RFC 8876).

mod alert_msg_error;
mod geolocation;
mod geolocation_error;
mod geolocation_routing;

pub use self::alert_msg_error::AlertMsgError;
pub use self::geolocation::Geolocation;
pub use self::geolocation_error::GeolocationError;
pub use self::geolocation_routing::GeolocationRouting;
