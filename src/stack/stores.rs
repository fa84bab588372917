//! The stores that a stack may ask itself, because some know the answer at once.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::Stack;
use super::boundary::{Asker, Role};
use crate::domain::Aor;
use crate::location::{LocationStore, Refresh, Replies, StoreError, UpdateOutcome};
use crate::role::{Answer, Asked, AtOnce, Need, Token};
use crate::users::{CredentialStore, Ha1s};

/// What was answered so, which takes no time that is worth a look at the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnsweredAtOnce {
    /// Bindings read.
    pub lookups: u64,
    /// Bindings changed.
    pub updates: u64,
    /// Hashes of users.
    pub credentials: u64,
}

#[derive(Debug, Default)]
pub(super) struct Stores {
    location: Option<Arc<dyn LocationStore>>,
    credentials: Option<Arc<dyn CredentialStore>>,
    answered: AnsweredAtOnce,
    /// Where a store that answers later puts its answers.
    replies: Option<Replies>,
    /// Was it asked since it was told to begin?
    is_asked: bool,
}

/// The stores at a time, and for the registrar.
pub(super) struct Asking<'a> {
    pub(super) stores: &'a mut Stores,
    pub(super) wall: SystemTime,
    pub(super) now: Instant,
}

impl AtOnce for Asking<'_> {
    fn ask(&mut self, need: Need) -> Asked {
        self.stores.ask(need, self.wall)
    }

    fn refresh(
        &mut self,
        aor: &Aor,
        refresh: &Refresh<'_>,
    ) -> Option<Result<UpdateOutcome, StoreError>> {
        let store = self.stores.location.as_ref()?;
        let outcome = store.refresh_at_once(aor, refresh, self.wall)?;
        self.stores.answered.updates += 1;
        Some(outcome)
    }

    fn refresh_later(
        &mut self,
        token: Token,
        aor: &Aor,
        refresh: &Refresh<'_>,
    ) -> Option<Result<(), StoreError>> {
        let Stores {
            location, replies, ..
        } = &*self.stores;
        let store = location.as_ref()?.queued()?;
        let number = Asker(Role::Registrar, token).number();
        let Some(reply) = replies.as_ref()?.reply(number, self.now) else {
            return Some(Err(StoreError::Busy));
        };
        match store.submit_refresh(aor, refresh, self.wall, reply) {
            Ok(()) => {
                self.stores.is_asked = true;
                Some(Ok(()))
            }
            Err(reply) => {
                reply.forget();
                None
            }
        }
    }

    fn hashes(&mut self, username: &str, realm: &str) -> Option<Result<Option<Ha1s>, StoreError>> {
        let store = self.stores.credentials.as_ref()?;
        let hashes = store.credential_at_once(username, realm)?;
        self.stores.answered.credentials += 1;
        Some(hashes)
    }
}

impl Stores {
    fn flush(&mut self) {
        if std::mem::take(&mut self.is_asked)
            && let Some(store) = self.location.as_ref().and_then(|store| store.queued())
        {
            store.flush();
        }
    }

    pub(super) fn ask(&mut self, need: Need, wall: SystemTime) -> Asked {
        match (need, &self.location, &self.credentials) {
            (Need::Update { aor, update }, Some(store), _) => {
                match store.update_at_once(&aor, update, wall) {
                    Ok(outcome) => {
                        self.answered.updates += 1;
                        Asked::Known(Answer::Updated(outcome))
                    }
                    Err(update) => Asked::Unknown(Need::Update { aor, update }),
                }
            }
            (Need::Lookup { aor }, Some(store), _) => match store.lookup_at_once(&aor, wall) {
                Some(bindings) => {
                    self.answered.lookups += 1;
                    Asked::Known(Answer::Bindings(bindings))
                }
                None => Asked::Unknown(Need::Lookup { aor }),
            },
            (Need::Credential { username, realm }, _, Some(store)) => {
                match store.credential_at_once(&username, &realm) {
                    Some(hashes) => {
                        self.answered.credentials += 1;
                        Asked::Known(Answer::Credential(hashes))
                    }
                    None => Asked::Unknown(Need::Credential { username, realm }),
                }
            }
            (need, ..) => Asked::Unknown(need),
        }
    }
}

impl Stack {
    /// Asks these stores itself, from now on, for what they know at once; [`Output::Need`](super::Output::Need) is for the rest.
    pub fn use_stores(
        &mut self,
        location: Option<Arc<dyn LocationStore>>,
        credentials: Option<Arc<dyn CredentialStore>>,
    ) {
        self.stores.location = location;
        self.stores.credentials = credentials;
    }

    /// Asks a store that answers later itself too: the answers are put there, and come back by
    /// [`replied`](Self::replied).
    pub(crate) fn use_replies(&mut self, replies: Replies) {
        self.stores.replies = Some(replies);
    }

    /// Answers that were put there.
    pub(crate) fn replied(
        &mut self,
        replies: impl Iterator<Item = (u64, Result<UpdateOutcome, StoreError>)>,
        wall: SystemTime,
        now: Instant,
    ) {
        for (number, outcome) in replies {
            self.answer(
                Asker::of_number(number),
                Answer::Updated(outcome),
                wall,
                now,
            );
        }
        self.settle(wall, now);
    }

    /// A store was asked by somebody else, with the same to follow.
    pub(crate) const fn store_was_asked(&mut self) {
        self.stores.is_asked = true;
    }

