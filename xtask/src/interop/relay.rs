//! A bad network between two telephones: a relay on this host that loses and delays their audio, from a seed.
//!
//! ```text
//!   caller ── SIP ──► relay ── SIP ──► callee       the port of audio in each description becomes one of the relay
//!   caller ── RTP ──► relay ── RTP ──► callee       some packets are lost, the others wait for a random time
//! ```

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How often the sockets are looked at.
const POLL: Duration = Duration::from_micros(500);
const LARGEST: usize = 4_096;

/// What the network does to audio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) seed: u64,
    /// Share of the packets that are lost, in percent.
    pub(crate) loss: u64,
    /// Each packet takes this long and up to `jitter` longer; packets overtake each other.
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

/// Packets of audio (RTP, not RTCP) that the relay has seen, both ways.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) lost: u64,
}

impl Counts {
    /// Share lost, in percent.
    pub(crate) fn loss(self) -> f64 {
        self.lost as f64 * 100.0 / (self.lost + self.passed).max(1) as f64
    }
}

/// A running relay; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    counts: Arc<Mutex<Counts>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on `address` for a caller of the telephone at `callee`.
    pub(crate) fn start(address: SocketAddr, callee: SocketAddr, network: Network) -> Result<Self> {
        let signalling = socket(address)?;
        let [to_caller, to_callee] = [pair(address)?, pair(address)?];
        let counts = Arc::new(Mutex::new(Counts::default()));
        let over = Arc::new(AtomicBool::new(false));
        let mut task = Task {
            signalling,
            callee,
            caller: None,
            sides: [to_caller, to_callee].map(|sockets| Side {
                port: sockets.0,
                sockets: sockets.1,
                audio: None,
            }),
            network,
            random: network.seed | 1,
            waiting: BTreeMap::new(),
            number: 0,
            counts: Arc::clone(&counts),
        };
        let stop = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                task.turn();
                thread::sleep(POLL);
            }
        });
        Ok(Self {
            counts,
            over,
            thread: Some(thread),
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        *self
            .counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It never panics on purpose; if it did, the case fails for want of audio.
            let _ = thread.join();
        }
    }
}

/// What one telephone sees of the other: two ports of the relay, for RTP and RTCP.
struct Side {
    port: u16,
    sockets: [UdpSocket; 2],
    /// Where the telephone on this side receives audio, as its description says.
    audio: Option<SocketAddr>,
}

struct Task {
    signalling: UdpSocket,
    callee: SocketAddr,
    caller: Option<SocketAddr>,
    /// Towards the caller, and towards the callee.
    sides: [Side; 2],
    network: Network,
    random: u64,
    /// What is on its way: when it arrives, and its number; towards which side, whether it is RTCP, the octets.
    waiting: BTreeMap<(Instant, u64), (usize, usize, Vec<u8>)>,
    number: u64,
    counts: Arc<Mutex<Counts>>,
}

impl Task {
    fn turn(&mut self) {
        let mut buffer = [0; LARGEST];
        while let Ok((length, from)) = self.signalling.recv_from(&mut buffer) {
            self.signal(buffer.get(..length).unwrap_or_default(), from);
        }
        for (side, kind) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            while let Ok((length, _)) = self.sides[side].sockets[kind].recv_from(&mut buffer) {
                self.audio(side, kind, buffer.get(..length).unwrap_or_default());
            }
        }
        let now = Instant::now();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (side, kind, payload) = entry.remove();
            let side = &self.sides[side];
            if let Some(mut to) = side.audio {
                to.set_port(to.port() + kind as u16);
                // A telephone that has hung up hears nothing more.
                let _ = side.sockets[kind].send_to(&payload, to);
            }
        }
    }

    /// A message of either telephone goes to the other one, with the relay's port in its description.
    fn signal(&mut self, message: &[u8], from: SocketAddr) {
        let (sender, to) = if from == self.callee {
            (1, self.caller)
        } else {
            self.caller = Some(from);
            (0, Some(self.callee))
        };
        let mut message = message.to_vec();
        if let Some(place) = audio_port(&message)
            && let Some(port) = message.get(place.clone())
            && let Ok(port) = String::from_utf8_lossy(port).parse::<u16>()
        {
            self.sides[sender].audio = Some(SocketAddr::new(from.ip(), port));
            // All ports here have five digits, so that no length changes.
            let ours = self.sides[1 - sender].port.to_string();
            if let Some(digits) = message.get_mut(place)
                && digits.len() == ours.len()
            {
                digits.copy_from_slice(ours.as_bytes());
            }
        }
        if let Some(to) = to {
            let _ = self.signalling.send_to(&message, to);
        }
    }

    /// A packet that arrived on `side` goes to the other one, or is lost.
    fn audio(&mut self, side: usize, kind: usize, payload: &[u8]) {
        let lost = self.random() % 100 < self.network.loss;
        if kind == 0 {
            let mut counts = self
                .counts
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if lost {
                counts.lost += 1;
            } else {
                counts.passed += 1;
            }
        }
        if lost {
            return;
        }
        let part = (self.random() % 10_000) as f64 / 10_000.0;
        let at = Instant::now() + self.network.delay + self.network.jitter.mul_f64(part);
        self.number += 1;
        self.waiting
            .insert((at, self.number), (1 - side, kind, payload.to_vec()));
    }

    fn random(&mut self) -> u64 {
        // xorshift64*, as for the speech.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }
}

