//! Statements of RFC 3903 about transports that no other test shows (`conformance/rfc3903.toml`).

use sip_transport::tokio::tls::ClientCertificates;

use super::tls::{Authority, flow_to_name, secured};
use super::*;

/// A request to a SIPS URI and its response over TLS, with or without a certificate of the client; who it is for the server.
fn over_tls(is_mutual: bool) -> Option<bool> {
    within(async {
        let authority = Authority::new();
        let mut config = authority.config(vec![authority.identity(&["sip:b.example"])]);
        if is_mutual {
            config.clients = ClientCertificates::Required(authority.trust());
        }
        let mut server = secured(TransportKind::Tls, config);
        let own = if is_mutual {
            vec![authority.identity(&["sip:a.example"])]
        } else {
            vec![]
        };
        let mut client = secured(TransportKind::Tls, authority.config(own));
        // Only a SIPS URI demands TLS of a target that names no transport.
        let sips = sip_message::UriRef::parse("sips:b.example").unwrap();
        assert!(Target::from_uri(sips).unwrap().secure);
        let flow = flow_to_name(&mut client, "b.example", server.addr(), TransportKind::Tls).await;
        client.send(flow.id, request(flow, "PUBLISH", "open"));
        let (message, from, reply) = server.message_beside(&mut client).await;
        assert_eq!(message.body(), b"open");
        server.send(reply.id, ok_to(&message));
        let (message, back, _) = client.message_beside(&mut server).await;
        assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
        assert_eq!((back.kind, back), (TransportKind::Tls, flow));
        let peer = client.transports.peer_identity(flow.id).unwrap();
        assert!(peer.proves("b.example"));
        let client = server.transports.peer_identity(from.id);
        client.map(|client| client.proves("a.example"))
    })
}

#[test]
fn rfc3903_14_4_a_publish_goes_over_tls_with_either_authentication() {
    assert_eq!(over_tls(false), None);
    assert_eq!(over_tls(true), Some(true));
}

#[test]
fn rfc3903_14_5_a_publish_goes_over_tls_with_either_authentication() {
    assert_eq!(over_tls(false), None);
    assert_eq!(over_tls(true), Some(true));
}
