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
