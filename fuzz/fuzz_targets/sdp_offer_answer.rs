//! Two descriptions of a peer, as an offer and as an answer: every answer of ours is legal, and every refusal leaves the
//! state as it was. The input is split at the first byte 0xff.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_sdp::negotiation::{
    Bundle, Codec, LocalCrypto, LocalDtls, LocalIce, LocalMedia, LocalRtcp, LocalSession,
    Negotiator,
};
use sip_sdp::{ParserConfig, SessionDescription};

fn local() -> LocalSession {
    let audio = LocalMedia::audio(
        4000,
        [
            Codec::OPUS,
            Codec::PCMU,
            Codec::G729,
            Codec::telephone_event(8000),
        ],
    )
    .with_crypto([LocalCrypto::new("AES_CM_128_HMAC_SHA1_80", "inline:a")])
    .with_dtls(LocalDtls::new("sha-256", "AA:BB"))
    .with_ice(LocalIce::new("ufrag", "a-password-of-22-characters"))
    .with_rtcp(LocalRtcp::Mux)
    .with_protocols([
        "RTP/AVP",
        "RTP/AVPF",
        "RTP/SAVP",
        "RTP/SAVPF",
        "UDP/TLS/RTP/SAVPF",
    ]);
    let mut video = audio.clone();
    video.kind = "video".into();
    video.codecs = vec![
        Codec::VP8.with_feedback("nack pli"),
        Codec::new("H264", 90_000),
        Codec::new("rtx", 90_000),
    ];
    let mut fax = LocalMedia::new("image", 4004, "udptl");
    fax.formats = vec!["t38".into()];
    LocalSession::new(1, "192.0.2.1")
        .with_bundle(Bundle::Offer)
        .with_media(audio)
        .with_media(video)
        .with_media(fax)
}

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |&byte| byte == 0xff);
    let mut parse = || SessionDescription::parse_with(parts.next()?, &ParserConfig::lenient()).ok();
    let Some(first) = parse() else { return };
    let second = parse().unwrap_or_else(|| first.clone());
    let local = local();
    let mut negotiator = Negotiator::new();
    for offer in [&first, &second, &first] {
        let before = negotiator.clone();
        match negotiator.answer(&local, offer) {
            Ok(answer) => {
                assert_eq!(answer.description.media_len(), offer.media_len());
                for (offered, answered) in offer.media().zip(answer.description.media()) {
                    assert_eq!(
                        (offered.kind(), offered.protocol()),
                        (answered.kind(), answered.protocol())
                    );
                    assert!(
                        answered.port() == 0
                            || offered.port() != 0
                            || offered.has_attribute("bundle-only")
                    );
                }
            }
            Err(_) => assert!(negotiator == before),
        }
    }
    let offer = negotiator.offer(&local).expect("an offer");
    assert!(
        SessionDescription::parse_with(&offer.to_vec(), &{
            let mut config = ParserConfig::strict();
            config.limits.media = usize::MAX;
            config.limits.lines = usize::MAX;
            config.limits.bytes = usize::MAX;
            config
        })
        .is_ok()
    );
    let before = negotiator.clone();
    match negotiator.accept(&second) {
        Ok(session) => assert_eq!(session.streams.len(), offer.media_len()),
        Err(_) => assert!(negotiator == before),
    }
});
