//! The application's user agent: registration, calls and messages as futures.
//!
//! A [`UserAgent`] is a handle to a worker that runs on the current tokio runtime; clones share it. Dropping the last handle, or
//! [`UserAgent::shutdown`], ends it. Calls are values: a [`Call`] that is dropped hangs up.

mod account;
mod builder;
mod call;
mod dialing;
mod error;
mod incoming;
mod leg;
mod offer;
mod register;
mod registering;
mod subscription;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sip_message::header::NameAddr;
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_transport::{Flow, Target, TransportKind};
use tokio::sync::{Mutex, mpsc, watch};

pub use account::Account;
pub use builder::UserAgentBuilder;
pub use call::{Call, CallEvent, CallSummary, Party};
pub use dialing::{CallOptions, DialEvent, Dialing};
pub use error::AgentError;
pub use incoming::IncomingCall;
pub use register::{Binding, RegisterOptions, Registration};
pub use subscription::Subscription;
pub use transfer::{TransferProgress, TransferRequest};

pub use crate::media::Codec;
pub use crate::stack::{Direction, Traced};

use self::registering::Registered;
use crate::runtime::{Answered, Handle, Incoming};

/// A user agent. See the [module](self).
///
/// ```no_run
/// # async fn example() -> Result<(), sip_stack::agent::AgentError> {
/// use sip_stack::agent::UserAgent;
///
/// let agent = UserAgent::builder().build().await?;
/// let answer = agent.options("sip:example.com").await?;
/// println!("{}", answer.status().as_u16());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct UserAgent {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    handle: Handle,
    account: Option<Account>,
    /// The outbound-proxy-set (RFC 5626 section 4.2); without flows of their own only the first is used.
    outbound_proxies: Vec<Uri>,
    /// Which of them is used: the first over which we are registered.
    proxy_in_use: AtomicUsize,
    /// Does the registrar keep to the flows that we opened (RFC 5626)?
    is_outbound: AtomicBool,
    transport: Option<TransportKind>,
    codecs: Vec<Codec>,
    addresses: Vec<(TransportKind, SocketAddr)>,
    request_timeout: Duration,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
    registration: Mutex<Vec<Registered>>,
    /// Per flow the Call-ID of its registrations, which is one until we stop, and their last CSeq (RFC 3261 section 10.2).
    sequences: std::sync::Mutex<BTreeMap<usize, (String, u32)>>,
    changes: watch::Sender<Option<Change>>,
    /// The public GRUU that the registrar gave us (RFC 5627), as long as we are registered.
    gruu: std::sync::Mutex<Option<Uri>>,
}

type Change = Result<Registration, Arc<AgentError>>;

/// One of the addresses of a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenAddress {
    /// The transport.
    pub transport: TransportKind,
    /// The address.
    pub addr: SocketAddr,
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.transport.uri_param(), self.addr)
    }
}

/// What happens to a registration after its first answer; see [`UserAgent::registration_changes`].
#[derive(Debug)]
pub struct RegistrationChanges(watch::Receiver<Option<Change>>);

impl RegistrationChanges {
    /// The next refresh, or why it failed (it is tried again); `None` when the user agent has stopped.
    pub async fn next(&mut self) -> Option<Result<Registration, Arc<AgentError>>> {
        loop {
            self.0.changed().await.ok()?;
            if let Some(change) = self.0.borrow_and_update().clone() {
                return Some(change);
            }
        }
    }
}

impl UserAgent {
    /// Describes a user agent.
    #[must_use]
    pub fn builder() -> UserAgentBuilder {
        UserAgentBuilder::new()
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.inner
            .addresses
            .iter()
            .map(|&(transport, addr)| ListenAddress { transport, addr })
            .collect()
    }

    /// Registers the account for an hour and keeps it registered.
    ///
    /// # Errors
    /// There is no account, or the registrar refuses or does not answer.
    pub async fn register(&self) -> Result<Registration, AgentError> {
        self.register_with(RegisterOptions::new()).await
    }

    /// Refreshes of the registration, and their failures, from now on.
    #[must_use]
    pub fn registration_changes(&self) -> RegistrationChanges {
        RegistrationChanges(self.inner.changes.subscribe())
    }

    /// Removes all bindings of the account (RFC 3261 section 10.2.2: `Contact: *`).
    ///
    /// # Errors
    /// There is no account, or the registrar refuses or does not answer.
    pub async fn remove_bindings(
        &self,
        options: RegisterOptions,
    ) -> Result<Registration, AgentError> {
        let registrar = self.registrar(&options)?;
        let aor = self.account()?.aor.clone();
        let sequence = Some(self.next_in_sequence(0).await?);
        let request = self
            .request(Method::Register, &registrar, &aor, sequence)
            .await?
            .header(HeaderName::Contact, "*")
            .header(HeaderName::Expires, "0");
        let response = self.answer_of(request, &registrar).await?;
        self.note_sequence(0, &response);
        success(&response)?;
        Ok(Registration::of(&response, &aor, None))
    }

