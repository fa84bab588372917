//! Statements of RFC 3264 that no other test shows, one by one (`conformance/rfc3264.toml`).

use sip_sdp::attribute::Direction;
use sip_sdp::negotiation::{
    Codec, LocalMedia, LocalSession, NegotiationError, Negotiator, Session, StreamStatus,
};
use sip_sdp::{ParserConfig, SessionDescription};

use crate::negotiation::{audio, exchange, lines, phone, remote};

fn dtmf() -> Codec {
    Codec::telephone_event(8000)
}

/// A telephone with sound and picture.
fn videophone(id: u64) -> LocalSession {
    phone(id, [Codec::PCMU, Codec::OPUS])
        .with_media(LocalMedia::video(4002, [Codec::new("VP8", 90_000)]))
}

fn offer_of(local: &LocalSession) -> SessionDescription {
    Negotiator::new().offer(local).unwrap()
}

fn answer_of(local: &LocalSession, offer: &SessionDescription) -> (SessionDescription, Session) {
    let answer = Negotiator::new().answer(local, offer).unwrap();
    (answer.description, answer.session)
}

/// What an offer comes to with this answer.
fn accepted(local: &LocalSession, answer: &str) -> Session {
    let mut one = Negotiator::new();
    one.offer(local).unwrap();
    one.accept(&remote(answer)).unwrap()
}

/// Every description of this side: offers, answers, later ones.
fn descriptions() -> Vec<SessionDescription> {
    let (mut one, mut other) = (Negotiator::new(), Negotiator::new());
    let (mut alice, bob) = (videophone(1), videophone(2));
    let mut all = Vec::new();
    for hold in [false, true, false] {
        alice.hold(hold);
        let offer = one.offer(&alice).unwrap();
        let answer = other.answer(&bob, &offer).unwrap().description;
        one.accept(&answer).unwrap();
        all.extend([offer, answer]);
    }
    all
}

#[test]
fn rfc3264_4_no_offer_while_another_waits() {
    let local = phone(1, [Codec::PCMU]);
    let mut one = Negotiator::new();
    one.offer(&local).unwrap();
    assert_eq!(one.offer(&local), Err(NegotiationError::OfferPending));
    one.accept(&remote("m=audio 5000 RTP/AVP 0")).unwrap();
    one.offer(&local).unwrap();
    assert_eq!(one.offer(&local), Err(NegotiationError::OfferPending));
    // Rejected, it waits no more.
    one.rollback().unwrap();
    assert!(one.offer(&local).is_ok());
}

#[test]
fn rfc3264_5_offers_and_answers_are_valid_descriptions_and_one_each() {
    for description in descriptions() {
        let text = description.to_string();
        let again =
            SessionDescription::parse_with(text.as_bytes(), &ParserConfig::strict()).unwrap();
        assert_eq!(again, description);
        assert_eq!(
            text.lines().filter(|line| line.starts_with("v=")).count(),
            1
        );
    }
}

#[test]
fn rfc3264_5_the_numbers_of_the_origin_fit_a_signed_one() {
    for id in [0, 1, (1 << 62) - 1, 1 << 62, 1 << 63, u64::MAX] {
        let mut one = Negotiator::new();
        let mut local = phone(id, [Codec::PCMU]);
        local.address = "192.0.2.1".to_owned();
        let offer = one.offer(&local).unwrap();
        let (session, version) = numbers(&offer);
        assert!(i64::try_from(session).is_ok(), "{session}");
        assert!(version < (1 << 62) - 1, "{version}");
        // And each later version.
        one.rollback().unwrap();
        local.hold(true);
        let (_, next) = numbers(&one.offer(&local).unwrap());
        assert_eq!(next, version + 1);
    }
}

fn numbers(description: &SessionDescription) -> (u64, u64) {
    let text = description.to_string();
    let origin = text.lines().find(|line| line.starts_with("o=")).unwrap();
    let mut fields = origin
        .split(' ')
        .skip(1)
        .map(|field| field.parse().unwrap_or_default());
    (fields.next().unwrap(), fields.next().unwrap())
}

