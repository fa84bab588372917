//! `sip message`: send a text message (RFC 3428).

use std::io::Read as _;

use crate::client::{self, ClientArgs};
use crate::outcome::Outcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// To whom: `sip:bob@example.com`, `bob@example.com`, or `bob` in one's own domain.
    target: String,
    /// The text; read from standard input when it is absent.
    text: Option<String>,
    /// Send as this address; its password is used when the peer asks for one.
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
    let text = match args.text {
        Some(text) => text,
        None => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Outcome::Usage(format!("standard input: {error}")))?;
            text
        }
    };
    let agent = args.client.agent(account, &[]).await?;
    let sent = tokio::select! {
        sent = agent.message(target.as_str(), &text) => sent,
        _ = tokio::signal::ctrl_c() => return Ok(Outcome::Interrupted),
    };
    agent.shutdown().await;
    let status = sent?;
    // RFC 3428 section 7: 202 says that the message was stored to be delivered later.
    let said = if status.as_u16() == 202 {
        "accepted for later delivery"
    } else {
        "delivered"
    };
    output.event(
        "message",
        serde_json::json!({ "status": status.as_u16() }),
        said,
    );
    Ok(Outcome::Done)
}
