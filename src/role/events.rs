//! [`Events`]: the notifier of RFC 6665 for the users of a domain, with its packages behind a trait.
//!
//! ```text
//!   SUBSCRIBE --> package known? --> credentials? --> may watch? --> state --> 200, NOTIFY (all of it)
//!                 (else handed back)  401, 403         403, 404       503        |
//!   a change notice, or the time of a binding is over ------------> state --> NOTIFY (what has changed)
//! ```
//! The subscriptions themselves are kept by [`Dialogs`]; here is who watches what, and what they were told.

mod instance;
pub mod package;
pub mod reg;
mod subscribe;
mod tell;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use sip_dialog::{DialogConfig, Dialogs, SubscriptionId};
use sip_message::{HeaderName, Request, Uri};
use sip_transaction::{Event, ServerTransactionId, TransactionLayer};
use sip_transport::{DeadlineId, DeadlineQueue, Flow, Rng, Seed};

use self::instance::{Held, Lost, Place};
use self::package::{Package, Source};
use super::node::Node;
use super::unanswered::Unanswered;
use super::{Answer, Need, RoleEvent, RoleOutput, Token, Way};
use crate::auth::{Attempt, Authenticator};
use crate::domain::{Aor, Domains};
use crate::gruu::Gruus;
use crate::guard::Throttle;
use crate::identity::Peers;
use crate::location::{Binding, Cause, Notice, StoreError};

/// How an [`Events`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventsConfig {
    /// The domain.
    pub domains: Domains,
    /// How many subscriptions there may be; more are refused as 503.
    pub max_subscriptions: usize,
    /// How many subscriptions to one resource there may be in a package; more are refused as 503.
    pub max_watchers: usize,
    /// How many requests may wait for a store; more are refused as 503.
    pub max_waiting: usize,
    /// How long a request waits for a store, until it is refused as 503.
    pub store_timeout: Duration,
    /// How often a subscriber is told of changes at most (RFC 3680 §4.10: every five seconds); changes in between are told
    /// together.
    pub min_interval: Duration,
    /// The Retry-After of a 503, in seconds.
    pub retry_after: u32,
    /// What reads the GRUUs of the domain (RFC 5627), the same that the registrar makes them with: for subscribers who are such.
    pub gruus: Option<Gruus>,
    /// This server among several that share the bindings; `None`: it is the only one.
    pub node: Option<Node>,
}

impl EventsConfig {
    /// The usual behaviour for a domain.
    #[must_use]
    pub const fn new(domains: Domains) -> Self {
        Self {
            domains,
            max_subscriptions: 10_000,
            max_watchers: 20,
            max_waiting: 1000,
            store_timeout: Duration::from_secs(10),
            min_interval: Duration::from_secs(5),
            retry_after: 10,
            gruus: None,
            node: None,
        }
    }
}

/// The notifier of a domain. See the [module](self).
#[derive(Debug)]
pub struct Events {
    config: EventsConfig,
    /// `None`: everybody is who they say they are.
    authenticator: Option<Authenticator>,
    peers: Peers,
    /// What servers want held back, if that is heeded (RFC 7339).
    throttle: Option<Throttle>,
    dialogs: Dialogs,
    /// Was there ever a subscription? Before that no response is ours.
    is_used: bool,
    packages: Vec<Box<dyn Package>>,
    resources: BTreeMap<Key, Resource>,
    /// Ids that are minted below, so the default hasher serves; never iterated.
    subscriptions: HashMap<SubscriptionId, Subscriber>,
    /// What is changing for a subscription, if its refresh is taken.
    moved: Option<(SubscriptionId, Option<ByFlow>)>,
    waiting: Unanswered<Waiting>,
    deadlines: DeadlineQueue<Due>,
    outputs: VecDeque<RoleOutput>,
    rng: Rng,
    last_now: Option<Instant>,
    last_wall: SystemTime,
}

/// A package, by its place, and a resource.
type Key = (usize, Aor);

/// What is watched.
#[derive(Debug, Default)]
struct Resource {
    subscriptions: Vec<SubscriptionId>,
    /// Is the store being asked?
    is_asked: bool,
    /// What came meanwhile, or too soon after the last time.
    again: Option<Cause>,
    told_at: Option<Instant>,
    deadline: Option<DeadlineId>,
}

