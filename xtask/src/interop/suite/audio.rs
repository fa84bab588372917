//! Calls with audio both ways through our server: baresip and our telephone, each recording compared with what the
//! other side played.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::interop::{
    audio,
    baresip::Telephone,
    namespace::HOST,
    relay::{Network, Relay},
    scene::{Scene, text},
    server::Server,
};

pub(crate) const CASES: &[Case] = &[
    Case::new("audio", "baresip-calls-answer", |scene| {
        baresip_calls(scene, false)
    }),
    Case::new("audio", "baresip-calls-answer-tcp", |scene| {
        baresip_calls(scene, true)
    }),
    Case::new("audio", "call-calls-baresip", |scene| {
        baresip_is_called(scene, "PCMU")
    }),
    Case::new("audio", "call-calls-baresip-pcma", |scene| {
        baresip_is_called(scene, "PCMA")
    }),
    Case::new("audio", "baresip-calls-baresip", baresips),
    Case::new("audio", "call-calls-answer", ourselves),
    Case::new("audio", "bad-network", bad_network),
];

const ALICE: (&str, &str) = ("alice", "alice-secret");
const BOB: (&str, &str) = ("bob", "bob-secret");

/// How long the calls last, and how much of it has to be in the recordings.
const SECONDS: u32 = 5;
const ENOUGH: f64 = 4.0;

fn aor(user: (&str, &str)) -> String {
    format!("sip:{}@{HOST}", user.0)
}

fn baresip_calls(scene: &mut Scene, tcp: bool) -> Result<String> {
    let mut server = Server::start(scene, &[ALICE, BOB])?;
    // The call ends when the file does.
    let (voice, said) = scene.speech("ours.wav", 11, SECONDS)?;
    let recording = scene.path("heard.wav");
    let arguments = [
        "answer",
        &aor(BOB),
        "--play",
        text(&voice)?,
        "--record",
        text(&recording)?,
        "--calls",
        "1",
        "--json",
    ];
    let mut answer = scene.sip_as("answer", BOB.1, &arguments)?;
    answer.says("\"registered\"", Duration::from_secs(10))?;
    let target = aor(BOB);
    let telephone = Telephone {
        name: ALICE.0,
        password: Some(ALICE.1),
        port: 5070,
        tcp,
        tls: None,
        dial: Some(&target),
        seed: 1,
    };
    let mut alice = telephone.start(scene)?;
    alice
        .talks(Duration::from_secs(20))
        .with_context(|| format!("answer{}", answer.tail()))?;
    answer.success(Duration::from_secs(10))?;
    alice.quit()?;
    server.process.stop(Duration::from_secs(10))?;
    let ours = audio::matches(&said, &alice.heard()?, ENOUGH).context("ours to baresip")?;
    let theirs = audio::matches(&alice.said, &audio::read(&recording)?, ENOUGH)
        .context("baresip to ours")?;
    Ok(format!("to baresip: {ours}; from baresip: {theirs}"))
}

fn baresip_is_called(scene: &mut Scene, codec: &str) -> Result<String> {
    let mut server = Server::start(scene, &[ALICE, BOB])?;
    let telephone = Telephone {
        name: ALICE.0,
        password: Some(ALICE.1),
        port: 5070,
        tcp: false,
        tls: None,
        dial: None,
        seed: 1,
    };
    let mut alice = telephone.start(scene)?;
    let (voice, said) = scene.speech("ours.wav", 12, SECONDS)?;
    let recording = scene.path("heard.wav");
    let arguments = [
        "call",
        &aor(ALICE),
        "--from",
        &aor(BOB),
        "--codec",
        codec,
        "--play",
        text(&voice)?,
        "--record",
        text(&recording)?,
        "--json",
    ];
    // The call ends when the file does.
    let mut call = scene.sip_as("call", BOB.1, &arguments)?;
    call.success(Duration::from_secs(25))
        .with_context(|| format!("alice{}", alice.process.tail()))?;
    alice.talks(Duration::from_secs(5))?;
    alice.quit()?;
    server.process.stop(Duration::from_secs(10))?;
    let ours = audio::matches(&said, &alice.heard()?, ENOUGH).context("ours to baresip")?;
    let theirs = audio::matches(&alice.said, &audio::read(&recording)?, ENOUGH)
        .context("baresip to ours")?;
    Ok(format!("to baresip: {ours}; from baresip: {theirs}"))
}

