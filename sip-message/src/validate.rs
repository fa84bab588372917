//! Decoding every field that has a type here.

use crate::error::{HeaderError, ParseError, ParseErrorKind as Kind};
use crate::header::{self, TypedHeader};
use crate::headers::{Headers, TypedAll};
use crate::name::NameId;

/// The first value of a known field that does not have its form.
pub(crate) fn all_fields(headers: &Headers, request: bool) -> Result<(), ParseError> {
    for at in 0..headers.len() {
        if let Err(error) = field(headers, at) {
            return Err(ParseError::new(
                Kind::Field,
                headers.offset_at(at) + error.offset(),
                request,
            ));
        }
    }
    Ok(())
}

/// Decodes a field by the type that has its name.
macro_rules! decode_by_name {
    ($headers:expr, $at:expr, [$($header:ty),* $(,)?]) => {
        match $headers.name_at($at) {
            $(id if id == const { id_of::<$header>() } => each::<$header>($headers, $at),)*
            _ => Ok(()),
        }
    };
}

fn field(headers: &Headers, at: usize) -> Result<(), HeaderError> {
    decode_by_name!(
        headers,
        at,
        [
            header::Accept<'_>,
            header::AcceptContact<'_>,
            header::AcceptEncoding<'_>,
            header::AcceptLanguage<'_>,
            header::AcceptResourcePriority<'_>,
            header::AdditionalIdentity<'_>,
            header::AlertInfo<'_>,
            header::Allow<'_>,
            header::AllowEvents<'_>,
            header::AnswerMode<'_>,
            header::AuthenticationInfo<'_>,
            header::Authorization<'_>,
            header::CSeq,
            header::CallId<'_>,
            header::CallInfo<'_>,
            header::CellularNetworkInfo<'_>,
            header::Contact<'_>,
            header::ContentDisposition<'_>,
            header::ContentEncoding<'_>,
            header::ContentId<'_>,
            header::ContentLanguage<'_>,
            header::ContentLength,
            header::ContentTransferEncoding<'_>,
            header::ContentType<'_>,
            header::Date,
            header::Diversion<'_>,
            header::ErrorInfo<'_>,
            header::Event<'_>,
            header::Expires,
            header::FeatureCaps<'_>,
            header::FlowTimer,
            header::From<'_>,
            header::Geolocation<'_>,
            header::GeolocationError<'_>,
            header::GeolocationRouting<'_>,
            header::HistoryInfo<'_>,
            header::Identity<'_>,
            header::IdentityInfo<'_>,
            header::InReplyTo<'_>,
            header::InfoPackage<'_>,
            header::Join<'_>,
            header::MaxBreadth,
            header::MaxForwards,
            header::MimeVersion<'_>,
            header::MinExpires,
            header::MinSe<'_>,
            header::Organization<'_>,
            header::PAccessNetworkInfo<'_>,
            header::PAnswerState<'_>,
            header::PAssertedIdentity<'_>,
            header::PAssertedService<'_>,
            header::PAssociatedUri<'_>,
            header::PCalledPartyId<'_>,
            header::PChargeInfo<'_>,
            header::PChargingFunctionAddresses<'_>,
            header::PChargingVector<'_>,
            header::PDcsBillingInfo<'_>,
            header::PDcsLaes<'_>,
            header::PDcsOsps<'_>,
            header::PDcsRedirect<'_>,
            header::PDcsTracePartyId<'_>,
            header::PEarlyMedia<'_>,
            header::PMediaAuthorization<'_>,
            header::PPreferredIdentity<'_>,
            header::PPreferredService<'_>,
            header::PPrivateNetworkIndication<'_>,
            header::PProfileKey<'_>,
            header::PRefusedUriList<'_>,
            header::PServedUser<'_>,
            header::PUserDatabase<'_>,
            header::PVisitedNetworkId<'_>,
            header::Path<'_>,
            header::PermissionMissing<'_>,
            header::PolicyContact<'_>,
            header::PolicyId<'_>,
            header::Priority<'_>,
            header::PrivAnswerMode<'_>,
            header::Privacy<'_>,
            header::ProxyAuthenticate<'_>,
            header::ProxyAuthenticationInfo<'_>,
            header::ProxyAuthorization<'_>,
            header::ProxyRequire<'_>,
            header::RAck,
            header::RSeq,
            header::Reason<'_>,
            header::RecordRoute<'_>,
            header::RecvInfo<'_>,
            header::ReferEventsAt<'_>,
            header::ReferSub<'_>,
            header::ReferTo<'_>,
            header::ReferredBy<'_>,
            header::RejectContact<'_>,
            header::RemotePartyId<'_>,
            header::Replaces<'_>,
            header::ReplyTo<'_>,
            header::RequestDisposition<'_>,
            header::Require<'_>,
            header::ResourcePriority<'_>,
            header::ResponseSource<'_>,
            header::RetryAfter<'_>,
            header::Route<'_>,
            header::SecurityClient<'_>,
            header::SecurityServer<'_>,
            header::SecurityVerify<'_>,
            header::Server<'_>,
            header::ServiceRoute<'_>,
            header::SessionExpires<'_>,
            header::SessionId<'_>,
            header::SipETag<'_>,
            header::SipIfMatch<'_>,
            header::Subject<'_>,
            header::SubscriptionState<'_>,
            header::Supported<'_>,
            header::SuppressIfMatch<'_>,
            header::TargetDialog<'_>,
            header::Timestamp<'_>,
            header::To<'_>,
            header::TriggerConsent<'_>,
            header::Unsupported<'_>,
            header::UserAgent<'_>,
            header::UserToUser<'_>,
            header::Via<'_>,
            header::Warning<'_>,
            header::WwwAuthenticate<'_>,
        ]
    )
}

/// The id of a type's name, as a constant.
const fn id_of<'a, H: TypedHeader<'a>>() -> NameId {
    let name = H::NAME;
    let id = name.id();
    // A name with a destructor cannot be dropped in a constant; those of types here own nothing.
    core::mem::forget(name);
    id
}

/// Decodes all values of one field.
fn each<'a, H: TypedHeader<'a>>(headers: &'a Headers, at: usize) -> Result<(), HeaderError> {
    let mut all: TypedAll<'a, H> = headers.typed_at(at);
    all.find_map(Result::err).map_or(Ok(()), Err)
}
