//! How much memory idle connections take: `idle tls 1000` (or `tcp`) holds that many from a process of its own, each
//! proven alive by a keep-alive, and prints what the server's process grew by. Linux.
#![expect(clippy::unwrap_used, reason = "a measurement that fails ends")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use sip_transport::tokio::tls::{DevelopmentCertificate, Identity, Tls, TlsConfig};
use sip_transport::tokio::{Driver, Listen};
use sip_transport::{Output, Seed, TransportConfig, TransportKind, Transports};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[expect(clippy::disallowed_methods, reason = "a program, not the library")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match words[1..] {
        ["client", kind, count, to, pem] => {
            runtime.block_on(client(
                kind,
                count.parse().unwrap(),
                to.parse().unwrap(),
                pem,
            ));
        }
        [kind, count] => runtime.block_on(server(kind, count.parse().unwrap())),
        _ => println!("usage: idle tcp|tls COUNT"),
    }
}

async fn server(kind: &str, count: usize) {
    let made =
        DevelopmentCertificate::make(&["example.test"], &[], Duration::from_secs(3600), wall())
            .unwrap();
    let transport = if kind == "tls" {
        TransportKind::Tls
    } else {
        TransportKind::Tcp
    };
    let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (mut driver, bound) = Driver::bind(&[Listen::new(transport, addr)]).unwrap();
    let mut tls = TlsConfig::default();
    tls.identities = vec![Identity::pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap()];
    driver.use_tls(Tls::new(tls).unwrap());
    let mut config = TransportConfig::default();
    config.first_message = Duration::MAX;
    config.limits.connections = count;
    config.limits.connections_per_peer = count;
    let mut transports = Transports::new(config, Seed::from_bytes([1; 32]));
    for socket in &bound {
        transports.add_listener(socket.listener, socket.kind, socket.local);
    }
    let before = resident();
    let mut client = Command::new(std::env::current_exe().unwrap())
        .args(["client", kind, &count.to_string()])
        .args([&bound[0].local.to_string(), &made.certificate])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut inputs = Vec::new();
    let mut quiet = 0;
    // All are open, have been heard, and nothing more comes.
    while transports.stats().keep_alives < count as u64 || quiet < 5 {
        let heard = tokio::time::timeout(Duration::from_millis(200), driver.recv(&mut inputs));
        quiet = if heard.await.is_ok() { 0 } else { quiet + 1 };
        for input in inputs.drain(..) {
            transports.handle_input(input, now());
        }
        while let Some(output) = transports.poll_output() {
            if !matches!(output, Output::Event(_)) {
                driver.execute(output);
            }
        }
    }
    assert_eq!(transports.stats().connections, count);
    let grown = resident() - before;
    println!(
        "{count} idle {kind} connections: {grown} KiB more resident memory, {:.1} KiB each",
        grown as f64 / count as f64
    );
    drop(client.stdin.take());
    let _ended = client.wait();
}

async fn client(kind: &str, count: usize, to: SocketAddr, pem: &str) {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let (mut plain, mut secure) = (Vec::new(), Vec::new());
    let mut pong = [0; 2];
    for _ in 0..count {
        let mut stream = TcpStream::connect(to).await.unwrap();
        if kind == "tls" {
            let name = "example.test".try_into().unwrap();
            let mut stream = connector.connect(name, stream).await.unwrap();
            stream.write_all(b"\r\n\r\n").await.unwrap();
            stream.read_exact(&mut pong).await.unwrap();
            secure.push(stream);
        } else {
            stream.write_all(b"\r\n\r\n").await.unwrap();
            stream.read_exact(&mut pong).await.unwrap();
            plain.push(stream);
        }
    }
    // Until the server has looked.
    let _ended = std::io::stdin().read(&mut pong);
}

/// The resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a driver's loop reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates are about the real time"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}
