//! Timestamp: when the request was sent, for estimates of the round trip (RFC 3261 §20.38).
//!
//! ```text
//! value   = decimal [ white space decimal ]
//! decimal = 1*DIGIT [ "." *DIGIT ] / "." 1*DIGIT
//! ```

use alloc::vec::Vec;

use crate::error::HeaderError;
use crate::header::TypedHeader;
use crate::header::shape::display_encoded;
use crate::headers::Values;
use crate::name::HeaderName;

/// When the request was sent by the clock of the client, and how long the server held it: decimal seconds
/// (RFC 3261 §20.38). The client alone makes sense of the first; it is returned as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    time: &'a str,
    delay: Option<&'a str>,
}

impl<'a> Timestamp<'a> {
    /// Reads one value: `1*DIGIT [ "." *DIGIT ] [ LWS *DIGIT [ "." *DIGIT ] ]`.
    ///
    /// # Errors
    /// When the text does not have the form.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut words = text
            .split([' ', '\t', '\r', '\n'])
            .filter(|word| !word.is_empty());
        let decimal = |word: &&str| {
            let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
            (whole.len() + fraction.len() > 0)
                && whole
                    .bytes()
                    .chain(fraction.bytes())
                    .all(|b| b.is_ascii_digit())
        };
        let time = words
            .next()
            .filter(decimal)
            .ok_or_else(|| HeaderError::new("bad timestamp", 0))?;
        let delay = words.next();
        if words.next().is_some() || delay.is_some_and(|delay| !decimal(&delay)) {
            return Err(HeaderError::new("bad delay in Timestamp", time.len()));
        }
        Ok(Self { time, delay })
    }

    /// The time of the client, as written.
    #[must_use]
    pub const fn time(&self) -> &'a str {
        self.time
    }

    /// How many seconds the server held the request, as written.
    #[must_use]
    pub const fn delay(&self) -> Option<&'a str> {
        self.delay
    }

    /// Adds the delay, in decimal seconds.
    #[must_use]
    pub const fn with_delay(mut self, delay: &'a str) -> Self {
        self.delay = Some(delay);
        self
    }
}

impl<'a> TypedHeader<'a> for Timestamp<'a> {
    const NAME: HeaderName = HeaderName::Timestamp;
    const DECODE_VALUE: Option<fn(&'a str) -> Result<Self, HeaderError>> = Some(Self::parse);

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(crate::header::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.time.as_bytes());
        if let Some(delay) = self.delay {
            out.push(b' ');
            out.extend_from_slice(delay.as_bytes());
        }
    }
}

display_encoded!(Timestamp<'_>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::header_tests;

    header_tests! {
        Timestamp<'_>, rfc3261_20_38_and_rfc4475_forms: [
            "54",
            "54.2 .1",
            "0 0",
        ],
        refused: ["x", ".", "1 2 3", "-1", ""],
        built: (time in "[0-9]{1,6}([.][0-9]{0,3})?", delay in "[0-9]{1,3}([.][0-9]{1,3})?") => Timestamp::parse(&time).unwrap().with_delay(&delay),
    }
}
