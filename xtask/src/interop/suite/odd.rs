//! What a server on a public address receives: pings of other tools, and bytes that are not SIP.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::interop::{
    capture::Judge,
    namespace::HOST,
    process::Process,
    scene::Scene,
    server::{PORT, Server, exchange, options},
};

pub(crate) const CASES: &[Case] = &[
    Case::new("odd", "sipsak-ping", sipsak),
    Case::new("odd", "bad-datagrams", datagrams),
    Case::new("odd", "bad-streams", streams),
    Case::new("odd", "flood-of-garbage", flood),
    Case::new("odd", "garbage-is-banned", ban),
];

const STOP: Duration = Duration::from_secs(10);

fn sipsak(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[("alice", "alice-secret")])?;
    for (label, arguments) in [("sipsak-udp", &[][..]), ("sipsak-tcp", &["-E", "tcp"][..])] {
        let mut command = Command::new("sipsak");
        command
            .arg("-vv")
            .args(arguments)
            .args(["-s", &format!("sip:{HOST}:{PORT}")]);
        let mut sipsak = Process::spawn(&mut command, label, &scene.dir)?;
        sipsak.success(STOP)?;
        if !sipsak.output().contains("200 OK") {
            bail!("{label} got no 200{}", sipsak.tail());
        }
    }
    // Random mode: OPTIONS with one more character overwritten in each; ends at the first answer that is no 4xx.
    let mut command = Command::new("sipsak");
    command.args(["-R", "-t", "60", "-vv", "-s", &format!("sip:{HOST}:{PORT}")]);
    Process::spawn(&mut command, "sipsak-random", &scene.dir)?.wait(Duration::from_secs(60))?;
    server
        .answers()
        .context("after sipsak's trashed requests")?;
    server.process.stop(STOP)?;
    // It sends a request that it gets no answer to again, and with it the answer that it does not take.
    scene.judge = Judge::sent_from(PORT).with_resends();
    Ok("answered over udp and tcp, and alive after randomly trashed requests".to_owned())
}

/// What may come back.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// A 400 whose reason phrase says more than "Bad Request".
    BadRequest,
    /// Silence, or a 400: RFC 3261 has nowhere to send an answer, or it would lack a field that it has to repeat.
    Silence,
    /// One of these codes.
    OneOf(&'static [&'static str]),
}

fn request(skip: &str, replace: Option<(&str, &str)>, body: &str) -> String {
    let mut lines = vec![
        "OPTIONS sip:192.0.2.10 SIP/2.0".to_owned(),
        "Via: SIP/2.0/UDP 192.0.2.10:5099;branch=z9hG4bKodd;rport".to_owned(),
        "Max-Forwards: 70".to_owned(),
        "From: <sip:odd@192.0.2.10>;tag=odd".to_owned(),
        "To: <sip:192.0.2.10>".to_owned(),
        "Call-ID: odd".to_owned(),
        "CSeq: 1 OPTIONS".to_owned(),
        format!("Content-Length: {}", body.len()),
    ];
    lines.retain(|line| skip.is_empty() || !line.starts_with(skip));
    if let Some((start, with)) = replace {
        for line in &mut lines {
            if line.starts_with(start) {
                with.clone_into(line);
            }
        }
    }
    // Each one is a new transaction: a branch that was seen before is a retransmission.
    let unique = format!(
        "z9hG4bKodd{:x}",
        lines
            .join("")
            .bytes()
            .fold(7_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte))
    );
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).replace("z9hG4bKodd", &unique)
}

