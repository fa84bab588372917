//! The users of a domain: [`CredentialStore`] is the boundary, [`Embedded`] keeps them in the data file, [`Memory`] in
//! a table. A password is never kept: only the hashes of it that digest authentication computes with.

mod control;
mod embedded;
mod hashes;
mod memory;
mod name;

use std::fmt;

pub use self::control::{Control, Reply, Request, SOCKET, ask};
pub use self::embedded::{Embedded, UserError};
pub use self::hashes::Ha1s;
pub use self::memory::Memory;
pub use self::name::{NameError, check_name};
pub use crate::store::{BoxFuture, StoreError};

/// Where the hashes of users' passwords are kept.
pub trait CredentialStore: Send + Sync + fmt::Debug {
    /// The hashes of a user in a realm; `None` if there is no such user.
    fn credential(
        &self,
        username: &str,
        realm: &str,
    ) -> BoxFuture<Result<Option<Ha1s>, StoreError>>;

    /// The same of a store that knows it without waiting for anything; `None` if this one does not.
    fn credential_at_once(
        &self,
        username: &str,
        realm: &str,
    ) -> Option<Result<Option<Ha1s>, StoreError>> {
        let _ = (username, realm);
        None
    }
}
