//! [`ServerBuilder`]: the description of a server.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_message::{Method, Uri};
use sip_transaction::{TransactionConfig, Transactions};
use sip_transport::tokio::Recorder;
use sip_transport::tokio::Resolver;
use sip_transport::tokio::tls::Tls;
use sip_transport::tokio::{Inherited, Listen, SegmentationOffload, local_addresses};
use sip_transport::{Seed, TransportConfig, TransportKind, Transports};
use tokio::sync::mpsc;

use super::handler::{self, Handler, IncomingRequest};
use super::inherited;
use super::listen::{self, ListenError, Place};
use super::{Bound, Server};
use crate::auth::{Algorithm, AuthConfig, Authenticator, Policy};
use crate::domain::Domains;
use crate::gruu::Gruus;
use crate::guard::{Guard, GuardConfig, Throttle};
use crate::identity::CertificateStore;
use crate::location::{self, LocationStore};
use crate::role::events::package::Package;
use crate::role::events::reg::RegPackage;
use crate::role::events::{Events, EventsConfig};
use crate::role::node::Node;
use crate::role::probe::{ProbeTarget, Probes};
use crate::role::proxy::{Proxy, ProxyConfig};
use crate::role::registrar::{Registrar, RegistrarConfig};
use crate::role::stateless::{Stateless, StatelessConfig};
use crate::routing::{Health, Router};
use crate::runtime::{Hub, Services, Worker, WorkerThread, Workers, queues};
use crate::stack::{MAX_WORKERS, Parts, Place as WorkerPlace};
use crate::store::default_realm;
use crate::users::{self, CredentialStore};

/// Why a server could not be built. Each says what is wrong and what would help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nobody could register.
    #[error(
        "no credential store: give the server `store` or `credentials`, or `danger_without_authentication`"
    )]
    NoCredentials,
    /// There is no address behind the places to listen at.
    #[error("no address to listen at: this machine has none of the family that was asked for")]
    NoAddress,
    /// A place cannot be bound.
    #[error("cannot listen at {kind} {address}: {error}{}", hint(.error))]
    Bind {
        /// The transport.
        kind: TransportKind,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// There is a place for TLS, and no certificate.
    #[error("to listen at {0} needs a certificate: give the server `tls`")]
    NoCertificate(TransportKind),
    /// The sockets cannot be bound after all.
    #[error("cannot listen: {0}")]
    Sockets(io::Error),
    /// A socket was handed over that cannot be used.
    #[error("the socket that was handed over cannot be used: {0}")]
    Inherited(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of the standard library is open"
    )]
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another program has it: stop that one, or use another port)",
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 are for privileged programs: use 5060 or higher)"
        }
        io::ErrorKind::AddrNotAvailable => " (this machine does not have the address)",
        _ => "",
    }
}

