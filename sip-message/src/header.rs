//! Typed header fields: one file per header or family, each a [`TypedHeader`].
//!
//! A typed header borrows from the message it was decoded from and is decoded when asked for, each time. What must
//! outlive the message is copied by the caller ([`UriRef::to_uri`](crate::UriRef::to_uri), `to_owned` of a tag).
//!
//! ```
//! use sip_message::header::{Contact, NameAddr, Via};
//! use sip_message::{Headers, HeaderName, UriRef};
//! let contact = Contact::new(NameAddr::new(UriRef::parse("sip:a@192.0.2.1").unwrap()).with_param("expires", Some("60")));
//! assert_eq!(contact.expires(), Some(60));
//! ```

mod auth;
mod contact;
mod content;
mod cseq;
mod date;
mod dialog;
mod event;
mod extension;
mod general;
mod identity;
mod list;
mod name_addr;
mod number;
mod reason;
mod reliability;
mod retry_after;
mod session_timer;
mod subscription;
mod text;
mod valued;
mod via;

use alloc::vec::Vec;

pub use self::auth::{
    AuthParams, Authorization, Challenge, Credentials, ProxyAuthenticate, ProxyAuthorization,
    WwwAuthenticate,
};
pub use self::contact::{Contact, QValue};
pub use self::content::{Accept, ContentType};
pub use self::cseq::CSeq;
pub use self::date::Date;
pub use self::dialog::{InReplyTo, Join, Replaces, TargetDialog};
pub use self::event::Event;
pub use self::extension::{
    AcceptContact, AcceptResourcePriority, AnswerMode, CellularNetworkInfo, FeatureCaps, FlowTimer,
    Geolocation, GeolocationError, GeolocationRouting, InfoPackage, MaxBreadth, PAccessNetworkInfo,
    PAnswerState, PAssertedService, PChargingFunctionAddresses, PChargingVector, PDcsBillingInfo,
    PDcsLaes, PDcsOsps, PDcsRedirect, PEarlyMedia, PMediaAuthorization, PPreferredService,
    PPrivateNetworkIndication, PVisitedNetworkId, PermissionMissing, PolicyContact, PolicyId,
    PrivAnswerMode, RecvInfo, ReferEventsAt, RejectContact, RequestDisposition, ResourcePriority,
    ResponseSource, SecurityClient, SecurityServer, SecurityVerify, SessionId, TriggerConsent,
    UserToUser,
};
pub use self::general::{
    AcceptEncoding, AcceptLanguage, AlertInfo, AuthenticationInfo, CallInfo, ContentDisposition,
    ContentEncoding, ContentId, ContentLanguage, ContentTransferEncoding, ErrorInfo, MimeVersion,
    Organization, Priority, ProxyAuthenticationInfo, Subject, Timestamp, Warning,
};
pub use self::identity::{
    AdditionalIdentity, Diversion, HistoryInfo, Identity, IdentityInfo, PAssertedIdentity,
    PAssociatedUri, PCalledPartyId, PChargeInfo, PDcsTracePartyId, PPreferredIdentity, PProfileKey,
    PRefusedUriList, PServedUser, PUserDatabase, Privacy, RemotePartyId,
};
pub use self::list::{Allow, Methods, ProxyRequire, Require, Supported, Tokens, Unsupported};
pub(crate) use self::name_addr::params_of as name_addr_params;
pub use self::name_addr::{
    From, NameAddr, Path, RecordRoute, ReferTo, ReferredBy, ReplyTo, Route, ServiceRoute, To,
};
pub use self::number::{ContentLength, Expires, MaxForwards, MinExpires};
pub use self::reason::Reason;
pub use self::reliability::{RAck, RSeq};
pub use self::retry_after::RetryAfter;
pub use self::session_timer::{MinSe, Refresher, SessionExpires};
pub use self::subscription::{
    AllowEvents, ReferSub, SipETag, SipIfMatch, SubscriptionState, SuppressIfMatch,
};
pub use self::text::{CallId, Server, UserAgent};
pub use self::via::{Transport, Via};
use crate::error::HeaderError;
use crate::headers::Values;
use crate::name::HeaderName;

