//! What a network can do to a call: each kind of bad packet is dropped, counted under its reason, and the call goes on.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use sip_rtp::audio::{AudioConfig, AudioOutput, AudioStatistics, AudioStream, Played};
use sip_rtp::codec::g711::Pcmu;
use sip_rtp::stream::Dropped;
use sip_rtp::{Input, RtpHeader, StreamConfig};

const TICK: Duration = Duration::from_millis(20);

fn remote() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn elsewhere(port: u16) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 9], port))
}

/// A call that has been going on for a second.
struct Call {
    audio: AudioStream,
    now: Instant,
    sent: u16,
}

impl Call {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an `Instant` can be made in no other way; the test only adds to it"
        )]
        let now = Instant::now();
        let config = StreamConfig::new(remote(), 8000, "bob@example.com", [1; 32]);
        let audio = AudioConfig::new(&Pcmu, 0, Some(101));
        let mut call = Self {
            audio: AudioStream::new(config, audio, SystemTime::UNIX_EPOCH, now),
            now,
            sent: 0,
        };
        for _ in 0..50 {
            call.tick();
        }
        call
    }

    fn packet(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let header = RtpHeader {
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc,
            ..RtpHeader::default()
        };
        header.write(payload, &mut packet);
        packet
    }

    fn hear(&mut self, packet: &[u8], from: SocketAddr) {
        self.audio
            .handle_input(Input::datagram(packet.to_vec(), from), self.now);
        while let Some(output) = self.audio.poll_output() {
            assert!(
                !matches!(output, AudioOutput::Transmit { .. }),
                "nothing is answered"
            );
        }
    }

    /// 20 ms in which a good packet arrives; what was played.
    fn tick(&mut self) -> Played {
        let packet = Self::packet(self.sent, 7, &[0x90; 160]);
        self.sent += 1;
        self.hear(&packet, remote());
        let mut pcm = [0; 160];
        let played = self.audio.read(&mut pcm, self.now);
        self.now += TICK;
        played
    }

    /// Everything that arrives from now on is heard as if nothing had happened, and this was counted since the beginning.
    fn goes_on(mut self, received: u64) -> (Dropped, AudioStatistics) {
        for _ in 0..50 {
            assert_eq!(self.tick(), Played::Audio);
        }
        let statistics = self.audio.statistics();
        assert_eq!(statistics.stream.packets_received, received + 100);
        assert_eq!(statistics.samples_concealed, 0);
        (statistics.stream.dropped, statistics)
    }
}

#[test]
fn truncated_packets() {
    let mut call = Call::new();
    let packet = Call::packet(call.sent, 7, &[]);
    for length in 0..packet.len() {
        call.hear(&packet[..length], remote());
    }
    let (dropped, _) = call.goes_on(0);
    assert_eq!((dropped.malformed, dropped.truncated), (12, 12));
}

#[test]
fn wrong_versions() {
    let mut call = Call::new();
    for version in [0u8, 1, 3] {
        let mut packet = Call::packet(call.sent, 7, &[0; 160]);
        packet[0] = version << 6;
        call.hear(&packet, remote());
    }
    let (dropped, _) = call.goes_on(0);
    assert_eq!((dropped.malformed, dropped.wrong_version), (3, 3));
}

#[test]
fn lying_lengths() {
    let mut call = Call::new();
    let sequence = call.sent;
    let lie = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = Call::packet(sequence, 7, &[0; 4]);
        change(&mut packet);
        packet
    };
    for packet in [
        // Fifteen sources, a thousand words of extension, more padding than payload, none at all.
        lie(&|packet| packet[0] |= 15),
        lie(&|packet| {
            packet[0] |= 0x10;
            packet[14..16].copy_from_slice(&1000u16.to_be_bytes());
        }),
        lie(&|packet| {
            packet[0] |= 0x20;
            packet[15] = 200;
        }),
        lie(&|packet| packet[0] |= 0x20),
    ] {
        call.hear(&packet, remote());
    }
    let (dropped, _) = call.goes_on(0);
    assert_eq!((dropped.malformed, dropped.lying_length), (4, 4));
}

#[test]
fn lying_and_truncated_reports() {
    let mut call = Call::new();
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    for length in 2..report.len() {
        call.hear(&report[..length], remote());
    }
    for (at, value) in [(3, 200), (0, 0x81), (0, 0x00), (0, 0xa0), (1, 204)] {
        let mut lie = report;
        lie[at] = value;
        call.hear(&lie, remote());
    }
    let received = call.audio.statistics().stream.rtcp_received;
    let (dropped, _) = call.goes_on(0);
    assert_eq!((dropped.malformed, received), (11, 0));
}

