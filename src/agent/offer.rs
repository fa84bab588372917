//! The adapter between session descriptions and the audio of a call (RFC 3264).

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sip_dialog::{Body, SessionBody};
use sip_message::StatusCode;
use sip_sdp::negotiation::{
    Codec as SdpCodec, LocalSession, NegotiationError, Negotiator, Security, Session, Stream,
};
use sip_sdp::{ParseError, ParserConfig, SessionDescription};

use super::AgentError;
use crate::media::{Codec, MediaConfig};

/// Offer and answer of one call: the [`SessionBody`] that the dialog layer asks. Clones share the session, as its worker and its owner
/// both look at it.
#[derive(Debug, Clone)]
pub(super) struct Negotiation(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    local: LocalSession,
    negotiator: Negotiator,
    /// What the last exchange came to, until it is taken.
    outcome: Option<Result<MediaConfig, NoCommonMedia>>,
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
        Self(Arc::new(Mutex::new(State {
            local: session(local, codecs),
            negotiator: Negotiator::new(),
            outcome: None,
        })))
    }

    /// What was agreed in an exchange that nobody has asked about yet.
    pub(super) fn agreed(&self) -> Option<MediaConfig> {
        let mut state = self.state();
        let agreed = state.outcome.take_if(|outcome| outcome.is_ok())?;
        agreed.ok()
    }

    /// Whether the last exchange has come to something that was not asked about.
    pub(super) fn has_agreed(&self) -> bool {
        matches!(self.state().outcome, Some(Ok(_)))
    }

    /// Why the last exchange came to nothing, if it did.
    pub(super) fn failed(&self) -> Option<AgentError> {
        let mut state = self.state();
        let failed = state.outcome.take_if(|outcome| outcome.is_err())?;
        let error = failed.err()?;
        Some(AgentError::NoCommonMedia(error.to_string()))
    }

    /// The same where there is no other explanation than that a description is missing.
    pub(super) fn failure(&self) -> AgentError {
        self.failed()
            .unwrap_or_else(|| AgentError::NoCommonMedia(NoCommonMedia::NoAnswer.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Our description, as an offer. An offer of ours that is still open is offered again.
    fn offer(&mut self) -> Result<Body, NoCommonMedia> {
        self.negotiator
            .offer(&self.local)
            .map(|offer| Body::sdp(offer.to_vec()))
            .map_err(NoCommonMedia::Negotiation)
    }

    /// What the answer to our offer makes of the call.
    fn answered(&mut self, answer: &[u8]) -> Result<MediaConfig, NoCommonMedia> {
        let answer = parse(answer)?;
        // RFC 4028 section 7.4: a re-INVITE that only refreshes the call has offered what was described last; otherwise an offer waits, and
        // no other is made.
        let _ = self.negotiator.offer(&self.local);
        let session = self
            .negotiator
            .accept(&answer)
            .map_err(NoCommonMedia::Negotiation)?;
        config(&session)
    }

    /// Our answer to an offer, and what it makes of the call.
    fn answer(&mut self, offer: &[u8]) -> Result<(Body, MediaConfig), NoCommonMedia> {
        let offer = parse(offer)?;
        let answer = self
            .negotiator
            .answer(&self.local, &offer)
            .map_err(NoCommonMedia::Negotiation)?;
        let config = config(&answer.session)?;
        Ok((Body::sdp(answer.description.to_vec()), config))
    }

    fn failed(&mut self, error: NoCommonMedia) -> StatusCode {
        self.outcome = Some(Err(error));
        // RFC 6337 section 2.3.
        StatusCode::NOT_ACCEPTABLE_HERE
    }
}

impl SessionBody for Negotiation {
    fn offer(&mut self) -> Result<Body, StatusCode> {
        let mut state = self.state();
        state.offer().map_err(|error| state.failed(error))
    }

    fn answer(&mut self, offer: &Body) -> Result<Body, StatusCode> {
        let mut state = self.state();
        match state.answer(&offer.content) {
            Ok((answer, config)) => {
                state.outcome = Some(Ok(config));
                Ok(answer)
            }
            Err(error) => Err(state.failed(error)),
        }
    }

    fn answered(&mut self, answer: &Body) -> Result<(), StatusCode> {
        let mut state = self.state();
        match state.answered(&answer.content) {
            Ok(config) => {
                state.outcome = Some(Ok(config));
                Ok(())
            }
            Err(error) => Err(state.failed(error)),
        }
    }

    fn rolled_back(&mut self) {
        // Without an open offer there is nothing to take back.
        let _ = self.state().negotiator.rollback();
    }

    fn warning(&self) -> Option<String> {
        // RFC 3261 section 20.43: 305 is an incompatible media format.
        let state = self.state();
        let Some(Err(error)) = &state.outcome else {
            return None;
        };
        let text = error.to_string().replace(['"', '\\', '\r', '\n'], " ");
        Some(format!("305 {} \"{text}\"", state.local.address))
    }
}

/// RFC 3264 section 9: all that a telephone with these codecs can do, and no session.
pub(super) fn capabilities(address: IpAddr, codecs: &[Codec]) -> Option<Body> {
    let session = session(SocketAddr::new(address, 0), codecs);
    let description = session.capabilities(session.session_id).ok()?;
    Some(Body::sdp(description.to_vec()))
}

fn session(local: SocketAddr, codecs: &[Codec]) -> LocalSession {
    // RFC 8866 section 5.2 recommends a time stamp: unique per host and user is what it is to be.
    let id = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_micros() as u64 & (u64::MAX >> 1));
    let mut list: Vec<SdpCodec> = codecs.iter().map(|codec| of(*codec)).collect();
    list.push(SdpCodec::telephone_event(8000));
    LocalSession::new(id, local.ip()).audio(local.port(), list)
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

    /// Our answer to an offer, and what it makes of the call.
    fn answer(negotiation: &mut Negotiation, offer: &str) -> (String, MediaConfig) {
        let answer = negotiation.answer(&Body::sdp(offer.to_owned())).unwrap();
        let text = String::from_utf8(answer.content.to_vec()).unwrap();
        (text, negotiation.agreed().unwrap())
    }

    #[test]
    fn rfc3264_two_telephones_agree() {
        let mut caller = negotiation(4000, &[Codec::Pcmu, Codec::Pcma]);
        let mut callee = negotiation(5000, &[Codec::Pcma]);
        let offer = caller.offer().unwrap();
        let answer = callee.answer(&offer).unwrap();
        caller.answered(&answer).unwrap();
        let (of_caller, of_callee) = (caller.agreed().unwrap(), callee.agreed().unwrap());
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
        assert!(answer(&mut callee, &offer(1, "sendrecv")).1.sends);
        let (text, held) = answer(&mut callee, &offer(2, "sendonly"));
        assert!(!held.sends && held.receives);
        assert!(text.contains("a=recvonly"));
        assert!(answer(&mut callee, &offer(3, "sendrecv")).1.sends);
        assert!(callee.agreed().is_none(), "it is taken once");
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_with_its_reason() {
        let mut callee = negotiation(5000, &[Codec::Pcmu]);
        let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
        for (offer, reason) in [(offer, "PCMU and PCMA"), ("hello", "not valid")] {
            let status = callee.answer(&Body::sdp(offer)).unwrap_err();
            assert_eq!(status, StatusCode::NOT_ACCEPTABLE_HERE);
            let warning = callee.warning().unwrap();
            assert!(
                warning.starts_with("305 192.0.2.1 \"") && warning.contains(reason),
                "{warning}"
            );
            let error = callee.failed().unwrap().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn rfc4028_7_4_a_refresh_is_answered() {
        let (mut caller, mut callee) = (
            negotiation(4000, &[Codec::Pcmu]),
            negotiation(5000, &[Codec::Pcmu, Codec::Pcma]),
        );
        let offer = caller.offer().unwrap();
        let first = callee.answer(&offer).unwrap();
        caller.answered(&first).unwrap();
        assert!(caller.agreed().is_some());
        // The dialog layer has sent the offer once more; the other side holds the call with its answer.
        let first_text = String::from_utf8(first.content.to_vec()).unwrap();
        let held = first_text.replace("a=sendrecv\r\n", "") + "a=inactive\r\n";
        caller.answered(&Body::sdp(held)).unwrap();
        assert!(!caller.agreed().unwrap().sends);
        // The callee refreshes too, with its answer for an offer.
        let reply = caller.answer(&first).unwrap();
        callee.answered(&reply).unwrap();
        assert!(callee.agreed().unwrap().sends);
    }

    #[test]
    fn rfc3261_14_1_an_offer_that_is_refused_is_taken_back() {
        let mut caller = negotiation(4000, &[Codec::Pcmu]);
        let mut callee = negotiation(5000, &[Codec::Pcmu]);
        let first = caller.offer().unwrap();
        let reply = callee.answer(&first).unwrap();
        caller.answered(&reply).unwrap();
        caller.offer().unwrap();
        caller.rolled_back();
        // With an offer of its own open, it could not answer this one.
        let theirs = callee.offer().unwrap();
        assert!(caller.answer(&theirs).is_ok());
    }
}
