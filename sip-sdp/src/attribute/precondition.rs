//! Preconditions: `curr`, `des`, `conf` (RFC 3312 §4).

use alloc::string::String;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError};

macro_rules! words {
    ($($(#[$doc:meta])* $type:ident, $error:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(clippy::exhaustive_enums, reason = "the words of RFC 3312 §4")]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            fn scan(scan: &mut Scan<'_>) -> Result<Self, ValueError> {
                let start = *scan;
                match scan.next_word($error)? {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(start.error($error)),
                }
            }
        }
    )*};
}

words! {
    /// Where the resources are.
    PreconditionStatusType, "not e2e, local or remote" {
        /// End to end.
        EndToEnd = "e2e",
        /// At the sender of the description.
        Local = "local",
        /// At its peer.
        Remote = "remote",
    }

    /// Which way they are reserved, seen by the sender of the description.
    PreconditionDirection, "not none, send, recv or sendrecv" {
        /// Neither.
        None = "none",
        /// Towards the peer.
        Send = "send",
        /// From the peer.
        Receive = "recv",
        /// Both.
        SendReceive = "sendrecv",
    }

    /// How much they matter.
    PreconditionStrength, "not mandatory, optional, none, failure or unknown" {
        /// The session waits for them.
        Mandatory = "mandatory",
        /// The session goes on without.
        Optional = "optional",
        /// Not needed.
        None = "none",
        /// Could not be met (answers of 580).
        Failure = "failure",
        /// The type is not known (answers of 580).
        Unknown = "unknown",
    }
}

macro_rules! status {
    ($($(#[$doc:meta])* $type:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the fields of RFC 3312 §4")]
        pub struct $type<'a> {
            /// `qos`, `sec` and others.
            pub precondition: &'a str,
            /// Where.
            pub status: PreconditionStatusType,
            /// Which way.
            pub direction: PreconditionDirection,
        }

        impl<'a> Attribute<'a> for $type<'a> {
            const NAME: &'static str = $name;

            fn decode(value: &'a str) -> Result<Self, ValueError> {
                let mut scan = Scan::new(value);
                scan.spaces();
                let precondition = scan.token("the precondition is missing")?;
                let status = PreconditionStatusType::scan(&mut scan)?;
                let direction = PreconditionDirection::scan(&mut scan)?;
                scan.end("something after the direction")?;
                Ok(Self { precondition, status, direction })
            }

            fn encode(&self, out: &mut String) {
                let Self { precondition, status, direction } = self;
                // Writing to a String cannot fail.
                let _ = write!(out, "{precondition} {} {}", status.as_str(), direction.as_str());
            }
        }
    )*};
}

status! {
    /// `a=curr`: what is reserved.
    CurrentStatus = "curr";
    /// `a=conf`: what the peer must report when it is reserved.
    ConfirmStatus = "conf";
}

/// `a=des`: what must be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 3312 §4")]
pub struct DesiredStatus<'a> {
    /// `qos`, `sec` and others.
    pub precondition: &'a str,
    /// How much it matters.
    pub strength: PreconditionStrength,
    /// Where.
    pub status: PreconditionStatusType,
    /// Which way.
    pub direction: PreconditionDirection,
}

impl DesiredStatus<'_> {
    /// Whether the current status reaches what is desired (RFC 3312 §4): the same type and place, and every direction.
    pub fn is_met_by(&self, current: &CurrentStatus<'_>) -> bool {
        let bits = |direction| match direction {
            PreconditionDirection::None => 0u8,
            PreconditionDirection::Send => 1,
            PreconditionDirection::Receive => 2,
            PreconditionDirection::SendReceive => 3,
        };
        let desired = bits(self.direction);
        self.precondition == current.precondition
            && self.status == current.status
            && bits(current.direction) & desired == desired
    }
}

impl<'a> Attribute<'a> for DesiredStatus<'a> {
    const NAME: &'static str = "des";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let precondition = scan.token("the precondition is missing")?;
        let strength = PreconditionStrength::scan(&mut scan)?;
        let status = PreconditionStatusType::scan(&mut scan)?;
        let direction = PreconditionDirection::scan(&mut scan)?;
        scan.end("something after the direction")?;
        Ok(Self {
            precondition,
            strength,
            status,
            direction,
        })
    }

    fn encode(&self, out: &mut String) {
        let Self {
            precondition,
            strength,
            status,
            direction,
        } = self;
        let _ = write!(
            out,
            "{precondition} {} {} {}",
            strength.as_str(),
            status.as_str(),
            direction.as_str()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{CurrentStatus, DesiredStatus};
    use crate::attribute::Attribute as _;

    #[test]
    fn rfc3312_4_a_precondition_is_met() {
        let desired = DesiredStatus::decode("qos mandatory e2e sendrecv").expect("decodes");
        for (current, met) in [
            ("qos e2e sendrecv", true),
            ("qos e2e send", false),
            ("qos e2e none", false),
            ("qos local sendrecv", false),
            ("sec e2e sendrecv", false),
        ] {
            let current = CurrentStatus::decode(current).expect("decodes");
            assert_eq!(desired.is_met_by(&current), met, "{current:?}");
        }
    }
}
