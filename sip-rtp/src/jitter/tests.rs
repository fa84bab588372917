use proptest::prelude::*;

use super::*;
use crate::test_data::some_instant;

const TICK: Duration = Duration::from_millis(20);

pub(super) fn packet(index: u64) -> JitterPacket {
    JitterPacket {
        sequence: 70_000 + index,
        timestamp: (index as u32).wrapping_mul(160).wrapping_sub(4000),
        duration: 160,
        payload_type: 0,
        payload: Bytes::new(),
    }
}

/// What one tick gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Packet(u64),
    Conceal,
    Silence,
}

/// Plays arrivals (index, milliseconds) on ticks of 20 ms; surplus is spent at once.
fn play(buffer: &mut JitterBuffer, arrivals: &[(u64, u64)], ticks: u64) -> Vec<Heard> {
    play_with(buffer, arrivals, ticks, Duration::from_millis(1))
}

/// The same with arrivals in another unit.
pub(super) fn play_with(
    buffer: &mut JitterBuffer,
    arrivals: &[(u64, u64)],
    ticks: u64,
    unit: Duration,
) -> Vec<Heard> {
    let start = some_instant();
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_by_key(|(_, at)| *at);
    let mut next = 0;
    let mut heard = Vec::new();
    for tick in 0..ticks {
        // Ticks are out of phase with the sender.
        let now = start + TICK * tick as u32 + Duration::from_millis(7);
        while let Some((index, at)) = arrivals
            .get(next)
            .filter(|(_, at)| start + unit * *at as u32 <= now)
        {
            buffer.insert(packet(*index), start + unit * *at as u32);
            next += 1;
        }
        heard.push(loop {
            match buffer.playout(now) {
                Playout::Packet(_) if buffer.quiet_surplus(now) > 0 && !buffer.is_empty() => {
                    buffer.discard()
                }
                Playout::Packet(packet) => break Heard::Packet(packet.sequence - 70_000),
                Playout::Conceal(_) => break Heard::Conceal,
                Playout::Silence(_) => break Heard::Silence,
            }
        });
    }
    heard
}

fn packets(heard: &[Heard]) -> Vec<u64> {
    heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Packet(index) => Some(*index),
            Heard::Conceal | Heard::Silence => None,
        })
        .collect()
}

pub(super) fn buffer_with(config: JitterConfig) -> JitterBuffer {
    JitterBuffer::new(config)
}

/// One that gives up nothing, so that what is heard can be foretold.
fn buffer() -> JitterBuffer {
    buffer_with(JitterConfig::faithful(8000))
}

#[test]
fn a_clean_network_is_played_without_any_change_for_an_hour() {
    let arrivals: Vec<_> = (0..180_000).map(|index| (index, index * 20)).collect();
    let mut buffer = buffer();
    let heard = play(&mut buffer, &arrivals, 180_000);
    let first = heard
        .iter()
        .position(|heard| *heard != Heard::Silence)
        .unwrap();
    assert!((3..=4).contains(&first), "{first}");
    assert!(
        heard[first..]
            .iter()
            .enumerate()
            .all(|(index, heard)| *heard == Heard::Packet(index as u64))
    );
    assert_eq!(buffer.statistics().discarded, 0);
}

#[test]
fn small_jitter_below_the_delay_changes_nothing_either() {
    let arrivals: Vec<_> = (0..10_000)
        .map(|index| (index, index * 20 + (index * 7919) % 31))
        .collect();
    let heard = play(&mut buffer(), &arrivals, 10_000);
    let first = heard
        .iter()
        .position(|heard| *heard != Heard::Silence)
        .unwrap();
    assert!(
        heard[first..]
            .iter()
            .enumerate()
            .all(|(index, heard)| *heard == Heard::Packet(index as u64))
    );
}

#[test]
fn only_quiet_frames_are_given_up_and_only_down_to_what_the_network_needs() {
    for config in [JitterConfig::new(8000), JitterConfig::low_delay(8000)] {
        let arrivals: Vec<_> = (0..6_000).map(|index| (index, index * 20)).collect();
        let mut buffer = buffer_with(config);
        let heard = packets(&play(&mut buffer, &arrivals, 6_010));
        // Nothing in the first seconds, a few frames after that, and then never again.
        assert_eq!(heard[..150], (0..150).collect::<Vec<_>>()[..]);
        let given_up = buffer.statistics().discarded;
        assert!((1..=3).contains(&given_up), "{given_up}");
        assert_eq!(heard.last(), Some(&5_999));
        assert_eq!(heard.len() as u64, 6_000 - given_up);
        assert_eq!(
            heard[300..],
            (300 + given_up..6_000).collect::<Vec<_>>()[..]
        );
        assert_eq!(
            (buffer.statistics().missing, buffer.statistics().late),
            (0, 0)
        );
    }
}