fn datagrams(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[])?;
    let whole = request("", None, "");
    let many = format!("X-Many: {}", "a".repeat(50_000));
    let cases: Vec<(&str, Vec<u8>, Expect)> = vec![
        (
            "random bytes",
            (0..600_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect(),
            Expect::Silence,
        ),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            Expect::Silence,
        ),
        (
            "a truncated start line",
            b"OPTIONS sip:19".to_vec(),
            Expect::Silence,
        ),
        (
            "a message cut in its headers",
            whole.as_bytes()[..whole.len() / 2].to_vec(),
            Expect::Silence,
        ),
        (
            "no Via",
            request("Via", None, "").into_bytes(),
            Expect::Silence,
        ),
        (
            "no CSeq",
            request("CSeq", None, "").into_bytes(),
            Expect::Silence,
        ),
        (
            "no From",
            request("From", None, "").into_bytes(),
            Expect::Silence,
        ),
        (
            "no To",
            request("To", None, "").into_bytes(),
            Expect::Silence,
        ),
        (
            "no Call-ID",
            request("Call-ID", None, "").into_bytes(),
            Expect::Silence,
        ),
        (
            "a Content-Length beyond the datagram",
            request(
                "",
                Some(("Content-Length", "Content-Length: 9999")),
                "short",
            )
            .into_bytes(),
            Expect::BadRequest,
        ),
        (
            "a Content-Length that is no number",
            request("", Some(("Content-Length", "Content-Length: many")), "").into_bytes(),
            Expect::BadRequest,
        ),
        (
            "a negative Content-Length",
            request("", Some(("Content-Length", "Content-Length: -1")), "").into_bytes(),
            Expect::BadRequest,
        ),
        (
            "a CSeq of another method",
            request("", Some(("CSeq", "CSeq: 1 INVITE")), "").into_bytes(),
            Expect::BadRequest,
        ),
        (
            "a CSeq beyond 2**31",
            request("", Some(("CSeq", "CSeq: 4294967296 OPTIONS")), "").into_bytes(),
            Expect::BadRequest,
        ),
        (
            "a From without its bracket",
            request("", Some(("From", "From: <sip:odd@192.0.2.10;tag=odd")), "").into_bytes(),
            Expect::BadRequest,
        ),
        (
            "another SIP version",
            request("", Some(("OPTIONS", "OPTIONS sip:192.0.2.10 SIP/7.0")), "").into_bytes(),
            Expect::OneOf(&["505", "400"]),
        ),
        (
            "no hops left",
            request("", Some(("Max-Forwards", "Max-Forwards: 0")), "").into_bytes(),
            Expect::OneOf(&["200", "483"]),
        ),
        (
            "an unknown URI scheme",
            request("", Some(("OPTIONS", "OPTIONS unknown:x SIP/2.0")), "").into_bytes(),
            Expect::OneOf(&["416", "404"]),
        ),
        (
            "a required extension nobody knows",
            request(
                "",
                Some(("Max-Forwards", "Max-Forwards: 70\r\nRequire: no-such-thing")),
                "",
            )
            .into_bytes(),
            Expect::OneOf(&["420"]),
        ),
        (
            "a header of 50,000 bytes",
            request("", Some(("Max-Forwards", &many)), "").into_bytes(),
            Expect::OneOf(&["400", "413", "513", "200"]),
        ),
        (
            "a NUL in a header",
            request("", Some(("Call-ID", "Call-ID: o\0dd")), "").into_bytes(),
            Expect::Silence,
        ),
    ];
    let mut answered = 0;
    for (name, payload, expect) in &cases {
        let socket = UdpSocket::bind((HOST, 0))?;
        let patience = Duration::from_millis(if matches!(expect, Expect::Silence) {
            150
        } else {
            2_000
        });
        let answer = exchange(&socket, Server::address(), payload, patience)?;
        server
            .process
            .still_runs()
            .with_context(|| format!("after {name}"))?;
        let line = answer
            .as_deref()
            .and_then(|answer| answer.lines().next())
            .unwrap_or("silence")
            .to_owned();
        let code = line.split(' ').nth(1).unwrap_or_default();
        let good = match expect {
            Expect::Silence => answer.is_none() || code == "400",
            Expect::BadRequest => {
                code == "400"
                    && !matches!(line.splitn(3, ' ').nth(2), None | Some("" | "Bad Request"))
            }
            Expect::OneOf(codes) => codes.contains(&code),
        };
        if !good {
            bail!("{name}: expected {expect:?}, got {line}");
        }
        answered += usize::from(answer.is_some());
    }
    server.answers().context("after all of them")?;
    server.process.stop(STOP)?;
    // What we sent is malformed; what the server sent must not be.
    scene.judge = Judge::sent_from(PORT);
    Ok(format!(
        "{} kinds, {answered} of them answered",
        cases.len()
    ))
}

