//! TLS between workers, and with peers of other kinds.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sip_transport::tokio::tls::{ClientCertificates, Identity, Tls, TlsConfig, TlsVersions, Trust};
use sip_transport::{CertificateFault, ConnectionError, FlowFailure, TargetHost};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;

/// An authority that signs what a test wants.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // No two have the same name.
        let name = format!("{:?}", &key.public_key_raw()[..8]);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate with these alternative names: `sip:` URIs, addresses, and else DNS names.
    pub(crate) fn sign(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|&name| match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) if name.starts_with("sip:") => SanType::URI(name.try_into().unwrap()),
                Err(_) => SanType::DnsName(name.try_into().unwrap()),
            })
            .collect();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        self.sign(names, |_| {})
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::pem(self.pem.as_bytes()).unwrap()
    }

    pub(crate) fn config(&self, identities: Vec<Identity>) -> TlsConfig {
        let mut config = TlsConfig::default();
        config.identities = identities;
        config.trust = self.trust();
        config
    }

    /// A client that is not ours.
    pub(crate) fn stranger(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone().into()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

pub(crate) fn secured(kind: TransportKind, config: TlsConfig) -> Worker {
    secured_with(kind, config, |_| {})
}

fn secured_with(
    kind: TransportKind,
    config: TlsConfig,
    change: impl FnOnce(&mut TransportConfig),
) -> Worker {
    let addr = "127.0.0.1:0".parse().unwrap();
    let mut worker = Worker::listening(&[Listen::new(kind, addr)], change);
    worker.driver.use_tls(Tls::new(config).unwrap());
    worker
}

/// A target that is a name, as it would be after RFC 3263: the name decides what the certificate has to prove.
pub(crate) async fn flow_to_name(
    worker: &mut Worker,
    name: &str,
    addr: SocketAddr,
    kind: TransportKind,
) -> Flow {
    let mut target = Target::ip(addr.ip(), Some(addr.port()), Some(kind));
    target.host = TargetHost::Name(name.into());
    target.secure = true;
    let id = worker.transports.select(&target, 500, now());
    let Some(Output::Resolve { id: question, .. }) = worker.transports.poll_output() else {
        panic!("a name is resolved")
    };
    let result = Ok(sip_transport::Answer::Addresses(vec![addr.ip()]));
    let input = Input::Resolved {
        id: question,
        result,
    };
    worker.transports.handle_input(input, now());
    match worker.event().await {
        Event::Selected { id: of, result } if of == id => result.unwrap()[0],
        event => panic!("{event:?}"),
    }
}

/// Why the connection of a client to a server fails; what the server sees of it.
async fn failure(
    client: &mut Worker,
    server: &mut Worker,
    name: &str,
) -> (FlowFailure, FlowFailure) {
    let flow = flow_to_name(client, name, server.addr(), TransportKind::Tls).await;
    client.send(flow.id, request(flow, "OPTIONS", ""));
    let cause = |event| match event {
        Event::FlowFailed { cause, .. } => cause,
        event => panic!("{event:?}"),
    };
    let mine = tokio::select! {
        event = client.event() => cause(event),
        () = server.run() => unreachable!("a worker runs for ever"),
    };
    let theirs = tokio::select! {
        event = server.event() => cause(event),
        () = client.run() => unreachable!("a worker runs for ever"),
    };
    assert_eq!(client.transports.stats().connections, 0);
    assert_eq!(server.transports.stats().connections, 0);
    (mine, theirs)
}

#[test]
fn rfc3261_26_2_a_request_and_its_response_pass_over_each_version() {
    for versions in [TlsVersions::From12, TlsVersions::Only13] {
        within(async {
            let authority = Authority::new();
            let mut config = authority.config(vec![authority.identity(&["sip:b.example"])]);
            config.versions = versions;
            let mut server = secured(TransportKind::Tls, config);
            let mut client = secured(TransportKind::Tls, authority.config(vec![]));
            let flow =
                flow_to_name(&mut client, "b.example", server.addr(), TransportKind::Tls).await;
            assert_eq!(flow.sent_by().addr(), client.addr());
            for n in 0..3 {
                let body = "x".repeat(n * 20_000);
                client.send(flow.id, request(flow, "MESSAGE", &body));
                let (message, _, reply) = server.message_beside(&mut client).await;
                assert_eq!(message.body().len(), body.len());
                assert_eq!(reply.kind, TransportKind::Tls);
                server.send(reply.id, ok_to(&message));
                let (message, back, _) = client.message_beside(&mut server).await;
                assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
                assert_eq!(back, flow);
            }
            // Whom the certificate proves is known to the layers above; the client showed none.
            let peer = client.transports.peer_identity(flow.id).unwrap();
            assert!(peer.proves("b.example"));
            assert_eq!(server.transports.stats().connections, 1);
        });
    }
}

#[test]
fn rfc5246_a_client_that_speaks_tls_1_2_only_is_served() {
    within(async {
        let authority = Authority::new();
        let mut server = secured(
            TransportKind::Tls,
            authority.config(vec![authority.identity(&["b.example"])]),
        );
        let mut roots = RootCertStore::empty();
        roots.add(authority.der.clone().into()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (mut peer, _) = hello(&mut server, config, "b.example").await.unwrap();
        peer.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        tokio::select! {
            read = peer.read_exact(&mut pong) => drop(read.unwrap()),
            () = server.run() => unreachable!("a worker runs for ever"),
        }
        assert_eq!(&pong, b"\r\n");
        assert_eq!(
            peer.get_ref().1.protocol_version(),
            Some(rustls::ProtocolVersion::TLSv1_2)
        );
    });
}

type Peer = tokio_rustls::client::TlsStream<TcpStream>;

/// A handshake of a client that is not ours, while the server runs; and the certificate that it was shown.
async fn hello(
    server: &mut Worker,
    config: ClientConfig,
    name: &str,
) -> std::io::Result<(Peer, Vec<u8>)> {
    let addr = server.addr();
    let connect = async {
        let stream = TcpStream::connect(addr).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let peer = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let shown = peer.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        Ok((peer, shown))
    };
    tokio::select! {
        connected = connect => connected,
        () = server.run() => unreachable!("a worker runs for ever"),
    }
}

#[test]
fn rfc6066_3_the_certificate_is_the_one_of_the_name_that_is_asked_for() {
    within(async {
        let authority = Authority::new();
        let (a, b) = (
            authority.identity(&["a.example"]),
            authority.identity(&["sip:b.example", "b.example"]),
        );
        let mut server = secured(TransportKind::Tls, authority.config(vec![a, b]));
        let (_, of_a) = hello(&mut server, authority.stranger(), "a.example")
            .await
            .unwrap();
        let (_, of_b) = hello(&mut server, authority.stranger(), "b.example")
            .await
            .unwrap();
        assert_ne!(of_a, of_b);
        // Nobody's name: the first, which the client then refuses.
        let refused = hello(&mut server, authority.stranger(), "c.example").await;
        assert!(refused.unwrap_err().to_string().contains("certificate"));
    });
}

#[test]
fn certificates_are_reloaded_while_connections_go_on() {
    within(async {
        let authority = Authority::new();
        let tls = Tls::new(authority.config(vec![authority.identity(&["b.example"])])).unwrap();
        let mut server = secured(TransportKind::Tls, authority.config(vec![]));
        server.driver.use_tls(tls.clone());
        let (mut old, before) = hello(&mut server, authority.stranger(), "b.example")
            .await
            .unwrap();
        tls.reload(authority.config(vec![authority.identity(&["b.example"])]))
            .unwrap();
        let (_, after) = hello(&mut server, authority.stranger(), "b.example")
            .await
            .unwrap();
        assert_ne!(before, after);
        // The connection of before still works.
        old.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        tokio::select! {
            read = old.read_exact(&mut pong) => drop(read.unwrap()),
            () = server.run() => unreachable!("a worker runs for ever"),
        }
    });
}

#[test]
fn rfc8446_2_2_a_session_is_resumed() {
    within(async {
        let authority = Authority::new();
        let mut server = secured(
            TransportKind::Tls,
            authority.config(vec![authority.identity(&["b.example"])]),
        );
        let config = authority.stranger();
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let (mut peer, _) = hello(&mut server, config.clone(), "b.example")
                .await
                .unwrap();
            assert_eq!(peer.get_ref().1.handshake_kind(), Some(kind));
            // The tickets come with what the server says first.
            peer.write_all(b"\r\n\r\n").await.unwrap();
            let mut pong = [0; 2];
            tokio::select! {
                read = peer.read_exact(&mut pong) => drop(read.unwrap()),
                () = server.run() => unreachable!("a worker runs for ever"),
            }
        }
    });
}

#[test]
fn rfc5922_7_4_a_client_is_known_by_its_certificate() {
    within(async {
        let authority = Authority::new();
        let mut config = authority.config(vec![authority.identity(&["b.example"])]);
        config.clients = ClientCertificates::Required(authority.trust());
        let mut server = secured(TransportKind::Tls, config);
        let mut client = secured(
            TransportKind::Tls,
            authority.config(vec![
                authority.identity(&["sip:a.example", "other.example"]),
            ]),
        );
        let flow = flow_to_name(&mut client, "b.example", server.addr(), TransportKind::Tls).await;
        client.send(flow.id, request(flow, "OPTIONS", ""));
        let (_, from, _) = server.message_beside(&mut client).await;
        let peer = server.transports.peer_identity(from.id).unwrap();
        assert!(peer.proves("a.example"));
        assert!(!peer.proves("other.example"));
    });
}

#[test]
fn rfc5922_7_4_a_client_without_a_certificate_is_refused_where_one_is_required() {
    within(async {
        let authority = Authority::new();
        let mut config = authority.config(vec![authority.identity(&["b.example"])]);
        config.clients = ClientCertificates::Required(authority.trust());
        let mut server = secured(TransportKind::Tls, config);
        let mut client = secured(TransportKind::Tls, authority.config(vec![]));
        let (mine, theirs) = failure(&mut client, &mut server, "b.example").await;
        assert_eq!(mine, FlowFailure::Lost(ConnectionError::OwnCertificate));
        let missing = ConnectionError::Certificate(CertificateFault::Missing);
        assert_eq!(theirs, FlowFailure::Lost(missing));
        assert_eq!(server.transports.stats().failed_handshakes, 1);
    });
}

#[test]
fn rfc5922_7_4_a_client_certificate_of_another_authority_is_refused() {
    within(async {
        let (authority, other) = (Authority::new(), Authority::new());
        let mut config = authority.config(vec![authority.identity(&["b.example"])]);
        config.clients = ClientCertificates::Asked(authority.trust());
        let mut server = secured(TransportKind::Tls, config);
        // Asked is not required.
        let mut nobody = secured(TransportKind::Tls, authority.config(vec![]));
        let flow = flow_to_name(&mut nobody, "b.example", server.addr(), TransportKind::Tls).await;
        nobody.send(flow.id, request(flow, "OPTIONS", ""));
        let (_, from, _) = server.message_beside(&mut nobody).await;
        assert_eq!(server.transports.peer_identity(from.id), None);
        server.transports.close(from.id, now());
        drop(nobody);
        let mut client = secured(
            TransportKind::Tls,
            authority.config(vec![other.identity(&["a.example"])]),
        );
        let (mine, theirs) = failure(&mut client, &mut server, "b.example").await;
        assert_eq!(mine, FlowFailure::Lost(ConnectionError::OwnCertificate));
        let unknown = ConnectionError::Certificate(CertificateFault::UnknownAuthority);
        assert_eq!(theirs, FlowFailure::Lost(unknown));
    });
}

/// A server with this certificate is refused by a client that looks for `b.example`.
fn refused(identity: impl FnOnce(&Authority) -> Identity, expected: CertificateFault) {
    within(async {
        let authority = Authority::new();
        let config = authority.config(vec![identity(&authority)]);
        let mut server = secured(TransportKind::Tls, config);
        let mut client = secured(TransportKind::Tls, authority.config(vec![]));
        let (mine, theirs) = failure(&mut client, &mut server, "b.example").await;
        assert_eq!(
            mine,
            FlowFailure::Connect(ConnectionError::Certificate(expected))
        );
        // The client says by an alert why it leaves.
        assert!(
            matches!(
                theirs,
                FlowFailure::Lost(ConnectionError::OwnCertificate | ConnectionError::Security)
            ),
            "{theirs:?}"
        );
        assert_eq!(server.transports.stats().requests, 0);
    });
}

#[test]
fn a_certificate_that_expired_is_refused() {
    let expired = |authority: &Authority| {
        authority.sign(&["b.example"], |params| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        })
    };
    refused(expired, CertificateFault::Expired);
    let early = |authority: &Authority| {
        authority.sign(&["b.example"], |params| {
            params.not_before = rcgen::date_time_ymd(4000, 1, 1);
        })
    };
    refused(early, CertificateFault::NotYetValid);
}

