//! Blind transfers (RFC 5589 section 6) between our telephone and baresip, without a server between them: each of them as the one who
//! transfers, and as the one who is transferred.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Case;
use crate::interop::{baresip::Telephone, namespace::HOST, process::Process, scene::Scene};

pub(crate) const CASES: &[Case] = &[
    Case::new("transfer", "baresip-transfers-answer", we_are_transferred),
    Case::new("transfer", "call-transfers-baresip", we_transfer),
];

const LIMIT: Duration = Duration::from_secs(15);

/// A telephone of ours that answers one call.
fn answering(scene: &mut Scene, name: &str, port: u16, more: &[&str]) -> Result<Process> {
    let listen = format!("udp:{HOST}:{port}");
    let mut arguments = vec![
        "answer", "--listen", &listen, "--tone", "440", "--calls", "1", "--json",
    ];
    arguments.extend(more);
    let mut process = scene.sip(name, &arguments)?;
    process.says("\"listening\"", LIMIT)?;
    Ok(process)
}

const BARESIP: Telephone<'_> = Telephone {
    name: "alice",
    password: None,
    port: 5070,
    tcp: false,
    tls: None,
    dial: None,
    seed: 1,
};

/// baresip calls us, and sends us to another telephone.
fn we_are_transferred(scene: &mut Scene) -> Result<String> {
    // Long enough that the call is up until it is transferred.
    let mut bob = answering(
        scene,
        "bob",
        5080,
        &["--accept-transfer", "--duration", "8"],
    )?;
    let mut carol = answering(scene, "carol", 5090, &["--duration", "2"])?;
    let target = format!("sip:bob@{HOST}:5080");
    let mut alice = Telephone {
        dial: Some(&target),
        ..BARESIP
    }
    .start(scene)?;
    alice.process.says("Call established", LIMIT)?;
    alice.command("transfer", &format!("sip:carol@{HOST}:5090"))?;
    carol
        .success(LIMIT)
        .with_context(|| format!("bob{}, alice{}", bob.tail(), alice.process.tail()))?;
    bob.success(LIMIT)?;
    // baresip says nothing of the outcome, but hangs up when it hears of success: between the two calls, and long before ours would end.
    let told = bob.stdout();
    let events: Vec<&str> = ["transferred", "\"by\":\"remote\"", "sip:carol@"]
        .into_iter()
        .filter(|event| told.contains(event))
        .collect();
    ensure!(
        events.len() == 3 && told.matches("\"answered\"").count() == 2,
        "bob has not talked to both{}",
        bob.tail()
    );
    alice.quit()?;
    Ok("from alice to carol".to_owned())
}

/// We call baresip, and send it to another telephone.
fn we_transfer(scene: &mut Scene) -> Result<String> {
    let mut carol = answering(scene, "carol", 5090, &["--duration", "2"])?;
    let mut alice = BARESIP.start(scene)?;
    let (target, to) = (
        format!("sip:alice@{HOST}:5070"),
        format!("sip:carol@{HOST}:5090"),
    );
    let mut call = scene.sip(
        "call",
        &[
            "call",
            &target,
            "--tone",
            "440",
            "--transfer",
            &to,
            "--transfer-after",
            "1",
            "--json",
        ],
    )?;
    call.success(LIMIT)
        .with_context(|| format!("alice{}", alice.process.tail()))?;
    ensure!(
        call.stdout().contains("\"status\":200"),
        "no outcome was told{}",
        call.tail()
    );
    carol.success(LIMIT)?;
    alice.process.says("transferring call", LIMIT)?;
    alice.quit()?;
    Ok("from us to carol".to_owned())
}
