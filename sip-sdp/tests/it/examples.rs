//! The exchanges of RFC 4317 and RFC 3264 §10: both sides are negotiators with the capabilities that the text implies, and
//! each description they make must say what the printed one says.

use sip_sdp::attribute::{Direction, Rtpmap};
use sip_sdp::negotiation::{Codec, LocalMedia, LocalSession, Negotiator, Session, StreamStatus};
use sip_sdp::{ParserConfig, SessionDescription};

use crate::data::find;

const EXCHANGES: &str = include_str!("../data/offer-answer.txt");

fn printed(name: &str) -> SessionDescription {
    let text = find(EXCHANGES, name);
    SessionDescription::parse_with(text.as_bytes(), &ParserConfig::deployed())
        .expect("the example parses")
}

/// What a description says, without what is a matter of style: one line per media line.
fn meaning(description: &SessionDescription) -> String {
    let origin = description.origin().expect("an origin");
    let mut out = format!(
        "{} {} {}",
        origin.username, origin.session_id, origin.session_version
    );
    for media in description.media() {
        if media.port() == 0 {
            out += &format!("\n{} rejected", media.kind());
            continue;
        }
        let formats: Vec<&str> = media.formats().collect();
        let mut maps: Vec<String> = media
            .attributes_of::<Rtpmap<'_>>()
            .map(|map| map.expect("an rtpmap"))
            .map(|map| format!("{}={}/{}", map.payload_type, map.encoding, map.clock_rate))
            .collect();
        maps.sort();
        out += &format!(
            "\n{} {}:{} {} [{}] {} {}",
            media.kind(),
            media.connection().expect("an address").address,
            media.port(),
            media.protocol(),
            formats.join(" "),
            media.direction(),
            maps.join(" "),
        );
    }
    out
}

struct Exchange {
    name: &'static str,
    round: usize,
    alice: (LocalSession, Negotiator),
    bob: (LocalSession, Negotiator),
}

impl Exchange {
    fn new(name: &'static str, alice: LocalSession, bob: LocalSession) -> Self {
        Self {
            name,
            round: 0,
            alice: (alice, Negotiator::new()),
            bob: (bob, Negotiator::new()),
        }
    }

    /// A round whose answer the RFC prints as we would make it.
    fn round(&mut self, bob_offers: bool) -> (Session, Session) {
        let printed_answer = meaning(&printed(&format!(
            "{}-{}-answer.sdp",
            self.name,
            self.round + 1
        )));
        self.round_with(bob_offers, &printed_answer)
    }

    /// Offer, answer, and what both sides make of it: the offerer's view first.
    fn round_with(&mut self, bob_offers: bool, expected: &str) -> (Session, Session) {
        self.round += 1;
        let (offerer, answerer) = if bob_offers {
            (&mut self.bob, &mut self.alice)
        } else {
            (&mut self.alice, &mut self.bob)
        };
        let offer = offerer.1.offer(&offerer.0).expect("an offer");
        let expected_offer = printed(&format!("{}-{}-offer.sdp", self.name, self.round));
        assert_eq!(
            meaning(&offer),
            meaning(&expected_offer),
            "{} offer {}",
            self.name,
            self.round
        );
        // The printed offer is answered, and not only what we made of it.
        let answer = answerer
            .1
            .answer(&answerer.0, &expected_offer)
            .expect("an answer");
        assert_eq!(
            meaning(&answer.description),
            expected,
            "{} answer {}",
            self.name,
            self.round
        );
        let session = offerer.1.accept(&answer.description).expect("accepted");
        for (one, other) in session.streams.iter().zip(&answer.session.streams) {
            assert_eq!(one.direction, other.direction.reversed(), "{}", self.name);
            assert_eq!(one.is_active(), other.is_active(), "{}", self.name);
        }
        (session, answer.session)
    }
}

fn codec(payload_type: u8, name: &'static str) -> Codec {
    let clock_rate = if ["H261", "MPV"].contains(&name) {
        90_000
    } else {
        8000
    };
    Codec::new(name, clock_rate).with_payload_type(payload_type)
}

fn pcmu() -> Codec {
    codec(0, "PCMU")
}

fn ilbc() -> Codec {
    codec(97, "iLBC")
}

fn h261() -> Codec {
    codec(31, "H261")
}

