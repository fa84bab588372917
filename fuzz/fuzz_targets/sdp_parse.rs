//! Any bytes as a session description: refused with a place in the text, or located, bounded and readable throughout.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_sdp::attribute::{
    ActualConfiguration, AttributeCapability, Candidate, Crypto, ExtMap, Fingerprint, Fmtp, Group,
    IceOptions, PotentialConfiguration, RemoteCandidates, Rid, Rtcp, RtcpFeedback, Rtpmap,
    Simulcast, Ssrc, SsrcGroup, T38, TransportCapability,
};
use sip_sdp::{ParserConfig, SessionDescription};

fuzz_target!(|input: &[u8]| {
    for config in [
        ParserConfig::strict(),
        ParserConfig::deployed(),
        ParserConfig::lenient(),
    ] {
        match SessionDescription::parse_with(input, &config) {
            Ok(description) => read(&description),
            Err(error) => {
                let lines = input.iter().filter(|&&byte| byte == b'\n').count() + 1;
                assert!(
                    (1..=lines).contains(&(error.line as usize)) && error.column >= 1,
                    "{error}"
                );
            }
        }
    }
});

/// Every view and typed attribute; a malformed one has its line.
fn read(description: &SessionDescription) {
    let lines = description.lines().count();
    let _ = (
        description.origin(),
        description.connection(),
        description.key(),
        description.direction(),
    );
    for time in description.times() {
        let _ = (
            time.repeats()
                .map(|repeat| repeat.offsets().count())
                .sum::<usize>(),
            time.zones().map(|zones| zones.pairs().count()),
        );
    }
    let sections =
        std::iter::once(description.attributes()).chain(description.media().map(|media| {
            let _ = (
                media.connection(),
                media.key(),
                media.title(),
                media.direction(),
                media.formats().count(),
            );
            media.attributes()
        }));
    for section in sections {
        macro_rules! read {
            ($($type:ty),*) => {$(
                for attribute in section.clone().of::<$type>() {
                    if let Err(error) = attribute {
                        assert!((1..=lines).contains(&(error.line as usize)), "{error}");
                    }
                }
            )*};
        }
        read!(
            ActualConfiguration<'_>,
            AttributeCapability<'_>,
            Candidate<'_>,
            Crypto<'_>,
            ExtMap<'_>,
            Fingerprint<'_>,
            Fmtp<'_>,
            Group<'_>,
            IceOptions<'_>,
            PotentialConfiguration<'_>,
            RemoteCandidates<'_>,
            Rid<'_>,
            Rtcp<'_>,
            RtcpFeedback<'_>,
            Rtpmap<'_>,
            Simulcast<'_>,
            Ssrc<'_>,
            SsrcGroup<'_>,
            TransportCapability<'_>
        );
        let _ = T38::of(section);
    }
}
