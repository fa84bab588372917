use rand::SeedableRng;

use super::*;
use crate::test_data::some_instant;

fn rng() -> StdRng {
    StdRng::from_seed([3; 32])
}

/// Report times of a participant over `seconds`, with the session unchanging.
fn reports(
    bandwidth: u32,
    members: usize,
    senders: usize,
    sending: bool,
    seconds: u64,
) -> Vec<Duration> {
    let start = some_instant();
    let mut rng = rng();
    let mut schedule = Schedule::new(bandwidth, &mut rng, start);
    let mut all = Vec::new();
    while schedule.next() < start + Duration::from_secs(seconds) {
        let now = schedule.next();
        if schedule.expires(members, senders, sending, &mut rng, now) {
            schedule.on_rtcp(120);
            all.push(now - start);
        }
        assert!(schedule.next() > now, "no progress");
    }
    all
}

#[test]
fn rfc3550_6_3_1_two_members_report_every_five_seconds_on_average() {
    let all = reports(4000, 2, 1, true, 10_000);
    let average = 10_000.0 / all.len() as f64;
    assert!((4.0..6.0).contains(&average), "{average}");
    for pair in all.windows(2) {
        let interval = (pair[1] - pair[0]).as_secs_f64();
        // 5 s times 0.5 to 1.5, divided by e - 3/2; reconsideration only makes it later.
        assert!((2.05..=6.2).contains(&interval), "{interval}");
    }
}

#[test]
fn rfc3550_6_2_the_first_report_comes_at_half_the_time() {
    let first = reports(4000, 2, 1, true, 100)[0];
    assert!(
        first >= Duration::from_secs_f64(1.02) && first <= Duration::from_secs_f64(3.1),
        "{first:?}"
    );
}

#[test]
fn rfc3550_6_3_1_large_sessions_share_the_bandwidth() {
    // 1000 receivers share 75 % of 4000 bit/s: 999 * 120 octets / 375 octets/s = 320 s.
    let all = reports(4000, 1000, 1, false, 200_000);
    let average = 200_000.0 / all.len() as f64;
    assert!((280.0..360.0).contains(&average), "{average}");
    // The one sender has 25 % to itself and stays at the least interval.
    let average = 10_000.0 / reports(4000, 1000, 1, true, 10_000).len() as f64;
    assert!((4.0..6.0).contains(&average), "{average}");
}

#[test]
fn rfc3550_6_3_6_reconsideration_delays_a_report_when_members_joined() {
    let start = some_instant();
    let mut rng = rng();
    let mut schedule = Schedule::new(4000, &mut rng, start);
    let now = schedule.next();
    assert!(!schedule.expires(10_000, 0, false, &mut rng, now));
    assert!(schedule.next() > now + Duration::from_secs(60));
}

#[test]
fn rfc3550_6_3_4_reverse_reconsideration_when_members_leave() {
    let start = some_instant();
    let mut rng = rng();
    let mut schedule = Schedule::new(4000, &mut rng, start);
    schedule.expires(10_000, 0, false, &mut rng, schedule.next());
    let before = schedule.next() - start;
    schedule.on_goodbye(100, start);
    let after = schedule.next() - start;
    assert!(
        (after.as_secs_f64() * 100.0 - before.as_secs_f64()).abs() < 1.0,
        "{before:?} {after:?}"
    );
}
