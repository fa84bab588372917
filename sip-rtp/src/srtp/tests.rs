use proptest::prelude::*;
use serde_json::Value;

use super::cipher::{Aes, SessionKeys, Stream, cm_iv, derive, gcm_iv};
use super::*;
use crate::RtpHeader;
use crate::test_data::hex;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn octets(value: &Value, name: &str) -> Vec<u8> {
    hex(value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {value}")))
}

fn vectors(text: &str, kind: &str) -> Vec<Value> {
    let all = json(text)["vectors"].as_array().unwrap().clone();
    all.into_iter()
        .filter(|vector| vector["kind"] == kind)
        .collect()
}

fn keystreams(text: &str) {
    let all = vectors(text, "aes-cm-keystream");
    assert!(!all.is_empty());
    for vector in all {
        let aes = Aes::new(&octets(&vector, "session_key"));
        let salt: [u8; 16] = octets(&vector, "session_salt_shifted").try_into().unwrap();
        let mut stream = vec![0; vector["keystream_octets"].as_u64().unwrap() as usize];
        aes.apply(&cm_iv(&salt, 0, 0), &mut stream);
        for block in vector["keystream"].as_array().unwrap() {
            let at = block["block_index"].as_u64().unwrap() as usize * 16;
            assert_eq!(
                stream[at..at + 16],
                octets(block, "block"),
                "{} {block}",
                vector["section"]
            );
        }
    }
}

fn derivations(text: &str) {
    let all = vectors(text, "key-derivation");
    assert!(!all.is_empty());
    for vector in all {
        let (prf, salt) = (
            Aes::new(&octets(&vector, "master_key")),
            octets(&vector, "master_salt"),
        );
        for (name, label) in [("cipher_key", 0), ("auth_key", 1), ("cipher_salt", 2)] {
            let expected = octets(&vector, name);
            let mut found = vec![0; expected.len()];
            derive(&prf, &salt, label, &mut found);
            assert_eq!(found, expected, "{} {name}", vector["section"]);
        }
    }
}

#[test]
fn rfc3711_b_2_and_b_3() {
    keystreams(include_str!("../../tests/data/rfc3711.json"));
    derivations(include_str!("../../tests/data/rfc3711.json"));
}

#[test]
fn rfc6188_7_aes_192_and_256() {
    keystreams(include_str!("../../tests/data/rfc6188.json"));
    derivations(include_str!("../../tests/data/rfc6188.json"));
}

/// A GCM key as the RFC's examples have it: a session key, not a master key.
fn gcm(key: &[u8], salt: &[u8]) -> SessionKeys {
    let gcm = cipher::Gcm::new(Aes::new(key));
    SessionKeys::Gcm {
        gcm,
        salt: salt.try_into().unwrap(),
    }
}

#[test]
fn rfc7714_16_and_17_every_case() {
    let text = include_str!("../../tests/data/rfc7714.json");
    let cases: Vec<Value> = ["srtp", "srtcp"]
        .iter()
        .flat_map(|kind| vectors(text, kind))
        .collect();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let SessionKeys::Gcm { gcm, salt } = gcm(&octets(&case, "key"), &octets(&case, "salt"))
        else {
            unreachable!()
        };
        let ssrc = u32::from_be_bytes(octets(&case, "ssrc").try_into().unwrap());
        let index = match case["kind"].as_str().unwrap() {
            "srtp" => {
                let roc = u32::from_be_bytes(octets(&case, "roc").try_into().unwrap());
                (u64::from(roc) << 16)
                    | u64::from(u16::from_be_bytes(octets(&case, "seq").try_into().unwrap()))
            }
            _ => u64::from(u32::from_be_bytes(
                octets(&case, "srtcp_index").try_into().unwrap(),
            )),
        };
        let iv = gcm_iv(&salt, ssrc, index);
        assert_eq!(iv.to_vec(), octets(&case, "iv"), "{}", case["section"]);
        let (aad, tag) = (octets(&case, "aad"), octets(&case, "tag"));
        let plaintext = if case["plaintext"].is_string() {
            octets(&case, "plaintext")
        } else {
            Vec::new()
        };
        let mut data = plaintext.clone();
        assert_eq!(
            gcm.seal(&iv, &aad, &mut data).to_vec(),
            tag,
            "{}",
            case["section"]
        );
        if case["ciphertext_with_tag"].is_string() {
            assert_eq!(
                [data.clone(), tag.clone()].concat(),
                octets(&case, "ciphertext_with_tag")
            );
        }
        gcm.open(&iv, &aad, &mut data, &tag.try_into().unwrap())
            .unwrap();
        assert_eq!(data, plaintext);
    }
}

