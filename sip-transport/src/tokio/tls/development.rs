//! [`DevelopmentCertificate`] (feature `development-certificate`).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
};

use super::TlsError;

/// A certificate that signed itself, for trying things out: nobody trusts it who was not told to.
///
/// It is made only where this is called. Peers are given [`certificate`](Self::certificate) as the one to trust.
#[derive(Clone)]
#[non_exhaustive]
pub struct DevelopmentCertificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM: to be kept from others.
    pub key: String,
}

impl std::fmt::Debug for DevelopmentCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key.
        f.debug_struct("DevelopmentCertificate")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl DevelopmentCertificate {
    /// Makes one for these SIP domains and addresses, good from a day before `now` for `lifetime`. The domains stand in
    /// it as SIP URIs and as DNS names (RFC 5922 §7.1).
    ///
    /// # Errors
    /// If a domain cannot stand in a certificate.
    pub fn make(
        domains: &[&str],
        addresses: &[IpAddr],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Self, TlsError> {
        let name = |text: &str| Ia5String::try_from(text).map_err(|_| TlsError::Name);
        let mut params = CertificateParams::default();
        for domain in domains {
            let uri = name(&format!("sip:{domain}"))?;
            params.subject_alt_names.push(SanType::URI(uri));
            params
                .subject_alt_names
                .push(SanType::DnsName(name(domain)?));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().map(|&ip| SanType::IpAddress(ip)));
        params
            .distinguished_name
            .push(DnType::CommonName, "sip-stack development certificate");
        params.not_before = (now - Duration::from_secs(86_400)).into();
        params.not_after = (now + lifetime).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().map_err(|_| TlsError::Library)?;
        let certificate = params.self_signed(&key).map_err(|_| TlsError::Name)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}
