//! [`Anchors`]: whose signatures over callers are believed (RFC 8226): chains of certificates, and for whom they speak.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::passport::Party;

/// The certificates of authorities that are trusted.
#[derive(Clone, Default)]
pub struct Anchors {
    certificates: Vec<Vec<u8>>,
}

impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchors")
            .field("certificates", &self.certificates.len())
            .finish()
    }
}

/// A certificate that signs tokens, whose chain leads to an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// Its key: an uncompressed point of the curve P-256.
    pub public_key: Vec<u8>,
    /// The domains that it is for (RFC 8224 §8.4).
    pub domains: Vec<String>,
    /// The numbers that it is for (RFC 8226 §9).
    pub numbers: Vec<NumberScope>,
}

/// One entry of a list of telephone number authorization (RFC 8226 §9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 8226 section 9 has these three"
)]
pub enum NumberScope {
    /// The numbers of a service provider, which knows them itself.
    Provider(String),
    /// So many numbers from this one on.
    Range(String, u64),
    /// One number.
    One(String),
}

/// Why certificates are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// They cannot be read.
    #[error("no certificate")]
    Malformed,
    /// One has not begun, or has expired.
    #[error("the certificate is not valid now")]
    Expired,
    /// No anchor has signed them.
    #[error("no trusted authority has signed the certificate")]
    Untrusted,
    /// The key is not on the curve P-256.
    #[error("the certificate has another key than ES256 takes")]
    Key,
}

/// How many certificates a chain may have.
const LONGEST_CHAIN: usize = 5;

impl Anchors {
    /// From PEM: one certificate after the other.
    ///
    /// # Errors
    /// When one of them is none, or there is none.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let certificates = pem_certificates(pem)?;
        for der in &certificates {
            parse(der)?;
        }
        if certificates.is_empty() {
            return Err(CertificateError::Malformed);
        }
        Ok(Self { certificates })
    }

    /// Reads certificates as they were fetched, PEM or DER, the one that signs first, and follows them to an anchor.
    ///
    /// # Errors
    /// Why they are not believed.
    pub fn check(&self, fetched: &[u8], wall: SystemTime) -> Result<Credential, CertificateError> {
        let chain = if fetched.starts_with(&[0x30]) {
            vec![fetched.to_vec()]
        } else {
            let text = std::str::from_utf8(fetched).map_err(|_| CertificateError::Malformed)?;
            pem_certificates(text)?
        };
        let seconds = wall
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|time| i64::try_from(time.as_secs()).ok())
            .ok_or(CertificateError::Expired)?;
        let now = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::Expired)?;
        let mut links = chain.iter().take(LONGEST_CHAIN);
        let first = parse(links.next().ok_or(CertificateError::Malformed)?)?;
        let credential = credential(&first)?;
        let mut current = first;
        loop {
            if !current.validity().is_valid_at(now) {
                return Err(CertificateError::Expired);
            }
            for anchor in &self.certificates {
                let anchor = parse(anchor)?;
                if anchor.as_raw() == current.as_raw() || is_signed_by(&current, &anchor) {
                    return if anchor.validity().is_valid_at(now) {
                        Ok(credential)
                    } else {
                        Err(CertificateError::Expired)
                    };
                }
            }
            let next = parse(links.next().ok_or(CertificateError::Untrusted)?)?;
            if !is_signed_by(&current, &next) {
                return Err(CertificateError::Untrusted);
            }
            current = next;
        }
    }
}

impl Credential {
    /// May it speak for this party? A number is in its list, or is its provider's affair; of a URI it has the domain.
    #[must_use]
    pub fn speaks_for(&self, party: &Party) -> bool {
        match party {
            Party::Number(number) => self.numbers.iter().any(|scope| scope.contains(number)),
            Party::Uri(_) => party.host().is_some_and(|host| {
                self.domains
                    .iter()
                    .any(|domain| domain.eq_ignore_ascii_case(&host))
            }),
        }
    }
}

impl NumberScope {
    fn contains(&self, number: &str) -> bool {
        let same_length = |start: &str| start.len() == number.len();
        match self {
            // RFC 8226 §3: a service provider code stands for whatever numbers the provider has.
            Self::Provider(_) => true,
            Self::One(one) => one == number,
            Self::Range(start, count) => {
                same_length(start)
                    && matches!(
                        (start.parse::<u64>(), number.parse::<u64>()),
                        (Ok(start), Ok(number)) if number >= start && number - start < *count
                    )
            }
        }
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(CertificateError::Malformed),
    }
}

/// RFC 5280 §6.1: by name, by right and by signature.
fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let may_sign = issuer.is_ca()
        && issuer
            .key_usage()
            .ok()
            .flatten()
            .is_none_or(|usage| usage.value.key_cert_sign());
    may_sign
        && certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate
            .verify_signature(Some(issuer.public_key()))
            .is_ok()
}

