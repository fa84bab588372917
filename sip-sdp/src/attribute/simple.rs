//! Attributes that are one word, one number, or no value at all.

use alloc::string::String;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError, is_token};

/// Attributes without a value.
macro_rules! flag {
    ($($(#[$doc:meta])* $type:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[expect(clippy::exhaustive_structs, reason = "the attribute has no value")]
        pub struct $type;

        impl Attribute<'_> for $type {
            const NAME: &'static str = $name;

            fn decode(value: &str) -> Result<Self, ValueError> {
                if value.is_empty() { Ok(Self) } else { Err(ValueError::new(0, "the attribute has no value")) }
            }

            fn encode(&self, _: &mut String) {}
        }
    )*};
}

/// Attributes that are one number.
macro_rules! number {
    ($($(#[$doc:meta])* $type:ident($number:ty) = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(clippy::exhaustive_structs, reason = "the attribute is one number")]
        pub struct $type(pub $number);

        impl Attribute<'_> for $type {
            const NAME: &'static str = $name;

            fn decode(value: &str) -> Result<Self, ValueError> {
                let mut scan = Scan::new(value);
                scan.spaces();
                let number = scan.number("not a number")?;
                scan.end("not a number")?;
                Ok(Self(number))
            }

            fn encode(&self, out: &mut String) {
                // Writing to a String cannot fail.
                let _ = write!(out, "{}", self.0);
            }
        }
    )*};
}

/// Attributes that are one text, checked by a predicate.
macro_rules! text {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $check:expr, $reason:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the attribute is one text")]
        pub struct $type<'a>(pub &'a str);

        impl<'a> Attribute<'a> for $type<'a> {
            const NAME: &'static str = $name;

            fn decode(value: &'a str) -> Result<Self, ValueError> {
                let value = value.trim_matches(' ');
                let check: fn(&str) -> bool = $check;
                if check(value) { Ok(Self(value)) } else { Err(ValueError::new(0, $reason)) }
            }

            fn encode(&self, out: &mut String) {
                out.push_str(self.0);
            }
        }
    )*};
}

flag! {
    /// `a=rtcp-mux` (RFC 5761 §5.1.1): RTP and RTCP on one port.
    RtcpMux = "rtcp-mux";
    /// `a=rtcp-mux-only` (RFC 8858): no separate RTCP port can be used.
    RtcpMuxOnly = "rtcp-mux-only";
    /// `a=rtcp-rsize` (RFC 5506 §5.1): reduced-size RTCP.
    RtcpReducedSize = "rtcp-rsize";
    /// `a=bundle-only` (RFC 8843 §6).
    BundleOnly = "bundle-only";
    /// `a=end-of-candidates` (RFC 8840 §8.2).
    EndOfCandidates = "end-of-candidates";
    /// `a=ice-lite` (RFC 8839 §5.3).
    IceLite = "ice-lite";
    /// `a=ice-mismatch` (RFC 8839 §5.3).
    IceMismatch = "ice-mismatch";
    /// `a=extmap-allow-mixed` (RFC 8285 §6).
    ExtMapAllowMixed = "extmap-allow-mixed";
}

number! {
    /// `a=maxptime` in milliseconds (RFC 8866 §6.5).
    MaxPtime(u32) = "maxptime";
    /// `a=quality`, 0 to 10 (RFC 8866 §6.14).
    Quality(u8) = "quality";
    /// `a=sctp-port` (RFC 8841 §5).
    SctpPort(u16) = "sctp-port";
    /// `a=max-message-size` in bytes, 0 without bound (RFC 8841 §6).
    MaxMessageSize(u64) = "max-message-size";
    /// `a=ice-pacing` in milliseconds (RFC 8839 §5.5).
    IcePacing(u32) = "ice-pacing";
}

text! {
    /// `a=mid` (RFC 5888 §4).
    Mid = "mid", is_token, "the identification tag is no token";
    /// `a=label` (RFC 4574 §4).
    Label = "label", is_token, "the label is no token";
    /// `a=tls-id` (RFC 8842 §4): 20 to 255 characters.
    TlsId = "tls-id",
        |value| (20..=255).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')),
        "not 20 to 255 letters, digits, `+`, `/`, `-`, `_`";
    /// `a=charset` (RFC 8866 §6.10).
    Charset = "charset", is_token, "the character set is no token";
    /// `a=sdplang` (RFC 8866 §6.11).
    SdpLanguage = "sdplang", |value| !value.is_empty(), "the language is missing";
    /// `a=lang` (RFC 8866 §6.12).
    Language = "lang", |value| !value.is_empty(), "the language is missing";
    /// `a=framerate` in frames per second, a number that may have a fraction (RFC 8866 §6.13).
    FrameRate = "framerate",
        |value| value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && value.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
            && value.bytes().filter(|&byte| byte == b'.').count() < 2,
        "not a positive number";
    /// `a=cat` (RFC 8866 §6.1).
    Category = "cat", |value| !value.is_empty(), "the category is missing";
    /// `a=keywds` (RFC 8866 §6.2).
    Keywords = "keywds", |value| !value.is_empty(), "the keywords are missing";
    /// `a=tool` (RFC 8866 §6.3).
    Tool = "tool", |value| !value.is_empty(), "the tool is missing";
}

/// `a=ptime` (RFC 8866 §6.4): the length of audio in a packet that the sender of the description would like to receive.
///
/// Devices send `20.0`; the fraction is read and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the attribute is one number")]
pub struct Ptime(pub u32);

impl Attribute<'_> for Ptime {
    const NAME: &'static str = "ptime";

    fn decode(value: &str) -> Result<Self, ValueError> {
        let reason = "not a number of milliseconds";
        let mut scan = Scan::new(value);
        scan.spaces();
        let whole = scan.number(reason)?;
        if scan.accept(b'.') {
            scan.number::<u64>(reason)?;
        }
        scan.end(reason)?;
        Ok(Self(whole))
    }

    fn encode(&self, out: &mut String) {
        let _ = write!(out, "{}", self.0);
    }
}

/// `a=content` (RFC 4796 §5): `slides`, `speaker`, `sl`, `main`, `alt` and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Content<'a> {
    tags: &'a str,
}

impl<'a> Content<'a> {
    /// The tags in order.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.tags.split(',').map(|tag| tag.trim_matches(' '))
    }
}

impl<'a> Attribute<'a> for Content<'a> {
    const NAME: &'static str = "content";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let content = Self {
            tags: value.trim_matches(' '),
        };
        if content.tags().all(is_token) {
            Ok(content)
        } else {
            Err(ValueError::new(0, "a content tag is no token"))
        }
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.tags);
    }
}
