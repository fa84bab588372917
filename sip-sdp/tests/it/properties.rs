//! What holds for every description and every negotiation.

use proptest::prelude::*;
use sip_sdp::attribute::{Direction, Rtpmap};
use sip_sdp::negotiation::{
    Bundle, Codec, LocalMedia, LocalRtcp, LocalSession, Negotiator, Session,
};
use sip_sdp::{ParserConfig, SessionDescription};

use crate::data::split;

const EXAMPLES: &str = include_str!("../data/rfc-examples.txt");

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::PCMU),
        Just(Codec::PCMA),
        Just(Codec::G722),
        Just(Codec::G729),
        Just(Codec::G729.with_fmtp("annexb=no")),
        Just(Codec::OPUS),
        Just(Codec::OPUS.with_payload_type(111)),
        Just(Codec::telephone_event(8000)),
        Just(Codec::telephone_event(48_000)),
        Just(Codec::COMFORT_NOISE),
        Just(Codec::VP8),
        Just(Codec::new("H264", 90_000).with_fmtp("profile-level-id=42e01f;packetization-mode=1")),
        Just(Codec::new("H264", 90_000).with_fmtp("profile-level-id=640c1f")),
        Just(Codec::new("AMR", 8000).with_fmtp("octet-align=1;mode-set=0,2")),
        Just(Codec::new("AMR", 8000)),
        Just(Codec::new("iLBC", 8000).with_fmtp("mode=20")),
    ]
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(Direction::ALL.to_vec())
}

fn medium() -> impl Strategy<Value = LocalMedia> {
    (
        any::<bool>(),
        1u16..,
        prop::collection::vec(codec(), 1..6),
        direction(),
        any::<(bool, bool, bool, bool)>(),
        prop::sample::select(vec![
            LocalRtcp::NextPort,
            LocalRtcp::Mux,
            LocalRtcp::Port(7),
        ]),
    )
        .prop_map(
            |(is_audio, port, mut codecs, direction, (hold, own, single, stopped), rtcp)| {
                // The same codec twice in one list means nothing.
                let mut seen: Vec<(String, u32)> = Vec::new();
                codecs.retain(|codec| {
                    let key = (codec.name.to_string(), codec.clock_rate);
                    !seen.contains(&key) && {
                        seen.push(key);
                        true
                    }
                });
                let medium = if is_audio {
                    LocalMedia::audio(port, codecs)
                } else {
                    LocalMedia::video(port, codecs)
                };
                let mut medium = medium.with_direction(direction).with_rtcp(rtcp);
                medium.hold = hold;
                medium.own_payload_types = own;
                medium.single_codec = single;
                medium.stopped = stopped && hold;
                medium
            },
        )
}

fn local(id: u64) -> impl Strategy<Value = LocalSession> {
    let bundle = prop::sample::select(vec![
        Bundle::Off,
        Bundle::Accept,
        Bundle::Offer,
        Bundle::Only,
    ]);
    (prop::collection::vec(medium(), 0..4), bundle, any::<bool>()).prop_map(
        move |(media, bundle, recycle)| {
            let mut session = LocalSession::new(id, format!("192.0.2.{id}")).with_bundle(bundle);
            session.media = media;
            session.recycle_lines = recycle;
            session
        },
    )
}

/// What RFC 3264 §6 demands of any answer.
fn check_answer(offer: &SessionDescription, answer: &SessionDescription) {
    assert_eq!(offer.media_len(), answer.media_len(), "as many lines");
    for (offered, answered) in offer.media().zip(answer.media()) {
        assert_eq!(
            (offered.kind(), offered.protocol()),
            (answered.kind(), answered.protocol()),
            "in order"
        );
        let maps = |media: sip_sdp::Media<'_>| -> Vec<(u8, String, u32, u8)> {
            let maps = media.attributes_of::<Rtpmap<'_>>().flatten();
            maps.map(|map| {
                (
                    map.payload_type,
                    map.encoding.to_ascii_lowercase(),
                    map.clock_rate,
                    map.channels,
                )
            })
            .collect()
        };
        let known = maps(offered);
        for (number, name, rate, channels) in maps(answered) {
            let is_mapped = known
                .iter()
                .any(|map| (&map.1, map.2, map.3) == (&name, rate, channels));
            // Static payload types need no map.
            let is_static =
                number < 35 && offered.formats().any(|format| format == number.to_string());
            assert!(is_mapped || is_static, "{name} was not offered");
        }
        if answered.port() != 0 {
            assert!(
                offered.port() != 0 || offered.has_attribute("bundle-only"),
                "nothing is added"
            );
            // RFC 3264 §6.2: there is one view of a multicast stream.
            let multicast = offered
                .connection()
                .is_some_and(|connection| connection.is_multicast());
            let allowed = if multicast {
                offered.direction()
            } else {
                offered.direction().reversed()
            };
            assert_eq!(
                answered.direction().intersection(allowed),
                answered.direction(),
                "a legal direction"
            );
        }
    }
}