#[test]
fn oversized_packets() {
    let mut call = Call::new();
    // Eight seconds of audio in one packet, and a little more than half a second.
    for length in [65_000, 4_001] {
        let packet = Call::packet(call.sent, 7, &vec![0; length]);
        call.sent += 1;
        call.hear(&packet, remote());
    }
    for _ in 0..100 {
        call.tick();
    }
    let statistics = call.audio.statistics();
    assert_eq!(statistics.oversized, 2);
    // They took a moment each, as lost ones do.
    assert!(statistics.samples_concealed <= 4 * 160, "{statistics:?}");
    assert_eq!(call.tick(), Played::Audio);
}

#[test]
fn replayed_packets() {
    let mut call = Call::new();
    for sequence in 0..call.sent {
        let packet = Call::packet(sequence, 7, &[0x90; 160]);
        call.hear(&packet, remote());
    }
    let (_, statistics) = call.goes_on(50);
    assert_eq!(statistics.jitter.duplicate, 50);
    assert!(statistics.jitter.played <= 100);
}

#[test]
fn forged_packets_from_elsewhere() {
    let mut call = Call::new();
    for index in 0..1_000u16 {
        // With the source's own number and the right sequence, in order: from another address it is nothing.
        let packet = Call::packet(call.sent.wrapping_add(index), 7, &[0; 160]);
        call.hear(&packet, elsewhere(5_000 + index));
    }
    let goodbye = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7];
    call.hear(&goodbye, elsewhere(5_000));
    let (dropped, _) = call.goes_on(0);
    assert_eq!(dropped.wrong_source, 1_001);
}

#[test]
fn packets_of_sequences_far_off() {
    let mut call = Call::new();
    for step in [5_000u16, 20_000, 40_000] {
        let packet = Call::packet(call.sent.wrapping_add(step), 7, &[0; 160]);
        call.hear(&packet, remote());
    }
    let (dropped, _) = call.goes_on(0);
    assert_eq!(dropped.bad_sequence, 3);
}

#[test]
fn a_flood_of_sources() {
    let mut call = Call::new();
    for ssrc in 100..20_100u32 {
        // From the right address even, as one who can forge that would do it.
        let packet = Call::packet(ssrc as u16, ssrc, &[0; 160]);
        call.hear(&packet, remote());
    }
    let (dropped, statistics) = call.goes_on(0);
    assert_eq!(dropped.too_many_sources, 20_000 - 15);
    assert_eq!(statistics.jitter.restarted, 0);
}

#[cfg(feature = "srtp")]
#[test]
fn forged_and_replayed_packets_under_srtp() {
    use sip_rtp::srtp::{MasterKey, Profile, Protector, SrtpError, Unprotector};
    for profile in Profile::ALL {
        let key = MasterKey::new(
            profile,
            &vec![1; profile.key_len()],
            &vec![2; profile.salt_len()],
        )
        .unwrap();
        let (mut protector, mut unprotector) = (Protector::new(&key), Unprotector::new(&key));
        for sequence in 0..200u16 {
            let mut packet = Call::packet(sequence, 7, &[0x90; 160]);
            let plain = packet.clone();
            protector.protect_rtp(&mut packet).unwrap();
            // Damaged in one bit anywhere behind the first octet, and cut anywhere.
            let mut damaged = packet.clone();
            let at = 1 + usize::from(sequence) % (damaged.len() - 1);
            damaged[at] ^= 0x10;
            assert!(unprotector.unprotect_rtp(&mut damaged).is_err());
            let mut cut = packet[..usize::from(sequence) % packet.len()].to_vec();
            assert!(unprotector.unprotect_rtp(&mut cut).is_err());
            let mut replayed = packet.clone();
            unprotector.unprotect_rtp(&mut packet).unwrap();
            assert_eq!(packet, plain);
            assert_eq!(
                unprotector.unprotect_rtp(&mut replayed),
                Err(SrtpError::Replayed)
            );
        }
        let counted = unprotector.statistics();
        assert_eq!((counted.accepted, counted.wrong_mki), (200, 0));
        // A damaged sequence number may look like an old packet.
        let refused = [
            counted.malformed,
            counted.forged,
            counted.replayed,
            counted.too_old,
        ];
        assert_eq!(refused.iter().sum::<u64>(), 600, "{profile:?}: {counted:?}");
        assert!(counted.forged >= 300 && counted.replayed >= 200 && counted.malformed > 0);
    }
}