#[test]
fn rfc3264_5_the_subject_says_nothing_and_the_time_is_unbounded() {
    let offer = offer_of(&phone(1, [Codec::PCMU]));
    assert_eq!(lines(&offer, "s="), ["s=-"]);
    assert_eq!(lines(&offer, "t="), ["t=0 0"]);
}

#[test]
fn rfc3264_5_1_the_direction_is_marked() {
    for (direction, word) in [
        (Direction::SendOnly, "a=sendonly"),
        (Direction::RecvOnly, "a=recvonly"),
        (Direction::Inactive, "a=inactive"),
    ] {
        let media = LocalMedia::audio(4000, [Codec::PCMU]).with_direction(direction);
        let offer = offer_of(&LocalSession::new(1, "192.0.2.1").with_media(media));
        assert_eq!(lines(&offer, word), [word]);
    }
}

#[test]
fn rfc3264_5_1_a_port_of_zero_is_not_used() {
    let offer = remote("m=audio 0 RTP/AVP 0|m=audio 5000 RTP/AVP 0");
    let local = phone(1, [Codec::PCMU]).audio(4002, [Codec::PCMU]);
    let (_, session) = answer_of(&local, &offer);
    let first = &session.streams[0];
    assert_eq!(first.status, StreamStatus::Removed);
    assert!(!first.sends() && !first.receives());
    assert!(session.streams[1].sends());
}

#[test]
fn rfc3264_5_1_every_format_of_ours_is_offered_in_the_order_of_preference() {
    for direction in [
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::SendRecv,
    ] {
        let media = LocalMedia::audio(4000, [Codec::OPUS, Codec::PCMA, Codec::PCMU, dtmf()])
            .with_direction(direction);
        let offer = offer_of(&LocalSession::new(1, "192.0.2.1").with_media(media));
        let m = lines(&offer, "m=audio").remove(0);
        let formats: Vec<&str> = m.split(' ').skip(3).collect();
        assert_eq!(formats.len(), 4);
        assert_eq!(formats[1..3], ["8", "0"], "{m}");
        let first = format!("a=rtpmap:{} opus/48000/2", formats[0]);
        assert_eq!(lines(&offer, "opus"), [first]);
    }
}

#[test]
fn rfc3264_5_1_the_first_acceptable_format_is_the_one() {
    // The answerer lists them as offered, and both send the first.
    let offer = remote("m=audio 5000 RTP/AVP 18 8 0");
    let (answer, session) = answer_of(&phone(1, [Codec::PCMU, Codec::PCMA]), &offer);
    assert_eq!(lines(&answer, "m="), ["m=audio 4000 RTP/AVP 8 0"]);
    assert_eq!(audio(&session).codec().unwrap().name, "PCMA");
}

#[test]
fn rfc3264_5_1_what_is_sent_has_the_numbers_of_the_answer() {
    let answer =
        "m=audio 5000 RTP/AVP 120 121|a=rtpmap:120 opus/48000/2|a=rtpmap:121 telephone-event/48000";
    let session = accepted(
        &phone(1, [Codec::OPUS, Codec::telephone_event(48_000)]),
        answer,
    );
    let stream = audio(&session);
    assert_eq!(stream.codec().unwrap().send_payload_type, 120);
    assert_ne!(stream.codec().unwrap().receive_payload_type, 120);
    assert_eq!(stream.telephone_event().unwrap().send_payload_type, 121);
}

#[test]
fn rfc3264_5_1_every_format_has_its_rtpmap() {
    let offer = offer_of(&phone(1, [Codec::PCMU, Codec::PCMA, Codec::OPUS, dtmf()]));
    let m = lines(&offer, "m=audio").remove(0);
    for format in m.split(' ').skip(3) {
        assert_eq!(
            lines(&offer, &format!("a=rtpmap:{format} ")).len(),
            1,
            "{format}"
        );
    }
}