/// On a stream a framing error cannot be survived: the connection is closed, the server is not.
fn streams(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[])?;
    let over_tcp = |text: String| text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").into_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "random bytes",
            (0..4_000_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect(),
        ),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        ),
        (
            "no Content-Length that is a number",
            over_tcp(request(
                "",
                Some(("Content-Length", "Content-Length: x")),
                "",
            )),
        ),
        (
            "two Content-Lengths that differ",
            over_tcp(request(
                "",
                Some(("Content-Length", "Content-Length: 0\r\nContent-Length: 5")),
                "",
            )),
        ),
        (
            "a Content-Length of a gigabyte",
            over_tcp(request(
                "",
                Some(("Content-Length", "Content-Length: 1000000000")),
                "",
            )),
        ),
        (
            "a header without end",
            [
                b"OPTIONS sip:192.0.2.10 SIP/2.0\r\nX: ".to_vec(),
                vec![b'a'; 300_000],
            ]
            .concat(),
        ),
    ];
    for (name, payload) in &cases {
        let mut stream = TcpStream::connect(Server::address())?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // The server may close before everything is written.
        let _ = stream.write_all(payload);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => bail!("{name}: the connection was not closed: {error}"),
        }
        if !answer.is_empty()
            && !answer.starts_with(b"SIP/2.0 4")
            && !answer.starts_with(b"SIP/2.0 5")
        {
            bail!("{name}: got {}", String::from_utf8_lossy(&answer));
        }
        server
            .process
            .still_runs()
            .with_context(|| format!("after {name}"))?;
    }
    // One that trickles in is no error: byte by byte it is the same message.
    let mut stream = TcpStream::connect(Server::address())?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_nodelay(true)?;
    for byte in over_tcp(request("", None, "")) {
        stream.write_all(&[byte])?;
    }
    let mut start = [0; 12];
    stream
        .read_exact(&mut start)
        .context("no answer to a request sent byte by byte")?;
    if &start != b"SIP/2.0 200 " {
        bail!(
            "a request sent byte by byte got {}",
            String::from_utf8_lossy(&start)
        );
    }
    drop(stream);
    server.answers()?;
    server.process.stop(STOP)?;
    scene.judge = Judge::sent_from(PORT);
    Ok(format!(
        "{} kinds of broken streams closed; one sent byte by byte answered",
        cases.len()
    ))
}

/// Garbage leaves nothing behind: memory after many datagrams is as after some.
fn flood(scene: &mut Scene) -> Result<String> {
    const SOME: u32 = 5_000;
    // Its memory is of interest, so it has to go on listening.
    let config = scene.path("sip.toml");
    std::fs::write(&config, "[sources]\ntrusted = [\"192.0.2.0/24\"]\n")?;
    let config = config.to_string_lossy().into_owned();
    let mut server = Server::start_with(scene, &[], &["--config", &config])?;
    let socket = UdpSocket::bind((HOST, 0))?;
    let send = |from: u32, many: u32| -> Result<()> {
        for number in from..from + many {
            let broken = request("From", None, "")
                .replace("z9hG4bKodd", &format!("z9hG4bK{number}"))
                .replace("Call-ID: odd", &format!("Call-ID: {number}"));
            let garbage = format!("{number} is not SIP\r\n\r\n");
            socket.send_to(
                if number % 2 == 0 {
                    broken.as_bytes()
                } else {
                    garbage.as_bytes()
                },
                Server::address(),
            )?;
            if number % 100 == 0 {
                // Slow enough for the server to see them all.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    };
    send(0, SOME)?;
    server.answers()?;
    let before = server.memory()?;
    send(SOME, 4 * SOME)?;
    server.answers()?;
    let after = server.memory()?;
    if after > before + 4_096 {
        bail!(
            "{} datagrams of garbage grew the server from {before} to {after} KiB",
            4 * SOME
        );
    }
    server.process.stop(STOP)?;
    scene.judge = Judge::sent_from(PORT);
    Ok(format!(
        "{} broken datagrams; resident memory {before} KiB before the last {}, {after} KiB after",
        5 * SOME,
        4 * SOME
    ))
}

/// Who sends nothing but garbage is not listened to any more, and others are.
fn ban(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[])?;
    let socket = UdpSocket::bind((HOST, 0))?;
    for number in 0..500 {
        socket.send_to(
            format!("{number} is not SIP\r\n\r\n").as_bytes(),
            Server::address(),
        )?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let patience = Duration::from_secs(1);
    if let Some(answer) = options(Server::address(), patience)? {
        bail!("the address that sent garbage is answered: {answer}");
    }
    let other = UdpSocket::bind(("127.0.0.1", 0))?;
    let local = other.local_addr()?;
    let via = format!("Via: SIP/2.0/UDP {local};branch=z9hG4bKodd;rport");
    let request = request("", Some(("Via", &via)), "");
    match exchange(&other, Server::address(), request.as_bytes(), patience)? {
        Some(answer) if answer.starts_with("SIP/2.0 200 ") => {}
        answer => bail!("another address got {answer:?}"),
    }
    server.process.stop(STOP)?;
    scene.judge = Judge::sent_from(PORT);
    Ok("500 broken datagrams; their address is not listened to, another is".to_owned())
}
