//! Capability negotiation (RFC 5939): `csup`, `creq`, `acap`, `tcap`, `pcfg`, `acfg`, read and printed.

use alloc::string::String;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError, is_token, number};

/// `a=acap:<number> <attribute>` (RFC 5939 §3.4.1): an attribute that a configuration may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 5939 §3.4.1")]
pub struct AttributeCapability<'a> {
    /// Number, shared by all capabilities of the description.
    pub number: u32,
    /// What would follow `a=`.
    pub attribute: &'a str,
}

impl<'a> Attribute<'a> for AttributeCapability<'a> {
    const NAME: &'static str = "acap";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let number = scan.number("the number is missing")?;
        if !scan.spaces() || scan.is_empty() {
            return Err(scan.error("the attribute is missing"));
        }
        Ok(Self {
            number,
            attribute: scan.rest(),
        })
    }

    fn encode(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{} {}", self.number, self.attribute);
    }
}

/// `a=tcap:<number> <protocol> ...` (RFC 5939 §3.4.2): protocols that a configuration may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportCapability<'a> {
    /// Number of the first protocol; each further one is the next.
    pub number: u32,
    protocols: &'a str,
}

impl<'a> TransportCapability<'a> {
    /// Number and protocol of each.
    pub fn protocols(&self) -> impl Iterator<Item = (u32, &'a str)> + use<'a> {
        (self.number..).zip(self.protocols.split(' ').filter(|word| !word.is_empty()))
    }
}

impl<'a> Attribute<'a> for TransportCapability<'a> {
    const NAME: &'static str = "tcap";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let number = scan.number("the number is missing")?;
        scan.spaces();
        let capability = Self {
            number,
            protocols: scan.rest().trim_end_matches(' '),
        };
        if capability.protocols.is_empty() {
            return Err(scan.error("the protocol is missing"));
        }
        if !capability
            .protocols()
            .all(|(_, protocol)| protocol.split('/').all(is_token))
        {
            return Err(scan.error("a protocol is not tokens with slashes between"));
        }
        Ok(capability)
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{} {}", self.number, self.protocols);
    }
}

/// `a=csup` or `a=creq` (RFC 5939 §3.3): names of extensions, of which `cap-v0` is RFC 5939 itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapabilitySet<'a, const REQUIRED: bool> {
    tags: &'a str,
}

impl<'a, const REQUIRED: bool> CapabilitySet<'a, REQUIRED> {
    /// The extensions in order.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a, REQUIRED> {
        self.tags.split(',').map(|tag| tag.trim_matches(' '))
    }
}

impl<'a, const REQUIRED: bool> Attribute<'a> for CapabilitySet<'a, REQUIRED> {
    const NAME: &'static str = if REQUIRED { "creq" } else { "csup" };

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let set = Self {
            tags: value.trim_matches(' '),
        };
        if set.tags().all(is_token) {
            Ok(set)
        } else {
            Err(ValueError::new(0, "an extension is no token"))
        }
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.tags);
    }
}

/// One part of a configuration, such as `a=1,2|3` or `t=1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 5939 §3.5.1")]
pub struct ConfigurationPart<'a> {
    /// `a` (attributes), `t` (transport) or the name of an extension.
    pub name: &'a str,
    /// Whether an answerer that does not know it must leave the configuration alone (`+`).
    pub required: bool,
    /// Numbers of capabilities: alternatives by `|`, optional ones in brackets, deletions as `-m:` and the like.
    pub value: &'a str,
}

fn parts<'a>(text: &'a str) -> impl Iterator<Item = Option<ConfigurationPart<'a>>> {
    text.split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (word, required) = word
                .strip_prefix('+')
                .map_or((word, false), |word| (word, true));
            let (name, value) = word.split_once('=')?;
            (!name.is_empty() && !value.is_empty()).then_some(ConfigurationPart {
                name,
                required,
                value,
            })
        })
}

macro_rules! configuration {
    ($($(#[$doc:meta])* $type:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type<'a> {
            /// Number; the lowest is preferred.
            pub number: u32,
            parts: &'a str,
        }

        impl<'a> $type<'a> {
            /// What the configuration is made of.
            pub fn parts(&self) -> impl Iterator<Item = ConfigurationPart<'a>> + use<'a> {
                parts(self.parts).flatten()
            }
        }

        impl<'a> Attribute<'a> for $type<'a> {
            const NAME: &'static str = $name;

            fn decode(value: &'a str) -> Result<Self, ValueError> {
                let value = value.trim_matches(' ');
                let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
                let number = number(first).ok_or(ValueError::new(0, "the number is missing"))?;
                if !parts(rest).all(|part| part.is_some()) {
                    return Err(ValueError::new(first.len() + 1, "a part is not a name, `=` and a value"));
                }
                Ok(Self { number, parts: rest.trim_matches(' ') })
            }

            fn encode(&self, out: &mut String) {
                let _ = write!(out, "{}", self.number);
                if !self.parts.is_empty() {
                    let _ = write!(out, " {}", self.parts);
                }
            }
        }
    )*};
}

configuration! {
    /// `a=pcfg` (RFC 5939 §3.5.1): what could be used instead.
    PotentialConfiguration = "pcfg";
    /// `a=acfg` (RFC 5939 §3.5.2): which potential configuration the answerer used.
    ActualConfiguration = "acfg";
}
