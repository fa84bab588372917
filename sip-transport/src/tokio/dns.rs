//! [`Resolver`]: answers to the questions of RFC 3263 (feature `dns`). The only module that knows the library.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::Semaphore;

use crate::io::{Answer, NaptrRecord, Question, ResolveError, Rewrite, SrvRecord};

/// Whom a [`Resolver`] asks, and how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResolverConfig {
    /// The name servers, asked over UDP, and over TCP where an answer does not fit. None means those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long a server may take to answer. Default 2 seconds.
    pub time: Duration,
    /// How often a question is put. Default twice.
    pub attempts: usize,
    /// Answers that are remembered, each as long as its records say. Default 4,096.
    pub cache: u64,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            time: Duration::from_secs(2),
            attempts: 2,
            cache: 4_096,
        }
    }
}

/// Asks name servers, and remembers their answers as long as they allow. Clones share the memory.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<TokioResolver>,
    /// Questions at once.
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("free", &self.permits.available_permits())
            .finish_non_exhaustive()
    }
}

/// Questions that are asked at once; more wait.
const QUESTIONS: usize = 256;
/// Records of one answer that are looked at: more than any zone for SIP has, far fewer than an answer can hold.
const RECORDS: usize = 256;
/// How long the addresses of one family wait for those of the other. RFC 8305 §3 has 50 milliseconds and adds what
/// comes later; here nothing is added, so a slow server gets more.
const OTHER_FAMILY: Duration = Duration::from_millis(250);

impl Resolver {
    /// With the name servers of this configuration, or of the system.
    ///
    /// # Errors
    /// When the configuration of the system is asked for and cannot be read.
    pub fn new(config: ResolverConfig) -> io::Result<Self> {
        let mut builder = if config.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(io::Error::other)?
        } else {
            let servers = config.servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
                    .into_iter()
                    .map(|mut connection| {
                        connection.port = server.port();
                        connection
                    })
                    .collect();
                NameServerConfig::new(server.ip(), true, connections)
            });
            let mut servers_only =
                hickory_resolver::config::ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            for server in servers {
                servers_only.add_name_server(server);
            }
            TokioResolver::builder_with_config(servers_only, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = config.time;
        options.attempts = config.attempts;
        options.cache_size = config.cache;
        options.max_active_requests = QUESTIONS;
        let inner = builder.build().map_err(io::Error::other)?;
        Ok(Self {
            inner: Arc::new(inner),
            permits: Arc::new(Semaphore::new(QUESTIONS)),
        })
    }

    /// Names of one label are the system's: its hosts file, its search list, its neighbours.
    pub(super) fn knows(&self, name: &str) -> bool {
        name.contains('.')
    }

    pub(super) async fn ask(&self, question: Question, name: &str) -> Result<Answer, ResolveError> {
        // The names of RFC 3263 are absolute: no search list.
        let Ok(name) = Name::from_ascii(format!("{name}.")) else {
            return Err(ResolveError::NotFound);
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(ResolveError::Failed);
        };
        match question {
            Question::Naptr => {
                let lookup = self.look_up(name, RecordType::NAPTR).await?;
                Ok(Answer::Naptr(records(&lookup, naptr)))
            }
            Question::Srv => {
                let lookup = self.look_up(name, RecordType::SRV).await?;
                Ok(Answer::Srv(records(&lookup, srv)))
            }
            Question::Address => self.addresses(name).await.map(Answer::Addresses),
        }
    }

    /// The NAPTR records of a name with their rules, for applications other than SIP's own (RFC 6116).
    ///
    /// # Errors
    /// When there are none, or nobody answers.
    pub async fn rewrites(&self, name: &str) -> Result<Vec<Rewrite>, ResolveError> {
        let Ok(name) = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))) else {
            return Err(ResolveError::NotFound);
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(ResolveError::Failed);
        };
        let lookup = self.look_up(name, RecordType::NAPTR).await?;
        Ok(records(&lookup, rewrite))
    }

    /// IPv6 first, as RFC 6724 has it; the core mixes the families.
    async fn addresses(&self, name: Name) -> Result<Vec<IpAddr>, ResolveError> {
        let six = self.look_up(name.clone(), RecordType::AAAA);
        let four = self.look_up(name, RecordType::A);
        tokio::pin!(six, four);
        let addresses =
            |lookup: Result<Lookup, ResolveError>| lookup.map(|lookup| records(&lookup, address));
        let (six, four) = tokio::select! {
            six = &mut six => {
                let four = patience(six.is_ok(), four).await;
                (six, four)
            }
            four = &mut four => {
                let six = patience(four.is_ok(), six).await;
                (six, four)
            }
        };
        match (addresses(six), addresses(four)) {
            (Ok(mut six), Ok(four)) => {
                six.extend(four);
                Ok(six)
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            // That one family has none is no failure, that the other could not be asked is one.
            (Err(ResolveError::NotFound), Err(error)) | (Err(error), Err(_)) => Err(error),
        }
    }

    async fn look_up(&self, name: Name, kind: RecordType) -> Result<Lookup, ResolveError> {
        self.inner.lookup(name, kind).await.map_err(|error| {
            tracing::debug!(%error, "a question to the domain name system failed");
            meaning(&error)
        })
    }
}

/// With addresses of one family in hand the other has a moment only.
async fn patience(
    found: bool,
    other: impl Future<Output = Result<Lookup, ResolveError>>,
) -> Result<Lookup, ResolveError> {
    if !found {
        return other.await;
    }
    tokio::time::timeout(OTHER_FAMILY, other)
        .await
        .unwrap_or(Err(ResolveError::TimedOut))
}

fn meaning(error: &NetError) -> ResolveError {
    if error.is_nx_domain() || error.is_no_records_found() {
        ResolveError::NotFound
    } else if matches!(error, NetError::Timeout) {
        ResolveError::TimedOut
    } else {
        ResolveError::Failed
    }
}

/// Those of a type, whatever else the server thought to send along.
fn records<T>(lookup: &Lookup, of: impl Fn(&RData) -> Option<T>) -> Vec<T> {
    let data = lookup.answers().iter().map(|record| &record.data);
    data.filter_map(of).take(RECORDS).collect()
}

fn naptr(data: &RData) -> Option<NaptrRecord> {
    let RData::NAPTR(record) = data else {
        return None;
    };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(Box::from).ok();
    Some(NaptrRecord {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags)?,
        service: text(&record.services)?,
        replacement: record.replacement.to_ascii().into(),
    })
}

fn rewrite(data: &RData) -> Option<Rewrite> {
    let RData::NAPTR(record) = data else {
        return None;
    };
    let record_of = naptr(data)?;
    Some(Rewrite::new(
        record_of.order,
        record_of.preference,
        &record_of.flags,
        &record_of.service,
        std::str::from_utf8(&record.regexp).ok()?,
        &record_of.replacement,
    ))
}

fn srv(data: &RData) -> Option<SrvRecord> {
    let RData::SRV(record) = data else {
        return None;
    };
    Some(SrvRecord {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target.to_ascii().into(),
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "there are dozens of other types"
)]
fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(ip) => Some(IpAddr::V4(ip.0)),
        RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
        _ => None,
    }
}
