//! Telephones at a server over TLS and over WebSockets.

use std::time::{Duration, SystemTime};

use sip_stack::agent::{Account, AgentError, CallEvent, Party, UserAgent};
use sip_stack::server::Server;
use sip_stack::transport::TransportKind;
use sip_stack::transport::tokio::tls::{DevelopmentCertificate, Identity, Tls, TlsConfig, Trust};
use sip_stack::users::Memory;

/// A server on loopback with a certificate of its own, and that certificate.
async fn server() -> (Vec<(TransportKind, u16)>, String) {
    let made = DevelopmentCertificate::make(
        &["example.test"],
        &["127.0.0.1".parse().unwrap()],
        Duration::from_secs(3600),
        SystemTime::now(),
    )
    .unwrap();
    let mut config = TlsConfig::default();
    config.identities =
        vec![Identity::pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap()];
    let mut builder = Server::builder()
        .domain("example.test")
        .tls(Tls::new(config).unwrap())
        .credentials(
            Memory::new("example.test")
                .with("alice", "a-secret")
                .with("bob", "b-secret"),
        );
    for kind in ["udp", "tls", "ws", "wss"] {
        builder = builder.listen(&format!("{kind}:127.0.0.1:0")).unwrap();
    }
    let server = builder.build().await.unwrap();
    let addresses = server.addresses();
    tokio::spawn(server.run_until(std::future::pending()));
    let ports = addresses.iter().map(|(kind, at)| (*kind, at.port()));
    (ports.collect(), made.certificate)
}

fn port(ports: &[(TransportKind, u16)], kind: TransportKind) -> u16 {
    ports.iter().find(|(other, _)| *other == kind).unwrap().1
}

async fn phone(aor: &str, kind: TransportKind, trusted: &str) -> UserAgent {
    let mut config = TlsConfig::default();
    config.trust = Trust::pem(trusted.as_bytes()).unwrap();
    let password = format!(
        "{}-secret",
        aor.split_once(':').unwrap().1.get(..1).unwrap()
    );
    UserAgent::builder()
        .account(Account::new(aor).unwrap().password(&password))
        .transport(kind)
        .tls(Tls::new(config).unwrap())
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .request_timeout(Duration::from_secs(10))
        .build()
        .await
        .unwrap()
}

/// Bob registers over one transport and is called over another; he hangs up, so that requests pass both ways.
async fn call(scheme: &str, of_bob: TransportKind, of_alice: TransportKind) {
    let (ports, certificate) = server().await;
    let at = |user: &str, kind| format!("{scheme}:{user}@127.0.0.1:{}", port(&ports, kind));
    let bob = phone(&at("bob", of_bob), of_bob, &certificate).await;
    let alice = phone(&at("alice", of_alice), of_alice, &certificate).await;
    let registration = bob.register().await.unwrap();
    let contact = registration.bindings[0].contact.to_string();
    assert!(contact.starts_with(&format!("{scheme}:bob@")), "{contact}");
    let answering = tokio::spawn(async move {
        let call = bob.incoming().await.unwrap().accept().await.unwrap();
        call.hang_up().await.unwrap();
        bob.shutdown().await;
    });
    let mut call = alice.call(&at("bob", of_alice)).await.unwrap();
    match call.event().await {
        CallEvent::Ended { by } => assert_eq!(by, Party::Remote),
        other => panic!("{other:?}"),
    }
    answering.await.unwrap();
    alice.shutdown().await;
}

#[tokio::test]
async fn rfc3261_26_2_a_sips_call_passes_over_tls_from_end_to_end() {
    call("sips", TransportKind::Tls, TransportKind::Tls).await;
}

#[tokio::test]
async fn telephones_on_different_transports_reach_each_other() {
    call("sip", TransportKind::Tls, TransportKind::Udp).await;
    call("sip", TransportKind::Wss, TransportKind::Tls).await;
    call("sip", TransportKind::Udp, TransportKind::Ws).await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused_with_a_reason() {
    let (ports, _) = server().await;
    let (_, other) = server().await;
    let uri = format!("sips:alice@127.0.0.1:{}", port(&ports, TransportKind::Tls));
    let alice = phone(&uri, TransportKind::Tls, &other).await;
    match alice.register().await {
        Err(AgentError::Unreachable(why)) => {
            assert!(why.contains("the certificate of the peer"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    alice.leave().await;
}

#[tokio::test]
async fn rfc3261_26_2_2_a_sips_user_is_not_called_over_what_is_not_secure() {
    let (ports, certificate) = server().await;
    let udp = format!("sip:bob@127.0.0.1:{}", port(&ports, TransportKind::Udp));
    let tls = port(&ports, TransportKind::Tls);
    let bob = phone(&udp, TransportKind::Udp, &certificate).await;
    bob.register().await.unwrap();
    let uri = format!("sips:alice@127.0.0.1:{tls}");
    let alice = phone(&uri, TransportKind::Tls, &certificate).await;
    match alice.call(&format!("sips:bob@127.0.0.1:{tls}")).await {
        Err(AgentError::Refused { status, .. }) => assert_eq!(status.as_u16(), 480),
        other => panic!("{:?}", other.map(|_| ())),
    }
    bob.shutdown().await;
    alice.shutdown().await;
}

#[tokio::test]
async fn a_place_for_tls_needs_a_certificate() {
    let built = Server::builder()
        .danger_without_authentication()
        .listen("tls:127.0.0.1:0")
        .unwrap()
        .build()
        .await;
    let said = built.unwrap_err().to_string();
    assert!(said.contains("needs a certificate"), "{said}");
}

#[tokio::test]
async fn rfc3261_10_2_1_the_contact_of_a_sips_address_is_a_sips_uri() {
    let (ports, certificate) = server().await;
    let aor = format!("sips:bob@127.0.0.1:{}", port(&ports, TransportKind::Tls));
    let bob = phone(&aor, TransportKind::Tls, &certificate).await;
    let registration = bob.register().await.unwrap();
    let contact = registration.bindings[0].contact.to_string();
    assert!(contact.starts_with("sips:bob@"), "{contact}");
}
