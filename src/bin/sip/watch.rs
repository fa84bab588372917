//! `sip watch`: what happens to a user, as their server tells it (RFC 6665).

use sip_stack::agent::AgentError;
use sip_stack::reginfo::{self, Applied, ContactInfo, RegInfo, RegTable};

use crate::client::{self, ClientArgs};
use crate::outcome::Outcome;
use crate::output::Output;

/// Print what changes about a user, until interrupted.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Where a user is registered (RFC 3680).
    Reg(Reg),
}

#[derive(Debug, clap::Args)]
struct Reg {
    /// Whose registrations, such as `alice@example.com`.
    aor: String,
    /// Who asks, when it is not the same user.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Print what there is and exit.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    client: ClientArgs,
}

impl Args {
    pub(crate) const fn json(&self) -> bool {
        match &self.what {
            What::Reg(args) => args.client.json,
        }
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.what {
        What::Reg(args) => match registrations(args).await {
            Ok(outcome) | Err(outcome) => outcome,
        },
    }
}

async fn registrations(args: Reg) -> Result<Outcome, Outcome> {
    let output = args.client.output();
    let account = args
        .client
        .account(args.from.as_deref().unwrap_or(&args.aor))?;
    let target = client::address(&args.aor, None)?;
    let agent = args.client.agent(Some(account), &[]).await?;
    let begin = || agent.subscribe(target.as_str(), "reg", reginfo::CONTENT_TYPE);
    let mut subscription = begin().await?;
    let mut table = RegTable::default();
    loop {
        let body = tokio::select! {
            next = subscription.next() => next?,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(body) = body else {
            // The server ended it, as one that restarts does.
            subscription = begin().await?;
            table = RegTable::default();
            continue;
        };
        let text = String::from_utf8_lossy(&body.content);
        let info = match RegInfo::parse(&text) {
            Ok(info) => info,
            Err(error) => {
                let error = AgentError::Usage(format!("the server's document: {error}"));
                return Err(Outcome::Failed(error.to_string()));
            }
        };
        if let Applied::Taken { changes, has_gap } = table.apply(&info) {
            for (aor, contact) in &changes {
                report(output, aor, contact);
            }
            if changes.is_empty() && info.is_full && args.once {
                output.event("none", serde_json::json!({}), "not registered");
            }
            if has_gap {
                // Section 5.2: the full state is wanted again.
                subscription = begin().await?;
                table = RegTable::default();
            }
        }
        if args.once && info.is_full {
            break;
        }
    }
    subscription.unsubscribe().await;
    // The last word of the server is waited for, not long.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), async {
        while let Ok(Some(_)) = subscription.next().await {}
    })
    .await;
    agent.leave().await;
    Ok(Outcome::Done)
}

fn report(output: Output, aor: &str, contact: &ContactInfo) {
    let left = match contact.expires {
        Some(seconds) if contact.event.is_active() => format!(" for {seconds} s"),
        _ => String::new(),
    };
    output.event(
        contact.event.as_str(),
        serde_json::json!({
            "aor": aor,
            "contact": contact.uri,
            "active": contact.event.is_active(),
            "expires": contact.expires,
            "gruu": contact.pub_gruu,
        }),
        &format!("{aor} {} {}{left}", contact.event, contact.uri),
    );
}
