//! Decoding every field that has a type here.

use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::header::{self, TypedHeader};
use crate::headers::Headers;

/// Decodes each typed header of the list, all its values.
macro_rules! decode_all {
    ($headers:expr, $request:expr, [$($header:ty),* $(,)?]) => {
        $(each::<$header>($headers, $request)?;)*
    };
}

/// The first value of a known field that does not have its form.
pub(crate) fn all_fields(headers: &Headers, request: bool) -> Result<(), ParseError> {
    decode_all!(
        headers,
        request,
        [
            header::Accept<'_>,
            header::Allow<'_>,
            header::Authorization<'_>,
            header::CSeq,
            header::CallId<'_>,
            header::Contact<'_>,
            header::ContentLength,
            header::ContentType<'_>,
            header::Date,
            header::Event<'_>,
            header::Expires,
            header::From<'_>,
            header::MaxForwards,
            header::MinExpires,
            header::Path<'_>,
            header::ProxyAuthenticate<'_>,
            header::ProxyAuthorization<'_>,
            header::ProxyRequire<'_>,
            header::Reason<'_>,
            header::RecordRoute<'_>,
            header::ReferTo<'_>,
            header::ReferredBy<'_>,
            header::ReplyTo<'_>,
            header::Require<'_>,
            header::RetryAfter<'_>,
            header::Route<'_>,
            header::Server<'_>,
            header::ServiceRoute<'_>,
            header::Supported<'_>,
            header::To<'_>,
            header::Unsupported<'_>,
            header::UserAgent<'_>,
            header::Via<'_>,
            header::WwwAuthenticate<'_>,
            header::AcceptContact<'_>,
            header::AcceptEncoding<'_>,
            header::AcceptLanguage<'_>,
            header::AcceptResourcePriority<'_>,
            header::AdditionalIdentity<'_>,
            header::AlertInfo<'_>,
            header::AllowEvents<'_>,
            header::AnswerMode<'_>,
            header::AuthenticationInfo<'_>,
            header::CallInfo<'_>,
            header::CellularNetworkInfo<'_>,
            header::ContentDisposition<'_>,
            header::ContentEncoding<'_>,
            header::ContentId<'_>,
            header::ContentLanguage<'_>,
            header::ContentTransferEncoding<'_>,
            header::Diversion<'_>,
            header::ErrorInfo<'_>,
            header::FeatureCaps<'_>,
            header::FlowTimer,
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
            header::MimeVersion<'_>,
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
            header::PermissionMissing<'_>,
            header::PolicyContact<'_>,
            header::PolicyId<'_>,
            header::Priority<'_>,
            header::PrivAnswerMode<'_>,
            header::Privacy<'_>,
            header::ProxyAuthenticationInfo<'_>,
            header::RAck,
            header::RSeq,
            header::RecvInfo<'_>,
            header::ReferEventsAt<'_>,
            header::ReferSub<'_>,
            header::RejectContact<'_>,
            header::RemotePartyId<'_>,
            header::Replaces<'_>,
            header::RequestDisposition<'_>,
            header::ResourcePriority<'_>,
            header::ResponseSource<'_>,
            header::SecurityClient<'_>,
            header::SecurityServer<'_>,
            header::SecurityVerify<'_>,
            header::SessionExpires<'_>,
            header::SessionId<'_>,
            header::SipETag<'_>,
            header::SipIfMatch<'_>,
            header::Subject<'_>,
            header::SubscriptionState<'_>,
            header::SuppressIfMatch<'_>,
            header::TargetDialog<'_>,
            header::Timestamp<'_>,
            header::TriggerConsent<'_>,
            header::UserToUser<'_>,
            header::Warning<'_>,
        ]
    );
    Ok(())
}

fn each<'a, H: TypedHeader<'a>>(headers: &'a Headers, request: bool) -> Result<(), ParseError> {
    let mut all = headers.typed_all::<H>();
    loop {
        let at = all.offset();
        match all.next() {
            None => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                return Err(ParseError::new(Kind::Field, at + error.offset(), request));
            }
        }
    }
}