#[test]
fn rfc3264_5_1_a_packet_has_a_length() {
    let mut media = LocalMedia::audio(4000, [Codec::PCMU]);
    media.ptime = Some(0);
    let offer = offer_of(&LocalSession::new(1, "192.0.2.1").with_media(media.clone()));
    assert!(lines(&offer, "ptime").is_empty());
    media.ptime = Some(20);
    let offer = offer_of(&LocalSession::new(1, "192.0.2.1").with_media(media));
    assert_eq!(lines(&offer, "ptime"), ["a=ptime:20"]);
    // That of a peer which says none is not followed.
    let session = accepted(&phone(1, [Codec::PCMU]), "m=audio 5000 RTP/AVP 0|a=ptime:0");
    assert_eq!(audio(&session).ptime, None);
}

#[test]
fn rfc3264_6_the_origin_of_an_answer_is_ours() {
    let offer = remote("m=audio 5000 RTP/AVP 0");
    let (answer, _) = answer_of(&phone(1, [Codec::PCMU]), &offer);
    let (theirs, ours) = (lines(&offer, "o="), lines(&answer, "o="));
    assert_eq!(ours, ["o=- 1 1 IN IP4 192.0.2.1"]);
    assert_ne!(theirs, ours);
}

#[test]
fn rfc3264_6_the_time_of_an_answer_is_that_of_the_offer() {
    for time in ["0 0", "2873397496 2873404696", "2873397496 0"] {
        let text = format!(
            "v=0\r\no=- 9 9 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt={time}\r\nm=audio 5000 RTP/AVP 0\r\n"
        );
        let offer = SessionDescription::parse(text.as_bytes()).unwrap();
        let (answer, _) = answer_of(&phone(1, [Codec::PCMU]), &offer);
        assert_eq!(lines(&answer, "t="), [format!("t={time}")]);
    }
}

#[test]
fn rfc3264_6_nothing_is_sent_for_a_stream_that_is_rejected() {
    // By us, and by them.
    let (_, ours) = answer_of(&phone(1, [Codec::PCMU]), &remote("m=audio 5000 RTP/AVP 18"));
    let theirs = accepted(&phone(1, [Codec::PCMU]), "m=audio 0 RTP/AVP 0");
    for session in [ours, theirs] {
        let stream = &session.streams[0];
        assert!(!stream.is_active() && !stream.sends() && !stream.receives());
        assert!(session.first("audio").is_none());
        assert_eq!(stream.remote_rtcp.socket_addr(), None, "nor RTCP");
    }
}

#[test]
fn rfc3264_6_1_a_unicast_stream_is_answered_with_a_unicast_address() {
    let (answer, _) = answer_of(&phone(1, [Codec::PCMU]), &remote("m=audio 5000 RTP/AVP 0"));
    let connection = answer.media_at(0).unwrap().connection().unwrap();
    assert!(!connection.is_multicast());
    assert_eq!(connection.address, "192.0.2.1");
}

#[test]
fn rfc3264_6_1_the_kind_of_a_stream_is_that_which_was_offered() {
    let offer = remote(
        "m=video 5002 RTP/AVP 96|a=rtpmap:96 VP8/90000|m=audio 5000 RTP/AVP 0|m=text 5004 RTP/AVP 98",
    );
    let (answer, _) = answer_of(&videophone(1), &offer);
    let kinds = |description: &SessionDescription| {
        let media = description.media();
        media
            .map(|media| media.kind().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&answer), kinds(&offer));
    // An answer that has another is refused.
    let mut one = Negotiator::new();
    one.offer(&phone(1, [Codec::PCMU])).unwrap();
    let wrong = one.accept(&remote("m=video 5000 RTP/AVP 0"));
    assert_eq!(wrong, Err(NegotiationError::MediaMismatch { index: 0 }));
}

#[test]
fn rfc3264_6_1_address_and_port_are_there_even_for_what_is_only_sent() {
    let offer = remote("m=audio 5000 RTP/AVP 0|a=recvonly");
    let (answer, session) = answer_of(&phone(1, [Codec::PCMU]), &offer);
    assert_eq!(lines(&answer, "a=sendonly").len(), 1);
    assert_eq!(lines(&answer, "m="), ["m=audio 4000 RTP/AVP 0"]);
    assert!(answer.media_at(0).unwrap().connection().is_some());
    assert_eq!(audio(&session).local_rtcp.port, 4001);
}

