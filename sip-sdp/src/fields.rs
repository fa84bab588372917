//! The lines that are no attributes: `o=`, `c=`, `b=`, `t=` with `r=` and `z=`, `k=` (RFC 8866 §5).

use alloc::string::String;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::description::SessionDescription;
use crate::grammar::{Scan, ValueError, is_name_byte, is_token_byte, number};
use crate::line::LineType;

/// `o=<username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address>` (RFC 8866 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8866 §5.2")]
pub struct Origin<'a> {
    /// Login on the originating host, or `-`.
    pub username: &'a str,
    /// Digits; kept as text, since peers send more than 64 bits.
    pub session_id: &'a str,
    /// Digits; see [`Origin::version`].
    pub session_version: &'a str,
    /// `IN`.
    pub net_type: &'a str,
    /// `IP4` or `IP6`.
    pub addr_type: &'a str,
    /// Address or domain name.
    pub address: &'a str,
}

impl<'a> Origin<'a> {
    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        // Single spaces are the rule, and need no cursor.
        if let Some(
            [
                username,
                session_id,
                session_version,
                net_type,
                addr_type,
                address,
            ],
        ) = fields(value)
            && session_id.bytes().all(|byte| byte.is_ascii_digit())
            && session_version.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Ok(Self {
                username,
                session_id,
                session_version,
                net_type,
                addr_type,
                address,
            });
        }
        Self::decode_any(value)
    }

    /// Whether it is surely an origin with single spaces: nothing is kept, so this is quicker than to decode it.
    pub(crate) fn is_plain(value: &str) -> bool {
        /// What follows a field and its space.
        fn after(rest: &[u8], ends: impl Fn(u8) -> bool) -> Option<&[u8]> {
            let length = rest.iter().position(|&byte| ends(byte))?;
            match rest.get(length..) {
                Some([b' ', rest @ ..]) if length > 0 => Some(rest),
                _ => None,
            }
        }
        let is_space = |byte| byte == b' ';
        let is_no_digit = |byte: u8| !byte.is_ascii_digit();
        after(value.as_bytes(), is_space)
            .and_then(|rest| after(rest, is_no_digit))
            .and_then(|rest| after(rest, is_no_digit))
            .and_then(|rest| after(rest, is_space))
            .and_then(|rest| after(rest, is_space))
            .is_some_and(|rest| !rest.is_empty() && !rest.contains(&b' '))
    }

    fn decode_any(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let username = scan.word("the username is missing")?;
        let session_id = digits(&mut scan, "the session identifier is not a number")?;
        let session_version = digits(&mut scan, "the session version is not a number")?;
        let net_type = scan.next_word("the network type is missing")?;
        let addr_type = scan.next_word("the address type is missing")?;
        let address = scan.next_word("the address is missing")?;
        scan.end("something after the address")?;
        Ok(Self {
            username,
            session_id,
            session_version,
            net_type,
            addr_type,
            address,
        })
    }

    /// Length of the printed form.
    pub(crate) const fn printed_len(&self) -> usize {
        self.username.len()
            + self.session_id.len()
            + self.session_version.len()
            + self.net_type.len()
            + self.addr_type.len()
            + self.address.len()
            + 5
    }

    pub(crate) fn encode(&self, out: &mut String) {
        let Self {
            username,
            session_id,
            session_version,
            net_type,
            addr_type,
            address,
        } = self;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{username} {session_id} {session_version} {net_type} {addr_type} {address}"
        );
    }

    /// The version as a number, when it fits 64 bits.
    pub fn version(&self) -> Option<u64> {
        number(self.session_version)
    }
}

/// Exactly this many fields with exactly one space between.
#[inline]
fn fields<const N: usize>(value: &str) -> Option<[&str; N]> {
    let mut fields = [""; N];
    let mut rest = value;
    let (last, others) = fields.split_last_mut()?;
    for field in others {
        let space = rest.bytes().position(|byte| byte == b' ')?;
        (*field, rest) = rest.split_at_checked(space)?;
        rest = rest.get(1..)?;
        if field.is_empty() {
            return None;
        }
    }
    if rest.is_empty() || rest.bytes().any(|byte| byte == b' ') {
        return None;
    }
    *last = rest;
    Some(fields)
}

fn digits<'a>(scan: &mut Scan<'a>, reason: &'static str) -> Result<&'a str, ValueError> {
    if !scan.spaces() {
        return Err(scan.error(reason));
    }
    let start = *scan;
    let word = scan.word(reason)?;
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(word)
    } else {
        Err(start.error(reason))
    }
}

