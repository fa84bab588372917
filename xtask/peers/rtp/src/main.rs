//! SRTP implementations on the same packets. See README.md.

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use sip_rtp::{
    RtpHeader,
    srtp::{MasterKey, Profile, Protector, Unprotector},
};

/// Packets in a round.
const PACKETS: usize = 4_096;
const ROUNDS: usize = 40;
const PAYLOAD: usize = 160;
const SSRC: u32 = 0xcafe_babe;

const KEY: [u8; 32] = *b"0123456789abcdefFEDCBA9876543210";
const SALT: [u8; 14] = *b"salt and sugar";

const SUITES: [Profile; 6] = [
    Profile::AesCm128HmacSha1_80,
    Profile::AesCm128HmacSha1_32,
    Profile::AesCm256HmacSha1_80,
    Profile::AesCm256HmacSha1_32,
    Profile::AeadAes128Gcm,
    Profile::AeadAes256Gcm,
];

/// Takes a packet and calls the function with what became of it.
type Transform = Box<dyn FnMut(&[u8], &mut dyn FnMut(&[u8]))>;
/// Makes a fresh pair of transforms: protect, unprotect. `None` when the suite is unknown to the peer.
type Peer = fn(Profile) -> Option<(Transform, Transform)>;

const PEERS: [(&str, Peer); 7] = [
    ("sip-rtp", own),
    ("rtc-srtp (ring)", rtc_ring),
    ("rtc-srtp (aws-lc-rs)", rtc_aws),
    ("webrtc-srtp", webrtc),
    ("libsrtp", libsrtp_pair),
    ("rustrtc", rustrtc_pair),
    ("rsiprtp", rsiprtp_pair),
];

fn own(profile: Profile) -> Option<(Transform, Transform)> {
    let master = MasterKey::new(
        profile,
        &KEY[..profile.key_len()],
        &SALT[..profile.salt_len()],
    )
    .ok()?;
    let (mut protector, mut unprotector) = (Protector::new(&master), Unprotector::new(&master));
    let (mut there, mut back) = (Vec::new(), Vec::new());
    Some((
        Box::new(move |packet, then| {
            there.clear();
            there.extend_from_slice(packet);
            protector.protect_rtp(&mut there).expect("protect");
            then(&there);
        }),
        Box::new(move |packet, then| {
            back.clear();
            back.extend_from_slice(packet);
            unprotector.unprotect_rtp(&mut back).expect("unprotect");
            then(&back);
        }),
    ))
}

fn rtc(
    profile: Profile,
    provider: &dyn rtc_srtp::crypto::RTCCryptoProvider,
) -> Option<(Transform, Transform)> {
    use rtc_srtp::{
        context::Context, option::srtp_replay_protection, protection_profile::ProtectionProfile,
    };
    let theirs = match profile {
        Profile::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Profile::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Profile::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Profile::AesCm256HmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        _ => return None,
    };
    let new = |replay: bool| {
        Context::new(
            &KEY[..profile.key_len()],
            &SALT[..profile.salt_len()],
            theirs,
            replay.then(|| srtp_replay_protection(128)),
            None,
            provider.crypto(),
        )
        .ok()
    };
    let (mut protector, mut unprotector) = (new(false)?, new(true)?);
    Some((
        Box::new(move |packet, then| then(&protector.encrypt_rtp(packet).expect("protect"))),
        Box::new(move |packet, then| then(&unprotector.decrypt_rtp(packet).expect("unprotect"))),
    ))
}

fn rtc_ring(profile: Profile) -> Option<(Transform, Transform)> {
    rtc(
        profile,
        &rtc_srtp::crypto::providers::RingProvider::new(),
    )
}

fn rtc_aws(profile: Profile) -> Option<(Transform, Transform)> {
    rtc(
        profile,
        &rtc_srtp::crypto::providers::AwsLcRsProvider::new(),
    )
}

