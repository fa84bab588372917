//! The vectors under `tests/data`, for unit tests.

const RTP: &str = include_str!("../tests/data/rtcp-rtp.json");

pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub(crate) fn rtp_vector(name: &str) -> Vec<u8> {
    vector("rtp", name)
}

pub(crate) fn rtcp_vector(name: &str) -> Vec<u8> {
    vector("rtcp", name)
}

fn vector(kind: &str, name: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(RTP).unwrap();
    let list = json[kind].as_array().unwrap();
    let entry = list.iter().find(|entry| entry["name"] == name).unwrap();
    hex(entry["octets"].as_str().unwrap())
}

/// Some moment: tests only add to it.
#[expect(
    clippy::disallowed_methods,
    reason = "an `Instant` can be made in no other way"
)]
pub(crate) fn some_instant() -> std::time::Instant {
    std::time::Instant::now()
}
