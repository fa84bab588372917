//! [`Talk`]: a call that is up plays, records, sends digits, is transferred, and ends.

use std::time::Duration;

use sip_stack::agent::{
    Call, CallEvent, CallOptions, DialEvent, Dialing, Party, TransferProgress, TransferRequest,
};
use sip_stack::media::{Sink, Source};
use sip_stack::message::Uri;

use crate::call::{AudioArgs, progress, redirected};
use crate::outcome::Outcome;
use crate::output::Output;

/// What is left of the audio in flight when the last frame has been sent: the peer's jitter buffer plays it out before
/// the BYE reaches it.
const TAIL: Duration = Duration::from_millis(300);

/// How long the other side of a call has to hang up by itself after it has had us call someone else.
const PARTING: Duration = Duration::from_secs(2);

/// How a call goes on once it is up.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    audio: &'a AudioArgs,
    output: Output,
    /// The number of the call, which names its recording.
    number: u32,
    /// Whom to transfer the other side to, and when.
    pub(crate) transfer: Option<(Uri, Duration)>,
}

/// What a call came to.
enum End {
    /// It is over.
    Over(Result<Outcome, Outcome>),
    /// Another one has taken its place.
    Replaced(Call),
}

impl<'a> Talk<'a> {
    pub(crate) const fn new(audio: &'a AudioArgs, output: Output, number: u32) -> Self {
        Self {
            audio,
            output,
            number,
            transfer: None,
        }
    }

    /// Talks until someone hangs up, in this call and in those that transfers make of it.
    pub(crate) async fn run(
        &mut self,
        call: Call,
        source: Box<dyn Source>,
        sink: Box<dyn Sink>,
    ) -> Result<Outcome, Outcome> {
        let (mut call, mut source, mut sink) = (call, source, sink);
        loop {
            match self.one(call, source, sink).await? {
                End::Over(outcome) => return outcome,
                End::Replaced(next) => {
                    call = next;
                    source = self.audio.source()?;
                    // The recording of the first call is complete; this one has its own.
                    self.number += 1;
                    sink = self.audio.sink(self.number)?;
                }
            }
        }
    }

