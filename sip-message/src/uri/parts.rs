//! Locating the parts of a URI.

use alloc::format;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Scheme, UriError};
use crate::chars;
use crate::scan;

/// Where the parts of a URI are. A URI of more than 65,535 bytes is refused.
///
/// ```text
/// sip:user:password@host:port;params?headers
///    ^colon
///         ^user_end
///                  ^at
///                       ^host_end
///                            ^port_end
///                                   ^params_end
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) scheme: Scheme,
    pub(super) colon: u16,
    /// The end of the user; equal to `at` without a password, and both are `colon` without a user.
    pub(super) user_end: u16,
    pub(super) at: u16,
    pub(super) host_end: u16,
    pub(super) port: Option<u16>,
    pub(super) port_end: u16,
    pub(super) params_end: u16,
}

impl Parts {
    /// The parts of an empty text.
    pub(super) const NOTHING: Self = Self {
        scheme: Scheme::Other,
        colon: 0,
        user_end: 0,
        at: 0,
        host_end: 0,
        port: None,
        port_end: 0,
        params_end: 0,
    };

    pub(super) const fn has_user(&self) -> bool {
        self.at > self.colon
    }

    pub(super) const fn host_start(&self) -> u16 {
        // Without a user `at` is `colon`, so this is right in both cases.
        self.at + 1
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, UriError> {
        if let Some((parts, len)) = Self::usual(text)
            && len == text.len()
        {
            return Ok(parts);
        }
        Self::general(text)
    }

    /// The same for every URI.
    pub(super) fn general(text: &[u8]) -> Result<Self, UriError> {
        let Ok(len) = u16::try_from(text.len()) else {
            return Err(UriError::new("URI too long", usize::from(u16::MAX)));
        };
        let (scheme, colon) = scheme(text)?;
        let base = Self {
            scheme,
            colon,
            user_end: colon,
            at: colon,
            host_end: len,
            port: None,
            port_end: len,
            params_end: len,
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => base.sip(text),
            Scheme::Tel => base.tel(text),
            Scheme::Urn => base.urn(text),
            Scheme::Other => base.other(text),
        }
    }

    /// The sip or sips URI at the front of a text, and its length, if it is one as nearly all are: without password,
    /// escapes, IPv6 reference and header fields. Each byte is looked at once.
    #[inline(always)]
    pub(super) fn usual(text: &[u8]) -> Option<(Self, usize)> {
        // The letters in any case.
        let front = u32::from_le_bytes(*text.first_chunk()?) | 0x20_20_20;
        let (scheme, body) = if front | 0x2000_0000 == const { u32::from_le_bytes(*b"sips") }
            && text.get(4) == Some(&b':')
        {
            (Scheme::Sips, 5)
        } else if front == const { u32::from_le_bytes(*b"sip:") } {
            (Scheme::Sip, 4)
        } else {
            return None;
        };
        // A host has no character that a user does not have, so that what follows tells which it is.
        let mut start = body;
        let mut at = body - 1;
        let end = loop {
            let end = start + chars::run(text.get(start..)?, chars::is_host);
            if start > body || matches!(text.get(end), None | Some(b':' | b';' | b'>' | b'?')) {
                break end;
            }
            at = match text.get(end) {
                Some(b'@') => end,
                _ => end + chars::run(text.get(end..)?, chars::is_user),
            };
            if at == body || text.get(at) != Some(&b'@') {
                return None;
            }
            start = at + 1;
        };
        if !is_host_name(text.get(start..end)?) {
            return None;
        }
        let mut pos = end;
        let mut port = None;
        if text.get(pos) == Some(&b':') {
            let (number, len) = self::port(text, pos + 1)?;
            port = Some(number);
            pos += 1 + len;
        }
        let port_end = pos;
        if text.get(pos) == Some(&b';') {
            pos = params_without_escapes(text, pos);
        }
        if matches!(text.get(pos), Some(b'?' | b';' | b'@')) || pos > usize::from(u16::MAX) {
            return None;
        }
        let parts = Self {
            scheme,
            colon: (body - 1) as u16,
            user_end: at as u16,
            at: at as u16,
            host_end: end as u16,
            port,
            port_end: port_end as u16,
            params_end: pos as u16,
        };
        Some((parts, pos))
    }

    /// RFC 3261 §25.1: `"sip:" [ userinfo ] hostport uri-parameters [ headers ]`.
    fn sip(mut self, text: &[u8]) -> Result<Self, UriError> {
        let body = usize::from(self.colon) + 1;
        let rest = text.get(body..).unwrap_or_default();
        // An unescaped "@" is nowhere but after the user information.
        if let Some(at) = scan::byte(rest, b'@') {
            let userinfo = rest.get(..at).unwrap_or_default();
            // Without a password or escapes, as nearly everywhere, one pass is enough.
            let plain = chars::run(userinfo, chars::is_user);
            let user_end = if plain == at && at > 0 {
                at
            } else {
                user_info(userinfo, body)?
            };
            self.user_end = place(body + user_end);
            self.at = place(body + at);
        }
        let start = usize::from(self.host_start());
        let host_len = host_len(text.get(start..).unwrap_or_default())
            .ok_or_else(|| UriError::new("bad host in the URI", start))?;
        let mut pos = start + host_len;
        self.host_end = place(pos);
        if text.get(pos) == Some(&b':') {
            let (port, len) =
                port(text, pos + 1).ok_or_else(|| UriError::new("bad port in the URI", pos + 1))?;
            self.port = Some(port);
            pos += 1 + len;
        }
        self.port_end = place(pos);
        pos = params(text, pos)?;
        self.params_end = place(pos);
        match text.get(pos) {
            None => Ok(self),
            Some(b'?') => {
                headers(text.get(pos + 1..).unwrap_or_default(), pos + 1)?;
                Ok(self)
            }
            Some(_) => Err(UriError::new("bad character in the URI", pos)),
        }
    }

    /// RFC 3966 §3: a global number, or a local one with a `phone-context`.
    fn tel(mut self, text: &[u8]) -> Result<Self, UriError> {
        let start = usize::from(self.colon) + 1;
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.iter().position(|&b| b == b';').unwrap_or(rest.len());
        let number = rest.get(..len).unwrap_or_default();
        let separator = |b: u8| matches!(b, b'-' | b'.' | b'(' | b')');
        let (digits, global) = match number.split_first() {
            Some((b'+', digits)) => (digits, true),
            _ => (number, false),
        };
        let digit = |b: u8| {
            b.is_ascii_digit() || !global && (b.is_ascii_hexdigit() || matches!(b, b'*' | b'#'))
        };
        if !digits.iter().any(|&b| digit(b)) || !digits.iter().all(|&b| digit(b) || separator(b)) {
            return Err(UriError::new("bad telephone number in the URI", start));
        }
        self.host_end = place(start + len);
        self.port_end = self.host_end;
        let end = params(text, start + len)?;
        self.params_end = place(end);
        if end != text.len() {
            return Err(UriError::new("bad character in the URI", end));
        }
        // RFC 3966 §5.1.5: a local number without its context means nothing.
        let params =
            core::str::from_utf8(text.get(start + len..).unwrap_or_default()).unwrap_or_default();
        if !global
            && crate::param::ParamIter::new(params)
                .value("phone-context")
                .is_none()
        {
            return Err(UriError::new(
                "local telephone number without phone-context",
                start,
            ));
        }
        Ok(self)
    }

    /// RFC 8141 §2: `"urn:" NID ":" NSS`.
    fn urn(self, text: &[u8]) -> Result<Self, UriError> {
        let start = usize::from(self.colon) + 1;
        let rest = text.get(start..).unwrap_or_default();
        let nid = rest.iter().position(|&b| b == b':').unwrap_or(rest.len());
        let name = rest.get(..nid).unwrap_or_default();
        let specific = rest.get(nid + 1..).unwrap_or_default();
        let letters = name.first().is_some_and(u8::is_ascii_alphanumeric)
            && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-');
        if name.len() < 2 || !letters || specific.is_empty() {
            return Err(UriError::new("bad URN", start));
        }
        self.other(text)
    }

    /// RFC 2396 §3: characters of a URI, and at least one of them.
    fn other(self, text: &[u8]) -> Result<Self, UriError> {
        let start = usize::from(self.colon) + 1;
        let rest = text.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return Err(UriError::new("nothing after the scheme of the URI", start));
        }
        match rest.iter().position(|&b| !chars::is_uri_any(b)) {
            Some(at) => Err(UriError::new("bad character in the URI", start + at)),
            None => Ok(self),
        }
    }
}

