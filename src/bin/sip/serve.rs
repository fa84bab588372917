//! `sip serve`: a SIP domain on this machine.

mod inherited;
mod notify;
mod reload;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sip_stack::auth::Algorithm;
use sip_stack::location::{Embedded, LocationStore as _};
use sip_stack::routing::{Health, Probed, Shared};
use sip_stack::server::Server;
use sip_stack::store::{DataFile, FILE_NAME, data_directory, default_realm};
use sip_stack::transport::tokio::Recorder;
use sip_stack::transport::tokio::tls::Tls;
use sip_stack::transport::{Hep, TransportKind};
use sip_stack::users;

use tokio_util::sync::CancellationToken;

pub(crate) use self::inherited::Sockets;
pub(crate) use self::reload::Reload;
use crate::admin;
use crate::config::{Config, Crew};
use crate::output::line;
use crate::secure::{self, ServerTls};
use crate::telemetry::Lost;

/// Serve a SIP domain: registrar and proxy for its users, who are added by `sip user add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file (`sip config example` prints one); what an option here says wins over it
    #[arg(long, value_name = "FILE", env = "SIP_CONFIG")]
    config: Option<PathBuf>,
    /// Directory of the data file with users and bindings [default: the platform's data directory]
    #[arg(long, value_name = "DIR", env = "SIP_DATA")]
    data: Option<PathBuf>,
    /// Where to listen: udp:ADDRESS:PORT, or with tcp, tls, ws, wss or sctp (in UDP port 9899, or sctp:ADDRESS:PORT/UDP-PORT),
    /// more than once if wanted [default: UDP and TCP port 5060 of all addresses]
    #[arg(long, value_name = "PLACE", conflicts_with = "port")]
    listen: Vec<String>,
    /// Port on all addresses, UDP and TCP [default: 5060, or a free one when that is taken]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    #[command(flatten)]
    tls: ServerTls,
    /// Listen for WebSockets, on this port of all addresses
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8080")]
    ws: Option<u16>,
    /// Listen for WebSockets over TLS, on this port of all addresses
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8443")]
    wss: Option<u16>,
    /// Let only pages of this origin open WebSockets, such as `https://phone.example.com`; more than once if wanted
    #[arg(long, value_name = "ORIGIN")]
    ws_origin: Vec<String>,
    /// Ask this name server, not those of the system
    #[arg(long, value_name = "IP[:PORT]", value_parser = secure::name_server)]
    dns: Option<SocketAddr>,
    /// Name of the domain, more than once if it has several; its addresses are names of it anyway
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
    /// Digest algorithms to offer, the most preferred first: SHA-512-256,SHA-256,MD5 for telephones that follow RFC 8760.
    /// Those that know no other than MD5 fail when more is offered (baresip 1.0) or another comes first (SIPp 3.6) [default: MD5]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = algorithm)]
    digest: Vec<Algorithm>,
    /// Record every message with its addresses into this pcapng file, for Wireshark; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Send a copy of every message to this capture server (HEP3 over UDP, as Homer takes it), by address and port
    #[arg(long, value_name = "ADDRESS:PORT")]
    hep: Option<SocketAddr>,
    /// The number of this node as a capture agent, for --hep
    #[arg(long, value_name = "N", default_value_t = 2001, requires = "hep")]
    hep_agent: u32,
    /// Worker threads, each with its own sockets at the same addresses: a number, or auto for one a processor [default: 1]
    #[arg(long, value_name = "N")]
    workers: Option<Crew>,
    /// Keep bindings in memory only: nothing waits for the disk, and telephones have to register again after a restart
    #[arg(long, conflicts_with = "admin")]
    memory: bool,
    /// Ask nobody for a password: everybody may register as anybody, and call. For closed networks and measurements
    #[arg(long)]
    danger_without_authentication: bool,
    /// What `sip ctl` asks, and metrics, over HTTP at this loopback address and port, such as 127.0.0.1:8060, or at a Unix
    /// socket by its path, such as ./sip.sock
    #[arg(long, value_name = "PLACE")]
    admin: Option<admin::Place>,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::parse(name)
        .ok_or_else(|| "the algorithms are MD5, SHA-256 and SHA-512-256".to_owned())
}

impl Args {
    /// What the file says of spans, which is needed before anything else is; what is wrong with it is said later.
    pub(crate) fn telemetry(&self) -> crate::config::Telemetry {
        let config = self.config.as_deref().map(Config::load);
        config.and_then(Result::ok).unwrap_or_default().telemetry
    }

