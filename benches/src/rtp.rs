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
    codec::{Codec, Codecs, g711},
    mixer::Mixer,
};

use crate::Case;

/// One packet of G.711.
const SAMPLES: usize = 160;

/// Participants of the conference.
const PARTICIPANTS: usize = 32;
/// Datagrams that are made at a time, for the receive path: more than the instruction count takes.
const DATAGRAMS: u32 = 4_096;

pub(crate) fn cases() -> Vec<Case> {
    let header = RtpHeader {
        sequence: 7,
        timestamp: 1_120,
        ssrc: 1,
        ..RtpHeader::default()
    };
    let mut packet = Vec::new();
    header.write(&[0xd5; SAMPLES], &mut packet);
    let mut whole = Vec::new();
    vec![
        Case::new("rtp/parse", move || {
            black_box(
                RtpPacket::parse(black_box(&packet))
                    .expect("valid")
                    .payload(),
            );
        }),
        // The header alone; a whole packet has a copy of the payload besides.
        Case::new("rtp/write-header", move || {
            black_box(black_box(&header).to_octets());
        }),
        Case::new("rtp/write-packet", move || {
            whole.clear();
            black_box(&header).write(&[0xd5; SAMPLES], &mut whole);
            black_box(&whole);
        }),
        encode("rtp/pcmu-encode", &g711::Pcmu),
        encode("rtp/pcma-encode", &g711::Pcma),
        decode("rtp/pcmu-decode", &g711::Pcmu),
        decode("rtp/pcma-decode", &g711::Pcma),
        receive(),
        mix(),
        leg(),
    ]
}

/// 20 ms of samples.
fn samples() -> Vec<i16> {
    (0..SAMPLES as i16).map(|n| (n % 40 - 20) * 300).collect()
}

fn encode(name: &'static str, codec: &dyn Codec) -> Case {
    let (mut encoder, pcm, mut payload) = (codec.encoder(), samples(), Vec::new());
    Case::new(name, move || {
        payload.clear();
        encoder.encode(black_box(&pcm), &mut payload);
        black_box(&payload);
    })
}

fn decode(name: &'static str, codec: &dyn Codec) -> Case {
    let mut payload = Vec::new();
    codec.encoder().encode(&samples(), &mut payload);
    let (mut decoder, mut pcm) = (codec.decoder(), Vec::new());
    Case::new(name, move || {
        pcm.clear();
        decoder.decode(black_box(&payload), &mut pcm);
        black_box(&pcm);
    })
}

/// The way in of one packet: header, source, statistics, jitter buffer, decoder, samples.
fn receive() -> Case {
    let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 2), 4_000));
    let (codecs, mut now) = (Codecs::builtin(), Instant::now());
    let codec = codecs.find("PCMU", 8_000, 1).expect("built in");
    let mut audio = AudioStream::new(
        StreamConfig::new(remote, codec.clock_rate(), "bench", [3; 32]),
        AudioConfig::new(codec, 0, Some(101)),
        SystemTime::UNIX_EPOCH,
        now,
    );
    let (mut datagrams, mut made) = (Vec::new().into_iter(), 0);
    let mut pcm = [0; SAMPLES];
    Case::new("rtp/receive", move || {
        let datagram = datagrams.next().unwrap_or_else(|| {
            let mut more = make_datagrams(made);
            made += DATAGRAMS;
            let first = more.remove(0);
            datagrams = more.into_iter();
            first
        });
        audio.handle_input(Input::datagram(datagram, remote), now);
        black_box(audio.read(&mut pcm, now));
        black_box(&pcm);
        while let Some(output) = audio.poll_output() {
            black_box(&output);
        }
        now += Duration::from_millis(20);
    })
}

/// Slices of one buffer, as a driver has them that receives many datagrams at a time.
fn make_datagrams(from: u32) -> Vec<Bytes> {
    let mut octets = Vec::new();
    for index in from..from + DATAGRAMS {
        let header = RtpHeader {
            sequence: index as u16,
            timestamp: index.wrapping_mul(SAMPLES as u32),
            ssrc: 9,
            ..RtpHeader::default()
        };
        header.write(&[index as u8; SAMPLES], &mut octets);
    }
    let length = octets.len() / DATAGRAMS as usize;
    let octets = Bytes::from(octets);
    (0..DATAGRAMS as usize)
        .map(|index| octets.slice(index * length..(index + 1) * length))
        .collect()
}

/// One tick of a conference in which everybody speaks: decoded, mixed, and encoded for each without its own part.
fn mix() -> Case {
    let mut mixer = Mixer::new(SAMPLES);
    let ids: Vec<_> = (0..PARTICIPANTS).map(|_| mixer.add()).collect();
    let (mut decoder, mut encoder) = (g711::Pcmu.decoder(), g711::Pcmu.encoder());
    let mut payload = Vec::new();
    encoder.encode(&samples(), &mut payload);
    let (mut pcm, mut heard, mut out) = (Vec::new(), [0; SAMPLES], Vec::new());
    Case::new("rtp/mix-32", move || {
        for id in &ids {
            pcm.clear();
            decoder.decode(black_box(&payload), &mut pcm);
            mixer.write(*id, &pcm);
        }
        mixer.mix();
        for id in &ids {
            mixer.read(*id, &mut heard);
            out.clear();
            encoder.encode(&heard, &mut out);
            black_box(&out);
        }
    })
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
