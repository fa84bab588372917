//! T.38 fax over UDPTL: the attributes of ITU-T T.38 annex D, read together.

use alloc::string::String;
use core::fmt::Write as _;

use super::Attributes;
use crate::grammar::number;

/// `a=T38FaxRateManagement`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateManagement {
    /// `localTCF`: each gateway trains on its own.
    LocalTcf,
    /// `transferredTCF`: the training signal is carried. What UDP needs.
    TransferredTcf,
}

/// `a=T38FaxUdpEC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UdpErrorCorrection {
    /// `t38UDPFEC`.
    Fec,
    /// `t38UDPRedundancy`.
    Redundancy,
    /// `t38UDPNoEC`.
    None,
}

/// What the T.38 attributes of a media description say; `None` where they say nothing, so that defaults stay visible.
///
/// Names are compared without case and `:0`/`:1` is read on flags: gateways send both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct T38 {
    /// `T38FaxVersion`; 0 when not given.
    pub version: Option<u8>,
    /// `T38MaxBitRate` in bits per second.
    pub max_bit_rate: Option<u32>,
    /// `T38FaxFillBitRemoval`.
    pub fill_bit_removal: bool,
    /// `T38FaxTranscodingMMR`.
    pub transcoding_mmr: bool,
    /// `T38FaxTranscodingJBIG`.
    pub transcoding_jbig: bool,
    /// `T38FaxRateManagement`.
    pub rate_management: Option<RateManagement>,
    /// `T38FaxMaxBuffer` in bytes.
    pub max_buffer: Option<u32>,
    /// `T38FaxMaxDatagram` in bytes.
    pub max_datagram: Option<u32>,
    /// `T38FaxMaxIFP` in bytes.
    pub max_ifp: Option<u32>,
    /// `T38FaxUdpEC`.
    pub error_correction: Option<UdpErrorCorrection>,
}

impl T38 {
    /// Reads the attributes of an `m=image <port> udptl t38`.
    ///
    /// ```
    /// use sip_sdp::attribute::{RateManagement, T38};
    /// use sip_sdp::SessionDescription;
    ///
    /// let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    ///             m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxRateManagement:transferredTCF\r\n";
    /// let description = SessionDescription::parse(text.as_bytes())?;
    /// let fax = T38::of(description.media().next().expect("a media description").attributes());
    /// assert_eq!((fax.version, fax.rate_management), (Some(0), Some(RateManagement::TransferredTcf)));
    /// # Ok::<(), sip_sdp::ParseError>(())
    /// ```
    pub fn of(attributes: Attributes<'_>) -> Self {
        let mut t38 = Self::default();
        for attribute in attributes {
            let value = attribute.value.unwrap_or_default().trim_matches(' ');
            let is = |name: &str| attribute.name.eq_ignore_ascii_case(name);
            let flag = attribute
                .value
                .is_none_or(|value| value.trim_matches(' ') != "0");
            if is("T38FaxVersion") {
                t38.version = number(value);
            } else if is("T38MaxBitRate") || is("T38FaxMaxBitRate") {
                t38.max_bit_rate = number(value);
            } else if is("T38FaxFillBitRemoval") {
                t38.fill_bit_removal = flag;
            } else if is("T38FaxTranscodingMMR") {
                t38.transcoding_mmr = flag;
            } else if is("T38FaxTranscodingJBIG") {
                t38.transcoding_jbig = flag;
            } else if is("T38FaxRateManagement") {
                t38.rate_management = match value {
                    value if value.eq_ignore_ascii_case("localTCF") => {
                        Some(RateManagement::LocalTcf)
                    }
                    value if value.eq_ignore_ascii_case("transferredTCF") => {
                        Some(RateManagement::TransferredTcf)
                    }
                    _ => None,
                };
            } else if is("T38FaxMaxBuffer") {
                t38.max_buffer = number(value);
            } else if is("T38FaxMaxDatagram") {
                t38.max_datagram = number(value);
            } else if is("T38FaxMaxIFP") {
                t38.max_ifp = number(value);
            } else if is("T38FaxUdpEC") {
                t38.error_correction = match value {
                    value if value.eq_ignore_ascii_case("t38UDPFEC") => {
                        Some(UdpErrorCorrection::Fec)
                    }
                    value if value.eq_ignore_ascii_case("t38UDPRedundancy") => {
                        Some(UdpErrorCorrection::Redundancy)
                    }
                    value if value.eq_ignore_ascii_case("t38UDPNoEC") => {
                        Some(UdpErrorCorrection::None)
                    }
                    _ => None,
                };
            }
        }
        t38
    }

    /// Appends the attributes as lines.
    pub fn encode_lines(&self, out: &mut String) {
        let numbers = [
            ("T38FaxVersion", self.version.map(u32::from)),
            ("T38MaxBitRate", self.max_bit_rate),
            ("T38FaxMaxBuffer", self.max_buffer),
            ("T38FaxMaxDatagram", self.max_datagram),
            ("T38FaxMaxIFP", self.max_ifp),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                let _ = write!(out, "a={name}:{value}\r\n");
            }
        }
        let flags = [
            ("T38FaxFillBitRemoval", self.fill_bit_removal),
            ("T38FaxTranscodingMMR", self.transcoding_mmr),
            ("T38FaxTranscodingJBIG", self.transcoding_jbig),
        ];
        for (name, _) in flags.into_iter().filter(|(_, set)| *set) {
            let _ = write!(out, "a={name}\r\n");
        }
        let words = [
            (
                "T38FaxRateManagement",
                self.rate_management.map(|management| match management {
                    RateManagement::LocalTcf => "localTCF",
                    RateManagement::TransferredTcf => "transferredTCF",
                }),
            ),
            (
                "T38FaxUdpEC",
                self.error_correction.map(|correction| match correction {
                    UdpErrorCorrection::Fec => "t38UDPFEC",
                    UdpErrorCorrection::Redundancy => "t38UDPRedundancy",
                    UdpErrorCorrection::None => "t38UDPNoEC",
                }),
            ),
        ];
        for (name, value) in words {
            if let Some(value) = value {
                let _ = write!(out, "a={name}:{value}\r\n");
            }
        }
    }
}
