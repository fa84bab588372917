//! Who a user agent speaks as.

use sip_dialog::AccountKey;
use sip_message::Uri;

use super::AgentError;

/// An address-of-record with what proves that we may use it.
#[derive(Clone)]
pub struct Account {
    pub(super) aor: Uri,
    pub(super) display_name: Option<String>,
    pub(super) auth_user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) instance: Option<String>,
}

impl Account {
    /// The account of an address such as `sip:alice@example.com`.
    ///
    /// # Errors
    /// `aor` is not a `sip` or `sips` URI with a user.
    ///
    /// ```
    /// use sip_stack::agent::Account;
    ///
    /// let account = Account::new("sip:alice@example.com")?.password("secret").display_name("Alice");
    /// assert_eq!(account.aor(), "sip:alice@example.com");
    /// assert!(Account::new("sip:example.com").is_err());
    /// # Ok::<(), sip_stack::agent::AgentError>(())
    /// ```
    pub fn new(aor: &str) -> Result<Self, AgentError> {
        let uri = Uri::parse(aor)
            .map_err(|error| AgentError::Usage(format!("{aor}: not a SIP address: {error}")))?;
        if !uri.as_ref().is_sip() || uri.as_ref().user().is_none() {
            return Err(AgentError::Usage(format!(
                "{aor}: an account is a user at a domain, as in sip:alice@example.com"
            )));
        }
        Ok(Self {
            aor: uri,
            display_name: None,
            auth_user: None,
            password: None,
            instance: None,
        })
    }

    /// The password with which challenges are answered (RFC 3261 section 22).
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The user name for authentication, when it is not the user part of the address.
    #[must_use]
    pub fn auth_user(mut self, user: &str) -> Self {
        self.auth_user = Some(user.to_owned());
        self
    }

    /// The name that is shown to others.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        self.display_name = Some(name.to_owned());
        self
    }

    /// The name of this user agent among those of the account, a URN that stays the same as long as the device does, such as
    /// `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6` (RFC 5626 section 4.1). A registrar that makes GRUUs (RFC 5627) then
    /// gives a URI that leads here alone, and calls in the account's domain have it as their Contact.
    #[must_use]
    pub fn instance(mut self, urn: &str) -> Self {
        self.instance = Some(urn.to_owned());
        self
    }

    /// The address-of-record.
    #[must_use]
    pub fn aor(&self) -> &str {
        self.aor.as_str()
    }

    /// The user part, unescaped.
    pub(super) fn user(&self) -> String {
        self.aor
            .as_ref()
            .user_unescaped()
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default()
    }

    /// The name under which the dialog layer asks for credentials.
    pub(super) const fn key() -> AccountKey {
        AccountKey(0)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("aor", &self.aor.as_str())
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}
