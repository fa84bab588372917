//! MSRP sessions (RFC 4975 §8) and the old form of data channels (`sctpmap`).

use alloc::string::String;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError};

macro_rules! list {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $method:ident, $what:literal, $reason:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $type<'a> {
            list: &'a str,
        }

        impl<'a> $type<'a> {
            #[doc = $what]
            pub fn $method(&self) -> impl Iterator<Item = &'a str> + use<'a> {
                self.list.split(' ').filter(|word| !word.is_empty())
            }
        }

        impl<'a> Attribute<'a> for $type<'a> {
            const NAME: &'static str = $name;

            fn decode(value: &'a str) -> Result<Self, ValueError> {
                let list = Self { list: value.trim_matches(' ') };
                let check: fn(&str) -> bool = $check;
                if list.list.is_empty() || !list.$method().all(check) {
                    return Err(ValueError::new(0, $reason));
                }
                Ok(list)
            }

            fn encode(&self, out: &mut String) {
                out.push_str(self.list);
            }
        }
    )*};
}

list! {
    /// `a=path` (RFC 4975 §8.2): MSRP URIs, ours last.
    MsrpPath = "path", uris, "The URIs in order.", "not MSRP URIs",
        |uri| uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("msrp://"))
            || uri.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("msrps://"));
    /// `a=accept-types` (RFC 4975 §8.6).
    AcceptTypes = "accept-types", types, "The media types in order; `*` for any.", "not media types",
        |word| word == "*" || word.contains('/');
    /// `a=accept-wrapped-types` (RFC 4975 §8.6).
    AcceptWrappedTypes = "accept-wrapped-types", types, "The media types in order; `*` for any.", "not media types",
        |word| word == "*" || word.contains('/');
}

/// `a=sctpmap:<port> <protocol> [<streams>]` (drafts of RFC 8841; old browsers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a form that will not change")]
pub struct SctpMap<'a> {
    /// SCTP port.
    pub port: u16,
    /// `webrtc-datachannel`.
    pub protocol: &'a str,
    /// Number of streams.
    pub streams: Option<u32>,
}

impl<'a> Attribute<'a> for SctpMap<'a> {
    const NAME: &'static str = "sctpmap";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let port = scan.number("the port is not 0 to 65535")?;
        let protocol = scan.next_word("the protocol is missing")?;
        scan.spaces();
        let streams = if scan.is_empty() {
            None
        } else {
            Some(scan.number("the number of streams is no number")?)
        };
        scan.end("something after the number of streams")?;
        Ok(Self {
            port,
            protocol,
            streams,
        })
    }

    fn encode(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{} {}", self.port, self.protocol);
        if let Some(streams) = self.streams {
            let _ = write!(out, " {streams}");
        }
    }
}
