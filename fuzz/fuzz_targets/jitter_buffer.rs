//! The jitter buffer under random arrivals: never out of order, never twice, bounded in packets and in delay.
#![no_main]

use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_rtp::jitter::{JitterBuffer, JitterConfig, JitterPacket, Playout};

fuzz_target!(|data: &[u8]| {
    let config = match data.first().map(|first| first % 3) {
        Some(1) => JitterConfig::low_delay(8000),
        Some(2) => JitterConfig::faithful(8000),
        _ => JitterConfig::new(8000),
    };
    let (capacity, longest) = (config.capacity, config.max_delay);
    let mut buffer = JitterBuffer::new(config);
    let mut now = Instant::now();
    let mut newest = 0u32;
    let mut last: Option<(u64, u32)> = None;
    for step in data.chunks_exact(4) {
        let back = u32::from(step[1]);
        let index = match step[0] % 8 {
            0..=4 => {
                newest = newest.wrapping_add(1);
                newest
            }
            5 => {
                newest = newest.wrapping_add(back);
                newest
            }
            6 => newest.saturating_sub(back),
            _ => newest,
        };
        let restarts = buffer.statistics().restarted;
        buffer.insert(
            JitterPacket {
                sequence: 65_536 + u64::from(index),
                timestamp: index.wrapping_mul(160),
                duration: [160, 160, 80, 240][usize::from(step[0] >> 6)],
                payload_type: 0,
                payload: Bytes::new(),
            },
            now,
        );
        assert!(buffer.len() <= capacity);
        for _ in 0..step[2] % 4 {
            now += Duration::from_millis(20);
            if let Playout::Packet(packet) = buffer.playout(now) {
                if let Some((before, timestamp)) =
                    last.filter(|_| buffer.statistics().restarted == restarts)
                {
                    assert!(
                        before != restarts || (packet.timestamp.wrapping_sub(timestamp) as i32) > 0,
                        "played out of order"
                    );
                }
                last = Some((buffer.statistics().restarted, packet.timestamp));
                if buffer.quiet_surplus(now) > 0 {
                    buffer.discard();
                } else if buffer.surplus(now) > 0 {
                    buffer.shortened();
                }
                // What waits, including the packet that plays now, is no longer than the longest delay and two packets.
                let newest = buffer.newest_end().unwrap_or(packet.timestamp);
                let waits = newest.wrapping_sub(packet.timestamp) as i32;
                assert!(
                    waits <= longest.as_millis() as i32 * 8 + 160 + 2 * 240,
                    "{waits} ticks wait"
                );
            }
        }
        assert!(buffer.target() <= longest);
        now += Duration::from_millis(u64::from(step[3]));
    }
});
