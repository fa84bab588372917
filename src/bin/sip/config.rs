//! `sip.toml`, the configuration of `sip serve`; and `sip config`, which checks and explains it.

mod authentication;
mod callers;
mod guard;
mod offload;
mod routes;
mod telemetry;
mod workers;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sip_stack::auth::Algorithm;
use sip_stack::message::Uri;
use sip_stack::role::events::EventsConfig;
use sip_stack::role::probe::ProbeTarget;
use sip_stack::role::proxy::ProxyConfig;
use sip_stack::role::registrar::RegistrarConfig;
use sip_stack::routing::Table;
use toml::Spanned;

use self::offload::Offload;
pub(crate) use self::telemetry::Telemetry;
pub(crate) use self::workers::Crew;
use crate::location::Location;
use crate::output::line;

/// A file with everything in it, explained.
const EXAMPLE: &str = include_str!("config/example.toml");

/// Check a configuration file, or print one to begin with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say whether `sip serve --config FILE` would take a file, and what is wrong with it if not.
    Check {
        /// The file
        #[arg(value_name = "FILE", default_value = "sip.toml")]
        file: PathBuf,
    },
    /// Print a file with every setting, explained; each is set to what holds without it.
    Example,
}

pub(crate) fn run(args: &Args) -> u8 {
    match &args.command {
        Command::Check { file } => match Config::load(file) {
            Ok(config) => {
                let rules = config.routes.rules().len();
                line(&format!(
                    "{}: good ({rules} {})",
                    file.display(),
                    if rules == 1 { "route" } else { "routes" }
                ));
                0
            }
            Err(error) => {
                eprintln!("sip: {error}");
                error.code()
            }
        },
        Command::Example => {
            line(EXAMPLE.trim_end());
            0
        }
    }
}

/// What a file says. What it does not say is as without a file.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) domains: Vec<String>,
    pub(crate) listen: Vec<String>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) drain_seconds: Option<u64>,
    pub(crate) workers: Option<Crew>,
    pub(crate) segmentation_offload: Offload,
    pub(crate) digest: Option<Vec<Algorithm>>,
    pub(crate) registrar: Registrar,
    pub(crate) location: Location,
    pub(crate) events: Events,
    pub(crate) proxy: Proxy,
    pub(crate) tls: Tls,
    pub(crate) websocket: WebSocket,
    pub(crate) name_server: Option<SocketAddr>,
    pub(crate) capture: Capture,
    pub(crate) admin: Admin,
    pub(crate) authentication: authentication::Authentication,
    pub(crate) overload: guard::Overload,
    pub(crate) sources: guard::Sources,
    pub(crate) telemetry: Telemetry,
    pub(crate) callers: callers::Callers,
    pub(crate) routes: Table,
    /// The gateways that are asked whether they are there.
    pub(crate) probes: Vec<ProbeTarget>,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    domains: Vec<Spanned<String>>,
    listen: Vec<Spanned<String>>,
    data: Option<PathBuf>,
    drain_seconds: Option<u64>,
    workers: Option<Crew>,
    segmentation_offload: Offload,
    digest: Option<Vec<Spanned<String>>>,
    registrar: Registrar,
    location: Option<Spanned<Location>>,
    events: Events,
    proxy: Proxy,
    tls: Option<Spanned<Tls>>,
    websocket: WebSocket,
    name_server: Option<Spanned<String>>,
    capture: Capture,
    admin: Admin,
    authentication: authentication::Authentication,
    overload: guard::Overload,
    sources: guard::Sources,
    telemetry: telemetry::TelemetryTable,
    trust: Option<callers::TrustTable>,
    emergency: Option<Spanned<callers::EmergencyTable>>,
    #[serde(rename = "enum")]
    numbers: Option<callers::NumberTable>,
    stir: Option<Spanned<callers::StirTable>>,
    route: Vec<Spanned<routes::Route>>,
}

/// `[registrar]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Registrar {
    default_expires: Option<u32>,
    min_expires: Option<u32>,
    max_expires: Option<u32>,
    max_contacts: Option<usize>,
    flow_timer: Option<u32>,
    #[serde(deserialize_with = "uris")]
    service_route: Vec<Uri>,
    push_providers: Vec<String>,
    registering_for_others: Vec<String>,
}

fn uris<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Uri>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| {
            Uri::parse(text)
                .ok()
                .filter(|uri| uri.as_ref().is_sip())
                .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no SIP URI")))
        })
        .collect()
}

/// `[events]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Events {
    max_subscriptions: Option<usize>,
    max_watchers: Option<usize>,
    pub(crate) registration_watchers: Vec<String>,
}

