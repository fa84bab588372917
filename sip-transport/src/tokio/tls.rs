//! TLS (feature `tls`): certificates, whom to trust, and the handshakes. The only module that knows the library.
//!
//! ```
//! use sip_transport::tokio::tls::{Tls, TlsConfig, Trust};
//!
//! // A telephone that trusts the authorities of the system and has no certificate of its own.
//! let tls = Tls::new(TlsConfig::default());
//! # drop(tls);
//! ```

#[cfg(feature = "development-certificate")]
mod development;
mod handshake;
mod identity;
mod resolver;
mod verifier;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

#[cfg(feature = "development-certificate")]
pub use self::development::DevelopmentCertificate;
pub(super) use self::handshake::connection_error;
pub use self::identity::Identity;
use self::resolver::{ClientIdentity, ServerIdentities};
use self::verifier::{Anyone, SipVerifier};

/// Sessions that are remembered to resume them: by a server for clients that keep no tickets, by a client for each
/// server.
const SESSIONS: usize = 4096;

/// How TLS connections are secured.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsConfig {
    /// Who we are. A server shows the one whose names fit the name that the client asks for (SNI), else the first; a
    /// client that is asked for one shows the first. Without any, no connection is accepted.
    pub identities: Vec<Identity>,
    /// Who must have signed the certificates of servers. Default: the authorities that the system trusts.
    pub trust: Trust,
    /// What is wanted of clients.
    pub clients: ClientCertificates,
    /// The versions that are spoken.
    pub versions: TlsVersions,
}

/// What a server wants of the certificates of its clients (RFC 5922 §7.4, mutual authentication).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// None is asked for: telephones prove themselves by digest authentication.
    #[default]
    NotAsked,
    /// One is asked for, and verified if it is shown.
    Asked(Trust),
    /// Without one that is verified there is no connection.
    Required(Trust),
}

/// The versions of TLS that are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersions {
    /// TLS 1.2 (RFC 5246) and 1.3 (RFC 8446).
    #[default]
    From12,
    /// TLS 1.3 only.
    Only13,
}

impl TlsVersions {
    const fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::From12 => &FROM_12,
            Self::Only13 => FROM_12.split_at(1).0,
        }
    }
}

/// Who may sign the certificate of a peer.
#[derive(Clone, Default)]
pub struct Trust(Authorities);

#[derive(Clone, Default)]
enum Authorities {
    #[default]
    System,
    These(Arc<RootCertStore>),
    Anyone,
}

impl Trust {
    /// The authorities that the system trusts, read when [`Tls::new`] or [`Tls::reload`] is called.
    #[must_use]
    pub const fn system() -> Self {
        Self(Authorities::System)
    }

    /// The certificates of these authorities, as PEM; or a certificate that signed itself, to trust exactly that one.
    ///
    /// # Errors
    /// If there is none, or one that cannot be read.
    pub fn pem(pem: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| TlsError::Pem("a certificate"))?;
            roots.add(certificate).map_err(|_| TlsError::Certificate)?;
        }
        if roots.is_empty() {
            return Err(TlsError::Missing("a certificate"));
        }
        Ok(Self(Authorities::These(Arc::new(roots))))
    }

    /// As [`pem`](Self::pem), from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or its content not used.
    pub fn pem_file(path: &Path) -> Result<Self, TlsError> {
        Self::pem(&read(path)?).map_err(|error| error.in_file(path))
    }

    /// Everybody: nothing is verified, so that whoever sits between can read and change everything. For tests only.
    #[must_use]
    pub const fn danger_anyone() -> Self {
        Self(Authorities::Anyone)
    }

    fn roots(&self) -> Result<Option<Arc<RootCertStore>>, TlsError> {
        match &self.0 {
            Authorities::These(roots) => Ok(Some(Arc::clone(roots))),
            Authorities::Anyone => Ok(None),
            Authorities::System => {
                let mut roots = RootCertStore::empty();
                // Those that cannot be read are left out: an old one among hundreds is no reason to trust nobody.
                let found = rustls_native_certs::load_native_certs();
                let (added, ignored) = roots.add_parsable_certificates(found.certs);
                tracing::debug!(added, ignored, "authorities that the system trusts");
                Ok(Some(Arc::new(roots)))
            }
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Authorities::System => f.write_str("Trust(system)"),
            Authorities::These(roots) => write!(f, "Trust({} authorities)", roots.len()),
            Authorities::Anyone => f.write_str("Trust(DANGER: anyone)"),
        }
    }
}

/// The TLS of one or several [`Driver`](super::Driver)s: clones share certificates and sessions.
///
/// Certificates are [reloaded](Self::reload) while connections go on.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<RwLock<Sides>>,
}