#[test]
fn rfc3264_6_1_the_numbers_of_the_offer_are_used_in_the_answer_and_each_is_mapped() {
    let offer = remote(
        "m=audio 5000 RTP/AVP 109 0 110|a=rtpmap:109 opus/48000/2|a=rtpmap:110 telephone-event/8000",
    );
    let (answer, _) = answer_of(&phone(1, [Codec::PCMU, Codec::OPUS, dtmf()]), &offer);
    assert_eq!(lines(&answer, "m="), ["m=audio 4000 RTP/AVP 109 0 110"]);
    assert_eq!(
        lines(&answer, "rtpmap"),
        [
            "a=rtpmap:109 opus/48000/2",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:110 telephone-event/8000"
        ]
    );
}

#[test]
fn rfc3264_6_1_parameters_that_are_part_of_a_format_are_repeated() {
    let offer = remote("m=audio 5000 RTP/AVP 97|a=rtpmap:97 AMR/8000|a=fmtp:97 octet-align=1");
    let amr = |fmtp: &'static str| {
        let mut codec = Codec::new("AMR", 8000);
        codec.fmtp = Some(fmtp.into());
        codec
    };
    let (answer, _) = answer_of(&phone(1, [amr("octet-align=1")]), &offer);
    assert_eq!(lines(&answer, "fmtp"), ["a=fmtp:97 octet-align=1"]);
    // Another value is another format.
    let (_, session) = answer_of(&phone(1, [amr("octet-align=0")]), &offer);
    assert!(!session.streams[0].is_active());
}

#[test]
fn rfc3264_6_1_nothing_in_common_is_a_port_of_zero() {
    let (answer, _) = answer_of(
        &phone(1, [Codec::PCMU]),
        &remote("m=audio 5000 RTP/AVP 18 4"),
    );
    assert_eq!(lines(&answer, "m="), ["m=audio 0 RTP/AVP 18"]);
}

#[test]
fn rfc3264_6_1_the_answerer_sends_what_is_in_both_with_the_numbers_of_the_offer() {
    let offer = remote("m=audio 5000 RTP/AVP 18 111 8|a=rtpmap:111 opus/48000/2");
    let mut local = phone(1, [Codec::PCMU, Codec::PCMA, Codec::OPUS]);
    let codec = &mut local.media[0].codecs[2];
    codec.payload_type = Some(99);
    local.media[0].own_payload_types = true;
    let (answer, session) = answer_of(&local, &offer);
    assert_eq!(lines(&answer, "m="), ["m=audio 4000 RTP/AVP 99 8"]);
    let stream = audio(&session);
    let names: Vec<&str> = stream
        .codecs
        .iter()
        .map(|codec| codec.name.as_str())
        .collect();
    assert_eq!(names, ["opus", "PCMA"], "and not PCMU");
    let chosen = stream.codec().unwrap();
    assert_eq!(
        (chosen.name.as_str(), chosen.send_payload_type),
        ("opus", 111)
    );
    assert_eq!(stream.received_codec(99), Some(chosen));
}

#[test]
fn rfc3264_7_the_offerer_sends_the_first_of_the_answer() {
    let session = accepted(
        &phone(1, [Codec::OPUS, Codec::PCMU, Codec::PCMA]),
        "m=audio 5000 RTP/AVP 8 0",
    );
    let names: Vec<&str> = audio(&session)
        .codecs
        .iter()
        .map(|codec| codec.name.as_str())
        .collect();
    assert_eq!(names, ["PCMA", "PCMU"]);
    assert_eq!(audio(&session).codec().unwrap().name, "PCMA");
}

#[test]
fn rfc3264_8_a_version_that_has_not_changed_is_answered_all_the_same() {
    let (local, mut one) = (phone(1, [Codec::PCMU]), Negotiator::new());
    let offer = remote("m=audio 5000 RTP/AVP 0");
    let first = one.answer(&local, &offer).unwrap();
    let again = one.answer(&local, &offer).unwrap();
    assert_eq!(first, again);
}

