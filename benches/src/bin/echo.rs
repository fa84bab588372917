//! What it costs to receive a datagram of SIP, to make a message of it, to hand it up and to send it back; and what the
//! two loops cost that only receive and send. CPU time of the thread that does it, on loopback (Linux).
//!
//! ```text
//! cargo run --release -p sip-bench --bin echo -- [DATAGRAMS]
//! ```
//!
//! On one core (`taskset -c 0 target/release/echo`) a whole window waits whenever the loop has its turn, as it does when a
//! server has as much to do as it can; on two it wakes for nearly each datagram.
//!
//! All datagrams come from one peer, as those of a trunk do, and are of one length: with segmentation offload what goes back at
//! once goes through the system as one.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that is run by hand"
)]

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use sip_transport::tokio::{Driver, Listen, SegmentationOffload};
use sip_transport::{Event, Output, Seed, TransportConfig, Transports};
use tokio::io::Interest;

/// Datagrams that are on the way at once.
const WINDOW: usize = 64;

fn main() {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(60_000, |text| text.parse().unwrap());
    println!(
        "{count} datagrams of 500 octets, {WINDOW} at once; CPU of the echoing thread for each, the median of {ROUNDS} rounds"
    );
    // Taken in turns, and each compared with its neighbours, so that what else the machine does hits all alike.
    let rounds: Vec<[f64; 4]> = (0..ROUNDS)
        .map(|_| [bare as Echo, batched, sip, sip_offload].map(|echo| measure(echo, count)))
        .collect();
    let of = |figure: fn(&[f64; 4]) -> f64| median(rounds.iter().map(figure).collect());
    println!(
        "bare recvfrom and sendto    {:8.0} ns",
        of(|round| round[0])
    );
    println!(
        "bare batches of quinn-udp   {:8.0} ns",
        of(|round| round[1])
    );
    println!(
        "sip-transport               {:8.0} ns: to batches {:.2}, to recvfrom and sendto {:.2}",
        of(|round| round[2]),
        of(|[_, batched, sip, _]| sip / batched),
        of(|[bare, _, sip, _]| sip / bare)
    );
    println!(
        "  segmentation offload      {:8.0} ns: to batches {:.2}, to recvfrom and sendto {:.2}",
        of(|round| round[3]),
        of(|[_, batched, _, sip]| sip / batched),
        of(|[bare, _, _, sip]| sip / bare)
    );
}

/// Rounds of all loops.
const ROUNDS: usize = 15;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A loop that echoes so many datagrams, and says when it listens.
type Echo = fn(UdpSocket, usize, &Sender<()>);

/// Nanoseconds for each datagram.
fn measure(echo: Echo, count: usize) -> f64 {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let message = message(client.local_addr().unwrap());
    let (listens, ready) = channel();
    let thread = std::thread::spawn(move || {
        let before = cpu_time();
        echo(server, count, &listens);
        cpu_time() - before
    });
    ready.recv().unwrap();
    client.connect(to).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut buf = [0; 2048];
    let mut left = count;
    while left > 0 {
        let burst = left.min(WINDOW);
        for _ in 0..burst {
            client.send(&message).unwrap();
        }
        for _ in 0..burst {
            client.recv(&mut buf).unwrap();
        }
        left -= burst;
    }
    thread.join().unwrap() as f64 / count as f64
}

/// Nanoseconds that this thread has run (Linux).
fn cpu_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn message(from: SocketAddr) -> Vec<u8> {
    let head = format!(
        "OPTIONS sip:echo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKnashds8;rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@atlanta.example.com>;tag=1928301774\r\n\
         To: <sip:echo@127.0.0.1>\r\nCall-ID: a84b4c76e66710@pc33.atlanta.example.com\r\nCSeq: 314159 OPTIONS\r\n\
         Contact: <sip:alice@{from}>\r\nAccept: application/sdp\r\nContent-Length: 0\r\nUser-Agent: "
    );
    let mut text = head.into_bytes();
    text.resize(496, b'x');
    text.extend(b"\r\n\r\n");
    text
}

/// One call of the system to receive and one to send, as most programs do it.
fn bare(socket: UdpSocket, count: usize, listens: &Sender<()>) {
    listens.send(()).unwrap();
    let mut buf = [0; 65_535];
    for _ in 0..count {
        let (len, from) = socket.recv_from(&mut buf).unwrap();
        socket.send_to(&buf[..len], from).unwrap();
    }
}

/// The loop of a program that uses quinn-udp well: batches in, one by one out.
fn batched(socket: UdpSocket, count: usize, listens: &Sender<()>) {
    listens.send(()).unwrap();
    runtime().block_on(async {
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
        let state = UdpSocketState::new((&socket).into()).unwrap();
        let mut space = vec![0_u8; 65_535 * BATCH_SIZE];
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut done = 0;
        while done < count {
            socket.readable().await.unwrap();
            let mut parts = space.chunks_exact_mut(65_535);
            let mut bufs: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap()));
            let Ok(received) = socket.try_io(Interest::READABLE, || {
                state.recv((&socket).into(), &mut bufs, &mut metas)
            }) else {
                continue;
            };
            for (meta, buf) in metas.iter().zip(&bufs).take(received) {
                for contents in buf[..meta.len].chunks(meta.stride) {
                    let transmit = Transmit {
                        destination: meta.addr,
                        ecn: None,
                        contents,
                        segment_size: None,
                        src_ip: None,
                    };
                    state.try_send((&socket).into(), &transmit).unwrap();
                    done += 1;
                }
            }
        }
    });
}

/// The worker of the stack: driver and core.
fn sip(socket: UdpSocket, count: usize, listens: &Sender<()>) {
    work(socket, count, listens, Listen::udp);
}

/// The same with segmentation offload.
fn sip_offload(socket: UdpSocket, count: usize, listens: &Sender<()>) {
    work(socket, count, listens, |addr| {
        Listen::udp(addr).segmentation_offload(SegmentationOffload::Always)
    });
}

fn work(
    socket: UdpSocket,
    count: usize,
    listens: &Sender<()>,
    listen: impl FnOnce(SocketAddr) -> Listen,
) {
    let addr = socket.local_addr().unwrap();
    // The driver binds its own.
    drop(socket);
    runtime().block_on(async {
        let (mut driver, bound) = Driver::bind(&[listen(addr)]).unwrap();
        let seed = Seed::from_system().unwrap();
        let mut transports = Transports::new(TransportConfig::default(), seed);
        for socket in &bound {
            transports.add_listener(socket.listener, socket.kind, socket.local);
        }
        listens.send(()).unwrap();
        let mut inputs = Vec::new();
        let mut done = 0;
        while done < count {
            driver.recv(&mut inputs).await;
            let now = Instant::now();
            for input in inputs.drain(..) {
                transports.handle_input(input, now);
                while let Some(output) = transports.poll_output() {
                    match output {
                        Output::Event(Event::Message { message, reply, .. }) => {
                            transports.send_message(reply.id, &message, now).unwrap();
                            transports.recycle(message);
                            done += 1;
                        }
                        Output::Event(event) => panic!("{event:?}"),
                        output @ (Output::Datagram { .. }
                        | Output::Stream { .. }
                        | Output::Connect { .. }
                        | Output::Close { .. }
                        | Output::Resolve { .. }) => driver.execute(output),
                    }
                }
            }
        }
        driver.shutdown().await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