#[derive(Debug)]
struct Subscriber {
    key: Key,
    by_flow: Option<ByFlow>,
    /// How many documents it was told; `None`: it waits for its first.
    told: Option<u32>,
    /// Has the user of the resource proven to be the subscriber?
    is_owner: bool,
}

/// How a subscriber is reached whose contact leads nowhere but over the flow that its SUBSCRIBE came over (RFC 5626 §5.3).
///
/// It is that of one subscription: behind other translators of addresses there are other subscribers with the same contact.
#[derive(Debug)]
struct ByFlow {
    contact: String,
    token: Box<str>,
}

/// A SUBSCRIBE on its way.
#[derive(Debug)]
struct Job {
    id: ServerTransactionId,
    request: Box<Request>,
    flow: Flow,
    key: Key,
    /// Has the user of the resource proven to have sent it?
    is_owner: bool,
}

/// A SUBSCRIBE in the dialog of a subscription, on its way.
#[derive(Debug)]
struct Refresh {
    subscription: SubscriptionId,
    id: ServerTransactionId,
    request: Box<Request>,
    flow: Flow,
    merged: bool,
}

/// What an answer is awaited for.
#[derive(Debug)]
enum Waiting {
    Credential(Box<Job>, Attempt),
    /// The token of the flow that a subscriber is reached by.
    Token(Box<Job>, String),
    /// The same of one that refreshes its subscription.
    Moved(Box<Refresh>, String),
    Bindings(Key, Cause),
    /// Where the instance is that a request of the dialogs is for.
    Instance(Lost),
    /// The flow of a request of the dialogs, and where it goes if not to the target of its dialog.
    Flows(sip_dialog::Token, Option<Place>),
}

/// What has a deadline.
#[derive(Clone, Debug)]
enum Due {
    Resource(Key),
    Held(Held),
    Lost(Lost),
}

/// How long until the store is asked again that did not answer.
const RETRY: Duration = Duration::from_secs(10);

impl Events {
    /// A notifier with these packages. Without an authenticator everybody may watch what they say is theirs.
    #[must_use]
    pub fn new(
        config: EventsConfig,
        authenticator: Option<Authenticator>,
        packages: Vec<Box<dyn Package>>,
        seed: &Seed,
    ) -> Self {
        let seed = seed.derive("events");
        let mut dialogs = DialogConfig::default();
        dialogs.subscriptions = config.max_subscriptions;
        dialogs.tell_refreshes = true;
        dialogs.event_packages = packages
            .iter()
            .map(|package| package.name().to_owned())
            .collect();
        Self {
            config,
            authenticator,
            peers: Peers::default(),
            throttle: None,
            dialogs: Dialogs::new(dialogs, seed.derive("dialogs")),
            is_used: false,
            packages,
            resources: BTreeMap::new(),
            subscriptions: HashMap::new(),
            moved: None,
            waiting: Unanswered::new(),
            deadlines: DeadlineQueue::new(),
            outputs: VecDeque::new(),
            rng: seed.rng(),
            last_now: None,
            last_wall: SystemTime::UNIX_EPOCH,
        }
    }

    /// Adds the names in certificates that this role trusts.
    pub(crate) fn trusted_names(&self, names: &mut Vec<Box<str>>) {
        let authenticator = self.authenticator.as_ref();
        names.extend_from_slice(authenticator.map_or(&[], Authenticator::trusted_names));
    }

    /// From now on it knows who has proven which of them.
    pub(crate) fn use_peers(&mut self, peers: &Peers) {
        self.peers = peers.clone();
    }

    /// From now on NOTIFYs wait while whom they go to asks for fewer requests (RFC 7339 §5.10), and what it says is known to whoever
    /// else has this throttle. The transactions have to [ask](sip_transaction::TransactionConfig::overload_control) too.
    pub fn use_throttle(&mut self, throttle: &Throttle) {
        self.throttle = Some(throttle.clone());
    }

