//! Targets by name: the procedure of RFC 3263 with a real name server (knot), and with servers that lie or are silent.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use sip_message::UriRef;
use sip_transport::ResolveError;
use sip_transport::tokio::{Resolver, ResolverConfig};
use tokio::net::UdpSocket;

use super::*;

/// A name server of Debian's package `knot`, on loopback and a free port, with one zone.
struct NameServer {
    process: Child,
    addr: SocketAddr,
    _files: tempfile::TempDir,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

impl NameServer {
    /// `None` where the program is not installed.
    async fn start(zone: &str) -> Option<Self> {
        let installed = Command::new("knotd")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if installed.is_err() {
            eprintln!("skipped: there is no knotd (Debian package knot)");
            return None;
        }
        let files = tempfile::tempdir().unwrap();
        let dir = files.path().display();
        let head = "$ORIGIN example.test.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n";
        std::fs::write(files.path().join("zone"), format!("{head}{zone}\n")).unwrap();
        let addr = free_port().await;
        let config = format!(
            "server:\n    rundir: {dir}\n    listen: {}@{}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
             database:\n    storage: {dir}\nlog:\n  - target: stderr\n    any: warning\n\
             zone:\n  - domain: example.test\n    file: {dir}/zone\n    journal-content: none\n    zonefile-sync: -1\n",
            addr.ip(),
            addr.port()
        );
        let path = files.path().join("knot.conf");
        std::fs::write(&path, config).unwrap();
        let process = Command::new("knotd")
            .arg("--config")
            .arg(&path)
            .spawn()
            .unwrap();
        let server = Self {
            process,
            addr,
            _files: files,
        };
        server.answers().await;
        Some(server)
    }