/// What the application wants otherwise.
type Configure<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Describes a [`Server`]. What is not said: it listens on UDP and TCP port 5060 of all addresses, keeps bindings in
/// memory, and its domain is the name of the machine.
pub struct ServerBuilder {
    domains: Vec<String>,
    places: Vec<Place>,
    inherited: Vec<Inherited>,
    or_free_port: bool,
    location: Option<Arc<dyn LocationStore>>,
    credentials: Option<Arc<dyn CredentialStore>>,
    realm: Option<Box<str>>,
    mark: Option<Seed>,
    node: Option<(Option<Uri>, Seed)>,
    without_authentication: bool,
    algorithms: Option<Vec<Algorithm>>,
    handlers: Vec<(Method, Handler)>,
    router: Option<Arc<dyn Router>>,
    registrar: Vec<Configure<RegistrarConfig>>,
    events: Vec<Configure<EventsConfig>>,
    packages: Vec<Box<dyn Package>>,
    registration_watchers: Vec<Box<str>>,
    proxy: Vec<Configure<ProxyConfig>>,
    patience: Duration,
    seed: Option<Seed>,
    tls: Option<Tls>,
    resolver: Option<Resolver>,
    certificates: Option<Arc<dyn CertificateStore>>,
    records_statelessly: bool,
    origins: Option<Vec<String>>,
    recorders: Vec<Arc<Recorder>>,
    guard: GuardConfig,
    policy: Policy,
    probes: Option<(Health, Vec<ProbeTarget>)>,
    workers: u16,
    segmentation_offload: SegmentationOffload,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("domains", &self.domains)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            domains: Vec::new(),
            places: Vec::new(),
            inherited: Vec::new(),
            or_free_port: false,
            location: None,
            credentials: None,
            realm: None,
            mark: None,
            node: None,
            without_authentication: false,
            algorithms: None,
            handlers: Vec::new(),
            router: None,
            registrar: Vec::new(),
            events: Vec::new(),
            packages: Vec::new(),
            registration_watchers: Vec::new(),
            proxy: Vec::new(),
            patience: Duration::from_secs(5),
            seed: None,
            tls: None,
            resolver: None,
            certificates: None,
            records_statelessly: false,
            origins: None,
            recorders: Vec::new(),
            guard: GuardConfig::default(),
            policy: Policy::default(),
            probes: None,
            workers: 1,
            segmentation_offload: SegmentationOffload::OnDemand,
        }
    }

    /// How many workers serve, each in a thread of its own with sockets of its own at the same addresses, among which the system
    /// deals out what arrives; at most [`MAX_WORKERS`]. Without this, one, which runs where the server does.
    ///
    /// Bindings, credentials, wrong passwords and nonces are those of all, and a call may pass through several. What a
    /// [source](crate::guard::SourceConfig) may ask for, and the limits of each role, are for each worker. Event packages are
    /// served by the first worker alone, and SCTP is with it alone. The stateless proxy takes datagrams only: what came over a connection is
    /// forwarded with a transaction.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Self {
        self.workers = workers.clamp(1, MAX_WORKERS);
        self
    }

    /// When datagrams that are sent at once to one peer go through the system as one: less CPU, but captures of packets on this
    /// host may show several messages in one. [`OnDemand`](SegmentationOffload::OnDemand), as it is unless said otherwise, is while
    /// a worker is busy for more than nine tenths of its time, until it is for less than six, or the guard refuses requests
    /// because of overload.
    #[must_use]
    pub const fn segmentation_offload(mut self, offload: SegmentationOffload) -> Self {
        self.segmentation_offload = offload;
        self
    }

    /// A name of the domain. All names, and the addresses of the server, are the same domain; the first is its realm
    /// unless the store has one.
    #[must_use]
    pub fn domain(mut self, name: impl Into<String>) -> Self {
        self.domains.push(name.into());
        self
    }

    /// A place to listen at: `udp:ADDRESS:PORT`, and so with `tcp`, `tls`, `ws` and `wss`. `0.0.0.0` and `[::]` mean all addresses of the
    /// machine; port 0 a free one.
    ///
    /// # Errors
    /// When the text is no such place.
    pub fn listen(mut self, place: &str) -> Result<Self, ListenError> {
        self.places.push(Place::parse(place)?);
        Ok(self)
    }

    /// Sockets that somebody else has bound, such as the service manager. Each takes the place of the one that would be bound
    /// at its address; without any place to [listen](Self::listen) at, they say where the server does. Each of several
    /// [workers](Self::workers) needs its own (`SO_REUSEPORT`).
    #[must_use]
    pub fn inherited(mut self, sockets: Vec<Inherited>) -> Self {
        self.inherited = sockets;
        self
    }

    /// The certificates for TLS and for WebSockets over TLS, and whom the server trusts when it connects to others. The
    /// caller keeps a clone to [reload](Tls::reload) them. Without this, `sips` is refused.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Resolves names by NAPTR, SRV and address records (RFC 3263); without this by addresses only.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// What is forwarded statelessly stays so for all of its dialog, which passes here ([`StatelessConfig::record_route`]).
    #[must_use]
    pub const fn record_stateless_routes(mut self, records: bool) -> Self {
        self.records_statelessly = records;
        self
    }

    /// Where the certificates of signed callers come from (RFC 8224).
    #[must_use]
    pub fn certificates(self, store: impl CertificateStore + 'static) -> Self {
        self.shared_certificates(Arc::new(store))
    }

    /// The same for one that others use too.
    #[must_use]
    pub fn shared_certificates(mut self, store: Arc<dyn CertificateStore>) -> Self {
        self.certificates = Some(store);
        self
    }

    /// A web origin, such as `https://phone.example.com`, whose pages may open WebSockets; several add up. Without this,
    /// all may (RFC 6455 §10.2).
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.get_or_insert_default().push(origin.into());
        self
    }

    /// If a port is taken, a free one is used in its place; [`Server::moved_from`] tells.
    #[must_use]
    pub const fn or_free_port(mut self) -> Self {
        self.or_free_port = true;
        self
    }

    /// Where bindings are kept.
    #[must_use]
    pub fn location(mut self, store: impl LocationStore + 'static) -> Self {
        self.location = Some(Arc::new(store));
        self
    }

    /// Who the users are. The store's hashes are for the realm, which is the first [`domain`](Self::domain).
    #[must_use]
    pub fn credentials(mut self, store: impl CredentialStore + 'static) -> Self {
        self.credentials = Some(Arc::new(store));
        self
    }

    /// The bindings and the users of a data file, with the realm that it was created for.
    #[must_use]
    pub fn store(mut self, store: location::Embedded) -> Self {
        let file = store.file().clone();
        self.realm = Some(file.realm().into());
        self.mark = Some(file.seed());
        self.credentials = Some(Arc::new(users::Embedded::new(file)));
        self.location = Some(Arc::new(store));
        self
    }

    /// This is one of several servers of the domain, which share a [location store](Self::location) and this secret: a call
    /// that enters at any of them reaches a telephone that is registered at any other. The others reach it at `uri`, or
    /// without one at the first address where it listens.
    #[must_use]
    pub fn node(mut self, uri: Option<Uri>, secret: &Seed) -> Self {
        self.node = Some((uri, secret.derive("domain")));
        self
    }

    /// The algorithms of digest authentication that are offered, the most preferred first (RFC 8760 §2.4). Without
    /// this, all: SHA-512-256, SHA-256, MD5.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = Some(algorithms.to_vec());
        self
    }

    /// Nobody is asked for a password: anybody may register as anybody. For tests and closed networks.
    #[must_use]
    pub const fn danger_without_authentication(mut self) -> Self {
        self.without_authentication = true;
        self
    }

    /// Requests of this method for the domain go to a handler, and not to the users of the domain.
    #[must_use]
    pub fn on<F, Fut>(mut self, method: Method, handler: F) -> Self
    where
        F: Fn(IncomingRequest) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
    {
        self.handlers.push((method, handler::boxed(handler)));
        self
    }

    /// Where requests go that begin something, before the usual rules.
    #[must_use]
    pub fn router(mut self, router: impl Router + 'static) -> Self {
        self.router = Some(Arc::new(router));
        self
    }

    /// Changes how the registrar behaves.
    #[must_use]
    pub fn registrar(mut self, change: impl FnOnce(&mut RegistrarConfig) + Send + 'static) -> Self {
        self.registrar.push(Box::new(change));
        self
    }

    /// Changes how the notifier of event packages behaves.
    #[must_use]
    pub fn events(mut self, change: impl FnOnce(&mut EventsConfig) + Send + 'static) -> Self {
        self.events.push(Box::new(change));
        self
    }

    /// Serves a further event package about the users of the domain, beside that of their registrations (`reg`, RFC 3680).
    #[must_use]
    pub fn package(mut self, package: impl Package + 'static) -> Self {
        self.packages.push(Box::new(package));
        self
    }

    /// A user who may watch the registrations of all users; without this, each watches their own.
    #[must_use]
    pub fn registration_watcher(mut self, user: impl Into<Box<str>>) -> Self {
        self.registration_watchers.push(user.into());
        self
    }

    /// Changes how the proxy behaves.
    ///
    /// ```
    /// // A redirect server (RFC 3261 §8.3).
    /// let builder = sip_stack::Server::builder().proxy(|config| config.redirects = true);
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn proxy(mut self, change: impl FnOnce(&mut ProxyConfig) + Send + 'static) -> Self {
        self.proxy.push(Box::new(change));
        self
    }

    /// How long running transactions may take to end when the server is told to stop; without this, 5 seconds.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Every message is recorded as it is on the wire, by each of the recorders that are given. Whoever keeps a share
    /// of one can wait for its end with [`Recorder::finish`] when the server has ended.
    #[must_use]
    pub fn capture(mut self, recorder: Arc<Recorder>) -> Self {
        self.recorders.push(recorder);
        self
    }

    /// Who is not asked for a password, and for what nobody is.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How much one source may ask for, and what happens when all together ask for too much.
    #[must_use]
    pub fn guard(mut self, config: GuardConfig) -> Self {
        self.guard = config;
        self
    }

    /// Gateways that are asked whether they are there; what is found is in `health`, which a
    /// [`Probed`](crate::routing::Probed) router goes by.
    #[must_use]
    pub fn probes(mut self, health: Health, targets: Vec<ProbeTarget>) -> Self {
        self.probes = Some((health, targets));
        self
    }

    /// Where randomness comes from; without this, the system. The same seed makes the same tags and nonces: for tests.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Binds the sockets. The server runs with [`Server::run`].
    ///
    /// # Errors
    /// What is missing, or which address cannot be bound.
    #[expect(
        clippy::unused_async,
        reason = "it needs a runtime, and a store may one day be opened here"
    )]
    pub async fn build(self) -> Result<Server, BuildError> {
        if self.credentials.is_none() && !self.without_authentication {
            return Err(BuildError::NoCredentials);
        }
        let seed = match self.seed {
            Some(seed) => seed,
            None => Seed::from_system().map_err(BuildError::Random)?,
        };
        let (places, moved) = find_places(&self.places, &self.inherited, self.or_free_port)?;
        if let Some(place) = places.iter().find(|place| place.kind.is_secure())
            && self.tls.is_none()
        {
            return Err(BuildError::NoCertificate(place.kind));
        }
        let realm = self.realm.unwrap_or_else(|| {
            self.domains
                .first()
                .map_or_else(default_realm, |name| name.as_str().into())
        });
        let mut domains = Domains::new(&realm);
        for name in &self.domains {
            domains.add_name(name);
        }
        for place in &places {
            domains.add_address(place.addr);
        }
        let first = (!self.without_authentication).then(|| {
            Authenticator::new(AuthConfig::new(domains.primary()), &seed.derive("guesses"))
        });
        let (workers, now) = (self.workers, Instant::now());
        // One for each worker.
        let authenticators = |label: &str| -> Vec<Option<Authenticator>> {
            let mut config = AuthConfig::new(domains.primary());
            if let Some(algorithms) = &self.algorithms {
                config.algorithms.clone_from(algorithms);
            }
            config.policy.clone_from(&self.policy);
            let Some(first) = &first else {
                return (0..workers).map(|_| None).collect();
            };
            // Wrong passwords count together, wherever they are given.
            let one = Authenticator::new(config, &seed.derive(label)).counting_with(first);
            if workers == 1 {
                return vec![Some(one)];
            }
            one.for_workers(workers, now)
                .into_iter()
                .map(Some)
                .collect()
        };
        let handled: Vec<Method> = self
            .handlers
            .iter()
            .map(|(method, _)| method.clone())
            .collect();
        // What one node gives away, the others must know as well.
        let mark = match &self.node {
            Some((_, secret)) => Some(secret.clone()),
            None => self.mark.clone(),
        };
        let node = self.node.as_ref().and_then(|(uri, secret)| {
            let uri = uri.clone().or_else(|| listen::uri(&places))?;
            Some(Node::new(uri, secret))
        });
        // Under a key that outlives the process, if there is one: a GRUU is given away for longer.
        let gruus = Gruus::new(mark.as_ref().unwrap_or(&seed));
        let mut config = RegistrarConfig::new(domains.clone());
        config.gruus = Some(gruus.clone());
        config.node.clone_from(&node);
        for change in self.registrar {
            change(&mut config);
        }
        let registrar_config = config;
        let mut config = EventsConfig::new(domains.clone());
        config.gruus = Some(gruus.clone());
        config.node.clone_from(&node);
        for change in self.events {
            change(&mut config);
        }
        let reg =
            RegPackage::new(self.registration_watchers, Some(gruus.clone())).temporary_gruus(&seed);
        let mut packages: Vec<Box<dyn Package>> = vec![Box::new(reg)];
        packages.extend(self.packages);
        let events_config = config;
        let mut config = ProxyConfig::new(domains.clone());
        config.handled.clone_from(&handled);
        config.mark.clone_from(&mark);
        if workers > 1 {
            // What one worker marks, the others know.
            config.mark.get_or_insert_with(|| seed.clone());
        }
        config.gruus = Some(gruus);
        config.node.clone_from(&node);
        config.router = self.router;
        for change in self.proxy {
            change(&mut config);
        }
        let proxy_config = config;
        let mut transport = TransportConfig::default();
        if self.tls.is_some() {
            transport.client_transports.push(TransportKind::Tls);
            // Whoever asks for our certificate sees it (RFC 5923 section 9.2).
            transport.alias = true;
        }
        transport.service_records = self.resolver.is_some();
        let flows = match &mark {
            Some(mark) => {
                // Kept with the data, so that what was registered over a UDP flow is reached after a restart. A flow is of one
                // node, so its tokens mean nothing to the others.
                let seed = mark.derive("flow tokens");
                Some(match &node {
                    Some(node) => seed.derive(node.uri().as_str()),
                    None => seed,
                })
            }
            // A flow of one worker has a meaning for the others.
            None => (workers > 1).then(|| seed.derive("flow tokens")),
        };
        if let Some(flows) = flows {
            let mut key = [0; 32];
            flows.rng().fill(&mut key);
            transport.flow_token_key = Some(key);
        }
        let mut run = [0; 4];
        seed.derive("run").rng().fill(&mut run);
        let location = self
            .location
            .unwrap_or_else(|| Arc::new(location::Memory::new()));
        let services = Services {
            location: Some(location),
            credentials: self.credentials,
            resolver: self.resolver.clone(),
            certificates: self.certificates,
        };
        let mut listen = listen::to_listen(&places);
        for one in &mut listen {
            *one = one.segmentation_offload(self.segmentation_offload);
        }
        let inherited = inherited::deal(self.inherited, &listen, workers)?;
        let mut first_alone = Vec::new();
        if workers > 1 {
            // An association of ours would be answered to any of the sockets that share its UDP port. What is not shared comes
            // last, so that the others have the same numbers with every worker.
            let is_sctp = |one: &Listen| one.kind == TransportKind::Sctp;
            first_alone = listen.iter().copied().filter(is_sctp).collect();
            listen.retain(|one| !is_sctp(one));
            for one in &mut listen {
                *one = one.shared();
            }
        }
        let capturing = !self.recorders.is_empty();
        let (mut threads, mut here) = (Vec::new(), None);
        let mut handles = Vec::new();
        // What there is one of is with the first worker: the notifier, whose packages know what they have told, and the probes.
        let served = packages
            .iter()
            .map(|package| package.name().into())
            .collect();
        let mut events = Some((events_config, authenticators("events"), packages));
        let mut probes = self.probes;
        let (neighbours, queues) = queues(workers);
        // What a server further on asks for is asked of this address, whichever worker it is told.
        let throttle = Throttle::new(&seed);
        let each = (0..workers)
            .zip(queues)
            .zip(inherited)
            .zip(authenticators("registrar"))
            .zip(authenticators("proxy"));
        for ((((worker, queue), inherited), of_registrar), of_proxy) in each {
            let own = match worker {
                0 => seed.clone(),
                _ => seed.derive(&format!("worker {worker}")),
            };
            let mut transaction = TransactionConfig::default();
            transaction.worker = worker;
            transaction.overload_control = proxy_config.heeds_overload;
            let mut proxy = Proxy::new(proxy_config.clone(), of_proxy, &own);
            proxy.use_throttle(&throttle);
            let parts = Parts {
                transports: Transports::new(transport.clone(), own.derive("transport")),
                transactions: Transactions::new(transaction, own.derive("transaction")),
                dialogs: None,
                registrar: Some(Registrar::new(registrar_config.clone(), of_registrar, &own)),
                events: events.take().map(|(config, authenticators, packages)| {
                    let authenticator = authenticators.into_iter().next().flatten();
                    Events::new(config, authenticator, packages, &own)
                }),
                stateless: proxy_config.router.clone().map(|router| {
                    let mut config = StatelessConfig::new(domains.clone(), router);
                    config.record_route = self.records_statelessly.then(|| {
                        // All workers, and a server that was started again, know the routes of each other.
                        mark.as_ref().unwrap_or(&seed).clone()
                    });
                    Stateless::new(config)
                }),
                proxy: Some(proxy),
                handled: handled.clone(),
            };
            let mut hub = Hub::new(own.derive("hub").rng());
            let (sender, requests) = mpsc::channel(1024);
            hub.take_requests(sender);
            for recorder in &self.recorders {
                hub.take_capture(Arc::clone(recorder));
            }
            let place = WorkerPlace {
                worker,
                workers,
                packages: Vec::clone(&served),
                run: u32::from_ne_bytes(run),
            };
            let neighbours = neighbours.clone();
            let (mut listen, services) = (listen.clone(), services.clone());
            listen.append(&mut first_alone);
            let guard = Guard::new(self.guard.clone(), &own);
            let probes = probes.take().map(|(health, targets)| {
                let mut probes = Probes::new(health, &own);
                probes.set_targets(targets, Instant::now());
                probes
            });
            let (tls, resolver) = (self.tls.clone(), self.resolver.clone());
            let origins = self.origins.clone();
            let bind = move || {
                let (mut worker, handle) =
                    Worker::bind_inherited(&listen, inherited, parts, hub, services)?;
                let stack = worker.stack_mut();
                stack.set_guard(guard);
                if let Some(probes) = probes {
                    stack.set_probes(probes);
                }
                if capturing {
                    stack.capture(true);
                }
                if place.workers > 1 {
                    stack.set_place(place);
                    worker.join(queue, neighbours);
                }
                if let Some(tls) = tls {
                    worker.use_tls(tls);
                }
                if let Some(resolver) = resolver {
                    worker.use_resolver(resolver);
                }
                if let Some(origins) = &origins {
                    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
                    worker.allow_origins(Some(&origins));
                }
                Ok((worker, handle))
            };
            let handle = if workers == 1 {
                let (worker, handle) = bind().map_err(BuildError::Sockets)?;
                here = Some(worker);
                handle
            } else {
                let thread = WorkerThread::start(worker, bind).map_err(BuildError::Sockets)?;
                let handle = thread.handle.clone();
                threads.push(thread);
                handle
            };
            // Ends with the worker, which has the other end of the channel.
            if !self.handlers.is_empty() {
                tokio::spawn(handler::dispatch(
                    self.handlers.clone(),
                    requests,
                    own.derive("handlers").rng(),
                    handle.clone(),
                ));
            }
            handles.push(handle);
        }
        let none = || BuildError::Sockets(io::Error::other("there is no worker"));
        let bound = match here {
            Some(worker) => Bound::Here(Box::new(worker)),
            None => Bound::Threads(threads),
        };
        Ok(Server {
            bound,
            workers: Workers::new(handles).ok_or_else(none)?,
            domains,
            moved,
            patience: self.patience,
            on_drain: None,
        })
    }
}

