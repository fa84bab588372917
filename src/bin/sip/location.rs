//! `[location]`: where bindings are kept, and which other servers share them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;
use sip_stack::location::{Embedded, LocationStore, Memory};
use sip_stack::message::Uri;
use sip_stack::server::ServerBuilder;
use sip_stack::transport::Seed;
use toml::Spanned;

/// `[location]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Location {
    store: Store,
    redis: Option<Spanned<Vec<String>>>,
    redis_cluster: bool,
    redis_ca: Option<Spanned<PathBuf>>,
    node: Option<Spanned<String>>,
    secret_file: Option<PathBuf>,
}

/// The kinds of stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Store {
    /// The data file.
    #[default]
    Embedded,
    /// Nothing that outlives the process.
    Memory,
    /// Redis or Valkey, which other servers share.
    Redis,
}

impl Location {
    /// What makes no sense, and where, if it is one setting that makes none.
    pub(crate) fn fault(&self) -> Option<(String, Option<Range<usize>>)> {
        if let Some(node) = &self.node {
            let is_server = Uri::parse(node.get_ref())
                .is_ok_and(|uri| uri.as_ref().is_sip() && uri.as_ref().user().is_none());
            let what = if !is_server {
                format!(
                    "location: {:?} is no SIP URI of a server, such as sip:192.0.2.1:5060",
                    node.get_ref()
                )
            } else if self.secret_file.is_none() {
                "location: a node needs the secret that it shares with the others: secret-file = \"FILE\""
                    .to_owned()
            } else {
                return self.store_fault();
            };
            return Some((what, Some(node.span())));
        }
        self.store_fault()
    }

    fn store_fault(&self) -> Option<(String, Option<Range<usize>>)> {
        if self.store != Store::Redis {
            let only = [
                ("redis", self.redis.as_ref().map(Spanned::span)),
                ("redis-ca", self.redis_ca.as_ref().map(Spanned::span)),
            ];
            return only.into_iter().find_map(|(name, at)| {
                let at = at?;
                let what = format!("location: {name} is for store = \"redis\"");
                Some((what, Some(at)))
            });
        }
        let Some(urls) = self
            .redis
            .as_ref()
            .filter(|urls| !urls.get_ref().is_empty())
        else {
            let what = "location: say where Redis is: redis = [\"redis://HOST:6379\"]";
            return Some((what.to_owned(), None));
        };
        if self.secret_file.is_none() {
            let what = "location: servers that share bindings need the same secret: secret-file = \"FILE\"";
            return Some((what.to_owned(), None));
        }
        address_fault(urls.get_ref()).map(|what| (what, Some(urls.span())))
    }

    /// Gives the server its store; the same is given back, for the administration.
    pub(crate) fn open(
        &self,
        builder: ServerBuilder,
        file: Embedded,
        is_memory: bool,
    ) -> anyhow::Result<(ServerBuilder, Arc<dyn LocationStore>)> {
        let builder = builder.store(file.clone());
        let store: Arc<dyn LocationStore> = match self.store {
            Store::Embedded if !is_memory => Arc::new(file),
            Store::Embedded | Store::Memory => Arc::new(Memory::new()),
            Store::Redis => self.shared()?,
        };
        let builder = builder.location(Arc::clone(&store));
        let Some(path) = &self.secret_file else {
            return Ok((builder, store));
        };
        let secret = std::fs::read(path).with_context(|| {
            format!(
                "{}: the secret of the servers cannot be read",
                path.display()
            )
        })?;
        anyhow::ensure!(
            secret.len() >= 32,
            "{}: a secret has at least 32 bytes, as `head -c 32 /dev/urandom` makes them",
            path.display()
        );
        let node = self
            .node
            .as_ref()
            .and_then(|node| Uri::parse(node.get_ref()).ok());
        Ok((builder.node(node, &seed(&secret)), store))
    }

    #[cfg(feature = "redis")]
    fn shared(&self) -> anyhow::Result<Arc<dyn LocationStore>> {
        use sip_stack::location::{Redis, RedisConfig};
        let urls = self.redis.as_ref().map(Spanned::get_ref);
        let urls: Vec<&str> = urls.into_iter().flatten().map(String::as_str).collect();
        let mut config = RedisConfig::new(&urls, self.redis_cluster);
        if let Some(path) = &self.redis_ca {
            let path = path.get_ref();
            let ca = std::fs::read(path)
                .with_context(|| format!("{}: the certificates cannot be read", path.display()))?;
            config.ca = Some(ca);
        }
        Ok(Arc::new(Redis::new(config)?))
    }

    #[cfg(not(feature = "redis"))]
    fn shared(&self) -> anyhow::Result<Arc<dyn LocationStore>> {
        anyhow::bail!(self.fault().map(|(what, _)| what).unwrap_or_default())
    }
}

#[cfg(feature = "redis")]
fn address_fault(urls: &[String]) -> Option<String> {
    use sip_stack::location::RedisConfig;
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let error = RedisConfig::new(&urls, false).check().err()?;
    Some(format!("location: redis: {error}"))
}

#[cfg(not(feature = "redis"))]
fn address_fault(_: &[String]) -> Option<String> {
    Some("location: this program was built without the feature `redis`".to_owned())
}

/// The first 32 bytes, and what follows mixed in.
fn seed(secret: &[u8]) -> Seed {
    let mut seed = Seed::from_bytes([0; 32]);
    for chunk in secret.chunks(32) {
        let text: String = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        seed = seed.derive(&text);
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<(String, Option<usize>)> {
        let location: Location = toml::from_str(text).unwrap();
        location
            .fault()
            .map(|(what, at)| (what, at.map(|at| at.start)))
    }

    #[test]
    fn what_makes_no_sense_is_told_and_where() {
        assert_eq!(fault(""), None);
        assert_eq!(fault("store = \"memory\""), None);
        assert_eq!(fault("secret-file = \"f\"\nnode = \"sip:h:5070\""), None);
        for (text, expected, at) in [
            ("store = \"redis\"", "say where Redis is", None),
            (
                "store = \"redis\"\nredis = [\"redis://h\"]",
                "the same secret",
                None,
            ),
            ("redis = [\"redis://h\"]", "redis is for store", Some(8)),
            ("redis-ca = \"f\"", "redis-ca is for store", Some(11)),
            ("node = \"sip:alice@h\"", "no SIP URI of a server", Some(7)),
            // Without the secret it would be forgotten.
            (
                "store = \"memory\"\nnode = \"sip:h:5070\"",
                "a node needs the secret",
                Some(24),
            ),
        ] {
            let (found, place) = fault(text).unwrap();
            assert!(found.contains(expected), "{text}: {found}");
            assert_eq!(place, at, "{text}");
        }
        let whole = |urls: &str| {
            format!(
                "store = \"redis\"\nredis = [{urls}]\nsecret-file = \"f\"\nnode = \"sip:h:5070\""
            )
        };
        for urls in ["\"redis://h\"", "\"rediss://h:6380/2\", \"redis://i\""] {
            assert_eq!(fault(&whole(urls)).is_none(), cfg!(feature = "redis"));
        }
        assert!(fault(&whole("\"http://h\"")).is_some());
    }

    #[test]
    fn every_byte_of_a_secret_counts() {
        let make = |bytes: &[u8]| seed(bytes).rng().next_u64();
        let all = [
            make(&[1; 32]),
            make(&[2; 32]),
            make(&[1; 33]),
            make(&[1; 64]),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one));
        }
        assert_eq!(make(&[1; 40]), make(&[1; 40]));
    }
}
