//! Descriptions that Chromium 156 and Firefox 153 made: `offer` has audio, video and a data channel; `answer` answers it with
//! another connection of the same browser; `restart` is a later offer that restarts ICE; `audio` is sendonly; `simulcast` has
//! two layers.

use sip_sdp::attribute::{
    Candidate, Direction, ExtMap, Fingerprint, Fmtp, Group, GroupSemantics, IceOptions,
    IcePassword, IceUfrag, MaxMessageSize, Mid, Msid, MsidSemantic, Rid, Rtcp, RtcpFeedback,
    Rtpmap, SctpPort, Setup, Simulcast, Ssrc, SsrcGroup,
};
use sip_sdp::negotiation::{
    Bundle, Codec, LocalDtls, LocalIce, LocalMedia, LocalRtcp, LocalSession, Negotiator, Security,
    StreamStatus,
};
use sip_sdp::{ParserConfig, SessionDescription};

use crate::data::{find, split};

const BROWSERS: &str = include_str!("../data/browsers.txt");

fn parsed(name: &str) -> SessionDescription {
    find(BROWSERS, name).parse().expect("strict")
}

/// What a program with Opus, VP8 and data channels would say to a browser.
fn local(ufrag: &str) -> LocalSession {
    let rtp = |media: LocalMedia| {
        media
            .with_dtls(LocalDtls::new("sha-256", "AA:BB"))
            .with_ice(LocalIce::new(ufrag, "a-password-of-22-characters"))
            .with_rtcp(LocalRtcp::Mux)
    };
    let mut data = rtp(LocalMedia::new("application", 4000, "UDP/DTLS/SCTP"));
    data.protocols = vec!["UDP/DTLS/SCTP".into()];
    data.rtcp = LocalRtcp::NextPort;
    data.formats = vec!["webrtc-datachannel".into()];
    let data = data
        .with_attribute(&SctpPort(5000))
        .with_attribute(&MaxMessageSize(262_144));
    let video = [
        Codec::VP8
            .with_feedback("nack pli")
            .with_feedback("ccm fir"),
        Codec::new("rtx", 90_000),
    ];
    let mut session = LocalSession::new(1, "192.0.2.1")
        .with_bundle(Bundle::Only)
        .with_media(rtp(LocalMedia::audio(
            4000,
            [Codec::OPUS.with_fmtp("minptime=10;useinbandfec=1")],
        )))
        .with_media(rtp(LocalMedia::video(4000, video)))
        .with_media(data);
    for media in &mut session.media {
        media.extensions = vec![(1, "urn:ietf:params:rtp-hdrext:sdes:mid".into())];
    }
    session
}

#[test]
fn every_description_is_strict_and_every_known_attribute_decodes() {
    let all = split(BROWSERS);
    assert_eq!(all.len(), 10);
    for (name, text) in all {
        let description = parsed(name);
        assert_eq!(description.to_string(), text, "{name}");
        assert_eq!(
            SessionDescription::parse_with(text.as_bytes(), &ParserConfig::deployed()).as_ref(),
            Ok(&description)
        );
        let sections = std::iter::once(description.attributes())
            .chain(description.media().map(|media| media.attributes()));
        for section in sections {
            macro_rules! read {
                ($($type:ty),*) => {$(
                    for attribute in section.clone().of::<$type>() {
                        assert_eq!(attribute.map(drop), Ok(()), "{name}");
                    }
                )*};
            }
            read!(
                Candidate<'_>,
                ExtMap<'_>,
                Fingerprint<'_>,
                Fmtp<'_>,
                Group<'_>,
                IceOptions<'_>,
                IcePassword<'_>,
                IceUfrag<'_>,
                Mid<'_>,
                Msid<'_>,
                MsidSemantic<'_>,
                Rid<'_>,
                Rtcp<'_>,
                RtcpFeedback<'_>,
                Rtpmap<'_>,
                SctpPort,
                Setup,
                Simulcast<'_>,
                Ssrc<'_>,
                SsrcGroup<'_>
            );
        }
    }
}

