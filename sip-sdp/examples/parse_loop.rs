//! Parses a file many times: for counting instructions and allocations.
//!
//! `cargo run --release -p sip-sdp --example parse_loop -- <file> <times> [typed]`

use std::error::Error;
use std::hint::black_box;

use sip_sdp::attribute::{Candidate, Direction, ExtMap, Fmtp, Ptime, Rtcp, RtcpFeedback, Rtpmap};
use sip_sdp::{ParserConfig, SessionDescription};

#[expect(
    clippy::disallowed_methods,
    reason = "a program reads its arguments; the crate does not"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, times) = match arguments.as_slice() {
        [file, times, ..] => (file, times.parse::<u64>()?),
        _ => return Err("parse_loop <file> <times> [typed]".into()),
    };
    let typed = arguments.get(2).is_some_and(|mode| mode == "typed");
    let bytes = std::fs::read(file)?;
    let config = ParserConfig::deployed();
    for _ in 0..times {
        let description = SessionDescription::parse_with(black_box(&bytes), &config)?;
        if typed {
            read(&description)?;
        }
        black_box(description);
    }
    Ok(())
}

/// What a media layer asks of every stream.
fn read(description: &SessionDescription) -> Result<(), Box<dyn Error>> {
    for media in description.media() {
        let _: (Direction, _) = black_box((media.direction(), media.connection()));
        for rtpmap in media.attributes_of::<Rtpmap<'_>>() {
            black_box(rtpmap?);
        }
        for fmtp in media.attributes_of::<Fmtp<'_>>() {
            black_box(fmtp?);
        }
        for feedback in media.attributes_of::<RtcpFeedback<'_>>() {
            black_box(feedback?);
        }
        for extension in media.attributes_of::<ExtMap<'_>>() {
            black_box(extension?);
        }
        for candidate in media.attributes_of::<Candidate<'_>>() {
            black_box(candidate?);
        }
        black_box((media.attribute::<Ptime>()?, media.attribute::<Rtcp<'_>>()?));
    }
    Ok(())
}