#[test]
fn rfc5922_7_2_a_certificate_that_names_another_domain_is_refused() {
    for names in [
        &["c.example"][..],
        &["*.example"],
        // The sip URI rules the DNS name out.
        &["sip:c.example", "b.example"],
        &["127.0.0.1"],
        &[],
    ] {
        refused(
            |authority| authority.identity(names),
            CertificateFault::OtherName,
        );
    }
}

#[test]
fn a_certificate_that_no_authority_signed_is_refused() {
    refused(
        |_| Authority::new().identity(&["b.example"]),
        CertificateFault::UnknownAuthority,
    );
}

#[test]
fn a_certificate_that_is_not_for_servers_is_refused() {
    let client_only = |authority: &Authority| {
        authority.sign(&["b.example"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    };
    refused(client_only, CertificateFault::Invalid);
}

#[test]
fn an_address_is_proven_by_an_address_only() {
    within(async {
        let authority = Authority::new();
        for (name, proven) in [("127.0.0.1", true), ("b.example", false)] {
            let mut client = secured(TransportKind::Tls, authority.config(vec![]));
            let config = authority.config(vec![authority.identity(&[name])]);
            let mut server = secured(TransportKind::Tls, config);
            let flow = client.flow_to(server.addr(), TransportKind::Tls).await;
            client.send(flow.id, request(flow, "OPTIONS", ""));
            let arrived = tokio::select! {
                event = client.event() => match event {
                    Event::FlowFailed { cause, .. } => {
                        let other = ConnectionError::Certificate(CertificateFault::OtherName);
                        assert_eq!(cause, FlowFailure::Connect(other));
                        false
                    }
                    event => panic!("{event:?}"),
                },
                _ = server.message() => true,
            };
            assert_eq!(arrived, proven, "{name}");
        }
    });
}

#[test]
fn anyone_is_believed_only_where_that_was_asked_for() {
    within(async {
        let authority = Authority::new();
        let config = authority.config(vec![Authority::new().identity(&["c.example"])]);
        let mut server = secured(TransportKind::Tls, config);
        let mut config = TlsConfig::default();
        config.trust = Trust::danger_anyone();
        let mut client = secured(TransportKind::Tls, config);
        let flow = flow_to_name(&mut client, "b.example", server.addr(), TransportKind::Tls).await;
        client.send(flow.id, request(flow, "OPTIONS", ""));
        server.message_beside(&mut client).await;
        // Nothing is proven by what nobody verified.
        assert_eq!(client.transports.peer_identity(flow.id), None);
    });
}

#[test]
fn a_worker_without_certificates_neither_accepts_nor_connects() {
    within(async {
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut worker = Worker::listening(&[Listen::tls(addr)], |_| {});
        let mut peer = TcpStream::connect(worker.addr()).await.unwrap();
        let unsupported = |event: Event| match event {
            Event::FlowFailed { cause, .. } => cause,
            event => panic!("{event:?}"),
        };
        assert_eq!(
            unsupported(worker.event().await),
            FlowFailure::Lost(ConnectionError::Unsupported)
        );
        assert_eq!(peer.read(&mut [0; 8]).await.unwrap_or(0), 0);
        let flow = worker.flow_to(worker.addr(), TransportKind::Tls).await;
        worker.send(flow.id, "x");
        assert_eq!(
            unsupported(worker.event().await),
            FlowFailure::Connect(ConnectionError::Unsupported)
        );
    });
}

#[test]
fn plain_sip_at_a_tls_port_is_closed() {
    within(async {
        let authority = Authority::new();
        let config = authority.config(vec![authority.identity(&["b.example"])]);
        let mut server = secured(TransportKind::Tls, config);
        let mut peer = TcpStream::connect(server.addr()).await.unwrap();
        peer.write_all(b"OPTIONS sip:b SIP/2.0\r\n\r\n")
            .await
            .unwrap();
        match server.event().await {
            Event::FlowFailed { cause, .. } => {
                assert_eq!(cause, FlowFailure::Lost(ConnectionError::Security));
            }
            event => panic!("{event:?}"),
        }
        let mut rest = Vec::new();
        // An alert of TLS, then an orderly end or a reset.
        let _ended = peer.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"SIP/2.0"));
        assert_eq!(server.transports.stats().failed_handshakes, 1);
    });
}

