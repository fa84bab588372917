//! `ssrc` and `ssrc-group` (RFC 5576 §4).

use alloc::string::String;
use core::fmt::Write as _;

use super::Attribute;
use crate::grammar::{Scan, ValueError, number};

/// `a=ssrc:<ssrc> <attribute>[:<value>]` (RFC 5576 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 5576 §4.1")]
pub struct Ssrc<'a> {
    /// The source.
    pub ssrc: u32,
    /// `cname`, `msid`, `fmtp` and others.
    pub attribute: &'a str,
    /// Its value.
    pub value: Option<&'a str>,
}

impl<'a> Attribute<'a> for Ssrc<'a> {
    const NAME: &'static str = "ssrc";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let ssrc = scan.number("the source is not a 32-bit number")?;
        if !scan.spaces() {
            return Err(scan.error("a space must follow the source"));
        }
        let attribute = scan.token("the attribute is missing")?;
        let value = if scan.accept(b':') {
            Some(scan.rest())
        } else {
            None
        };
        if value.is_none() {
            scan.end("a colon must follow the attribute")?;
        }
        Ok(Self {
            ssrc,
            attribute,
            value,
        })
    }

    fn encode(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{} {}", self.ssrc, self.attribute);
        if let Some(value) = self.value {
            let _ = write!(out, ":{value}");
        }
    }
}

/// `a=ssrc-group:<semantics> <ssrc> ...` (RFC 5576 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SsrcGroup<'a> {
    /// `FID`, `FEC`, `SIM` and others.
    pub semantics: &'a str,
    sources: &'a str,
}

impl<'a> SsrcGroup<'a> {
    /// The sources in order.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.split(' ').filter_map(number)
    }
}

impl<'a> Attribute<'a> for SsrcGroup<'a> {
    const NAME: &'static str = "ssrc-group";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let mut scan = Scan::new(value);
        scan.spaces();
        let semantics = scan.token("the semantics are missing")?;
        scan.spaces();
        let sources = scan.rest().trim_end_matches(' ');
        if sources
            .split(' ')
            .any(|word| !word.is_empty() && number::<u32>(word).is_none())
        {
            return Err(scan.error("a source is not a 32-bit number"));
        }
        Ok(Self { semantics, sources })
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.semantics);
        for source in self.sources() {
            let _ = write!(out, " {source}");
        }
    }
}
