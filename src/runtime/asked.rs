//! [`Asked`]: a question that a store is working on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use super::Services;
use crate::location::{Binding, UpdateOutcome};
use crate::role::{Answer, Need, StoreError};
use crate::store::BoxFuture;
use crate::users::Ha1s;

/// A future of the answer.
pub(super) enum Asked {
    Known(Option<Answer>),
    Bindings(BoxFuture<Result<Vec<Binding>, StoreError>>),
    Updated(BoxFuture<Result<UpdateOutcome, StoreError>>),
    Credential(BoxFuture<Result<Option<Ha1s>, StoreError>>),
    Rewrites(BoxFuture<Answer>),
    Certificates(BoxFuture<Answer>),
}

impl Asked {
    /// Puts a question to its store.
    pub(super) fn put(services: &Services, need: Need, wall: SystemTime) -> Self {
        match need {
            Need::Lookup { aor } => match &services.location {
                Some(store) => Self::Bindings(store.lookup(&aor, wall)),
                None => Self::Known(Some(Answer::Bindings(Ok(Vec::new())))),
            },
            Need::Update { aor, update } => match &services.location {
                Some(store) => Self::Updated(store.update(&aor, update, wall)),
                None => Self::Known(Some(Answer::Updated(Err(StoreError::Busy)))),
            },
            Need::Credential { username, realm } => match &services.credentials {
                Some(store) => Self::Credential(store.credential(&username, &realm)),
                None => Self::Known(Some(Answer::Credential(Ok(None)))),
            },
            Need::Rewrites { name } => match services.resolver.clone() {
                Some(resolver) => Self::Rewrites(Box::pin(async move {
                    Answer::Rewrites(resolver.rewrites(&name).await)
                })),
                None => Self::Known(Some(Answer::Rewrites(Err(
                    sip_transport::ResolveError::NotFound,
                )))),
            },
            Need::Certificates { url } => match services.certificates.clone() {
                Some(store) => Self::Certificates(Box::pin(async move {
                    Answer::Certificates(store.certificates(&url).await)
                })),
                None => Self::Known(Some(Answer::Certificates(None))),
            },
            // The stack asks its own transport layer; these never leave it.
            Need::SelectFlow { .. } | Need::SelectPlace { .. } => Self::Known(Some(Answer::Flows(
                Err(sip_transport::SelectError::NoRoute),
            ))),
            Need::FlowToken { .. } => Self::Known(Some(Answer::FlowToken(None))),
        }
    }

    /// The answer of a store that knows it already, which one in memory always does: no task is needed then.
    pub(super) fn now(&mut self) -> Option<Answer> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(self).poll(&mut context) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// The answer when nobody waits for the store.
    pub(super) const fn busy(&self) -> Answer {
        match self {
            Self::Bindings(_) => Answer::Bindings(Err(StoreError::Busy)),
            Self::Updated(_) => Answer::Updated(Err(StoreError::Busy)),
            Self::Rewrites(_) => Answer::Rewrites(Err(sip_transport::ResolveError::Failed)),
            Self::Certificates(_) => Answer::Certificates(None),
            Self::Credential(_) | Self::Known(_) => Answer::Credential(Err(StoreError::Busy)),
        }
    }
}

impl Future for Asked {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match self.get_mut() {
            // Polled again after its end it would wait for ever, as a future may.
            Self::Known(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Self::Bindings(asked) => asked.as_mut().poll(context).map(Answer::Bindings),
            Self::Updated(asked) => asked.as_mut().poll(context).map(Answer::Updated),
            Self::Credential(asked) => asked.as_mut().poll(context).map(Answer::Credential),
            Self::Rewrites(asked) | Self::Certificates(asked) => asked.as_mut().poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::Aor;
    use crate::location::Memory;

    #[test]
    fn a_store_in_memory_answers_at_once() {
        let services = Services {
            location: Some(Arc::new(Memory::new())),
            ..Services::default()
        };
        let need = Need::Lookup {
            aor: Aor::new("alice", "example.com"),
        };
        let mut asked = Asked::put(&services, need, SystemTime::UNIX_EPOCH);
        assert!(matches!(asked.now(), Some(Answer::Bindings(Ok(all))) if all.is_empty()));
    }

    #[test]
    fn a_store_that_waits_is_asked_again() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut asked = Asked::Bindings(Box::pin(async {
            receiver.await.unwrap_or(Err(StoreError::Busy))
        }));
        assert!(asked.now().is_none());
        assert!(matches!(
            asked.busy(),
            Answer::Bindings(Err(StoreError::Busy))
        ));
        sender.send(Ok(Vec::new())).unwrap();
        assert!(matches!(asked.now(), Some(Answer::Bindings(Ok(_)))));
    }
}