/// `user [ ":" password ]`: where the user ends.
fn user_info(text: &[u8], offset: usize) -> Result<usize, UriError> {
    let user_end = text.iter().position(|&b| b == b':').unwrap_or(text.len());
    let (user, password) = text.split_at_checked(user_end).unwrap_or((text, &[]));
    if user.is_empty() {
        return Err(UriError::new("empty user in the URI", offset));
    }
    if !chars::all_escaped(user, chars::is_user) {
        return Err(UriError::new(
            "bad character in the user of the URI",
            offset,
        ));
    }
    let password = password.get(1..).unwrap_or_default();
    if !chars::all_escaped(password, chars::is_password) {
        return Err(UriError::new(
            "bad character in the password of the URI",
            offset + user_end + 1,
        ));
    }
    Ok(user_end)
}

/// Offsets are below the length, which fits (`Parts::parse`).
fn place(offset: usize) -> u16 {
    u16::try_from(offset).unwrap_or(u16::MAX)
}

fn scheme(text: &[u8]) -> Result<(Scheme, u16), UriError> {
    match text {
        [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', ..] => return Ok((Scheme::Sip, 3)),
        [b's' | b'S', b'i' | b'I', b'p' | b'P', b's' | b'S', b':', ..] => {
            return Ok((Scheme::Sips, 4));
        }
        _ => {}
    }
    let len = text
        .iter()
        .position(|&b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')));
    let Some(len) = len else {
        return Err(UriError::new("no scheme in the URI", 0));
    };
    let name = text.get(..len).unwrap_or_default();
    if text.get(len) != Some(&b':') || !name.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(UriError::new("no scheme in the URI", 0));
    }
    let scheme = if name.eq_ignore_ascii_case(b"tel") {
        Scheme::Tel
    } else if name.eq_ignore_ascii_case(b"urn") {
        Scheme::Urn
    } else {
        Scheme::Other
    };
    Ok((scheme, place(len)))
}

/// The length of the host at the front, or `None` if there is none.
pub(crate) fn host_len(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'[') {
        let end = memchr::memchr(b']', text)?;
        let inner = core::str::from_utf8(text.get(1..end)?).ok()?;
        ipv6(inner)?;
        return Some(end + 1);
    }
    let len = chars::run(text, chars::is_host);
    is_host_name(text.get(..len)?).then_some(len)
}