fn mpv() -> Codec {
    codec(32, "MPV")
}

fn events(payload_type: u8) -> Codec {
    codec(payload_type, "telephone-event")
}

fn alice() -> LocalSession {
    named("alice", 2_890_844_526, "host.atlanta.example.com")
}

fn bob() -> LocalSession {
    named("bob", 2_808_844_564, "host.biloxi.example.com")
}

fn named(username: &str, id: u64, address: &str) -> LocalSession {
    let mut session = LocalSession::new(id, address);
    session.username = username.into();
    session
}

fn audio(port: u16, codecs: impl IntoIterator<Item = Codec>) -> LocalMedia {
    LocalMedia::audio(port, codecs)
}

fn video(port: u16, codecs: impl IntoIterator<Item = Codec>) -> LocalMedia {
    LocalMedia::video(port, codecs)
}

/// Alice of sections 2.1 to 2.3 and 2.8.
fn alice_of_section_2() -> LocalSession {
    alice()
        .with_media(audio(49170, [pcmu(), codec(8, "PCMA"), ilbc()]))
        .with_media(video(51372, [h261(), mpv()]))
}

#[test]
fn rfc4317_2_1_audio_and_video_1() {
    let bob = bob()
        .with_media(audio(49174, [pcmu()]))
        .with_media(video(49170, [mpv()]));
    let (session, _) = Exchange::new("4317-2.1", alice_of_section_2(), bob).round(false);
    assert_eq!(
        session
            .first("video")
            .and_then(|stream| stream.codec())
            .map(|codec| codec.send_payload_type),
        Some(32)
    );
}

#[test]
fn rfc4317_2_2_audio_and_video_2() {
    let bob = bob().with_media(audio(49172, [pcmu(), codec(8, "PCMA")]));
    let mut exchange = Exchange::new("4317-2.2", alice_of_section_2(), bob);
    let (session, _) = exchange.round(false);
    assert_eq!(session.streams[1].status, StreamStatus::RejectedByRemote);
    exchange.alice.0.media[0].codecs = vec![pcmu()];
    exchange.alice.0.media[0].port = 51372;
    let (session, _) = exchange.round(false);
    assert_eq!(session.streams[1].status, StreamStatus::Removed);
}

#[test]
fn rfc4317_2_3_audio_and_video_3_with_other_payload_types() {
    let mut own = audio(49172, [codec(99, "iLBC")]);
    own.own_payload_types = true;
    let bob = bob().with_media(own).with_media(video(51374, [h261()]));
    let (alice, bob) = Exchange::new("4317-2.3", alice_of_section_2(), bob).round(false);
    let numbers = |session: &Session| {
        let codec = session
            .first("audio")
            .and_then(|stream| stream.codec())
            .expect("a codec")
            .clone();
        (codec.send_payload_type, codec.receive_payload_type)
    };
    assert_eq!((numbers(&alice), numbers(&bob)), ((99, 97), (97, 99)));
}

#[test]
fn rfc4317_2_4_two_audio_streams() {
    let alice = alice()
        .with_media(audio(49170, [pcmu(), ilbc()]))
        .with_media(audio(49172, [events(98)]).with_direction(Direction::SendOnly));
    let bob = bob()
        .with_media(audio(49172, [ilbc()]))
        .with_media(audio(49174, [events(98)]).with_direction(Direction::RecvOnly));
    Exchange::new("4317-2.4", alice, bob).round(false);
}

#[test]
fn rfc4317_2_5_audio_and_video_4_with_a_new_address() {
    let alice = alice()
        .with_media(audio(49170, [ilbc()]))
        .with_media(video(51372, [h261()]));
    let bob = bob()
        .with_media(audio(49174, [ilbc()]))
        .with_media(video(49170, [h261()]));
    let mut exchange = Exchange::new("4317-2.5", alice, bob);
    exchange.round(false);
    exchange.bob.0.address = "newhost.biloxi.example.com".into();
    exchange.bob.0.media[0].port = 49178;
    exchange.bob.0.media[1].port = 49188;
    let (_, alice) = exchange.round(true);
    assert_eq!(
        alice.streams[1].remote_rtp.host,
        "newhost.biloxi.example.com"
    );
}