    /// The package of that name, to be changed; then [`changed`](Self::changed).
    pub fn package(&mut self, name: &str) -> Option<&mut (dyn Package + 'static)> {
        self.packages
            .iter_mut()
            .find(|package| package.name() == name)
            .map(Box::as_mut)
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Takes a SUBSCRIBE to a user of the domain in a package that is served here, and what belongs to its dialog.
    /// Everything else comes back.
    pub fn handle_input(
        &mut self,
        event: Event,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Event> {
        (self.last_now, self.last_wall) = (Some(now), wall);
        let back = match event {
            Event::Request {
                id,
                request,
                flow,
                merged,
            } => self.on_request(id, request, flow, merged, t, now),
            Event::Response { .. }
            | Event::TimedOut { .. }
            | Event::FlowFailed { .. }
            | Event::Refused { .. }
                if self.is_used =>
            {
                let report = self.throttle.as_ref().and_then(|_| report(&event));
                let back = self.dialogs.handle_input(event, t, now);
                if let (Some(throttle), None, Some((server, via))) = (&self.throttle, &back, report)
                {
                    throttle.heard(server, &via, now);
                }
                back
            }
            other => Some(other),
        };
        if back.is_none() {
            self.drain(t, wall, now);
        }
        back
    }

    /// The answer to a [`Need`]. One that is late, or of no request, is dropped.
    pub fn handle_answer(
        &mut self,
        token: Token,
        answer: Answer,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        (self.last_now, self.last_wall) = (Some(now), wall);
        let Some(waiting) = self.waiting.take(token) else {
            return;
        };
        match (waiting, answer) {
            (Waiting::Credential(job, attempt), Answer::Credential(Ok(hashes))) => {
                self.on_credential(*job, attempt, hashes.as_ref(), t, now);
            }
            (Waiting::Credential(job, _), Answer::Credential(Err(error))) => {
                self.store_failed(&job, error, t, now);
            }
            (Waiting::Credential(job, _), _) => {
                self.store_failed(&job, StoreError::Closed, t, now);
            }
            (Waiting::Token(job, contact), answer) => {
                self.begin(*job, by_flow(contact, answer), t, now);
            }
            (Waiting::Moved(refresh, contact), answer) => {
                let way = by_flow(contact, answer);
                self.refresh(*refresh, Some(way), t, now);
            }
            (Waiting::Bindings(key, cause), Answer::Bindings(Ok(bindings))) => {
                self.on_bindings(&key, &bindings, cause, t, wall, now);
            }
            (Waiting::Bindings(key, cause), answer) => {
                let error = match answer {
                    Answer::Bindings(Err(error)) => error,
                    _ => StoreError::Closed,
                };
                self.on_no_bindings(&key, cause, error, t, now);
            }
            (Waiting::Instance(lost), Answer::Bindings(Ok(bindings))) => {
                self.on_instance(&lost, bindings, t, wall, now);
            }
            (Waiting::Instance(lost), answer) => {
                let error = match answer {
                    Answer::Bindings(Err(error)) => error,
                    _ => StoreError::Closed,
                };
                self.on_no_instance(lost, error, t, now);
            }
            (Waiting::Flows(token, place), Answer::Flows(flows)) => {
                let patience = now + self.config.store_timeout;
                self.on_flows(token, place, flows, patience, t, now);
            }
            (Waiting::Flows(token, _), _) => {
                let none = Err(sip_transport::SelectError::NoRoute);
                self.dialogs.flow_selected(token, none, t, now);
            }
        }
        self.drain(t, wall, now);
    }

    /// The bindings of an address of record have changed, here or at another node.
    pub fn handle_notice(
        &mut self,
        notice: &Notice,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        (self.last_now, self.last_wall) = (Some(now), wall);
        let of_bindings: Vec<usize> = (0..self.packages.len())
            .filter(|&place| {
                self.packages
                    .get(place)
                    .is_some_and(|package| package.source() == Source::Bindings)
            })
            .collect();
        for place in of_bindings {
            self.look_up(&(place, notice.aor.clone()), notice.cause, now);
        }
        self.drain(t, wall, now);
    }

    /// The state that a package has of its own has changed for a resource: its subscribers are told.
    pub fn changed(
        &mut self,
        name: &str,
        resource: &Aor,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        (self.last_now, self.last_wall) = (Some(now), wall);
        let place = self
            .packages
            .iter()
            .position(|package| package.name() == name);
        if let Some(place) = place {
            self.tell(&(place, resource.clone()), true, t, wall, now);
        }
        self.drain(t, wall, now);
    }

    /// Acts on what is due: a store that does not answer, bindings that have expired, changes that were put off.
    pub fn handle_timeout(&mut self, t: &mut dyn TransactionLayer, wall: SystemTime, now: Instant) {
        (self.last_now, self.last_wall) = (Some(now), wall);
        while let Some((_, due)) = self.deadlines.pop_due(now) {
            match due {
                Due::Resource(key) => {
                    if let Some(resource) = self.resources.get_mut(&key) {
                        resource.deadline = None;
                        let cause = resource.again.take().unwrap_or(Cause::Request);
                        self.look_up(&key, cause, now);
                    }
                }
                Due::Held(held) => self.on_held(held, t, now),
                Due::Lost(lost) => self.ask_again(lost, now),
            }
        }
        while let Some(waiting) = self.waiting.pop_due(now) {
            match waiting {
                Waiting::Credential(job, _) => self.store_failed(&job, StoreError::Busy, t, now),
                Waiting::Bindings(key, cause) => {
                    self.on_no_bindings(&key, cause, StoreError::Busy, t, now);
                }
                Waiting::Instance(lost) => self.on_no_instance(lost, StoreError::Busy, t, now),
                Waiting::Flows(token, _) => {
                    let none = Err(sip_transport::SelectError::NoRoute);
                    self.dialogs.flow_selected(token, none, t, now);
                }
                Waiting::Token(job, _) => self.begin(*job, None, t, now),
                Waiting::Moved(refresh, _) => self.refresh(*refresh, None, t, now),
            }
        }
        self.dialogs.handle_timeout(t, now);
        self.drain(t, wall, now);
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<RoleOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.outputs.is_empty() {
            return self.last_now;
        }
        let dialogs = self.dialogs.poll_timeout();
        let own = [self.deadlines.peek(), self.waiting.deadline()];
        own.into_iter().chain([dialogs]).flatten().min()
    }

    fn need(&mut self, waiting: Waiting, need: Need, now: Instant) {
        let token = self.waiting.ask(waiting, now + self.config.store_timeout);
        self.outputs.push_back(RoleOutput::Need { token, need });
    }

    /// Moves what the dialogs put out.
    fn drain(&mut self, t: &mut dyn TransactionLayer, wall: SystemTime, now: Instant) {
        while let Some(output) = self.dialogs.poll_output() {
            match output {
                sip_dialog::Output::SelectFlow {
                    token,
                    next_hop,
                    size,
                } => {
                    if self.find_instance(token, &next_hop, size, now) {
                        continue;
                    }
                    let way = self.way(token, &next_hop);
                    let need = Need::SelectFlow {
                        next_hop,
                        size,
                        way,
                    };
                    self.need(Waiting::Flows(token, None), need, now);
                }
                // A notifier answers no challenges: who subscribes does not ask who answers.
                sip_dialog::Output::Authenticate { token, .. } => {
                    self.dialogs.credentials(token, None, t, now);
                }
                sip_dialog::Output::Event(sip_dialog::Event::Resubscribed { subscription }) => {
                    self.take_move(subscription);
                    self.tell_all_of_it(subscription, t, wall, now);
                }
                sip_dialog::Output::Event(sip_dialog::Event::SubscriptionEnded {
                    subscription,
                    ..
                }) => self.ended(subscription),
                // A SUBSCRIBE is taken where it is given in.
                sip_dialog::Output::Event(other) => tracing::trace!(?other, "events"),
            }
        }
    }

    /// The flow that a NOTIFY goes by, if its subscriber is reached by nothing else.
    fn way(&self, token: sip_dialog::Token, next_hop: &Uri) -> Option<Way> {
        let subscriber = self.subscriptions.get(&self.dialogs.notifies(token)?)?;
        let by_flow = subscriber.by_flow.as_ref()?;
        (by_flow.contact == next_hop.as_str()).then(|| Way {
            token: by_flow.token.clone(),
            is_only: false,
        })
    }

    /// Asks the store, unless it was asked just now.
    fn look_up(&mut self, key: &Key, cause: Cause, now: Instant) {
        let Some(resource) = self.resources.get_mut(key) else {
            return;
        };
        let until = resource
            .told_at
            .map(|told_at| told_at + self.config.min_interval)
            .filter(|until| *until > now && cause == Cause::Request);
        if resource.is_asked || until.is_some() {
            // What an operator did explains more.
            if resource.again.is_none_or(|again| again == Cause::Request) {
                resource.again = Some(cause);
            }
            if let Some(until) = until.filter(|_| !resource.is_asked) {
                self.wake_at(key, until);
            }
            return;
        }
        resource.is_asked = true;
        let need = Need::Lookup { aor: key.1.clone() };
        self.need(Waiting::Bindings(key.clone(), cause), need, now);
    }

    /// The resource is looked at then, or before if it was to be.
    fn wake_at(&mut self, key: &Key, at: Instant) {
        let Some(resource) = self.resources.get_mut(key) else {
            return;
        };
        if let Some(old) = resource.deadline.take() {
            self.deadlines.cancel(old);
        }
        resource.deadline = Some(self.deadlines.insert(at, Due::Resource(key.clone())));
    }

    fn on_bindings(
        &mut self,
        key: &Key,
        bindings: &[Binding],
        cause: Cause,
        t: &mut dyn TransactionLayer,
        wall: SystemTime,
        now: Instant,
    ) {
        let (Some(resource), Some(package)) =
            (self.resources.get_mut(key), self.packages.get_mut(key.0))
        else {
            return;
        };
        resource.is_asked = false;
        // A store whose clock is behind has bindings that are over here. They would be asked for again and again.
        let live: Vec<Binding>;
        let bindings = if bindings.iter().all(|binding| binding.is_live(wall)) {
            bindings
        } else {
            let all = bindings.iter();
            live = all
                .filter(|binding| binding.is_live(wall))
                .cloned()
                .collect();
            &live
        };
        let has_changed = package.bound(&key.1, bindings, cause, wall);
        let expires = package.changes_at(&key.1);
        // RFC 3680 §4.10: a new subscriber hears at once what there is, the others not before their time.
        let is_due = cause != Cause::Request
            || resource
                .told_at
                .is_none_or(|told_at| told_at + self.config.min_interval <= now);
        if has_changed && !is_due {
            resource.again.get_or_insert(cause);
        }
        self.tell(key, has_changed && is_due, t, wall, now);
        let Some(resource) = self.resources.get(key) else {
            return;
        };
        if resource.again.is_some() {
            let soon = resource.told_at.unwrap_or(now) + self.config.min_interval;
            self.wake_at(key, soon);
        } else if let Some(expires) = expires {
            // A moment later, when it is over for the store too.
            let left =
                expires.duration_since(wall).unwrap_or_default() + Duration::from_millis(100);
            self.wake_at(key, now + left);
        }
    }

    /// The store does not answer: who is subscribed stays so and hears later, who asks hears that.
    fn on_no_bindings(
        &mut self,
        key: &Key,
        cause: Cause,
        error: StoreError,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        self.outputs
            .push_back(RoleOutput::Event(RoleEvent::StoreFailed(error)));
        let Some(resource) = self.resources.get_mut(key) else {
            return;
        };
        resource.is_asked = false;
        resource.again.get_or_insert(cause);
        for id in resource.subscriptions.clone() {
            let is_new = self
                .subscriptions
                .get(&id)
                .is_some_and(|subscriber| subscriber.told.is_none());
            if is_new {
                let _ = self.dialogs.put_off(id, self.config.retry_after, t, now);
                self.ended(id);
            }
        }
        self.wake_at(key, now + RETRY);
    }

    /// Is the resource watched in any package?
    fn is_watched(&self, aor: &Aor) -> bool {
        (0..self.packages.len()).any(|place| self.resources.contains_key(&(place, aor.clone())))
    }

    /// A subscription is over.
    fn ended(&mut self, id: SubscriptionId) {
        let Some(subscriber) = self.subscriptions.remove(&id) else {
            return;
        };
        let key = subscriber.key;
        let Some(resource) = self.resources.get_mut(&key) else {
            return;
        };
        resource.subscriptions.retain(|other| *other != id);
        if !resource.subscriptions.is_empty() {
            return;
        }
        if let Some(deadline) = resource.deadline.take() {
            self.deadlines.cancel(deadline);
        }
        self.resources.remove(&key);
        if let Some(package) = self.packages.get_mut(key.0) {
            package.forget(&key.1);
        }
        if !self.is_watched(&key.1) {
            self.outputs.push_back(RoleOutput::Watch {
                aor: key.1,
                is_watched: false,
            });
        }
    }
}

fn by_flow(contact: String, answer: Answer) -> Option<ByFlow> {
    match answer {
        Answer::FlowToken(Some(token)) => Some(ByFlow { contact, token }),
        _ => None,
    }
}

/// Where a response came from, and our Via in it.
fn report(event: &Event) -> Option<(SocketAddr, String)> {
    let Event::Response { response, flow, .. } = event else {
        return None;
    };
    let via = response.headers().values(HeaderName::Via).next()?;
    Some((flow.remote, via.to_owned()))
}

#[cfg(test)]
mod tests;
