//! [`CertificateFetcher`]: certificates of signed callers by HTTPS (RFC 8224 §7.2, RFC 8225 §5.3.1).

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::CertificateStore;
use crate::store::BoxFuture;

/// Chains of certificates are a few kilobytes.
const LARGEST: usize = 65_536;
/// How long all of it may take; the caller hears nothing meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many are fetched at a time: callers choose the addresses.
const AT_A_TIME: usize = 16;
/// How many are kept.
const MOST_CACHED: usize = 1024;
/// How long what is there is believed when its server does not say, and the most and least when it does.
const USUAL: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest address that is asked for.
const LONGEST_URL: usize = 1024;

/// Fetches certificates from where the callers' signatures say that they are, and remembers them.
///
/// Those addresses come from strangers. So it asks none but public addresses, on the ports 443 and 8443, over TLS whose
/// certificate is that of the host; follows no redirection; takes no more than 64 KiB and three seconds; asks sixteen at a
/// time and refuses more; and remembers what is not there for a minute too.
#[derive(Clone)]
pub struct CertificateFetcher {
    inner: Arc<Inner>,
}

struct Inner {
    tls: TlsConnector,
    anywhere: bool,
    patience: Duration,
    /// By address, which a caller chooses; a map of the standard library with its keyed hasher.
    cache: Mutex<HashMap<String, Kept>>,
    slots: Semaphore,
}

#[derive(Clone)]
struct Kept {
    until: Instant,
    found: Option<Arc<[u8]>>,
}

/// The file with the authorities is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate of an authority in PEM")]
#[non_exhaustive]
pub struct NoAuthority;

impl CertificateFetcher {
    /// Servers are trusted that the system trusts.
    ///
    /// # Errors
    /// It trusts none.
    pub fn new() -> Result<Self, NoAuthority> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::with(roots)
    }

    /// Servers are trusted whose certificates are of these authorities (PEM).
    ///
    /// # Errors
    /// There is none.
    pub fn trusting(pem: &[u8]) -> Result<Self, NoAuthority> {
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(pem);
        roots.add_parsable_certificates(certificates.filter_map(Result::ok));
        Self::with(roots)
    }

    fn with(roots: RootCertStore) -> Result<Self, NoAuthority> {
        if roots.is_empty() {
            return Err(NoAuthority);
        }
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            inner: Arc::new(Inner {
                tls: TlsConnector::from(Arc::new(config)),
                anywhere: false,
                patience: PATIENCE,
                cache: Mutex::default(),
                slots: Semaphore::new(AT_A_TIME),
            }),
        })
    }

    /// Private addresses and every port are asked too: whoever calls makes this program connect to machines that only it
    /// reaches. For networks whose certificates are in them, and tests.
    #[must_use]
    pub fn danger_anywhere(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.anywhere = true;
        }
        self
    }
}

impl fmt::Debug for CertificateFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFetcher")
            .field("anywhere", &self.inner.anywhere)
            .finish_non_exhaustive()
    }
}

impl CertificateStore for CertificateFetcher {
    fn certificates(&self, url: &str) -> BoxFuture<Option<Arc<[u8]>>> {
        let (inner, url) = (Arc::clone(&self.inner), url.to_owned());
        Box::pin(async move {
            // The time of this machine is for the age of a cache alone.
            let now = Instant::now();
            if url.len() > LONGEST_URL {
                return None;
            }
            if let Some(found) = inner.known(&url, now) {
                return found;
            }
            // Who comes too late is told at once: a flood of addresses must not become a queue.
            let Ok(_slot) = inner.slots.try_acquire() else {
                return None;
            };
            let fetched = tokio::time::timeout(inner.patience, inner.fetch(&url))
                .await
                .ok()
                .flatten();
            let (found, fresh) = match fetched {
                Some((found, fresh)) => (Some(found), fresh),
                None => {
                    tracing::debug!(%url, "certificates that cannot be had");
                    (None, SHORTEST)
                }
            };
            inner.keep(url, found.clone(), now + fresh, now);
            found
        })
    }
}

impl Inner {
    fn known(&self, url: &str, now: Instant) -> Option<Option<Arc<[u8]>>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = cache.get(url).filter(|kept| now < kept.until)?;
        Some(kept.found.clone())
    }

    fn keep(&self, url: String, found: Option<Arc<[u8]>>, until: Instant, now: Instant) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MOST_CACHED {
            cache.retain(|_, kept| now < kept.until);
        }
        if cache.len() >= MOST_CACHED {
            // Somebody names new addresses all the time: what is not there makes room first, then all of it.
            cache.retain(|_, kept| kept.found.is_some());
            if cache.len() >= MOST_CACHED {
                cache.clear();
            }
        }
        cache.insert(url, Kept { until, found });
    }

    async fn fetch(&self, url: &str) -> Option<(Arc<[u8]>, Duration)> {
        let uri: Uri = url.parse().ok()?;
        // RFC 8225 §5.3.1 wants it fetched in a way that keeps its integrity.
        if uri.scheme_str() != Some("https") {
            return None;
        }
        let host = uri.host()?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(443);
        if !self.anywhere && !matches!(port, 443 | 8443) {
            return None;
        }
        let name = ServerName::try_from(host.to_owned()).ok()?;
        let places: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .ok()?
            .filter(|place| self.anywhere || is_public(place.ip()))
            .take(4)
            .collect();
        let stream = TcpStream::connect(&*places).await.ok()?;
        let stream = self.tls.connect(name, stream).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let asking = async {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let request = Request::get(path)
                .header(header::HOST, uri.authority()?.as_str())
                .header(
                    header::ACCEPT,
                    "application/pkix-cert, application/pem-certificate-chain, */*",
                )
                .body(Body::empty())
                .ok()?;
            let response = sender.send_request(request).await.ok()?;
            if response.status() != StatusCode::OK {
                return None;
            }
            let fresh = freshness(response.headers().get(header::CACHE_CONTROL));
            let bytes = axum::body::to_bytes(Body::new(response.into_body()), LARGEST)
                .await
                .ok()?;
            Some((Arc::from(&*bytes), fresh))
        };
        // What drives the connection ends with the answer.
        tokio::pin!(asking, connection);
        let mut is_driven = true;
        loop {
            tokio::select! {
                answer = &mut asking => return answer,
                _ = &mut connection, if is_driven => is_driven = false,
            }
        }
    }
}

/// RFC 9111 §5.2.2.
fn freshness(field: Option<&header::HeaderValue>) -> Duration {
    let Some(text) = field.and_then(|value| value.to_str().ok()) else {
        return USUAL;
    };
    let mut fresh = USUAL;
    for directive in text.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return SHORTEST,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse().unwrap_or(0);
                fresh = Duration::from_secs(seconds);
            }
            _ => {}
        }
    }
    fresh.clamp(SHORTEST, LONGEST)
}

/// Is it an address that everybody reaches, and not one of this machine or its network?
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_multicast()
                || is_shared
                || a == 0
                || a >= 240)
        }
        IpAddr::V6(ip) => {
            // Global unicast (RFC 4291 §2.4) but for what is written inside of others: 6to4, Teredo, documentation.
            let [a, b, ..] = ip.segments();
            (0x2000..0x4000).contains(&a)
                && a != 0x2002
                && !(a == 0x2001 && matches!(b, 0 | 0x0db8))
        }
    }
}

#[cfg(test)]
mod tests;