/// `c=<nettype> <addrtype> <connection-address>` (RFC 8866 §5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8866 §5.7")]
pub struct Connection<'a> {
    /// `IN`.
    pub net_type: &'a str,
    /// `IP4` or `IP6`.
    pub addr_type: &'a str,
    /// Address or domain name, without TTL and count.
    pub address: &'a str,
    /// Time to live of an IPv4 multicast address.
    pub ttl: Option<u8>,
    /// Number of contiguous multicast addresses.
    pub count: Option<u32>,
}

impl<'a> Connection<'a> {
    /// A unicast address or domain name; the address type follows from it (a name counts as IPv4).
    pub fn unicast(address: &'a str) -> Self {
        let addr_type = if address.contains(':') { "IP6" } else { "IP4" };
        Self {
            net_type: "IN",
            addr_type,
            address,
            ttl: None,
            count: None,
        }
    }

    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        // Nearly every one is a plain IPv4 address: nothing after the address, no slash.
        if let Some(address) = value.strip_prefix("IN IP4 ")
            && !address.is_empty()
            && address.bytes().all(is_name_byte)
        {
            return Ok(Self {
                net_type: "IN",
                addr_type: "IP4",
                address,
                ttl: None,
                count: None,
            });
        }
        Self::decode_any(value)
    }

    fn decode_any(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let net_type = scan.word("the network type is missing")?;
        let addr_type = scan.next_word("the address type is missing")?;
        scan.spaces();
        let start = scan;
        let word = scan.word("the address is missing")?;
        scan.end("something after the address")?;
        let bytes = word.as_bytes();
        let cut = bytes
            .iter()
            .position(|&byte| byte == b'/')
            .unwrap_or(word.len());
        let address = word.get(..cut).unwrap_or_default();
        if address.is_empty() {
            return Err(start.error("the address is missing"));
        }
        let is_v4 = addr_type.eq_ignore_ascii_case("IP4");
        let mut connection = Self {
            net_type,
            addr_type,
            address,
            ttl: None,
            count: None,
        };
        // Other networks (ATM, PSTN: RFC 3108, RFC 2848) have slashes of their own meaning.
        if !net_type.eq_ignore_ascii_case("IN") {
            return Ok(Self {
                address: word,
                ..connection
            });
        }
        if !is_v4 && !addr_type.eq_ignore_ascii_case("IP6") {
            return Ok(Self {
                address: word,
                ..connection
            });
        }
        let wrong = |reason| move || start.error(reason);
        let mut parts = word.split('/').skip(1);
        let mut parts = core::iter::from_fn(|| {
            if cut == word.len() {
                None
            } else {
                parts.next()
            }
        });
        if let Some(first) = parts.next() {
            if is_v4 {
                connection.ttl = Some(number(first).ok_or_else(wrong("the TTL is not 0 to 255"))?);
            } else {
                connection.count =
                    Some(number(first).ok_or_else(wrong("the number of addresses is no number"))?);
            }
        }
        if let Some(second) = parts.next() {
            // RFC 8866 §5.7: IPv6 multicast has no TTL.
            if !is_v4 || parts.next().is_some() {
                return Err(start.error("too many slashes"));
            }
            connection.count =
                Some(number(second).ok_or_else(wrong("the number of addresses is no number"))?);
        }
        // RFC 8866 §9, IP4-address and IP6-address; anything else is a name.
        let has_colon = address.as_bytes().contains(&b':');
        if has_colon && (is_v4 || address.parse::<Ipv6Addr>().is_err()) {
            return Err(start.error("not an address or name of the address type"));
        }
        Ok(connection)
    }

    /// Length of the printed form; 0 when it has a suffix.
    pub(crate) const fn printed_len(&self) -> usize {
        if self.ttl.is_some() || self.count.is_some() {
            return 0;
        }
        self.net_type.len() + self.addr_type.len() + self.address.len() + 2
    }

    pub(crate) fn encode(&self, out: &mut String) {
        let Self {
            net_type,
            addr_type,
            address,
            ..
        } = self;
        let _ = write!(out, "{net_type} {addr_type} {address}");
        if let Some(ttl) = self.ttl {
            let _ = write!(out, "/{ttl}");
        }
        if let Some(count) = self.count {
            let _ = write!(out, "/{count}");
        }
    }

    /// The address, unless it is a domain name or of another network.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    /// The old way to put on hold: `0.0.0.0` (RFC 3264 §8.4; for IPv6 RFC 6157 §5.1 uses a name under `.invalid`).
    pub fn is_hold(&self) -> bool {
        match self.ip() {
            Some(IpAddr::V4(address)) => address == Ipv4Addr::UNSPECIFIED,
            Some(IpAddr::V6(address)) => address == Ipv6Addr::UNSPECIFIED,
            None => self.address.ends_with(".invalid"),
        }
    }

    /// Whether the address is a multicast group.
    pub fn is_multicast(&self) -> bool {
        self.ip().is_some_and(|address| address.is_multicast())
    }
}

