//! Offers and answers beyond the RFCs' printed exchanges: hold, payload types, security, ICE, BUNDLE, rollback, errors.

use sip_sdp::attribute::Direction;
use sip_sdp::negotiation::{
    Answer, Codec, CodecOrder, LocalMedia, LocalRtcp, LocalSession, NegotiationError, Negotiator,
    Session, Stream,
};
use sip_sdp::{ParserConfig, SessionDescription};

pub(crate) fn phone(id: u64, codecs: impl IntoIterator<Item = Codec>) -> LocalSession {
    LocalSession::new(id, format!("192.0.2.{id}")).audio(4000, codecs)
}

/// A description with this session part and media, as a peer might send it.
pub(crate) fn remote(lines: &str) -> SessionDescription {
    let text = format!(
        "v=0\no=- 9 9 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{}",
        lines.replace('|', "\n")
    );
    SessionDescription::parse_with(text.as_bytes(), &ParserConfig::deployed())
        .expect("a description")
}

pub(crate) fn audio(session: &Session) -> &Stream {
    session.first("audio").expect("audio")
}

/// One exchange: what the offerer and the answerer have then.
pub(crate) fn exchange(
    one: (&mut Negotiator, &LocalSession),
    other: (&mut Negotiator, &LocalSession),
) -> (Session, Session) {
    let offer = one.0.offer(one.1).expect("an offer");
    let Answer {
        description,
        session,
        ..
    } = other.0.answer(other.1, &offer).expect("an answer");
    (one.0.accept(&description).expect("accepted"), session)
}

/// The lines of a description that contain a text.
pub(crate) fn lines(description: &SessionDescription, part: &str) -> Vec<String> {
    description
        .to_string()
        .lines()
        .filter(|line| line.contains(part))
        .map(String::from)
        .collect()
}

#[test]
fn rfc6337_5_3_hold_by_both_and_resume() {
    let (mut alice_can, mut bob_can) = (phone(1, [Codec::PCMU]), phone(2, [Codec::PCMU]));
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    alice_can.hold(true);
    let (of_alice, of_bob) = exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    assert_eq!(
        (audio(&of_alice).direction, audio(&of_bob).direction),
        (Direction::SendOnly, Direction::RecvOnly)
    );
    assert!(audio(&of_bob).is_held_by_remote() && !audio(&of_alice).is_held_by_remote());
    // Bob holds as well: he offers what he wants, sendonly, and gets inactive.
    bob_can.hold(true);
    let (of_bob, of_alice) = exchange((&mut bob, &bob_can), (&mut alice, &alice_can));
    assert_eq!(
        (audio(&of_alice).direction, audio(&of_bob).direction),
        (Direction::Inactive, Direction::Inactive)
    );
    // Alice resumes: she offers sendrecv, Bob's hold still stands.
    alice_can.hold(false);
    let (of_alice, _) = exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    assert_eq!(audio(&of_alice).direction, Direction::RecvOnly);
    bob_can.hold(false);
    let (of_bob, _) = exchange((&mut bob, &bob_can), (&mut alice, &alice_can));
    assert_eq!(audio(&of_bob).direction, Direction::SendRecv);
}

#[test]
fn rfc3264_8_the_version_grows_by_one_with_each_change() {
    let (mut local, peer) = (phone(1, [Codec::PCMU]), phone(2, [Codec::PCMU]));
    let (mut one, mut other) = (Negotiator::new(), Negotiator::new());
    let mut version = |local: &LocalSession, one: &mut Negotiator| {
        let offer = one.offer(local).expect("an offer");
        let answer = other.answer(&peer, &offer).expect("an answer");
        one.accept(&answer.description).expect("accepted");
        let number = |description: &SessionDescription| {
            description.origin().and_then(|origin| origin.version())
        };
        (number(&offer), number(&answer.description))
    };
    assert_eq!(version(&local, &mut one), (Some(1), Some(2)));
    assert_eq!(
        version(&local, &mut one),
        (Some(1), Some(2)),
        "the same description"
    );
    local.hold(true);
    assert_eq!(version(&local, &mut one), (Some(2), Some(3)));
    local.hold(false);
    assert_eq!(version(&local, &mut one), (Some(3), Some(4)));
}

