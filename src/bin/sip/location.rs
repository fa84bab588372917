//! `[location]`: where bindings are kept, and which other servers share them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;
use sip_stack::location::{Embedded, LocationStore, Memory};
use sip_stack::message::Uri;
use sip_stack::server::ServerBuilder;
use sip_stack::transport::Seed;

/// `[location]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Location {
    store: Store,
    redis: Vec<String>,
    redis_cluster: bool,
    node: Option<String>,
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
    /// What makes no sense.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(node) = &self.node
            && !Uri::parse(node)
                .is_ok_and(|uri| uri.as_ref().is_sip() && uri.as_ref().user().is_none())
        {
            return Some(format!(
                "location: {node:?} is no SIP URI of a server, such as sip:192.0.2.1:5060"
            ));
        }
        let is_redis = self.store == Store::Redis;
        match (is_redis, self.redis.is_empty(), &self.secret_file) {
            (true, true, _) => {
                Some("location: say where Redis is: redis = [\"redis://HOST:6379\"]".to_owned())
            }
            (true, false, None) => Some(
                "location: servers that share bindings need the same secret: secret-file = \"FILE\""
                    .to_owned(),
            ),
            (true, false, Some(_)) if !cfg!(feature = "redis") => Some(
                "location: this program was built without the feature `redis`".to_owned(),
            ),
            (false, false, _) => Some("location: redis is for store = \"redis\"".to_owned()),
            (true, false, Some(_)) | (false, true, _) => None,
        }
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
        let node = self.node.as_deref().and_then(|node| Uri::parse(node).ok());
        Ok((builder.node(node, &seed(&secret)), store))
    }

    #[cfg(feature = "redis")]
    fn shared(&self) -> anyhow::Result<Arc<dyn LocationStore>> {
        use sip_stack::location::{Redis, RedisConfig};
        let urls: Vec<&str> = self.redis.iter().map(String::as_str).collect();
        Ok(Arc::new(Redis::new(RedisConfig::new(
            &urls,
            self.redis_cluster,
        ))?))
    }

    #[cfg(not(feature = "redis"))]
    fn shared(&self) -> anyhow::Result<Arc<dyn LocationStore>> {
        anyhow::bail!(self.fault().unwrap_or_default())
    }
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

    fn fault(text: &str) -> Option<String> {
        toml::from_str::<Location>(text).unwrap().fault()
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        assert_eq!(fault(""), None);
        assert_eq!(fault("store = \"memory\""), None);
        for (text, expected) in [
            ("store = \"redis\"", "say where Redis is"),
            (
                "store = \"redis\"\nredis = [\"redis://h\"]",
                "the same secret",
            ),
            ("redis = [\"redis://h\"]", "is for store"),
            ("node = \"sip:alice@h\"", "no SIP URI of a server"),
        ] {
            let found = fault(text).unwrap_or_default();
            assert!(found.contains(expected), "{text}: {found}");
        }
        let whole = "store = \"redis\"\nredis = [\"redis://h\"]\nsecret-file = \"f\"\nnode = \"sip:h:5070\"";
        assert_eq!(fault(whole).is_none(), cfg!(feature = "redis"));
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
