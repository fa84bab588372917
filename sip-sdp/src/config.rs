//! What the parser accepts: bounds, and the named departures from RFC 8866.

/// Bounds on a description; each one stops a way to make the reader work or store without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a whole description (a body that floods memory).
    pub bytes: usize,
    /// Bytes of one line without its line end.
    pub line_bytes: usize,
    /// Lines of the whole description.
    pub lines: usize,
    /// Media descriptions (each one may claim ports and codecs).
    pub media: usize,
    /// Attributes of one section (attribute look-ups are linear).
    pub attributes: usize,
}

impl Limits {
    /// 64 KiB, lines of 16 KiB, 4096 lines, 128 media descriptions, 1024 attributes per section.
    pub const fn new() -> Self {
        Self {
            bytes: 65_536,
            line_bytes: 16_384,
            lines: 4096,
            media: 128,
            attributes: 1024,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// Which departures from the grammar of RFC 8866 §9 are read, and the [`Limits`].
///
/// Every flag is off in [`ParserConfig::strict`], the default. [`ParserConfig::deployed`] turns on those that cost
/// nothing in certainty and that telephones, gateways and the RFCs' own examples need. A line accepted by a leniency is
/// printed as it came.
///
/// ```
/// use sip_sdp::{ParserConfig, SessionDescription};
///
/// let text = b"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=\nt=0 0\n";
/// assert!(SessionDescription::parse(text).is_err());
/// let mut config = ParserConfig::strict();
/// config.bare_line_feed = true;
/// config.empty_value = true;
/// assert!(SessionDescription::parse_with(text, &config).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParserConfig {
    /// Lines may end in LF alone (RFC 8866 §5 itself asks parsers to accept it; scripts and test tools send it).
    pub bare_line_feed: bool,
    /// The last line may lack its line end (gateways that count the body without it).
    pub missing_final_line_end: bool,
    /// Empty lines are skipped and kept (bodies that end in an extra CRLF; some devices separate the media with one).
    pub blank_lines: bool,
    /// `s=`, `i=`, `u=`, `e=`, `p=` and the part after `a=name:` may be empty (RFC 3264's own examples have `s=`).
    pub empty_value: bool,
    /// `s=` may be missing (RFC 4566 and 8866 demand it; many RFC examples and MGCP gateways leave it out).
    pub missing_session_name: bool,
    /// `t=` may be missing (megaco and MGCP gateways).
    pub missing_timing: bool,
    /// `o=` may be missing, have fields that are no numbers, or too few (MGCP gateways; old SIP phones). Risk: a
    /// description without origin cannot be told from its successor by version.
    pub loose_origin: bool,
    /// Media may have no `c=` of their own nor of the session (MSRP, T.38 and comedia peers of RFC 4145 leave it out).
    pub missing_connection: bool,
    /// Lines of a section may come in any order and repeat (`b=` after `a=`, `c=` after `t=`: gateways). Risk: the first of
    /// two conflicting lines counts.
    pub line_order: bool,
    /// Lines with a letter that RFC 8866 does not define are skipped and kept. RFC 8866 §5 wants the description refused.
    pub unknown_lines: bool,
    /// Fields of a line may be separated by several spaces or tabs, begin or end with one (`m=audio 4000 RTP/AVP  0 `).
    pub extra_spaces: bool,
    /// `m=` may have no format (rejected lines of some gateways) .
    pub missing_formats: bool,
    /// Bytes that are not UTF-8 are kept; the text views show `?` for each (ISO 8859-1 names, RFC 8866 §6.10).
    pub not_utf8: bool,
    /// Times of `t=` may have fewer than ten digits (test tools send `t=0 1`; RFC 2327's examples).
    pub short_times: bool,
    /// Attribute names may hold any visible byte but `:`; the whole attribute may be empty (`a=`). Typed reads never match them.
    pub loose_attribute_names: bool,
    /// Values of `c=`, `b=`, `r=`, `z=`, `k=` are not checked when parsing (gateways of ATM and PSTN networks, RFC 3108 and 2848).
    pub unchecked_values: bool,
    /// Bounds.
    pub limits: Limits,
}

impl ParserConfig {
    /// RFC 8866 and nothing else.
    pub const fn strict() -> Self {
        Self {
            bare_line_feed: false,
            missing_final_line_end: false,
            blank_lines: false,
            empty_value: false,
            missing_session_name: false,
            missing_timing: false,
            loose_origin: false,
            missing_connection: false,
            line_order: false,
            unknown_lines: false,
            extra_spaces: false,
            missing_formats: false,
            not_utf8: false,
            short_times: false,
            loose_attribute_names: false,
            unchecked_values: false,
            limits: Limits::new(),
        }
    }

    /// What a telephone should use: all but the leniencies that blur what was meant
    /// (`loose_origin`, `unknown_lines`, `loose_attribute_names`, `unchecked_values`).
    pub const fn deployed() -> Self {
        Self {
            bare_line_feed: true,
            missing_final_line_end: true,
            blank_lines: true,
            empty_value: true,
            missing_session_name: true,
            missing_timing: true,
            missing_connection: true,
            line_order: true,
            extra_spaces: true,
            missing_formats: true,
            not_utf8: true,
            short_times: true,
            ..Self::strict()
        }
    }

    /// Every leniency: for tools that look at anything.
    pub const fn lenient() -> Self {
        Self {
            loose_origin: true,
            unknown_lines: true,
            loose_attribute_names: true,
            unchecked_values: true,
            ..Self::deployed()
        }
    }
}

impl Default for ParserConfig {
    fn default() -> Self {
        Self::strict()
    }
}