#[test]
fn the_distribution_of_delays_is_that_of_the_last_packets() {
    // Against the obvious: each packet makes all that came before a little lighter.
    let config = JitterConfig::new(8000);
    let mut estimator = DelayEstimator::new(&config);
    let (mut obvious, mut packets) = ([0.0f64; 160], 0u32);
    let mut state = 1u32;
    for step in 0..20_000i64 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // A network whose jitter comes and goes.
        let spread = if step / 3_000 % 2 == 0 { 10 } else { 120 };
        let delay = if step % 50 == 0 {
            0
        } else {
            i64::from(state >> 16) % (spread * 8)
        };
        estimator.on_packet(step * 160 + delay, step * 160);
        packets += 1;
        let share = (1.0 / 500.0f64).max(1.0 / f64::from(packets));
        obvious.iter_mut().for_each(|bin| *bin *= 1.0 - share);
        obvious[(delay / 32) as usize] += share;
        let mut late = 1.0;
        let bins = obvious.iter().take_while(|bin| {
            let more = late > 0.01;
            late -= **bin;
            more
        });
        let expected = bins.count() as i64 * 32;
        if packets >= 150 {
            // A bin of rounding where the share is just met.
            let target = estimator.target();
            assert!(
                (target - expected.max(80)).abs() <= 32,
                "{step}: {target} {expected}"
            );
        }
    }
}

#[test]
fn reordering_and_duplicates_are_put_right() {
    let mut arrivals: Vec<_> = (0..1000).map(|index| (index, index * 20)).collect();
    for pair in arrivals.chunks_mut(2) {
        pair[0].1 += 25;
    }
    let doubled: Vec<_> = arrivals
        .iter()
        .flat_map(|(index, at)| [(*index, *at), (*index, *at + 3)])
        .collect();
    let mut buffer = buffer();
    let heard = packets(&play(&mut buffer, &doubled, 1010));
    assert_eq!(heard, (0..1000).collect::<Vec<_>>());
    assert_eq!(buffer.statistics().duplicate, 1000);
    assert!(buffer.statistics().reordered >= 499);
}

#[test]
fn a_lost_packet_is_concealed_in_its_place() {
    let arrivals: Vec<_> = (0..500)
        .filter(|index| index % 50 != 25)
        .map(|index| (index, index * 20))
        .collect();
    let mut buffer = buffer();
    let heard = play(&mut buffer, &arrivals, 500);
    let first = heard
        .iter()
        .position(|heard| *heard != Heard::Silence)
        .unwrap();
    for (index, heard) in heard[first..].iter().enumerate() {
        let expected = if index % 50 == 25 {
            Heard::Conceal
        } else {
            Heard::Packet(index as u64)
        };
        assert_eq!(*heard, expected);
    }
    assert_eq!(buffer.statistics().missing, 10);
}

#[test]
fn a_stall_of_the_network_loses_nothing_and_the_delay_comes_back() {
    // Everything sent between 10 s and 10.3 s arrives at once.
    let arrivals: Vec<_> = (0..3000)
        .map(|index| {
            (
                index,
                if (500..515).contains(&index) {
                    515 * 20
                } else {
                    index * 20
                },
            )
        })
        .collect();
    let mut buffer = buffer();
    let heard = play(&mut buffer, &arrivals, 3000);
    let all = packets(&heard);
    assert_eq!(all[..520], (0..520).collect::<Vec<_>>()[..]);
    assert!(buffer.statistics().discarded > 0);
    // At the end the delay is again what it was at the beginning, within the tolerance.
    assert!(3000 - *all.last().unwrap() <= 6, "{:?}", all.last());
}

#[test]
fn a_pause_of_the_sender_is_silence_and_not_loss() {
    // 2 s of talk, 1 s of nothing (sequence goes on without a gap, timestamps jump), talk.
    let start = some_instant();
    let mut buffer = buffer();
    let mut heard = Vec::new();
    for tick in 0..300u64 {
        let now = start + TICK * tick as u32;
        if !(100..150).contains(&tick) {
            let mut packet = packet(tick);
            packet.sequence = 70_000 + if tick >= 150 { tick - 50 } else { tick };
            buffer.insert(packet, now);
        }
        heard.push(match buffer.playout(now) {
            Playout::Packet(packet) => {
                Heard::Packet(u64::from(packet.timestamp.wrapping_add(4000) / 160))
            }
            Playout::Conceal(_) => Heard::Conceal,
            Playout::Silence(_) => Heard::Silence,
        });
    }
    assert_eq!(buffer.statistics().missing, 0);
    assert!(
        heard
            .iter()
            .filter(|heard| **heard == Heard::Conceal)
            .count()
            <= 3
    );
    let first = heard
        .iter()
        .position(|heard| *heard != Heard::Silence)
        .unwrap();
    assert_eq!(heard[first + 150], Heard::Packet(150));
    assert_eq!(packets(&heard).len(), 300 - 50 - first);
}

