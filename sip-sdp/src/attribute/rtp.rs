//! What describes an RTP stream: `rtpmap`, `fmtp` (RFC 8866 §6.6, §6.15), `rtcp` (RFC 3605), `rtcp-fb` (RFC 4585 §4.2),
//! `extmap` (RFC 8285 §8).

use alloc::string::String;
use core::fmt::Write as _;

use super::{Attribute, Direction};
use crate::fields::Connection;
use crate::grammar::{Scan, ValueError};

/// `a=rtpmap:<payload type> <encoding name>/<clock rate>[/<channels>]` (RFC 8866 §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8866 §6.6")]
pub struct Rtpmap<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// Name of the encoding; compare without case.
    pub encoding: &'a str,
    /// In hertz.
    pub clock_rate: u32,
    /// 1 when not given.
    pub channels: u8,
}

impl<'a> Attribute<'a> for Rtpmap<'a> {
    const NAME: &'static str = "rtpmap";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let payload_type = payload_type(&mut scan)?;
        if !scan.spaces() {
            return Err(scan.error("a space must follow the payload type"));
        }
        let start = scan;
        let encoding = scan.token("the encoding name is no token")?;
        if !matches!(scan.peek(), Some(b'/' | b' ') | None) {
            return Err(start.error("the encoding name is no token"));
        }
        scan.expect(
            b'/',
            "a slash and the clock rate must follow the encoding name",
        )?;
        let clock_rate = scan.number("the clock rate is no number")?;
        let channels = if scan.accept(b'/') {
            scan.number("the number of channels is not 0 to 255")?
        } else {
            1
        };
        scan.end("something after the encoding parameters")?;
        Ok(Self {
            payload_type,
            encoding,
            clock_rate,
            channels,
        })
    }

    fn encode(&self, out: &mut String) {
        let Self {
            payload_type,
            encoding,
            clock_rate,
            channels,
        } = self;
        // Writing to a String cannot fail.
        let _ = write!(out, "{payload_type} {encoding}/{clock_rate}");
        if *channels != 1 {
            let _ = write!(out, "/{channels}");
        }
    }
}

fn payload_type(scan: &mut Scan<'_>) -> Result<u8, ValueError> {
    let start = *scan;
    match scan.number::<u8>("the payload type is not 0 to 127")? {
        payload_type @ 0..=127 => Ok(payload_type),
        _ => Err(start.error("the payload type is not 0 to 127")),
    }
}

/// `a=fmtp:<format> <parameters>` (RFC 8866 §6.15). The parameters have typed forms in [`format`](super::format).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8866 §6.15")]
pub struct Fmtp<'a> {
    /// The format, for RTP a payload type.
    pub format: &'a str,
    /// What the format makes of it.
    pub parameters: &'a str,
}

impl<'a> Fmtp<'a> {
    /// The format as a payload type.
    pub fn payload_type(&self) -> Option<u8> {
        crate::grammar::number(self.format).filter(|&number| number < 128)
    }

    /// The value of a parameter of the form `name=value`, separated by semicolons; names are compared without case.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        super::format::parameter(self.parameters, name)
    }
}

impl<'a> Attribute<'a> for Fmtp<'a> {
    const NAME: &'static str = "fmtp";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let format = scan.word("the format is missing")?;
        scan.spaces();
        Ok(Self {
            format,
            parameters: scan.rest_trimmed(),
        })
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{} {}", self.format, self.parameters);
    }
}

/// `a=rtcp:<port> [<nettype> <addrtype> <address>]` (RFC 3605 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 3605 §2.1")]
pub struct Rtcp<'a> {
    /// Port of RTCP.
    pub port: u16,
    /// Its address, when it is not that of RTP.
    pub connection: Option<Connection<'a>>,
}

impl<'a> Attribute<'a> for Rtcp<'a> {
    const NAME: &'static str = "rtcp";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        let port = scan.number("the port is not 0 to 65535")?;
        if !scan.spaces() {
            scan.end("something after the port")?;
            return Ok(Self {
                port,
                connection: None,
            });
        }
        if scan.is_empty() {
            return Ok(Self {
                port,
                connection: None,
            });
        }
        let offset = scan.offset();
        let connection = Connection::decode(scan.rest())
            .map_err(|error| ValueError::new(error.offset + offset, error.reason))?;
        Ok(Self {
            port,
            connection: Some(connection),
        })
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{}", self.port);
        if let Some(connection) = self.connection {
            out.push(' ');
            connection.encode(out);
        }
    }
}

/// `a=rtcp-fb:<payload type or *> <type> [<parameters>]` (RFC 4585 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 4585 §4.2")]
pub struct RtcpFeedback<'a> {
    /// `None` for `*`: every payload type.
    pub payload_type: Option<u8>,
    /// `ack`, `nack`, `ccm`, `trr-int`, `goog-remb`, `transport-cc` and others.
    pub kind: &'a str,
    /// `pli`, `fir` and the like; empty when there is none.
    pub parameters: &'a str,
}

impl<'a> Attribute<'a> for RtcpFeedback<'a> {
    const NAME: &'static str = "rtcp-fb";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        let payload_type = if scan.accept(b'*') {
            None
        } else {
            Some(payload_type(&mut scan)?)
        };
        if !scan.spaces() || scan.is_empty() {
            return Err(scan.error("the feedback type is missing"));
        }
        let kind = scan.token("the feedback type is no token")?;
        if !scan.spaces() && !scan.is_empty() {
            return Err(scan.error("the feedback type is no token"));
        }
        Ok(Self {
            payload_type,
            kind,
            parameters: scan.rest_trimmed(),
        })
    }

    fn encode(&self, out: &mut String) {
        match self.payload_type {
            Some(payload_type) => {
                let _ = write!(out, "{payload_type} {}", self.kind);
            }
            None => {
                let _ = write!(out, "* {}", self.kind);
            }
        }
        if !self.parameters.is_empty() {
            let _ = write!(out, " {}", self.parameters);
        }
    }
}

/// `a=extmap:<id>[/<direction>] <URI> [<attributes>]` (RFC 8285 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8285 §8")]
pub struct ExtMap<'a> {
    /// 1 to 14 for one-byte headers, to 255 for two-byte headers, 4096 to 4351 in offers without a free one.
    pub id: u16,
    /// `None`: as the media.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: &'a str,
    /// What its definition makes of it; empty when there is none.
    pub attributes: &'a str,
}

impl<'a> Attribute<'a> for ExtMap<'a> {
    const NAME: &'static str = "extmap";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        let start = scan;
        let id = scan.number("the identifier is no number")?;
        // RFC 8285 §4.2, §4.3 and §6: 0 is padding, 15 is reserved but harmless to read.
        if !matches!(id, 1..=255 | 4096..=4351) {
            return Err(start.error("the identifier is not 1 to 255 nor 4096 to 4351"));
        }
        let direction = if scan.accept(b'/') {
            let start = scan;
            let name = scan.word("the direction is missing")?;
            Some(Direction::from_name(name).ok_or_else(|| start.error("not a direction"))?)
        } else {
            None
        };
        let uri = scan.next_word("the URI is missing")?;
        scan.spaces();
        Ok(Self {
            id,
            direction,
            uri,
            attributes: scan.rest_trimmed(),
        })
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{}", self.id);
        if let Some(direction) = self.direction {
            let _ = write!(out, "/{direction}");
        }
        let _ = write!(out, " {}", self.uri);
        if !self.attributes.is_empty() {
            let _ = write!(out, " {}", self.attributes);
        }
    }
}