impl Events {
    pub(crate) fn apply(&self, config: &mut EventsConfig) {
        set(&mut config.max_subscriptions, self.max_subscriptions);
        set(&mut config.max_watchers, self.max_watchers);
    }
}

/// `[proxy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Proxy {
    /// Callers are told where users are, and call them themselves.
    pub(crate) redirect: bool,
    /// Redirections of callees are followed.
    pub(crate) follow_redirects: bool,
    ring_seconds: Option<u64>,
    failover_seconds: Option<u64>,
    max_requests: Option<usize>,
    max_breadth: Option<u32>,
    caller_preferences: Option<bool>,
    /// Dialogs whose first request is forwarded statelessly pass here to their end.
    pub(crate) stateless_record_route: bool,
    history: bool,
    heed_overload: bool,
}

/// `[tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Tls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) dev_certificate: bool,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
}

impl Tls {
    /// What makes no sense together.
    fn fault(&self) -> Option<&'static str> {
        match (&self.certificate, &self.key, self.dev_certificate) {
            (Some(_), None, _) => Some("tls: a certificate needs its key"),
            (None, Some(_), _) => Some("tls: a key needs its certificate"),
            (Some(_), Some(_), true) => Some("tls: either a certificate or dev-certificate"),
            _ => None,
        }
    }
}

/// `[websocket]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct WebSocket {
    pub(crate) port: Option<u16>,
    pub(crate) secure_port: Option<u16>,
    pub(crate) origins: Vec<String>,
}

/// `[capture]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Capture {
    pub(crate) file: Option<PathBuf>,
    pub(crate) hep: Option<SocketAddr>,
    pub(crate) hep_agent: Option<u32>,
}

/// `[admin]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Admin {
    pub(crate) listen: Option<crate::admin::Place>,
}

impl Registrar {
    pub(crate) fn apply(&self, config: &mut RegistrarConfig) {
        set(&mut config.default_expires, self.default_expires);
        set(&mut config.min_expires, self.min_expires);
        set(&mut config.max_expires, self.max_expires);
        set(&mut config.max_bindings, self.max_contacts);
        set(&mut config.flow_timer, self.flow_timer);
        config.service_route.clone_from(&self.service_route);
        let boxed = |list: &[String]| list.iter().map(|name| name.as_str().into()).collect();
        config.push_providers = boxed(&self.push_providers);
        config.registering_for_others = boxed(&self.registering_for_others);
        // The usual time is never outside of what is allowed.
        config.default_expires = config
            .default_expires
            .clamp(config.min_expires, config.max_expires);
    }
}