/// Of characters of a host: RFC 3261 §25.1 hostname: labels start and end with alphanumerics, and one dot may close the
/// name.
#[inline]
fn is_host_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphanumeric) && name.last() != Some(&b'-')
}

/// An IPv6 address without brackets. RFC 5118 §4.10: an error in the grammar of RFC 3261 let peers write three
/// colons before an embedded IPv4 address; they MUST be tolerated.
pub(crate) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = text.split_once(":::")?;
    tail.parse::<Ipv4Addr>().ok()?;
    format!("{head}::{tail}").parse().ok()
}

/// Four numbers of up to 255 in decimal digits without leading zeros, at the front of a text, and their length.
pub(super) fn ipv4(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let (&first, after) = rest.split_first()?;
        let mut value = u32::from(digit(first)?);
        rest = after;
        while let Some((&next, after)) = rest.split_first()
            && let Some(next) = digit(next)
        {
            if value == 0 || value > 25 {
                return None;
            }
            value = value * 10 + u32::from(next);
            rest = after;
        }
        *octet = u8::try_from(value).ok()?;
    }
    Some((octets.into(), text.len() - rest.len()))
}

#[inline]
const fn digit(byte: u8) -> Option<u8> {
    let value = byte.wrapping_sub(b'0');
    if value < 10 { Some(value) } else { None }
}

