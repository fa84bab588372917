use super::*;

fn sources(change: impl FnOnce(&mut SourceConfig)) -> Sources {
    let mut config = SourceConfig {
        rate: 10,
        burst: 20,
        faults: 5,
        ..SourceConfig::default()
    };
    change(&mut config);
    Sources::new(config, &Seed::from_bytes([7; 32]))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// How many of `count` requests at one time are taken, refused and dropped.
fn send(sources: &mut Sources, from: &str, count: usize, now: Instant) -> [usize; 3] {
    let mut found = [0; 3];
    for _ in 0..count {
        match sources.spend(ip(from), false, now) {
            Verdict::Take => found[0] += 1,
            Verdict::Refuse { .. } => found[1] += 1,
            Verdict::Drop => found[2] += 1,
        }
    }
    found
}

#[test]
fn a_budget_has_a_burst_and_a_rate_and_is_for_one_source() {
    let (mut sources, now) = (sources(|config| config.faults = 0), Instant::now());
    assert_eq!(
        send(&mut sources, "192.0.2.1", 100, now),
        [20, 40, 40],
        "the burst, as much in refusals, then silence"
    );
    assert_eq!(send(&mut sources, "192.0.2.2", 5, now), [5, 0, 0]);
    // It takes as long to pay the debt.
    let later = now + Duration::from_secs(3);
    assert_eq!(send(&mut sources, "192.0.2.1", 20, later)[0], 10);
    let later = now + Duration::from_secs(30);
    assert_eq!(send(&mut sources, "192.0.2.1", 30, later)[0], 20);
}

#[test]
fn what_ends_a_call_is_taken_when_nothing_else_is() {
    let (mut sources, now) = (sources(|_| {}), Instant::now());
    send(&mut sources, "192.0.2.1", 20, now);
    let byes = (0..200)
        .filter(|_| sources.spend(ip("192.0.2.1"), true, now) == Verdict::Take)
        .count();
    assert_eq!(byes, 80, "four for each request, as far as the debt goes");
}

#[test]
fn rfc6177_2_an_ipv6_source_is_its_subnet_and_a_mapped_one_is_ipv4() {
    let (mut sources, now) = (sources(|config| config.faults = 0), Instant::now());
    send(&mut sources, "2001:db8::1", 20, now);
    assert_eq!(send(&mut sources, "2001:db8::ffff", 1, now), [0, 1, 0]);
    assert_eq!(send(&mut sources, "2001:db8:0:1::1", 1, now), [1, 0, 0]);
    send(&mut sources, "::ffff:192.0.2.1", 20, now);
    assert_eq!(send(&mut sources, "192.0.2.1", 1, now), [0, 1, 0]);
    for text in ["192.0.2.1", "255.255.255.255", "0.0.0.1", "2001:db8:1:2::"] {
        assert_eq!(Source::of(ip(text)).address(), ip(text));
    }
}

#[test]
fn loopback_and_trusted_networks_have_no_budget_and_no_ban() {
    let (mut sources, now) = (
        sources(|config| config.trusted = vec!["198.51.100.0/24".parse().unwrap()]),
        Instant::now(),
    );
    for from in ["127.0.0.1", "::1", "198.51.100.7"] {
        assert_eq!(send(&mut sources, from, 1000, now), [1000, 0, 0]);
        for _ in 0..100 {
            sources.fault(ip(from), now);
        }
        assert!(!sources.ban(ip(from), Duration::from_secs(9), BanCause::Operator, now));
        assert!(!sources.is_banned(ip(from), now));
    }
}

#[test]
fn faults_ban_for_a_while_unless_the_source_has_proved_to_be_there() {
    let (mut sources, now) = (sources(|_| {}), Instant::now());
    for _ in 0..5 {
        assert!(!sources.is_banned(ip("192.0.2.1"), now));
        sources.fault(ip("192.0.2.1"), now);
    }
    assert!(sources.is_banned(ip("192.0.2.1"), now));
    let list = sources.bans(now);
    assert_eq!(list.len(), 1);
    assert_eq!(
        (
            list[0].address,
            list[0].left,
            list[0].cause,
            list[0].dropped
        ),
        (
            ip("192.0.2.1"),
            Duration::from_secs(300),
            BanCause::Faults,
            1
        )
    );
    let later = now + Duration::from_secs(300);
    assert!(!sources.is_banned(ip("192.0.2.1"), later));
    assert!(sources.bans(later).is_empty());
    // Forged datagrams in the name of a phone that is registered do not shut it out.
    sources.prove(ip("192.0.2.9"), now + Duration::from_millis(1));
    for _ in 0..50 {
        sources.fault(ip("192.0.2.9"), now + Duration::from_millis(2));
    }
    assert!(!sources.is_banned(ip("192.0.2.9"), now + Duration::from_millis(2)));
    // Faults that are spread over time are nothing.
    for minute in 0..20 {
        sources.fault(ip("192.0.2.5"), now + Duration::from_secs(60 * minute));
    }
    assert!(!sources.is_banned(ip("192.0.2.5"), now));
}

#[test]
fn the_operator_bans_and_pardons() {
    let (mut sources, now) = (sources(|_| {}), Instant::now());
    assert!(sources.ban(ip("2001:db8::5"), Duration::MAX, BanCause::Operator, now));
    assert!(sources.is_banned(ip("2001:db8::6"), now + Duration::from_secs(86_400 * 365)));
    assert!(sources.pardon(ip("2001:db8::7")));
    assert!(!sources.is_banned(ip("2001:db8::6"), now));
    assert!(!sources.pardon(ip("2001:db8::7")));
}

#[test]
fn a_million_addresses_take_no_more_room_than_a_thousand() {
    let mut sources = sources(|config| {
        config.remembered = 1000;
        config.max_bans = 100;
        config.faults = 1;
    });
    let (size, now) = (sources.entries.len(), Instant::now());
    assert_eq!(size, 1024);
    for number in 0..1_000_000_u32 {
        let from = IpAddr::from(Ipv4Addr::from_bits(0x0100_0000 + number));
        assert_eq!(sources.spend(from, false, now), Verdict::Take);
        if number % 1000 == 0 {
            sources.fault(from, now + Duration::from_millis(number.into()));
        }
    }
    assert_eq!(sources.entries.len(), size);
    assert_eq!(sources.bans.len(), 100);
    assert!(size_of::<Option<Entry>>() <= 40);
}
