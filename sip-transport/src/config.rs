//! [`TransportConfig`] and [`Limits`].

use std::time::Duration;

use sip_message::ParserConfig;

use crate::kind::TransportKind;

/// How [`Transports`](crate::Transports) behaves. A time of `Duration::MAX` means never.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportConfig {
    /// What the parser accepts, and its limits.
    pub parser: ParserConfig,
    /// The bounds. See [`Limits`].
    pub limits: Limits,
    /// A request larger than this goes over TCP if the target allows (RFC 3261 §18.1.1). Bytes; default 1300.
    pub datagram_size: usize,
    /// Transports over which connections can be opened without a listener of the same transport: what the driver can
    /// do. Default TCP.
    pub client_transports: Vec<TransportKind>,
    /// Do the `maddr` and, when the source is not there any more, the name in the sent-by of a Via direct the response
    /// to a datagram (RFC 3261 §18.2.2, RFC 3263 §5)? Default yes, as the RFCs have it; off on servers that do not want
    /// to send to an address that the sender of a datagram wrote down.
    pub honour_maddr: bool,
    /// Ask for NAPTR and SRV records (RFC 3263)? Needs a driver that can. Default no: address records only.
    pub service_records: bool,
    /// How long a datagram flow lives without a message in either direction. Default 10 minutes, longer than a
    /// phone rings (Timer C, RFC 3261 §16.6).
    pub datagram_idle: Duration,
    /// How long a connection lives without a byte in either direction. Default one hour, the usual time of a
    /// registration, because a phone that registered over it is reached over it.
    pub stream_idle: Duration,
    /// How long a connection may take to bring its first message. Default 30 seconds.
    pub first_message: Duration,
    /// How long the security handshake of a connection that was accepted may take. Default 10 seconds; of one that we
    /// open it is part of [`connect_time`](Self::connect_time).
    pub handshake_time: Duration,
    /// How long a message may take from its first byte to its last. Default 10 seconds.
    pub message_time: Duration,
    /// How long a peer may leave what we send unread. Default 30 seconds.
    pub write_time: Duration,
    /// How long opening a connection may take. Default 10 seconds.
    pub connect_time: Duration,
    /// How long one address of a target that has some of both families has before a connection to the next one is
    /// tried at the same time (RFC 8305 §5). Default 250 milliseconds; a name without both families is not raced.
    pub attempt_delay: Duration,
    /// How long a selection may wait for the domain name system. Default 10 seconds.
    pub resolve_time: Duration,
    /// How long a place that failed comes after others in selections (RFC 3263 §4.3). Default 60 seconds.
    pub failing_time: Duration,
    /// Say `alias` in the Via of requests over TLS connections that we open, so that the peer sends its own requests over them
    /// (RFC 5923 §8.1)? For servers that have a certificate and show it: a peer that sees none must not believe it (§9.2).
    /// Where [`danger_alias_without_certificate`](Self::danger_alias_without_certificate) is set it is said over TCP too.
    /// Default no.
    pub alias: bool,
    /// Believe `alias` (RFC 5923) on connections without a certificate of the peer too? Then whoever can connect from a
    /// host can take over the requests to any port of it. For closed networks of servers. Default no: an alias needs a
    /// certificate.
    pub danger_alias_without_certificate: bool,
    /// The key of flow tokens (RFC 5626 §5.2). `None`, the default, for one from the seed: then no token is good after
    /// a restart. With a key that is kept the tokens of UDP flows are.
    pub flow_token_key: Option<[u8; 32]>,
    /// How long a connection whose peer has shut its side is kept for the answers that the peer is owed. Default
    /// 3 minutes, the Timer C of RFC 3261 §16.6. One that is owed nothing is closed at once.
    pub half_closed_time: Duration,
    /// How long a flow whose connection was closed can be reopened to answer requests that came over it. Default
    /// 40 seconds: the 64*T1 of RFC 3261 §18 and some.
    pub reopen_time: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            parser: ParserConfig::default(),
            limits: Limits::default(),
            datagram_size: 1300,
            client_transports: vec![TransportKind::Tcp],
            honour_maddr: true,
            service_records: false,
            datagram_idle: Duration::from_secs(600),
            stream_idle: Duration::from_secs(3600),
            first_message: Duration::from_secs(30),
            handshake_time: Duration::from_secs(10),
            message_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            connect_time: Duration::from_secs(10),
            attempt_delay: Duration::from_millis(250),
            resolve_time: Duration::from_secs(10),
            failing_time: Duration::from_secs(60),
            alias: false,
            danger_alias_without_certificate: false,
            flow_token_key: None,
            half_closed_time: Duration::from_secs(180),
            reopen_time: Duration::from_secs(40),
        }
    }
}

/// The longest time that means anything: a clock has room for it, so that adding it never overflows.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

impl TransportConfig {
    /// Without times that are longer than a clock has room for: `Duration::MAX` means never.
    pub(crate) fn clamped(mut self) -> Self {
        for time in [
            &mut self.datagram_idle,
            &mut self.stream_idle,
            &mut self.first_message,
            &mut self.handshake_time,
            &mut self.message_time,
            &mut self.write_time,
            &mut self.connect_time,
            &mut self.attempt_delay,
            &mut self.resolve_time,
            &mut self.failing_time,
            &mut self.half_closed_time,
            &mut self.reopen_time,
        ] {
            *time = (*time).min(FOR_EVER);
        }
        self
    }
}

/// Every bound of this layer, each with what it stops. See also [`ParserConfig::limits`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Datagram flows at once. Stops a flood of forged sources from filling memory: the flow that was longest without
    /// use makes room. Default 65,536.
    pub datagram_flows: usize,
    /// Connections at once, in both directions. Default 20,000.
    pub connections: usize,
    /// Accepted connections from one address. Stops one host from taking all. Default 2,000.
    pub connections_per_peer: usize,
    /// Bytes that wait to be sent on one connection. Stops a peer that does not read. Default 256 KiB.
    pub output_bytes: usize,
    /// Selections that wait for the domain name system. Default 4,096.
    pub selections: usize,
    /// Failed places that are remembered. Default 1,024.
    pub failing: usize,
    /// Addresses of one target that are used. Stops an answer with thousands of records. Default 16.
    pub addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            datagram_flows: 65_536,
            connections: 20_000,
            connections_per_peer: 2_000,
            output_bytes: 256 * 1024,
            selections: 4_096,
            failing: 1_024,
            addresses: 16,
        }
    }
}