#[test]
fn whole_packets_of_another_implementation_over_a_sequence_wrap() {
    let sets = json(include_str!("../../tests/data/libsrtp-generated.json"));
    let sets = sets["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 4);
    for set in sets {
        let name = set["profile"].as_str().unwrap();
        let profile = match name {
            "AES128_CM_SHA1_80" => Profile::AesCm128HmacSha1_80,
            "AES128_CM_SHA1_32" => Profile::AesCm128HmacSha1_32,
            other => Profile::from_sdes_name(other).unwrap(),
        };
        let key = MasterKey::new(
            profile,
            &octets(set, "master_key"),
            &octets(set, "master_salt"),
        )
        .unwrap();
        let (mut out, mut back) = (Protector::new(&key), Unprotector::new(&key));
        for packet in set["packets"].as_array().unwrap() {
            let (plain, protected) = (octets(packet, "plain"), octets(packet, "protected"));
            let (mut ours, mut theirs) = (plain.clone(), protected.clone());
            if packet["kind"] == "rtp" {
                out.protect_rtp(&mut ours).unwrap();
                back.unprotect_rtp(&mut theirs).unwrap();
                assert_eq!(
                    back.unprotect_rtp(&mut protected.clone()),
                    Err(SrtpError::Replayed)
                );
            } else {
                out.protect_rtcp(&mut ours).unwrap();
                back.unprotect_rtcp(&mut theirs).unwrap();
                assert_eq!(
                    back.unprotect_rtcp(&mut protected.clone()),
                    Err(SrtpError::Replayed)
                );
            }
            assert_eq!(ours, protected, "{name} {} protected", packet["seq"]);
            assert_eq!(theirs, plain, "{name} {} unprotected", packet["seq"]);
        }
    }
}

fn key(profile: Profile) -> MasterKey {
    MasterKey::new(
        profile,
        &vec![0x5a; profile.key_len()],
        &vec![0xa5; profile.salt_len()],
    )
    .unwrap()
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    RtpHeader {
        ssrc,
        sequence,
        csrc: &[1, 2],
        ..RtpHeader::default()
    }
    .write(b"some audio", &mut packet);
    packet
}

#[test]
fn every_profile_protects_both_kinds_with_and_without_mki() {
    for profile in Profile::ALL {
        for mki in [&[][..], &[1, 2, 3, 4]] {
            let key = key(profile).with_mki(mki).unwrap();
            let (mut out, mut back) = (Protector::new(&key), Unprotector::new(&key));
            for sequence in [65_533, 65_534, 65_535, 0, 1] {
                let mut packet = rtp(9, sequence);
                out.protect_rtp(&mut packet).unwrap();
                assert_eq!(
                    packet.len(),
                    rtp(9, sequence).len() + profile.rtp_overhead() + mki.len()
                );
                assert!(!packet.windows(10).any(|window| window == b"some audio"));
                back.unprotect_rtp(&mut packet).unwrap();
                assert_eq!(packet, rtp(9, sequence));
            }
            let plain = crate::test_data::rtcp_vector("SR+SDES");
            for _ in 0..3 {
                let mut packet = plain.clone();
                out.protect_rtcp(&mut packet).unwrap();
                assert_eq!(
                    packet.len(),
                    plain.len() + profile.rtcp_overhead() + mki.len()
                );
                back.unprotect_rtcp(&mut packet).unwrap();
                assert_eq!(packet, plain);
            }
            let mut packet = rtp(9, 7);
            Protector::new(&key).protect_rtp(&mut packet).unwrap();
            let other = self::key(profile).with_mki(&[9; 4]).unwrap();
            assert!(Unprotector::new(&other).unprotect_rtp(&mut packet).is_err());
        }
        assert_eq!(Profile::from_sdes_name(profile.sdes_name()), Some(profile));
        assert_eq!(
            profile.dtls_id().and_then(Profile::from_dtls_id),
            profile.dtls_id().map(|_| profile)
        );
    }
}

#[test]
fn rfc3711_3_4_authentic_reports_without_encryption_are_understood() {
    // As section 17.3 of RFC 7714, and its analogue in counter mode: a report is authenticated, not encrypted.
    let key = key(Profile::AeadAes128Gcm);
    let keys = SessionKeys::derive(&key, Stream::Rtcp);
    let SessionKeys::Gcm { gcm, salt } = keys else {
        unreachable!()
    };
    let plain = crate::test_data::rtcp_vector("RR+SDES");
    let ssrc = 0x1122_3344;
    let word = 5u32.to_be_bytes();
    let tag = gcm.seal(
        &gcm_iv(&salt, ssrc, 5),
        &[&plain[..], &word].concat(),
        &mut [],
    );
    let mut packet = [&plain[..], &tag, &word].concat();
    Unprotector::new(&key).unprotect_rtcp(&mut packet).unwrap();
    assert_eq!(packet, plain);
}

#[test]
fn rfc3711_3_3_2_forged_packets_change_nothing() {
    for profile in Profile::ALL {
        let key = key(profile);
        let (mut out, mut back) = (Protector::new(&key), Unprotector::new(&key));
        let mut first = rtp(1, 100);
        out.protect_rtp(&mut first).unwrap();
        back.unprotect_rtp(&mut first).unwrap();
        // A forged packet far ahead must not move the window or the rollover counter.
        let mut forged = rtp(1, 30_000);
        forged.extend([0; 16]);
        assert_eq!(
            back.unprotect_rtp(&mut forged),
            Err(SrtpError::Authentication)
        );
        for ssrc in 1000..3000 {
            let mut flood = rtp(ssrc, 1);
            flood.extend([0; 16]);
            assert_eq!(
                back.unprotect_rtp(&mut flood),
                Err(SrtpError::Authentication)
            );
        }
        let mut next = rtp(1, 101);
        out.protect_rtp(&mut next).unwrap();
        back.unprotect_rtp(&mut next).unwrap();
        // Every single bit is protected, whichever flips.
        let mut good = rtp(1, 102);
        out.protect_rtp(&mut good).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                back.unprotect_rtp(&mut bad).is_err(),
                "{profile:?} bit {bit}"
            );
        }
        back.unprotect_rtp(&mut good).unwrap();
    }
}

