//! Authentication (RFC 3261 §22, RFC 7616, RFC 8760) and agreement on security (RFC 3329).

mod authentication_info;
mod authorization;
mod challenge;
mod credentials;
mod info;
mod mechanism;
mod params;
mod proxy_authenticate;
mod proxy_authentication_info;
mod proxy_authorization;
mod security_client;
mod security_server;
mod security_verify;
mod value;
mod www_authenticate;

pub use self::authentication_info::AuthenticationInfo;
pub use self::authorization::Authorization;
pub use self::challenge::Challenge;
pub use self::credentials::Credentials;
pub use self::params::AuthParams;
pub use self::proxy_authenticate::ProxyAuthenticate;
pub use self::proxy_authentication_info::ProxyAuthenticationInfo;
pub use self::proxy_authorization::ProxyAuthorization;
pub use self::security_client::SecurityClient;
pub use self::security_server::SecurityServer;
pub use self::security_verify::SecurityVerify;
pub use self::www_authenticate::WwwAuthenticate;
