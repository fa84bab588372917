//! Keys, certificates and ICE in offers and answers (RFC 4568, RFC 8842, RFC 8839).

use sip_sdp::attribute::Setup;
use sip_sdp::negotiation::{
    Codec, LocalCrypto, LocalDtls, LocalIce, LocalMedia, LocalSession, NegotiationError,
    Negotiator, Security, Session, StreamStatus,
};

use crate::bundles::browser;
use crate::negotiation::{audio, exchange, lines, phone, remote};

#[test]
fn rfc4568_5_1_keys_of_the_first_acceptable_line() {
    let with = |id, suites: &[&str]| {
        let crypto: Vec<LocalCrypto> = suites
            .iter()
            .map(|suite| LocalCrypto::new(*suite, format!("inline:{id}{suite}")))
            .collect();
        LocalSession::new(id, "192.0.2.1")
            .with_media(LocalMedia::audio(4000, [Codec::PCMU]).with_crypto(crypto))
    };
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    let (of_alice, of_bob) = exchange(
        (
            &mut alice,
            &with(1, &["AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"]),
        ),
        (
            &mut bob,
            &with(2, &["AES_CM_128_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_80"]),
        ),
    );
    let keys = |session: &Session| {
        let Security::Sdes {
            send_keys,
            receive_keys,
            tag,
            ..
        } = &audio(session).security
        else {
            panic!("no keys");
        };
        (*tag, send_keys.clone(), receive_keys.clone())
    };
    let (of_alice, of_bob) = (keys(&of_alice), keys(&of_bob));
    assert_eq!(
        of_alice,
        (
            2,
            "inline:1AES_CM_128_HMAC_SHA1_80".into(),
            "inline:2AES_CM_128_HMAC_SHA1_80".into()
        )
    );
    assert_eq!((of_bob.1, of_bob.2), (of_alice.2, of_alice.1));
    // RFC 4568 §6.3.7: an unknown session parameter makes a line unacceptable; no line left rejects the media.
    let offer =
        remote("m=audio 5000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x UNKNOWN");
    let answer = Negotiator::new()
        .answer(&with(2, &["AES_CM_128_HMAC_SHA1_80"]), &offer)
        .expect("an answer");
    assert_eq!(
        answer.session.streams[0].status,
        StreamStatus::RejectedByLocal
    );
}

#[test]
fn rfc8842_5_roles_last_as_long_as_the_association() {
    let (alice_can, mut bob_can) = (browser(1, &["audio"]), browser(2, &["audio"]));
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    let role = |session: &Session| {
        let Security::Dtls {
            role,
            new_association,
            fingerprints,
            ..
        } = &audio(session).security
        else {
            panic!("no DTLS");
        };
        (*role, *new_association, fingerprints[0].1.clone())
    };
    let (of_alice, of_bob) = exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    assert_eq!(role(&of_alice), (Setup::Passive, true, "02:AB".into()));
    assert_eq!(role(&of_bob), (Setup::Active, true, "01:AB".into()));
    // Bob offers actpass; Alice stays the server although she would rather be active.
    let (of_bob, of_alice) = exchange((&mut bob, &bob_can), (&mut alice, &alice_can));
    assert_eq!(role(&of_alice), (Setup::Passive, false, "02:AB".into()));
    assert_eq!(role(&of_bob), (Setup::Active, false, "01:AB".into()));
    // A new certificate is a new association.
    bob_can.media[0].dtls = Some(LocalDtls::new("sha-256", "0F:AB"));
    let (_, of_alice) = exchange((&mut bob, &bob_can), (&mut alice, &alice_can));
    assert_eq!(role(&of_alice), (Setup::Active, true, "0F:AB".into()));
}