fn baresips(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[ALICE, BOB])?;
    let telephone = Telephone {
        name: ALICE.0,
        password: Some(ALICE.1),
        port: 5070,
        tcp: false,
        tls: None,
        dial: None,
        seed: 1,
    };
    let mut alice = telephone.start(scene)?;
    let target = aor(ALICE);
    let caller = Telephone {
        name: BOB.0,
        password: Some(BOB.1),
        port: 5080,
        tcp: false,
        tls: None,
        dial: Some(&target),
        seed: 2,
    };
    let mut bob = caller.start(scene)?;
    bob.process
        .says("Call established", Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_secs(u64::from(SECONDS)));
    bob.quit()?;
    alice
        .process
        .says("terminated (duration", Duration::from_secs(5))?;
    alice.quit()?;
    server.process.stop(Duration::from_secs(10))?;
    let one = audio::matches(&alice.said, &bob.heard()?, ENOUGH).context("alice to bob")?;
    let two = audio::matches(&bob.said, &alice.heard()?, ENOUGH).context("bob to alice")?;
    Ok(format!("alice to bob: {one}; bob to alice: {two}"))
}

fn ourselves(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[ALICE, BOB])?;
    let (bobs, bob_said) = scene.speech("bob.wav", 21, SECONDS)?;
    let (alices, alice_said) = scene.speech("alice.wav", 22, 30)?;
    let (bob_heard, alice_heard) = (scene.path("bob-heard.wav"), scene.path("alice-heard.wav"));
    let arguments = [
        "answer",
        &aor(ALICE),
        "--play",
        text(&alices)?,
        "--record",
        text(&alice_heard)?,
        "--calls",
        "1",
        "--json",
    ];
    let mut answer = scene.sip_as("answer", ALICE.1, &arguments)?;
    answer.says("\"registered\"", Duration::from_secs(10))?;
    let arguments = [
        "call",
        &aor(ALICE),
        "--from",
        &aor(BOB),
        "--play",
        text(&bobs)?,
        "--record",
        text(&bob_heard)?,
        "--json",
    ];
    let mut call = scene.sip_as("call", BOB.1, &arguments)?;
    call.success(Duration::from_secs(25))
        .with_context(|| format!("answer{}", answer.tail()))?;
    answer.success(Duration::from_secs(10))?;
    server.process.stop(Duration::from_secs(10))?;
    let one =
        audio::matches(&bob_said, &audio::read(&alice_heard)?, ENOUGH).context("call to answer")?;
    let two =
        audio::matches(&alice_said, &audio::read(&bob_heard)?, ENOUGH).context("answer to call")?;
    Ok(format!("call to answer: {one}; answer to call: {two}"))
}

/// A minute between two of our telephones over a network that loses 5 % of the packets and delays the others by 40 ms more or
/// less, both ways.
fn bad_network(scene: &mut Scene) -> Result<String> {
    const MINUTE: u32 = 60;
    /// The mean correlation of windows of 160 ms. Each has eight packets, so that the network spoils one window in three: with
    /// silence in place of what it loses, and nothing else wrong, the mean would be 0.97.
    const SCORE: f64 = 0.94;
    let (bobs, bob_said) = scene.speech("bob.wav", 31, MINUTE)?;
    let (alices, alice_said) = scene.speech("alice.wav", 32, MINUTE + 30)?;
    let (bob_heard, alice_heard) = (scene.path("bob-heard.wav"), scene.path("alice-heard.wav"));
    let listen = format!("udp:{HOST}:5080");
    let mut answer = scene.sip(
        "answer",
        &[
            "answer",
            "--listen",
            &listen,
            "--play",
            text(&alices)?,
            "--record",
            text(&alice_heard)?,
            "--calls",
            "1",
            "--json",
        ],
    )?;
    answer.says("\"listening\"", Duration::from_secs(10))?;
    let network = Network {
        seed: 5,
        loss: 5,
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(40),
    };
    let relay = Relay::start((HOST, 5090).into(), (HOST, 5080).into(), network)?;
    let target = format!("sip:alice@{HOST}:5090");
    let mut call = scene.sip(
        "call",
        &[
            "call",
            &target,
            "--play",
            text(&bobs)?,
            "--record",
            text(&bob_heard)?,
            "--json",
        ],
    )?;
    call.success(Duration::from_secs(u64::from(MINUTE) + 20))
        .with_context(|| format!("answer{}", answer.tail()))?;
    answer.success(Duration::from_secs(10))?;
    let counts = relay.counts();
    drop(relay);
    let least = f64::from(MINUTE) - 1.0;
    let one = audio::resembles(&bob_said, &audio::read(&alice_heard)?, least, SCORE)
        .context("call to answer")?;
    let two = audio::resembles(&alice_said, &audio::read(&bob_heard)?, least, SCORE)
        .context("answer to call")?;
    if !(4.0..6.0).contains(&counts.loss()) || counts.passed < 5_000 {
        bail!("the network did not do its part: {counts:?}");
    }
    Ok(format!(
        "{:.1} % of {} packets lost; call to answer: {one}; answer to call: {two}",
        counts.loss(),
        counts.passed + counts.lost
    ))
}