#[test]
fn rfc3711_3_3_1_late_packets_across_the_wrap_and_the_edge_of_the_window() {
    let key = key(Profile::AesCm128HmacSha1_80);
    let (mut out, mut back) = (Protector::new(&key), Unprotector::new(&key));
    let mut packets: Vec<Vec<u8>> = (0..400u32)
        .map(|index| rtp(1, (65_400 + index) as u16))
        .collect();
    packets
        .iter_mut()
        .for_each(|packet| out.protect_rtp(packet).unwrap());
    back.unprotect_rtp(&mut packets[0].clone()).unwrap();
    back.unprotect_rtp(&mut packets[200].clone()).unwrap();
    // 127 behind the newest is in time, and lies before the wrap; 128 is not.
    back.unprotect_rtp(&mut packets[73].clone()).unwrap();
    assert_eq!(
        back.unprotect_rtp(&mut packets[72].clone()),
        Err(SrtpError::TooOld)
    );
    assert_eq!(
        back.unprotect_rtp(&mut packets[73].clone()),
        Err(SrtpError::Replayed)
    );
}

#[test]
fn rfc3711_9_2_a_master_key_is_not_used_up_silently() {
    let mut out = Protector::new(&key(Profile::AesCm128HmacSha1_80));
    for source in 0..64 {
        out.protect_rtp(&mut rtp(source, 1)).unwrap();
    }
    assert_eq!(
        out.protect_rtp(&mut rtp(64, 1)),
        Err(SrtpError::TooManySources)
    );
}

#[test]
fn rfc4568_6_1_inline_keys() {
    let profile = Profile::AesCm128HmacSha1_80;
    let text = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4";
    let key = MasterKey::from_sdes(profile, text).unwrap();
    assert_eq!(
        key.to_sdes(),
        "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|1:4"
    );
    for bad in [
        "",
        "inline:",
        "inline:AAAA",
        "other:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|x",
        "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|300:1",
    ] {
        assert_eq!(
            MasterKey::from_sdes(profile, bad).unwrap_err(),
            SrtpError::Key,
            "{bad}"
        );
    }
    assert!(!format!("{key:?}").contains("WVN"));
    assert_eq!(
        MasterKey::new(profile, &[0; 15], &[0; 14]).unwrap_err(),
        SrtpError::Key
    );
}

