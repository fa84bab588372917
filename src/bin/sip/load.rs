//! `sip load`: makes load for a SIP server, and measures how it is borne.
//!
//! It is lean on purpose: one thread, two sockets (one calls, one is called), messages from templates, and a table of what is
//! in progress ([`engine`]). It has to cost less than what it loads.

mod digest;
mod engine;
mod pace;
mod plan;
mod report;
mod sockets;
#[cfg(test)]
mod tests;
mod wire;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sip_stack::transport::{Seed, TransportKind};

use self::engine::Engine;
use self::pace::{Clock, Pace};
use self::plan::{Plan, What};
use self::report::{Failure, Report};
use self::sockets::{Ports, Sockets};
use crate::client;
use crate::outcome::Outcome;
use crate::output::Output;

/// Load a server of this machine with requests or calls, and measure how it bears them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --rate and --concurrency, 16 operations are in progress at any time; without --count and --duration it \
lasts ten seconds. Calls and messages go to users whom this program registers first, unless --to names somebody.\n\n\
Exit code 8: more operations failed than --max-failures allows."
)]
pub(crate) struct Args {
    /// What to do again and again
    #[arg(value_enum)]
    what: What,
    /// The server, such as `sip:127.0.0.1:5060` or `sip:127.0.0.1;transport=tcp`
    target: String,
    /// Begin so many a second, whatever becomes of them
    #[arg(long, value_name = "N", conflicts_with = "concurrency", value_parser = positive)]
    rate: Option<f64>,
    /// With --rate: at random times (a Poisson process), not evenly
    #[arg(long, requires = "rate")]
    poisson: bool,
    /// Keep so many in progress: one begins when another has ended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    concurrency: Option<u32>,
    /// Reach the rate or the concurrency after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    ramp: Duration,
    /// Begin operations for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Begin so many operations
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// With --rate: the most operations that are in progress; more fail at once
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    max_in_progress: usize,
    /// How many users take turns; with more operations than users, `register` refreshes
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    users: u32,
    /// The number of the first user
    #[arg(long, value_name = "N", default_value_t = 0)]
    first_user: u32,
    /// Users are called by this and their number
    #[arg(long, value_name = "NAME", default_value = "load", value_parser = user_prefix)]
    prefix: String,
    /// The domain of the users [default: the host and port of the target]
    #[arg(long, value_name = "NAME", value_parser = host_text)]
    domain: Option<String>,
    /// Whom requests are for, such as `sip:bob@example.com`; nobody is registered then
    #[arg(long, value_name = "URI")]
    to: Option<String>,
    /// Answer challenges with the password in the first line of a file, the same for all users; or that of SIP_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Of `register`: for how many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    expires: u32,
    /// Let calls ring for so long before they are answered; without it they are answered without ringing
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    ring: Option<Duration>,
    /// How long calls last
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    hold: Duration,
    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value = "32", value_parser = seconds)]
    timeout: Duration,
    /// How many TCP connections requests are spread over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// The UDP port that requests are sent from [default: a free one]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    caller_port: u16,
    /// The port where those are reached who are called; over TCP of all users [default: a free one]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    callee_port: u16,
    /// Let datagrams go through the system as one, where their lengths allow it (UDP segmentation offload): the generator
    /// costs less, but captures on this machine may show several messages in one packet
    #[arg(long)]
    segmentation_offload: bool,
    /// How many of a hundred operations may fail
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    max_failures: f64,
    /// Print one JSON object each second, and one at the end
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing before the end
    #[arg(long)]
    quiet: bool,
    /// Load a server of another machine. Only do that where you may: it is an attack elsewhere
    #[arg(long)]
    i_may_load_this_host: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| *time <= Duration::from_secs(86_400))
        .ok_or_else(|| "a number of seconds is wanted, of a day at most".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| *rate >= 0.001 && *rate <= 1e7)
        .ok_or_else(|| "a number from 0.001 to 10000000 is wanted".to_owned())
}

fn user_prefix(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!text.is_empty() && text.bytes().all(is_plain))
        .then(|| text.to_owned())
        .ok_or_else(|| "letters, digits, and - _ . are wanted".to_owned())
}

fn host_text(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    (!text.is_empty() && text.bytes().all(is_plain))
        .then(|| text.to_owned())
        .ok_or_else(|| "a host name is wanted, such as example.com".to_owned())
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
struct Limits {
    pace: Pace,
    ramp: Duration,
    duration: Option<Duration>,
}

/// How long an operation that was cancelled at the end may take to end.
const GRACE: Duration = Duration::from_secs(1);
/// How long a connection that was lost stays lost.
const RECONNECT: Duration = Duration::from_millis(100);
/// Operations that are begun before others have their turn.
const BURST: usize = 256;

pub(crate) async fn run(args: Args) -> Outcome {
    // A thread of its own, with a runtime of its own: what arrives is handled where the system tells of it.
    let thread = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Outcome::Failed(format!("the runtime cannot start: {error}")))?;
        runtime.block_on(try_run(args))
    });
    match thread.await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

