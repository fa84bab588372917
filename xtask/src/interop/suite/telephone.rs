//! Our telephone and SIPp's built-in scenarios, without a server between them.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Case;
use crate::interop::{namespace::HOST, scene::Scene, sipp::Sipp};

pub(crate) const CASES: &[Case] = &[
    Case::new("telephone", "sipp-calls-answer-udp", |scene| {
        answer(scene, false)
    }),
    Case::new("telephone", "sipp-calls-answer-tcp", |scene| {
        answer(scene, true)
    }),
    Case::new("telephone", "call-calls-sipp-udp", |scene| {
        call(scene, false)
    }),
    Case::new("telephone", "call-calls-sipp-tcp", |scene| {
        call(scene, true)
    }),
];

fn transport(tcp: bool) -> &'static str {
    if tcp { "tcp" } else { "udp" }
}

fn answer(scene: &mut Scene, tcp: bool) -> Result<String> {
    let listen = format!("{}:{HOST}:5080", transport(tcp));
    let mut answer = scene.sip(
        "answer",
        &[
            "answer", "--listen", &listen, "--tone", "440", "--calls", "3", "--json",
        ],
    )?;
    answer.says("\"listening\"", Duration::from_secs(10))?;
    // One at a time: a telephone is busy while it talks.
    Sipp::builtin("uac", "uac", 5070)
        .to((HOST, 5080).into())
        .tcp(tcp)
        .calls(3)
        .with(&["-l", "1"])
        .pause(400)
        .run(scene)
        .with_context(|| format!("answer{}", answer.tail()))?;
    answer.success(Duration::from_secs(10))?;
    Ok(format!("3 calls over {}", transport(tcp)))
}

fn call(scene: &mut Scene, tcp: bool) -> Result<String> {
    // SIPp lingers for 4 s after each call, and would count a connection that is closed meanwhile as a failure.
    let mut uas = Sipp::builtin("uas", "uas", 5070)
        .tcp(tcp)
        .with(&["-reconnect_close", "false"])
        .calls(2)
        .start(scene)?;
    let target = format!("sip:service@{HOST}:5070;transport={}", transport(tcp));
    for number in 1..=2 {
        let mut call = scene.sip(
            &format!("call-{number}"),
            &[
                "call",
                &target,
                "--tone",
                "440",
                "--duration",
                "1",
                "--json",
            ],
        )?;
        call.success(Duration::from_secs(15))?;
    }
    uas.success(Duration::from_secs(10))?;
    Ok(format!("2 calls over {}", transport(tcp)))
}
