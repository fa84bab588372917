//! Session-Expires and Min-SE: session timers (RFC 4028 §4, §5): `delta-seconds *( ";" param )`.

use alloc::vec::Vec;

use super::TypedHeader;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::lex::Cursor;
use crate::name::HeaderName;
use crate::param::Params;

/// Which side refreshes the session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4028 section 4 has these two")]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

macro_rules! seconds_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name<'a> {
            seconds: u32,
            params: Params<'a>,
        }

        impl<'a> $name<'a> {
            /// An interval without parameters.
            #[must_use]
            pub const fn new(seconds: u32) -> Self {
                Self { seconds, params: Params::new() }
            }

            /// Reads one value.
            ///
            /// # Errors
            /// When the text does not have the form.
            pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
                let mut cursor = Cursor::new(text);
                let seconds = cursor.number("seconds expected")?;
                Ok(Self { seconds, params: Params::decode(cursor)? })
            }

            /// The interval in seconds.
            #[must_use]
            pub const fn seconds(&self) -> u32 {
                self.seconds
            }

            /// The parameters.
            #[must_use]
            pub const fn params(&self) -> &Params<'a> {
                &self.params
            }
        }

        impl<'a> TypedHeader<'a> for $name<'a> {
            const NAME: HeaderName = HeaderName::$name;

            fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
                Self::parse(super::one(values)?)
            }

            fn encode(&self, out: &mut Vec<u8>) {
                super::push_decimal(out, self.seconds.into());
                out.extend_from_slice(self.params.as_str().as_bytes());
            }
        }

        super::display_encoded!($name<'_>);
    };
}

seconds_header! {
    /// After how many seconds without refresh the session ends (RFC 4028 §4).
    ///
    /// ```
    /// use sip_message::header::{Refresher, SessionExpires};
    /// let timer = SessionExpires::parse("4000;refresher=uac").unwrap();
    /// assert_eq!((timer.seconds(), timer.refresher()), (4000, Some(Refresher::Uac)));
    /// assert_eq!(SessionExpires::new(1800).with_refresher(Refresher::Uas).to_string(), "1800;refresher=uas");
    /// ```
    SessionExpires
}

seconds_header! {
    /// The shortest session interval that everyone on the way accepts (RFC 4028 §5).
    MinSe
}

impl SessionExpires<'_> {
    /// Sets who refreshes.
    #[must_use]
    pub fn with_refresher(mut self, refresher: Refresher) -> Self {
        let word = match refresher {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        };
        self.params.set("refresher", Some(word));
        self
    }

    /// Who refreshes, if it is said.
    #[must_use]
    pub fn refresher(&self) -> Option<Refresher> {
        let word = self.params.get("refresher")?;
        if word.eq_ignore_ascii_case("uac") {
            Some(Refresher::Uac)
        } else if word.eq_ignore_ascii_case("uas") {
            Some(Refresher::Uas)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc4028_4_and_5_forms() {
        check_reencode!(
            SessionExpires<'_>,
            [
                ("1800", Some("1800")),
                ("50;refresher=uas", Some("50;refresher=uas")),
                ("x", None),
                ("1 2", None),
                ("", None)
            ]
        );
        check_reencode!(
            MinSe<'_>,
            [("90", Some("90")), ("90;lr", Some("90;lr")), ("-1", None)]
        );
    }
}
