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
mod subscription;
mod transfer;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sip_message::header::{Contact, NameAddr};
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_transport::{Flow, Target, TransportKind};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

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
    outbound_proxy: Option<Uri>,
    transport: Option<TransportKind>,
    codecs: Vec<Codec>,
    addresses: Vec<(TransportKind, SocketAddr)>,
    request_timeout: Duration,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
    registration: Mutex<Option<Registered>>,
    changes: watch::Sender<Option<Change>>,
    /// The public GRUU that the registrar gave us (RFC 5627), as long as we are registered.
    gruu: std::sync::Mutex<Option<Uri>>,
}

type Change = Result<Registration, Arc<AgentError>>;

/// A registration that is kept alive.
#[derive(Debug)]
struct Registered {
    options: RegisterOptions,
    contact: Uri,
    call_id: String,
    cseq: u32,
    refresher: JoinHandle<()>,
}

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

    /// Registers the account as `options` say and keeps it registered.
    ///
    /// # Errors
    /// There is no account, or the registrar refuses or does not answer.
    pub async fn register_with(
        &self,
        options: RegisterOptions,
    ) -> Result<Registration, AgentError> {
        let flow = self
            .select(&self.next_hop(self.registrar(&options)?))
            .await?;
        let contact = self.contact(&flow, self.account()?.aor.as_ref().is_secure());
        let call_id = self.token(24).await?;
        let mut slot = self.inner.registration.lock().await;
        if let Some(old) = slot.take() {
            old.refresher.abort();
        }
        let mut registered = Registered {
            options,
            contact,
            call_id,
            cseq: 0,
            refresher: tokio::spawn(async {}),
        };
        let registration = self.register_once(&mut registered).await?;
        let weak = Arc::downgrade(&self.inner);
        let mut wait = registration.refresh_after();
        registered.refresher = tokio::spawn(async move {
            let mut failures = 0;
            loop {
                tokio::time::sleep(wait).await;
                let Some(inner) = weak.upgrade() else { return };
                let agent = Self { inner };
                let mut slot = agent.inner.registration.lock().await;
                let Some(registered) = slot.as_mut() else {
                    return;
                };
                let (change, next) = match agent.register_once(registered).await {
                    Ok(registration) => {
                        failures = 0;
                        let next = registration.refresh_after();
                        (Ok(registration), next)
                    }
                    Err(AgentError::Stopped(_)) => return,
                    Err(error) => {
                        let next = register::retry_after(failures, None);
                        failures += 1;
                        (Err(Arc::new(error)), next)
                    }
                };
                drop(slot);
                wait = next;
                agent.inner.changes.send_replace(Some(change));
            }
        });
        *slot = Some(registered);
        Ok(registration)
    }

    /// Refreshes of the registration, and their failures, from now on.
    #[must_use]
    pub fn registration_changes(&self) -> RegistrationChanges {
        RegistrationChanges(self.inner.changes.subscribe())
    }

    /// Removes our binding and stops refreshing it; nothing happens when there is none.
    ///
    /// # Errors
    /// The registrar refuses or does not answer; the binding then ends by itself.
    pub async fn unregister(&self) -> Result<(), AgentError> {
        let Some(mut registered) = self.inner.registration.lock().await.take() else {
            return Ok(());
        };
        registered.refresher.abort();
        registered.options.expires = 0;
        self.register_once(&mut registered).await.map(|_| ())
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
        let request = self
            .request(Method::Register, &registrar, &aor, None)
            .await?
            .header(HeaderName::Contact, "*")
            .header(HeaderName::Expires, "0");
        let response = self.answer_of(request, &registrar).await?;
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
                DialEvent::Progress { .. } => {}
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
        if let Some(registered) = self.inner.registration.lock().await.take() {
            registered.refresher.abort();
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

    async fn register_once(&self, registered: &mut Registered) -> Result<Registration, AgentError> {
        let registrar = self.registrar(&registered.options)?;
        let aor = self.account()?.aor.clone();
        // One 423 is followed (RFC 3261 section 10.2.8); a registrar that then wants still more is refused.
        for _ in 0..2 {
            // The connection that names us may be another one than last time.
            let flow = self.select(&self.next_hop(registrar.clone())).await?;
            let ours = self.contact(&flow, aor.as_ref().is_secure());
            let old = (ours != registered.contact)
                .then(|| std::mem::replace(&mut registered.contact, ours));
            let mut contact = NameAddr::new(registered.contact.as_ref());
            let instance = self.account()?.instance.clone();
            if let Some(instance) = &instance {
                contact = contact.with_param("+sip.instance", Some(&format!("<{instance}>")));
            }
            let contact = Contact::new(contact);
            let expires = registered.options.expires.to_string();
            let request = self
                .request(
                    Method::Register,
                    &registrar,
                    &aor,
                    Some((registered.call_id.clone(), registered.cseq + 1)),
                )
                .await?
                .contact(&contact)
                .header(HeaderName::Expires, &expires);
            let request = match &instance {
                // RFC 5627 section 4.1: who sends an instance says whether GRUUs are understood.
                Some(_) => request.header(HeaderName::Supported, "gruu"),
                None => request,
            };
            let request = match old {
                Some(old) => request.header(HeaderName::Contact, format!("<{old}>;expires=0")),
                None => request,
            };
            let response = self.answer_of(request, &registrar).await?;
            // Section 10.2: the CSeq goes on counting; an answered challenge has used one more.
            registered.cseq = response
                .headers()
                .cseq()
                .map_or(registered.cseq + 1, |(number, _)| number);
            match register::min_expires(&response) {
                Some(least)
                    if response.status() == StatusCode::INTERVAL_TOO_BRIEF
                        && least > registered.options.expires =>
                {
                    registered.options.expires = least;
                }
                _ => {
                    success(&response)?;
                    let registration = Registration::of(&response, &aor, Some(&registered.contact));
                    let mut gruu = self
                        .inner
                        .gruu
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    gruu.clone_from(&registration.gruu);
                    return Ok(registration);
                }
            }
        }
        Err(AgentError::Refused {
            status: StatusCode::INTERVAL_TOO_BRIEF,
            reason: "the registrar asks for ever longer intervals".to_owned(),
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
        let (call_id, cseq) = match sequence {
            Some(sequence) => sequence,
            None => (self.token(24).await?, 1),
        };
        let tag = self.token(12).await?;
        let from = self.identity();
        let mut builder = Request::builder(method, uri.as_str())
            .max_forwards(70)
            .from(&self.name(&from).with_tag(&tag))
            .to(&NameAddr::new(to.as_ref()))
            .call_id(&call_id)
            .cseq(cseq)
            .header(HeaderName::UserAgent, USER_AGENT);
        if let Some(proxy) = &self.inner.outbound_proxy {
            builder = builder.header(HeaderName::Route, format!("<{}>", loose(proxy)));
        }
        Ok(builder)
    }

    /// Sends a request and waits for its final answer.
    async fn answer_of(
        &self,
        request: sip_message::RequestBuilder,
        uri: &Uri,
    ) -> Result<Response, AgentError> {
        let request = request
            .build_partial()
            .map_err(|error| AgentError::Usage(error.to_string()))?;
        let next_hop = self.next_hop(uri.clone());
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
        let hop = self.inner.outbound_proxy.clone().unwrap_or(uri);
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
        let secure = target.as_ref().is_secure();
        let aor = self.inner.account.as_ref().map(|account| &account.aor);
        let is_in_domain = aor.is_some_and(|aor| aor.as_ref().host() == target.as_ref().host());
        match self.gruu() {
            Some(gruu)
                if gruu.as_ref().is_secure() == secure
                    && (is_in_domain || self.inner.outbound_proxy.is_some()) =>
            {
                gruu
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