    async fn one(
        &mut self,
        mut call: Call,
        source: Box<dyn Source>,
        sink: Box<dyn Sink>,
    ) -> Result<End, Outcome> {
        let output = self.output;
        output.event(
            "answered",
            serde_json::json!({ "codec": call.codec().name(), "remote": call.remote().to_string() }),
            &format!("answered by {} ({})", call.remote(), call.codec().name()),
        );
        call.record(sink);
        let played = call.start_playing(source);
        if let Some(digits) = &self.audio.dtmf {
            call.send_digits(digits);
        }
        let duration = self.audio.duration()?;
        // A length that was asked for goes before the length of the file that is played.
        let ends_with_audio = self.audio.play.is_some();
        let finished = async {
            match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None if ends_with_audio => {
                    let _ = played.await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::pin!(finished);
        let begun = tokio::time::Instant::now();
        let mut dialing: Option<Dialing> = None;
        let mut over = false;
        let mut refused = None;
        let party = loop {
            let due = self.transfer.as_ref().map(|(_, after)| begun + *after);
            tokio::select! {
                () = &mut finished => {
                    tokio::time::sleep(TAIL).await;
                    break Party::Local;
                }
                _ = tokio::signal::ctrl_c() => break Party::Local,
                () = until(due) => self.send(&mut call).await?,
                event = next(&mut dialing) => match event {
                    DialEvent::Progress { status, .. } => progress(status, output),
                    DialEvent::Redirected { status, target } => redirected(status, &target, output),
                    DialEvent::Answered(next) => {
                        self.leave(call, over).await?;
                        return Ok(End::Replaced(next));
                    }
                    DialEvent::Failed(error) => {
                        dialing = None;
                        self.failed(&error.to_string());
                        if over {
                            break Party::Remote;
                        }
                    }
                    other => tracing::debug!(?other, "an event that this program does not show"),
                },
                event = call.event(), if !over => match event {
                    CallEvent::Digit(digit) => {
                        output.event("dtmf", serde_json::json!({ "digit": digit.to_string() }), &format!("digit {digit}"));
                    }
                    CallEvent::Ended { by } if dialing.is_none() => break by,
                    // Who asked for another call need not wait for it.
                    CallEvent::Ended { .. } => over = true,
                    CallEvent::RecordingFailed(error) => {
                        output.event("error", serde_json::json!({ "message": error.to_string() }), &format!("recording stopped: {error}"));
                    }
                    CallEvent::TransferRequested(request) if dialing.is_none() => {
                        dialing = self.follow(request).await;
                    }
                    CallEvent::Transfer(transfer) => match self.told(transfer) {
                        Some(Ok(())) => break Party::Local,
                        Some(Err(outcome)) => {
                            refused = Some(outcome);
                            break Party::Local;
                        }
                        None => {}
                    },
                    other => tracing::debug!(?other, "an event that this program does not show"),
                },
            }
        };
        if let Some(mut dialing) = dialing {
            dialing.cancel().await;
        }
        let recorded = self.hang_up(call, party).await?;
        Ok(End::Over(match refused {
            Some(outcome) => Err(outcome),
            None => recorded,
        }))
    }

    /// Asks the other side to call someone else.
    async fn send(&mut self, call: &mut Call) -> Result<(), Outcome> {
        if let Some((to, _)) = self.transfer.take() {
            self.output.event(
                "transferring",
                serde_json::json!({ "target": to.as_str() }),
                &format!("transferring to {to}"),
            );
            call.transfer(to.as_str()).await?;
        }
        Ok(())
    }

    /// What is told of a transfer of ours; its outcome, once there is one.
    fn told(&self, transfer: TransferProgress) -> Option<Result<(), Outcome>> {
        match transfer {
            TransferProgress::Status(status) => {
                let code = status.as_u16();
                self.output.event(
                    "transfer",
                    serde_json::json!({ "status": code }),
                    &format!("transfer: {code} {}", status.reason_phrase()),
                );
                if status.is_success() {
                    return Some(Ok(()));
                }
                status
                    .is_final()
                    .then(|| Err(Outcome::Refused(status, status.reason_phrase().to_owned())))
            }
            TransferProgress::Failed(error) => {
                self.failed(&error.to_string());
                Some(Err(Outcome::from(error)))
            }
            other => {
                tracing::debug!(?other, "transfer");
                None
            }
        }
    }

    /// Does what the other side asks for.
    async fn follow(&self, request: TransferRequest) -> Option<Dialing> {
        let (target, by) = (request.target().clone(), request.referred_by());
        self.output.event(
            "transferred",
            serde_json::json!({ "target": target.as_str(), "by": by }),
            &format!("transferred to {target}"),
        );
        match request.accept(CallOptions::new()).await {
            Ok(dialing) => Some(dialing),
            Err(error) => {
                self.failed(&error.to_string());
                None
            }
        }
    }

    fn failed(&self, why: &str) {
        self.output.event(
            "transfer_failed",
            serde_json::json!({ "message": why }),
            &format!("the transfer has failed: {why}"),
        );
    }

    /// Ends a call that another one has replaced; the other side may do so first.
    async fn leave(&self, mut call: Call, over: bool) -> Result<(), Outcome> {
        let ended = async {
            if over {
                return Party::Remote;
            }
            loop {
                if let CallEvent::Ended { .. } = call.event().await {
                    return Party::Remote;
                }
            }
        };
        let party = tokio::time::timeout(PARTING, ended)
            .await
            .unwrap_or(Party::Local);
        self.hang_up(call, party).await?.map(|_| ())
    }

    /// Ends a call, and says how it was.
    async fn hang_up(&self, call: Call, party: Party) -> Result<Result<Outcome, Outcome>, Outcome> {
        let summary = call.hang_up().await?;
        let by = if party == Party::Local {
            "local"
        } else {
            "remote"
        };
        let rtp = &summary.rtp;
        self.output.event(
            "ended",
            serde_json::json!({
                "by": by,
                "seconds": (summary.duration.as_secs_f64() * 1000.0).round() / 1000.0,
                "rtp": { "sent": rtp.packets_sent, "received": rtp.packets_received, "lost": rtp.packets_lost, "jitter_ms": rtp.jitter.as_secs_f64() * 1000.0 },
            }),
            &format!(
                "ended by {} after {:.1} s; {} packets sent, {} received, {} lost, jitter {:.1} ms",
                if party == Party::Local { "us" } else { "the other side" },
                summary.duration.as_secs_f64(),
                rtp.packets_sent,
                rtp.packets_received,
                rtp.packets_lost,
                rtp.jitter.as_secs_f64() * 1000.0
            ),
        );
        Ok(match summary.recording {
            Some(error) => Err(Outcome::Failed(format!(
                "the recording is not complete: {error}"
            ))),
            None => Ok(Outcome::Done),
        })
    }
}

/// Waits for a time that may never be.
async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The next event of a call that is being made, if one is.
async fn next(dialing: &mut Option<Dialing>) -> DialEvent {
    match dialing {
        Some(dialing) => dialing.event().await,
        None => std::future::pending().await,
    }
}
