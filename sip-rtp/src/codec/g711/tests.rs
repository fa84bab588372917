use sha2::{Digest, Sha256};

use super::*;

const VECTORS: &str = include_str!("../../../tests/data/g711.json");

fn table(name: &str) -> Vec<i16> {
    let json: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let list = json[name].as_array().unwrap();
    list.iter()
        .map(|value| i16::try_from(value.as_i64().unwrap()).unwrap())
        .collect()
}

fn reference(name: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    json["encode_reference"][name].as_str().unwrap().to_owned()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn g711_decode_tables_are_exact() {
    assert_eq!(PCMU_DECODE.as_slice(), table("ulaw_decode"));
    assert_eq!(PCMA_DECODE.as_slice(), table("alaw_decode"));
}

#[test]
fn g711_encoding_all_samples_equals_the_reference() {
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let mut out = Vec::new();
    Pcmu.encode(&all, &mut out);
    assert_eq!(hex(&Sha256::digest(&out)), reference("ulaw_sha256"));
    out.clear();
    Pcma.encode(&all, &mut out);
    assert_eq!(hex(&Sha256::digest(&out)), reference("alaw_sha256"));
}

#[test]
fn g711_every_octet_survives_decode_and_encode() {
    for octet in 0..=255 {
        assert_eq!(pcma_encode(pcma_decode(octet)), octet);
        // µ-law has two zeros; the negative one becomes the positive one.
        let expected = if octet == 0x7f { 0xff } else { octet };
        assert_eq!(pcmu_encode(pcmu_decode(octet)), expected);
    }
}

#[test]
fn rfc3551_4_5_14_silence() {
    assert_eq!(
        (pcmu_encode(0), pcma_encode(0)),
        (PCMU_SILENCE, PCMA_SILENCE)
    );
}