/// The port from `at` on in a text and how many digits it has.
#[inline(always)]
pub(crate) fn port(text: &[u8], at: usize) -> Option<(u16, usize)> {
    let (value, len) = match scan::number(text, at) {
        Some(found) => found,
        None => any_port(text.get(at..)?)?,
    };
    Some((u16::try_from(value).ok()?, len))
}

/// The same of any length, and in a short text.
#[inline(never)]
fn any_port(text: &[u8]) -> Option<(u32, usize)> {
    let mut value: u32 = 0;
    let mut len = 0;
    while let Some(digit) = text.get(len).copied().and_then(digit) {
        value = value * 10 + u32::from(digit);
        if value > u32::from(u16::MAX) {
            return None;
        }
        len += 1;
    }
    (len > 0).then_some((value, len))
}

/// Passes `*( ";" pname [ "=" pvalue ] )`; where it ends.
fn params(text: &[u8], from: usize) -> Result<usize, UriError> {
    let pos = params_without_escapes(text, from);
    if text.get(pos) == Some(&b';') {
        return params_with_escapes(text, pos);
    }
    Ok(pos)
}

/// The same up to a semicolon with something else behind it, in one pass.
#[inline]
fn params_without_escapes(text: &[u8], from: usize) -> usize {
    let mut pos = from;
    while let Some([b';', rest @ ..]) = text.get(pos..) {
        let name = chars::run(rest, chars::is_uri_param);
        let mut len = name;
        if rest.get(len) == Some(&b'=') {
            let value = chars::run(
                rest.get(len + 1..).unwrap_or_default(),
                chars::is_uri_param_value,
            );
            if value == 0 {
                break;
            }
            len += 1 + value;
        }
        if name == 0 || !matches!(rest.get(len), None | Some(b';' | b'?' | b'>')) {
            break;
        }
        pos += 1 + len;
    }
    pos
}

/// The same with escapes, or with an error.
fn params_with_escapes(text: &[u8], from: usize) -> Result<usize, UriError> {
    let mut pos = from;
    while text.get(pos) == Some(&b';') {
        pos += 1;
        let rest = text.get(pos..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|&b| matches!(b, b';' | b'?'))
            .unwrap_or(rest.len());
        let param = rest.get(..len).unwrap_or_default();
        let eq = param.iter().position(|&b| b == b'=').unwrap_or(len);
        let (name, value) = param.split_at_checked(eq).unwrap_or((param, &[]));
        if name.is_empty() || !chars::all_escaped(name, chars::is_uri_param) {
            return Err(UriError::new("bad parameter name in the URI", pos));
        }
        // "=" with nothing after it is not in the grammar; nor is a second "=", but peers put base64 there.
        let value = value.get(1..).unwrap_or_default();
        if eq < len && value.is_empty() || !chars::all_escaped(value, chars::is_uri_param_value) {
            return Err(UriError::new("bad parameter value in the URI", pos + eq));
        }
        pos += len;
    }
    Ok(pos)
}

/// `header *( "&" header )`, each `hname "=" hvalue`.
fn headers(text: &[u8], offset: usize) -> Result<(), UriError> {
    let mut pos = offset;
    for header in text.split(|&b| b == b'&') {
        let eq = header.iter().position(|&b| b == b'=');
        let valid = eq.is_some_and(|eq| eq > 0) && chars::all_escaped(header, chars::is_uri_header);
        if !valid {
            return Err(UriError::new("bad header in the URI", pos));
        }
        pos += header.len() + 1;
    }
    Ok(())
}