fn credential(certificate: &X509Certificate<'_>) -> Result<Credential, CertificateError> {
    let public_key = certificate.public_key().subject_public_key.data.to_vec();
    // An uncompressed point of P-256; whether it lies on the curve is found out when a signature is verified.
    if public_key.len() != 65 || public_key.first() != Some(&4) {
        return Err(CertificateError::Key);
    }
    let mut domains = Vec::new();
    let mut numbers = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            for name in &names.general_names {
                match name {
                    GeneralName::DNSName(name) => domains.push((*name).to_owned()),
                    GeneralName::URI(uri) => {
                        // RFC 5922 §7.1: the URI of a domain has no user.
                        domains.extend(
                            uri.strip_prefix("sip:")
                                .filter(|host| !host.contains('@'))
                                .map(str::to_owned),
                        );
                    }
                    _ => {}
                }
            }
        }
        if extension.oid.to_id_string() == TN_AUTH_LIST {
            numbers = number_scopes(extension.value).ok_or(CertificateError::Malformed)?;
        }
    }
    Ok(Credential {
        public_key,
        domains,
        numbers,
    })
}

/// RFC 8226 §9: `id-pe-TNAuthList`.
const TN_AUTH_LIST: &str = "1.3.6.1.5.5.7.1.26";
/// How many entries of a list are read.
const MOST_SCOPES: usize = 10_000;

/// ```text
/// TNAuthorizationList ::= SEQUENCE SIZE (1..MAX) OF TNEntry
/// TNEntry ::= CHOICE { spc [0] IA5String, range [1] SEQUENCE { start IA5String, count INTEGER }, one [2] IA5String }
/// ```
fn number_scopes(der: &[u8]) -> Option<Vec<NumberScope>> {
    let (tag, mut list, rest) = element(der)?;
    if tag != 0x30 || !rest.is_empty() {
        return None;
    }
    let mut scopes = Vec::new();
    while !list.is_empty() && scopes.len() < MOST_SCOPES {
        let (tag, inner, rest) = element(list)?;
        list = rest;
        // Explicit tags: what they hold is an element of its own.
        let (kind, content, _) = element(inner)?;
        scopes.push(match (tag, kind) {
            (0xa0, 0x16) => NumberScope::Provider(ascii(content)?),
            (0xa2, 0x16) => NumberScope::One(ascii(content)?),
            (0xa1, 0x30) => {
                let (0x16, start, rest) = element(content)? else {
                    return None;
                };
                let (0x02, count, _) = element(rest)? else {
                    return None;
                };
                if count.len() > 8 {
                    return None;
                }
                let count = count
                    .iter()
                    .fold(0, |value: u64, byte| (value << 8) | u64::from(*byte));
                NumberScope::Range(ascii(start)?, count)
            }
            _ => return None,
        });
    }
    Some(scopes)
}

/// The tag, the content and what follows, of DER.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(*first & 0x7f);
        if count == 0 || count > 3 {
            return None;
        }
        let (octets, rest) = rest.split_at_checked(count)?;
        let len = octets
            .iter()
            .fold(0_usize, |value, byte| (value << 8) | usize::from(*byte));
        (len, rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((*tag, content, rest))
}

fn ascii(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.is_ascii())?;
    Some(text.trim_start_matches('+').to_owned())
}