impl Proxy {
    pub(crate) fn apply(&self, config: &mut ProxyConfig) {
        set(
            &mut config.timer_c,
            self.ring_seconds.map(std::time::Duration::from_secs),
        );
        if let Some(seconds) = self.failover_seconds {
            config.failover =
                sip_transport::Failover::within(std::time::Duration::from_secs(seconds));
        }
        set(&mut config.max_contexts, self.max_requests);
        set(&mut config.max_breadth, self.max_breadth);
        set(&mut config.caller_preferences, self.caller_preferences);
        config.redirects = self.redirect;
        config.history = self.history;
        config.heeds_overload = self.heed_overload;
        config.follows_redirects = self.follow_redirects;
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Why a file is not taken.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    Read(PathBuf, std::io::Error),
    /// What it says at a line and column makes no sense.
    Wrong {
        path: PathBuf,
        at: Option<(usize, usize)>,
        what: String,
    },
}

impl ConfigError {
    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        2
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Wrong { path, at, what } => {
                write!(f, "{}", path.display())?;
                if let Some((line, column)) = at {
                    write!(f, ":{line}:{column}")?;
                }
                write!(f, ": {what}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// What is wrong, and where in the text.
#[derive(Debug)]
struct Fault {
    what: String,
    at: Option<Range<usize>>,
}

impl Fault {
    fn new(at: &Range<usize>, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            at: Some(at.clone()),
        }
    }
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read(path.to_owned(), error))?;
        Self::parse(&text).map_err(|fault| ConfigError::Wrong {
            path: path.to_owned(),
            at: fault.at.map(|at| line_and_column(&text, at.start)),
            what: fault.what,
        })
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let file: File = toml::from_str(text).map_err(|error| Fault {
            what: error.message().lines().collect::<Vec<_>>().join(" "),
            at: error.span(),
        })?;
        for name in &file.domains {
            if !crate::serve::is_host_name(name.get_ref()) {
                let what = format!(
                    "domains: {:?} is no host name such as example.com",
                    name.get_ref()
                );
                return Err(Fault::new(&name.span(), what));
            }
        }
        for place in &file.listen {
            if let Err(error) = sip_stack::server::check_place(place.get_ref()) {
                return Err(Fault::new(&place.span(), format!("listen: {error}")));
            }
        }
        let digest = match &file.digest {
            None => None,
            Some(names) if names.is_empty() => {
                return Err(Fault {
                    what: "digest: name at least one of MD5, SHA-256 and SHA-512-256".to_owned(),
                    at: None,
                });
            }
            Some(names) => Some(
                names
                    .iter()
                    .map(|name| {
                        Algorithm::parse(name.get_ref()).ok_or_else(|| {
                            let what = format!(
                                "digest: {:?} is none of MD5, SHA-256 and SHA-512-256",
                                name.get_ref()
                            );
                            Fault::new(&name.span(), what)
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
        };
        if let Some(tls) = &file.tls
            && let Some(fault) = tls.get_ref().fault()
        {
            return Err(Fault::new(&tls.span(), fault));
        }
        if let Some(location) = &file.location
            && let Some((what, at)) = location.get_ref().fault()
        {
            return Err(Fault::new(&at.unwrap_or_else(|| location.span()), what));
        }
        let name_server = match &file.name_server {
            None => None,
            Some(text) => Some(
                crate::secure::name_server(text.get_ref())
                    .map_err(|error| Fault::new(&text.span(), format!("name-server: {error}")))?,
            ),
        };
        let Registrar {
            min_expires,
            max_expires,
            ..
        } = file.registrar;
        let usual = |config: fn(&RegistrarConfig) -> u32| {
            config(&RegistrarConfig::new(sip_stack::domain::Domains::new(
                "localhost",
            )))
        };
        let min = min_expires.unwrap_or_else(|| usual(|config| config.min_expires));
        let max = max_expires.unwrap_or_else(|| usual(|config| config.max_expires));
        if min > max {
            return Err(Fault {
                what: format!(
                    "registrar: a binding cannot hold at least {min} and at most {max} seconds"
                ),
                at: None,
            });
        }
        // RFC 8599 §8.7: the value is written into a quoted string.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        if let Some(name) = file
            .registrar
            .push_providers
            .iter()
            .find(|name| name.is_empty() || !name.bytes().all(is_token))
        {
            return Err(Fault {
                what: format!("registrar: push-providers: {name:?} is no name such as apns or fcm"),
                at: None,
            });
        }
        // RFC 3261 §16.6, step 11: Timer C is more than three minutes.
        if let Some(seconds) = file.proxy.ring_seconds
            && seconds <= 180
        {
            return Err(Fault {
                what: format!(
                    "proxy: ring-seconds is {seconds}; it must be more than 180 (RFC 3261, Timer C)"
                ),
                at: None,
            });
        }
        let routes = file
            .route
            .iter()
            .map(|route| route.get_ref().rule(&route.span()))
            .collect::<Result<_, _>>()?;
        let mut probes = Vec::new();
        for route in &file.route {
            probes.extend(route.get_ref().probes()?);
        }
        Ok(Self {
            probes,
            domains: file.domains.into_iter().map(Spanned::into_inner).collect(),
            listen: file.listen.into_iter().map(Spanned::into_inner).collect(),
            data: file.data,
            drain_seconds: file.drain_seconds,
            workers: file.workers,
            segmentation_offload: file.segmentation_offload,
            digest,
            registrar: file.registrar,
            location: file.location.map(Spanned::into_inner).unwrap_or_default(),
            events: file.events,
            proxy: file.proxy,
            tls: file.tls.map(Spanned::into_inner).unwrap_or_default(),
            websocket: file.websocket,
            name_server,
            capture: file.capture,
            admin: file.admin,
            authentication: file.authentication,
            overload: file.overload,
            sources: file.sources,
            telemetry: file.telemetry.read()?,
            callers: callers::Callers::new(
                file.trust.as_ref(),
                file.emergency.as_ref(),
                file.numbers.as_ref(),
                file.stir.as_ref(),
            )?,
            routes,
        })
    }

    /// What is done when too much arrives.
    pub(crate) fn guard(&self) -> sip_stack::guard::GuardConfig {
        guard::guard(&self.overload, &self.sources)
    }

    /// Which settings differ that a running server cannot change.
    pub(crate) fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        [
            ("domains", self.domains != new.domains),
            ("listen", self.listen != new.listen),
            ("data", self.data != new.data),
            ("drain-seconds", self.drain_seconds != new.drain_seconds),
            ("workers", self.workers != new.workers),
            (
                "segmentation-offload",
                self.segmentation_offload != new.segmentation_offload,
            ),
            ("digest", self.digest != new.digest),
            ("authentication", self.authentication != new.authentication),
            ("registrar", self.registrar != new.registrar),
            ("location", self.location != new.location),
            ("events", self.events != new.events),
            ("proxy", self.proxy != new.proxy),
            ("tls", self.tls != new.tls),
            ("websocket", self.websocket != new.websocket),
            ("name-server", self.name_server != new.name_server),
            ("capture", self.capture != new.capture),
            ("admin", self.admin != new.admin),
            ("telemetry", self.telemetry != new.telemetry),
            (
                "trust, stir, emergency, enum",
                !self.callers.is_same(&new.callers),
            ),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

/// Both from 1; the column counts characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let fault = Config::parse(text).unwrap_err();
        match fault.at {
            Some(at) => {
                let (line, column) = line_and_column(text, at.start);
                format!("{line}:{column}: {}", fault.what)
            }
            None => fault.what,
        }
    }

    #[test]
    fn an_empty_file_says_nothing() {
        let config = Config::parse("").unwrap();
        assert!(config.domains.is_empty() && config.routes.rules().is_empty());
        assert!(Config::default().needs_restart(&config).is_empty());
    }

    #[test]
    fn the_example_is_a_good_file_and_says_what_holds_anyway() {
        let config = Config::parse(EXAMPLE).unwrap();
        let mut registrar = RegistrarConfig::new(sip_stack::domain::Domains::new("example.com"));
        let usual = format!("{registrar:?}");
        config.registrar.apply(&mut registrar);
        assert_eq!(format!("{registrar:?}"), usual);
        let mut events = EventsConfig::new(sip_stack::domain::Domains::new("example.com"));
        let usual = format!("{events:?}");
        config.events.apply(&mut events);
        assert_eq!(format!("{events:?}"), usual);
        let mut proxy = ProxyConfig::new(sip_stack::domain::Domains::new("example.com"));
        let usual = format!("{proxy:?}");
        config.proxy.apply(&mut proxy);
        assert_eq!(format!("{proxy:?}"), usual);
        assert_eq!(
            config.authentication.policy(),
            sip_stack::auth::Policy::default()
        );
        assert_eq!(config.guard(), sip_stack::guard::GuardConfig::default());
        config.callers.apply(&mut proxy);
        assert_eq!(format!("{proxy:?}"), usual);
        assert!(config.routes.rules().is_empty());
        // And with the comments taken off the tables that are none without them.
        let tables: String = EXAMPLE
            .lines()
            .skip_while(|line| !line.starts_with("# [trust]"))
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| {
                let name = line.split(' ').next().unwrap_or_default();
                let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                line.starts_with('[') || (is_name && line.contains(" = "))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let config = Config::parse(&tables).unwrap();
        config.callers.apply(&mut proxy);
        assert!(
            proxy.trust.is_some() && proxy.emergency.is_some() && proxy.enumeration.is_some(),
            "{tables}"
        );
        // And with the comments taken off its routes, still.
        let routes: String = EXAMPLE
            .lines()
            .skip_while(|line| !line.starts_with("# [[route]]"))
            .map(|line| line.strip_prefix("# ").unwrap_or_default().to_owned() + "\n")
            .collect();
        let config = Config::parse(&routes).unwrap();
        assert!(config.routes.rules().len() >= 4, "{routes}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_column() {
        for (text, expected) in [
            ("domain = \"x\"", "1:1: unknown field `domain`"),
            (
                "domains = [\"a b\"]",
                "1:12: domains: \"a b\" is no host name",
            ),
            (
                "\nlisten = [\"udp:0.0.0.0\",\n  \"ftp:1\"]",
                "3:3: listen: \"ftp:1\" does not say where to listen",
            ),
            ("digest = [\"MD4\"]", "1:11: digest: \"MD4\" is none of"),
            ("digest = []", "digest: name at least one"),
            ("registrar = 5", "1:13: invalid type"),
            (
                "[tls]\nkey = \"k.pem\"",
                "1:1: tls: a key needs its certificate",
            ),
            ("name-server = \"dns\"", "1:15: name-server: "),
            (
                "[registrar]\nmin-expires = 7200",
                "at least 7200 and at most 3600",
            ),
            (
                "[registrar]\nservice-route = [\"x\"]",
                "2:17: \"x\" is no SIP URI",
            ),
            (
                "[registrar]\npush-providers = [\"a b\"]",
                "push-providers: \"a b\" is no name",
            ),
            ("[proxy]\nring-seconds = 60", "more than 180"),
            (
                "[authentication]\ntrusted = [\"gateway.example.com\", \"192.0.2.300\"]",
                "2:11: \"192.0.2.300\" is neither a network",
            ),
            (
                "[trust]\npeers = [\"*.example.com\"]",
                "2:10: trust: \"*.example.com\" is neither a network",
            ),
            (
                "[location]\nnode = \"sip:192.0.2.1\"",
                "2:8: location: a node needs the secret",
            ),
            ("[proxy]\nmax-requests = -1", "2:16: invalid value"),
            (
                "[[route]]\nprefix = \"1\"",
                "1:1: route: say what is done with the request: to, rewrite, redirect or reject",
            ),
            (
                "[[route]]\nto = \"sip:a\"\nreject = \"403\"",
                "1:1: route: only one of to, rewrite, redirect and reject",
            ),
            (
                "[[route]]\nto = [\"sip:a\", \"http:b\"]",
                "2:16: route: \"http:b\" is no SIP URI",
            ),
            (
                "[[route]]\nrewrite = \"nonsense\"",
                "2:11: route: \"nonsense\" is no SIP URI",
            ),
            (
                "[[route]]\nreject = \"200 OK\"",
                "2:10: route: \"200 OK\" is no refusal",
            ),
            (
                "[[route]]\nreject = \"403\"\nsource = \"10.0.0.0/33\"",
                "3:10: route: \"10.0.0.0/33\" is no network",
            ),
            (
                "[[route]]\nreject = \"403\"\nmethod = \"IN VITE\"",
                "3:10: route: \"IN VITE\" is no method",
            ),
            (
                "[[route]]\nreject = \"403\"\nheader = { \"a b\" = \"c\" }",
                "3:10: route: \"a b\" is no header field name",
            ),
            (
                "[trust]\npeers = [\"10.0.0.0/33\"]",
                "2:10: trust: \"10.0.0.0/33\" is neither a network",
            ),
            (
                "[trust]\nidentities = { alice = \"+49\" }",
                "2:24: trust: \"+49\" is no URI",
            ),
            (
                "[emergency]\nto = []",
                "emergency: the list of targets is empty",
            ),
            (
                "[emergency]\nto = \"sip:a\"\nnumbers = { 112 = \"help\" }",
                "emergency: \"help\" is no service",
            ),
            ("[stir]\nkey = \"k.pem\"", "stir: a key needs the address"),
            (
                "[stir]\nanchors = \"a.pem\"",
                "stir: anchors need the directory",
            ),
            (
                "[stir]\nfetch-ca = \"a.pem\"",
                "1:1: stir: fetch-ca is for fetch = true",
            ),
            (
                "[stir]\nkey = \"k\"\ncertificate-url = \"http://h\"",
                "3:19: stir: \"http://h\" is no https address",
            ),
            (
                "[stir]\nkey = \"k\"\ncertificate-url = \"https://h\"\nattest = \"D\"",
                "4:10: stir: \"D\" is no attestation",
            ),
            (
                "[enum]\nsuffix = \"e164 arpa\"",
                "2:10: enum: \"e164 arpa\" is no name such as e164.arpa",
            ),
            ("[emergency]\nnumbers = {}", "missing field `to`"),
            (
                "[[route]]\nto = \"sip:a\"\nstateless = true",
                "1:1: route: without a transaction nobody can be asked",
            ),
            ("[[route]]\nto = [{ uri = \"sip:a\", wait = 3 }]", "2:"),
            (
                "[[route]]\nreject = \"403\"\nprobe = 5",
                "3:9: route: probe is",
            ),
            (
                "[admin]\nlisten = \"192.0.2.1:80\"",
                "2:10: 192.0.2.1:80: the",
            ),
            (
                "[authentication]\nopen = [\"REGISTER\"]",
                "2:8: \"REGISTER\" is open to trusted networks only",
            ),
            ("[overload]\ntarget-ms = -1", "2:13: invalid value"),
            (
                "[sources]\ntrusted = [\"10.0.0.0/40\"]",
                "2:11: \"10.0.0.0/40\" is no network",
            ),
        ] {
            let found = fault(text);
            assert!(
                found.starts_with(expected) || found.contains(expected),
                "{text:?}\n  expected {expected}\n  found    {found}"
            );
        }
    }

    #[test]
    fn what_needs_a_restart_is_known() {
        let old = Config::parse("domains = [\"a.example\"]\n[proxy]\nredirect = true").unwrap();
        let new = Config::parse("domains = [\"b.example\"]\n[[route]]\nreject = \"403\"").unwrap();
        assert_eq!(old.needs_restart(&new), ["domains", "proxy"]);
    }
}
