//! [`Memory`]: users in a table.

use std::collections::HashMap;

use super::{CredentialStore, Ha1s};
use crate::store::{BoxFuture, StoreError};

/// Users that are given at construction, for tests and small servers.
///
/// ```
/// use sip_stack::users::Memory;
/// let users = Memory::new("example.com").with("alice", "secret").with("bob", "hunter2");
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    realm: Box<str>,
    users: HashMap<Box<str>, Ha1s>,
}

impl Memory {
    /// No users, of this realm.
    #[must_use]
    pub fn new(realm: &str) -> Self {
        Self {
            realm: realm.into(),
            users: HashMap::new(),
        }
    }

    /// One more user.
    #[must_use]
    pub fn with(mut self, username: &str, password: &str) -> Self {
        self.users
            .insert(username.into(), Ha1s::new(username, &self.realm, password));
        self
    }

    /// The hashes of a user.
    #[must_use]
    pub fn hashes(&self, username: &str, realm: &str) -> Option<&Ha1s> {
        self.users.get(username).filter(|_| realm == &*self.realm)
    }
}

impl CredentialStore for Memory {
    fn credential(
        &self,
        username: &str,
        realm: &str,
    ) -> BoxFuture<Result<Option<Ha1s>, StoreError>> {
        Box::pin(std::future::ready(Ok(self
            .hashes(username, realm)
            .cloned())))
    }

    fn credential_at_once(
        &self,
        username: &str,
        realm: &str,
    ) -> Option<Result<Option<Ha1s>, StoreError>> {
        Some(Ok(self.hashes(username, realm).cloned()))
    }
}
