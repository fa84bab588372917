//! RTP packets and a leg of a call.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use sip_rtp::{
    AudioConfig, AudioStream, Input, RtpHeader, RtpPacket, StreamConfig,
    audio::AudioOutput,
    codec::{Codecs, g711},
};

use crate::Case;

/// One packet of G.711.
const SAMPLES: usize = 160;

pub(crate) fn cases() -> Vec<Case> {
    let pcm: Vec<i16> = (0..SAMPLES as i16).map(|n| (n % 40 - 20) * 300).collect();
    let mut packet = Vec::new();
    let header = RtpHeader {
        sequence: 7,
        timestamp: 1_120,
        ssrc: 1,
        ..RtpHeader::default()
    };
    header.write(&[0xd5; SAMPLES], &mut packet);
    let mut out = Vec::new();
    vec![
        Case::new("rtp/parse", move || {
            black_box(
                RtpPacket::parse(black_box(&packet))
                    .expect("valid")
                    .payload(),
            );
        }),
        Case::new("rtp/write", move || {
            out.clear();
            header.write(&[0xd5; SAMPLES], &mut out);
            black_box(&out);
        }),
        Case::new("rtp/pcmu-20ms", move || {
            for &sample in &pcm {
                black_box(g711::pcmu_decode(g711::pcmu_encode(black_box(sample))));
            }
        }),
        leg(),
    ]
}

/// 20 ms of a call between two legs: what one says is encoded, sent, received, buffered, decoded and played by the
/// other, both ways.
fn leg() -> Case {
    let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 4_000));
    let mut now = Instant::now();
    let new = |remote: SocketAddr, seed: u8| {
        let codecs = Codecs::builtin();
        let codec = codecs.find("PCMU", 8_000, 1).expect("built in");
        let stream = StreamConfig::new(remote, codec.clock_rate(), "bench", [seed; 32]);
        AudioStream::new(
            stream,
            AudioConfig::new(codec, 0, Some(101)),
            SystemTime::UNIX_EPOCH,
            now,
        )
    };
    let mut legs = [new(address(2), 1), new(address(1), 2)];
    let mut pcm = [1_000_i16; SAMPLES];
    Case::new("rtp/call-20ms", move || {
        for side in 0..2 {
            legs[side].write(&pcm, now);
            if legs[side].poll_timeout().is_some_and(|at| at <= now) {
                legs[side].handle_timeout(now);
            }
            let from = address(if side == 0 { 1 } else { 2 });
            let mut sent: Vec<Bytes> = Vec::new();
            while let Some(output) = legs[side].poll_output() {
                if let AudioOutput::Transmit { payload, .. } = output {
                    sent.push(payload);
                }
            }
            for payload in sent {
                legs[1 - side].handle_input(Input::datagram(payload, from), now);
            }
            black_box(legs[side].read(&mut pcm, now));
        }
        now += Duration::from_millis(20);
    })
}