#[test]
fn rfc4317_2_6_audio_only_2() {
    let alice = alice()
        .with_media(audio(49170, [pcmu()]))
        .with_media(audio(51372, [ilbc(), events(101)]));
    let bob = bob().with_media(audio(49170, [ilbc(), events(101)]));
    Exchange::new("4317-2.6", alice, bob).round(false);
}

#[test]
fn rfc4317_2_7_a_codec_is_added() {
    let alice = alice()
        .with_media(audio(49170, [codec(99, "iLBC")]))
        .with_media(video(51372, [h261()]));
    let bob = bob()
        .with_media(audio(49172, [codec(99, "iLBC")]))
        .with_media(video(51374, [h261(), mpv()]));
    let mut exchange = Exchange::new("4317-2.7", alice, bob);
    exchange.round(false);
    exchange.alice.0.media[1].codecs.push(mpv());
    exchange.round(false);
}

#[test]
fn rfc4317_2_8_an_address_for_each_stream() {
    let bob = bob()
        .with_media(audio(49174, [pcmu()]))
        .with_media(video(49172, [mpv()]).with_address("otherhost.biloxi.example.com"));
    Exchange::new("4317-2.8", alice_of_section_2(), bob).round(false);
}

#[test]
fn rfc4317_3_1_hold_and_unhold_1() {
    let mut bob = bob().with_media(audio(49172, [ilbc()]).with_direction(Direction::SendOnly));
    bob.address = "placeholder.biloxi.example.com".into();
    let mut exchange = Exchange::new(
        "4317-3.1",
        alice().with_media(audio(49170, [pcmu(), ilbc()])),
        bob,
    );
    let (alice, _) = exchange.round(false);
    assert!(alice.streams[0].is_held_by_remote());
    exchange.bob.0.address = "host.biloxi.example.com".into();
    exchange.bob.0.media[0].port = 49170;
    exchange.bob.0.media[0].direction = Direction::SendRecv;
    exchange.alice.0.media[0].port = 49178;
    let (_, alice) = exchange.round(true);
    assert!(alice.streams[0].sends() && alice.streams[0].receives());
}

#[test]
fn rfc4317_3_2_hold_with_two_streams() {
    let alice = alice()
        .with_media(audio(49170, [pcmu(), ilbc()]))
        .with_media(audio(49172, [events(98)]).with_direction(Direction::SendOnly));
    let bob = bob()
        .with_media(audio(49172, [ilbc()]))
        .with_media(audio(49174, [events(98)]).with_direction(Direction::RecvOnly));
    let mut exchange = Exchange::new("4317-3.2", alice, bob);
    exchange.round(false);
    exchange.bob.0.media[0].hold = true;
    // The printed answer is `sendrecv` and names PCMU, which was not offered. RFC 3264 §6.1 wants recvonly or inactive for
    // an offer of sendonly, and the text above the example says that Alice accepts the hold.
    let expected = "alice 2890844526 2890844527\n\
        audio host.atlanta.example.com:49170 RTP/AVP [97] recvonly 97=iLBC/8000\n\
        audio host.atlanta.example.com:49172 RTP/AVP [98] sendonly 98=telephone-event/8000";
    let (_, alice) = exchange.round_with(true, expected);
    assert!(alice.streams[0].is_held_by_remote());
}

#[test]
fn rfc4317_4_1_a_stream_is_added_by_a_third_party() {
    let mut exchange = Exchange::new(
        "4317-4.1",
        alice().with_media(audio(49170, [pcmu(), ilbc()])),
        bob().with_media(audio(49170, [ilbc()])),
    );
    exchange.round(false);
    let events_of_bob = audio(48282, [events(98)])
        .with_direction(Direction::RecvOnly)
        .with_address("mediaserver.biloxi.example.com");
    exchange.bob.0.media.push(events_of_bob);
    exchange
        .alice
        .0
        .media
        .push(audio(49172, [events(98)]).with_direction(Direction::SendOnly));
    exchange.round(true);
}

#[test]
fn rfc4317_4_2_video_is_added() {
    let mut exchange = Exchange::new(
        "4317-4.2",
        alice().with_media(audio(49170, [pcmu()])),
        bob().with_media(audio(49172, [pcmu()])),
    );
    exchange.round(false);
    exchange.alice.0.media.push(video(49172, [h261()]));
    exchange.bob.0.media.push(video(49168, [h261()]));
    exchange.round(false);
}