#[test]
fn offers_of_browsers_are_answered() {
    for browser in ["chromium", "firefox"] {
        let mut negotiator = Negotiator::new();
        let answer = negotiator
            .answer(&local("first"), &parsed(&format!("{browser}-offer")))
            .expect("an answer");
        let [audio, video, data] = answer.session.streams.as_slice() else {
            panic!("three streams")
        };
        assert!(
            [audio, video, data]
                .into_iter()
                .all(|stream| stream.is_active()),
            "{browser}"
        );
        assert_eq!(
            (audio.bundled_with, video.bundled_with, data.bundled_with),
            (None, Some(0), Some(0))
        );
        assert_eq!(
            audio
                .codecs
                .iter()
                .map(|codec| codec.name.as_str())
                .collect::<Vec<_>>(),
            ["opus"]
        );
        let names: Vec<_> = video
            .codecs
            .iter()
            .map(|codec| codec.name.as_str())
            .collect();
        assert_eq!(names, ["VP8", "rtx"], "{browser}");
        assert_eq!(video.codecs[0].feedback.len(), 2, "{browser}");
        assert_eq!(data.formats, ["webrtc-datachannel"]);
        assert!(audio.rtcp_mux && audio.sends() && audio.ice.is_some() && !audio.remote_is_null);
        assert!(
            matches!(&audio.security, Security::Dtls { role: Setup::Active, fingerprints, .. } if !fingerprints.is_empty())
        );
        assert_eq!(audio.extensions, video.extensions);
        let group = answer
            .description
            .attribute::<Group<'_>>()
            .expect("decodes")
            .expect("a group");
        assert_eq!(
            (group.semantics, group.mids().count()),
            (GroupSemantics::Bundle, 3)
        );

        // The later offer restarts ICE and keeps the DTLS association.
        let restart = parsed(&format!("{browser}-restart"));
        assert!(negotiator.is_ice_restart(&restart), "{browser}");
        assert!(negotiator.answer(&local("first"), &restart).is_err());
        let answer = negotiator
            .answer(&local("second"), &restart)
            .expect("an answer");
        let audio = answer.session.first("audio").expect("audio");
        assert!(
            audio.ice.as_ref().is_some_and(|ice| ice.restart),
            "{browser}"
        );
        assert!(
            matches!(
                audio.security,
                Security::Dtls {
                    new_association: false,
                    ..
                }
            ),
            "{browser}"
        );
    }
}

#[test]
fn a_telephone_refuses_what_it_cannot_do() {
    let phone =
        LocalSession::new(1, "192.0.2.1").audio(4000, [Codec::PCMU, Codec::telephone_event(8000)]);
    for name in ["chromium-offer", "firefox-offer"] {
        let answer = Negotiator::new()
            .answer(&phone, &parsed(name))
            .expect("an answer");
        assert_eq!(answer.session.active().count(), 0);
        let statuses: Vec<_> = answer
            .session
            .streams
            .iter()
            .map(|stream| stream.status)
            .collect();
        assert_eq!(statuses, [StreamStatus::RejectedByLocal; 3]);
    }
    // With DTLS-SRTP, a browser's G.711 and telephone events do.
    let mut phone = phone;
    phone.media[0] = phone.media[0]
        .clone()
        .with_dtls(LocalDtls::new("sha-256", "AA:BB"))
        .with_ice(LocalIce::new("ufrag", "a-password-of-22-characters"))
        .with_rtcp(LocalRtcp::MuxOnly);
    for name in ["chromium-audio", "firefox-audio"] {
        let answer = Negotiator::new()
            .answer(&phone, &parsed(name))
            .expect("an answer");
        let audio = answer.session.first("audio").expect("audio");
        assert_eq!(
            (
                audio.direction,
                audio.codec().map(|codec| codec.name.as_str())
            ),
            (Direction::RecvOnly, Some("PCMU")),
            "{name}"
        );
        assert!(audio.telephone_event().is_some(), "{name}");
    }
}

#[test]
fn rfc8853_simulcast_of_browsers() {
    for name in ["chromium-simulcast", "firefox-simulcast"] {
        let description = parsed(name);
        let video = description.media_at(0).expect("video");
        let simulcast = video
            .attribute::<Simulcast<'_>>()
            .expect("decodes")
            .expect("simulcast");
        let rids: Vec<&str> = video
            .attributes_of::<Rid<'_>>()
            .map(|rid| rid.expect("a rid").id)
            .collect();
        let streams: Vec<&str> = simulcast
            .send
            .expect("send")
            .streams()
            .flatten()
            .map(|stream| stream.rid)
            .collect();
        assert_eq!(
            (rids.as_slice(), streams.as_slice()),
            (["h", "l"].as_slice(), ["h", "l"].as_slice()),
            "{name}"
        );
    }
}
