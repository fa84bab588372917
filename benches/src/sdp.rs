//! Session descriptions.

use std::hint::black_box;

use sip_sdp::{
    SessionDescription,
    negotiation::{Codec, LocalSession, Negotiator},
};

use crate::{Case, message};

pub(crate) fn cases() -> Vec<Case> {
    let body = message::parsed(message::INVITE).body().to_vec();
    let description = SessionDescription::parse(&body).expect("the collection is valid");
    let mut out = Vec::new();
    vec![
        Case::new("sdp/parse", {
            let body = body.clone();
            move || {
                black_box(SessionDescription::parse(&body)).expect("valid");
            }
        })
        .of(body.len()),
        Case::new("sdp/answer", {
            let offer = SessionDescription::parse(&body).expect("the collection is valid");
            let codecs = || [Codec::PCMU, Codec::PCMA, Codec::telephone_event(8000)];
            let local = LocalSession::new(1, "192.0.2.1").audio(4000, codecs());
            move || {
                black_box(Negotiator::new().answer(&local, &offer)).expect("a codec in common");
            }
        }),
        Case::new("sdp/encode", move || {
            out.clear();
            description.encode(&mut out);
            black_box(&out);
        })
        .of(body.len()),
    ]
}