    /// Calls `target`, and resolves when the call is answered. [`Self::dial`] tells what happens before.
    ///
    /// # Errors
    /// The call is refused, nobody answers, or there is no common audio.
    pub async fn call(&self, target: &str) -> Result<Call, AgentError> {
        let mut dialing = self.dial(target, CallOptions::new()).await?;
        loop {
            match dialing.event().await {
                DialEvent::Answered(call) => return Ok(call),
                DialEvent::Failed(error) => return Err(error),
                DialEvent::Progress { .. } | DialEvent::Redirected { .. } => {}
            }
        }
    }

    /// Begins a call to `target`.
    ///
    /// # Errors
    /// `target` is no SIP address, or there is no way to it.
    pub async fn dial(&self, target: &str, options: CallOptions) -> Result<Dialing, AgentError> {
        dialing::dial(self, parse(target)?, options).await
    }

    /// The next call for us; `None` when the user agent has stopped. Dropping the future loses no call.
    pub async fn incoming(&self) -> Option<IncomingCall> {
        let incoming = self.inner.incoming.lock().await.recv().await?;
        Some(incoming::incoming(self.clone(), incoming))
    }

    /// Sends a text message (RFC 3428) and returns the final status, a 2xx.
    ///
    /// # Errors
    /// The message is refused, or nobody answers.
    pub async fn message(&self, target: &str, text: &str) -> Result<StatusCode, AgentError> {
        let target = parse(target)?;
        let request = self
            .request(Method::Message, &target, &target, None)
            .await?
            .body("text/plain;charset=UTF-8", text.as_bytes().to_vec());
        let response = self.answer_of(request, &target).await?;
        success(&response)?;
        Ok(response.status())
    }

