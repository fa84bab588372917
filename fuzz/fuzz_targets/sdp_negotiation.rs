//! Offer and answer: whatever a peer offers, the answer is legal; whatever it answers, it is accepted or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_sdp::{
    ParserConfig, SessionDescription,
    negotiation::{Codec, LocalSession, Negotiator},
};

fuzz_target!(|data: &[u8]| {
    let Ok(theirs) = SessionDescription::parse_with(data, &ParserConfig::deployed()) else {
        return;
    };
    let local = LocalSession::new(1, "192.0.2.1").audio(
        4000,
        [Codec::PCMU, Codec::PCMA, Codec::telephone_event(8000)],
    );
    let mut callee = Negotiator::new();
    if let Ok(answered) = callee.answer(&local, &theirs) {
        let answer = SessionDescription::parse(&answered.description.to_vec())
            .expect("our answer parses strictly");
        // RFC 3264 section 6: as many media lines as the offer, in its order and of its kinds.
        assert_eq!(answer.media_len(), theirs.media_len());
        for (ours, offered) in answer.media().zip(theirs.media()) {
            assert_eq!(ours.kind(), offered.kind());
        }
    }
    let mut caller = Negotiator::new();
    caller
        .offer(&local)
        .expect("our capabilities make an offer");
    let _ = caller.accept(&theirs);
});
