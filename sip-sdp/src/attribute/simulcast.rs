//! `rid` (RFC 8851) and `simulcast` (RFC 8853).

use alloc::string::String;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError, number};

fn is_rid(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Direction of a restriction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two directions of RFC 8851 §4")]
pub enum RidDirection {
    /// What the sender of the description sends.
    Send,
    /// What it receives.
    Receive,
}

impl RidDirection {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "recv",
        }
    }
}

/// `a=rid:<id> <direction> [pt=<list>;]<restriction>=<value>;...` (RFC 8851 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8851 §4")]
pub struct Rid<'a> {
    /// Name of the stream within its media description.
    pub id: &'a str,
    /// Who sends it.
    pub direction: RidDirection,
    /// Restrictions separated by semicolons; empty when there is none.
    pub parameters: &'a str,
}

impl<'a> Rid<'a> {
    /// Restrictions in order: name and value.
    pub fn restrictions(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        self.parameters
            .split(';')
            .map(|part| part.trim_matches(' '))
            .filter(|part| !part.is_empty())
            .map(|part| {
                part.split_once('=')
                    .map_or((part, None), |(name, value)| (name, Some(value)))
            })
    }

    /// The payload types of `pt=`; none when every one is meant.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + use<'a> {
        let list = self
            .restrictions()
            .find(|(name, _)| *name == "pt")
            .and_then(|(_, value)| value);
        list.unwrap_or_default().split(',').filter_map(number)
    }
}

impl<'a> Attribute<'a> for Rid<'a> {
    const NAME: &'static str = "rid";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let id = scan.word("the identifier is missing")?;
        if !is_rid(id) {
            return Err(ValueError::new(
                0,
                "the identifier is not letters, digits, `-`, `_`",
            ));
        }
        let start = scan;
        let direction = match scan.next_word("the direction is missing")? {
            "send" => RidDirection::Send,
            "recv" => RidDirection::Receive,
            _ => return Err(start.error("not send or recv")),
        };
        scan.spaces();
        Ok(Self {
            id,
            direction,
            parameters: scan.rest().trim_end_matches(' '),
        })
    }

    fn encode(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{} {}", self.id, self.direction.as_str());
        if !self.parameters.is_empty() {
            let _ = write!(out, " {}", self.parameters);
        }
    }
}

/// The streams of one direction of `a=simulcast`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulcastStreams<'a> {
    list: &'a str,
}

/// One alternative of a simulcast stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8853 §5.1")]
pub struct SimulcastAlternative<'a> {
    /// Names an `a=rid`.
    pub rid: &'a str,
    /// Whether it is not sent at first (`~`).
    pub paused: bool,
}

impl<'a> SimulcastStreams<'a> {
    fn new(list: &'a str) -> Option<Self> {
        let streams = Self { list };
        streams
            .streams()
            .flatten()
            .all(|alternative| is_rid(alternative.rid))
            .then_some(streams)
    }

    /// The streams in order of preference, each with its alternatives.
    pub fn streams(
        &self,
    ) -> impl Iterator<Item = impl Iterator<Item = SimulcastAlternative<'a>> + use<'a>> + use<'a>
    {
        self.list.split(';').map(|stream| {
            stream
                .split(',')
                .map(|alternative| match alternative.strip_prefix('~') {
                    Some(rid) => SimulcastAlternative { rid, paused: true },
                    None => SimulcastAlternative {
                        rid: alternative,
                        paused: false,
                    },
                })
        })
    }
}

/// `a=simulcast:send <streams> recv <streams>` (RFC 8853 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8853 §5.1")]
pub struct Simulcast<'a> {
    /// What the sender of the description sends.
    pub send: Option<SimulcastStreams<'a>>,
    /// What it receives.
    pub receive: Option<SimulcastStreams<'a>>,
}

impl<'a> Attribute<'a> for Simulcast<'a> {
    const NAME: &'static str = "simulcast";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        let mut simulcast = Self {
            send: None,
            receive: None,
        };
        scan.spaces();
        while !scan.is_empty() {
            let start = scan;
            let direction = scan.word("the direction is missing")?;
            let streams = SimulcastStreams::new(scan.next_word("the streams are missing")?)
                .ok_or_else(|| start.error("a stream is not letters, digits, `-`, `_`"))?;
            let place = match direction {
                "send" => &mut simulcast.send,
                "recv" => &mut simulcast.receive,
                _ => return Err(start.error("not send or recv")),
            };
            // RFC 8853 §5.1: each direction at most once.
            if place.replace(streams).is_some() {
                return Err(start.error("a direction twice"));
            }
            scan.spaces();
        }
        if simulcast.send.is_none() && simulcast.receive.is_none() {
            return Err(scan.error("the direction is missing"));
        }
        Ok(simulcast)
    }

    fn encode(&self, out: &mut String) {
        let both = [("send", self.send), ("recv", self.receive)];
        let mut separator = "";
        for (name, streams) in both {
            if let Some(streams) = streams {
                let _ = write!(out, "{separator}{name} {}", streams.list);
                separator = " ";
            }
        }
    }
}