/// Which port had to give way to which.
type PortChange = Option<(u16, u16)>;

/// The concrete addresses, free at this moment, and which port had to give way to which.
fn find_places(
    asked: &[Place],
    inherited: &[Inherited],
    or_free_port: bool,
) -> Result<(Vec<Place>, PortChange), BuildError> {
    let machine = local_addresses();
    let places = if asked.is_empty() && !inherited.is_empty() {
        inherited::places(inherited)
    } else if asked.is_empty() {
        listen::expand(&listen::by_default(), &machine)
    } else {
        listen::expand(asked, &machine)
    };
    if places.is_empty() {
        return Err(BuildError::NoAddress);
    }
    let mut places = places;
    // Port 0 becomes the same free port everywhere, so that one URI is good for UDP and TCP.
    for kind in GROUPS {
        if let Some(port) = listen::free_port(&places, kind, 0) {
            places = listen::moved(&places, kind, 0, port);
        }
    }
    let mut change = None;
    // Each group of transports may have to give way once.
    for _ in GROUPS {
        let Some((place, error)) = listen::occupied(&places, inherited) else {
            break;
        };
        let (kind, taken) = (place.kind, place.addr.port());
        if !or_free_port || error.kind() != io::ErrorKind::AddrInUse {
            break;
        }
        let Some(port) = listen::free_port(&places, kind, taken) else {
            break;
        };
        places = listen::moved(&places, kind, taken, port);
        change = change.or(Some((taken, port)));
    }
    match listen::occupied(&places, inherited) {
        None => Ok((places, change)),
        Some((place, error)) => Err(BuildError::Bind {
            kind: place.kind,
            address: place.addr,
            error,
        }),
    }
}

/// One of each group of transports that share a port.
const GROUPS: [TransportKind; 4] = [
    TransportKind::Udp,
    TransportKind::Tls,
    TransportKind::Ws,
    TransportKind::Wss,
];