/// `b=<bwtype>:<bandwidth>` (RFC 8866 §5.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 8866 §5.8")]
pub struct Bandwidth<'a> {
    /// `CT` or `AS` (kilobits per second), `TIAS` (RFC 3890, bits per second), `RS` and `RR` (RFC 3556, bits per second),
    /// or another name.
    pub modifier: &'a str,
    /// In the modifier's unit.
    pub value: u64,
}

impl<'a> Bandwidth<'a> {
    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        let modifier = scan.token("the bandwidth type is missing")?;
        scan.expect(b':', "a colon must follow the bandwidth type")?;
        scan.spaces();
        let value = scan.number("the bandwidth is no number")?;
        scan.end("something after the bandwidth")?;
        Ok(Self { modifier, value })
    }

    /// Bits per second, for the modifiers whose unit is known here.
    pub fn bits_per_second(&self) -> Option<u64> {
        match self.modifier {
            // RFC 8866 §5.8: kilobits.
            "CT" | "AS" => self.value.checked_mul(1000),
            // RFC 3890 §6.2.2, RFC 3556 §2.
            "TIAS" | "RS" | "RR" => Some(self.value),
            _ => None,
        }
    }
}

/// `k=` (RFC 8866 §5.12: obsolete, must not be used, still read).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key<'a> {
    /// `prompt`: ask the user.
    Prompt,
    /// `clear:<key>`.
    Clear(&'a str),
    /// `base64:<key>`.
    Base64(&'a str),
    /// `uri:<uri>`.
    Uri(&'a str),
}

impl<'a> Key<'a> {
    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        if value == "prompt" {
            return Ok(Self::Prompt);
        }
        match value.split_once(':') {
            Some(("clear", key)) => Ok(Self::Clear(key)),
            Some(("base64", key)) => Ok(Self::Base64(key)),
            Some(("uri", key)) => Ok(Self::Uri(key)),
            _ => Err(ValueError::new(0, "not prompt, clear:, base64: or uri:")),
        }
    }
}

/// `t=<start-time> <stop-time>` (RFC 8866 §5.9) with the repeats that follow it. Seconds since 1900; 0 is unbounded.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Time<'a> {
    /// When the session starts.
    pub start: u64,
    /// When it ends.
    pub stop: u64,
    description: &'a SessionDescription,
    /// Index of the line after `t=`.
    line: usize,
}

impl<'a> Time<'a> {
    fn following(&self, line_type: LineType) -> impl Iterator<Item = &'a str> + use<'a> {
        let description = self.description;
        (self.line..description.session_end())
            .map_while(move |index| description.line(index))
            .take_while(|line| matches!(line.letter, b'r' | b'z'))
            .filter(move |line| line.letter == line_type.letter())
            .map(move |line| description.value(line))
    }

    /// The `r=` lines of this time that follow the grammar.
    pub fn repeats(&self) -> impl Iterator<Item = Repeat<'a>> {
        self.following(LineType::Repeat)
            .filter_map(|value| Repeat::decode(value).ok())
    }

    /// The `z=` line of this time.
    pub fn zones(&self) -> Option<Zones<'a>> {
        self.following(LineType::Zone)
            .find_map(|value| Zones::decode(value).ok())
    }
}

/// The times of a description.
#[derive(Debug, Clone)]
pub struct Times<'a> {
    description: &'a SessionDescription,
    line: usize,
}

impl<'a> Times<'a> {
    pub(crate) const fn new(description: &'a SessionDescription) -> Self {
        Self {
            description,
            line: 0,
        }
    }
}

impl<'a> Iterator for Times<'a> {
    type Item = Time<'a>;

    fn next(&mut self) -> Option<Time<'a>> {
        while self.line < self.description.session_end() {
            let line = self.description.line(self.line)?;
            self.line += 1;
            if line.letter != b't' {
                continue;
            }
            let mut fields = self
                .description
                .value(line)
                .split_ascii_whitespace()
                .map(number::<u64>);
            if let (Some(Some(start)), Some(Some(stop))) = (fields.next(), fields.next()) {
                return Some(Time {
                    start,
                    stop,
                    description: self.description,
                    line: self.line,
                });
            }
        }
        None
    }
}

