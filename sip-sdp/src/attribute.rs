//! Attributes (RFC 8866 §6 and the RFCs that register more): located when parsed, decoded when asked for.
//!
//! Types here borrow from the description, print what they read, and are found by
//! [`Media::attribute`](crate::Media::attribute) and [`Attributes::of`]. An attribute that is not here is a name and a
//! value in [`Attributes`]; a program adds its own type by implementing [`Attribute`].

use alloc::string::String;
use core::marker::PhantomData;
use core::ops::Range;

use crate::description::SessionDescription;
use crate::error::AttributeError;
use crate::grammar::ValueError;
use crate::line::Line;

mod candidate;
mod capability;
mod direction;
pub mod format;
mod group;
mod ice;
mod message;
mod precondition;
mod rtp;
mod security;
mod simple;
mod simulcast;
mod source;
mod t38;

pub use candidate::{Candidate, CandidateKind, RemoteCandidates, TcpKind, Transport};
pub use capability::{
    ActualConfiguration, AttributeCapability, CapabilitySet, ConfigurationPart,
    PotentialConfiguration, TransportCapability,
};
pub use direction::Direction;
pub use group::{Group, GroupSemantics, Msid, MsidSemantic};
pub use ice::{IceOptions, IcePassword, IceUfrag};
pub use message::{AcceptTypes, AcceptWrappedTypes, MsrpPath, SctpMap};
pub use precondition::{
    ConfirmStatus, CurrentStatus, DesiredStatus, PreconditionDirection, PreconditionStatusType,
    PreconditionStrength,
};
pub use rtp::{ExtMap, Fmtp, Rtcp, RtcpFeedback, Rtpmap};
pub use security::{
    ConnectionReuse, Crypto, CryptoSuite, Fingerprint, KeyManagement, KeyParameter, Setup,
};
pub use simple::{
    BundleOnly, Category, Charset, Content, EndOfCandidates, ExtMapAllowMixed, FrameRate, IceLite,
    IceMismatch, IcePacing, Keywords, Label, Language, MaxMessageSize, MaxPtime, Mid, Ptime,
    Quality, RtcpMux, RtcpMuxOnly, RtcpReducedSize, SctpPort, SdpLanguage, TlsId, Tool,
};
pub use simulcast::{Rid, RidDirection, Simulcast, SimulcastAlternative, SimulcastStreams};
pub use source::{Ssrc, SsrcGroup};
pub use t38::{RateManagement, T38, UdpErrorCorrection};

/// A type that one attribute name decodes to.
///
/// ```
/// use sip_sdp::ValueError;
/// use sip_sdp::attribute::Attribute;
///
/// /// `a=orient` (RFC 8866 §6.11).
/// struct Orientation<'a>(&'a str);
///
/// impl<'a> Attribute<'a> for Orientation<'a> {
///     const NAME: &'static str = "orient";
///
///     fn decode(value: &'a str) -> Result<Self, ValueError> {
///         match value {
///             "portrait" | "landscape" | "seascape" => Ok(Self(value)),
///             _ => Err(ValueError::new(0, "not an orientation")),
///         }
///     }
///
///     fn encode(&self, out: &mut String) {
///         out.push_str(self.0);
///     }
/// }
/// ```
pub trait Attribute<'a>: Sized {
    /// The name before the colon; compared byte for byte (RFC 8866 §6: names are case-sensitive).
    const NAME: &'static str;

    /// Decodes what follows the colon; empty when there is none.
    ///
    /// # Errors
    /// When it does not follow the attribute's grammar.
    fn decode(value: &'a str) -> Result<Self, ValueError>;

    /// Appends what follows the colon; nothing for an attribute without value.
    fn encode(&self, out: &mut String);

    /// The name, of a value.
    fn name(&self) -> &'static str {
        Self::NAME
    }
}

/// One attribute as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attr<'a> {
    /// Before the colon.
    pub name: &'a str,
    /// After the colon, if there is one.
    pub value: Option<&'a str>,
    /// Line of the description, from 1.
    pub line: usize,
    /// The value as it came, where the description is not UTF-8.
    raw: Option<&'a [u8]>,
}

impl<'a> Attr<'a> {
    /// The value's bytes as they came, also where they are not UTF-8.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.raw.or_else(|| self.value.map(str::as_bytes))
    }
}

/// The attributes of a section in order.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    description: &'a SessionDescription,
    lines: core::slice::Iter<'a, Line>,
    /// Number of the next of these lines, from 1.
    number: usize,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(description: &'a SessionDescription, lines: Range<usize>) -> Self {
        Self {
            description,
            number: lines.start + 1,
            lines: description.line_slice(lines).iter(),
        }
    }

    /// The first of this type, decoded.
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn first<A: Attribute<'a>>(self) -> Result<Option<A>, AttributeError> {
        self.of().next().transpose()
    }

    /// All of this type, decoded.
    pub const fn of<A: Attribute<'a>>(self) -> AttributeIter<'a, A> {
        AttributeIter {
            attributes: self,
            kind: PhantomData,
        }
    }

    /// The value of the next attribute of this name, and its line from 1.
    fn next_named(&mut self, name: &str) -> Option<(&'a str, usize)> {
        let description = self.description;
        loop {
            let line = self.lines.next()?;
            let number = self.number;
            self.number += 1;
            if usize::from(line.name) != name.len() {
                continue;
            }
            let start = line.start as usize + 2;
            if description.span(start..start + name.len()) == name {
                // After the name and the colon.
                let value = start + name.len() + 1..line.end as usize;
                return Some((description.span(value), number));
            }
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attr<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attr<'a>> {
        loop {
            let line = self.lines.next()?;
            let number = self.number;
            self.number += 1;
            if line.letter != b'a' {
                continue;
            }
            let length = usize::from(line.name);
            let start = line.start as usize + 2;
            let end = line.end as usize;
            let colon = start + length;
            return Some(Attr {
                name: self.description.span(start..colon),
                value: (colon < end).then(|| self.description.span(colon + 1..end)),
                line: number,
                raw: self.description.raw_span(colon + 1..end),
            });
        }
    }
}

/// The attributes of one type.
#[derive(Debug, Clone)]
pub struct AttributeIter<'a, A> {
    attributes: Attributes<'a>,
    kind: PhantomData<fn() -> A>,
}

impl<'a, A: Attribute<'a>> Iterator for AttributeIter<'a, A> {
    type Item = Result<A, AttributeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (value, line) = self.attributes.next_named(A::NAME)?;
        Some(A::decode(value).map_err(|error| AttributeError {
            name: A::NAME,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            // `a=`, the name, the colon, and columns count from 1.
            column: u32::try_from(error.offset + A::NAME.len() + 4).unwrap_or(u32::MAX),
            reason: error.reason,
        }))
    }
}