#[test]
fn rfc3264_8_3_2_payload_types_keep_their_meaning() {
    let ilbc = || Codec::new("iLBC", 8000);
    let mut local = phone(1, [ilbc(), Codec::OPUS]);
    let mut one = Negotiator::new();
    let offer = one.offer(&local).expect("an offer");
    assert_eq!(
        lines(&offer, "rtpmap"),
        ["a=rtpmap:96 iLBC/8000", "a=rtpmap:97 opus/48000/2"]
    );
    one.accept(&remote("m=audio 5000 RTP/AVP 97|a=rtpmap:97 opus/48000/2"))
        .expect("accepted");
    // iLBC goes; its number is not given to the new codec, and comes back with it.
    local.media[0].codecs = vec![Codec::new("speex", 8000), Codec::OPUS];
    let offer = one.offer(&local).expect("an offer");
    assert_eq!(
        lines(&offer, "rtpmap"),
        ["a=rtpmap:98 speex/8000", "a=rtpmap:97 opus/48000/2"]
    );
    one.rollback().expect("rolled back");
    local.media[0].codecs = vec![ilbc()];
    assert_eq!(
        lines(&one.offer(&local).expect("an offer"), "rtpmap"),
        ["a=rtpmap:96 iLBC/8000"]
    );
}

#[test]
fn rfc3264_8_3_2_the_peers_numbers_are_kept_in_our_offers() {
    let local = phone(1, [Codec::OPUS, Codec::telephone_event(48_000)]);
    let mut one = Negotiator::new();
    one.answer(&local, &remote("m=audio 5000 RTP/AVP 120 121|a=rtpmap:120 opus/48000/2|a=rtpmap:121 telephone-event/48000"))
        .expect("an answer");
    let offer = one.offer(&local).expect("an offer");
    assert_eq!(lines(&offer, "m=audio"), ["m=audio 4000 RTP/AVP 120 121"]);
}

#[test]
fn rfc3264_6_1_codecs_in_the_order_of_the_offer_or_ours() {
    let mut local = phone(1, [Codec::PCMA, Codec::PCMU, Codec::telephone_event(8000)]);
    let offer = remote(
        "m=audio 5000 RTP/AVP 3 0 8 96 100|a=rtpmap:96 telephone-event/8000|a=fmtp:96 0-11,66",
    );
    let answer = |local: &LocalSession| {
        Negotiator::new()
            .answer(local, &offer)
            .expect("an answer")
            .description
    };
    assert_eq!(
        lines(&answer(&local), "m=audio"),
        ["m=audio 4000 RTP/AVP 0 8 96"]
    );
    assert_eq!(
        lines(&answer(&local), "fmtp"),
        ["a=fmtp:96 0-11"],
        "events that both can do"
    );
    local.media[0].codec_order = CodecOrder::Local;
    assert_eq!(
        lines(&answer(&local), "m=audio"),
        ["m=audio 4000 RTP/AVP 8 0 96"]
    );
    local.media[0].single_codec = true;
    assert_eq!(
        lines(&answer(&local), "m=audio"),
        ["m=audio 4000 RTP/AVP 8 96"]
    );
}

#[test]
fn rfc4733_2_1_events_at_the_clock_rate_of_the_codec() {
    let events = [Codec::telephone_event(8000), Codec::telephone_event(48_000)];
    let offer = "m=audio 5000 RTP/AVP 96 0 97 98|a=rtpmap:96 opus/48000/2|a=rtpmap:97 telephone-event/48000|a=rtpmap:98 telephone-event/8000";
    let session = |codecs: Vec<Codec>| {
        let local = phone(1, codecs.into_iter().chain(events.clone()));
        Negotiator::new()
            .answer(&local, &remote(offer))
            .expect("an answer")
            .session
    };
    let number = |session: &Session| {
        audio(session)
            .telephone_event()
            .map(|event| event.send_payload_type)
    };
    assert_eq!(number(&session(vec![Codec::OPUS])), Some(97));
    assert_eq!(audio(&session(vec![Codec::OPUS])).codecs.len(), 2);
    assert_eq!(number(&session(vec![Codec::PCMU])), Some(98));
    assert_eq!(
        audio(&session(vec![Codec::OPUS, Codec::PCMU])).codecs.len(),
        4
    );
    // A peer with events at 8000 only, beside Opus: better than none.
    let local = phone(1, [Codec::OPUS, Codec::telephone_event(8000)]);
    let one = remote(
        "m=audio 5000 RTP/AVP 96 98|a=rtpmap:96 opus/48000/2|a=rtpmap:98 telephone-event/8000",
    );
    assert_eq!(
        number(
            &Negotiator::new()
                .answer(&local, &one)
                .expect("an answer")
                .session
        ),
        Some(98)
    );
}

