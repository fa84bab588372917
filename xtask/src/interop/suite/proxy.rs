//! Calls through our proxy, with SIPp on both sides following Record-Route.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::interop::{capture, scene::Scene, server::Server, sipp::Sipp};

pub(crate) const CASES: &[Case] = &[
    Case::new("proxy", "caller-hangs-up-udp", |scene| {
        calls(scene, "uas.xml", "uac.xml", false)
    }),
    Case::new("proxy", "caller-hangs-up-tcp", |scene| {
        calls(scene, "uas.xml", "uac.xml", true)
    }),
    Case::new("proxy", "callee-hangs-up-udp", |scene| {
        calls(scene, "uas_hangs_up.xml", "uac_hears_bye.xml", false)
    }),
    Case::new("proxy", "caller-cancels", |scene| {
        calls(scene, "uas_cancelled.xml", "uac_cancels.xml", false)
    }),
    Case::new("proxy", "busy", |scene| {
        calls(scene, "uas_busy.xml", "uac_refused.xml", false)
    }),
];

const USERS: &[(&str, &str)] = &[("alice", "alice-secret"), ("bob", "bob-secret")];

fn calls(scene: &mut Scene, uas: &'static str, uac: &'static str, tcp: bool) -> Result<String> {
    let mut server = Server::start(scene, USERS)?;
    let mut callee = Sipp::file("uas", uas, 5090)
        .tcp(tcp)
        .calls(10)
        .pause(300)
        .start(scene)?;
    Sipp::file("register", "register.xml", 5071)
        .to(Server::address())
        .tcp(tcp)
        .key("contact_port", "5090")
        .users(scene, &USERS[1..])?
        .calls(1)
        .run(scene)?;
    Sipp::file("uac", uac, 5070)
        .to(Server::address())
        .tcp(tcp)
        .users(scene, &USERS[..1])?
        .key("callee", "bob")
        .calls(10)
        .rate(10)
        .pause(300)
        .run(scene)
        .with_context(|| format!("the callee{}", callee.tail()))?;
    callee.success(Duration::from_secs(20))?;
    server.process.stop(Duration::from_secs(10))?;
    let routed = capture::fields(
        &scene.packets()?,
        "sip.Method == \"INVITE\" and sip.Record-Route",
        &["frame.number"],
    )?;
    if routed.is_empty() {
        bail!("no INVITE left the proxy with a Record-Route: it did not stay on the path");
    }
    Ok(format!(
        "10 calls through the proxy over {}",
        if tcp { "tcp" } else { "udp" }
    ))
}
