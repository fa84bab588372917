//! What a user agent is made of.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use sip_dialog::{Credential, DialogConfig, Dialogs};
use sip_message::{Method, Uri};
use sip_transaction::{TransactionConfig, Transactions};
use sip_transport::tokio::tls::Tls;
use sip_transport::tokio::{Listen, Resolver, local_addresses};
use sip_transport::{Seed, TransportConfig, TransportKind, Transports};
use tokio::sync::{Mutex, mpsc, watch};

use super::{Account, AgentError, Codec, Inner, Traced, UserAgent, offer};
use crate::runtime::{Hub, Services, Tracer, Worker};
use crate::stack::Parts;

/// Calls that may wait for [`UserAgent::incoming`]; further ones are refused with 480.
const WAITING_CALLS: usize = 64;
/// RFC 4028 section 4: what is recommended, and the least that there is.
const SESSION_INTERVAL: Duration = Duration::from_secs(1800);
const LEAST_INTERVAL: Duration = Duration::from_secs(90);

/// Describes a [`UserAgent`]. All parts have a default.
pub struct UserAgentBuilder {
    account: Option<Account>,
    outbound_proxies: Vec<Uri>,
    listen: Vec<Listen>,
    codecs: Vec<Codec>,
    request_timeout: Duration,
    accept_transfers: bool,
    reliable_progress: bool,
    session_interval: Option<Duration>,
    transport: Option<TransportKind>,
    tls: Option<Tls>,
    resolver: Option<Resolver>,
    tracer: Option<Tracer>,
}

impl std::fmt::Debug for UserAgentBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserAgentBuilder")
            .field("account", &self.account)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl UserAgentBuilder {
    pub(super) fn new() -> Self {
        Self {
            account: None,
            outbound_proxies: Vec::new(),
            listen: Vec::new(),
            codecs: Codec::ALL.to_vec(),
            // RFC 3261 section 17.1.2.2: Timer F, 64 times T1, and a little for names to resolve.
            request_timeout: Duration::from_secs(35),
            accept_transfers: false,
            reliable_progress: true,
            session_interval: Some(SESSION_INTERVAL),
            transport: None,
            tls: None,
            resolver: None,
            tracer: None,
        }
    }

    /// Speaks as this account. Without one, requests are anonymous, and challenges are not answered.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sends everything through this proxy first (RFC 3261 section 8.1.2). Called again, it names another one: an account
    /// with an [instance](Account::instance) registers over a flow to each of them (RFC 5626 section 4.2), four at most, and
    /// uses the first that works. A call that one of them does not serve (no answer, nothing there, 503) goes by the next.
    #[must_use]
    pub fn outbound_proxy(mut self, proxy: Uri) -> Self {
        self.outbound_proxies.push(proxy);
        self
    }

    /// Uses this transport where an address names none.
    #[must_use]
    pub const fn transport(mut self, transport: TransportKind) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Whom to trust as a server, and who we are to servers that ask for a certificate. Without this there is no TLS.
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

    /// Listens here: `udp:IP:PORT`, `tcp:IP:PORT` or `tls:IP:PORT`, port 0 for a free one. Without any call, the agent listens on all addresses of
    /// this machine, with UDP and TCP on one free port each.
    ///
    /// # Errors
    /// The text has another form; the error says which is wanted.
    pub fn listen(mut self, listen: &str) -> Result<Self, AgentError> {
        self.listen
            .extend(parse_listen(listen).map_err(AgentError::Usage)?);
        Ok(self)
    }

    /// The codecs to offer and to accept, in order of preference.
    #[must_use]
    pub fn codecs(mut self, codecs: &[Codec]) -> Self {
        self.codecs = codecs.to_vec();
        self
    }

    /// Whether the other side of a call may ask to transfer it: [`CallEvent::TransferRequested`](super::CallEvent::TransferRequested)
    /// then tells. Without this it is told that we do no such thing (405).
    #[must_use]
    pub const fn accept_transfers(mut self, accept: bool) -> Self {
        self.accept_transfers = accept;
        self
    }

    /// Whether provisional responses are sent reliably to who asks for it, and acknowledged (RFC 3262, `100rel`): yes, unless told otherwise.
    #[must_use]
    pub const fn reliable_progress(mut self, reliable: bool) -> Self {
        self.reliable_progress = reliable;
        self
    }

    /// How long a call lives that neither side refreshes (RFC 4028, `timer`): half an hour; at least the 90 seconds of section 4.
    /// Without an interval, calls are not refreshed, and one whose other side has vanished stays up until somebody hangs up.
    #[must_use]
    pub fn session_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.session_interval = interval.into().map(|interval| interval.max(LEAST_INTERVAL));
        self
    }

    /// How long to wait for the answer to a request that is not an INVITE.
    #[must_use]
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Calls `tracer` with every message that is sent or received. It must not block.
    #[must_use]
    pub fn trace(mut self, tracer: impl FnMut(&Traced) + Send + 'static) -> Self {
        self.tracer = Some(Box::new(tracer));
        self
    }

    /// Binds the sockets and starts the user agent on the current runtime.
    ///
    /// # Errors
    /// A socket cannot be bound, or the system gives no randomness.
    pub async fn build(self) -> Result<UserAgent, AgentError> {
        let seed = Seed::from_system().map_err(AgentError::Socket)?;
        let listen = if self.listen.is_empty() {
            everywhere()
        } else {
            self.listen
        };
        let mut transport = TransportConfig::default();
        transport.client_transports.push(TransportKind::Ws);
        if self.tls.is_some() {
            let secure = [TransportKind::Tls, TransportKind::Wss];
            transport.client_transports.extend(secure);
        }
        transport.service_records = self.resolver.is_some();
        let mut dialog = DialogConfig::default();
        dialog.refer = self.accept_transfers;
        // RFC 3891: a call that comes may take the place of one that is there.
        dialog.supported.push("replaces".to_owned());
        if self.reliable_progress {
            dialog.supported.push("100rel".to_owned());
        }
        dialog.session_interval = self.session_interval;
        // RFC 3311: the other side changes the call by UPDATE too.
        dialog.methods.push(Method::Update);
        dialog.capabilities = listen
            .first()
            .and_then(|first| offer::capabilities(first.addr.ip(), &self.codecs));
        let parts = Parts {
            transports: Transports::new(transport, seed.derive("transport")),
            transactions: Transactions::new(
                TransactionConfig::default(),
                seed.derive("transaction"),
            ),
            dialogs: Some(Dialogs::new(dialog, seed.derive("dialog"))),
            registrar: None,
            events: None,
            proxy: None,
            stateless: None,
            handled: Vec::new(),
        };
        let mut hub = Hub::new(seed.derive("agent").rng());
        let (sender, incoming) = mpsc::channel(WAITING_CALLS);
        hub.take_incoming(sender);
        if let Some((account, password)) = self
            .account
            .as_ref()
            .and_then(|account| Some((account, account.password.as_ref()?)))
        {
            let user = account.auth_user.clone().unwrap_or_else(|| account.user());
            hub.add_credential(Account::key(), Credential::new(&user, password));
        }
        let traces = self.tracer.is_some();
        if let Some(tracer) = self.tracer {
            hub.take_trace(tracer);
        }
        let (mut worker, handle) =
            Worker::bind(&listen, parts, hub, Services::default()).map_err(AgentError::Socket)?;
        if let Some(tls) = self.tls {
            worker.use_tls(tls);
        }
        if let Some(resolver) = self.resolver {
            worker.use_resolver(resolver);
        }
        let addresses = worker.addresses();
        tokio::spawn(worker.run());
        if traces {
            handle.run(|state, _, _| state.stack.trace(true)).await?;
        }
        let inner = Inner {
            handle,
            account: self.account,
            outbound_proxies: self.outbound_proxies,
            proxy_in_use: AtomicUsize::new(0),
            is_outbound: AtomicBool::new(false),
            transport: self.transport,
            codecs: self.codecs,
            addresses,
            request_timeout: self.request_timeout,
            incoming: Mutex::new(incoming),
            registration: Mutex::new(Vec::new()),
            sequences: std::sync::Mutex::new(BTreeMap::new()),
            changes: watch::Sender::new(None),
            gruu: std::sync::Mutex::new(None),
        };
        Ok(UserAgent {
            inner: Arc::new(inner),
        })
    }
}