/// Where the port of the first audio stream stands in a message.
fn audio_port(message: &[u8]) -> Option<std::ops::Range<usize>> {
    let line = b"m=audio ";
    let start = message.windows(line.len()).position(|part| part == line)? + line.len();
    let digits = message
        .get(start..)?
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    Some(start..start + digits)
}

fn socket(address: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(address).with_context(|| format!("cannot bind {address}"))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// An even port of five digits and the one above it.
fn pair(address: SocketAddr) -> Result<(u16, [UdpSocket; 2])> {
    for port in (20_000..30_000).step_by(2) {
        let at = |port| socket(SocketAddr::new(address.ip(), port));
        match (at(port), at(port + 1)) {
            (Ok(rtp), Ok(rtcp)) => return Ok((port, [rtp, rtcp])),
            (Err(error), _) | (_, Err(error)) if !is_taken(&error) => return Err(error),
            _ => {}
        }
    }
    bail!("no free pair of ports")
}

fn is_taken(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_name_the_relay_and_audio_goes_through_it() {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let free = || UdpSocket::bind(local(0)).expect("a free port");
        let [caller, callee, caller_audio, callee_audio] = [free(), free(), free(), free()];
        for socket in [&caller, &callee, &caller_audio, &callee_audio] {
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .expect("a socket");
        }
        let at = |socket: &UdpSocket| socket.local_addr().expect("bound");
        let address = at(&free());
        let network = Network {
            seed: 1,
            loss: 0,
            delay: Duration::from_millis(1),
            jitter: Duration::from_millis(1),
        };
        let relay = Relay::start(address, at(&callee), network).expect("a relay");
        let mut buffer = [0; 500];
        let mut named = |from: &UdpSocket, audio: &UdpSocket, via: SocketAddr, to: &UdpSocket| {
            let message = format!("X\r\n\r\nv=0\r\nm=audio {} RTP/AVP 0\r\n", at(audio).port());
            from.send_to(message.as_bytes(), via).expect("sent");
            let (length, relay) = to.recv_from(&mut buffer).expect("received");
            let got = buffer[..length].to_vec();
            let port =
                String::from_utf8_lossy(&got[audio_port(&got).expect("a port")]).into_owned();
            (relay, local(port.parse().expect("a number")))
        };
        let (via, instead_of_caller) = named(&caller, &caller_audio, address, &callee);
        let (_, instead_of_callee) = named(&callee, &callee_audio, via, &caller);
        for (from, to, arrives_at, seen_from) in [
            (
                &caller_audio,
                instead_of_callee,
                &callee_audio,
                instead_of_caller,
            ),
            (
                &callee_audio,
                instead_of_caller,
                &caller_audio,
                instead_of_callee,
            ),
        ] {
            from.send_to(b"audio", to).expect("sent");
            let (length, source) = arrives_at.recv_from(&mut buffer).expect("received");
            assert_eq!((&buffer[..length], source), (&b"audio"[..], seen_from));
        }
        assert_eq!((relay.counts().passed, relay.counts().lost), (2, 0));
    }
}