#[test]
fn a_handshake_that_never_ends_is_ended() {
    within(async {
        let authority = Authority::new();
        let config = authority.config(vec![authority.identity(&["b.example"])]);
        let mut server = secured_with(TransportKind::Tls, config, |config| {
            config.handshake_time = Duration::from_millis(50);
        });
        // The first bytes of a ClientHello, and then nothing.
        let mut peer = TcpStream::connect(server.addr()).await.unwrap();
        peer.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        match server.event().await {
            Event::FlowFailed { cause, .. } => assert_eq!(cause, FlowFailure::Slow),
            event => panic!("{event:?}"),
        }
        assert_eq!(peer.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(server.transports.stats().failed_handshakes, 1);
        assert_eq!(server.transports.stats().connections, 0);
    });
}

#[test]
fn a_server_that_never_answers_the_handshake_times_out() {
    within(async {
        let authority = Authority::new();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = secured_with(TransportKind::Tls, authority.config(vec![]), |config| {
            config.connect_time = Duration::from_millis(50);
        });
        let addr = silent.local_addr().unwrap();
        let flow = client.flow_to(addr, TransportKind::Tls).await;
        client.send(flow.id, "x");
        match client.event().await {
            Event::FlowFailed { cause, .. } => {
                assert_eq!(cause, FlowFailure::Connect(ConnectionError::TimedOut));
            }
            event => panic!("{event:?}"),
        }
    });
}

#[test]
fn connections_beyond_the_limit_of_one_address_are_closed_before_their_handshake() {
    within(async {
        let authority = Authority::new();
        let config = authority.config(vec![authority.identity(&["b.example"])]);
        let mut server = secured_with(TransportKind::Tls, config, |config| {
            config.limits.connections_per_peer = 3;
        });
        let mut kept = Vec::new();
        for _ in 0..3 {
            kept.push(
                hello(&mut server, authority.stranger(), "b.example")
                    .await
                    .unwrap(),
            );
        }
        let refused = hello(&mut server, authority.stranger(), "b.example").await;
        assert!(refused.is_err());
        assert_eq!(server.transports.stats().refused_connections, 1);
        assert_eq!(server.transports.stats().connections, 3);
        // One leaves, one may come.
        drop(kept.pop());
        assert!(matches!(server.event().await, Event::FlowFailed { .. }));
        assert!(
            hello(&mut server, authority.stranger(), "b.example")
                .await
                .is_ok()
        );
    });
}

#[test]
fn the_end_is_announced_in_both_directions() {
    within(async {
        let authority = Authority::new();
        let config = authority.config(vec![authority.identity(&["b.example"])]);
        let mut server = secured(TransportKind::Tls, config);
        // The peer ends first.
        let (mut peer, _) = hello(&mut server, authority.stranger(), "b.example")
            .await
            .unwrap();
        peer.shutdown().await.unwrap();
        match server.event().await {
            Event::FlowFailed { cause, .. } => assert_eq!(cause, FlowFailure::Closed),
            event => panic!("{event:?}"),
        }
        // RFC 8446 §6.1: without a close_notify this would be an error.
        assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
        // We end first.
        let (mut peer, _) = hello(&mut server, authority.stranger(), "b.example")
            .await
            .unwrap();
        peer.write_all(b"garbage\r\n\r\n").await.unwrap();
        while !matches!(server.event().await, Event::FlowFailed { .. }) {}
        let mut rest = Vec::new();
        tokio::select! {
            read = peer.read_to_end(&mut rest) => drop(read.unwrap()),
            () = server.run() => unreachable!("a worker runs for ever"),
        }
    });
}

#[test]
fn rfc3261_26_2_2_who_cannot_prove_its_name_gets_no_request() {
    for names in [&["c.example"][..], &[]] {
        let identity = |authority: &Authority| authority.identity(names);
        refused(identity, CertificateFault::OtherName);
    }
    let unknown = |_: &Authority| Authority::new().identity(&["b.example"]);
    refused(unknown, CertificateFault::UnknownAuthority);
}

#[test]
fn rfc3261_26_3_1_tls_is_there_one_way_and_mutual_and_certificates_are_verified() {
    rfc3261_26_2_a_request_and_its_response_pass_over_each_version();
    rfc5922_7_4_a_client_is_known_by_its_certificate();
    rfc5922_7_4_a_client_certificate_of_another_authority_is_refused();
    a_certificate_that_no_authority_signed_is_refused();
}

#[test]
fn rfc3261_26_3_2_1_nothing_is_sent_to_a_site_that_is_not_the_one_that_was_asked_for() {
    rfc5922_7_2_a_certificate_that_names_another_domain_is_refused();
    a_certificate_that_expired_is_refused();
}

#[test]
fn rfc5626_4_3_the_certificate_of_the_next_hop_proves_its_host() {
    rfc5922_7_2_a_certificate_that_names_another_domain_is_refused();
}
