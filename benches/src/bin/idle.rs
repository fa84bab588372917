//! What a connection costs that says nothing: resident memory of the process for each of many connections on loopback
//! that have brought one message (Linux). The peers are a process of their own. Fails when it is more than the bar.
//!
//! ```text
//! cargo run --release -p sip-bench --bin idle -- [tcp|tls [CONNECTIONS]]
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that is run by hand"
)]

use std::io::{Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sip_transport::tokio::tls::{DevelopmentCertificate, Identity, Tls, TlsConfig};
use sip_transport::tokio::{Driver, Listen};
use sip_transport::{Event, Output, Seed, TransportConfig, TransportKind, Transports};

/// Octets that a connection of TCP may take.
const TCP: usize = 4 * 1024;
/// The same of TLS, whose session has keys and buffers.
const TLS: usize = 32 * 1024;
/// File descriptors that are not connections.
const OTHERS: usize = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--peer", to, count] => {
            peers(count, |request| {
                let mut connection = TcpStream::connect(to).unwrap();
                connection.write_all(request.as_bytes()).unwrap();
                connection
            });
            ExitCode::SUCCESS
        }
        ["--peer", to, count, certificate] => {
            let config = trusting(certificate);
            peers(count, |request| {
                let name = "example.test".try_into().unwrap();
                let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
                let mut connection = StreamOwned::new(session, TcpStream::connect(to).unwrap());
                connection.write_all(request.as_bytes()).unwrap();
                connection.flush().unwrap();
                connection
            });
            ExitCode::SUCCESS
        }
        [] | ["tcp"] => serve(TransportKind::Tcp, 10_000),
        ["tls"] => serve(TransportKind::Tls, 10_000),
        ["tcp", count] => serve(TransportKind::Tcp, count.parse().unwrap()),
        ["tls", count] => serve(TransportKind::Tls, count.parse().unwrap()),
        _ => {
            eprintln!("usage: idle [tcp|tls [CONNECTIONS]]");
            ExitCode::from(2)
        }
    }
}

/// Opens connections, sends a request on each, and holds them until it is ended.
fn peers<C>(count: &str, open: impl Fn(&str) -> C) {
    let connections: Vec<C> = (0..count.parse().unwrap())
        .map(|n: u32| {
            open(&format!(
                "OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@example.com>;tag={n}\r\nTo: <sip:example.test>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n\
                 Content-Length: 0\r\n\r\n"
            ))
        })
        .collect();
    // Until the other side closes its end of the pipe.
    let _end = std::io::stdin().read(&mut [0]);
    drop(connections);
}

fn trusting(certificate: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn serve(kind: TransportKind, wanted: usize) -> ExitCode {
    // Both processes have a descriptor for each.
    let count = wanted.min(descriptors().saturating_sub(OTHERS));
    if count < wanted {
        println!("the limit of open files (ulimit -n) leaves {count} connections");
    }
    let (name, bar) = if kind == TransportKind::Tls {
        ("TLS", TLS)
    } else {
        ("TCP", TCP)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (before, after) = runtime.block_on(measure(kind, count));
    let each = after.saturating_sub(before) / count.max(1);
    println!(
        "{count} idle {name} connections: {each} octets each, at most {bar} ({} KiB before, {} KiB after)",
        before / 1024,
        after / 1024
    );
    if each > bar {
        println!("that is more than they may take");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Octets of this process without the connections and with them.
async fn measure(kind: TransportKind, count: usize) -> (usize, usize) {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (mut driver, bound) = Driver::bind(&[Listen::new(kind, addr)]).unwrap();
    let mut peers = Command::new(std::env::current_exe().unwrap());
    peers.args(["--peer", &bound[0].local.to_string(), &count.to_string()]);
    if kind == TransportKind::Tls {
        let made = DevelopmentCertificate::make(
            &["example.test"],
            &[],
            Duration::from_secs(3600),
            SystemTime::now(),
        )
        .unwrap();
        let mut tls = TlsConfig::default();
        tls.identities =
            vec![Identity::pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap()];
        driver.use_tls(Tls::new(tls).unwrap());
        peers.arg(&made.certificate);
    }
    let mut config = TransportConfig::default();
    config.limits.connections = 2 * count;
    config.limits.connections_per_peer = 2 * count;
    let mut transports = Transports::new(config, Seed::from_system().unwrap());
    for socket in &bound {
        transports.add_listener(socket.listener, socket.kind, socket.local);
    }
    let before = resident();
    let mut peers: Child = peers.stdin(Stdio::piped()).spawn().unwrap();
    let mut inputs = Vec::new();
    let mut messages = 0;
    while messages < count {
        driver.recv(&mut inputs).await;
        for input in inputs.drain(..) {
            transports.handle_input(input, Instant::now());
        }
        while let Some(output) = transports.poll_output() {
            match output {
                Output::Event(Event::Message { .. }) => messages += 1,
                Output::Event(event) => panic!("{event:?}"),
                output @ (Output::Datagram { .. }
                | Output::Stream { .. }
                | Output::Connect { .. }
                | Output::Close { .. }
                | Output::Resolve { .. }) => driver.execute(output),
            }
        }
    }
    let after = resident();
    assert_eq!(transports.stats().connections, count);
    drop(peers.stdin.take());
    peers.wait().unwrap();
    (before, after)
}

/// Octets of memory that this process has.
fn resident() -> usize {
    let kib: usize = word_of("/proc/self/status", "VmRSS:").parse().unwrap();
    kib * 1024
}

/// Files that this process may have open.
fn descriptors() -> usize {
    word_of("/proc/self/limits", "Max open files")
        .parse()
        .unwrap_or(usize::MAX)
}

/// What follows a name in a file of the system.
fn word_of(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.unwrap().to_owned()
}
