//! What this side does in an exchange with a browser: shared by the replay of recorded exchanges (`exchanges.rs`) and by
//! the program that records them (`examples/browser.rs`).

use sip_sdp::SessionDescription;
use sip_sdp::attribute::{Direction, MaxMessageSize, SctpPort};
use sip_sdp::negotiation::{
    Bundle, Codec, LocalDtls, LocalIce, LocalMedia, LocalRtcp, LocalSession, NegotiationError,
    Negotiator, Session,
};

/// The offers this side makes, in order.
pub(crate) const OUR_OFFERS: [&str; 6] = ["first", "hold", "resume", "restart", "stop", "again"];

/// This side of a session with a browser.
pub(crate) struct Side {
    negotiator: Negotiator,
    local: LocalSession,
    /// How often its ICE credentials were changed.
    restarts: u32,
}

impl Side {
    /// With audio, video and a data channel.
    pub(crate) fn new() -> Self {
        let mut side = Self {
            negotiator: Negotiator::new(),
            local: LocalSession::new(1, "127.0.0.1").with_bundle(Bundle::Only),
            restarts: 0,
        };
        side.local.recycle_lines = true;
        side.add(LocalMedia::audio(
            4000,
            [
                Codec::OPUS.with_fmtp("minptime=10;useinbandfec=1"),
                Codec::PCMU,
                Codec::telephone_event(8000),
            ],
        ));
        side.add(video());
        let mut data = LocalMedia::new("application", 4000, "UDP/DTLS/SCTP");
        data.formats = vec!["webrtc-datachannel".into()];
        side.add(
            data.with_attribute(&SctpPort(5000))
                .with_attribute(&MaxMessageSize(262_144)),
        );
        side
    }

    /// Adds a medium with the transport that all of them share.
    fn add(&mut self, mut media: LocalMedia) {
        let protocols = media.protocols.clone();
        let is_rtp = !media.codecs.is_empty();
        let bytes: Vec<String> = (1..=32).map(|byte: u8| format!("{byte:02X}")).collect();
        media = media.with_dtls(LocalDtls::new("sha-256", bytes.join(":")));
        if is_rtp {
            media.extensions = vec![(3, "urn:ietf:params:rtp-hdrext:sdes:mid".into())];
            media.rtcp = LocalRtcp::Mux;
        } else {
            media.protocols = protocols;
        }
        self.local.media.push(media);
        self.renew();
    }

    /// ICE credentials for the number of restarts so far.
    fn renew(&mut self) {
        for media in &mut self.local.media {
            let mut ice = LocalIce::new(
                format!("our{}", self.restarts),
                format!("our-password-of-restart-{}", self.restarts),
            );
            ice.options = vec!["trickle".into()];
            media.ice = Some(ice);
        }
    }

    /// The answer to an offer of the browser; new credentials where it restarts ICE.
    pub(crate) fn answer(
        &mut self,
        offer: &SessionDescription,
    ) -> Result<String, NegotiationError> {
        if self.negotiator.is_ice_restart(offer) {
            self.restarts += 1;
            self.renew();
        }
        let answer = self.negotiator.answer(&self.local, offer)?;
        Ok(answer.description.to_string())
    }

    /// An offer by the name of its purpose.
    pub(crate) fn offer(&mut self, step: &str) -> Result<String, NegotiationError> {
        match step {
            "hold" | "resume" => self.local.hold(step == "hold"),
            "restart" => {
                self.restarts += 1;
                self.renew();
            }
            "stop" => {
                for media in self
                    .local
                    .media
                    .iter_mut()
                    .filter(|media| media.kind == "video")
                {
                    media.stopped = true;
                }
            }
            // Takes the line of the video that was stopped.
            "again" => self.add(video().with_direction(Direction::RecvOnly)),
            _ => {}
        }
        Ok(self.negotiator.offer(&self.local)?.to_string())
    }

    /// Takes the browser's answer.
    pub(crate) fn accept(&mut self, answer: &SessionDescription) -> Result<(), NegotiationError> {
        self.negotiator.accept(answer).map(drop)
    }

    /// What the browser should say it has: signalling state, then identification and direction of every RTP line in
    /// use, seen from there.
    pub(crate) fn expected_state(&self) -> String {
        let streams = self.negotiator.session().map(Session::active);
        let states = streams
            .into_iter()
            .flatten()
            .filter(|stream| stream.kind != "application")
            .map(|stream| {
                let mid = stream.mid.as_deref().unwrap_or_default();
                format!(", {mid} {}", stream.direction.reversed())
            });
        ["stable".to_owned()].into_iter().chain(states).collect()
    }
}

fn video() -> LocalMedia {
    LocalMedia::video(
        4000,
        [
            Codec::VP8
                .with_feedback("nack pli")
                .with_feedback("ccm fir"),
            Codec::new("rtx", 90_000),
        ],
    )
}