/// UDP and TCP on a free port of every address of this machine.
fn everywhere() -> Vec<Listen> {
    let addresses = local_addresses();
    let socket = |address: &IpAddr| SocketAddr::new(*address, 0);
    addresses
        .iter()
        .flat_map(|address| [Listen::udp(socket(address)), Listen::tcp(socket(address))])
        .collect()
}

/// Reads `udp:IP:PORT`; a wildcard address means every address of its family on this machine.
///
/// # Errors
/// A sentence that says what is wrong, and what would be right.
pub(crate) fn parse_listen(text: &str) -> Result<Vec<Listen>, String> {
    let wanted = "write udp:, tcp: or tls:IP:PORT, as in udp:127.0.0.1:5060 or tcp:[::1]:0";
    let Some((kind, address)) = text.split_once(':') else {
        return Err(format!("{text}: {wanted}"));
    };
    let kind = match TransportKind::from_uri_param(kind) {
        Some(kind @ (TransportKind::Udp | TransportKind::Tcp | TransportKind::Tls)) => kind,
        Some(other) => {
            return Err(format!(
                "{text}: a telephone listens on UDP, TCP and TLS, not on {other}"
            ));
        }
        None => return Err(format!("{text}: {kind} is no transport; {wanted}")),
    };
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("{text}: {address} is no IP address with a port; {wanted}"))?;
    if !address.ip().is_unspecified() {
        return Ok(vec![Listen::new(kind, address)]);
    }
    let of_family = local_addresses()
        .into_iter()
        .filter(|ip| ip.is_ipv4() == address.is_ipv4());
    let listen: Vec<Listen> = of_family
        .map(|ip| Listen::new(kind, SocketAddr::new(ip, address.port())))
        .collect();
    if listen.is_empty() {
        Err(format!(
            "{text}: this machine has no address of that family"
        ))
    } else {
        Ok(listen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_checked() {
        let one = parse_listen("tcp:127.0.0.1:5060").unwrap();
        assert_eq!(
            (one.len(), one[0].kind, one[0].addr),
            (1, TransportKind::Tcp, "127.0.0.1:5060".parse().unwrap())
        );
        for (text, said) in [
            ("127.0.0.1", "write udp:"),
            ("udp:localhost:5060", "no IP address"),
            ("sctp:127.0.0.1:5060", "TCP and TLS"),
            ("ip:127.0.0.1:5060", "no transport"),
        ] {
            let error = parse_listen(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
