//! One leg of a call: packets in any order, ticks, digits, time-outs.
#![no_main]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_rtp::{
    AudioConfig, AudioStream, Input, RtpHeader, StreamConfig, codec::Codecs, event::Event,
};

/// One tick of 8 kHz audio.
const TICK: Duration = Duration::from_millis(20);

fuzz_target!(|data: &[u8]| {
    let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 2), 4000));
    let codecs = Codecs::builtin();
    let codec = codecs.find("PCMU", 8000, 1).expect("PCMU is built in");
    let stream = StreamConfig::new(remote, codec.clock_rate(), "fuzz", [7; 32]);
    let mut now = Instant::now();
    let mut audio = AudioStream::new(
        stream,
        AudioConfig::new(codec, 0, Some(101)),
        SystemTime::UNIX_EPOCH,
        now,
    );
    let mut pcm = [0_i16; 160];
    let (mut sequence, mut timestamp) = (0_u16, 0_u32);
    let mut rest = data;
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        let value = rest.first().copied().unwrap_or(0);
        match step % 8 {
            0 => {
                audio.write(&pcm, now);
                let _ = audio.read(&mut pcm, now);
                now += TICK;
            }
            1 => audio.write_nothing(160, now),
            // A packet of a well-behaved sender, or one that jumps.
            2 | 3 => {
                sequence = sequence.wrapping_add(if step & 8 == 0 {
                    1
                } else {
                    u16::from(value) << 7
                });
                timestamp = timestamp.wrapping_add(if step & 16 == 0 {
                    160
                } else {
                    u32::from(value) << 17
                });
                let payload_type = if step % 8 == 2 { 0 } else { 101 };
                let length = usize::from(value) % 200;
                let payload: Vec<u8> = rest
                    .iter()
                    .copied()
                    .cycle()
                    .take(if rest.is_empty() { 0 } else { length })
                    .collect();
                let mut packet = Vec::new();
                let header = RtpHeader {
                    payload_type,
                    sequence,
                    timestamp,
                    ssrc: 0x1234_5678,
                    ..RtpHeader::default()
                };
                header.write(&payload, &mut packet);
                audio.handle_input(Input::datagram(Bytes::from(packet), remote), now);
            }
            // Whatever is left, as a datagram.
            4 => {
                let length = usize::from(value).min(rest.len());
                let (datagram, after) = rest.split_at(length);
                rest = after;
                audio.handle_input(
                    Input::datagram(Bytes::copy_from_slice(datagram), remote),
                    now,
                );
            }
            5 => {
                let digit = char::from(b"0123456789*#ABCD"[usize::from(value % 16)]);
                let event = Event::from_digit(digit).expect("a digit");
                let _ = audio.send_event(event, Duration::from_millis(u64::from(value)));
            }
            6 => {
                if let Some(at) = audio.poll_timeout() {
                    now = now.max(at);
                    audio.handle_timeout(now);
                }
            }
            _ => now += Duration::from_millis(u64::from(value)),
        }
        let mut outputs = 0;
        while audio.poll_output().is_some() {
            outputs += 1;
            assert!(
                outputs < 1_000,
                "one step makes a bounded number of outputs"
            );
        }
        // Draining leaves no deadline in the past behind a time-out that was handled.
        audio.handle_timeout(now);
        while audio.poll_output().is_some() {}
        assert!(
            audio.poll_timeout().is_none_or(|at| at > now),
            "after a time-out was handled, the next one lies ahead"
        );
    }
});
