//! What was read is printed as it came, and an edit changes nothing but its line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_sdp::{ParserConfig, Section, SessionDescription};

fuzz_target!(|input: &[u8]| {
    let Ok(mut description) = SessionDescription::parse_with(input, &ParserConfig::lenient())
    else {
        return;
    };
    assert_eq!(description.to_vec(), input);
    let before: Vec<String> = description
        .lines()
        .map(|(kind, value)| format!("{kind}={value}"))
        .collect();
    description
        .add_attribute(Section::Session, "x-fuzz", Some("1"))
        .expect("an attribute");
    let after: Vec<String> = description
        .lines()
        .map(|(kind, value)| format!("{kind}={value}"))
        .collect();
    let added = after
        .iter()
        .zip(&before)
        .take_while(|(after, before)| after == before)
        .count();
    assert_eq!(after.get(added).map(String::as_str), Some("a=x-fuzz:1"));
    assert_eq!(after[..added], before[..added]);
    assert_eq!(after[added + 1..], before[added..]);
    // The bounds count the new attribute and its bytes.
    let mut config = ParserConfig::lenient();
    config.limits.bytes += 64;
    config.limits.lines += 1;
    config.limits.attributes += 1;
    let again = SessionDescription::parse_with(&description.to_vec(), &config)
        .expect("still a description");
    assert_eq!(again, description);
    assert_eq!(again.media_len(), description.media_len());
});
