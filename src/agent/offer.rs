//! The adapter between session descriptions and the audio of a call (RFC 3264).

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use sip_sdp::negotiation::{
    Codec as SdpCodec, LocalSession, NegotiationError, Negotiator, Security, Session, Stream,
};
use sip_sdp::{ParseError, ParserConfig, SessionDescription};

use crate::media::{Codec, MediaConfig};

/// Offer and answer of one call.
#[derive(Debug)]
pub(super) struct Negotiation {
    local: LocalSession,
    negotiator: Negotiator,
}

/// Why two descriptions make no call.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCommonMedia {
    /// The body is no session description.
    #[error("the session description is not valid: {0}")]
    Syntax(ParseError),
    /// It is one, but not an offer or answer that can be followed.
    #[error("{0}")]
    Negotiation(NegotiationError),
    /// There is audio, but no codec in common, or none that is not encrypted.
    #[error("no audio codec in common; this telephone speaks {0}")]
    NoCodec(String),
    /// There was no description where one has to be.
    #[error("no session description where there has to be one")]
    NoAnswer,
}

impl Negotiation {
    /// A call whose audio arrives at `local`, with `codecs` in order of preference.
    pub(super) fn new(local: SocketAddr, codecs: &[Codec]) -> Self {
        // RFC 8866 section 5.2 recommends a time stamp: unique per host and user is what it is to be.
        let id = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |since| since.as_micros() as u64 & (u64::MAX >> 1));
        let mut list: Vec<SdpCodec> = codecs.iter().map(|codec| of(*codec)).collect();
        list.push(SdpCodec::telephone_event(8000));
        let local = LocalSession::new(id, local.ip()).audio(local.port(), list);
        Self {
            local,
            negotiator: Negotiator::new(),
        }
    }

    /// Our description, as an offer. An offer of ours that is still open is offered again.
    pub(super) fn offer(&mut self) -> Result<Vec<u8>, NoCommonMedia> {
        self.negotiator
            .offer(&self.local)
            .map(|offer| offer.to_vec())
            .map_err(NoCommonMedia::Negotiation)
    }

    /// What the answer to our offer makes of the call.
    pub(super) fn answered(&mut self, answer: &[u8]) -> Result<MediaConfig, NoCommonMedia> {
        let answer = parse(answer)?;
        let session = self
            .negotiator
            .accept(&answer)
            .map_err(NoCommonMedia::Negotiation)?;
        config(&session)
    }

    /// Our answer to an offer, and what it makes of the call.
    pub(super) fn answer(&mut self, offer: &[u8]) -> Result<(Vec<u8>, MediaConfig), NoCommonMedia> {
        let offer = parse(offer)?;
        let answer = self
            .negotiator
            .answer(&self.local, &offer)
            .map_err(NoCommonMedia::Negotiation)?;
        let config = config(&answer.session)?;
        Ok((answer.description.to_vec(), config))
    }
}

const fn of(codec: Codec) -> SdpCodec {
    match codec {
        Codec::Pcmu => SdpCodec::PCMU,
        Codec::Pcma => SdpCodec::PCMA,
    }
}

fn parse(body: &[u8]) -> Result<SessionDescription, NoCommonMedia> {
    SessionDescription::parse_with(body, &ParserConfig::deployed()).map_err(NoCommonMedia::Syntax)
}

fn config(session: &Session) -> Result<MediaConfig, NoCommonMedia> {
    let no_codec = || NoCommonMedia::NoCodec(Codec::ALL.map(Codec::name).join(" and "));
    let stream = session
        .active()
        .find(|stream| usable(stream))
        .ok_or_else(no_codec)?;
    let codec = stream.codec().ok_or_else(no_codec)?;
    let sends = Codec::from_name(&codec.name).ok_or_else(no_codec)?;
    let receive = stream
        .codecs
        .iter()
        .filter_map(|codec| Some((codec.receive_payload_type, Codec::from_name(&codec.name)?)))
        .collect();
    let remote = stream
        .remote_rtp
        .socket_addr()
        .filter(|remote| !remote.ip().is_unspecified() && remote.port() != 0);
    let remote_rtcp = if stream.rtcp_mux {
        None
    } else {
        stream.remote_rtcp.socket_addr()
    };
    Ok(MediaConfig {
        remote,
        remote_rtcp,
        codec: sends,
        receive,
        payload_type: codec.send_payload_type,
        events_send: stream
            .telephone_event()
            .map(|event| event.send_payload_type),
        events_receive: stream
            .telephone_event()
            .map(|event| event.receive_payload_type),
        sends: stream.sends() && !stream.remote_is_null,
        receives: stream.receives(),
    })
}

/// Plain audio: this version of the telephone has no encryption.
fn usable(stream: &Stream) -> bool {
    matches!(stream.security, Security::None)
        && stream
            .codec()
            .is_some_and(|codec| Codec::from_name(&codec.name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiation(port: u16, codecs: &[Codec]) -> Negotiation {
        Negotiation::new(SocketAddr::from(([192, 0, 2, 1], port)), codecs)
    }

    #[test]
    fn rfc3264_two_telephones_agree() {
        let mut caller = negotiation(4000, &[Codec::Pcmu, Codec::Pcma]);
        let mut callee = negotiation(5000, &[Codec::Pcma]);
        let offer = caller.offer().unwrap();
        let (answer, of_callee) = callee.answer(&offer).unwrap();
        let of_caller = caller.answered(&answer).unwrap();
        assert_eq!(
            (of_caller.codec, of_callee.codec),
            (Codec::Pcma, Codec::Pcma)
        );
        assert_eq!(
            of_caller.remote,
            Some(SocketAddr::from(([192, 0, 2, 1], 5000)))
        );
        assert_eq!(
            of_callee.remote,
            Some(SocketAddr::from(([192, 0, 2, 1], 4000)))
        );
        assert_eq!(
            of_caller.remote_rtcp,
            Some(SocketAddr::from(([192, 0, 2, 1], 5001)))
        );
        assert!(
            of_caller.events_send.is_some() && of_caller.events_send == of_callee.events_receive
        );
        assert!(of_caller.sends && of_caller.receives);
    }

    #[test]
    fn rfc3264_8_4_hold_stops_what_we_send() {
        let mut callee = negotiation(5000, &[Codec::Pcmu]);
        let offer = |version: u8, direction: &str| {
            format!(
                "v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na={direction}\r\n"
            )
        };
        assert!(
            callee
                .answer(offer(1, "sendrecv").as_bytes())
                .unwrap()
                .1
                .sends
        );
        let (answer, held) = callee.answer(offer(2, "sendonly").as_bytes()).unwrap();
        assert!(!held.sends && held.receives);
        assert!(String::from_utf8(answer).unwrap().contains("a=recvonly"));
        assert!(
            callee
                .answer(offer(3, "sendrecv").as_bytes())
                .unwrap()
                .1
                .sends
        );
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_with_its_reason() {
        let mut callee = negotiation(5000, &[Codec::Pcmu]);
        let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
        assert!(
            callee
                .answer(offer.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("PCMU and PCMA")
        );
        assert!(
            callee
                .answer(b"hello")
                .unwrap_err()
                .to_string()
                .contains("not valid")
        );
    }
}