/// A header field with the structure that its RFC gives it. Implement it for fields this crate does not know.
///
/// ```
/// use sip_message::{HeaderError, HeaderName, Request, Method, TypedHeader, Values};
/// struct Colour<'a>(&'a str);
/// impl<'a> TypedHeader<'a> for Colour<'a> {
///     const NAME: HeaderName = HeaderName::from_static("X-Colour");
///     fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
///         values.next().map(Self).ok_or_else(|| HeaderError::new("colour expected", 0))
///     }
///     fn encode(&self, out: &mut Vec<u8>) {
///         out.extend_from_slice(self.0.as_bytes());
///     }
/// }
/// let request = Request::builder(Method::Options, "sip:h").typed(&Colour("red")).build_partial().unwrap();
/// assert_eq!(request.headers().typed::<Colour>().unwrap().unwrap().0, "red");
/// ```
pub trait TypedHeader<'a>: Sized {
    /// The field this is the form of.
    const NAME: HeaderName;

    /// Takes what it is made of from the values: one of them, or all where the header is a list.
    ///
    /// # Errors
    /// When a value does not have the form.
    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError>;

    /// Appends the value, without name and line end.
    fn encode(&self, out: &mut Vec<u8>);
}

/// The next value, or the error for a field without one.
pub(crate) fn one<'a>(values: &mut Values<'a>) -> Result<&'a str, HeaderError> {
    values
        .next()
        .ok_or_else(|| HeaderError::new("empty value", 0))
}

/// Appends a number in decimal digits.
pub(crate) fn push_decimal(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut rest = value;
    let mut len = 0;
    for slot in digits.iter_mut().rev() {
        let digit = (rest % 10) as u8;
        *slot = b'0' + digit;
        len += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - len..).unwrap_or_default());
}

/// A header that is another type under a name of its own.
macro_rules! newtype_header {
    ($(#[$doc:meta])* $name:ident($inner:ident) = $header:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<'a>($inner<'a>);

        impl<'a> $name<'a> {
            /// Wraps the value.
            #[must_use]
            pub const fn new(value: $inner<'a>) -> Self {
                Self(value)
            }

            /// The value.
            #[must_use]
            pub fn into_inner(self) -> $inner<'a> {
                self.0
            }
        }

        impl<'a> core::ops::Deref for $name<'a> {
            type Target = $inner<'a>;

            fn deref(&self) -> &$inner<'a> {
                &self.0
            }
        }

        impl core::ops::DerefMut for $name<'_> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl<'a> $crate::TypedHeader<'a> for $name<'a> {
            const NAME: $crate::HeaderName = $crate::HeaderName::$header;

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                $inner::parse($crate::header::one(values)?).map(Self)
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                self.0.encode(out);
            }
        }
    };
}
pub(crate) use newtype_header;

/// `Display` that writes what `encode` writes.
macro_rules! display_encoded {
    ($name:ty) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                #[allow(unused_imports, reason = "some values have an encode of their own")]
                use $crate::TypedHeader as _;
                let mut out = alloc::vec::Vec::new();
                self.encode(&mut out);
                f.pad(&alloc::string::String::from_utf8_lossy(&out))
            }
        }
    };
}
pub(crate) use display_encoded;

/// What the tests of each header share.
#[cfg(test)]
pub(crate) mod testing {
    use alloc::string::String;
    use alloc::vec::Vec;

    use crate::{Headers, TypedHeader};

    pub(crate) fn headers(name: crate::HeaderName, lines: &[&str]) -> Headers {
        let mut headers = Headers::with_capacity(64);
        for line in lines {
            headers.push_back(name.clone(), line);
        }
        headers
    }

    pub(crate) fn encoded<'a, H: TypedHeader<'a>>(header: &H) -> String {
        let mut out = Vec::new();
        header.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Decodes each text, encodes it, and compares with what is expected; `None` stands for an error.
    macro_rules! check_reencode {
        ($header:ty, $cases:expr) => {
            for (text, expected) in $cases {
                let headers = $crate::header::testing::headers(
                    <$header as $crate::TypedHeader<'_>>::NAME,
                    &[text],
                );
                let again = headers.typed::<$header>().map(|header| {
                    $crate::header::testing::encoded(
                        &header.unwrap_or_else(|| panic!("{text}: no value")),
                    )
                });
                let expected: Option<&str> = expected;
                assert_eq!(again.as_deref().ok(), expected, "{text}");
            }
        };
    }
    pub(crate) use check_reencode;
}
