//! Several lines over one transport (RFC 8843).

use sip_sdp::SessionDescription;
use sip_sdp::attribute::{Direction, Group};
use sip_sdp::negotiation::{
    Bundle, Codec, LocalDtls, LocalIce, LocalMedia, LocalRtcp, LocalSession, Negotiator,
    StreamStatus,
};

use crate::negotiation::{exchange, lines, remote};

pub(crate) fn browser(id: u64, media: &[&'static str]) -> LocalSession {
    let mut session = LocalSession::new(id, "192.0.2.1").with_bundle(Bundle::Only);
    for (index, kind) in media.iter().enumerate() {
        let codec = if *kind == "audio" {
            Codec::OPUS
        } else {
            Codec::VP8.with_feedback("nack pli")
        };
        let mut medium = if *kind == "audio" {
            LocalMedia::audio(4000, [codec])
        } else {
            LocalMedia::video(4000, [codec])
        };
        medium.port += u16::try_from(index).expect("few") * 2;
        session = session.with_media(
            medium
                .with_dtls(LocalDtls::new("sha-256", format!("0{id}:AB")))
                .with_ice(LocalIce::new(
                    format!("ufrag{id}"),
                    format!("password-of-{id}-password"),
                ))
                .with_rtcp(LocalRtcp::MuxOnly),
        );
    }
    session
}

#[test]
fn rfc8843_7_a_bundle_of_two() {
    let (alice_can, bob_can) = (
        browser(1, &["audio", "video"]),
        browser(2, &["audio", "video"]),
    );
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    let offer = alice.offer(&alice_can).expect("an offer");
    assert_eq!(lines(&offer, "a=group"), ["a=group:BUNDLE 0 1"]);
    assert_eq!(
        lines(&offer, "m=video"),
        ["m=video 0 UDP/TLS/RTP/SAVPF 97"],
        "§7.2: bundle-only has port zero"
    );
    assert_eq!(lines(&offer, "a=bundle-only").len(), 1);
    assert_eq!(
        lines(&offer, "a=ice-ufrag").len(),
        1,
        "§7.1.3: the tagged line tells the transport"
    );
    let answer = bob.answer(&bob_can, &offer).expect("an answer");
    assert_eq!(
        lines(&answer.description, "a=group"),
        ["a=group:BUNDLE 0 1"]
    );
    assert_eq!(
        lines(&answer.description, "m=video"),
        ["m=video 4000 UDP/TLS/RTP/SAVPF 97"]
    );
    let session = alice.accept(&answer.description).expect("accepted");
    for session in [&session, &answer.session] {
        let [audio, video] = session.streams.as_slice() else {
            panic!("two streams")
        };
        assert_eq!((audio.bundled_with, video.bundled_with), (None, Some(0)));
        assert_eq!(audio.remote_rtp, video.remote_rtp);
        assert_eq!(audio.security, video.security);
        assert!(video.rtcp_mux && video.ice.is_some() && video.sends());
        assert_eq!(video.codecs[0].feedback, ["nack pli"]);
    }
    // A later offer repeats the address of the tagged line (RFC 9143 §7.5); from then on nothing changes.
    let again = alice.offer(&alice_can).expect("an offer");
    assert_eq!(
        lines(&again, "m=video"),
        ["m=video 4000 UDP/TLS/RTP/SAVPF 97"]
    );
    assert_eq!(
        lines(&again, "a=bundle-only").len() + lines(&again, "a=ice-ufrag").len(),
        1
    );
    let second = bob.answer(&bob_can, &again).expect("an answer");
    assert_eq!(second.description, answer.description);
    alice.accept(&second.description).expect("accepted");
    assert_eq!(alice.offer(&alice_can).expect("an offer"), again);
}

#[test]
fn rfc8843_7_3_1_the_tag_moves_when_the_first_line_is_rejected() {
    let mut alice_can = browser(1, &["audio", "video"]);
    alice_can.bundle = Bundle::Offer;
    let bob_can = browser(2, &["video"]);
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    let offer = alice.offer(&alice_can).expect("an offer");
    let answer = bob.answer(&bob_can, &offer).expect("an answer");
    assert_eq!(lines(&answer.description, "a=group"), ["a=group:BUNDLE 1"]);
    let session = alice.accept(&answer.description).expect("accepted");
    assert_eq!(
        (session.streams[0].status, session.streams[1].bundled_with),
        (StreamStatus::RejectedByRemote, None)
    );
    // With bundle-only on the second line, there is no address left for it.
    alice_can.bundle = Bundle::Only;
    let offer = Negotiator::new().offer(&alice_can).expect("an offer");
    let answer = Negotiator::new()
        .answer(&bob_can, &offer)
        .expect("an answer");
    assert_eq!(answer.session.active().count(), 0);
    assert_eq!(answer.description.attributes().of::<Group<'_>>().count(), 0);
}

#[test]
fn rfc8843_7_3_3_the_line_that_carries_an_agreed_bundle_is_not_rejected_alone() {
    let (alice_can, mut bob_can) = (
        browser(1, &["audio", "video"]),
        browser(2, &["audio", "video"]),
    );
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    // Bob is done with audio, which carries the bundle; Alice offers before he does.
    bob_can.media[0].stopped = true;
    let offer = alice.offer(&alice_can).expect("an offer");
    let mut other_bob = bob.clone();
    let unknown: SessionDescription = offer
        .to_string()
        .replace("opus", "unknown")
        .parse()
        .expect("strict");
    let answer = bob.answer(&bob_can, &offer).expect("an answer");
    assert_eq!(
        lines(&answer.description, "a=group"),
        ["a=group:BUNDLE 0 1"]
    );
    assert_eq!(
        lines(&answer.description, "m="),
        [
            "m=audio 4000 UDP/TLS/RTP/SAVPF 96",
            "m=video 4000 UDP/TLS/RTP/SAVPF 97"
        ]
    );
    let session = alice.accept(&answer.description).expect("accepted");
    for session in [&session, &answer.session] {
        let [audio, video] = session.streams.as_slice() else {
            panic!("two streams")
        };
        assert_eq!(audio.direction, Direction::Inactive);
        assert_eq!((video.sends(), video.bundled_with), (true, Some(0)));
    }
    // §7.5.3: his own offer ends it; the other line carries the bundle from then on.
    let offer = bob.offer(&bob_can).expect("an offer");
    assert_eq!(
        lines(&offer, "m="),
        [
            "m=audio 0 UDP/TLS/RTP/SAVPF 96",
            "m=video 4002 UDP/TLS/RTP/SAVPF 97"
        ]
    );
    assert_eq!(lines(&offer, "a=group"), ["a=group:BUNDLE 1"]);
    let answer = alice.answer(&alice_can, &offer).expect("an answer");
    let session = bob.accept(&answer.description).expect("accepted");
    assert_eq!(session.streams[0].status, StreamStatus::Removed);
    assert_eq!(session.streams[1].bundled_with, None);
    assert!(session.streams[1].sends());

    // Where the line cannot be kept, since nothing in it is known, the whole bundle is rejected.
    let answer = other_bob.answer(&bob_can, &unknown).expect("an answer");
    assert_eq!(answer.session.active().count(), 0);
    assert_eq!(lines(&answer.description, "a=group"), Vec::<String>::new());
}

#[test]
fn rfc8843_9_3_bundled_rtp_is_multiplexed_with_rtcp_in_every_line() {
    let mut alice_can = browser(1, &["audio", "video"]);
    let mut bob_can = browser(2, &["audio", "video"]);
    for media in alice_can.media.iter_mut().chain(&mut bob_can.media) {
        media.rtcp = LocalRtcp::NextPort;
    }
    let mut alice = Negotiator::new();
    let offer = alice.offer(&alice_can).expect("an offer");
    assert_eq!(lines(&offer, "a=rtcp-mux").len(), 2);
    let answer = Negotiator::new()
        .answer(&bob_can, &offer)
        .expect("an answer");
    assert_eq!(lines(&answer.description, "a=rtcp-mux").len(), 2);
    let session = alice.accept(&answer.description).expect("accepted");
    assert!(session.streams.iter().all(|stream| stream.rtcp_mux));
}

#[test]
fn rfc8843_7_3_an_answer_with_port_zero_and_bundle_only_is_taken() {
    let mut alice = Negotiator::new();
    alice
        .offer(&browser(1, &["audio", "video"]))
        .expect("an offer");
    let answer = "a=group:BUNDLE 0 1|m=audio 5000 UDP/TLS/RTP/SAVPF 96|a=mid:0|a=rtpmap:96 opus/48000/2|a=rtcp-mux|a=setup:active|\
        a=fingerprint:sha-256 AA:BB|m=video 0 UDP/TLS/RTP/SAVPF 97|a=mid:1|a=bundle-only|a=rtpmap:97 VP8/90000";
    let session = alice.accept(&remote(answer)).expect("accepted");
    assert_eq!(
        (session.active().count(), session.streams[1].bundled_with),
        (2, Some(0))
    );
}

#[test]
fn rfc8843_a_peer_without_bundle_gets_two_transports() {
    let mut alice_can = browser(1, &["audio", "video"]);
    alice_can.bundle = Bundle::Offer;
    let mut bob_can = browser(2, &["audio", "video"]);
    bob_can.bundle = Bundle::Off;
    let (of_alice, _) = exchange(
        (&mut Negotiator::new(), &alice_can),
        (&mut Negotiator::new(), &bob_can),
    );
    let ports: Vec<u16> = of_alice
        .streams
        .iter()
        .map(|stream| stream.remote_rtp.port)
        .collect();
    assert_eq!(ports, [4000, 4002]);
    assert!(
        of_alice
            .streams
            .iter()
            .all(|stream| stream.bundled_with.is_none())
    );
}