#[test]
fn rfc4588_8_6_an_offered_retransmission_format_names_the_codec_before_it() {
    let h264 =
        || Codec::new("H264", 90_000).with_fmtp("profile-level-id=42e01f;packetization-mode=1");
    let rtx = || Codec::new("rtx", 90_000);
    let can = |id| {
        let codecs = [Codec::VP8, rtx(), h264(), rtx().with_fmtp("rtx-time=200")];
        LocalSession::new(id, "192.0.2.1").with_media(LocalMedia::video(4000, codecs))
    };
    let mut alice = Negotiator::new();
    let offer = alice.offer(&can(1)).expect("an offer");
    let named = ["a=fmtp:97 apt=96", "a=fmtp:99 apt=98;rtx-time=200"];
    assert_eq!(lines(&offer, "apt="), named);
    let answer = Negotiator::new()
        .answer(&can(2), &offer)
        .expect("an answer");
    assert_eq!(lines(&answer.description, "apt="), named);
    alice.accept(&answer.description).expect("accepted");
    assert_eq!(
        alice.offer(&can(1)).expect("an offer"),
        offer,
        "§8.3.2 of RFC 3264"
    );
}

#[test]
fn rfc3264_6_nothing_in_common_is_rejected() {
    let local = phone(1, [Codec::PCMU, Codec::telephone_event(8000)]);
    for line in [
        "m=audio 5000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000",
        "m=audio 5000 RTP/SAVP 0",
        "m=video 5000 RTP/AVP 31",
        "m=audio 5000 RTP/AVP 96|a=rtpmap:96 PCMU/16000",
        "m=audio 0 RTP/AVP 0",
        "m=audio 5000 RTP/AVP 96",
    ] {
        let answer = Negotiator::new()
            .answer(&local, &remote(line))
            .expect("an answer");
        assert_eq!(answer.session.active().count(), 0, "{line}");
        assert_eq!(
            answer.description.media_at(0).map(|media| media.port()),
            Some(0),
            "{line}"
        );
    }
}

#[test]
fn rfc3605_and_rfc5761_where_rtcp_goes() {
    let port = |local: LocalRtcp, line: &str| {
        let mut one = phone(1, [Codec::PCMU]);
        one.media[0].rtcp = local;
        let Answer {
            description,
            session,
            ..
        } = Negotiator::new()
            .answer(&one, &remote(&format!("m=audio 5000 RTP/AVP 0{line}")))
            .expect("an answer");
        let rtcp = session.first("audio").map(|stream| {
            (
                stream.remote_rtcp.port,
                stream.local_rtcp.port,
                stream.rtcp_mux,
            )
        });
        (rtcp, lines(&description, "a=rtcp").join(" "))
    };
    let next = String::new();
    assert_eq!(
        port(LocalRtcp::NextPort, ""),
        (Some((5001, 4001, false)), next.clone())
    );
    assert_eq!(
        port(LocalRtcp::NextPort, "|a=rtcp:5009"),
        (Some((5009, 4001, false)), next.clone())
    );
    assert_eq!(
        port(LocalRtcp::NextPort, "|a=rtcp-mux"),
        (Some((5001, 4001, false)), next.clone())
    );
    assert_eq!(
        port(LocalRtcp::Port(4007), "|a=rtcp-mux"),
        (Some((5001, 4007, false)), "a=rtcp:4007".into())
    );
    assert_eq!(
        port(LocalRtcp::Mux, "|a=rtcp-mux"),
        (Some((5000, 4000, true)), "a=rtcp-mux".into())
    );
    assert_eq!(port(LocalRtcp::Mux, ""), (Some((5001, 4001, false)), next));
    // RFC 8858: no falling back.
    assert_eq!(port(LocalRtcp::MuxOnly, "").0, None);
    assert_eq!(
        port(LocalRtcp::NextPort, "|a=rtcp-mux|a=rtcp-mux-only").0,
        None
    );
}

#[test]
fn a_rejected_offer_is_rolled_back() {
    let (mut alice_can, bob_can) = (phone(1, [Codec::PCMU]), phone(2, [Codec::PCMU]));
    let (mut alice, mut bob) = (Negotiator::new(), Negotiator::new());
    exchange((&mut alice, &alice_can), (&mut bob, &bob_can));
    let before = alice.session().cloned();
    alice_can.media.push(LocalMedia::video(4002, [Codec::VP8]));
    let first = alice.offer(&alice_can).expect("an offer");
    assert_eq!(
        alice.offer(&alice_can).map(drop),
        Err(NegotiationError::OfferPending)
    );
    assert_eq!(
        alice.answer(&alice_can, &first).map(drop),
        Err(NegotiationError::OfferPending),
        "glare"
    );
    alice.rollback().expect("rolled back");
    assert_eq!(
        (alice.session().cloned(), alice.has_pending_offer()),
        (before, false)
    );
    assert_eq!(alice.rollback(), Err(NegotiationError::NoOfferPending));
    assert_eq!(
        alice.accept(&first).map(drop),
        Err(NegotiationError::NoOfferPending)
    );
    // The peer may offer with one line now, and this side may try again.
    let (of_bob, _) = exchange((&mut bob, &bob_can), (&mut alice, &phone(1, [Codec::PCMU])));
    assert_eq!(of_bob.streams.len(), 1);
    assert_eq!(alice.offer(&alice_can).expect("an offer").media_len(), 2);
}

