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
//! Several addresses that are not of a cluster are those of one master and its replicas: the one that says it is the master
//! is used, and looked for again when it is gone or has become a replica. Who makes a replica the master is not this
//! program (Redis Sentinel does, or an operator).
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
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisFuture, Script, TlsCertificates, Value,
};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

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
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS; of a cluster some of its nodes, else one
    /// master and its replicas.
    pub urls: Vec<String>,
    /// Is it a cluster?
    pub is_cluster: bool,
    /// The certificates, as PEM, that a server reached by TLS may be signed with; none: those that the system trusts.
    pub ca: Option<Vec<u8>>,
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
            ca: None,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(2),
            cache: 100_000,
        }
    }

    /// Do the addresses make sense?
    ///
    /// # Errors
    /// There is none, or one that is none.
    pub fn check(&self) -> Result<(), RedisError> {
        if self.urls.is_empty() {
            return Err(RedisError::NoUrl);
        }
        for url in &self.urls {
            self.client(url).map_err(|error| RedisError::Url {
                url: url.clone(),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }

    fn client(&self, url: &str) -> redis::RedisResult<Client> {
        match self.certificates() {
            Some(certificates) if url.starts_with("rediss:") => {
                Client::build_with_tls(url, certificates)
            }
            _ => Client::open(url),
        }
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        self.ca.as_ref().map(|ca| TlsCertificates {
            client_tls: None,
            root_cert: Some(ca.clone()),
        })
    }

    /// One master and its replicas?
    const fn has_replicas(&self) -> bool {
        !self.is_cluster && self.urls.len() > 1
    }

    fn patience(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
    }
}

/// A location store in Redis. Clones share it.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
    /// Ends the task that listens when the last clone goes.
    _end: Arc<DropGuard>,
}

struct Inner {
    config: RedisConfig,
    swap: Script,
    /// Made when it is first needed, so that a server begins before its store does.
    connection: Mutex<Slot>,
    cache: Cache,
    feed: Feed,
}

/// The connection that all use, and which one it is.
#[derive(Default)]
struct Slot {
    number: u64,
    connection: Option<Connection>,
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
        config.check()?;
        let inner = Arc::new(Inner {
            cache: Cache::new(config.cache),
            config,
            swap: Script::new(SWAP),
            connection: Mutex::default(),
            feed: Feed::default(),
        });
        let end = CancellationToken::new();
        let listening = notices::listen(Arc::downgrade(&inner), end.clone());
        tokio::spawn(end.clone().run_until_cancelled_owned(listening));
        Ok(Self {
            inner,
            _end: Arc::new(end.drop_guard()),
        })
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
    async fn connection(&self) -> Result<(Connection, u64), StoreError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((connection.clone(), slot.number));
        }
        let addresses = u32::try_from(self.config.urls.len()).unwrap_or(u32::MAX);
        let limit = (self.config.connect_timeout + self.config.response_timeout)
            .saturating_mul(addresses.min(4));
        let connection = tokio::time::timeout(limit, Connection::open(&self.config))
            .await
            .map_err(|_| StoreError::Failed("no connection to Redis in time".into()))?
            .map_err(|error| failed(&error))?;
        slot.number = slot.number.wrapping_add(1);
        slot.connection = Some(connection.clone());
        Ok((connection, slot.number))
    }

    /// What became of a command on the connection of this number. One that may have lost its master is given up.
    async fn result<T>(&self, number: u64, result: redis::RedisResult<T>) -> Result<T, StoreError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if self.config.has_replicas() && may_be_another(&error) {
            let mut slot = self.connection.lock().await;
            if slot.number == number {
                slot.connection = None;
            }
        }
        Err(failed(&error))
    }

    async fn read(&self, aor: &Aor) -> Result<String, StoreError> {
        let (mut connection, number) = self.connection().await?;
        let found = redis::cmd("GET")
            .arg(key(aor))
            .query_async(&mut connection)
            .await;
        let found: Option<String> = self.result(number, found).await?;
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
        let (mut connection, number) = self.connection().await?;
        // A little longer than the bindings, which have times of their own.
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX / 2) + 1000;
        let found = self
            .swap
            .key(key(aor))
            .arg(old)
            .arg(new)
            .arg(millis)
            .arg(CHANNEL)
            .arg(aor.as_str())
            .invoke_async(&mut connection)
            .await;
        self.result(number, found).await
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
            let stored = match apply(&bindings, update.clone(), now) {
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

fn failed(error: &redis::RedisError) -> StoreError {
    tracing::debug!(%error, "redis");
    StoreError::Failed(error.to_string().into())
}

/// Is the master gone, or no longer the master?
fn may_be_another(error: &redis::RedisError) -> bool {
    let read_only = redis::ErrorKind::Server(redis::ServerErrorKind::ReadOnly);
    error.is_io_error()
        || error.is_timeout()
        || error.kind() == read_only
        // Before Redis 7 a script tells of it within the text of an error of its own.
        || error.to_string().contains("READONLY")
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
            let mut builder = ClusterClient::builder(config.urls.iter().map(String::as_str))
                .connection_timeout(config.connect_timeout)
                .response_timeout(config.response_timeout)
                .overall_response_timeout(Some(config.response_timeout * 2))
                .retries(3);
            if let Some(certificates) = config.certificates()
                && config.urls.iter().all(|url| url.starts_with("rediss:"))
            {
                builder = builder.certs(certificates);
            }
            let client = builder.build()?;
            return client.get_async_connection().await.map(Self::Cluster);
        }
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout))
            .set_number_of_retries(1);
        let client = if config.has_replicas() {
            Self::master(config).await?
        } else {
            config.client(config.urls.first().map_or("", String::as_str))?
        };
        ConnectionManager::new_lazy_with_config(client, settings).map(Self::Single)
    }

    /// The first server that says it is the master.
    async fn master(config: &RedisConfig) -> redis::RedisResult<Client> {
        let mut last = None;
        for url in &config.urls {
            let client = config.client(url)?;
            match is_master(config, &client).await {
                Ok(true) => return Ok(client),
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            let what = "none of the Redis servers is the master";
            (redis::ErrorKind::Client, what).into()
        }))
    }
}

async fn is_master(config: &RedisConfig, client: &Client) -> redis::RedisResult<bool> {
    let patience = config.patience();
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&patience)
        .await?;
    let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
    Ok(match role.first() {
        Some(Value::BulkString(name)) => name == b"master",
        Some(Value::SimpleString(name)) => name == "master",
        _ => false,
    })
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
