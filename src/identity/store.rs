//! [`CertificateStore`]: where the certificates of signed callers come from (RFC 8224 §7.2).

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::BoxFuture;

/// Fetches certificates by the address in an Identity field. It is asked outside of the worker, and may take its time; the
/// proxy waits as long as for any other store.
pub trait CertificateStore: Send + Sync + fmt::Debug {
    /// The certificates at an address, PEM or DER, the one that signs first. `None`: they cannot be had (436).
    fn certificates(&self, url: &str) -> BoxFuture<Option<Arc<[u8]>>>;
}

/// A directory of certificates that somebody else keeps up to date; [`CertificateFetcher`](super::CertificateFetcher) fetches
/// them instead. Those of
/// `https://cert.example.org/passport.pem` are in the file `cert.example.org_passport.pem`: the address without its scheme,
/// every character but letters, digits, dots and dashes an underscore.
#[derive(Clone, Debug)]
pub struct CertificateDirectory {
    path: PathBuf,
    cache: Arc<Mutex<Cache>>,
}

/// By file name, which a caller chooses; a map of the standard library with its keyed hasher.
type Cache = HashMap<String, (Instant, Option<Arc<[u8]>>)>;

/// How many files are kept in memory.
const MOST_CACHED: usize = 1024;
/// How long a file is believed to be what it was.
const FRESH: Duration = Duration::from_secs(60);
/// Chains of certificates are a few kilobytes.
const LARGEST: u64 = 65_536;

impl CertificateDirectory {
    /// The certificates in this directory.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache: Arc::default(),
        }
    }

    /// The name of the file for an address. `None` if the address is not `https` or `http`, or too long for a file.
    #[must_use]
    pub fn file_name(url: &str) -> Option<String> {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))?;
        let name: String = rest
            .chars()
            .map(|c| match c {
                c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') => c,
                _ => '_',
            })
            .collect();
        // Neither the directory itself nor one above it, nor a hidden file.
        (!name.is_empty() && !name.starts_with('.') && name.len() <= 200).then_some(name)
    }
}

impl CertificateStore for CertificateDirectory {
    fn certificates(&self, url: &str) -> BoxFuture<Option<Arc<[u8]>>> {
        let name = Self::file_name(url);
        let (path, cache) = (self.path.clone(), Arc::clone(&self.cache));
        Box::pin(async move {
            let name = name?;
            // The time of this machine is for the age of a cache alone.
            let now = Instant::now();
            let known = {
                let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
                cache.get(&name).cloned()
            };
            if let Some((at, found)) = known
                && now.saturating_duration_since(at) < FRESH
            {
                return found;
            }
            let file = path.join(&name);
            let found = tokio::task::spawn_blocking(move || read(&file))
                .await
                .ok()?;
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= MOST_CACHED {
                cache.clear();
            }
            cache.insert(name, (now, found.clone()));
            found
        })
    }
}

/// Several places, asked one after the other until one has the certificates.
#[derive(Clone, Debug)]
pub struct CertificateStores {
    stores: Vec<Arc<dyn CertificateStore>>,
}

impl CertificateStores {
    /// These, in this order.
    #[must_use]
    pub const fn new(stores: Vec<Arc<dyn CertificateStore>>) -> Self {
        Self { stores }
    }
}

impl CertificateStore for CertificateStores {
    fn certificates(&self, url: &str) -> BoxFuture<Option<Arc<[u8]>>> {
        let (stores, url) = (self.stores.clone(), url.to_owned());
        Box::pin(async move {
            for store in stores {
                if let Some(found) = store.certificates(&url).await {
                    return Some(found);
                }
            }
            None
        })
    }
}

fn read(file: &Path) -> Option<Arc<[u8]>> {
    let is_small =
        std::fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() <= LARGEST);
    let bytes = is_small.then(|| std::fs::read(file).ok()).flatten()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_file_names_within_the_directory() {
        let name = CertificateDirectory::file_name;
        assert_eq!(
            name("https://cert.example.org/passport.cer").as_deref(),
            Some("cert.example.org_passport.cer")
        );
        assert_eq!(
            name("https://h:8443/a/../b?c=d").as_deref(),
            Some("h_8443_a_.._b_c_d")
        );
        for wrong in [
            "https://",
            "https://../x",
            "ftp://h/x",
            "cert.pem",
            "https://.x",
        ] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert_eq!(name(&format!("https://{}", "a".repeat(300))), None);
    }

    #[tokio::test]
    async fn files_are_read_and_remembered_for_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let store = CertificateDirectory::new(directory.path());
        let file = directory.path().join("h_a.pem");
        std::fs::write(&file, b"one").unwrap();
        let url = "https://h/a.pem";
        assert_eq!(store.certificates(url).await.as_deref(), Some(&b"one"[..]));
        std::fs::write(&file, b"two").unwrap();
        assert_eq!(store.certificates(url).await.as_deref(), Some(&b"one"[..]));
        assert_eq!(store.certificates("https://h/b.pem").await, None);
        std::fs::write(directory.path().join("h_c.pem"), vec![0; 70_000]).unwrap();
        assert_eq!(store.certificates("https://h/c.pem").await, None);
        assert_eq!(store.certificates("gopher://h").await, None);
        // Another directory has what this one has not.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("h_d.pem"), b"four").unwrap();
        let both = CertificateStores::new(vec![
            Arc::new(store),
            Arc::new(CertificateDirectory::new(other.path())),
        ]);
        assert_eq!(both.certificates(url).await.as_deref(), Some(&b"one"[..]));
        let found = both.certificates("https://h/d.pem").await;
        assert_eq!(found.as_deref(), Some(&b"four"[..]));
        assert_eq!(both.certificates("https://h/e.pem").await, None);
    }
}