#[test]
fn rfc3264_8_1_a_new_line_comes_last() {
    let mut local = phone(1, [Codec::PCMU]);
    let (mut one, mut other) = (Negotiator::new(), Negotiator::new());
    exchange((&mut one, &local), (&mut other, &phone(2, [Codec::PCMU])));
    // Wherever it stands among ours.
    local
        .media
        .push(LocalMedia::video(4002, [Codec::new("VP8", 90_000)]));
    let offer = one.offer(&local).unwrap();
    let kinds: Vec<&str> = offer.media().map(|media| media.kind()).collect();
    assert_eq!(kinds, ["audio", "video"]);
}

#[test]
fn rfc3264_8_2_a_port_of_zero_is_answered_by_one() {
    let (local, mut one) = (videophone(1), Negotiator::new());
    one.answer(
        &local,
        &remote("m=audio 5000 RTP/AVP 0|m=video 5002 RTP/AVP 96|a=rtpmap:96 VP8/90000"),
    )
    .unwrap();
    let answer = one
        .answer(
            &local,
            &remote("m=audio 5000 RTP/AVP 0|m=video 0 RTP/AVP 96|a=rtpmap:96 VP8/90000"),
        )
        .unwrap();
    let video = answer.description.media_at(1).unwrap();
    assert_eq!((video.kind(), video.port()), ("video", 0));
    assert_eq!(answer.session.streams[1].status, StreamStatus::Removed);
}

#[test]
fn rfc3264_8_3_1_only_the_port_changes_when_only_the_port_changes() {
    let mut local = videophone(1);
    let (mut one, mut other) = (Negotiator::new(), Negotiator::new());
    let before = one.offer(&local).unwrap();
    let answer = other.answer(&videophone(2), &before).unwrap().description;
    one.accept(&answer).unwrap();
    local.media[0].port = 6000;
    let after = one.offer(&local).unwrap();
    let (before, after) = (before.to_string(), after.to_string());
    assert_eq!(before.lines().count(), after.lines().count());
    let changed: Vec<(&str, &str)> = before
        .lines()
        .zip(after.lines())
        .filter(|(one, other)| one != other)
        .collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(changed[0].0.starts_with("o=") && changed[1].1.starts_with("m=audio 6000 "));
}

#[test]
fn rfc3264_8_3_1_a_new_port_is_sent_to_at_once() {
    let (local, mut one) = (phone(1, [Codec::PCMU]), Negotiator::new());
    one.answer(&local, &remote("m=audio 5000 RTP/AVP 0"))
        .unwrap();
    let session = one
        .answer(&local, &remote("m=audio 7000 RTP/AVP 0"))
        .unwrap()
        .session;
    assert_eq!(audio(&session).remote_rtp.port, 7000);
    assert!(audio(&session).sends());
}

#[test]
fn rfc3264_8_3_2_the_answerer_sends_only_what_the_last_offer_has() {
    let (local, mut one) = (
        phone(1, [Codec::PCMU, Codec::PCMA, Codec::OPUS]),
        Negotiator::new(),
    );
    one.answer(&local, &remote("m=audio 5000 RTP/AVP 0"))
        .unwrap();
    let offer = remote("m=audio 5000 RTP/AVP 111 8|a=rtpmap:111 opus/48000/2");
    let session = one.answer(&local, &offer).unwrap().session;
    let names: Vec<&str> = audio(&session)
        .codecs
        .iter()
        .map(|codec| codec.name.as_str())
        .collect();
    assert_eq!(names, ["opus", "PCMA"], "PCMU is over");
    assert_eq!(
        audio(&session).codec().unwrap().name,
        "opus",
        "the most preferred"
    );
}

