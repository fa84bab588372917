//! [`Call`]: a call that is up.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip_dialog::{Event, SubscriptionId};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::leg::Leg;
use super::offer::Negotiation;
use super::transfer::{TransferProgress, TransferRequest};
use super::{AgentError, Codec, UserAgent};
use crate::media::{
    MediaConfig, MediaError, MediaEvent, MediaPort, MediaSession, MediaStatistics, Sink, Source,
};

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a call has two ends")]
pub enum Party {
    /// We did.
    Local,
    /// The other side, or the network between us.
    Remote,
}

/// What happens during a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallEvent {
    /// The other side pressed a key.
    Digit(char),
    /// The other side wants to transfer this call: to be accepted or refused.
    TransferRequested(TransferRequest),
    /// How far a transfer is that we have asked for with [`Call::transfer`].
    Transfer(TransferProgress),
    /// The recording stopped.
    RecordingFailed(std::io::Error),
    /// The call is over; [`Call::hang_up`] still gives the summary.
    Ended {
        /// Who ended it.
        by: Party,
    },
}

/// A call that is up. Dropping it hangs up.
#[derive(Debug)]
pub struct Call {
    pub(super) leg: Leg,
    pub(super) agent: UserAgent,
    /// Transfers that we have asked for, and of which the other side tells.
    pub(super) transfers: Vec<SubscriptionId>,
    media: Option<MediaSession>,
    negotiation: Negotiation,
    codec: Codec,
    remote: String,
    started: Instant,
    ended: Option<(Party, Instant)>,
    /// An offer or answer of the other side that is being seen to.
    negotiating: Option<JoinHandle<Result<bool, AgentError>>>,
}

/// A call that is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallSummary {
    /// How long it was up.
    pub duration: Duration,
    /// What its audio did.
    pub rtp: MediaStatistics,
    /// What went wrong with the recording.
    pub recording: Option<std::io::Error>,
}

impl Call {
    pub(super) fn new(
        leg: Leg,
        agent: UserAgent,
        seed: [u8; 32],
        port: MediaPort,
        config: MediaConfig,
        negotiation: Negotiation,
        remote: &str,
    ) -> Self {
        let codec = config.codec;
        let media = Some(MediaSession::start(port, config, seed));
        Self {
            leg,
            agent,
            transfers: Vec::new(),
            media,
            negotiation,
            codec,
            remote: remote.to_owned(),
            started: Instant::now(),
            ended: None,
            negotiating: None,
        }
    }

    /// The codec that we send.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Who is at the other end: the Contact of whom we called, the From of who called us.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// How long the call has been up.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.ended
            .map_or_else(Instant::now, |(_, at)| at)
            .saturating_duration_since(self.started)
    }

    /// Plays `source` to its end. A call that ends meanwhile ends it.
    pub async fn play(&self, source: impl Source + 'static) {
        let _ = self.start_playing(Box::new(source)).await;
    }

    /// Plays `source`; the receiver resolves when it has ended.
    pub fn start_playing(&self, source: Box<dyn Source>) -> oneshot::Receiver<()> {
        match &self.media {
            Some(media) => media.play(source),
            None => oneshot::channel().1,
        }
    }

    /// Writes what is heard to `sink` from now on.
    pub fn record(&self, sink: Box<dyn Sink>) {
        if let Some(media) = &self.media {
            media.record(sink);
        }
    }

    /// Presses keys (RFC 4733): 0-9, `*`, `#`, A-D; a comma waits half a second.
    pub fn send_digits(&self, digits: &str) {
        if let Some(media) = &self.media {
            media.send_digits(digits);
        }
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn event(&mut self) -> CallEvent {
        loop {
            if let Some((by, _)) = self.ended {
                return CallEvent::Ended { by };
            }
            if let Some(negotiating) = &mut self.negotiating {
                let negotiated = negotiating.await;
                self.negotiating = None;
                self.on_negotiated(matches!(negotiated, Ok(Ok(_))));
            }
            let media = async {
                match &mut self.media {
                    Some(media) => media.event().await,
                    None => None,
                }
            };
            tokio::select! {
                event = self.leg.events.recv() => match event {
                    Some(event) if event.is_end() => self.end(Party::Remote),
                    None => self.end(Party::Remote),
                    Some(event) => {
                        if let Some(told) = self.on_event(event) {
                            return told;
                        }
                    }
                },
                Some(event) = media => match event {
                    MediaEvent::Digit(digit) => return CallEvent::Digit(digit),
                    MediaEvent::RecordingFailed(error) => return CallEvent::RecordingFailed(error),
                },
            }
        }
    }

    /// Hangs up, unless the other side has, and tells how the call was.
    ///
    /// # Errors
    /// The user agent has stopped.
    pub async fn hang_up(mut self) -> Result<CallSummary, AgentError> {
        // What has arrived meanwhile may be the other side's BYE.
        while let Ok(event) = self.leg.events.try_recv() {
            if event.is_end() {
                self.end(Party::Remote);
            }
        }
        if self.ended.is_none() {
            self.end(Party::Local);
            self.leg
                .run(|dialogs, session, transactions, now| dialogs.end(session, transactions, now))
                .await?;
            self.leg.over = false;
        }
        let ended = self.ended.map_or_else(Instant::now, |(_, at)| at);
        let (rtp, recording) = match self.media.take() {
            Some(media) => media.stop().await,
            None => (MediaStatistics::default(), None),
        };
        if !self.leg.over {
            self.leg.part().await;
        }
        Ok(CallSummary {
            duration: ended.saturating_duration_since(self.started),
            rtp,
            recording,
        })
    }

    fn end(&mut self, by: Party) {
        self.leg.over = true;
        self.ended.get_or_insert_with(|| (by, Instant::now()));
    }

    /// What is neither the end nor of the audio.
    fn on_event(&mut self, event: Event) -> Option<CallEvent> {
        let event = match self.on_transfer(event) {
            Ok(told) => return told,
            Err(other) => other,
        };
        // The other side changes the session, or answers what we have offered.
        self.negotiating = Some(self.leg.negotiate(*event, &self.negotiation));
        None
    }

    fn on_negotiated(&mut self, done: bool) {
        if !done {
            tracing::debug!("a later offer was not answered");
        }
        if let Some(config) = self.negotiation.agreed() {
            self.configure(config);
        } else if let Some(error) = self.negotiation.failed() {
            tracing::debug!(%error, "a later offer cannot be accepted");
        }
    }

    fn configure(&mut self, config: MediaConfig) {
        self.codec = config.codec;
        if let Some(media) = &self.media {
            media.configure(config);
        }
    }
}

pub(super) async fn bind(address: IpAddr) -> Result<MediaPort, AgentError> {
    MediaPort::bind(address)
        .await
        .map_err(|error| MediaError::Ports(address, error).into())
}
