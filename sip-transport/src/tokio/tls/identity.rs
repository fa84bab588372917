//! [`Identity`]: a certificate with its key; and what a certificate names.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{TlsError, read};
use crate::identity::PeerIdentity;

/// A certificate, those that lead from it to its authority, and its private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// From PEM: the certificate first, then those of the authorities between; and its key (PKCS #8, PKCS #1 or
    /// SEC 1). Both may stand in one text.
    ///
    /// # Errors
    /// If one is missing or cannot be read. Whether the key belongs to the certificate is checked by
    /// [`Tls::new`](super::Tls::new).
    pub fn pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Pem("a certificate"))?;
        if chain.is_empty() {
            return Err(TlsError::Missing("a certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            if matches!(error, rustls::pki_types::pem::Error::NoItemsFound) {
                TlsError::Missing("a private key")
            } else {
                TlsError::Pem("a private key")
            }
        })?;
        Ok(Self { chain, key })
    }

    /// As [`pem`](Self::pem), from files.
    ///
    /// # Errors
    /// If a file cannot be read, or its content not used.
    pub fn pem_files(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let key_text = read(key)?;
        Self::pem(&read(chain)?, &key_text).map_err(|error| {
            let of_key = matches!(error, TlsError::Missing(what) | TlsError::Pem(what) if what.ends_with("key"));
            error.in_file(if of_key { key } else { chain })
        })
    }

    /// What the certificate names.
    #[must_use]
    pub fn names(&self) -> PeerIdentity {
        self.chain
            .first()
            .and_then(|der| names(der))
            .unwrap_or_default()
    }

    pub(super) fn key(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let key = provider
            .key_provider
            .load_private_key(self.key.clone_key())
            .map_err(|_| TlsError::Key)?;
        let key = CertifiedKey::new(self.chain.clone(), key);
        match key.keys_match() {
            // Some keys cannot tell.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Arc::new(key))
            }
            Err(rustls::Error::InvalidCertificate(_)) => Err(TlsError::Certificate),
            Err(_) => Err(TlsError::Mismatch),
        }
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key.
        f.debug_struct("Identity")
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

/// The identities in a certificate (RFC 5922 §7.1); `None` if it cannot be read.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Option<PeerIdentity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let (mut uris, mut dns_names, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(name) => dns_names.push(*name),
            GeneralName::IPAddress(bytes) => {
                if let Ok(bytes) = <[u8; 4]>::try_from(*bytes) {
                    addresses.push(bytes.into());
                } else if let Ok(bytes) = <[u8; 16]>::try_from(*bytes) {
                    addresses.push(bytes.into());
                }
            }
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => {}
        }
    }
    Some(PeerIdentity::from_names(uris, dns_names, addresses))
}
