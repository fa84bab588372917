//! The peers among themselves: proves that the namespace, the capture, its judge and the audio comparison accept what
//! is right, before they are asked about us.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Case;
use crate::interop::{audio, baresip::Telephone, namespace::HOST, scene::Scene, sipp::Sipp};

pub(crate) const CASES: &[Case] = &[
    Case {
        needs_program: false,
        ..Case::new("peers", "sipp-calls-sipp", sipp)
    },
    Case {
        needs_program: false,
        ..Case::new("peers", "baresip-calls-baresip", baresip)
    },
];

fn sipp(scene: &mut Scene) -> Result<String> {
    let mut uas = Sipp::builtin("uas", "uas", 5070).calls(5).start(scene)?;
    Sipp::builtin("uac", "uac", 5071)
        .to((HOST, 5070).into())
        .calls(5)
        .rate(10)
        .pause(200)
        .run(scene)?;
    uas.success(Duration::from_secs(20))?;
    Ok("5 calls".to_owned())
}

fn baresip(scene: &mut Scene) -> Result<String> {
    let telephone = Telephone {
        name: "alice",
        password: None,
        port: 5070,
        tcp: false,
        tls: None,
        dial: None,
        seed: 1,
    };
    let mut alice = telephone.start(scene)?;
    let target = format!("sip:alice@{HOST}:5070");
    let mut bob = Telephone {
        name: "bob",
        port: 5080,
        dial: Some(&target),
        seed: 2,
        ..telephone
    }
    .start(scene)?;
    bob.process
        .says("Call established", Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_secs(3));
    bob.quit()?;
    alice
        .process
        .says("terminated (duration", Duration::from_secs(5))?;
    alice.quit()?;
    let one = audio::matches(&alice.said, &bob.heard()?, 2.5).context("alice to bob")?;
    let two = audio::matches(&bob.said, &alice.heard()?, 2.5).context("bob to alice")?;
    Ok(format!("alice to bob: {one}; bob to alice: {two}"))
}
