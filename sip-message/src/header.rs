//! Typed header fields, each a [`TypedHeader`] in a file of its own.
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
//!
//! # Every field of the IANA registry
//!
//! `list`: a comma separates values, and several fields mean the same as one. A field whose type is `text` has no form in
//! an RFC.
//!
#![doc = include_str!("../HEADERS.md")]

mod accept;
mod accept_encoding;
mod accept_language;
mod alert_info;
mod allow;
mod auth;
mod call_id;
mod call_info;
mod caller;
mod contact;
mod contact_params;
mod content_disposition;
mod content_encoding;
mod content_id;
mod content_language;
mod content_length;
mod content_transfer_encoding;
mod content_type;
mod cseq;
mod date;
mod dialog;
mod error_info;
mod expires;
mod feature;
mod from;
mod ims;
mod in_reply_to;
mod location;
mod max_forwards;
mod media_type;
mod mime_version;
mod min_expires;
mod name_addr;
mod organization;
mod policy;
mod preference;
mod priority;
mod proxy_require;
mod qvalue;
mod record_route;
mod reply_to;
mod require;
mod retry_after;
mod route;
mod routing;
mod server;
mod shape;
mod subject;
mod subscription;
mod supported;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod timestamp;
mod to;
mod unsupported;
mod user_agent;
mod via;
mod warning;

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::IpAddr;

pub use self::accept::Accept;
pub use self::accept_encoding::AcceptEncoding;
pub use self::accept_language::AcceptLanguage;
pub use self::alert_info::AlertInfo;
pub use self::allow::{Allow, Methods};
pub use self::auth::{
    AuthParams, AuthenticationInfo, Authorization, Challenge, Credentials, ProxyAuthenticate,
    ProxyAuthenticationInfo, ProxyAuthorization, SecurityClient, SecurityServer, SecurityVerify,
    WwwAuthenticate,
};
pub use self::call_id::CallId;
pub use self::call_info::CallInfo;
pub use self::caller::{
    AdditionalIdentity, Identity, IdentityInfo, PAssertedIdentity, PPreferredIdentity, Privacy,
    RemotePartyId,
};
pub use self::contact::Contact;
pub use self::content_disposition::ContentDisposition;
pub use self::content_encoding::ContentEncoding;
pub use self::content_id::ContentId;
pub use self::content_language::ContentLanguage;
pub use self::content_length::ContentLength;
pub use self::content_transfer_encoding::ContentTransferEncoding;
pub use self::content_type::ContentType;
pub use self::cseq::CSeq;
pub use self::date::Date;
pub use self::dialog::{
    Join, MinSe, RAck, RSeq, Refresher, Replaces, SessionExpires, SessionId, TargetDialog,
};
pub use self::error_info::ErrorInfo;
pub use self::expires::Expires;
pub use self::feature::{Feature, FeatureValue, Features};
pub use self::from::From;
pub use self::ims::{
    CellularNetworkInfo, PAccessNetworkInfo, PAnswerState, PAssertedService, PAssociatedUri,
    PCalledPartyId, PChargeInfo, PChargingFunctionAddresses, PChargingVector, PDcsBillingInfo,
    PDcsLaes, PDcsOsps, PDcsRedirect, PDcsTracePartyId, PEarlyMedia, PMediaAuthorization,
    PPreferredService, PPrivateNetworkIndication, PProfileKey, PRefusedUriList, PServedUser,
    PUserDatabase, PVisitedNetworkId, ResponseSource,
};
pub use self::in_reply_to::InReplyTo;
pub use self::location::{AlertMsgError, Geolocation, GeolocationError, GeolocationRouting};
pub use self::max_forwards::MaxForwards;
pub use self::mime_version::MimeVersion;
pub use self::min_expires::MinExpires;
pub use self::name_addr::NameAddr;
pub(crate) use self::name_addr::params_of as name_addr_params;
pub use self::organization::Organization;
pub use self::policy::{PermissionMissing, PolicyContact, PolicyId, TriggerConsent};
pub use self::preference::{
    AcceptContact, AcceptResourcePriority, AnswerMode, FeatureCaps, InfoPackage, PrivAnswerMode,
    RecvInfo, RejectContact, RequestDisposition, ResourcePriority,
};
pub use self::priority::Priority;
pub use self::proxy_require::ProxyRequire;
pub use self::qvalue::QValue;
pub use self::record_route::RecordRoute;
pub use self::reply_to::ReplyTo;
pub use self::require::Require;
pub use self::retry_after::RetryAfter;
pub use self::route::Route;
pub use self::routing::{
    Diversion, FlowTimer, HistoryInfo, HistoryTarget, IsupLocation, MaxBreadth, Path, Reason,
    ServiceRoute, UserToUser,
};
pub use self::server::Server;
pub use self::shape::Tokens;
pub(crate) use self::shape::display_encoded;
pub use self::subject::Subject;
pub use self::subscription::{
    AllowEvents, Event, ReferEventsAt, ReferSub, ReferTo, ReferredBy, SipETag, SipIfMatch,
    SubscriptionState, SuppressIfMatch,
};
pub use self::supported::Supported;
pub use self::table::normalize;
pub(crate) use self::table::{check_field, id_of};
pub use self::timestamp::Timestamp;
pub use self::to::To;
pub use self::unsupported::Unsupported;
pub use self::user_agent::UserAgent;
pub use self::via::{Transport, Via};
pub use self::warning::Warning;
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

    /// How one value alone is decoded, for a header that is made of one: [`Headers::typed`](crate::Headers::typed) then
    /// takes a shorter way than [`decode`](Self::decode), to the same result. `None` for lists.
    #[expect(
        clippy::type_complexity,
        reason = "a name for this type would hide what it is"
    )]
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = None;

    /// Does [`DECODE_VALUE`](Self::DECODE_VALUE) refuse every text with a comma that separates values? Then it is given a
    /// whole field before anyone looks for that comma, which few fields have.
    const REFUSES_LISTS: bool = false;

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

/// Decodes the next value the way [`TypedHeader::DECODE_VALUE`] says.
pub(crate) fn decode_value<'a, H: TypedHeader<'a>>(
    values: &mut Values<'a>,
) -> Result<H, HeaderError> {
    let value = one(values)?;
    match H::DECODE_VALUE {
        Some(decode) => decode(value),
        None => Err(HeaderError::new("not a header of one value", 0)),
    }
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

/// Appends an address, an IPv6 one without brackets.
pub(crate) fn push_ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (i, octet) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                push_decimal(out, octet.into());
            }
        }
        IpAddr::V6(v6) => out.extend_from_slice(v6.to_string().as_bytes()),
    }
}
