//! `sip ping`: ask a SIP element whether it is there (OPTIONS, RFC 3261 section 11).

use std::time::{Duration, Instant};

use crate::client::{self, ClientArgs};
use crate::outcome::Outcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom to ask: `sip:example.com`, `example.com:5070`, `bob@example.com`.
    target: String,
    /// How many times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long to wait between two questions.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,
    /// Ask as this address.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
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
    let interval = Duration::try_from_secs_f64(args.interval).map_err(|_| {
        Outcome::Usage(format!(
            "--interval {}: a number of seconds is wanted",
            args.interval
        ))
    })?;
    let own = args
        .from
        .as_deref()
        .map(|from| client::address(from, None))
        .transpose()?;
    let target = client::address(&args.target, own.as_ref())?;
    let account = args
        .from
        .as_deref()
        .map(|from| args.client.account(from))
        .transpose()?;
    let agent = args.client.agent(account, &[]).await?;
    let mut last = Outcome::NoAnswer(format!("{target} did not answer"));
    for round in 0..args.count {
        if round > 0 {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                _ = tokio::signal::ctrl_c() => return Ok(Outcome::Interrupted),
            }
        }
        let asked = Instant::now();
        let answer = tokio::select! {
            answer = agent.options(target.as_str()) => answer,
            _ = tokio::signal::ctrl_c() => return Ok(Outcome::Interrupted),
        };
        let milliseconds = (asked.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        last = match answer {
            Ok(response) => {
                let status = response.status();
                // RFC 3261 section 11.2: the status is the one an INVITE would get; whatever it is, someone is there.
                output.event(
                    "ping",
                    serde_json::json!({ "status": status.as_u16(), "reason": response.reason(), "ms": milliseconds }),
                    &format!("{target}: {} {} in {milliseconds:.3} ms", status.as_u16(), response.reason()),
                );
                if status.is_success() {
                    Outcome::Done
                } else {
                    Outcome::Refused(status, response.reason().to_owned())
                }
            }
            Err(error) => error.into(),
        };
    }
    agent.shutdown().await;
    Ok(last)
}