/// The blocks `CERTIFICATE` of a PEM file; other blocks are passed over.
fn pem_certificates(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    pem.split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .take(64)
        .map(|block| {
            let body = block
                .split_once("-----END CERTIFICATE-----")
                .ok_or(CertificateError::Malformed)?
                .0;
            let body: String = body.split_whitespace().collect();
            STANDARD
                .decode(body)
                .map_err(|_| CertificateError::Malformed)
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, SanType,
    };
    use std::time::Duration;

    /// An authority, and a certificate of it with its key.
    pub(crate) struct Authority {
        pub(crate) anchor: String,
        pub(crate) leaf: String,
        pub(crate) key: String,
    }

    /// 2020 and 2040: the time of the tests is between.
    pub(crate) const NOW: u64 = 1_700_000_000;

    pub(crate) fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A list with a provider, a range and a number.
    const LIST: &[u8] = &[
        0x30, 0x32, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J', 0xa1, 0x14, 0x30, 0x12, 0x16,
        0x0b, b'1', b'2', b'1', b'5', b'5', b'5', b'5', b'1', b'2', b'0', b'0', 0x02, 0x03, 0x00,
        0x01, 0x00, 0xa2, 0x12, 0x16, 0x10, b'+', b'4', b'9', b'3', b'0', b'1', b'2', b'3', b'4',
        b'5', b'6', b'7', b'8', b'9', b'0', b'1',
    ];

    pub(crate) fn authority(list: Option<&[u8]>) -> Authority {
        let date = |year| rcgen::date_time_ymd(year, 1, 1);
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Authority");
        (params.not_before, params.not_after) = (date(2020), date(2040));
        let key = KeyPair::generate().unwrap();
        let anchor = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names = vec![
            SanType::DnsName("example.com".try_into().unwrap()),
            SanType::URI("sip:example.org".try_into().unwrap()),
        ];
        (params.not_before, params.not_after) = (date(2022), date(2030));
        if let Some(list) = list {
            params.custom_extensions = vec![CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 26],
                list.to_vec(),
            )];
        }
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap().pem();
        Authority {
            anchor,
            leaf,
            key: key.serialize_pem(),
        }
    }

    /// One number.
    pub(crate) const ONE: &[u8] = &[
        0x30, 0x0f, 0xa2, 0x0d, 0x16, 0x0b, b'1', b'2', b'1', b'5', b'5', b'5', b'5', b'1', b'2',
        b'1', b'2',
    ];

    #[test]
    fn rfc8226_9_the_list_says_which_numbers_are_signed_for() {
        assert_eq!(
            number_scopes(LIST).unwrap(),
            [
                NumberScope::Provider("709J".into()),
                NumberScope::Range("12155551200".into(), 256),
                NumberScope::One("49301234567890 1".replace(' ', "")),
            ]
        );
        for end in 0..LIST.len() {
            assert_eq!(number_scopes(&LIST[..end]), None, "{end}");
        }
        let range = NumberScope::Range("12155551200".into(), 256);
        for (number, expected) in [
            ("12155551200", true),
            ("12155551455", true),
            ("12155551456", false),
            ("12155551199", false),
            ("2155551200", false),
            ("1215555120*", false),
        ] {
            assert_eq!(range.contains(number), expected, "{number}");
        }
    }

    #[test]
    fn rfc5280_6_1_a_chain_leads_to_an_anchor() {
        let ours = authority(Some(ONE));
        let anchors = Anchors::from_pem(&ours.anchor).unwrap();
        let credential = anchors.check(ours.leaf.as_bytes(), at(NOW)).unwrap();
        assert_eq!(credential.domains, ["example.com", "example.org"]);
        assert!(credential.speaks_for(&Party::Number("12155551212".into())));
        assert!(!credential.speaks_for(&Party::Number("12155551213".into())));
        assert!(credential.speaks_for(&Party::Uri("sip:alice@example.com".into())));
        assert!(!credential.speaks_for(&Party::Uri("sip:alice@example.net".into())));
        // With the anchor in the chain, and as DER.
        let chain = format!("{}{}", ours.leaf, ours.anchor);
        assert!(anchors.check(chain.as_bytes(), at(NOW)).is_ok());
        let der = pem_certificates(&ours.leaf).unwrap().remove(0);
        assert!(anchors.check(&der, at(NOW)).is_ok());
        // Another authority of the same name, and certificates out of their time.
        let theirs = authority(Some(ONE));
        assert_eq!(
            anchors.check(theirs.leaf.as_bytes(), at(NOW)),
            Err(CertificateError::Untrusted)
        );
        let both = format!("{}{}", theirs.leaf, theirs.anchor);
        assert_eq!(
            anchors.check(both.as_bytes(), at(NOW)),
            Err(CertificateError::Untrusted)
        );
        for year in [1_600_000_000, 1_950_000_000] {
            assert_eq!(
                anchors.check(ours.leaf.as_bytes(), at(year)),
                Err(CertificateError::Expired)
            );
        }
        // Who is no authority signs nobody's certificate.
        let leaf = Anchors::from_pem(&ours.leaf).unwrap();
        assert!(
            leaf.check(ours.leaf.as_bytes(), at(NOW)).is_ok(),
            "trusted as it is"
        );
        assert_eq!(
            leaf.check(ours.anchor.as_bytes(), at(NOW)),
            Err(CertificateError::Untrusted)
        );
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let ours = authority(None);
        let anchors = Anchors::from_pem(&ours.anchor).unwrap();
        for wrong in [&b""[..], b"0", b"-----BEGIN CERTIFICATE-----", b"\xff\xfe"] {
            assert_eq!(
                anchors.check(wrong, at(NOW)),
                Err(CertificateError::Malformed)
            );
        }
        assert!(Anchors::from_pem("").is_err());
        let credential = anchors.check(ours.leaf.as_bytes(), at(NOW)).unwrap();
        assert!(!credential.speaks_for(&Party::Number("1".into())));
    }
}