    /// Waits until it answers: asks again and again for its own zone, by hand.
    async fn answers(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.addr).await.unwrap();
        let question = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x04test\x00\x00\x06\x00\x01";
        let mut answer = [0; 512];
        loop {
            let _refused = socket.send(question).await;
            let heard = tokio::time::timeout(Duration::from_millis(20), socket.recv(&mut answer));
            // NOERROR and an answer: the zone is loaded.
            if let Ok(Ok(len)) = heard.await
                && len > 12
                && answer[3] & 0xf == 0
                && answer[7] == 1
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A port of loopback that is free for UDP and TCP.
async fn free_port() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = udp.local_addr().unwrap();
        if tokio::net::TcpListener::bind(addr).await.is_ok() {
            return addr;
        }
    }
}

fn worker(server: SocketAddr, change: impl FnOnce(&mut ResolverConfig)) -> Worker {
    let addr = "127.0.0.1:0".parse().unwrap();
    let mut worker = Worker::listening(&[Listen::udp(addr), Listen::tcp(addr)], |config| {
        config.service_records = true;
        config.limits.addresses = 8;
    });
    // A place to be named by, so that nothing is connected to learn it; no connection is accepted there.
    let tls = sip_transport::ListenerId::new(99);
    worker
        .transports
        .add_listener(tls, TransportKind::Tls, "127.0.0.1:5061".parse().unwrap());
    let mut config = ResolverConfig::default();
    config.servers = vec![server];
    change(&mut config);
    worker.driver.use_resolver(Resolver::new(config).unwrap());
    worker
}

/// Where a URI leads.
async fn places(worker: &mut Worker, uri: &str) -> Result<Vec<String>, SelectError> {
    let target = Target::from_uri(UriRef::parse(uri).unwrap()).unwrap();
    let flows = worker.select(&target, 500).await?;
    let place = |flow: &Flow| format!("{} {}", flow.kind, flow.remote);
    Ok(flows.iter().map(place).collect())
}

const ZONE: &str = r#"
@        NAPTR 20 50 "s" "SIP+D2T"  "" _sip._tcp
@        NAPTR 30 50 "s" "SIP+D2U"  "" _sip._udp
@        NAPTR 10 50 "s" "SIPS+D2T" "" _sips._tcp
@        NAPTR 5  50 "s" "SIP+D2X"  "" _sip._pigeon
_sips._tcp SRV 1 0 5061 secure
_sip._tcp  SRV 2 0 5070 second
_sip._tcp  SRV 1 0 5062 first
_sip._udp  SRV 1 0 5060 first
first    A 127.0.1.1
second   A 127.0.1.2
second   A 127.0.1.3
secure   A 127.0.1.4
plain    A 127.0.2.1
alias    CNAME plain
_sip._udp.services SRV 1 0 5090 second
_sip._udp.none     SRV 0 0 0 .
none     A 127.0.3.1
loop     CNAME pool
pool     CNAME loop
"#;

#[test]
fn rfc3263_4_naptr_srv_and_addresses_of_a_real_name_server() {
    within(async {
        let Some(server) = NameServer::start(ZONE).await else {
            return;
        };
        let mut worker = worker(server.addr, |_| {});
        let cases: &[(&str, &[&str])] = &[
            // RFC 3263 §4.1: by the order of the NAPTR records, and all that can be used.
            (
                "sip:example.test",
                &[
                    "TLS 127.0.1.4:5061",
                    "TCP 127.0.1.1:5062",
                    "TCP 127.0.1.2:5070",
                    "TCP 127.0.1.3:5070",
                    "UDP 127.0.1.1:5060",
                ],
            ),
            ("sips:example.test", &["TLS 127.0.1.4:5061"]),
            // §4.1: the transport is given, so SRV is asked at once; §4.2: by priority.
            (
                "sip:example.test;transport=tcp",
                &[
                    "TCP 127.0.1.1:5062",
                    "TCP 127.0.1.2:5070",
                    "TCP 127.0.1.3:5070",
                ],
            ),
            // §4.2: a port is given, so there is an address lookup only.
            ("sip:plain.example.test:5099", &["UDP 127.0.2.1:5099"]),
            // No NAPTR, but SRV.
            (
                "sip:services.example.test",
                &["UDP 127.0.1.2:5090", "UDP 127.0.1.3:5090"],
            ),
            // Neither: the addresses and the default port.
            ("sip:plain.example.test", &["UDP 127.0.2.1:5060"]),
            ("sip:alias.example.test", &["UDP 127.0.2.1:5060"]),
            // RFC 2782: "." is no service; the addresses are then asked for.
            ("sip:none.example.test", &["UDP 127.0.3.1:5060"]),
        ];
        for (uri, expected) in cases {
            // The sets are in order, the addresses within one as the server gives them.
            let mut found = places(&mut worker, uri).await.unwrap();
            found.sort_by_key(|place| expected.iter().position(|one| one == place));
            assert_eq!(found, *expected, "{uri}");
        }
        assert_eq!(
            places(&mut worker, "sip:nobody.example.test").await,
            Err(SelectError::Resolve(ResolveError::NotFound))
        );
    });
}

#[test]
fn a_loop_of_aliases_ends() {
    within(async {
        let Some(server) = NameServer::start(ZONE).await else {
            return;
        };
        let mut worker = worker(server.addr, |_| {});
        let result = places(&mut worker, "sip:loop.example.test:5060").await;
        assert!(matches!(result, Err(SelectError::Resolve(_))), "{result:?}");
    });
}

#[test]
fn of_a_thousand_records_a_few_are_used() {
    within(async {
        let mut zone = String::new();
        for n in 0..1000 {
            let (a, b) = (n / 250, n % 250 + 1);
            writeln!(zone, "many A 127.4.{a}.{b}").unwrap();
            writeln!(zone, "_sip._udp.hosts SRV 1 1 {} h{n}", 10_000 + n).unwrap();
            writeln!(zone, "h{n} A 127.5.{a}.{b}").unwrap();
        }
        let Some(server) = NameServer::start(&zone).await else {
            return;
        };
        let mut worker = worker(server.addr, |_| {});
        // The answers come over TCP: they are too large for UDP.
        for (uri, network) in [
            ("sip:many.example.test:5060", "UDP 127.4."),
            ("sip:hosts.example.test;transport=udp", "UDP 127.5."),
        ] {
            let found = places(&mut worker, uri).await.unwrap();
            assert_eq!(found.len(), 8, "{uri}");
            assert!(
                found.iter().all(|one| one.starts_with(network)),
                "{found:?}"
            );
        }
        assert_eq!(worker.transports.stats().selections, 0);
    });
}

#[test]
fn rfc1035_3_2_1_answers_are_remembered_as_long_as_they_allow() {
    within(async {
        let zone = "long 300 A 127.0.0.7\nnever 0 A 127.0.0.8\n";
        let Some(server) = NameServer::start(zone).await else {
            return;
        };
        let mut worker = worker(server.addr, |config| {
            config.time = Duration::from_millis(100);
            config.attempts = 1;
        });
        for name in ["long", "never"] {
            let uri = format!("sip:{name}.example.test:5060");
            assert!(places(&mut worker, &uri).await.is_ok(), "{name}");
        }
        // The server is gone: what may be remembered is, the rest is not.
        drop(server);
        assert_eq!(
            places(&mut worker, "sip:long.example.test:5060").await,
            Ok(vec!["UDP 127.0.0.7:5060".to_owned()])
        );
        let result = places(&mut worker, "sip:never.example.test:5060").await;
        assert!(matches!(result, Err(SelectError::Resolve(_))), "{result:?}");
    });
}

#[test]
fn a_silent_name_server_is_given_up() {
    within(async {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut worker = worker(silent.local_addr().unwrap(), |config| {
            config.time = Duration::from_millis(30);
            config.attempts = 1;
        });
        assert_eq!(
            places(&mut worker, "sip:example.test").await,
            Err(SelectError::Resolve(ResolveError::TimedOut))
        );
        // One that takes longer than the whole selection may take.
        let mut worker = self::worker(silent.local_addr().unwrap(), |config| {
            config.time = Duration::from_secs(60);
        });
        let target = Target::from_uri(UriRef::parse("sip:example.test").unwrap()).unwrap();
        let id = worker.transports.select(&target, 500, now());
        worker.settle();
        // The selection's own deadline passes, by a clock that runs ahead.
        let later = now() + Duration::from_secs(11);
        worker.transports.handle_timeout(later);
        match worker.event().await {
            Event::Selected { id: of, result } if of == id => {
                assert_eq!(result, Err(SelectError::TimedOut));
            }
            event => panic!("{event:?}"),
        }
        assert_eq!(worker.transports.stats().selections, 0);
    });
}

#[test]
fn a_name_server_that_answers_nonsense_is_no_answer() {
    within(async {
        let liar = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut worker = worker(liar.local_addr().unwrap(), |config| {
            config.time = Duration::from_millis(50);
            config.attempts = 1;
        });
        let lies = async {
            let mut question = [0; 512];
            loop {
                let (len, from) = liar.recv_from(&mut question).await.unwrap();
                // The question back as an answer that promises records which are not there.
                let mut answer = question[..len].to_vec();
                answer[2] |= 0x80;
                answer[6..8].copy_from_slice(&[0xff, 0xff]);
                liar.send_to(&answer, from).await.unwrap();
                liar.send_to(&[0xff; 12], from).await.unwrap();
                liar.send_to(&[], from).await.unwrap();
            }
        };
        let result = tokio::select! {
            result = places(&mut worker, "sip:example.test") => result,
            () = lies => unreachable!("it lies for ever"),
        };
        assert!(matches!(result, Err(SelectError::Resolve(_))), "{result:?}");
    });
}