/// RFC 8866 §9: `"0"` or at least ten digits.
pub(crate) fn check_time(value: &str, short: bool) -> Result<(), ValueError> {
    if value == "0 0" {
        return Ok(());
    }
    let mut scan = Scan::new(value);
    for reason in [
        "the start time is no number of ten digits or 0",
        "the stop time is no number of ten digits or 0",
    ] {
        scan.spaces();
        let start = scan;
        let digits = scan.word(reason)?;
        let is_number = number::<u64>(digits).is_some();
        if !is_number || (!short && digits != "0" && (digits.len() < 10 || digits.starts_with('0')))
        {
            return Err(start.error(reason));
        }
    }
    scan.end("something after the stop time")
}

/// `typed-time` of RFC 8866 §9 in seconds: digits and an optional unit `d`, `h`, `m`, `s`.
fn typed_time(text: &str) -> Option<i64> {
    let (text, negative) = text
        .strip_prefix('-')
        .map_or((text, false), |text| (text, true));
    let (digits, factor) = match text.as_bytes().last()? {
        b'd' => (text.get(..text.len() - 1)?, 86_400),
        b'h' => (text.get(..text.len() - 1)?, 3600),
        b'm' => (text.get(..text.len() - 1)?, 60),
        b's' => (text.get(..text.len() - 1)?, 1),
        _ => (text, 1),
    };
    let seconds = number::<i64>(digits)?.checked_mul(factor)?;
    Some(if negative { -seconds } else { seconds })
}

/// `r=<repeat interval> <active duration> <offsets from start-time>` (RFC 8866 §5.10), in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repeat<'a> {
    /// From one start to the next.
    pub interval: i64,
    /// How long each lasts.
    pub duration: i64,
    offsets: &'a str,
}

impl<'a> Repeat<'a> {
    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        let mut time = |reason: &'static str| -> Result<i64, ValueError> {
            scan.spaces();
            let start = scan;
            typed_time(scan.word(reason)?)
                .filter(|&time| time >= 0)
                .ok_or_else(|| start.error(reason))
        };
        let interval = time("the repeat interval is no time")?;
        let duration = time("the active duration is no time")?;
        scan.spaces();
        let offsets = scan.rest();
        // RFC 8866 §9: repeat-interval begins with a digit that is not 0, and there is at least one offset.
        if interval == 0 {
            return Err(ValueError::new(0, "the repeat interval is zero"));
        }
        let mut words = offsets.split_ascii_whitespace().peekable();
        if words.peek().is_none() || words.any(|word| typed_time(word).is_none_or(|time| time < 0))
        {
            return Err(scan.error("an offset is no time"));
        }
        Ok(Self {
            interval,
            duration,
            offsets,
        })
    }

    /// Offsets from the start time, in seconds.
    pub fn offsets(&self) -> impl Iterator<Item = i64> + use<'a> {
        self.offsets.split_ascii_whitespace().filter_map(typed_time)
    }
}

/// `z=<adjustment time> <offset> ...` (RFC 8866 §5.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Zones<'a> {
    pairs: &'a str,
}

impl<'a> Zones<'a> {
    pub(crate) fn decode(value: &'a str) -> Result<Self, ValueError> {
        let zones = Self { pairs: value };
        let words = value.split_ascii_whitespace().count();
        if words == 0 || !words.is_multiple_of(2) || zones.pairs().count() * 2 != words {
            return Err(ValueError::new(0, "not pairs of a time and an offset"));
        }
        Ok(zones)
    }

    /// Pairs of the time from which an adjustment holds (seconds since 1900) and the adjustment in seconds.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, i64)> + use<'a> {
        let mut words = self.pairs.split_ascii_whitespace();
        core::iter::from_fn(move || Some((number(words.next()?)?, typed_time(words.next()?)?)))
    }
}

/// Whether the text is `token *("/" token)`: the protocol of `m=`.
pub(crate) fn is_protocol(text: &str) -> bool {
    if matches!(
        text,
        "RTP/AVP" | "UDP/TLS/RTP/SAVPF" | "RTP/SAVP" | "RTP/SAVPF" | "RTP/AVPF"
    ) {
        return true;
    }
    let mut previous = b'/';
    for byte in text.bytes() {
        if byte == b'/' && previous == b'/' || byte != b'/' && !is_token_byte(byte) {
            return false;
        }
        previous = byte;
    }
    previous != b'/'
}
