//! What the parser accepts: [`ParserConfig`] and its [`Limits`].

/// What the parser accepts beyond the grammar, and the bounds it keeps.
///
/// Strict by default. Each leniency names the peer that needs it and the risk it adds. Framing on streams knows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParserConfig {
    /// The bounds. See [`Limits`].
    pub limits: Limits,
    /// Accept header fields that are not UTF-8 (RFC 3261 §7).
    ///
    /// Needed by gateways that put a display name in ISO 8859-1 into From. The text accessors do not see such a
    /// field, typed access answers an error, and it is forwarded as it came. Risk: log and database code downstream.
    pub accept_non_utf8: bool,
    /// Accept control characters other than HTAB, and a CR without LF, inside header fields of datagrams and streams.
    ///
    /// Needed by no peer we know to be current; old SBCs were seen to pass them. Risk: elements that split lines at a
    /// bare CR read other fields than we do.
    pub accept_control_characters: bool,
}

/// Bounds on one message, each with the attack it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a whole message, body included. Stops a stream peer from making us buffer without end. Default 65,535,
    /// which is also all that a datagram can carry (RFC 3261 §18.1.1).
    pub message_size: usize,
    /// Bytes of the start line and header fields together. Stops a head that never ends. Default 32,768.
    pub head_size: usize,
    /// Number of header fields. Stops quadratic work in lookups. Default 256.
    pub fields: usize,
    /// Bytes of one header field, name and folds included. Stops long work in one decoder. Default 16,384.
    pub field_size: usize,
    /// Bytes of the start line. Stops a line that never ends. Default 8,192.
    pub start_line_size: usize,
    /// Parameters of one value of a header field, those of a URI in it included, and of the Request-URI. Stops quadratic
    /// work in the comparison of URIs (RFC 3261 §19.1.4) and long work in each look for one parameter. Default 128.
    pub parameters: usize,
    /// Parts of one multipart body (RFC 5621). Stops a body of boundaries alone from making a part of every few bytes.
    /// Default 64.
    pub body_parts: usize,
    /// How deep multipart bodies may be nested. Stops a body that is nested as often as it has room for. Default 8.
    pub body_depth: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 65_535,
            head_size: 32_768,
            fields: 256,
            field_size: 16_384,
            start_line_size: 8_192,
            parameters: 128,
            body_parts: 64,
            body_depth: 8,
        }
    }
}
