//! [`Embedded`]: users in the data file.

use std::sync::PoisonError;

use super::{CredentialStore, Ha1s, NameError, check_name};
use crate::store::{BoxFuture, DataFile, StoreError};

/// Why a user was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The name cannot be a user's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is one of this name.
    #[error("there is a user {0} already: `sip user passwd {0}` sets another password")]
    Exists(Box<str>),
    /// There is none of this name.
    #[error("there is no user {0}: `sip user list` names them")]
    Unknown(Box<str>),
    /// The password is empty.
    #[error("a password has at least one character")]
    EmptyPassword,
    /// The store could not write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The users of a [`DataFile`].
#[derive(Clone, Debug)]
pub struct Embedded {
    file: DataFile,
}

impl Embedded {
    /// The users of an open file.
    #[must_use]
    pub const fn new(file: DataFile) -> Self {
        Self { file }
    }

    /// The realm that passwords are hashed for.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.file.realm()
    }

    /// The names of all users, in order.
    #[must_use]
    pub fn names(&self) -> Vec<Box<str>> {
        let users = self
            .file
            .index()
            .users
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = users.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Is there a user of this name?
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.file
            .index()
            .users
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(name)
    }

    /// Adds a user. It is on the disk when this returns.
    ///
    /// # Errors
    /// When there is one of this name, the name or the password is none, or the file cannot be written.
    pub async fn add(&self, name: &str, password: &str) -> Result<(), UserError> {
        check_name(name)?;
        if self.contains(name) {
            return Err(UserError::Exists(name.into()));
        }
        self.write(name, password).await
    }

    /// Sets another password.
    ///
    /// # Errors
    /// When there is no such user, the password is empty, or the file cannot be written.
    pub async fn set_password(&self, name: &str, password: &str) -> Result<(), UserError> {
        if !self.contains(name) {
            return Err(UserError::Unknown(name.into()));
        }
        self.write(name, password).await
    }

    /// Adds the users that are not there, and sets the passwords of the others. How many were added.
    ///
    /// # Errors
    /// The first that failed; those before it are stored.
    pub async fn import(&self, users: &[(Box<str>, Box<str>)]) -> Result<usize, UserError> {
        let mut added = 0;
        // All are asked for before the first is waited for, so that they share commits; in portions that the queue of
        // the store has room for.
        for portion in users.chunks(512) {
            let mut waiting = Vec::with_capacity(portion.len());
            for (name, password) in portion {
                check_name(name)?;
                if password.is_empty() {
                    return Err(UserError::EmptyPassword);
                }
                let hashes = Ha1s::new(name, self.realm(), password);
                waiting.push(self.file.write_user(name.clone(), Some(hashes)));
            }
            for answer in waiting {
                added += usize::from(!answer.await?);
            }
        }
        Ok(added)
    }

    /// Removes a user and the bindings. Was the user there?
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.file.write_user(name.into(), None).await
    }

    async fn write(&self, name: &str, password: &str) -> Result<(), UserError> {
        if password.is_empty() {
            return Err(UserError::EmptyPassword);
        }
        self.file
            .write_user(name.into(), Some(Ha1s::new(name, self.realm(), password)))
            .await?;
        Ok(())
    }
}

impl Embedded {
    fn hashes(&self, username: &str, realm: &str) -> Option<Ha1s> {
        let users = self
            .file
            .index()
            .users
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        users
            .get(username)
            .filter(|_| realm == self.realm())
            .cloned()
    }
}

impl CredentialStore for Embedded {
    fn credential(
        &self,
        username: &str,
        realm: &str,
    ) -> BoxFuture<Result<Option<Ha1s>, StoreError>> {
        Box::pin(std::future::ready(Ok(self.hashes(username, realm))))
    }

    fn credential_at_once(
        &self,
        username: &str,
        realm: &str,
    ) -> Option<Result<Option<Ha1s>, StoreError>> {
        Some(Ok(self.hashes(username, realm)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn add_change_import_remove() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sip.redb");
        let users = Embedded::new(DataFile::create(&path, "h").unwrap());
        users.add("alice", "one").await.unwrap();
        assert_eq!(
            users.add("alice", "two").await,
            Err(UserError::Exists("alice".into()))
        );
        assert_eq!(
            users.add("a b", "two").await,
            Err(UserError::Name(NameError::Character(' ')))
        );
        assert_eq!(users.add("bob", "").await, Err(UserError::EmptyPassword));
        assert_eq!(
            users.set_password("bob", "x").await,
            Err(UserError::Unknown("bob".into()))
        );
        users.set_password("alice", "two").await.unwrap();
        assert_eq!(
            users.credential("alice", "h").await.unwrap(),
            Some(Ha1s::new("alice", "h", "two"))
        );
        assert_eq!(users.credential("alice", "other").await.unwrap(), None);
        let many: Vec<_> = (0..1200)
            .map(|n| (format!("u{n}").into(), "pw".into()))
            .chain([("alice".into(), "3".into())])
            .collect();
        assert_eq!(users.import(&many).await, Ok(1200));
        assert_eq!(users.names().len(), 1201);
        // No password and no hash of another realm is in the file.
        let text = std::fs::read(&path).unwrap();
        assert!(!text.windows(5).any(|bytes| bytes == b"\"two\""));
    }
}