#[test]
fn rfc5764_4_2_exported_keys() {
    let profile = Profile::AesCm128HmacSha1_80;
    let material: Vec<u8> = (0..60).collect();
    let (client, server) = MasterKey::from_dtls(profile, &material).unwrap();
    assert_eq!(
        (client.key(), client.salt()),
        (&material[..16], &material[32..46])
    );
    assert_eq!(
        (server.key(), server.salt()),
        (&material[16..32], &material[46..])
    );
    assert_eq!(
        MasterKey::from_dtls(profile, &material[..59]).unwrap_err(),
        SrtpError::Key
    );
}

proptest! {
    // Against another implementation of the mode: any lengths, and a tag that is wrong in one bit.
    #[test]
    fn galois_counter_mode_agrees_with_the_crate_aes_gcm(
        key: [u8; 32],
        long: bool,
        iv: [u8; 12],
        aad in proptest::collection::vec(any::<u8>(), 0..80),
        plain in proptest::collection::vec(any::<u8>(), 0..700),
        flip in 0usize..128,
    ) {
        use aes_gcm::aead::inout::InOutBuf;
        use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, KeyInit};
        let mut expected = plain.clone();
        let buffer = InOutBuf::from(&mut expected[..]);
        let tag: [u8; 16] = if long {
            Aes256Gcm::new(&key.into()).encrypt_inout_detached(&iv.into(), &aad, buffer)
        } else {
            let short: [u8; 16] = key[..16].try_into().unwrap();
            Aes128Gcm::new(&short.into()).encrypt_inout_detached(&iv.into(), &aad, buffer)
        }
        .unwrap()
        .into();
        let ours = cipher::Gcm::new(Aes::new(if long { &key[..] } else { &key[..16] }));
        let mut data = plain.clone();
        prop_assert_eq!(ours.seal(&iv, &aad, &mut data), tag);
        prop_assert_eq!(&data, &expected);
        let mut wrong = tag;
        wrong[flip / 8] ^= 1 << (flip % 8);
        let mut forged = data.clone();
        prop_assert_eq!(ours.open(&iv, &aad, &mut forged, &wrong), Err(SrtpError::Authentication));
        prop_assert_eq!(forged, vec![0; plain.len()]);
        prop_assert_eq!(ours.open(&iv, &aad, &mut data, &tag), Ok(()));
        prop_assert_eq!(data, plain);
    }

    #[test]
    fn any_octets_are_refused(mut octets in proptest::collection::vec(any::<u8>(), 0..80), profile in 0usize..8, tidy: bool) {
        if let (true, Some(first)) = (tidy, octets.first_mut()) {
            *first = 0x80 | (*first & 0x1f);
        }
        let mut back = Unprotector::new(&key(Profile::ALL[profile]).with_mki(&[1, 2]).unwrap());
        prop_assert!(back.unprotect_rtp(&mut octets.clone()).is_err());
        prop_assert!(back.unprotect_rtcp(&mut octets).is_err());
    }

    #[test]
    fn any_order_of_a_stream_is_unprotected(start: u16, swaps in proptest::collection::vec(0usize..60, 0..40), profile in 0usize..8) {
        let key = key(Profile::ALL[profile]);
        let (mut out, mut back) = (Protector::new(&key), Unprotector::new(&key));
        let mut packets: Vec<(Vec<u8>, Vec<u8>)> = (0..100u16).map(|index| {
            let plain = rtp(1, start.wrapping_add(index));
            let mut packet = plain.clone();
            out.protect_rtp(&mut packet).unwrap();
            (plain, packet)
        }).collect();
        for at in swaps {
            // The first packet stays first: the rollover counter is agreed by it.
            packets.swap(1 + at, 2 + at);
        }
        for (plain, mut packet) in packets {
            back.unprotect_rtp(&mut packet).unwrap();
            prop_assert_eq!(packet, plain);
        }
    }
}
