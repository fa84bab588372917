//! Every header that has a type here, in one table: what checks all fields of a message, what writes a field in one form,
//! and what the documentation lists.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::{self, TypedHeader};
use crate::headers::Headers;
use crate::name::{HeaderName, NameId};

/// Makes what goes by the name of a field from the list of types.
macro_rules! headers {
    ($($header:ident $(<$life:lifetime>)?,)*) => {
        /// Decodes all values of the field at an index by the type that has its name. A field without a type is fine.
        pub(crate) fn check_field(headers: &Headers, at: usize) -> Result<(), HeaderError> {
            match headers.name_at(at) {
                $(id if id == const { id_of::<header::$header $(<$life>)?>() } => {
                    check::<header::$header $(<$life>)?>(headers, at)
                })*
                _ => Ok(()),
            }
        }

        /// The values of all fields of a name as this crate writes them: decoded and encoded again, which takes out
        /// folds and doubtful white space. Where a header is a list that is decoded as one, so is the answer. The values
        /// of a name without a type come as they are, empty ones left out.
        ///
        /// ```
        /// use sip_message::{HeaderName, Method, Request, header};
        /// let request = Request::builder(Method::Options, "sip:h")
        ///     .header(HeaderName::Supported, "timer ,  100rel")
        ///     .header(HeaderName::From, "sip:a@h;tag=1")
        ///     .build_partial()
        ///     .unwrap();
        /// let values = |name| header::normalize(request.headers(), &name).unwrap();
        /// assert_eq!(values(HeaderName::Supported), ["timer, 100rel"]);
        /// assert_eq!(values(HeaderName::From), ["<sip:a@h>;tag=1"]);
        /// ```
        ///
        /// # Errors
        /// When a value does not have the form of its RFC, or is not UTF-8.
        pub fn normalize(headers: &Headers, name: &HeaderName) -> Result<Vec<String>, HeaderError> {
            match name.id() {
                $(id if id == const { id_of::<header::$header $(<$life>)?>() } => {
                    rewrite::<header::$header $(<$life>)?>(headers)
                })*
                _ => Ok(headers
                    .values(name.clone())
                    .filter(|value| !value.is_empty())
                    .map(str::to_string)
                    .collect()),
            }
        }

        /// The types, each with the name of its field.
        #[cfg(test)]
        const TYPES: &[(&str, HeaderName)] = &[
            $((stringify!($header), <header::$header $(<$life>)? as TypedHeader<'_>>::NAME),)*
        ];
    };
}

headers! {
    Accept<'_>,
    AcceptContact<'_>,
    AcceptEncoding<'_>,
    AcceptLanguage<'_>,
    AcceptResourcePriority<'_>,
    AdditionalIdentity<'_>,
    AlertInfo<'_>,
    AlertMsgError<'_>,
    Allow<'_>,
    AllowEvents<'_>,
    AnswerMode<'_>,
    AuthenticationInfo<'_>,
    Authorization<'_>,
    CallId<'_>,
    CallInfo<'_>,
    CellularNetworkInfo<'_>,
    Contact<'_>,
    ContentDisposition<'_>,
    ContentEncoding<'_>,
    ContentId<'_>,
    ContentLanguage<'_>,
    ContentLength,
    ContentTransferEncoding<'_>,
    ContentType<'_>,
    CSeq,
    Date,
    Diversion<'_>,
    ErrorInfo<'_>,
    Event<'_>,
    Expires,
    FeatureCaps<'_>,
    FlowTimer,
    From<'_>,
    Geolocation<'_>,
    GeolocationError<'_>,
    GeolocationRouting<'_>,
    HistoryInfo<'_>,
    Identity<'_>,
    IdentityInfo<'_>,
    InfoPackage<'_>,
    InReplyTo<'_>,
    Join<'_>,
    MaxBreadth,
    MaxForwards,
    MimeVersion<'_>,
    MinExpires,
    MinSe<'_>,
    Organization<'_>,
    PAccessNetworkInfo<'_>,
    PAnswerState<'_>,
    PAssertedIdentity<'_>,
    PAssertedService<'_>,
    PAssociatedUri<'_>,
    Path<'_>,
    PCalledPartyId<'_>,
    PChargeInfo<'_>,
    PChargingFunctionAddresses<'_>,
    PChargingVector<'_>,
    PDcsBillingInfo<'_>,
    PDcsLaes<'_>,
    PDcsOsps<'_>,
    PDcsRedirect<'_>,
    PDcsTracePartyId<'_>,
    PEarlyMedia<'_>,
    PermissionMissing<'_>,
    PMediaAuthorization<'_>,
    PolicyContact<'_>,
    PolicyId<'_>,
    PPreferredIdentity<'_>,
    PPreferredService<'_>,
    PPrivateNetworkIndication<'_>,
    PProfileKey<'_>,
    PRefusedUriList<'_>,
    Priority<'_>,
    Privacy<'_>,
    PrivAnswerMode<'_>,
    ProxyAuthenticate<'_>,
    ProxyAuthenticationInfo<'_>,
    ProxyAuthorization<'_>,
    ProxyRequire<'_>,
    PServedUser<'_>,
    PUserDatabase<'_>,
    PVisitedNetworkId<'_>,
    RAck,
    Reason<'_>,
    RecordRoute<'_>,
    RecvInfo<'_>,
    ReferEventsAt<'_>,
    ReferredBy<'_>,
    ReferSub<'_>,
    ReferTo<'_>,
    RejectContact<'_>,
    RemotePartyId<'_>,
    Replaces<'_>,
    ReplyTo<'_>,
    RequestDisposition<'_>,
    Require<'_>,
    ResourcePriority<'_>,
    ResponseSource<'_>,
    RetryAfter<'_>,
    Route<'_>,
    RSeq,
    SecurityClient<'_>,
    SecurityServer<'_>,
    SecurityVerify<'_>,
    Server<'_>,
    ServiceRoute<'_>,
    SessionExpires<'_>,
    SessionId<'_>,
    SipETag<'_>,
    SipIfMatch<'_>,
    Subject<'_>,
    SubscriptionState<'_>,
    Supported<'_>,
    SuppressIfMatch<'_>,
    TargetDialog<'_>,
    Timestamp<'_>,
    To<'_>,
    TriggerConsent<'_>,
    Unsupported<'_>,
    UserAgent<'_>,
    UserToUser<'_>,
    Via<'_>,
    Warning<'_>,
    WwwAuthenticate<'_>,
}

/// The id of a type's name, as a constant.
pub(crate) const fn id_of<'a, H: TypedHeader<'a>>() -> NameId {
    let name = H::NAME;
    let id = name.id();
    // A name with a destructor cannot be dropped in a constant; those of types here own nothing.
    core::mem::forget(name);
    id
}

/// Decodes all values of one field.
fn check<'a, H: TypedHeader<'a>>(headers: &'a Headers, at: usize) -> Result<(), HeaderError> {
    headers.check_at::<H>(at)
}

fn rewrite<'a, H: TypedHeader<'a>>(headers: &'a Headers) -> Result<Vec<String>, HeaderError> {
    headers
        .typed_all::<H>()
        .map(|value| {
            let mut out = Vec::new();
            value?.encode(&mut out);
            String::from_utf8(out).map_err(|_| HeaderError::new("not UTF-8", 0))
        })
        .collect()
}

#[cfg(test)]
mod tests;
