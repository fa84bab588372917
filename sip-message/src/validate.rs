//! Decoding every field that has a type here.

use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::header;
use crate::headers::Headers;
use crate::name::HeaderName;

/// The first value of a known field that does not have its form. Asked after `validate`: the fields of one value that it
/// decoded are passed over.
pub(crate) fn all_fields(headers: &Headers, request: bool) -> Result<(), ParseError> {
    let done = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ]
    .map(|name| headers.find(&name, 0));
    for at in 0..headers.len() {
        if done.contains(&Some(at)) {
            continue;
        }
        if let Err(error) = header::check_field(headers, at) {
            return Err(ParseError::new(
                Kind::Field,
                headers.offset_at(at) + error.offset(),
                request,
            ));
        }
    }
    Ok(())
}
