//! [`Method`]: the verb of a request.

use core::fmt;

use crate::token::Token;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $text:literal $bytes:literal,)*) => {
        /// The method of a request (RFC 3261 §7.1). Methods are case-sensitive.
        ///
        /// ```
        /// use sip_message::Method;
        /// assert_eq!(Method::from_bytes(b"INVITE"), Some(Method::Invite));
        /// assert_eq!(Method::from_bytes(b"invite").unwrap().as_str(), "invite"); // an unknown method
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// A method that is in no table here.
            Other(Token),
        }

        impl Method {
            /// The registered methods, in alphabetical order.
            pub const REGISTERED: &[Self] = &[$(Self::$variant,)*];

            /// The method that the bytes name, or `None` if they are not a token.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Self::known(bytes).or_else(|| Token::from_bytes(bytes).map(Self::Other))
            }

            /// The registered method that the bytes name.
            #[inline]
            pub(crate) const fn known(bytes: &[u8]) -> Option<Self> {
                match bytes {
                    $($bytes => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The method as it is written in a message.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(token) => token.as_str(),
                }
            }
        }
    };
}

methods! {
    /// Acknowledges the final response to an INVITE (RFC 3261 §17.1.1.3, §13.2.2.4).
    Ack = "ACK" b"ACK",
    /// Ends a session (RFC 3261 §15).
    Bye = "BYE" b"BYE",
    /// Cancels a pending INVITE (RFC 3261 §9).
    Cancel = "CANCEL" b"CANCEL",
    /// Carries application data within an INVITE dialog usage (RFC 6086).
    Info = "INFO" b"INFO",
    /// Sets up or changes a session (RFC 3261 §13, §14).
    Invite = "INVITE" b"INVITE",
    /// Carries an instant message (RFC 3428).
    Message = "MESSAGE" b"MESSAGE",
    /// Reports an event (RFC 6665).
    Notify = "NOTIFY" b"NOTIFY",
    /// Asks for capabilities (RFC 3261 §11).
    Options = "OPTIONS" b"OPTIONS",
    /// Acknowledges a provisional response (RFC 3262).
    Prack = "PRACK" b"PRACK",
    /// Publishes event state (RFC 3903).
    Publish = "PUBLISH" b"PUBLISH",
    /// Asks the recipient to contact a third party (RFC 3515).
    Refer = "REFER" b"REFER",
    /// Binds a contact to an address of record (RFC 3261 §10).
    Register = "REGISTER" b"REGISTER",
    /// Asks for notification of an event (RFC 6665).
    Subscribe = "SUBSCRIBE" b"SUBSCRIBE",
    /// Changes a session without a re-INVITE (RFC 3311).
    Update = "UPDATE" b"UPDATE",
}

impl Method {
    /// Does this method start a dialog when a response confirms it? (RFC 3261 §12.1, RFC 6665 §4.1, RFC 3515 §2.4.)
    #[must_use]
    pub const fn creates_dialog(&self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<str> for Method {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl core::str::FromStr for Method {
    type Err = InvalidMethod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(text.as_bytes()).ok_or(InvalidMethod(()))
    }
}

/// The text is not a token, and so not a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMethod(());

impl fmt::Display for InvalidMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a method is a token of RFC 3261 section 25.1")
    }
}

impl core::error::Error for InvalidMethod {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_registered_method_reads_what_it_writes() {
        for method in Method::REGISTERED {
            assert_eq!(
                Method::from_bytes(method.as_str().as_bytes()).as_ref(),
                Some(method)
            );
        }
        assert_eq!(Method::REGISTERED.len(), 14);
    }

    #[test]
    fn rfc3261_7_1_methods_are_case_sensitive() {
        let lower = Method::from_bytes(b"invite").unwrap();
        assert_ne!(lower, Method::Invite);
        assert_eq!(lower.to_string(), "invite");
        assert_eq!(Method::from_bytes(b"IN VITE"), None);
    }
}