#[test]
fn rfc3264_8_1_a_rejected_line_is_used_again() {
    let mut local = phone(1, [Codec::PCMU]).with_media(LocalMedia::video(4002, [Codec::VP8]));
    let mut one = Negotiator::new();
    one.offer(&local).expect("an offer");
    one.accept(&remote("m=audio 5000 RTP/AVP 0|m=video 0 RTP/AVP 96"))
        .expect("accepted");
    // What was rejected is not offered again by itself.
    let offer = one.offer(&local).expect("an offer");
    assert_eq!(
        lines(&offer, "m="),
        ["m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP 96"]
    );
    one.accept(&remote("m=audio 5000 RTP/AVP 0|m=video 0 RTP/AVP 96"))
        .expect("accepted");
    local.recycle_lines = true;
    local.media.push(LocalMedia::new("text", 4004, "RTP/AVP"));
    local.media[2].codecs = vec![Codec::new("t140", 1000)];
    let offer = one.offer(&local).expect("an offer");
    // 96 was VP8 in this line: it keeps that meaning.
    assert_eq!(
        lines(&offer, "m="),
        ["m=audio 4000 RTP/AVP 0", "m=text 4004 RTP/AVP 97"]
    );
    let session = one
        .accept(&remote(
            "m=audio 5000 RTP/AVP 0|m=text 5002 RTP/AVP 97|a=rtpmap:97 t140/1000",
        ))
        .expect("accepted");
    assert_eq!(
        (
            session.streams[1].local_media,
            session.streams[1].kind.as_str()
        ),
        (Some(2), "text")
    );
    // The peer may use a dead line, too.
    let mut other = Negotiator::new();
    let can = phone(2, [Codec::PCMU]);
    other
        .answer(&can, &remote("m=video 5000 RTP/AVP 31"))
        .expect("an answer");
    let answer = other
        .answer(&can, &remote("m=audio 5000 RTP/AVP 0"))
        .expect("an answer");
    assert!(audio(&answer.session).sends());
}

#[test]
fn rfc3264_6_an_answer_that_does_not_fit_is_refused_and_the_offer_stands() {
    let local = phone(1, [Codec::PCMU]);
    let mut one = Negotiator::new();
    one.offer(&local).expect("an offer");
    for (line, error) in [
        (
            "",
            NegotiationError::MediaCount {
                offered: 1,
                answered: 0,
            },
        ),
        (
            "m=audio 1 RTP/AVP 0|m=audio 2 RTP/AVP 0",
            NegotiationError::MediaCount {
                offered: 1,
                answered: 2,
            },
        ),
        (
            "m=video 1 RTP/AVP 0",
            NegotiationError::MediaMismatch { index: 0 },
        ),
        (
            "m=audio 1 RTP/SAVP 0",
            NegotiationError::MediaMismatch { index: 0 },
        ),
        (
            "m=audio 1 RTP/AVP 8",
            NegotiationError::NoCommonFormat { index: 0 },
        ),
    ] {
        assert_eq!(one.accept(&remote(line)).map(drop), Err(error), "{line}");
    }
    let malformed = one
        .accept(&remote("m=audio 1 RTP/AVP 0|a=rtpmap:0"))
        .expect_err("malformed");
    assert_eq!(
        malformed.to_string(),
        "line 7, column 11: `a=rtpmap`: a space must follow the payload type"
    );
    // RFC 3264 §6.1: formats that were not offered are ignored beside those that were.
    let session = one
        .accept(&remote("m=audio 1 RTP/AVP 8 0"))
        .expect("accepted");
    assert_eq!(audio(&session).codecs.len(), 1);
}

