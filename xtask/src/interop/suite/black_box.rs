//! The scenarios of `conformance/scenarios`, played against our program, which has to pass them all, and against Kamailio
//! and baresip, whose results stand beside ours in `docs/black-box.md`: a scenario that only we pass says little.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::blackbox::{self, Outcome, Subject, peer::Wire, script::Role, table};
use crate::interop::{
    capture::Judge,
    namespace::HOST,
    process::{Process, wait_until},
    scene::{Scene, text},
    server::{self, Server},
};
use crate::shell;

pub(crate) const CASES: &[Case] = &[
    Case::new("black-box", "server-udp", |scene| serve(scene, Wire::Udp)),
    Case::new("black-box", "server-tcp", |scene| serve(scene, Wire::Tcp)),
    Case::new("black-box", "callee-udp", |scene| answer(scene, Wire::Udp)),
    Case::new("black-box", "callee-tcp", |scene| answer(scene, Wire::Tcp)),
    Case::new("black-box", "caller-udp", |scene| call(scene, Wire::Udp)),
    Case::new("black-box", "caller-tcp", |scene| call(scene, Wire::Tcp)),
    Case {
        needs_program: false,
        ..Case::new("black-box", "kamailio", kamailio)
    },
    Case {
        needs_program: false,
        ..Case::new("black-box", "baresip-callee", baresip_answers)
    },
    Case {
        needs_program: false,
        ..Case::new("black-box", "baresip-caller", baresip_calls)
    },
];

const DOMAIN: &str = "example.test";
const PORT: u16 = 5060;
const LIMIT: Duration = Duration::from_secs(20);
/// Of the scenarios, what an implementation that is in use everywhere passes at least; else the scenarios are wrong.
const RIVALS_PASS: usize = 60;

fn subject(role: Role, wire: Wire, port: u16) -> Subject {
    Subject {
        address: SocketAddr::new(HOST, port),
        wire,
        role,
        domain: DOMAIN.to_owned(),
        host: HOST,
        caller: Vec::new(),
    }
}

/// What is provoked is odd, and what is left unanswered is repeated.
const ODD: Judge = Judge::sent_from(PORT).with_resends();

fn all_pass(subject: &Subject, column: &str) -> Result<String> {
    let outcomes = blackbox::examine(subject)?;
    table::keep(column, &outcomes)?;
    let faults: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: {}", outcome.name, outcome.fault.as_ref()?)))
        .collect();
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(format!("{} scenarios", outcomes.len()))
}

fn most_pass(outcomes: &[Outcome], column: &str) -> Result<String> {
    table::keep(column, outcomes)?;
    let passed = outcomes
        .iter()
        .filter(|outcome| outcome.fault.is_none())
        .count();
    if passed * 100 < outcomes.len() * RIVALS_PASS {
        blackbox::tell(outcomes);
        bail!("only {passed} of {} scenarios passed", outcomes.len());
    }
    Ok(format!("{passed} of {} scenarios", outcomes.len()))
}

fn serve(scene: &mut Scene, wire: Wire) -> Result<String> {
    scene.judge = ODD;
    let options = ["--domain", DOMAIN, "--danger-without-authentication"];
    let server = Server::start_with(scene, &[("nobody", "secret")], &options)?;
    let told = all_pass(
        &subject(Role::Server, wire, PORT),
        &format!("sip serve {}", wire.name()),
    )
    .with_context(|| format!("serve{}", server.process.tail()))?;
    let mut process = server.process;
    process.stop(LIMIT)?;
    Ok(told)
}

fn answer(scene: &mut Scene, wire: Wire) -> Result<String> {
    scene.judge = ODD;
    let (udp, tcp) = (format!("udp:{HOST}:{PORT}"), format!("tcp:{HOST}:{PORT}"));
    let arguments = [
        "answer",
        "--no-register",
        "--listen",
        &udp,
        "--listen",
        &tcp,
        "--duration",
        "60",
    ];
    let mut process = scene.sip("answer", &arguments)?;
    wait_until("sip answer to listen", LIMIT, || {
        process.still_runs()?;
        server::options(SocketAddr::new(HOST, PORT), Duration::from_millis(300))
    })?;
    let told = all_pass(
        &subject(Role::Callee, wire, PORT),
        &format!("sip answer {}", wire.name()),
    )?;
    process.still_runs()?;
    process.interrupt();
    process.wait(LIMIT)?;
    Ok(told)
}

