//! SRTP and SRTCP from the network: nothing that we did not protect is accepted, nothing twice, and what is accepted is what was
//! protected.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_rtp::{
    RtpHeader,
    srtp::{MasterKey, Profile, Protector, Unprotector},
};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, mut rest)) = data.split_first() else {
        return;
    };
    let profile = Profile::ALL[usize::from(choice) % Profile::ALL.len()];
    let key = MasterKey::new(
        profile,
        &vec![7; profile.key_len()],
        &vec![9; profile.salt_len()],
    )
    .expect("of the right length");
    let key = if choice & 0x80 == 0 {
        key
    } else {
        key.with_mki(&[1, 2]).expect("short")
    };
    let (mut protector, mut unprotector) = (Protector::new(&key), Unprotector::new(&key));
    let (mut sequence, mut calls) = (0u16, 0u64);
    // What was protected and not delivered yet: whether it is RTCP, what goes over the network, what it was before.
    let mut sent: Vec<(bool, Vec<u8>, Vec<u8>)> = Vec::new();
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        let value = rest.first().copied().unwrap_or(0);
        match step % 4 {
            // We protect a packet.
            0 => {
                sequence = sequence.wrapping_add(if step & 4 == 0 { 1 } else { u16::from(value) });
                let mut packet = Vec::new();
                let rtcp = step & 8 != 0;
                if rtcp {
                    packet.extend_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
                } else {
                    let header = RtpHeader {
                        sequence,
                        ssrc: u32::from(step >> 6),
                        ..RtpHeader::default()
                    };
                    header.write(&rest[..rest.len().min(usize::from(value))], &mut packet);
                }
                let plain = packet.clone();
                let protected = if rtcp {
                    protector.protect_rtcp(&mut packet)
                } else {
                    protector.protect_rtp(&mut packet)
                };
                if protected.is_ok() && sent.len() < 100 {
                    sent.push((rtcp, packet, plain));
                }
            }
            // One of them arrives, in any order, maybe damaged, and again.
            1 if !sent.is_empty() => {
                let (rtcp, packet, plain) = sent.swap_remove(usize::from(value) % sent.len());
                let mut open = |packet: &mut Vec<u8>| {
                    calls += 1;
                    if rtcp {
                        unprotector.unprotect_rtcp(packet)
                    } else {
                        unprotector.unprotect_rtp(packet)
                    }
                };
                let mut damaged = packet.clone();
                // RFC 3711: the MKI is not authenticated, but ours is known, so that any damage shows. A tag of 32 bits could be
                // hit by chance; not by one bit.
                let at = usize::from(step) * 3 % damaged.len();
                damaged[at] ^= 1 << (value % 8);
                assert!(open(&mut damaged).is_err(), "damage was accepted");
                let mut arrived = packet.clone();
                if open(&mut arrived).is_ok() {
                    assert_eq!(arrived, plain, "what was accepted is not what was sent");
                }
                let mut again = packet;
                assert!(open(&mut again).is_err(), "a replay was accepted");
            }
            // Whatever is left arrives.
            _ => {
                let length = usize::from(value).min(rest.len());
                let (octets, after) = rest.split_at(length);
                rest = after;
                calls += 2;
                let mut packet = octets.to_vec();
                assert!(unprotector.unprotect_rtp(&mut packet).is_err());
                let mut packet = octets.to_vec();
                assert!(unprotector.unprotect_rtcp(&mut packet).is_err());
            }
        }
    }
    let counted = unprotector.statistics();
    let all = [
        counted.accepted,
        counted.malformed,
        counted.forged,
        counted.replayed,
        counted.too_old,
        counted.wrong_mki,
        counted.too_many_sources,
    ];
    assert_eq!(
        all.iter().sum::<u64>(),
        calls,
        "every packet is counted once"
    );
});