#[test]
fn rfc4317_4_3_video_is_removed() {
    let alice = alice()
        .with_media(audio(49170, [ilbc()]))
        .with_media(video(51372, [h261()]));
    let bob = bob()
        .with_media(audio(49174, [ilbc()]))
        .with_media(video(49170, [h261()]));
    let mut exchange = Exchange::new("4317-4.3", alice, bob);
    exchange.round(false);
    exchange.bob.0.media[1].stopped = true;
    let (bob, alice) = exchange.round(true);
    assert_eq!(
        (bob.streams[1].status, alice.streams[1].status),
        (StreamStatus::Removed, StreamStatus::Removed)
    );
}

#[test]
fn rfc4317_5_1_no_media_at_first() {
    let mut exchange = Exchange::new("4317-5.1", alice(), bob());
    exchange.round(false);
    exchange.alice.0.media.push(audio(49170, [ilbc()]));
    exchange.bob.0.media.push(audio(49172, [ilbc()]));
    exchange.round(false);
}

#[test]
fn rfc4317_5_2_the_null_address_in_an_offer() {
    let mut alice = alice().with_media(audio(23442, [ilbc()]));
    alice.address = "0.0.0.0".into();
    let mut exchange = Exchange::new("4317-5.2", alice, bob().with_media(audio(49170, [ilbc()])));
    let (_, bob) = exchange.round(false);
    assert!(bob.streams[0].remote_is_null && !bob.streams[0].sends() && bob.streams[0].receives());
    exchange.alice.0.address = "host.atlanta.example.com".into();
    exchange.alice.0.media[0].port = 49170;
    let (_, bob) = exchange.round(false);
    assert!(bob.streams[0].sends());
}

#[test]
fn rfc4317_5_3_the_null_address_in_an_answer() {
    let mut bob = bob().with_media(audio(9322, [ilbc()]));
    bob.address = "0.0.0.0".into();
    let mut exchange = Exchange::new("4317-5.3", alice().with_media(audio(49170, [ilbc()])), bob);
    let (alice, _) = exchange.round(false);
    assert!(!alice.streams[0].sends());
    exchange.bob.0.address = "host.biloxi.example.com".into();
    exchange.bob.0.media[0].port = 49172;
    let (_, alice) = exchange.round(true);
    assert!(alice.streams[0].sends());
}

#[test]
fn rfc3264_10_1_basic_exchange() {
    let alice = named("alice", 2_890_844_526, "host.anywhere.com")
        .with_media(audio(49170, [pcmu()]))
        .with_media(video(51372, [h261()]))
        .with_media(video(53000, [mpv()]));
    let bob = named("bob", 2_890_844_730, "host.example.com")
        .with_media(audio(49920, [pcmu()]))
        .with_media(video(53000, [mpv()]));
    let mut exchange = Exchange::new("3264-10.1", alice, bob);
    exchange.round(false);
    exchange.bob.0.media[0].port = 65422;
    exchange
        .bob
        .0
        .media
        .push(audio(51434, [codec(110, "telephone-events")]).with_direction(Direction::RecvOnly));
    let events_of_alice =
        audio(53122, [codec(110, "telephone-events")]).with_direction(Direction::SendOnly);
    exchange.alice.0.media.push(events_of_alice);
    exchange.round(true);
}

#[test]
fn rfc3264_10_2_one_of_n_codecs() {
    let g723 = || codec(4, "G723");
    let alice = named("alice", 2_890_844_526, "host.anywhere.com").with_media(
        audio(62986, [pcmu(), g723(), codec(18, "G729")]).with_direction(Direction::Inactive),
    );
    let mut bob =
        named("bob", 2_890_844_730, "host.example.com").with_media(audio(54344, [pcmu(), g723()]));
    bob.first_version = 2_890_844_731;
    let mut exchange = Exchange::new("3264-10.2", alice, bob);
    exchange.round(false);
    exchange.alice.0.media[0].codecs = vec![g723()];
    exchange.alice.0.media[0].direction = Direction::SendRecv;
    let (alice, _) = exchange.round(false);
    assert_eq!(
        alice.streams[0].codec().map(|codec| codec.name.as_str()),
        Some("G723")
    );
}
