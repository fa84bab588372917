//! `sip call`: call someone, play audio and record what is heard.

use std::path::PathBuf;
use std::time::Duration;

use sip_stack::agent::{Call, CallOptions, DialEvent, Dialing};
use sip_stack::media::{Discard, Silence, Sink, Source, ToneSource, WavFile, WavRecorder};
use sip_stack::message::{StatusCode, Uri};

use crate::client::{self, ClientArgs};
use crate::outcome::Outcome;
use crate::output::Output;
use crate::talk::Talk;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom to call: `sip:bob@example.com`, `bob@example.com`, or `bob` in one's own domain.
    target: String,
    /// Call as this address; its password is used when the peer asks for one.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    #[command(flatten)]
    pub(crate) audio: AudioArgs,
    /// Give up when nobody answers for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    ring_timeout: u64,
    /// Transfer the call to this address once it is up, and hang up when it has arrived there.
    #[arg(long, value_name = "ADDRESS")]
    transfer: Option<String>,
    /// Talk this long before the transfer.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        requires = "transfer"
    )]
    transfer_after: f64,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What is played, recorded and sent in a call.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AudioArgs {
    /// Play this WAV file, then hang up (unless --duration says when).
    #[arg(long, value_name = "WAV", conflicts_with = "tone")]
    pub(crate) play: Option<PathBuf>,
    /// Play a tone of this many hertz instead.
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u16).range(20..=4000))]
    tone: Option<u16>,
    /// Record what is heard to this WAV file (mono, 16 bit, 8 kHz); a second call goes to `NAME-2.wav`, and so on.
    #[arg(long, value_name = "WAV")]
    record: Option<PathBuf>,
    /// Send these digits once the call is answered (0-9, *, #, A-D; a comma waits half a second).
    #[arg(long, value_name = "DIGITS", value_parser = digits)]
    pub(crate) dtmf: Option<String>,
    /// Hang up after this long, whether the file has been played or not. Default: when the file has been played, or when the other side does.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// The codecs to offer, in order of preference: PCMU, PCMA.
    #[arg(long, value_name = "LIST")]
    pub(crate) codec: Option<String>,
}

fn digits(text: &str) -> Result<String, String> {
    match text
        .chars()
        .find(|c| !matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | ','))
    {
        Some(c) => Err(format!(
            "{c:?} is no key of a telephone; 0-9, *, #, A-D and a comma for a pause are"
        )),
        None => Ok(text.to_ascii_uppercase()),
    }
}

impl AudioArgs {
    /// The source of these options, and whether it ends by itself.
    pub(crate) fn source(&self) -> Result<Box<dyn Source>, Outcome> {
        if let Some(path) = &self.play {
            return Ok(Box::new(
                WavFile::open(path).map_err(|error| Outcome::Usage(format!("--play {error}")))?,
            ));
        }
        Ok(self.tone.map_or_else(
            || Box::new(Silence::new()) as Box<dyn Source>,
            |hertz| Box::new(ToneSource::new(f64::from(hertz))),
        ))
    }

    /// Where the call with this number is recorded: the first to the file that was named, the second to `name-2.wav`.
    pub(crate) fn sink(&self, number: u32) -> Result<Box<dyn Sink>, Outcome> {
        let Some(path) = &self.record else {
            return Ok(Box::new(Discard::new()));
        };
        let mut path = path.clone();
        if number > 1 {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let extension = path
                .extension()
                .map(|extension| format!(".{}", extension.to_string_lossy()))
                .unwrap_or_default();
            path.set_file_name(format!("{stem}-{number}{extension}"));
        }
        match WavRecorder::create(&path) {
            Ok(recorder) => Ok(Box::new(recorder)),
            Err(error) => Err(Outcome::Usage(format!("--record {error}"))),
        }
    }

