//! Which certificate is shown.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::names;
use crate::identity::PeerIdentity;

/// The certificates of a server, each with what it names.
#[derive(Debug)]
pub(super) struct ServerIdentities(Vec<(PeerIdentity, Arc<CertifiedKey>)>);

impl ServerIdentities {
    pub(super) fn new(keys: Vec<Arc<CertifiedKey>>) -> Self {
        let named = |key: Arc<CertifiedKey>| {
            let names = key.cert.first().and_then(names).unwrap_or_default();
            (names, key)
        };
        Self(keys.into_iter().map(named).collect())
    }

    /// The one that proves the name that the client asks for; for clients that ask for none, or for one that nobody
    /// here has, the first: they may know what they are doing (RFC 6066 §3).
    fn find(&self, wanted: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let fits = |name| self.0.iter().find(|(names, _)| names.proves(name));
        wanted
            .and_then(fits)
            .or_else(|| self.0.first())
            .map(|(_, key)| Arc::clone(key))
    }
}

impl ResolvesServerCert for ServerIdentities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

/// The certificate of a client, if it has one.
#[derive(Debug)]
pub(super) struct ClientIdentity(pub(super) Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for ClientIdentity {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Whatever the server hints at: it says itself whether it takes this one.
        self.0
            .as_ref()
            .filter(|key| key.key.choose_scheme(schemes).is_some())
            .cloned()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