    /// What the command line does not say comes from the file.
    fn fill(&mut self, config: &Config) {
        if self.domain.is_empty() {
            self.domain.clone_from(&config.domains);
        }
        if self.listen.is_empty() && self.port.is_none() {
            self.listen.clone_from(&config.listen);
        }
        if self.data.is_none() {
            self.data.clone_from(&config.data);
        }
        if self.digest.is_empty() {
            self.digest = config
                .digest
                .clone()
                .unwrap_or_else(|| vec![Algorithm::Md5]);
        }
        self.tls.fill(&config.tls);
        self.ws = self.ws.or(config.websocket.port);
        self.wss = self.wss.or(config.websocket.secure_port);
        if self.ws_origin.is_empty() {
            self.ws_origin.clone_from(&config.websocket.origins);
        }
        self.dns = self.dns.or(config.name_server);
        self.workers = self.workers.or(config.workers);
        if self.capture.is_none() {
            self.capture.clone_from(&config.capture.file);
        }
        if self.admin.is_none() {
            self.admin.clone_from(&config.admin.listen);
        }
        if self.hep.is_none() {
            self.hep = config.capture.hep;
            if let Some(agent) = config.capture.hep_agent {
                self.hep_agent = agent;
            }
        }
    }
}

/// The directory that `--data` names, or the platform's.
pub(crate) fn directory(data: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match data {
        Some(directory) => Ok(directory),
        None => data_directory().context(
            "there is no home directory to keep the data in (HOME is not set): use --data DIR",
        ),
    }
}