fn check_views(one: &Session, other: &Session) {
    for (one, other) in one.streams.iter().zip(&other.streams) {
        assert_eq!(one.is_active(), other.is_active());
        if !one.is_active() {
            continue;
        }
        assert_eq!(one.direction, other.direction.reversed());
        assert_eq!(
            (one.rtcp_mux, one.bundled_with),
            (other.rtcp_mux, other.bundled_with)
        );
        assert_eq!(
            (&one.local_rtp, &one.remote_rtp),
            (&other.remote_rtp, &other.local_rtp)
        );
        assert_eq!(
            (&one.local_rtcp, &one.remote_rtcp),
            (&other.remote_rtcp, &other.local_rtcp)
        );
        assert_eq!(one.codecs.len(), other.codecs.len());
        for (codec, peer) in one.codecs.iter().zip(&other.codecs) {
            assert_eq!(
                codec.name.to_ascii_lowercase(),
                peer.name.to_ascii_lowercase()
            );
            assert_eq!(
                (
                    codec.send_payload_type,
                    codec.receive_payload_type,
                    &codec.send_fmtp
                ),
                (
                    peer.receive_payload_type,
                    peer.send_payload_type,
                    &peer.receive_fmtp
                )
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rfc3264_6_every_answer_is_legal_and_both_sides_agree(
        one in local(1), other in local(2), turns in prop::collection::vec(any::<bool>(), 1..5), changes in prop::collection::vec(local(3), 4),
    ) {
        let (mut one_can, mut other_can) = (one, other);
        let (mut one, mut other) = (Negotiator::new(), Negotiator::new());
        for (turn, change) in turns.into_iter().zip(changes) {
            let (offerer, answerer) = if turn {
                ((&mut one, &one_can), (&mut other, &other_can))
            } else {
                ((&mut other, &other_can), (&mut one, &one_can))
            };
            let before = offerer.0.local().map_or(0, |description| description.media_len());
            let offer = offerer.0.offer(offerer.1).expect("an offer");
            prop_assert!(offer.media_len() >= before);
            // What is written reads as the same.
            let again = SessionDescription::parse(&offer.to_vec()).expect("strict");
            prop_assert_eq!(&again, &offer);
            let answer = answerer.0.answer(answerer.1, &again).expect("an answer");
            check_answer(&offer, &answer.description);
            let session = offerer.0.accept(&answer.description).expect("accepted");
            check_views(&session, &answer.session);
            // Streams may change what they are willing to do; their order is their identity.
            for (media, change) in one_can.media.iter_mut().zip(&change.media) {
                media.direction = change.direction;
                media.hold = change.hold;
                media.stopped |= change.stopped;
            }
            other_can.media.extend(change.media.into_iter().take(1));
            other_can.media.truncate(6);
        }
    }

    #[test]
    fn answering_ones_own_answer_settles(one in local(1), other in local(2)) {
        let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
        let offer = alice.offer(&one).expect("an offer");
        let answer = bob.answer(&other, &offer).expect("an answer");
        alice.accept(&answer.description).expect("accepted");
        // The peer offers back what was answered; from then on nothing changes any more.
        let mut mirror = Negotiator::new();
        let first = mirror.answer(&other, &answer.description).expect("an answer");
        let second = mirror.answer(&other, &first.description).expect("an answer");
        let third = mirror.answer(&other, &second.description).expect("an answer");
        let media = |description: &SessionDescription| {
            description.lines().skip(2).map(|(kind, value)| format!("{kind}={value}")).collect::<Vec<_>>()
        };
        let fourth = mirror.answer(&other, &third.description).expect("an answer");
        // Sending answers receiving: with one side in both places, a direction comes back after two steps.
        prop_assert_eq!(media(&second.description), media(&fourth.description));
        prop_assert_eq!(first.session.active().count() >= second.session.active().count(), true);
    }

    #[test]
    fn parsing_never_panics_and_prints_what_it_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for config in [ParserConfig::strict(), ParserConfig::lenient()] {
            if let Ok(description) = SessionDescription::parse_with(&bytes, &config) {
                prop_assert_eq!(description.to_vec(), bytes.clone());
            }
        }
    }

    #[test]
    fn damaged_examples_are_read_as_they_are_or_refused(
        example in 0usize..473, cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = split(EXAMPLES)[example].1.clone().into_bytes();
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let local = LocalSession::new(1, "192.0.2.1").audio(4000, [Codec::PCMU, Codec::telephone_event(8000)]);
        if let Ok(description) = SessionDescription::parse_with(&bytes, &ParserConfig::lenient()) {
            prop_assert_eq!(description.to_vec(), bytes);
            let mut negotiator = Negotiator::new();
            if let Ok(answer) = negotiator.answer(&local, &description) {
                check_answer(&description, &answer.description);
            }
        }
    }
}
