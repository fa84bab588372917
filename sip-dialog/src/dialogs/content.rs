//! Bodies that are not understood (RFC 3261 section 8.2.3).

use sip_message::header::{ContentDisposition, ContentType};
use sip_message::{HeaderName, Request, ResponseBuilder, StatusCode};

use super::Dialogs;

impl Dialogs {
    /// The refusal of a request whose body cannot be read and is not optional; it says what could be.
    pub(super) fn not_understood(&self, request: &Request, tag: &str) -> Option<ResponseBuilder> {
        let headers = request.headers();
        if request.body().is_empty() {
            return None;
        }
        let refusal = || self.answer(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
        // Section 20.11: a body whose handling is not said is required.
        let disposition = headers.typed::<ContentDisposition<'_>>().ok().flatten();
        let optional = disposition.is_some_and(|disposition| !disposition.is_required());
        let is_plain = |coding: &str| coding.trim().eq_ignore_ascii_case("identity");
        let mut codings = headers.values(HeaderName::ContentEncoding);
        if !optional && !codings.all(is_plain) {
            return Some(refusal().header(HeaderName::AcceptEncoding, "identity"));
        }
        if optional || self.config.bodies.is_empty() || !headers.contains(HeaderName::ContentType) {
            return None;
        }
        let kind = headers.typed::<ContentType<'_>>().ok().flatten();
        let is_known = kind.is_some_and(|kind| {
            let (kind, subtype) = (kind.kind(), kind.subtype());
            let is = |known: &String| {
                known.split_once('/').is_some_and(|(a, b)| {
                    a.eq_ignore_ascii_case(kind) && b.eq_ignore_ascii_case(subtype)
                })
            };
            kind.eq_ignore_ascii_case("multipart") || self.config.bodies.iter().any(is)
        });
        (!is_known).then(|| refusal().header(HeaderName::Accept, self.config.bodies.join(", ")))
    }
}