pub(crate) async fn run(args: Args, inherited: Sockets, lost_spans: Lost) -> anyhow::Result<u8> {
    let mut args = args;
    let config = match &args.config {
        None => Config::default(),
        Some(path) => match Config::load(path) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("sip: {error}");
                return Ok(error.code());
            }
        },
    };
    args.fill(&config);
    for name in &args.domain {
        if !is_host_name(name) {
            eprintln!("sip: --domain {name}: a domain is a host name such as example.com");
            return Ok(2);
        }
    }
    // What is wrong with the options is said before anything is opened.
    let routes = Shared::new(config.routes.clone());
    let health = Health::new();
    let (registrar, proxy) = (config.registrar.clone(), config.proxy.clone());
    let events = config.events.clone();
    let callers = config.callers.clone();
    let stir = match callers.stir() {
        Ok(stir) => stir,
        Err(error) => {
            eprintln!("sip: {error:#}");
            return Ok(2);
        }
    };
    let certificates = match callers.certificates() {
        Ok(certificates) => certificates,
        Err(error) => {
            eprintln!("sip: {error:#}");
            return Ok(2);
        }
    };
    let mut builder = Server::builder()
        .algorithms(&args.digest)
        .router(Probed::new(routes.clone(), health.clone()))
        .record_stateless_routes(config.proxy.stateless_record_route)
        .probes(health, config.probes.clone())
        .workers(args.workers.map_or(1, Crew::count))
        .segmentation_offload(config.segmentation_offload.when())
        .guard(config.guard())
        .policy(config.authentication.policy())
        .patience(Duration::from_secs(config.drain_seconds.unwrap_or(5)))
        .registrar(move |config| registrar.apply(config))
        .events(move |config| events.apply(config))
        .proxy(move |config| proxy.apply(config))
        .proxy(move |config| callers.apply(config))
        .proxy(move |config| config.stir = stir);
    if let Some(certificates) = certificates {
        builder = builder.shared_certificates(certificates);
    }
    for user in &config.events.registration_watchers {
        builder = builder.registration_watcher(user.as_str());
    }
    for name in &args.domain {
        builder = builder.domain(name);
    }
    if args.wss.is_some() && !args.tls.is_on() {
        eprintln!(
            "sip: --wss: WebSockets over TLS need a certificate: add --tls-cert and --tls-key, or --tls-dev-certificate"
        );
        return Ok(2);
    }
    for place in places(&args) {
        builder = builder.listen(&place)?;
    }
    for origin in &args.ws_origin {
        builder = builder.origin(origin);
    }
    if let Some(resolver) = secure::resolver(args.dns)? {
        builder = builder.resolver(resolver);
    }
    builder = match args.port {
        Some(_) => builder,
        None if args.listen.is_empty() => builder.or_free_port(),
        None => {
            for place in &args.listen {
                builder = match builder.listen(place) {
                    Ok(builder) => builder,
                    Err(error) => {
                        eprintln!("sip: --listen {error}");
                        return Ok(2);
                    }
                };
            }
            builder
        }
    };

    let inherited = match inherited.into_list() {
        Ok(list) => list,
        Err(error) => {
            eprintln!("sip: {error}");
            return Ok(2);
        }
    };
    let handed_over = inherited.len();
    builder = builder.inherited(inherited);

    let admin = match &args.admin {
        None => None,
        Some(place) => match admin::bind(place).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                eprintln!("sip: --admin {error}");
                return Ok(2);
            }
        },
    };
    let is_default_place = args.data.is_none();
    let directory = directory(args.data)?;
    let path = directory.join(FILE_NAME);
    let realm = args
        .domain
        .first()
        .map_or_else(default_realm, |name| name.as_str().into());
    let file = DataFile::open_or_create(&path, &realm)?;
    let users = users::Embedded::new(file.clone());
    let bindings = Embedded::new(file.clone());

    let mut notes = Vec::new();
    let mut names = args.domain.clone();
    names.extend([realm.to_string(), "localhost".to_owned()]);
    names.sort();
    names.dedup();
    if let Some(source) = args.tls.source(&directory, &names, &mut notes)? {
        let tls = Tls::new(source.read()?)?;
        builder = builder.tls(tls.clone());
        #[cfg(unix)]
        tokio::spawn(source.reload(tls));
    }
    let mut recorders = Vec::new();
    if let Some(path) = &args.capture {
        let recorder = Recorder::pcapng(path)
            .with_context(|| format!("{}: the capture cannot be written", path.display()))?;
        recorders.push((
            Arc::new(recorder),
            format!("Recording into {}", path.display()),
        ));
    }
    if let Some(to) = args.hep {
        let recorder = Recorder::hep(to, Hep::new(args.hep_agent))
            .with_context(|| format!("{to}: nothing can be sent there"))?;
        recorders.push((Arc::new(recorder), format!("Sending copies to {to} (HEP3)")));
    }
    for (recorder, _) in &recorders {
        builder = builder.capture(Arc::clone(recorder));
    }

    let (mut builder, store) = config
        .location
        .open(builder, bindings.clone(), args.memory)?;
    if args.danger_without_authentication {
        builder = builder.danger_without_authentication();
    }
    let server = builder.build().await?;

    // Before anybody knows of this process: a SIGHUP that nobody waits for ends it.
    let reload = Arc::new(Reload {
        path: args.config,
        begun: config,
        routes,
        workers: server.workers(),
    });
    #[cfg(unix)]
    let hangup = reload::on_hangup(Arc::clone(&reload))?;
    // While this runs, the file is ours alone: `sip user` asks us.
    #[cfg(unix)]
    let control = {
        let control = users::Control::bind(&directory, users.clone()).with_context(|| {
            format!(
                "{}: the socket for `sip user` cannot be made",
                directory.display()
            )
        })?;
        tokio::spawn(control.serve())
    };

    let data = if is_default_place {
        String::new()
    } else {
        format!(" --data {}", directory.display())
    };
    say(
        &server,
        &file,
        users.names().len(),
        bindings.len().unwrap_or(0),
        &data,
    );
    if handed_over > 0 {
        line(&format!(
            "{} taken over from the service manager",
            count(handed_over, "socket")
        ));
    }
    for (_, what) in &recorders {
        line(what);
    }
    for note in notes {
        line(&note);
    }
    let stop = Arc::new(tokio::sync::Notify::new());
    let ended = CancellationToken::new();
    let admin = match admin {
        None => None,
        Some(listener) => {
            line(&format!("Administration at {}", listener.place()?));
            let admin = admin::Admin {
                workers: server.workers(),
                bindings: Arc::clone(&store),
                users: users.clone(),
                domain: server.domains().primary().to_owned(),
                stop: Arc::clone(&stop),
                ended: ended.clone(),
                reload,
                lost_spans,
                since: std::time::Instant::now(),
            };
            Some(tokio::spawn(admin::serve(listener, admin)))
        }
    };
    let watchdog = notify::begin(server.workers());
    server
        .on_drain(notify::stopping)
        .run_or(stop.notified())
        .await?;
    if let Some(watchdog) = watchdog {
        watchdog.abort();
    }
    // Who told it to end gets the answer; who keeps a connection open without asking is not waited for.
    ended.cancel();
    if let Some(admin) = admin {
        let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    }
    #[cfg(unix)]
    {
        hangup.abort();
        control.abort();
        // The socket is removed when the task is gone.
        let _ = control.await;
    }
    // The server is gone, so these are the last shares; what waits is written before the end is told.
    for (recorder, what) in recorders {
        let dropped = recorder.stats().dropped;
        if dropped > 0 {
            eprintln!(
                "sip: {what}: {dropped} messages were not recorded, because they came too fast"
            );
        }
        if let Some(Err(error)) = Arc::into_inner(recorder).map(Recorder::finish) {
            eprintln!("sip: {what}: {error}");
        }
    }
    line("Stopped.");
    Ok(0)
}

