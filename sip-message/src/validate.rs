//! Decoding every field that has a type here.

use crate::error::{ParseError, ParseErrorKind as Kind};
use crate::header;
use crate::headers::Headers;

/// The first value of a known field that does not have its form.
pub(crate) fn all_fields(headers: &Headers, request: bool) -> Result<(), ParseError> {
    for at in 0..headers.len() {
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