fn call(scene: &mut Scene, wire: Wire) -> Result<String> {
    scene.judge = ODD;
    let mut subject = subject(Role::Caller, wire, PORT);
    let listen = format!("{}:{HOST}:{PORT}", wire.name().to_lowercase());
    subject.caller = [
        text(scene.program())?,
        "call",
        "sip:alice@{self}",
        "--transport",
        "{wire-lower}",
        "--listen",
        &listen,
        "--duration",
        "20",
    ]
    .map(str::to_owned)
    .to_vec();
    all_pass(&subject, &format!("sip call {}", wire.name()))
}

/// Kamailio as registrar and proxy of the domain, on the address of the namespace.
pub(super) fn start_kamailio(scene: &Scene) -> Result<Process> {
    let dir = text(&scene.dir)?.to_owned();
    let template = fs::read_to_string(shell::root().join("xtask/interop/kamailio-domain.cfg"))?;
    let config = scene.path("kamailio.cfg");
    fs::write(
        &config,
        template
            .replace("@HOST@", &HOST.to_string())
            .replace("@DOMAIN@", DOMAIN),
    )?;
    let mut command = Command::new("/usr/sbin/kamailio");
    command.args(["-DD", "-E", "-f", text(&config)?, "-w", &dir, "-Y", &dir]);
    let mut process = Process::spawn(&mut command, "kamailio", &scene.dir)?;
    wait_until("kamailio to listen", LIMIT, || {
        process.still_runs()?;
        server::options(Server::address(), Duration::from_millis(300))
    })?;
    Ok(process)
}

fn kamailio(scene: &mut Scene) -> Result<String> {
    scene.judge = ODD;
    let mut process = start_kamailio(scene)?;
    let outcomes = blackbox::examine(&subject(Role::Server, Wire::Udp, PORT))?;
    process.interrupt();
    process.wait(LIMIT)?;
    most_pass(&outcomes, "Kamailio UDP")
}

/// As many calls as baresip takes if nothing is said.
const CALLS: u32 = 4;

/// The files of a baresip that answers by itself, on this port (0 is any), so many calls at a time.
pub(super) fn baresip(scene: &Scene, name: &str, port: u16, calls: u32) -> Result<String> {
    let dir = scene.path(name);
    fs::create_dir_all(&dir)?;
    let (voice, _) = scene.speech(&format!("{name}/voice.wav"), 1, 30)?;
    let config = format!(
        "poll_method epoll\ncall_max_calls {calls}\nsip_listen {HOST}:{port}\naudio_source aufile,{voice}\nausrc_srate 8000\nauplay_srate 8000\nnet_af ipv4\n\
         module_path /usr/lib/baresip/modules\nmodule account.so\nmodule g711.so\nmodule aufile.so\nmodule_app menu.so\n",
        voice = text(&voice)?
    );
    fs::write(dir.join("config"), config)?;
    fs::write(dir.join("contacts"), "")?;
    let account = format!("<sip:bob@{HOST}>;regint=0;answermode=auto\n");
    fs::write(dir.join("accounts"), account)?;
    Ok(text(&dir)?.to_owned())
}

/// A baresip that answers.
pub(super) fn start_baresip(scene: &Scene, calls: u32) -> Result<Process> {
    let dir = baresip(scene, "baresip", PORT, calls)?;
    let mut command = Command::new("baresip");
    command.args(["-f", &dir]);
    let mut process = Process::spawn(&mut command, "callee", &scene.dir)?;
    process.says("baresip is ready.", LIMIT)?;
    Ok(process)
}

fn baresip_answers(scene: &mut Scene) -> Result<String> {
    scene.judge = ODD;
    let mut process = start_baresip(scene, CALLS)?;
    let outcomes = blackbox::examine(&subject(Role::Callee, Wire::Udp, PORT))?;
    process.still_runs()?;
    most_pass(&outcomes, "baresip answers UDP")
}

fn baresip_calls(scene: &mut Scene) -> Result<String> {
    scene.judge = ODD;
    let dir = baresip(scene, "baresip", PORT, CALLS)?;
    let mut subject = subject(Role::Caller, Wire::Udp, PORT);
    subject.caller = ["baresip", "-f", &dir, "-e", "/dial sip:alice@{self}"]
        .map(str::to_owned)
        .to_vec();
    most_pass(&blackbox::examine(&subject)?, "baresip calls UDP")
}
