//! `sip register`: register a telephone with its registrar (RFC 3261 section 10.2).

use sip_stack::agent::{RegisterOptions, Registration};

use crate::client::{self, ClientArgs};
use crate::outcome::Outcome;
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address to register, such as `alice@example.com`.
    aor: String,
    /// How long the registration is to last before it is refreshed.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    expires: u32,
    /// The registrar, when it is not the host of the address.
    #[arg(long, value_name = "URI")]
    registrar: Option<String>,
    /// Remove every binding of the address (a lost telephone's too) and exit.
    #[arg(long, conflicts_with = "once")]
    remove: bool,
    /// Register and exit, leaving the binding in place until it expires.
    #[arg(long)]
    once: bool,
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
    let mut options = RegisterOptions::new().expires(args.expires);
    if let Some(registrar) = &args.registrar {
        options = options.registrar(client::address(registrar, None)?);
    }
    let account = args.client.account(&args.aor)?;
    let agent = args.client.agent(Some(account), &[]).await?;
    if args.remove {
        let left = agent.remove_bindings(options).await?;
        agent.shutdown().await;
        report(&left, output, "no binding is left");
        return Ok(Outcome::Done);
    }
    let registration = tokio::select! {
        registered = agent.register_with(options) => registered?,
        _ = tokio::signal::ctrl_c() => return Ok(Outcome::Interrupted),
    };
    report(&registration, output, "registered");
    if args.once {
        agent.leave().await;
        return Ok(Outcome::Done);
    }
    let mut changes = agent.registration_changes();
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Ok(registration)) => report(&registration, output, "refreshed"),
                Some(Err(error)) => output.event(
                    "error",
                    serde_json::json!({ "message": error.to_string() }),
                    &format!("not registered: {error}; trying again"),
                ),
                None => return Ok(Outcome::Failed("the user agent has stopped".to_owned())),
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    agent.unregister().await?;
    agent.shutdown().await;
    output.event("unregistered", serde_json::json!({}), "unregistered");
    Ok(Outcome::Done)
}

pub(crate) fn report(registration: &Registration, output: Output, said: &str) {
    let bindings: Vec<_> = registration
        .bindings
        .iter()
        .map(|binding| serde_json::json!({ "contact": binding.contact.as_str(), "expires": binding.expires }))
        .collect();
    let mut text = format!("{} {said}", registration.aor);
    if registration.expires > 0 {
        text.push_str(&format!(" for {} s", registration.expires));
    }
    for binding in &registration.bindings {
        text.push_str(&format!(
            "\n  {} for {} s",
            binding.contact, binding.expires
        ));
    }
    output.event(
        "registered",
        serde_json::json!({ "aor": registration.aor.as_str(), "expires": registration.expires, "bindings": bindings }),
        &text,
    );
}
