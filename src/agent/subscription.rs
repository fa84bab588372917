//! Subscriptions of a user agent: what is told of someone, as it changes (RFC 6665).

use sip_dialog::{Body, Event, SubscribeRequest, SubscriptionEnd, SubscriptionId};
use sip_message::HeaderName;
use tokio::sync::mpsc;

use super::{Account, AgentError, UserAgent, failure, loose, parse};
use crate::runtime::{Handle, Stopped};

/// A subscription, made by [`UserAgent::subscribe`]. It is refreshed as long as this lives, and given up when it is
/// dropped.
#[derive(Debug)]
pub struct Subscription {
    handle: Handle,
    id: SubscriptionId,
    events: mpsc::Receiver<Event>,
    target: String,
    is_over: bool,
}

impl UserAgent {
    /// Subscribes to the state of `target` in an event package such as `reg`, whose documents are of the type `accept`.
    ///
    /// # Errors
    /// The address makes no sense, or there is no way there. What the other side says is told by
    /// [`Subscription::next`].
    pub async fn subscribe(
        &self,
        target: &str,
        event: &str,
        accept: &str,
    ) -> Result<Subscription, AgentError> {
        let target = parse(target)?;
        let flow = self.select(&self.next_hop(target.clone())).await?;
        let contact = self.contact_for(&target, &flow);
        let mut subscribe = SubscribeRequest::new(
            target.clone(),
            self.identity(),
            target.clone(),
            contact,
            event,
        );
        subscribe.account = Account::key();
        subscribe.headers = vec![
            (HeaderName::Accept, accept.to_owned()),
            (HeaderName::UserAgent, super::USER_AGENT.to_owned()),
        ];
        if let Some(proxy) = self.proxy() {
            subscribe.route.push(loose(proxy));
        } else if self.inner.transport.is_some() {
            // Where the address names no transport, ours is used.
            subscribe.target = self.next_hop(target.clone());
        }
        let begun = self
            .inner
            .handle
            .run(move |state, wall, now| {
                let id = state.stack.dialogs(wall, now, |dialogs, transactions| {
                    dialogs.subscribe(subscribe, transactions, now)
                })?;
                Some((id, state.hub.watch_subscription(id)))
            })
            .await?;
        let (id, events) = begun.ok_or(Stopped)?;
        Ok(Subscription {
            handle: self.inner.handle.clone(),
            id,
            events,
            target: target.to_string(),
            is_over: false,
        })
    }
}

impl Subscription {
    /// The next state that is told; `None` when the subscription has ended as it was to.
    ///
    /// # Errors
    /// It was refused, or has ended otherwise.
    pub async fn next(&mut self) -> Result<Option<Body>, AgentError> {
        loop {
            match self.events.recv().await {
                Some(Event::Notified {
                    body: Some(body), ..
                }) => return Ok(Some(body)),
                Some(Event::SubscriptionEnded { cause, .. }) => {
                    self.is_over = true;
                    return self.end(cause).map(|()| None);
                }
                Some(other) => tracing::trace!(?other, "subscription"),
                None => {
                    self.is_over = true;
                    return Err(Stopped.into());
                }
            }
        }
    }

    fn end(&self, cause: SubscriptionEnd) -> Result<(), AgentError> {
        let lost = || AgentError::Unreachable(format!("{}: the subscription is lost", self.target));
        match cause {
            SubscriptionEnd::Refused(response) => Err(AgentError::Refused {
                status: response.status(),
                reason: response.reason().to_owned(),
            }),
            SubscriptionEnd::Failed(cause) => Err(failure(cause, &self.target)),
            SubscriptionEnd::Expired | SubscriptionEnd::Lost => Err(lost()),
            _ => Ok(()),
        }
    }

    /// Gives it up; what is still told comes by [`next`](Self::next), until that is `None`.
    pub async fn unsubscribe(&mut self) {
        let id = self.id;
        let _ = self
            .handle
            .run(move |state, wall, now| {
                state.stack.dialogs(wall, now, |dialogs, transactions| {
                    let _ = dialogs.unsubscribe(id, transactions, now);
                });
            })
            .await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let id = self.id;
        self.handle.post(move |state, wall, now| {
            state.stack.dialogs(wall, now, |dialogs, transactions| {
                let _ = dialogs.unsubscribe(id, transactions, now);
            });
        });
    }
}