    /// Lets a store begin with what it was asked.
    pub(crate) fn flush_stores(&mut self) {
        self.stores.flush();
    }

    /// How many questions they have answered.
    #[must_use]
    pub const fn answered_at_once(&self) -> AnsweredAtOnce {
        self.stores.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{BindingUpdate, Change, ContactUpdate, Memory};
    use crate::users;

    /// A minute more for the contact of alice.
    fn refresh(cseq: u32) -> Refresh<'static> {
        Refresh {
            contact: "sip:alice@192.0.2.1",
            parameters: "",
            q: None,
            expires: 60,
            user_agent: "",
            call_id: "c",
            cseq,
            limit: 10,
            follows: false,
        }
    }

    #[test]
    fn what_is_in_memory_is_known_and_the_rest_is_asked_again() {
        let mut stores = Stores::default();
        let aor = Aor::new("alice", "example.com");
        let lookup = Need::Lookup { aor: aor.clone() };
        let wall = SystemTime::UNIX_EPOCH;
        assert!(matches!(stores.ask(lookup.clone(), wall), Asked::Unknown(need) if need == lookup));
        stores.location = Some(Arc::new(Memory::new()));
        stores.credentials = Some(Arc::new(
            users::Memory::new("example.com").with("alice", "x"),
        ));
        let contacts = vec![ContactUpdate::new("sip:alice@192.0.2.1", 60)];
        let update = BindingUpdate::new("c", 1, Change::Contacts(contacts));
        let update = Need::Update {
            aor: aor.clone(),
            update,
        };
        assert!(matches!(
            stores.ask(update, wall),
            Asked::Known(Answer::Updated(Ok(UpdateOutcome::Stored(all)))) if all.len() == 1
        ));
        assert!(matches!(
            stores.ask(lookup, wall),
            Asked::Known(Answer::Bindings(Ok(all))) if all.len() == 1
        ));
        let credential = Need::Credential {
            username: "alice".into(),
            realm: "example.com".into(),
        };
        assert!(matches!(
            stores.ask(credential, wall),
            Asked::Known(Answer::Credential(Ok(Some(_))))
        ));
        let name = Need::Rewrites { name: "x".into() };
        assert!(matches!(stores.ask(name, wall), Asked::Unknown(_)));
        // In the words of a request: the same, and counted alike.
        let mut asking = Asking {
            stores: &mut stores,
            wall,
            now: Instant::now(),
        };
        let refresh = refresh(2);
        assert!(matches!(
            asking.refresh(&aor, &refresh),
            Some(Ok(UpdateOutcome::Stored(all))) if all.len() == 1 && all[0].cseq == 2
        ));
        assert!(matches!(
            asking.refresh(&aor, &refresh),
            Some(Ok(UpdateOutcome::OutOfOrder))
        ));
        assert!(matches!(
            asking.hashes("alice", "example.com"),
            Some(Ok(Some(_)))
        ));
        assert!(matches!(
            asking.hashes("bob", "example.com"),
            Some(Ok(None))
        ));
        let answered = stores.answered;
        assert_eq!(
            (answered.lookups, answered.updates, answered.credentials),
            (1, 3, 3)
        );
    }

    #[tokio::test]
    async fn a_store_that_waits_is_asked_in_the_words_of_the_request_and_begins_when_told() {
        let directory = tempfile::tempdir().unwrap();
        let store = crate::location::Embedded::open(directory.path().join("sip.redb")).unwrap();
        let (replies, aor) = (Replies::new(1), Aor::new("alice", "example.com"));
        let mut stores = Stores {
            location: Some(Arc::new(store)),
            ..Stores::default()
        };
        let refresh = refresh(1);
        let ask = |stores: &mut Stores, token| {
            let mut asking = Asking {
                stores,
                wall: SystemTime::UNIX_EPOCH,
                now: Instant::now(),
            };
            assert!(asking.refresh(&aor, &refresh).is_none());
            asking.refresh_later(Token::of_number(token), &aor, &refresh)
        };
        // Nobody has said where the answer is to go.
        assert_eq!(ask(&mut stores, 7), None);
        stores.replies = Some(replies.clone());
        assert_eq!(ask(&mut stores, 7), Some(Ok(())));
        assert_eq!(ask(&mut stores, 8), Some(Err(StoreError::Busy)));
        stores.flush();
        replies.ready().await;
        let mut taken = Vec::new();
        replies.take(&mut taken);
        let asker = Asker::of_number(taken[0].number);
        assert_eq!(asker, Asker(Role::Registrar, Token::of_number(7)));
        assert!(matches!(&taken[0].answer, Ok(UpdateOutcome::Stored(all)) if all.len() == 1));
        // One that knows at once is not asked so.
        stores.location = Some(Arc::new(Memory::new()));
        let mut asking = Asking {
            stores: &mut stores,
            wall: SystemTime::UNIX_EPOCH,
            now: Instant::now(),
        };
        let token = Token::of_number(9);
        assert_eq!(asking.refresh_later(token, &aor, &refresh), None);
        for role in [
            Role::Registrar,
            Role::Events,
            Role::Proxy,
            Role::Stateless,
            Role::Probes,
        ] {
            let asker = Asker(role, token);
            assert_eq!(Asker::of_number(asker.number()), asker);
        }
    }
}