#[test]
fn rfc3264_8_3_2_the_offerer_sends_only_what_the_last_answer_has() {
    let local = phone(1, [Codec::PCMU, Codec::PCMA]);
    let mut one = Negotiator::new();
    one.offer(&local).unwrap();
    one.accept(&remote("m=audio 5000 RTP/AVP 0")).unwrap();
    one.offer(&local).unwrap();
    let session = one.accept(&remote("m=audio 5000 RTP/AVP 8")).unwrap();
    let names: Vec<&str> = audio(&session)
        .codecs
        .iter()
        .map(|codec| codec.name.as_str())
        .collect();
    assert_eq!(names, ["PCMA"]);
    assert_eq!(audio(&session).codec().unwrap().name, "PCMA");
}

#[test]
fn rfc3264_8_3_4_what_an_attribute_changes_counts_at_once() {
    let (local, mut one) = (phone(1, [Codec::PCMU]), Negotiator::new());
    let first = one
        .answer(&local, &remote("m=audio 5000 RTP/AVP 0|a=ptime:20"))
        .unwrap();
    assert_eq!(audio(&first.session).ptime, Some(20));
    let next = one
        .answer(
            &local,
            &remote("m=audio 5000 RTP/AVP 0|b=AS:64|a=ptime:40|a=maxptime:60|a=recvonly"),
        )
        .unwrap();
    let stream = audio(&next.session);
    assert_eq!((stream.ptime, stream.max_ptime), (Some(40), Some(60)));
    assert_eq!(stream.remote_bandwidth, [("AS".to_owned(), 64)]);
    assert_eq!(stream.direction, Direction::SendOnly);
}

#[test]
fn rfc3264_8_4_hold_is_not_answered_by_hold() {
    let (local, mut one) = (phone(1, [Codec::PCMU]), Negotiator::new());
    let held = one
        .answer(&local, &remote("m=audio 5000 RTP/AVP 0|a=sendonly"))
        .unwrap();
    assert_eq!(lines(&held.description, "a=recvonly").len(), 1);
    // The old way, which says nothing of a direction.
    let old = remote("m=audio 5000 RTP/AVP 0|c=IN IP4 0.0.0.0");
    let held = one.answer(&local, &old).unwrap();
    assert_eq!(lines(&held.description, "a=sendrecv").len(), 1);
}

#[test]
fn rfc3264_8_4_a_stream_on_hold_has_a_port() {
    let mut local = phone(1, [Codec::PCMU]);
    local.hold(true);
    let offer = offer_of(&local);
    assert_eq!(offer.media_at(0).unwrap().port(), 4000);
    assert_eq!(lines(&offer, "a=sendonly").len(), 1);
}

#[test]
fn rfc3264_8_4_the_null_address_is_understood() {
    let offer = remote("m=audio 5000 RTP/AVP 0|c=IN IP4 0.0.0.0");
    let (_, session) = answer_of(&phone(1, [Codec::PCMU]), &offer);
    let stream = audio(&session);
    assert!(stream.remote_is_null && stream.is_held_by_remote());
    assert!(!stream.sends());
}

#[test]
fn rfc3264_9_capabilities() {
    let mut local = videophone(1);
    local.hold(true);
    let description = local.capabilities(77).unwrap();
    let text = description.to_string();
    assert!(SessionDescription::parse_with(text.as_bytes(), &ParserConfig::strict()).is_ok());
    assert_eq!(lines(&description, "t="), ["t=0 0"]);
    // Each kind and each format, with port zero and their numbers explained.
    let lines_of_media = lines(&description, "m=");
    assert_eq!(lines_of_media.len(), 2);
    assert!(
        lines_of_media[0].starts_with("m=audio 0 RTP/AVP 0 "),
        "{text}"
    );
    assert!(
        lines_of_media[1].starts_with("m=video 0 RTP/AVP "),
        "{text}"
    );
    assert_eq!(lines_of_media[0].split(' ').count(), 5);
    for name in ["PCMU/8000", "opus/48000/2", "VP8/90000"] {
        assert_eq!(lines(&description, name).len(), 1, "{name}");
    }
    // Each has a number of its own.
    assert_eq!(numbers(&description).0, 77);
    assert_eq!(numbers(&local.capabilities(78).unwrap()).0, 78);
}
