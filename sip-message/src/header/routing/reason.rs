//! Reason: why a request was sent, or a response (RFC 3326 §2, RFC 8606 §4).
//!
//! ```text
//! one of the values = protocol, then parameters:
//!         cause = 1*DIGIT, text = quoted string, location = ISUP location
//! ```

use crate::header::shape::{params_api, valued_header};
use crate::param::Params;

valued_header! {
    /// One reason: a protocol and a cause in its terms (RFC 3326 §2).
    ///
    /// ```
    /// use sip_message::header::{IsupLocation, Reason};
    /// let reason = Reason::parse("Q.850 ;cause=16 ;text=\"Terminated\";location=LN").unwrap();
    /// assert_eq!((reason.protocol(), reason.cause()), ("Q.850", Some(16)));
    /// assert_eq!(reason.text().as_deref(), Some("Terminated"));
    /// assert_eq!(reason.location(), Some(IsupLocation::LocalNetwork));
    /// assert_eq!(Reason::sip(200, "Call completed elsewhere").to_string(), "SIP;cause=200;text=\"Call completed elsewhere\"");
    /// ```
    Reason, Token, new: own
}

params_api! { Reason:
    /// The text for people.
    text text / with_text = "text";
}

impl<'a> Reason<'a> {
    /// A reason in terms of a protocol. An empty text is left out.
    #[must_use]
    pub fn new(protocol: &'a str, cause: u16, text: &str) -> Self {
        let params = Params::new().with("cause", Some(&alloc::format!("{cause}")));
        let reason = Self {
            value: protocol,
            params,
        };
        if text.is_empty() {
            reason
        } else {
            reason.with_text(text)
        }
    }

    /// A reason that is a SIP status code.
    #[must_use]
    pub fn sip(cause: u16, text: &str) -> Self {
        Self::new("SIP", cause, text)
    }

    /// The protocol: `SIP`, `Q.850`, `STIR` (RFC 9410), ...
    #[must_use]
    pub const fn protocol(&self) -> &'a str {
        self.value
    }

    /// The cause in terms of the protocol.
    #[must_use]
    pub fn cause(&self) -> Option<u16> {
        self.params.get("cause")?.parse().ok()
    }

    /// Where in the telephone network the cause arose (RFC 8606 §4).
    #[must_use]
    pub fn location(&self) -> Option<IsupLocation> {
        IsupLocation::parse(self.params.get("location")?)
    }

    /// Sets where in the telephone network the cause arose.
    #[must_use]
    pub fn with_location(self, location: IsupLocation) -> Self {
        self.with_param("location", Some(location.as_str()))
    }
}

macro_rules! locations {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $word:literal,)*) => {
        /// The location of a cause in ISUP: the four bits of Q.850 by name (RFC 8606 §4).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_enums, reason = "four bits have these sixteen")]
        pub enum IsupLocation {
            $($(#[$doc])* $variant = $code,)*
        }

        impl IsupLocation {
            /// The location that the word names, in any case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case($word) {
                    return Some(Self::$variant);
                })*
                None
            }

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The location that has these four bits in ISUP; the upper four are ignored.
            #[must_use]
            pub const fn from_bits(bits: u8) -> Self {
                match bits & 0x0f {
                    $($code => Self::$variant,)*
                    _ => Self::Reserved15,
                }
            }

            /// The four bits in ISUP.
            #[must_use]
            pub const fn bits(self) -> u8 {
                self as u8
            }
        }

        #[cfg(test)]
        const LOCATIONS: &[IsupLocation] = &[$(IsupLocation::$variant,)*];
    };
}

locations! {
    /// The user.
    User = 0 "U",
    /// A private network serving the local user.
    LocalPrivateNetwork = 1 "LPN",
    /// The public network serving the local user.
    LocalNetwork = 2 "LN",
    /// A transit network.
    TransitNetwork = 3 "TN",
    /// The public network serving the remote user.
    RemoteNetwork = 4 "RLN",
    /// A private network serving the remote user.
    RemotePrivateNetwork = 5 "RPN",
    /// Not assigned.
    Spare6 = 6 "LOC-6",
    /// The international network.
    International = 7 "INTL",
    /// Not assigned.
    Spare8 = 8 "LOC-8",
    /// Not assigned.
    Spare9 = 9 "LOC-9",
    /// A network beyond an interworking point.
    BeyondInterworking = 10 "BI",
    /// Not assigned.
    Spare11 = 11 "LOC-11",
    /// Reserved for national use.
    National12 = 12 "LOC-12",
    /// Reserved for national use.
    National13 = 13 "LOC-13",
    /// Reserved for national use.
    National14 = 14 "LOC-14",
    /// Reserved for national use.
    Reserved15 = 15 "LOC-15",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, params, text, token, with_params};

    header_tests! {
        Reason<'_>, rfc3326_2_and_rfc8606_examples: [
            "SIP ;cause=200 ;text=\"Call completed elsewhere\"",
            "Q.850 ;cause=16 ;text=\"Terminated\"",
            "SIP ;cause=600 ;text=\"Busy Everywhere\"",
            "SIP ;cause=580 ;text=\"Precondition Failure\"",
            "Q.850;cause=1;text=\"Unallocated (unassigned) number\";\r\n location=LN",
        ],
        refused: ["", ";cause=1", "a b"],
        built: (protocol in token(), cause in proptest::prelude::any::<u16>(), words in text(), more in params()) => with_params!(Reason::new(&protocol, cause, &words), more),
    }

    #[test]
    fn rfc8606_4_all_sixteen_locations() {
        assert_eq!(LOCATIONS.len(), 16);
        for (bits, location) in LOCATIONS.iter().copied().enumerate() {
            assert_eq!(IsupLocation::from_bits(bits as u8 | 0xf0), location);
            assert_eq!(usize::from(location.bits()), bits);
            let reason = Reason::new("Q.850", 1, "").with_location(location);
            assert_eq!(reason.location(), Some(location));
        }
        assert_eq!(
            IsupLocation::parse("loc-14"),
            Some(IsupLocation::National14)
        );
        assert_eq!(IsupLocation::parse("LOC-7"), None);
    }
}