fn webrtc(profile: Profile) -> Option<(Transform, Transform)> {
    use webrtc_srtp::{
        context::Context, option::srtp_replay_protection, protection_profile::ProtectionProfile,
    };
    let theirs = match profile {
        Profile::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Profile::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Profile::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Profile::AesCm256HmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        _ => return None,
    };
    let new = |replay: bool| {
        Context::new(
            &KEY[..profile.key_len()],
            &SALT[..profile.salt_len()],
            theirs,
            replay.then(|| srtp_replay_protection(128)),
            None,
        )
        .ok()
    };
    let (mut protector, mut unprotector) = (new(false)?, new(true)?);
    Some((
        Box::new(move |packet, then| then(&protector.encrypt_rtp(packet).expect("protect"))),
        Box::new(move |packet, then| then(&unprotector.decrypt_rtp(packet).expect("unprotect"))),
    ))
}

fn libsrtp_pair(profile: Profile) -> Option<(Transform, Transform)> {
    use libsrtp::{ProtectionProfile, RecvSession, SendSession, StreamConfig};
    let (rtp, rtcp) = match profile {
        Profile::AesCm128HmacSha1_80 => (
            ProtectionProfile::Aes128CmHmacSha180,
            ProtectionProfile::Aes128CmHmacSha180,
        ),
        Profile::AesCm128HmacSha1_32 => (
            ProtectionProfile::Aes128CmHmacSha132,
            ProtectionProfile::Aes128CmHmacSha180,
        ),
        Profile::AesCm256HmacSha1_80 => (
            ProtectionProfile::Aes256CmHmacSha180,
            ProtectionProfile::Aes256CmHmacSha180,
        ),
        Profile::AesCm256HmacSha1_32 => (
            ProtectionProfile::Aes256CmHmacSha132,
            ProtectionProfile::Aes256CmHmacSha180,
        ),
        Profile::AeadAes128Gcm => (
            ProtectionProfile::AeadAes128Gcm,
            ProtectionProfile::AeadAes128Gcm,
        ),
        Profile::AeadAes256Gcm => (
            ProtectionProfile::AeadAes256Gcm,
            ProtectionProfile::AeadAes256Gcm,
        ),
        _ => return None,
    };
    let key = libsrtp::MasterKey::new(
        &KEY[..profile.key_len()],
        &SALT[..profile.salt_len()],
        &None,
    );
    let config = StreamConfig::new(vec![key], &rtp, &rtcp);
    let (mut protector, mut unprotector) = (SendSession::new(), RecvSession::new());
    protector.add_stream(Some(SSRC), &config).ok()?;
    unprotector.add_stream(Some(SSRC), &config).ok()?;
    Some((
        Box::new(move |packet, then| {
            then(&protector.rtp_protect(packet.to_vec()).expect("protect"))
        }),
        Box::new(move |packet, then| {
            then(
                &unprotector
                    .rtp_unprotect(packet.to_vec())
                    .expect("unprotect"),
            )
        }),
    ))
}

fn rustrtc_pair(profile: Profile) -> Option<(Transform, Transform)> {
    use rustrtc::{
        rtp::RtpPacket,
        srtp::{SrtpKeyingMaterial, SrtpPacket, SrtpProfile, SrtpSession},
    };
    let theirs = match profile {
        Profile::AesCm128HmacSha1_80 => SrtpProfile::Aes128Sha1_80,
        Profile::AesCm128HmacSha1_32 => SrtpProfile::Aes128Sha1_32,
        Profile::AeadAes128Gcm => SrtpProfile::AeadAes128Gcm,
        _ => return None,
    };
    let new = || {
        let keys = || {
            SrtpKeyingMaterial::new(
                KEY[..profile.key_len()].to_vec(),
                SALT[..profile.salt_len()].to_vec(),
            )
        };
        SrtpSession::new(theirs, keys(), keys()).ok()
    };
    let (mut protector, mut unprotector) = (new()?, new()?);
    let mut out = Vec::new();
    Some((
        Box::new(move |packet, then| {
            let packet = RtpPacket::parse(packet).expect("parse");
            out.resize(protector.protected_rtp_len(&packet), 0);
            protector.protect_rtp(&packet, &mut out).expect("protect");
            then(&out);
        }),
        Box::new(move |packet, then| {
            let packet = SrtpPacket::parse(BytesMut::from(packet)).expect("parse");
            then(&unprotector.unprotect_rtp(packet).expect("unprotect").payload);
        }),
    ))
}

