use std::time::{Duration, SystemTime};

use super::*;

fn development(domain: &str) -> (String, String) {
    let params = rcgen::CertificateParams::new(vec![domain.to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn config(identity: Identity) -> TlsConfig {
    TlsConfig {
        identities: vec![identity],
        trust: Trust::danger_anyone(),
        ..TlsConfig::default()
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let (certificate, key) = development("a.example");
    let (_, other_key) = development("b.example");
    let (certificate, key, other_key) =
        (certificate.as_bytes(), key.as_bytes(), other_key.as_bytes());
    assert_eq!(
        Identity::pem(b"", key).unwrap_err(),
        TlsError::Missing("a certificate")
    );
    assert_eq!(
        Identity::pem(certificate, certificate).unwrap_err(),
        TlsError::Missing("a private key")
    );
    let broken = b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    assert_eq!(
        Identity::pem(broken, key).unwrap_err(),
        TlsError::Pem("a certificate")
    );
    let mixed = Identity::pem(certificate, other_key).unwrap();
    assert_eq!(Tls::new(config(mixed)).unwrap_err(), TlsError::Mismatch);
    assert_eq!(
        Trust::pem(b"").unwrap_err(),
        TlsError::Missing("a certificate")
    );
    let error = Identity::pem_files(Path::new("/no/such/file"), Path::new("/no/such/key"));
    assert!(error.unwrap_err().to_string().starts_with("/no/such/key: "));
    // To ask clients for certificates that anybody may sign is no authentication.
    let identity = Identity::pem(certificate, key).unwrap();
    let mut config = config(identity);
    config.clients = ClientCertificates::Required(Trust::danger_anyone());
    assert!(Tls::new(config).is_err());
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let (certificate, key) = development("a.example");
    let (_, other_key) = development("b.example");
    let good = Identity::pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let bad = Identity::pem(certificate.as_bytes(), other_key.as_bytes()).unwrap();
    let tls = Tls::new(config(good.clone())).unwrap();
    let before = tls.server().unwrap();
    assert!(tls.reload(config(bad)).is_err());
    assert!(Arc::ptr_eq(&before, &tls.server().unwrap()));
    tls.reload(config(good)).unwrap();
    assert!(!Arc::ptr_eq(&before, &tls.server().unwrap()));
}

#[test]
fn keys_are_not_printed() {
    let (certificate, key) = development("a.example");
    let identity = Identity::pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let printed = format!("{:?}", config(identity));
    assert!(printed.contains("a.example"), "{printed}");
    assert!(!printed.contains("key"), "{printed}");
}

#[cfg(feature = "development-certificate")]
#[test]
fn rfc5922_7_1_a_development_certificate_names_sip_domains() {
    #[expect(
        clippy::disallowed_methods,
        reason = "certificates are about the real time"
    )]
    let now = SystemTime::now();
    let made = DevelopmentCertificate::make(
        &["example.com"],
        &["192.0.2.1".parse().unwrap()],
        Duration::from_secs(3600),
        now,
    )
    .unwrap();
    let identity = Identity::pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
    assert!(identity.names().proves("example.com"));
    assert!(
        identity
            .names()
            .proves_address("192.0.2.1".parse().unwrap())
    );
    assert!(!format!("{made:?}").contains("PRIVATE"));
    assert!(Tls::new(config(identity)).is_ok());
    let long = "ü.example";
    assert_eq!(
        DevelopmentCertificate::make(&[long], &[], Duration::from_secs(1), now).unwrap_err(),
        TlsError::Name
    );
}