#[test]
fn clock_drift_is_followed_both_ways() {
    // 200 ppm over an hour: 0.72 s.
    for ppm in [200i64, -200] {
        let arrivals: Vec<_> = (0..180_000u64)
            .map(|index| {
                (
                    index,
                    (index as i64 * 20 + index as i64 * 20 * ppm / 1_000_000 + 1000) as u64,
                )
            })
            .collect();
        let mut buffer = buffer();
        let heard = play(&mut buffer, &arrivals, 179_000);
        let last = *packets(&heard).last().unwrap();
        let behind = arrivals
            .iter()
            .rposition(|(_, at)| *at <= 179_000 * 20)
            .unwrap() as u64
            - last;
        assert!(behind <= 7, "{ppm}: {behind}");
        assert_eq!(buffer.statistics().late, 0);
    }
}

#[test]
fn a_sender_that_restarts_its_clock_is_heard_again() {
    let start = some_instant();
    let mut buffer = buffer();
    let mut played = 0;
    for tick in 0..400u64 {
        let now = start + TICK * tick as u32;
        let mut packet = packet(tick);
        if tick >= 200 {
            packet.timestamp = packet.timestamp.wrapping_add(0x4000_0000);
        }
        buffer.insert(packet, now);
        if let Playout::Packet(packet) = buffer.playout(now)
            && packet.timestamp > 0x3000_0000
        {
            played += 1;
        }
    }
    assert_eq!(buffer.statistics().restarted, 1);
    assert!(played > 190, "{played}");
}

#[test]
fn a_sender_whose_clock_stood_still_on_hold_is_heard_as_before() {
    for pause in [1000u64, 3000, 4500, 60_000] {
        // Ten seconds of talk, a pause in which the sender's clock stands still, thirty seconds of talk.
        let arrivals: Vec<_> = (0..2000)
            .map(|index| (index, index * 20 + if index >= 500 { pause } else { 0 }))
            .collect();
        let mut buffer = buffer();
        let heard = play(&mut buffer, &arrivals, 2000 + pause / 20);
        let all = packets(&heard);
        assert!(all.len() >= 1990, "{pause}: {}", all.len());
        assert_eq!(
            (buffer.statistics().discarded, buffer.statistics().missing),
            (0, 0),
            "{pause}"
        );
        assert!(
            buffer.statistics().held <= 3,
            "{pause}: {:?}",
            buffer.statistics()
        );
        assert!(
            buffer.target() <= Duration::from_millis(60),
            "{pause}: {:?}",
            buffer.target()
        );
    }
}

#[test]
fn a_flood_stays_bounded() {
    let now = some_instant();
    let mut buffer = buffer();
    for index in 0..100_000 {
        buffer.insert(packet(index % 200 + index / 200), now);
    }
    assert!(buffer.len() <= 128);
}

#[test]
fn events_between_audio_are_not_missing() {
    let now = some_instant();
    let mut buffer = buffer();
    let mut numbers = [packet(0), packet(1), packet(20)];
    numbers[2].sequence = 70_010;
    (70_002..70_010).for_each(|sequence| buffer.note(sequence));
    for packet in numbers {
        buffer.insert(packet, now);
    }
    for tick in 4..60 {
        let _ = buffer.playout(now + TICK * tick);
    }
    assert_eq!(
        (buffer.statistics().played, buffer.statistics().missing),
        (3, 0)
    );
}

proptest! {
    // Whatever arrives when: no panic, never out of order, no packet twice, bounded delay and memory.
    #[test]
    fn random_arrivals_are_played_in_order(
        steps in proptest::collection::vec((0u64..60, 0u64..120, 0u8..3, any::<u32>()), 0..400),
    ) {
        let mut now = some_instant();
        let mut buffer = buffer();
        let (mut newest, mut last) = (0u64, None::<i64>);
        for (forward, millis, kind, noise) in steps {
            let index = match kind {
                0 => { newest += forward % 4; newest }
                1 => newest.saturating_sub(forward),
                _ => { newest += 1; newest }
            };
            let mut packet = packet(index);
            packet.duration = [160, 160, 240, 0][(noise % 4) as usize];
            let before = buffer.statistics().restarted;
            buffer.insert(packet, now);
            if buffer.statistics().restarted != before { last = None; }
            now += Duration::from_millis(millis);
            for _ in 0..noise % 4 {
                if let Playout::Packet(packet) = buffer.playout(now) {
                    let at = i64::from(packet.timestamp.wrapping_add(4000));
                    if let Some(last) = last {
                        prop_assert!(at > last, "{at} after {last}");
                    }
                    last = Some(at);
                }
                let _ = (buffer.surplus(now), buffer.delay(now));
            }
            prop_assert!(buffer.len() <= 128);
            prop_assert!(buffer.target() <= Duration::from_millis(400));
        }
    }

    #[test]
    fn any_packet_is_survived(packets in proptest::collection::vec((any::<u64>(), any::<u32>(), any::<u32>(), any::<u16>()), 0..100)) {
        let mut now = some_instant();
        let mut buffer = buffer();
        for (sequence, timestamp, duration, millis) in packets {
            buffer.insert(JitterPacket { sequence, timestamp, duration, payload_type: 0, payload: Bytes::new() }, now);
            now += Duration::from_millis(u64::from(millis));
            let _ = (buffer.playout(now), buffer.surplus(now));
            prop_assert!(buffer.len() <= 128);
        }
    }
}
