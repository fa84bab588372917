//! Header by header: every type decodes or refuses any text, and what it writes reads back as what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_message::{
    HeaderName, Headers, Method, Request, UriRef,
    header::{
        AcceptContact, Contact, ContentId, Date, Feature, FeatureCaps, From, HistoryInfo, Identity,
        PAssertedService, PDcsBillingInfo, PRefusedUriList, PServedUser, Privacy, Reason, ReferTo,
        RequestDisposition, ResourcePriority, RetryAfter, SessionId, Timestamp, UserToUser, Via,
        Warning, WwwAuthenticate, normalize,
    },
};

// The first line names the field, a NUL separates values. What is no name chooses one by its first byte.
fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (first, text) = (&data[..end], &data[end + 1..]);
    let named = HeaderName::from_bytes(first).filter(|name| name.defined_in().is_some());
    let which = usize::from(first.first().copied().unwrap_or(0)) % HeaderName::REGISTERED.len();
    let name = named.as_ref().unwrap_or(&HeaderName::REGISTERED[which]);
    let text = String::from_utf8_lossy(text);
    let request = with(name, text.split('\0'));
    accessors(request.headers());
    let Ok(values) = normalize(request.headers(), name) else {
        return;
    };
    for value in &values {
        let unfolded = value.replace("\r\n ", " ").replace("\r\n\t", " ");
        assert!(
            !unfolded.contains(['\r', '\n']),
            "{name}: {value:?} ends a line"
        );
    }
    let again = with(name, values.iter().map(String::as_str));
    let values_again = normalize(again.headers(), name).expect("what was written reads back");
    assert_eq!(values, values_again, "{name}: writing is stable");
});

fn with<'a>(name: &HeaderName, values: impl Iterator<Item = &'a str>) -> Request {
    let mut request = Request::builder(Method::Options, "sip:h")
        .build_partial()
        .expect("a request without fields");
    request.headers_mut().remove_all(name.clone());
    for value in values {
        request.headers_mut().push_back(name.clone(), value);
    }
    request
}

/// What computes something from the decoded value, for the one field that is there.
fn accessors(headers: &Headers) {
    macro_rules! each {
        ($($header:ty: |$value:ident| $use:expr;)*) => {
            $(for $value in headers.typed_all::<$header>().flatten() {
                let _ = $use;
            })*
        };
    }
    fn feature(feature: &Feature<'_>) -> usize {
        assert!(!feature.name().is_empty());
        feature.values().count() + usize::from(feature.has("5"))
    }
    each! {
        AcceptContact<'_>: |wish| wish.features().map(|f| feature(&f)).sum::<usize>();
        FeatureCaps<'_>: |caps| caps.features().map(|f| feature(&f)).sum::<usize>();
        Contact<'_>: |contact| (
            contact.features().map(|f| feature(&f)).sum::<usize>(),
            contact.instance().is_some(),
            contact.pub_gruu().is_some_and(|uri| UriRef::parse(&uri).is_ok()),
            (contact.q(), contact.expires(), contact.reg_id()),
        );
        ContentId<'_>: |id| assert!(id.is_named_by(&format!("cid:{}", id.id().replace('%', "%25"))));
        Date: |date| assert_eq!(Date::from_unix_seconds(date.unix_seconds()), date);
        From<'_>: |from| (from.display_name().is_some(), from.tag().is_some(), from.uri().user_unescaped().is_some());
        HistoryInfo<'_>: |entry| (entry.index().is_some(), entry.target(), entry.reason().is_some(), entry.is_private());
        Identity<'_>: |identity| (identity.info().is_some(), identity.is_compact());
        PAssertedService<'_>: |service| assert!(service.is_part_of(&service));
        PDcsBillingInfo<'_>: |bill| assert_eq!(format!("{}/{}", bill.correlation_id(), bill.element()), bill.value());
        PRefusedUriList<'_>: |list| list.members().is_some();
        PServedUser<'_>: |user| (user.is_originating(), user.is_registered());
        Privacy<'_>: |privacy| assert!(privacy.iter().all(|word| privacy.contains(word)));
        Reason<'_>: |reason| (reason.cause(), reason.location(), reason.text().is_some());
        ReferTo<'_>: |to| (to.method(), to.replaces().is_some());
        RequestDisposition<'_>: |wish| (wish.forks(), wish.is_parallel());
        ResourcePriority<'_>: |priority| assert_eq!(priority.priorities().count(), priority.iter().count());
        RetryAfter<'_>: |retry| (retry.comment().is_some(), retry.duration());
        SessionId<'_>: |id| assert_eq!(id.local().len(), 32);
        Timestamp<'_>: |timestamp| timestamp.delay().is_some();
        UserToUser<'_>: |data| (data.data().len(), data.octets().is_some());
        Via<'_>: |via| (via.received(), via.rport(), via.ttl(), via.branch().is_some());
        Warning<'_>: |warning| assert_eq!(Warning::new(warning.code(), warning.agent(), &warning.text()).code(), warning.code());
        WwwAuthenticate<'_>: |challenge| (challenge.realm().is_some(), challenge.is_stale(), challenge.params().iter().count());
    }
}