async fn try_run(args: Args) -> Result<Outcome, Outcome> {
    let output = Output { json: args.json };
    let (target, quiet, most) = (args.target.clone(), args.quiet, args.max_failures);
    let tell = |now: &Report, before: &Report| {
        if !quiet {
            let (fields, text) = now.progress(before);
            output.event("progress", fields, &text);
        }
    };
    let (report, was_interrupted) = measure(args, tell).await?;
    output.event("result", report.json(), &report.text());
    Ok(if was_interrupted {
        Outcome::Interrupted
    } else if report.completed == 0 && report.failed() > 0 && report.is_silence() {
        Outcome::NoAnswer(format!("{target} did not answer"))
    } else if report.failure_percent() > most {
        Outcome::Code(8)
    } else {
        Outcome::Done
    })
}

/// Does what the arguments say; and whether a person ended it.
async fn measure(
    args: Args,
    tell: impl FnMut(&Report, &Report),
) -> Result<(Report, bool), Outcome> {
    let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
    let target = Destination::find(&args)?;
    let password = password(&args)?;
    let seed = Seed::from_system().map_err(failed)?;
    let mut rng = seed.rng();
    let ports = Ports {
        caller: args.caller_port,
        callee: args.callee_port,
        offload: args.segmentation_offload,
    };
    let mut sockets = Sockets::open(target.addr, target.is_stream, ports).map_err(failed)?;
    let limits = Limits {
        pace: match args.rate {
            Some(rate) => Pace::Open {
                rate,
                is_poisson: args.poisson,
            },
            None => Pace::Closed {
                concurrency: args.concurrency.unwrap_or(16),
            },
        },
        ramp: args.ramp,
        duration: args
            .duration
            .or_else(|| args.count.is_none().then_some(Duration::from_secs(10))),
    };
    let plan = Plan {
        what: args.what,
        prefix: args.prefix,
        first_user: args.first_user,
        users: args.users,
        domain: args.domain.unwrap_or(target.name),
        to: args.to,
        password,
        expires: args.expires,
        is_stream: target.is_stream,
        local: sockets.caller_addr(),
        contact: if args.what == What::Register {
            sockets.caller_addr()
        } else {
            sockets.callee_addr()
        },
        count: args.count,
        ring: args.ring,
        hold: args.hold,
        timeout: args.timeout,
        most: if args.rate.is_some() {
            args.max_in_progress
        } else {
            usize::MAX
        },
        run: rng.token(8),
    };
    // Those who are to be reached register first.
    if matches!(plan.what, What::Message | What::Call)
        && plan.to.is_none()
        && !register(&plan, &seed, &mut sockets, rng.token(8)).await?
    {
        return Ok((Report::new(), true));
    }
    let ways = sockets.caller_ways(args.connections);
    let mut engine = Engine::new(plan, ways);
    let clock = Clock::new(limits.pace, limits.ramp, Instant::now(), rng);
    let was_interrupted = drive(&mut engine, clock, limits, &mut sockets, tell).await;
    sockets.close().await;
    Ok((engine.report, was_interrupted))
}

/// Registers those who are to be called; unless a person ended that.
async fn register(
    plan: &Plan,
    seed: &Seed,
    sockets: &mut Sockets,
    run: String,
) -> Result<bool, Outcome> {
    let registrations = Plan {
        what: What::Register,
        local: sockets.callee_addr(),
        count: Some(u64::from(plan.users)),
        most: usize::MAX,
        run,
        ..plan.clone()
    };
    let limits = Limits {
        pace: Pace::Closed { concurrency: 32 },
        ramp: Duration::ZERO,
        duration: None,
    };
    let mut engine = Engine::new(registrations, sockets.callee_ways());
    let rng = seed.derive("registrations").rng();
    let clock = Clock::new(limits.pace, limits.ramp, Instant::now(), rng);
    let was_interrupted = drive(&mut engine, clock, limits, sockets, |_, _| ()).await;
    let Some((failure, count)) = engine.report.failures.iter().next() else {
        return Ok(!was_interrupted);
    };
    let text = format!(
        "{count} of {} users could not be registered ({})",
        plan.users,
        failure.name()
    );
    Err(match failure {
        Failure::TimedOut | Failure::Disconnected => Outcome::NoAnswer(text),
        Failure::Status(_) | Failure::Overrun | Failure::Nonsense | Failure::Unfinished => {
            Outcome::Failed(text)
        }
    })
}