#[test]
fn rfc3264_8_an_offer_may_not_drop_lines() {
    let mut one = Negotiator::new();
    let local = phone(1, [Codec::PCMU]);
    one.answer(&local, &remote("m=audio 1 RTP/AVP 0|m=video 1 RTP/AVP 31"))
        .expect("an answer");
    let error = one.answer(&local, &remote("m=audio 1 RTP/AVP 0")).map(drop);
    assert_eq!(
        error,
        Err(NegotiationError::MediaRemoved { before: 2, now: 1 })
    );
}

/// Found by fuzzing: `m=vIdeo` was answered by `m=video`.
#[test]
fn rfc3264_6_the_answered_line_repeats_the_offered_kind_and_protocol() {
    let answer =
        Negotiator::new().answer(&phone(1, [Codec::PCMU]), &remote("m=Audio 5000 rtp/AVP 0"));
    let description = answer.expect("an answer").description;
    assert_eq!(lines(&description, "m="), ["m=Audio 4000 rtp/AVP 0"]);
}

#[test]
fn rfc3264_6_2_multicast_is_answered_as_offered() {
    let local = phone(1, [Codec::PCMU]);
    let offer =
        remote("m=audio 5000 RTP/AVP 0 8|c=IN IP4 224.2.1.1/127|b=AS:64|a=ptime:40|a=recvonly");
    let answer = Negotiator::new().answer(&local, &offer).expect("an answer");
    let text = answer.description.to_string();
    for line in [
        "m=audio 5000 RTP/AVP 0\r\n",
        "c=IN IP4 224.2.1.1/127\r\n",
        "b=AS:64\r\n",
        "a=ptime:40\r\n",
        "a=recvonly\r\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(audio(&answer.session).direction, Direction::RecvOnly);
}

#[test]
fn media_that_are_not_rtp_agree_on_formats() {
    let mut fax = LocalMedia::new("image", 4000, "udptl");
    fax.formats = vec!["t38".into()];
    let local = LocalSession::new(1, "192.0.2.1").with_media(fax);
    let (of_one, of_other) = exchange(
        (&mut Negotiator::new(), &local),
        (&mut Negotiator::new(), &local),
    );
    for session in [of_one, of_other] {
        assert_eq!(
            session.first("image").map(|stream| stream.formats.clone()),
            Some(vec!["t38".to_string()])
        );
    }
    let answer = Negotiator::new()
        .answer(&local, &remote("m=image 5000 TCP t38"))
        .expect("an answer");
    assert_eq!(answer.session.active().count(), 0);
}

#[test]
fn texts_that_cannot_be_described_are_refused() {
    let mut local = phone(1, [Codec::PCMU]);
    local.name = "two\r\nlines".into();
    assert!(matches!(
        Negotiator::new().offer(&local),
        Err(NegotiationError::Local(_))
    ));
    let mut local = phone(1, [Codec::PCMU]);
    local.address = "a b".into();
    assert!(matches!(
        Negotiator::new().offer(&local),
        Err(NegotiationError::Local(_))
    ));
    let local = phone(1, (0..200).map(|rate| Codec::new("x", rate)));
    assert_eq!(
        Negotiator::new().offer(&local).map(drop),
        Err(NegotiationError::PayloadTypes { index: 0 })
    );
}

#[test]
fn one_offer_with_two_answers() {
    let local = phone(1, [Codec::PCMU, Codec::PCMA]);
    let mut first = Negotiator::new();
    first.offer(&local).expect("an offer");
    let mut second = first.clone();
    let one = first
        .accept(&remote("m=audio 5000 RTP/AVP 0"))
        .expect("accepted");
    let other = second
        .accept(&remote("m=audio 6000 RTP/AVP 8"))
        .expect("accepted");
    assert_eq!(
        (audio(&one).remote_rtp.port, audio(&other).remote_rtp.port),
        (5000, 6000)
    );
}

#[test]
fn a_capability_is_accepted_but_not_offered() {
    let mut local = phone(1, [Codec::PCMU]).with_media(LocalMedia::video(4002, [Codec::VP8]));
    local.media[1].only_accept = true;
    let mut one = Negotiator::new();
    assert_eq!(one.offer(&local).expect("an offer").media_len(), 1);
    one.rollback().expect("rolled back");
    let offer = remote("m=audio 5000 RTP/AVP 0|m=video 5002 RTP/AVP 96|a=rtpmap:96 VP8/90000");
    let answer = one.answer(&local, &offer).expect("an answer");
    assert_eq!(answer.session.active().count(), 2);
    assert_eq!(one.offer(&local).expect("an offer").media_len(), 2);
}

#[test]
fn rfc3261_14_1_the_version_tells_that_a_description_has_changed() {
    rfc3264_8_the_version_grows_by_one_with_each_change();
}
