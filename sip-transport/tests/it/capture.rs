//! Captures, read by another program where it is there, and by the letter of the format where not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use sip_transport::tokio::Recorder;
use sip_transport::{Captured, Hep};
use tokio::net::UdpSocket;

use super::*;

#[expect(
    clippy::disallowed_methods,
    reason = "a capture has the time of the wall"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Fields of every packet, as tshark reads them; nothing where it is not installed.
fn tshark(file: &Path, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-r".as_ref(), file.as_os_str()]);
    command.args([
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
    ]);
    command.args([
        "-o",
        "tcp.check_checksum:TRUE",
        "-T",
        "fields",
        "-E",
        "separator=|",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: no tshark on this machine (Debian package tshark)");
            None
        }
        output => {
            let output = output.unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            let text = String::from_utf8(output.stdout).unwrap();
            Some(text.lines().map(str::to_owned).collect())
        }
    }
}

#[test]
fn tshark_reads_what_a_worker_recorded() {
    let path = file("worker.pcapng");
    let recorder = Recorder::pcapng(&path).unwrap();
    let lines = within(async {
        let (mut a, mut b) = (Worker::start("127.0.0.1"), Worker::start("127.0.0.1"));
        a.transports.capture(true);
        let mut expected = Vec::new();
        for kind in [TransportKind::Udp, TransportKind::Tcp] {
            let flow = a.flow_to(b.addr(), kind).await;
            a.send(flow.id, request(flow, "OPTIONS", ""));
            let (message, _, reply) = b.message_beside(&mut a).await;
            b.send(reply.id, ok_to(&message));
            let mut captured = Vec::new();
            loop {
                tokio::select! {
                    event = a.event() => match event {
                        Event::Captured(one) => captured.push(one),
                        Event::Message { .. } => break,
                        event => panic!("{event:?}"),
                    },
                    () = b.run() => unreachable!("a worker runs for ever"),
                }
            }
            assert_eq!(captured.len(), 2);
            for one in captured {
                recorder.record(&one, wall());
                let (from, to) = if one.sent {
                    (one.local, one.remote)
                } else {
                    (one.remote, one.local)
                };
                let what = if one.sent { "OPTIONS|" } else { "|200" };
                expected.push(format!("{}|{}|{what}|c1|1", from.ip(), to.ip()));
            }
        }
        expected
    });
    recorder.finish().unwrap();
    let fields = [
        "ip.src",
        "ip.dst",
        "sip.Method",
        "sip.Status-Code",
        "sip.Call-ID",
        "ip.checksum.status",
    ];
    if let Some(read) = tshark(&path, &fields) {
        assert_eq!(read, lines);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn tshark_reads_every_transport_with_its_addresses() {
    let path = file("kinds.pcapng");
    let recorder = Recorder::pcapng(&path).unwrap();
    let text = |n: usize, body: usize| {
        format!(
            "MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/X h;branch=z9hG4bK{n}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: call-{n}\r\nCSeq: 1 MESSAGE\r\nContent-Length: {body}\r\n\r\n{}",
            "x".repeat(body)
        )
    };
    let kinds = [
        (
            TransportKind::Udp,
            "192.0.2.1:5060",
            "192.0.2.2:5070",
            60_000,
            "192.0.2.1||||5060||",
        ),
        (
            TransportKind::Udp,
            "[2001:db8::1]:5060",
            "[2001:db8::2]:5070",
            10,
            "|2001:db8::1|||5060||",
        ),
        // More than one segment: the fields are those of the last, where the message is whole.
        (
            TransportKind::Tcp,
            "192.0.2.1:5060",
            "192.0.2.2:40000",
            100_000,
            "192.0.2.1|||||5060|",
        ),
        (
            TransportKind::Tcp,
            "[2001:db8::1]:5060",
            "[2001:db8::2]:40000",
            10,
            "|2001:db8::1||||5060|",
        ),
        (
            TransportKind::Tls,
            "192.0.2.1:5061",
            "192.0.2.2:40001",
            10,
            "192.0.2.1||192.0.2.1||||5061",
        ),
        (
            TransportKind::Wss,
            "192.0.2.1:443",
            "192.0.2.2:40001",
            10,
            "192.0.2.1||192.0.2.1||||443",
        ),
        (
            TransportKind::Sctp,
            "[2001:db8::1]:5060",
            "[2001:db8::2]:5060",
            10,
            "|2001:db8::1||2001:db8::1|||5060",
        ),
    ];
    let mut expected = Vec::new();
    for (n, (kind, local, remote, body, fields)) in kinds.into_iter().enumerate() {
        let payload = text(n, body).into();
        let captured = Captured::new(
            true,
            kind,
            local.parse().unwrap(),
            remote.parse().unwrap(),
            payload,
        );
        recorder.record(&captured, wall());
        expected.push(format!("call-{n}|{fields}"));
    }
    let stats = || recorder.stats();
    assert_eq!(stats().dropped, 0);
    recorder.finish().unwrap();
    let fields = [
        "sip.Call-ID",
        "ip.src",
        "ipv6.src",
        "exported_pdu.ipv4_src",
        "exported_pdu.ipv6_src",
        "udp.srcport",
        "tcp.srcport",
        "exported_pdu.src_port",
    ];
    let Some(read) = tshark(&path, &fields) else {
        return;
    };
    let messages: Vec<&String> = read
        .iter()
        .filter(|line| line.starts_with("call-"))
        .collect();
    assert!(messages.into_iter().eq(&expected), "{read:#?}");
    let bad = tshark(&path, &["udp.checksum.status", "tcp.checksum.status"]).unwrap();
    assert!(
        bad.iter().all(|line| !line.contains('0')),
        "a checksum is wrong: {bad:?}"
    );
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_hep_server_gets_each_message_as_a_datagram() {
    within(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let recorder = Recorder::hep(server.local_addr().unwrap(), Hep::new(7)).unwrap();
        let captured = |len: usize| {
            Captured::new(
                true,
                TransportKind::Udp,
                "192.0.2.1:5060".parse().unwrap(),
                "192.0.2.2:5060".parse().unwrap(),
                "x".repeat(len).into(),
            )
        };
        for len in [100, 70_000, 300] {
            recorder.record(&captured(len), wall());
        }
        let mut sizes = Vec::new();
        let mut buf = [0; 2000];
        for _ in 0..2 {
            let len = server.recv(&mut buf).await.unwrap();
            assert_eq!(&buf[..4], b"HEP3");
            assert_eq!(usize::from(u16::from_be_bytes([buf[4], buf[5]])), len);
            sizes.push(len);
        }
        assert_eq!(sizes[1] - sizes[0], 200);
        let error = recorder.finish().unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    });
}

#[test]
fn a_hep_server_that_is_not_there_harms_nobody() {
    within(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let gone = socket.local_addr().unwrap();
        drop(socket);
        let recorder = Recorder::hep(gone, Hep::new(7)).unwrap();
        for _ in 0..10 {
            let captured = Captured::new(true, TransportKind::Udp, gone, gone, "x".into());
            recorder.record(&captured, wall());
        }
        assert_eq!(recorder.stats().dropped, 0);
        // It ends, with or without an error: whether the system noticed in time is its affair.
        let _either = recorder.finish();
    });
}
