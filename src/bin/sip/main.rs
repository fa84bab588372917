//! The program `sip`: a SIP server and a telephone.
//!
//! `sip help` lists the commands, `sip help COMMAND` explains one. What a command's exit code means is said by
//! `sip help` and in `docs/sip.md`.
#![forbid(unsafe_code)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of the library are non-exhaustive"
)]

mod admin;
mod answer;
mod call;
mod client;
mod config;
mod ctl;
mod load;
mod location;
mod message;
mod outcome;
mod output;
mod ping;
mod register;
mod secure;
mod serve;
mod talk;
mod telemetry;
mod trace;
mod user;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use outcome::Outcome;

/// A SIP server and a telephone.
#[derive(Debug, Parser)]
#[command(name = "sip", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// What is logged to standard error: error, warn, info, debug or trace, or a filter such as `sip_stack=debug`.
    #[arg(
        long,
        global = true,
        env = "SIP_LOG",
        default_value = "warn",
        value_name = "FILTER"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a SIP domain: registrar and proxy for the users of this machine.
    Serve(serve::Args),
    /// Check the configuration of the server, or print an example.
    Config(config::Args),
    /// Look into a running server, and control it.
    Ctl(ctl::Args),
    /// Add, list and remove the users of the domain.
    User(user::Args),
    /// Register a telephone with its registrar and keep it registered.
    Register(register::Args),
    /// Call someone, play audio and record what is heard.
    Call(call::Args),
    /// Wait for calls and answer them.
    Answer(answer::Args),
    /// Send a text message.
    Message(message::Args),
    /// Ask a SIP element whether it is there (OPTIONS).
    Ping(ping::Args),
    /// Load a server with requests or calls, and measure how it bears them.
    Load(Box<load::Args>),
    /// Print what changes about a user: where they are registered.
    Watch(watch::Args),
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 internal or I/O error; 2 wrong usage; 3 no answer (time-out, unreachable); \
4 refused by the peer; 5 busy; 6 not authorised; 7 not found or not registered; 8 too many failed (load); 130 interrupted.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Ok(filter) = tracing_subscriber::EnvFilter::try_new(&cli.log) else {
        return Outcome::Usage(format!(
            "--log {}: not a filter; use a level such as `info` or `sip_stack=debug`",
            cli.log
        ))
        .report(false);
    };
    // While there is one thread, because it changes the environment.
    let inherited = match cli.command {
        Command::Serve(_) => serve::Sockets::from_manager(),
        _ => serve::Sockets::default(),
    };
    let wanted = match &cli.command {
        Command::Serve(args) => args.telemetry(),
        _ => config::Telemetry::default(),
    };
    // Dropped when all else has ended.
    let telemetry = match telemetry::Telemetry::begin(&wanted, filter) {
        Ok(telemetry) => telemetry,
        Err(error) => return Outcome::Failed(format!("{error:#}")).report(false),
    };
    // The worker of a server shares nothing, so its thread does everything that is not blocking: waking another thread for each
    // message would cost more than most messages.
    let mut builder = match cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return Outcome::Failed(format!("the runtime cannot start: {error}")).report(false);
        }
    };
    let json = match &cli.command {
        Command::Register(args) => args.client.json,
        Command::Call(args) => args.client.json,
        Command::Answer(args) => args.client.json,
        Command::Message(args) => args.client.json,
        Command::Ping(args) => args.client.json,
        Command::Load(args) => args.json,
        Command::Watch(args) => args.json(),
        Command::Serve(_) | Command::Config(_) | Command::User(_) | Command::Ctl(_) => false,
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => {
                Outcome::of_code(serve::run(args, inherited, telemetry.lost()).await)
            }
            Command::Config(args) => Outcome::of_code(Ok(config::run(&args))),
            Command::User(args) => Outcome::of_code(user::run(args).await),
            Command::Ctl(args) => Outcome::of_code(ctl::run(args).await),
            Command::Register(args) => register::run(args).await,
            Command::Call(args) => call::run(args).await,
            Command::Answer(args) => answer::run(args).await,
            Command::Message(args) => message::run(args).await,
            Command::Ping(args) => ping::run(args).await,
            Command::Load(args) => load::run(*args).await,
            Command::Watch(args) => watch::run(args).await,
        }
    });
    // What still runs (a name that is being resolved, say) must not keep the program from ending.
    runtime.shutdown_background();
    outcome.report(json)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// What clap asserts only when a command is run (in a debug build): no two options of one name, no default that does not
    /// parse, no unknown name in a conflict.
    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