#[derive(Clone)]
struct Sides {
    client: Arc<ClientConfig>,
    /// Is what the certificate of a server says verified?
    verifies: bool,
    /// `None` without a certificate.
    server: Option<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("accepts", &self.server().is_some())
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// With these certificates.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn new(config: TlsConfig) -> Result<Self, TlsError> {
        let shared = Arc::new(RwLock::new(Sides::new(config)?));
        Ok(Self { shared })
    }

    /// Other certificates for all connections from now on, in every driver that shares this. Those that are open stay.
    /// Sessions of before are not resumed: what they proved may no longer be trusted.
    ///
    /// # Errors
    /// If they cannot be used; then nothing changes.
    pub fn reload(&self, config: TlsConfig) -> Result<(), TlsError> {
        let sides = Sides::new(config)?;
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = sides;
        Ok(())
    }

    fn server(&self) -> Option<Arc<ServerConfig>> {
        let sides = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        sides.server.clone()
    }

    fn client(&self) -> (Arc<ClientConfig>, bool) {
        let sides = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&sides.client), sides.verifies)
    }
}

impl Sides {
    fn new(config: TlsConfig) -> Result<Self, TlsError> {
        // Named here, because a process-wide default would be somebody else's to choose.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let keys: Vec<Arc<CertifiedKey>> = config
            .identities
            .iter()
            .map(|identity| identity.key(&provider))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            client: Arc::new(client(&config, &keys, &provider)?),
            verifies: !matches!(config.trust.0, Authorities::Anyone),
            server: match keys.is_empty() {
                true => None,
                false => Some(Arc::new(server(&config, keys, &provider)?)),
            },
        })
    }
}

fn client(
    config: &TlsConfig,
    keys: &[Arc<CertifiedKey>],
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig, TlsError> {
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(config.versions.list())
        .map_err(|_| TlsError::Library)?
        .dangerous();
    let builder = match config.trust.roots()? {
        Some(roots) => {
            builder.with_custom_certificate_verifier(Arc::new(SipVerifier::new(roots, algorithms)))
        }
        None => builder.with_custom_certificate_verifier(Arc::new(Anyone::new(algorithms))),
    };
    let mut client =
        builder.with_client_cert_resolver(Arc::new(ClientIdentity(keys.first().cloned())));
    client.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(client)
}

fn server(
    config: &TlsConfig,
    keys: Vec<Arc<CertifiedKey>>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(config.versions.list())
        .map_err(|_| TlsError::Library)?;
    let builder = match &config.clients {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::Asked(trust) | ClientCertificates::Required(trust) => {
            // To ask for a certificate and to believe anything is no authentication.
            let roots = trust.roots()?.ok_or(TlsError::Missing("an authority"))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            let verifier = match config.clients {
                ClientCertificates::Required(_) => verifier,
                ClientCertificates::Asked(_) | ClientCertificates::NotAsked => {
                    verifier.allow_unauthenticated()
                }
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|_| TlsError::Authority)?)
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(ServerIdentities::new(keys)));
    server.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    // Tickets (RFC 8446 §2.2, RFC 5077): sessions of any number of telephones are resumed without memory for them.
    server.ticketer = aws_lc_rs::Ticketer::new().map_err(|_| TlsError::Library)?;
    Ok(server)
}

/// Why certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read: which, and what the system said.
    File(Box<str>),
    /// There is no such thing in the PEM text.
    Missing(&'static str),
    /// What should be such a thing in the PEM text is broken.
    Pem(&'static str),
    /// A certificate cannot be used.
    Certificate,
    /// The key is of a kind that cannot be used.
    Key,
    /// The key does not belong to the certificate.
    Mismatch,
    /// The authorities for client certificates cannot be used.
    Authority,
    /// The library refused the combination.
    Library,
    /// A certificate for development cannot be made: a name that cannot be in one.
    Name,
}

impl TlsError {
    fn in_file(self, path: &Path) -> Self {
        Self::File(format!("{}: {self}", path.display()).into())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => f.write_str(error),
            Self::Missing(what) => write!(f, "there is no PEM text of {what}"),
            Self::Pem(what) => write!(f, "the PEM text of {what} is broken"),
            Self::Certificate => f.write_str("a certificate cannot be read"),
            Self::Key => f.write_str("the private key is of a kind that cannot be used"),
            Self::Mismatch => f.write_str("the private key does not belong to the certificate"),
            Self::Authority => {
                f.write_str("the authorities for client certificates cannot be used")
            }
            Self::Library => f.write_str("the TLS library refused its configuration"),
            Self::Name => f.write_str("a certificate cannot have this name"),
        }
    }
}

impl std::error::Error for TlsError {}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path)
        .map_err(|error| TlsError::File(format!("{}: {error}", path.display()).into()))
}

#[cfg(test)]
mod tests;
