//! [`Redis`]: bindings in Redis or Valkey, single or as a cluster, that several servers of one domain share.
//!
//! ```text
//!   key    sip:{sip:alice@example.com}     the bindings as JSON; it expires with the last of them
//!   update GET, apply, then by a script: is it still what was read? then SET, PUBLISH; else once more with what there is
//!   notice the address of record, on the channel sip:changes, from whichever node made the change
//! ```
//! The rules are those of [`apply`], in this process; the script only makes sure that nobody else was faster. A node keeps
//! what it has read, and believes it only as long as it knows that it hears of changes: it publishes a sign of life every
//! second and waits for it on its own channel ([`notices`]). When that does not come, everything is asked of the store.
//!
//! What was answered 200 is in Redis. How well Redis keeps it is set there: `appendonly yes` with `appendfsync always`
//! survives its death, replicas survive that of its machine with a gap. The nodes' clocks must agree to about a second.

mod cache;
mod notices;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, RedisFuture, Script, Value};
use tokio::sync::Mutex;

use self::cache::Cache;
use super::{Binding, BindingUpdate, Feed, LocationStore, UpdateOutcome, apply};
use crate::domain::Aor;
use crate::store::{BoxFuture, StoreError};

/// How many times an update is tried when others change the same address of record at the same time.
const TRIES: usize = 16;
/// The channel of change notices.
const CHANNEL: &str = "sip:changes";

/// If the key still has what was read (nothing, as an empty text), it gets what is given (nothing: it is deleted).
/// Returns nothing when that was done, else what there is.
const SWAP: &str = "\
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return found end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return false";

/// Where Redis is, and how patient its clients are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisConfig {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`; of a cluster some of its nodes.
    pub urls: Vec<String>,
    /// Is it a cluster?
    pub is_cluster: bool,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take; then the request that waits for it is refused.
    pub response_timeout: Duration,
    /// How many addresses of record a node remembers; 0: it asks every time.
    pub cache: usize,
}

impl RedisConfig {
    /// A single server, or a cluster of which these are some nodes.
    #[must_use]
    pub fn new(urls: &[&str], is_cluster: bool) -> Self {
        Self {
            urls: urls.iter().map(|&url| url.to_owned()).collect(),
            is_cluster,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(2),
            cache: 100_000,
        }
    }
}

/// A location store in Redis. Clones share it.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    config: RedisConfig,
    swap: Script,
    /// Made when it is first needed, so that a server begins before its store does.
    connection: Mutex<Option<Connection>>,
    cache: Cache,
    feed: Feed,
}

