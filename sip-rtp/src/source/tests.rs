use std::time::Duration;

use super::*;
use crate::test_data::some_instant;

fn feed(source: &mut SourceStatistics, sequences: impl IntoIterator<Item = u16>) -> Vec<Sequence> {
    sequences
        .into_iter()
        .map(|sequence| source.on_sequence(sequence))
        .collect()
}

#[test]
fn rfc3550_a_1_probation_needs_two_packets_in_sequence() {
    let mut source = SourceStatistics::new(10, 8000, 2, some_instant());
    assert_eq!(feed(&mut source, [10]), [Sequence::Probation(65546)]);
    assert_eq!(feed(&mut source, [40]), [Sequence::Probation(65576)]);
    assert!(!source.is_valid());
    assert_eq!(feed(&mut source, [41]), [Sequence::Valid(65577)]);
    assert_eq!(
        (source.received(), source.expected(), source.lost()),
        (2, 2, 0)
    );
}

#[test]
fn rfc3550_a_1_sequence_is_extended_over_the_wrap_and_back() {
    let mut source = SourceStatistics::new(65534, 8000, 1, some_instant());
    assert_eq!(
        feed(&mut source, [65534, 65535, 1, 0, 2]),
        [131_070u64, 131_071, 131_073, 131_072, 131_074].map(Sequence::Valid)
    );
    assert_eq!((source.expected(), source.lost()), (5, 0));
}

#[test]
fn rfc3550_a_1_a_jump_is_dropped_and_a_second_packet_restarts() {
    let mut source = SourceStatistics::new(1, 8000, 1, some_instant());
    feed(&mut source, 1..=10);
    assert_eq!(feed(&mut source, [20_000]), [Sequence::Invalid]);
    assert_eq!(feed(&mut source, [11]), [Sequence::Valid(65547)]);
    assert_eq!(
        feed(&mut source, [40_000, 40_001]),
        [Sequence::Invalid, Sequence::Restarted(105_537)]
    );
    assert_eq!((source.received(), source.expected()), (1, 1));
}

#[test]
fn rfc3550_a_3_loss_and_duplicates() {
    let now = some_instant();
    let mut source = SourceStatistics::new(0, 8000, 1, now);
    feed(&mut source, (0..100).filter(|sequence| sequence % 4 != 3));
    // 99 expected (the last one, 99, is lost but not yet missed), 75 received.
    let block = source.report(7, now);
    assert_eq!((block.cumulative_lost, block.highest_sequence), (24, 98));
    assert_eq!(block.fraction_lost, (24 * 256 / 99) as u8);
    // Nothing lost in the second interval, then duplicates only.
    feed(&mut source, 99..110);
    assert_eq!(source.report(7, now).fraction_lost, 0);
    feed(&mut source, [109; 60]);
    let block = source.report(7, now);
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 24 - 60));
}

#[test]
fn rfc3550_a_8_jitter_converges_to_the_mean_deviation() {
    let start = some_instant();
    let mut source = SourceStatistics::new(0, 8000, 1, start);
    let mut expected = 0.0f64;
    let mut previous = None;
    for index in 0..2000u32 {
        // Alternately 0 and 10 ms late: |D| is 80 ticks each time.
        let late = if index % 2 == 0 { 0 } else { 10 };
        let now = start + Duration::from_millis(u64::from(index) * 20 + late);
        source.on_timestamp(index.wrapping_mul(160).wrapping_add(u32::MAX - 5000), now);
        let transit = f64::from(late as u32) * 8.0;
        if let Some(previous) = previous.replace(transit) {
            expected += ((transit - previous).abs() - expected) / 16.0;
        }
    }
    assert!(
        (f64::from(source.jitter_ticks()) - expected).abs() <= 1.0,
        "{} {expected}",
        source.jitter_ticks()
    );
    assert!((9..=10).contains(&source.jitter().as_millis()));
}

#[test]
fn rfc3550_6_4_1_last_sr_and_its_delay() {
    let now = some_instant();
    let mut source = SourceStatistics::new(0, 8000, 1, now);
    assert_eq!(
        (
            source.report(1, now).last_sr,
            source.report(1, now).delay_since_last_sr
        ),
        (0, 0)
    );
    source.on_sender_report(NtpTime::from_bits(0xe8f5_b44d_b705_0000), now);
    let block = source.report(1, now + Duration::from_millis(1500));
    assert_eq!(
        (block.last_sr, block.delay_since_last_sr),
        (0xb44d_b705, 0x0001_8000)
    );
}
