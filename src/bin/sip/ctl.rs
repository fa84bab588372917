//! `sip ctl`: what a running server does, and how it is told otherwise.

mod client;
mod table;

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::Value;

use self::client::request;
use self::table::{Ladder, fields, table};
use crate::admin::Place;
use crate::output::line;

/// Look into a running server (`sip serve --admin`), and control it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the server's administrative interface is: ADDRESS:PORT, or the path of its socket
    #[arg(
        long,
        value_name = "PLACE",
        env = "SIP_ADMIN",
        default_value = "127.0.0.1:8060",
        global = true
    )]
    admin: Place,
    /// Print what the server answers, as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// How the server is
    Status,
    /// Where users are registered
    Bindings {
        /// Of one user
        user: Option<String>,
    },
    /// Remove the bindings of a user, until the telephone registers again
    Kick {
        /// The user
        user: String,
    },
    /// The transactions that there are
    Transactions,
    /// The requests that the proxy has on their way: calls that ring, and whatever waits for an answer
    Calls,
    /// The flows: connections, and addresses that are talked to over UDP
    Flows,
    /// Close a flow; a telephone that has it opens another
    Close {
        /// The flow, as the list names it
        flow: String,
    },
    /// Addresses that are not listened to
    Bans,
    /// Listen to an address no more
    Ban {
        /// The address; of IPv6 its /64
        address: IpAddr,
        /// For how long
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
    },
    /// Listen to an address again
    Unban {
        /// The address
        address: IpAddr,
    },
    /// Whether the gateways that are probed are there
    Gateways,
    /// Read the configuration file again, as SIGHUP
    Reload,
    /// Begin nothing new, and end when what runs has ended, as SIGTERM
    Drain,
    /// The metrics, as Prometheus reads them
    Metrics,
    /// Show messages as they pass, until Ctrl-C: a ladder, or with --json an object a line with the whole message
    Trace {
        /// Those of one user
        #[arg(long, required_unless_present_any = ["call_id", "all"], conflicts_with_all = ["call_id", "all"])]
        user: Option<String>,
        /// Those of one call
        #[arg(long, conflicts_with = "all")]
        call_id: Option<String>,
        /// All
        #[arg(long)]
        all: bool,
    },
}

/// What a command asks, and how its answer is shown.
enum Show {
    /// A list under this name, with these columns.
    List(&'static str, &'static [&'static str]),
    /// A line for each field.
    Fields,
    /// As it is; the text if it is empty.
    Text(&'static str),
}

impl Command {
    fn request(&self) -> (&'static str, String, Show) {
        let get = |path: &str, name, columns| ("GET", path.to_owned(), Show::List(name, columns));
        match self {
            Self::Status => ("GET", "/status".to_owned(), Show::Fields),
            Self::Bindings { user: None } => get(
                "/bindings",
                "bindings",
                &["user", "contact", "expires", "q", "user_agent"],
            ),
            Self::Bindings { user: Some(user) } => (
                "GET",
                format!("/bindings/{}", escape(user)),
                Show::List("bindings", &["contact", "expires", "q", "user_agent"]),
            ),
            Self::Kick { user } => (
                "DELETE",
                format!("/bindings/{}", escape(user)),
                Show::Text("Removed."),
            ),
            Self::Transactions => get(
                "/transactions",
                "transactions",
                &["side", "id", "state", "transport", "peer"],
            ),
            Self::Calls => get(
                "/calls",
                "calls",
                &[
                    "method", "uri", "from", "source", "branches", "answered", "call_id",
                ],
            ),
            Self::Flows => get("/flows", "flows", &["id", "transport", "local", "peer"]),
            Self::Close { flow } => (
                "DELETE",
                format!("/flows/{}", escape(flow)),
                Show::Text("Closed."),
            ),
            Self::Bans => get("/bans", "bans", &["address", "seconds", "cause", "dropped"]),
            Self::Ban { address, seconds } => (
                "PUT",
                format!("/bans/{}?seconds={seconds}", escape(&address.to_string())),
                Show::Text("Banned."),
            ),
            Self::Unban { address } => (
                "DELETE",
                format!("/bans/{}", escape(&address.to_string())),
                Show::Text("Pardoned."),
            ),
            Self::Gateways => get(
                "/gateways",
                "gateways",
                &["uri", "up", "status", "milliseconds", "probes", "failures"],
            ),
            Self::Reload => ("POST", "/reload".to_owned(), Show::Text("Read.")),
            Self::Drain => ("POST", "/drain".to_owned(), Show::Text("Draining.")),
            Self::Metrics => ("GET", "/metrics".to_owned(), Show::Text("")),
            Self::Trace { user, call_id, .. } => {
                let query = match (user, call_id) {
                    (Some(user), _) => format!("user={}", escape(user)),
                    (None, Some(call_id)) => format!("call-id={}", escape(call_id)),
                    (None, None) => "all=1".to_owned(),
                };
                ("GET", format!("/trace?{query}"), Show::Text(""))
            }
        }
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<u8> {
    let (method, path, show) = args.command.request();
    let mut answer = match request(&args.admin, method, &path).await {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!(
                "sip: {}: {error}; is there a server, with --admin or listen in [admin]?",
                args.admin
            );
            return Ok(3);
        }
    };
    if answer.status >= 300 {
        let status = answer.status;
        let said = answer.text().await?;
        let said = match (said.trim(), status) {
            ("", 404) => "there is no such thing",
            ("", _) => "refused",
            (said, _) => said,
        };
        eprintln!("sip: {said}");
        return Ok(if status == 404 { 7 } else { 4 });
    }
    if matches!(args.command, Command::Trace { .. }) {
        let mut ladder = Ladder::default();
        loop {
            let text = tokio::select! {
                text = answer.line() => text?,
                _ = tokio::signal::ctrl_c() => return Ok(0),
            };
            let Some(text) = text else {
                return Ok(0);
            };
            if args.json && !text.is_empty() {
                line(&text);
            } else if let Ok(value) = serde_json::from_str::<Value>(&text) {
                line(ladder.lines(&value).trim_end());
            }
        }
    }
    let text = answer.text().await?;
    if args.json || matches!(show, Show::Text(_)) && !text.trim().is_empty() {
        line(text.trim_end());
        return Ok(0);
    }
    let value = || serde_json::from_str::<Value>(&text).unwrap_or_default();
    line(&match show {
        Show::Text(said) => said.to_owned(),
        Show::Fields => fields(&value()).trim_end().to_owned(),
        Show::List(name, columns) => {
            let value = value();
            let list = value.get(name).and_then(Value::as_array);
            table(list.map_or(&[], Vec::as_slice), columns)
                .trim_end()
                .to_owned()
        }
    });
    Ok(0)
}

/// For a path or a query: everything but letters, digits and `-._~` (RFC 3986 §2.3).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