/// Runs an engine to its end. Returns whether a person ended it.
async fn drive(
    engine: &mut Engine,
    clock: Clock,
    limits: Limits,
    sockets: &mut Sockets,
    mut tell: impl FnMut(&Report, &Report),
) -> bool {
    let mut clock = clock;
    let began = Instant::now();
    let until = limits.duration.map(|duration| began + duration);
    let mut told = (began, engine.report.clone());
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut was_interrupted = false;
    // When what is in progress is given up, and when it is forgotten.
    let mut give_up: Option<Instant> = None;
    let mut forget: Option<Instant> = None;
    let mut reconnect: Option<Instant> = None;
    // When there was last a connection to the server.
    let mut way_seen = began;
    loop {
        let now = Instant::now();
        let is_over =
            was_interrupted || engine.is_all_begun() || until.is_some_and(|until| now >= until);
        if is_over {
            engine.report.close_window(now - began);
            if engine.in_progress() == 0 || forget.is_some_and(|at| now >= at) {
                break;
            }
            let patience = if was_interrupted || engine.is_all_begun() {
                None
            } else {
                Some(engine.patience())
            };
            if was_interrupted && forget.is_none() {
                engine.give_up(now);
                forget = Some(now + GRACE);
            } else if let (None, Some(patience)) = (give_up, patience) {
                give_up = Some(now + patience);
            } else if give_up.is_some_and(|at| now >= at) && forget.is_none() {
                engine.give_up(now);
                forget = Some(now + GRACE);
            }
        } else if engine.has_ways() {
            way_seen = now;
            for _ in 0..clock.due(engine.in_progress(), BURST, now) {
                engine.begin(now);
            }
        } else if now >= way_seen + engine.timeout() {
            engine.report.started += 1;
            engine.report.fail(Failure::Disconnected);
            break;
        }
        engine.handle_timeout(now);
        sockets.send(engine);
        if now >= told.0 + Duration::from_secs(1) {
            engine.report.elapsed = now - began;
            tell(&engine.report, &told.1);
            told = (now, engine.report.clone());
        }
        if sockets.has_lost() {
            let at = *reconnect.get_or_insert(now + RECONNECT);
            if now >= at {
                sockets.reconnect();
                reconnect = None;
            }
        }
        let next = [
            engine.poll_timeout(),
            (!is_over).then(|| clock.next(now)).flatten(),
            until.filter(|_| !is_over),
            Some(told.0 + Duration::from_secs(1)),
            give_up.filter(|_| forget.is_none()),
            forget,
            reconnect,
            (!engine.has_ways()).then(|| way_seen + engine.timeout()),
        ];
        let next = next.into_iter().flatten().min();
        tokio::select! {
            biased;
            () = sockets.receive() => sockets.hand_to(engine, Instant::now()),
            () = sleep_until(next) => {}
            _ = &mut interrupted, if !was_interrupted => was_interrupted = true,
        }
    }
    engine.forget();
    engine.report.elapsed = began.elapsed();
    was_interrupted
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Whom the load is for.
#[derive(Debug)]
struct Destination {
    addr: SocketAddr,
    is_stream: bool,
    /// The host and the port, as they were written.
    name: String,
}

impl Destination {
    fn find(args: &Args) -> Result<Self, Outcome> {
        let uri = client::address(&args.target, None)?;
        let host = uri.as_ref().host_str().unwrap_or_default().to_owned();
        let port = uri.as_ref().port().unwrap_or(5060);
        let transport = uri.as_ref().param("transport");
        let is_stream = match transport.map(TransportKind::from_uri_param) {
            None | Some(Some(TransportKind::Udp)) => false,
            Some(Some(TransportKind::Tcp)) => true,
            Some(_) => {
                return Err(Outcome::Usage(format!(
                    "{}: load is made over udp and tcp",
                    args.target
                )));
            }
        };
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let mut addrs = (plain, port)
            .to_socket_addrs()
            .map_err(|error| Outcome::NoAnswer(format!("{}: {error}", args.target)))?;
        let addr = addrs
            .next()
            .ok_or_else(|| Outcome::NoAnswer(format!("{}: no address", args.target)))?;
        if !addr.ip().is_loopback() && !args.i_may_load_this_host {
            return Err(Outcome::Usage(format!(
                "{}: {addr} is not this machine; load may break what it meets: add --i-may-load-this-host where you may",
                args.target
            )));
        }
        Ok(Self {
            addr,
            is_stream,
            name: format!("{host}:{port}"),
        })
    }
}

fn password(args: &Args) -> Result<Option<String>, Outcome> {
    if let Some(path) = &args.password_file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Outcome::Usage(format!("--password-file {}: {error}", path.display()))
        })?;
        return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
    }
    Ok(std::env::var("SIP_PASSWORD").ok())
}
