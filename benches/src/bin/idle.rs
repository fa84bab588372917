//! What a connection costs that says nothing: resident memory of the process for each of ten thousand TCP connections on
//! loopback that have brought one message (Linux). The peers are a process of their own.
//!
//! ```text
//! cargo run --release -p sip-bench --bin idle -- [CONNECTIONS]
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that is run by hand"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use sip_transport::tokio::{Driver, Listen};
use sip_transport::{Event, Output, Seed, TransportConfig, Transports};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [peer, to, count] if peer == "--peer" => peers(to.parse().unwrap(), count.parse().unwrap()),
        [] => serve(10_000),
        [count] => serve(count.parse().unwrap()),
        _ => eprintln!("usage: idle [CONNECTIONS]"),
    }
}

/// Opens connections, sends a request on each, and holds them until it is ended.
fn peers(to: SocketAddr, count: usize) {
    let connections: Vec<TcpStream> = (0..count)
        .map(|n| {
            let mut connection = TcpStream::connect(to).unwrap();
            let request = format!(
                "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@example.com>;tag={n}\r\nTo: <sip:{to}>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            connection.write_all(request.as_bytes()).unwrap();
            connection
        })
        .collect();
    // Until the other side closes its end of the pipe.
    let _end = std::io::stdin().read(&mut [0]);
    drop(connections);
}

fn serve(count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (mut driver, bound) = Driver::bind(&[Listen::tcp(addr)]).unwrap();
        let mut config = TransportConfig::default();
        config.limits.connections = 2 * count;
        config.limits.connections_per_peer = 2 * count;
        let mut transports = Transports::new(config, Seed::from_system().unwrap());
        for socket in &bound {
            transports.add_listener(socket.listener, socket.kind, socket.local);
        }
        let mut inputs = Vec::new();
        let before = resident();
        let mut peers = Command::new(std::env::current_exe().unwrap())
            .args(["--peer", &bound[0].local.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
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
        println!(
            "{count} idle TCP connections: {} octets each ({} KiB before, {} KiB after)",
            (after - before) / count,
            before / 1024,
            after / 1024
        );
        drop(peers.stdin.take());
        peers.wait().unwrap();
    });
}

/// Octets of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