/// Why a [`Redis`] could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// There is no address.
    #[error("no address of a Redis server")]
    NoUrl,
    /// An address makes no sense.
    #[error("{url}: {reason}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl Redis {
    /// A store there. Nothing is connected yet: a store that is down is one that refuses. The task that listens for
    /// changes runs on the current runtime, until the last clone is gone.
    ///
    /// # Errors
    /// An address makes no sense.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(config: RedisConfig) -> Result<Self, RedisError> {
        if config.urls.is_empty() {
            return Err(RedisError::NoUrl);
        }
        for url in &config.urls {
            redis::Client::open(url.as_str()).map_err(|error| RedisError::Url {
                url: url.clone(),
                reason: error.to_string(),
            })?;
        }
        let inner = Arc::new(Inner {
            cache: Cache::new(config.cache),
            config,
            swap: Script::new(SWAP),
            connection: Mutex::new(None),
            feed: Feed::default(),
        });
        tokio::spawn(notices::listen(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Does this node know that it hears of changes, and so trust what it remembers?
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.inner.cache.is_trusted()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The addresses may have passwords in them.
        f.debug_struct("Redis")
            .field("is_cluster", &self.inner.config.is_cluster)
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn connection(&self) -> Result<Connection, StoreError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let limit = self.config.connect_timeout + self.config.response_timeout;
        let connection = tokio::time::timeout(limit, Connection::open(&self.config))
            .await
            .map_err(|_| StoreError::Failed("no connection to Redis in time".into()))?
            .map_err(failed)?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn read(&self, aor: &Aor) -> Result<String, StoreError> {
        let mut connection = self.connection().await?;
        let found: Option<String> = redis::cmd("GET")
            .arg(key(aor))
            .query_async(&mut connection)
            .await
            .map_err(failed)?;
        Ok(found.unwrap_or_default())
    }

    /// Stores `new` if there is still `old`; else tells what there is.
    async fn swap(
        &self,
        aor: &Aor,
        old: &str,
        new: &str,
        left: Duration,
    ) -> Result<Option<String>, StoreError> {
        let mut connection = self.connection().await?;
        // A little longer than the bindings, which have times of their own.
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX / 2) + 1000;
        self.swap
            .key(key(aor))
            .arg(old)
            .arg(new)
            .arg(millis)
            .arg(CHANNEL)
            .arg(aor.as_str())
            .invoke_async(&mut connection)
            .await
            .map_err(failed)
    }

    async fn update(
        &self,
        aor: &Aor,
        update: &BindingUpdate,
        now: SystemTime,
    ) -> Result<UpdateOutcome, StoreError> {
        // What is remembered serves as a first guess, trusted or not: the script compares.
        let (mut old, mut is_guess) = match self.cache.text(aor) {
            Some(text) => (text, true),
            None => (self.read(aor).await?, false),
        };
        for _ in 0..TRIES {
            let bindings = parse(&old)?;
            let stored = match apply(&bindings, update, now) {
                UpdateOutcome::Stored(stored) => stored,
                // A refusal has to be about what there is.
                UpdateOutcome::OutOfOrder | UpdateOutcome::TooMany(_) if is_guess => {
                    (old, is_guess) = (self.read(aor).await?, false);
                    continue;
                }
                refused => return Ok(refused),
            };
            let new = write(&stored)?;
            let last = stored.iter().map(|binding| binding.expires).max();
            let left = last.and_then(|last| last.duration_since(now).ok());
            let result = self.swap(aor, &old, &new, left.unwrap_or_default()).await;
            // Whether it was carried out is not always known.
            self.cache.forget(aor);
            match result? {
                None => {
                    self.feed.changed(aor, update.cause);
                    return Ok(UpdateOutcome::Stored(stored));
                }
                Some(found) => (old, is_guess) = (found, false),
            }
        }
        Err(StoreError::Busy)
    }

    async fn lookup(&self, aor: &Aor) -> Result<Vec<Binding>, StoreError> {
        if let Some(text) = self.cache.trusted_text(aor) {
            return parse(&text);
        }
        let reading = self.cache.begin(aor);
        let text = self.read(aor).await?;
        let bindings = parse(&text)?;
        self.cache.keep(aor, text, reading);
        Ok(bindings)
    }
}

impl LocationStore for Redis {
    fn lookup(&self, aor: &Aor, now: SystemTime) -> BoxFuture<Result<Vec<Binding>, StoreError>> {
        let (inner, aor) = (Arc::clone(&self.inner), aor.clone());
        Box::pin(async move {
            let mut bindings = inner.lookup(&aor).await?;
            bindings.retain(|binding| binding.is_live(now));
            Ok(bindings)
        })
    }

    fn update(
        &self,
        aor: &Aor,
        update: BindingUpdate,
        now: SystemTime,
    ) -> BoxFuture<Result<UpdateOutcome, StoreError>> {
        let (inner, aor) = (Arc::clone(&self.inner), aor.clone());
        Box::pin(async move { inner.update(&aor, &update, now).await })
    }

    fn feed(&self) -> Option<&Feed> {
        Some(&self.inner.feed)
    }
}

/// All keys of an address of record are in one slot of a cluster.
fn key(aor: &Aor) -> String {
    format!("sip:{{{aor}}}")
}

fn parse(text: &str) -> Result<Vec<Binding>, StoreError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|error| {
        StoreError::Failed(format!("not what this program writes: {error}").into())
    })
}

fn write(bindings: &[Binding]) -> Result<String, StoreError> {
    if bindings.is_empty() {
        return Ok(String::new());
    }
    serde_json::to_string(bindings).map_err(|error| StoreError::Failed(error.to_string().into()))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that map_err asks for"
)]
fn failed(error: redis::RedisError) -> StoreError {
    tracing::debug!(%error, "redis");
    StoreError::Failed(error.to_string().into())
}

/// A connection that many share and that comes back by itself.
#[derive(Clone)]
enum Connection {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn open(config: &RedisConfig) -> redis::RedisResult<Self> {
        if config.is_cluster {
            let client = ClusterClient::builder(config.urls.iter().map(String::as_str))
                .connection_timeout(config.connect_timeout)
                .response_timeout(config.response_timeout)
                .overall_response_timeout(Some(config.response_timeout * 2))
                .retries(3)
                .build()?;
            return client.get_async_connection().await.map(Self::Cluster);
        }
        let url = config.urls.first().map_or("", String::as_str);
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout))
            .set_number_of_retries(1);
        let client = redis::Client::open(url)?;
        ConnectionManager::new_lazy_with_config(client, settings).map(Self::Single)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests;
