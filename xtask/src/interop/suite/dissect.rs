//! What the composed stack sends in disorder (`tests/it/disorder.rs`), before Wireshark's dissector.

use anyhow::{Result, bail};

use super::Case;
use crate::interop::{capture::Judge, scene::Scene};
use crate::shell;

pub(crate) const CASES: &[Case] = &[Case {
    needs_program: false,
    ..Case::new("dissect", "disorder", disorder)
}];

fn disorder(scene: &mut Scene) -> Result<String> {
    // What is not answered is sent again, all the time.
    scene.judge = Judge::default().with_resends();
    // The messages take the place of what passed the loopback device: nothing did.
    let file = scene.packets()?;
    let mut command = shell::cargo();
    command
        .args([
            "test",
            "--package",
            "sip-stack",
            "--test",
            "it",
            "--",
            "disorder",
            "--nocapture",
        ])
        .env("SIP_DISSECT", &file);
    let said = shell::capture(&mut command)?;
    let Some(figures) = said.lines().find(|line| line.starts_with("Figures")) else {
        bail!("the test did not say what it did: {said}");
    };
    Ok(figures.to_owned())
}