fn rsiprtp_pair(profile: Profile) -> Option<(Transform, Transform)> {
    use rsiprtp::srtp::{CryptoSuite, SrtpContext};
    let theirs = match profile {
        Profile::AesCm128HmacSha1_80 => CryptoSuite::AesCm128HmacSha1_80,
        Profile::AesCm128HmacSha1_32 => CryptoSuite::AesCm128HmacSha1_32,
        _ => return None,
    };
    let new = || SrtpContext::new(theirs, &KEY[..16], &SALT).ok();
    let (mut protector, mut unprotector) = (new()?, new()?);
    Some((
        Box::new(move |packet, then| then(&protector.protect(packet).expect("protect"))),
        Box::new(move |packet, then| then(&unprotector.unprotect(packet).expect("unprotect"))),
    ))
}

fn packets() -> Vec<Vec<u8>> {
    (0..PACKETS)
        .map(|index| {
            let payload: Vec<u8> = (0..PAYLOAD).map(|at| (at * 7 + index) as u8).collect();
            let mut packet = Vec::new();
            let header = RtpHeader {
                sequence: index as u16,
                timestamp: index as u32 * 160,
                ssrc: SSRC,
                ..RtpHeader::default()
            };
            header.write(&payload, &mut packet);
            packet
        })
        .collect()
}

fn time(transform: &mut Transform, packets: &[Vec<u8>]) -> Duration {
    let start = Instant::now();
    for packet in packets {
        transform(black_box(packet), &mut |done| {
            black_box(done);
        });
    }
    start.elapsed()
}

/// Every peer makes of each packet what `sip-rtp` makes of it, and gets it back.
fn check(profile: Profile, plain: &[Vec<u8>], protected: &[Vec<u8>]) -> Result<(), String> {
    for (name, peer) in PEERS {
        let Some((mut protect, mut unprotect)) = peer(profile) else {
            continue;
        };
        for (plain, protected) in plain.iter().zip(protected).take(300) {
            let mut same = false;
            protect(plain, &mut |done| same = done == protected);
            if !same {
                return Err(format!("{name} makes other octets of {profile:?}"));
            }
            unprotect(protected, &mut |done| same = plain.ends_with(done));
            if !same {
                return Err(format!("{name} does not undo {profile:?}"));
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let plain = packets();
    let mut behind = Vec::new();
    println!(
        "SRTP, packets of {PAYLOAD} payload octets, millions a second\n{:<26}{:<22}{:>9}{:>11}{:>16}",
        "suite", "implementation", "protect", "unprotect", "sip-rtp ahead"
    );
    for profile in SUITES {
        let mut protected: Vec<Vec<u8>> = Vec::new();
        let (mut protect, _) = own(profile).expect("a suite of ours");
        for packet in &plain {
            protect(packet, &mut |done| protected.push(done.to_vec()));
        }
        if let Err(error) = check(profile, &plain, &protected) {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
        let mut best = [[Duration::MAX; 2]; PEERS.len()];
        for _ in 0..ROUNDS {
            for ((_, peer), best) in PEERS.iter().zip(&mut best) {
                if let Some((mut protect, mut unprotect)) = peer(profile) {
                    best[0] = best[0].min(time(&mut protect, &plain));
                    best[1] = best[1].min(time(&mut unprotect, &protected));
                }
            }
        }
        let rate = |time: Duration| PACKETS as f64 / time.as_secs_f64() / 1e6;
        let ours = best[0].map(rate);
        for ((name, _), best) in PEERS.iter().zip(best) {
            if best[0] == Duration::MAX {
                continue;
            }
            let theirs = best.map(rate);
            let ratio = [ours[0] / theirs[0], ours[1] / theirs[1]];
            println!(
                "{:<26}{name:<22}{:>9.2}{:>11.2}{:>9.2}{:>7.2}",
                profile.sdes_name(),
                theirs[0],
                theirs[1],
                ratio[0],
                ratio[1]
            );
            if *name != "sip-rtp" && ratio.iter().any(|ratio| *ratio <= 1.0) {
                behind.push(format!("{} of {name}", profile.sdes_name()));
            }
        }
    }
    if behind.is_empty() {
        println!("sip-rtp is ahead of all of them in every suite, both ways");
        ExitCode::SUCCESS
    } else {
        println!("sip-rtp is behind in: {}", behind.join(", "));
        ExitCode::FAILURE
    }
}
