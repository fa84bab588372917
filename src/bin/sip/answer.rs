//! `sip answer`: wait for calls and answer them.

use std::time::Duration;

use sip_stack::agent::{IncomingCall, RegisterOptions};
use sip_stack::media::Discard;
use sip_stack::message::StatusCode;
use tokio::task::JoinSet;

use crate::call::AudioArgs;
use crate::client::{self, ClientArgs};
use crate::outcome::Outcome;
use crate::output::Output;
use crate::register::report;
use crate::talk::Talk;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address to answer for; it is registered with its host. Without one, calls to this machine's addresses are answered.
    aor: Option<String>,
    /// The registrar, when it is not the host of the address.
    #[arg(long, value_name = "URI", requires = "aor")]
    registrar: Option<String>,
    /// Do not register the address.
    #[arg(long, conflicts_with = "registrar")]
    no_register: bool,
    #[command(flatten)]
    audio: AudioArgs,
    /// Ring this long before answering.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    ring: f64,
    /// Do not answer: refuse every call with this status (400 to 699).
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=699))]
    reject: Option<u16>,
    /// Refuse every call as busy (486).
    #[arg(long, conflicts_with = "reject")]
    busy: bool,
    /// Call someone else when the other side of a call asks for it (a transfer), and go on with that call.
    #[arg(long)]
    accept_transfer: bool,
    /// Exit after this many calls.
    #[arg(long, value_name = "N")]
    calls: Option<u32>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

pub(crate) async fn run(args: Args) -> Outcome {
    match try_run(args).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn try_run(args: Args) -> Result<Outcome, Outcome> {
    let output = args.client.output();
    args.audio.check()?;
    let ring = Duration::try_from_secs_f64(args.ring).map_err(|_| {
        Outcome::Usage(format!(
            "--ring {}: a number of seconds is wanted",
            args.ring
        ))
    })?;
    let refusal = match (args.busy, args.reject) {
        (true, _) => Some(StatusCode::BUSY_HERE),
        (false, Some(status)) => Some(
            StatusCode::from_u16(status)
                .ok_or_else(|| Outcome::Usage(format!("--reject {status}: not a status")))?,
        ),
        (false, None) => None,
    };
    let codecs = client::codecs(args.audio.codec.as_deref())?;
    // Opened once before the first call, so that a file that cannot be played is known at once.
    args.audio.source()?;
    let account = args
        .aor
        .as_deref()
        .map(|aor| args.client.account(aor))
        .transpose()?;
    let agent = args
        .client
        .agent_with(account, &codecs, |builder| {
            builder.accept_transfers(args.accept_transfer)
        })
        .await?;
    let addresses: Vec<String> = agent.addresses().iter().map(ToString::to_string).collect();
    output.event(
        "listening",
        serde_json::json!({ "addresses": addresses }),
        &format!("listening on {}", addresses.join(", ")),
    );
    let registered = args.aor.is_some() && !args.no_register;
    if registered {
        let mut options = RegisterOptions::new();
        if let Some(registrar) = &args.registrar {
            options = options.registrar(client::address(registrar, None)?);
        }
        let registration = tokio::select! {
            registered = agent.register_with(options) => registered?,
            _ = tokio::signal::ctrl_c() => return Ok(Outcome::Interrupted),
        };
        report(&registration, output, "registered");
    }
    let mut ended = Outcome::Done;
    let mut calls = JoinSet::new();
    let mut taken = 0;
    // Calls are answered side by side; with --calls, the last of them ends the program.
    loop {
        let waits = args.calls.is_none_or(|calls| taken < calls);
        if !waits && calls.is_empty() {
            break;
        }
        tokio::select! {
            incoming = agent.incoming(), if waits => {
                let Some(incoming) = incoming else { break };
                taken += 1;
                output.event("incoming", serde_json::json!({ "from": incoming.from() }), &format!("call from {}", incoming.from()));
                let audio = args.audio.clone();
                calls.spawn(async move {
                    match take(incoming, refusal, ring, &audio, taken, output).await {
                        Ok(outcome) | Err(outcome) => outcome,
                    }
                });
            }
            Some(outcome) = calls.join_next() => {
                ended = outcome.unwrap_or_else(|error| Outcome::Failed(format!("a call failed: {error}")));
                if !matches!(ended, Outcome::Done) && waits {
                    // One call that went wrong is said, and the next one is waited for.
                    ended.say(args.client.json);
                }
            }
            _ = tokio::signal::ctrl_c() => {
                // Each call hangs up by itself on the same signal.
                while let Some(outcome) = calls.join_next().await {
                    ended = outcome.unwrap_or(Outcome::Interrupted);
                }
                break;
            }
        }
    }
    if registered {
        // Best effort: a registrar that does not answer any more lets the binding expire.
        let _ = agent.unregister().await;
    }
    agent.shutdown().await;
    Ok(ended)
}

async fn take(
    mut incoming: IncomingCall,
    refusal: Option<StatusCode>,
    ring: Duration,
    audio: &AudioArgs,
    number: u32,
    output: Output,
) -> Result<Outcome, Outcome> {
    let sink = if refusal.is_none() {
        audio.sink(number)?
    } else {
        Box::new(Discard::new())
    };
    let source = audio.source()?;
    if !ring.is_zero() {
        incoming.ring().await?;
        output.event("ringing", serde_json::json!({ "status": 180 }), "ringing");
        tokio::select! {
            () = tokio::time::sleep(ring) => {}
            () = incoming.cancelled() => {
                output.event("cancelled", serde_json::json!({}), "the caller gave up");
                return Ok(Outcome::Done);
            }
        }
    }
    if let Some(status) = refusal {
        incoming.reject(status).await?;
        output.event(
            "refused",
            serde_json::json!({ "status": status.as_u16() }),
            &format!("refused with {}", status.as_u16()),
        );
        return Ok(Outcome::Done);
    }
    let call = incoming.accept().await?;
    Talk::new(audio, output, number)
        .run(call, source, sink)
        .await
}
