//! Session descriptions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_sdp::SessionDescription;

fuzz_target!(|data: &[u8]| {
    let Ok(description) = SessionDescription::parse(data) else {
        return;
    };
    let encoded = description.to_vec();
    let again = SessionDescription::parse(&encoded).expect("what was parsed parses again");
    assert_eq!(again.to_vec(), encoded, "encoding is stable");
    assert_eq!(again.media_len(), description.media_len());
    let _ = (
        description.origin(),
        description.connection(),
        description.direction(),
        description.key(),
    );
    let _ = (
        description.bandwidths().count(),
        description.attributes().count(),
        description.lines().count(),
    );
    for media in description.media() {
        let _ = format!("{media:?}");
    }
});