#[test]
fn rfc8842_dtls_is_demanded_by_the_protocol() {
    let local = phone(1, [Codec::OPUS]);
    let line = "m=audio 5000 UDP/TLS/RTP/SAVPF 96|a=rtpmap:96 opus/48000/2";
    let answer = Negotiator::new()
        .answer(&local, &remote(line))
        .expect("an answer");
    assert_eq!(answer.session.active().count(), 0);
    let answer = Negotiator::new()
        .answer(&browser(1, &["audio"]), &remote(line))
        .expect("an answer");
    assert_eq!(
        answer.session.active().count(),
        0,
        "no fingerprint, no media"
    );
}

#[test]
fn rfc8839_4_4_ice_restart_needs_new_credentials() {
    let (mut alice_can, mut bob_can) = (browser(1, &["audio"]), browser(2, &["audio"]));
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    let (of_alice, _) = exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    assert!(
        audio(&of_alice)
            .ice
            .as_ref()
            .is_some_and(|ice| !ice.restart && ice.ufrag == "ufrag2")
    );
    alice_can.media[0].ice = Some(LocalIce::new("fresh", "password-of-1-after-restart"));
    let offer = alice.offer(&alice_can).expect("an offer");
    assert!(bob.is_ice_restart(&offer));
    assert_eq!(
        bob.answer(&bob_can, &offer).map(drop),
        Err(NegotiationError::IceRestart { index: 0 })
    );
    bob_can.media[0].ice = Some(LocalIce::new("fresher", "password-of-2-after-restart"));
    let answer = bob.answer(&bob_can, &offer).expect("an answer");
    assert!(
        audio(&answer.session)
            .ice
            .as_ref()
            .is_some_and(|ice| ice.restart)
    );
    let of_alice = alice.accept(&answer.description).expect("accepted");
    assert!(
        audio(&of_alice)
            .ice
            .as_ref()
            .is_some_and(|ice| ice.restart && ice.ufrag == "fresher")
    );
    // RFC 8842 §5: the DTLS association outlives the restart.
    assert!(matches!(
        audio(&of_alice).security,
        Security::Dtls {
            new_association: false,
            ..
        }
    ));
}

#[test]
fn rfc8839_4_2_5_ice_mismatch() {
    let local = LocalSession::new(1, "192.0.2.1").with_media(
        LocalMedia::audio(4000, [Codec::PCMU])
            .with_ice(LocalIce::new("ufrag1", "password-of-1-password")),
    );
    let answer = |address: &str| {
        let line = format!(
            "m=audio 5000 RTP/AVP 0|a=ice-ufrag:peer|a=ice-pwd:password-of-the-other-side|a=candidate:1 1 UDP 1 {address} typ host"
        );
        Negotiator::new()
            .answer(&local, &remote(&line))
            .expect("an answer")
    };
    let good = answer("192.0.2.9 5000");
    assert_eq!(
        (
            lines(&good.description, "a=ice-mismatch").len(),
            lines(&good.description, "a=ice-ufrag").len()
        ),
        (0, 1)
    );
    let changed = answer("10.0.0.1 5000");
    assert_eq!(
        (
            lines(&changed.description, "a=ice-mismatch").len(),
            lines(&changed.description, "a=ice-ufrag").len()
        ),
        (1, 0)
    );
}

#[test]
fn rfc8840_4_1_1_the_null_address_with_ice_is_no_hold() {
    let line = "m=audio 9 UDP/TLS/RTP/SAVPF 111|c=IN IP4 0.0.0.0|a=rtpmap:111 opus/48000/2|a=rtcp-mux|a=setup:actpass|\
        a=fingerprint:sha-256 AA:BB|a=ice-ufrag:peer|a=ice-pwd:password-of-the-other-side|a=ice-options:trickle";
    let answer = Negotiator::new()
        .answer(&browser(1, &["audio"]), &remote(line))
        .expect("an answer");
    let stream = audio(&answer.session);
    assert!(stream.sends() && !stream.remote_is_null);
    assert_eq!(
        stream.ice.as_ref().map(|ice| ice.options.clone()),
        Some(vec!["trickle".to_string()])
    );
}