/// Where to listen besides what `--listen` says; nothing means the server's own choice, UDP and TCP.
fn places(args: &Args) -> Vec<String> {
    let mut wanted: Vec<(&str, u16)> = Vec::new();
    let is_more = args.tls.is_on() || args.ws.is_some() || args.wss.is_some();
    // --listen says exactly what is wanted; what else is asked for comes beside the usual two.
    if args.listen.is_empty() && (args.port.is_some() || is_more) {
        let port = args.port.unwrap_or(5060);
        wanted.extend([("udp", port), ("tcp", port)]);
        if args.tls.is_on() {
            // RFC 3261 section 19.1.2: 5061 beside 5060; beside another port the one that follows it.
            wanted.push(("tls", if port == 0 { 0 } else { port.saturating_add(1) }));
        }
    }
    wanted.extend(args.ws.map(|port| ("ws", port)));
    wanted.extend(args.wss.map(|port| ("wss", port)));
    let both = |(kind, port): (&str, u16)| {
        [
            format!("{kind}:0.0.0.0:{port}"),
            format!("{kind}:[::]:{port}"),
        ]
    };
    wanted.into_iter().flat_map(both).collect()
}

/// Where it is reached, where its data is, and how a first telephone gets in.
fn say(server: &Server, file: &DataFile, users: usize, bindings: usize, data: &str) {
    if let Some((from, to)) = server.moved_from() {
        line(&format!(
            "Port {from} is taken by another program: using port {to} instead."
        ));
    }
    line(&format!(
        "Domain {}",
        server.domains().names().collect::<Vec<_>>().join(", ")
    ));
    for (kind, name) in [
        (TransportKind::Udp, "UDP"),
        (TransportKind::Tcp, "TCP"),
        (TransportKind::Tls, "TLS"),
        (TransportKind::Ws, "WS"),
        (TransportKind::Wss, "WSS"),
    ] {
        let addresses: Vec<String> = server
            .addresses()
            .iter()
            .filter(|(other, _)| *other == kind)
            .map(|(_, address)| address.to_string())
            .collect();
        if !addresses.is_empty() {
            line(&format!("Listening on {name} {}", addresses.join(", ")));
        }
    }
    let workers = server.workers().handles().len();
    if workers > 1 {
        line(&format!("{workers} workers"));
    }
    line(&format!(
        "Data file {} ({}, {})",
        file.path().display(),
        count(users, "user"),
        count(bindings, "registered address")
    ));
    let host = contact(
        server
            .addresses()
            .iter()
            .filter(|(kind, _)| matches!(kind, TransportKind::Udp | TransportKind::Tcp))
            .map(|(_, address)| *address),
    );
    line("To register a first phone:");
    line(&format!("  sip user add alice{data}"));
    line(&format!(
        "  on the phone: user alice, that password, domain (registrar, proxy) {host}"
    ));
    line(&format!(
        "  or with this program: sip register sip:alice@{host}"
    ));
    line("Ctrl-C ends it.");
}

fn count(number: usize, what: &str) -> String {
    match (number, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{number} {what}es"),
        (_, false) => format!("{number} {what}s"),
    }
}

/// The address that other machines most likely reach, as it stands in a URI.
fn contact(addresses: impl Iterator<Item = SocketAddr>) -> String {
    let all: BTreeSet<(u8, SocketAddr)> = addresses
        .map(|address| (remoteness(address.ip()), address))
        .collect();
    let Some((_, address)) = all.first() else {
        return "localhost".to_owned();
    };
    if address.port() != 5060 {
        return address.to_string();
    }
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn remoteness(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() => 0,
        IpAddr::V6(ip) if !ip.is_loopback() && !ip.is_unicast_link_local() => 1,
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 3,
    }
}

pub(crate) fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_others_reach_is_the_one_that_is_told() {
        let contact = |list: &[&str]| contact(list.iter().map(|text| text.parse().unwrap()));
        assert_eq!(
            contact(&["127.0.0.1:5060", "192.0.2.1:5060", "[2001:db8::1]:5060"]),
            "192.0.2.1"
        );
        assert_eq!(
            contact(&["[::1]:5062", "[2001:db8::1]:5062"]),
            "[2001:db8::1]:5062"
        );
        assert_eq!(contact(&["127.0.0.1:5070"]), "127.0.0.1:5070");
    }

    #[test]
    fn plurals() {
        assert_eq!(count(1, "user"), "1 user");
        assert_eq!(count(0, "user"), "0 users");
        assert_eq!(count(2, "registered address"), "2 registered addresses");
    }
}