    pub(crate) fn duration(&self) -> Result<Option<Duration>, Outcome> {
        self.duration
            .map(|seconds| {
                Duration::try_from_secs_f64(seconds).map_err(|_| {
                    Outcome::Usage(format!(
                        "--duration {seconds}: a number of seconds, such as 2.5, is wanted"
                    ))
                })
            })
            .transpose()
    }

    /// Refuses options that make no sense, before anything is sent.
    pub(crate) fn check(&self) -> Result<(), Outcome> {
        self.duration().map(|_| ())
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    match try_run(args).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn try_run(args: Args) -> Result<Outcome, Outcome> {
    let output = args.client.output();
    args.audio.check()?;
    let codecs = client::codecs(args.audio.codec.as_deref())?;
    let own = args
        .from
        .as_deref()
        .map(|from| client::address(from, None))
        .transpose()?;
    let target = client::address(&args.target, own.as_ref())?;
    let transfer = match &args.transfer {
        Some(to) => Some((
            client::address(to, own.as_ref())?,
            Duration::try_from_secs_f64(args.transfer_after).map_err(|_| {
                Outcome::Usage(format!(
                    "--transfer-after {}: a number of seconds is wanted",
                    args.transfer_after
                ))
            })?,
        )),
        None => None,
    };
    let source = args.audio.source()?;
    let sink = args.audio.sink(1)?;
    let account = args
        .from
        .as_deref()
        .map(|from| args.client.account(from))
        .transpose()?;
    let agent = args.client.agent(account, &codecs).await?;
    let options = CallOptions::new().ring_timeout(Duration::from_secs(args.ring_timeout));
    let mut dialing = agent.dial(target.as_str(), options).await?;
    output.event(
        "calling",
        serde_json::json!({ "target": target.as_str() }),
        &format!("calling {target}"),
    );
    let call = match ring(&mut dialing, output).await {
        Ok(call) => call,
        Err(outcome) => {
            agent.shutdown().await;
            return Err(outcome);
        }
    };
    let mut talk = Talk::new(&args.audio, output, 1);
    talk.transfer = transfer;
    let outcome = talk.run(call, source, sink).await;
    agent.shutdown().await;
    outcome
}

/// Waits until the call is answered, and cancels it when a person interrupts.
async fn ring(dialing: &mut Dialing, output: Output) -> Result<Call, Outcome> {
    loop {
        let event = tokio::select! {
            event = dialing.event() => event,
            _ = tokio::signal::ctrl_c() => {
                dialing.cancel().await;
                return Err(Outcome::Interrupted);
            }
        };
        match event {
            DialEvent::Progress { status, .. } => progress(status, output),
            DialEvent::Redirected { status, target } => redirected(status, &target, output),
            DialEvent::Answered(call) => return Ok(call),
            DialEvent::Failed(error) => {
                let outcome = Outcome::from(error);
                if let Outcome::Refused(status, reason) = &outcome {
                    output.event(
                        "rejected",
                        serde_json::json!({ "status": status.as_u16(), "reason": reason }),
                        "",
                    );
                }
                return Err(outcome);
            }
            other => tracing::debug!(?other, "an event that this program does not show"),
        }
    }
}

/// The call goes on to another place.
pub(crate) fn redirected(status: StatusCode, target: &Uri, output: Output) {
    let (code, reason) = (status.as_u16(), status.reason_phrase());
    output.event(
        "redirected",
        serde_json::json!({ "status": code, "target": target.as_str() }),
        &format!("{code} {reason}: trying {target}"),
    );
}

pub(crate) fn progress(status: StatusCode, output: Output) {
    let (name, text) = if status == StatusCode::RINGING {
        ("ringing", "ringing".to_owned())
    } else {
        let text = format!("{} {}", status.as_u16(), status.reason_phrase());
        ("progress", text)
    };
    output.event(
        name,
        serde_json::json!({ "status": status.as_u16() }),
        &text,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_keys_of_a_telephone() {
        assert_eq!(digits("12#a,").unwrap(), "12#A,");
        assert!(digits("12x").unwrap_err().contains("'x'"));
    }
}