    /// Asks `target` what it can (RFC 3261 section 11) and returns its final answer, whatever its status.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn options(&self, target: &str) -> Result<Response, AgentError> {
        let target = parse(target)?;
        let request = self
            .request(Method::Options, &target, &target, None)
            .await?
            .header(HeaderName::Accept, "application/sdp");
        self.answer_of(request, &target).await
    }

    /// Ends the user agent: sockets are closed, calls that are still up get no BYE (hang up first).
    pub async fn shutdown(&self) {
        let _ = self.unregister().await;
        self.leave().await;
    }

    /// Ends the user agent and leaves its binding with the registrar, until it expires.
    pub async fn leave(&self) {
        for registered in self.inner.registration.lock().await.drain(..) {
            registered.stop();
        }
        self.inner.handle.stop().await;
    }

    fn account(&self) -> Result<&Account, AgentError> {
        self.inner
            .account
            .as_ref()
            .ok_or_else(|| AgentError::Usage("there is no account to register".to_owned()))
    }

    /// RFC 3261 section 10.2: the Request-URI of a REGISTER is the domain, without a user.
    fn registrar(&self, options: &RegisterOptions) -> Result<Uri, AgentError> {
        if let Some(registrar) = &options.registrar {
            return Ok(registrar.clone());
        }
        let aor = self.account()?.aor.as_ref();
        let host = aor
            .host()
            .ok_or_else(|| AgentError::Usage(format!("{}: no host", aor.as_str())))?;
        let uri = if aor.is_secure() {
            Uri::sips(None, host, aor.port())
        } else {
            Uri::sip(None, host, aor.port())
        };
        Ok(match aor.param("transport") {
            Some(transport) => uri.with_param("transport", Some(transport)),
            None => uri,
        })
    }

    /// The fields that every request out of a dialog has (RFC 3261 section 8.1.1), without its Via.
    async fn request(
        &self,
        method: Method,
        uri: &Uri,
        to: &Uri,
        sequence: Option<(String, u32)>,
    ) -> Result<sip_message::RequestBuilder, AgentError> {
        let request = self.request_without_route(method, uri, to, sequence);
        Ok(routed(request.await?, self.proxy()))
    }

    async fn request_without_route(
        &self,
        method: Method,
        uri: &Uri,
        to: &Uri,
        sequence: Option<(String, u32)>,
    ) -> Result<sip_message::RequestBuilder, AgentError> {
        let (call_id, cseq) = match sequence {
            Some(sequence) => sequence,
            None => (self.token(24).await?, 1),
        };
        let tag = self.token(12).await?;
        let from = self.identity();
        let builder = Request::builder(method, &*uri.as_ref().request_uri())
            .max_forwards(70)
            .from(&self.name(&from).with_tag(&tag))
            .to(&NameAddr::new(to.as_ref()))
            .call_id(&call_id)
            .cseq(cseq)
            .header(HeaderName::UserAgent, USER_AGENT);
        Ok(builder)
    }

    /// Sends a request and waits for its final answer.
    async fn answer_of(
        &self,
        request: sip_message::RequestBuilder,
        uri: &Uri,
    ) -> Result<Response, AgentError> {
        self.answer_by(request, uri, self.next_hop(uri.clone()))
            .await
    }

    /// The same by a certain next hop.
    async fn answer_by(
        &self,
        request: sip_message::RequestBuilder,
        uri: &Uri,
        next_hop: Uri,
    ) -> Result<Response, AgentError> {
        let request = request
            .build_partial()
            .map_err(|error| AgentError::Usage(error.to_string()))?;
        let shown = uri.to_string();
        let answered = self
            .inner
            .handle
            .run(move |state, wall, now| {
                let outgoing = sip_dialog::OutgoingRequest {
                    request,
                    next_hop,
                    account: Account::key(),
                };
                let id = state.stack.dialogs(wall, now, |dialogs, transactions| {
                    dialogs.request(outgoing, transactions, now)
                })?;
                Some(state.hub.watch_request(id))
            })
            .await?
            .ok_or(crate::runtime::Stopped)?;
        match tokio::time::timeout(self.inner.request_timeout, answered).await {
            Ok(Ok(answered)) => answer(answered, &shown),
            Ok(Err(_)) => Err(crate::runtime::Stopped.into()),
            Err(_) => Err(AgentError::NoAnswer(shown)),
        }
    }

    /// Where a request for `uri` goes first.
    fn next_hop(&self, uri: Uri) -> Uri {
        self.hop_by(self.proxy(), uri)
    }

    /// The proxy that everything goes through first.
    fn proxy(&self) -> Option<&Uri> {
        let proxies = &self.inner.outbound_proxies;
        let in_use = self.inner.proxy_in_use.load(Ordering::Relaxed);
        proxies.get(in_use).or_else(|| proxies.first())
    }

    /// All proxies: the one in use, and those after it in their order.
    fn proxies(&self) -> VecDeque<Uri> {
        let mut all: VecDeque<Uri> = self.inner.outbound_proxies.iter().cloned().collect();
        let in_use = self.inner.proxy_in_use.load(Ordering::Relaxed);
        if in_use < all.len() {
            all.rotate_left(in_use);
        }
        all
    }

    /// Goes by this proxy from now on, as long as no registration says otherwise.
    fn use_proxy(&self, proxy: &Uri) {
        let all = &self.inner.outbound_proxies;
        if let Some(at) = all.iter().position(|one| one == proxy) {
            self.inner.proxy_in_use.store(at, Ordering::Relaxed);
        }
    }

    fn hop_by(&self, proxy: Option<&Uri>, uri: Uri) -> Uri {
        // RFC 3261 §8.1.2: what is for a SIPS URI goes to the proxy over TLS too.
        let hop = match proxy {
            Some(proxy) if uri.as_ref().is_secure() => {
                proxy.as_ref().to_sips().unwrap_or_else(|| proxy.clone())
            }
            Some(proxy) => proxy.clone(),
            None => uri,
        };
        match self.inner.transport {
            Some(transport) if hop.as_ref().param("transport").is_none() => {
                hop.with_param("transport", Some(transport.uri_param()))
            }
            _ => hop,
        }
    }

    /// The best flow to `uri`.
    async fn select(&self, uri: &Uri) -> Result<Flow, AgentError> {
        let unreachable =
            |why: &dyn std::fmt::Display| AgentError::Unreachable(format!("{uri}: {why}"));
        let target = Target::from_uri(uri.as_ref()).map_err(|error| unreachable(&error))?;
        let selected = self
            .inner
            .handle
            .run(move |state, wall, now| state.hub.select(&mut state.stack, &target, 0, wall, now))
            .await?
            .await
            .map_err(|_| crate::runtime::Stopped)?;
        match selected {
            Ok(flows) => flows
                .first()
                .copied()
                .ok_or_else(|| unreachable(&"no address")),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Our URI on `flow`, as a Contact says it; a `sips` URI where the request is for one (RFC 3261 section 8.1.1.8).
    fn contact(&self, flow: &Flow, secure: bool) -> Uri {
        let user = self.inner.account.as_ref().map(Account::user);
        let user = user.as_deref().or(Some("sip"));
        let (host, port) = (flow.local.ip().into(), Some(flow.local.port()));
        let uri = if secure {
            Uri::sips(user, host, port)
        } else {
            Uri::sip(user, host, port)
        };
        match flow.kind {
            TransportKind::Udp => uri,
            // RFC 3261 section 26.2.2: over TLS is what a sips URI means.
            TransportKind::Tls if secure => uri,
            // RFC 7118 section 5: there is one value for WebSockets, over TLS or not.
            TransportKind::Wss => uri.with_param("transport", Some("ws")),
            kind => uri.with_param("transport", Some(kind.uri_param())),
        }
    }

    /// The Contact of a call to `target`: the GRUU of the registration where the call goes by the domain that gave it (RFC
    /// 5627 section 4.4); in a call to elsewhere, whose other side may not resolve that domain, our address.
    fn contact_for(&self, target: &Uri, flow: &Flow) -> Uri {
        // RFC 3261 §8.1.1.8: so it is when the target or the topmost Route is a SIPS URI.
        let secure = target.as_ref().is_secure()
            || self.proxy().is_some_and(|proxy| proxy.as_ref().is_secure());
        let aor = self.inner.account.as_ref().map(|account| &account.aor);
        let is_in_domain = aor.is_some_and(|aor| aor.as_ref().host() == target.as_ref().host());
        match self.gruu() {
            Some(gruu)
                if gruu.as_ref().is_secure() == secure
                    && (is_in_domain || self.proxy().is_some()) =>
            {
                gruu
            }
            // RFC 5626 section 4.3: requests of the dialog come over the flow that we opened, while the registrar's edge has it.
            _ if self.inner.is_outbound.load(Ordering::Relaxed)
                && (is_in_domain || self.proxy().is_some()) =>
            {
                self.contact(flow, secure).with_param("ob", None)
            }
            _ => self.contact(flow, secure),
        }
    }

    /// The public GRUU of the registration.
    fn gruu(&self) -> Option<Uri> {
        let gruu = self.inner.gruu.lock();
        gruu.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who we say we are; without an account, anonymous as RFC 3261 section 8.1.1.3 spells it.
    fn identity(&self) -> Uri {
        self.inner
            .account
            .as_ref()
            .map_or_else(anonymous, |account| account.aor.clone())
    }

    fn name<'a>(&'a self, from: &'a Uri) -> NameAddr<'a> {
        let name = NameAddr::new(from.as_ref());
        match self.inner.account.as_ref() {
            None => name.with_display_name("Anonymous"),
            Some(account) => match &account.display_name {
                Some(display_name) => name.with_display_name(display_name),
                None => name,
            },
        }
    }

    /// What a media session draws its random numbers from.
    async fn seed(&self) -> Result<[u8; 32], AgentError> {
        let drawn = self.inner.handle.run(|state, _, _| {
            let mut seed = [0; 32];
            state.hub.rng().fill(&mut seed);
            seed
        });
        Ok(drawn.await?)
    }

    /// A token that cannot be guessed, of `length` characters of five bits.
    async fn token(&self, length: usize) -> Result<String, AgentError> {
        Ok(self
            .inner
            .handle
            .run(move |state, _, _| state.hub.rng().token(length))
            .await?)
    }
}

/// What requests and responses say about this program.
pub(crate) const USER_AGENT: &str = concat!("sip-stack/", env!("CARGO_PKG_VERSION"));

fn anonymous() -> Uri {
    Uri::sip(
        Some("anonymous"),
        sip_message::Host::Name("anonymous.invalid"),
        None,
    )
}

/// With a Route through this proxy.
fn routed(
    request: sip_message::RequestBuilder,
    proxy: Option<&Uri>,
) -> sip_message::RequestBuilder {
    match proxy {
        Some(proxy) => request.header(HeaderName::Route, format!("<{}>", loose(proxy))),
        None => request,
    }
}

/// A proxy in a Route: with `lr`, whatever the person who named it knows of strict routing.
fn loose(proxy: &Uri) -> Uri {
    if proxy.as_ref().is_loose_router() {
        proxy.clone()
    } else {
        proxy.clone().with_param("lr", None)
    }
}

fn parse(target: &str) -> Result<Uri, AgentError> {
    Uri::parse(target)
        .map_err(|error| AgentError::Usage(format!("{target}: not a SIP address: {error}")))
}

fn success(response: &Response) -> Result<(), AgentError> {
    if response.status().is_success() {
        return Ok(());
    }
    Err(AgentError::Refused {
        status: response.status(),
        reason: response.reason().to_owned(),
    })
}

/// The outcome of a request that had no answer, in words.
fn answer(answered: Answered, shown: &str) -> Result<Response, AgentError> {
    answered.map_err(|cause| failure(cause, shown))
}

fn failure(cause: sip_dialog::FailureCause, shown: &str) -> AgentError {
    match cause {
        sip_dialog::FailureCause::TimedOut => AgentError::NoAnswer(shown.to_owned()),
        other => AgentError::Unreachable(format!("{shown}: {other}")),
    }
}
