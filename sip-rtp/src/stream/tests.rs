use proptest::prelude::*;

use super::*;
use crate::rtcp::{Compound, RtcpPacket};
use crate::source::ticks;
use crate::test_data::some_instant;

const TICK: Duration = Duration::from_millis(20);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn alice() -> SocketAddr {
    address("192.0.2.1:4000")
}

fn bob() -> SocketAddr {
    address("192.0.2.2:6000")
}

fn stream(remote: SocketAddr, seed: u8, now: Instant) -> RtpStream {
    let config = StreamConfig::new(remote, 8000, format!("user{seed}@example.com"), [seed; 32]);
    RtpStream::new(
        config,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        now,
    )
}

fn drain(stream: &mut RtpStream) -> Vec<Output> {
    std::iter::from_fn(|| stream.poll_output()).collect()
}

fn events(stream: &mut RtpStream) -> Vec<Event> {
    drain(stream)
        .into_iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event),
            Output::Transmit { .. } => None,
        })
        .collect()
}

/// Sends one frame and returns the datagrams that leave.
fn send(stream: &mut RtpStream, index: u32, now: Instant) -> Vec<Bytes> {
    stream.send(
        Frame {
            payload_type: 0,
            timestamp: index * 160,
            marker: index == 0,
            payload: &[0xff; 160],
        },
        now,
    );
    transmits(stream)
}

fn transmits(stream: &mut RtpStream) -> Vec<Bytes> {
    drain(stream)
        .into_iter()
        .filter_map(|output| match output {
            Output::Transmit { payload, .. } => Some(payload),
            Output::Event(_) => None,
        })
        .collect()
}

fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Bytes {
    let mut out = Vec::new();
    RtpHeader {
        ssrc,
        sequence,
        timestamp,
        ..RtpHeader::default()
    }
    .write(&[0xff; 160], &mut out);
    out.into()
}

fn count_packets(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::Packet(_)))
        .count()
}

#[test]
fn rfc3550_5_1_sequence_timestamp_and_ssrc_of_a_sender() {
    let now = some_instant();
    let mut sender = stream(bob(), 1, now);
    let packets: Vec<Bytes> = (0..5)
        .flat_map(|index| send(&mut sender, index, now + TICK * index))
        .collect();
    let parsed: Vec<_> = packets
        .iter()
        .map(|octets| RtpPacket::parse(octets).unwrap())
        .collect();
    for pair in parsed.windows(2) {
        assert_eq!(pair[1].sequence(), pair[0].sequence().wrapping_add(1));
        assert_eq!(pair[1].timestamp(), pair[0].timestamp().wrapping_add(160));
        assert_eq!(pair[1].ssrc(), sender.ssrc());
    }
    assert_eq!(
        parsed.iter().map(RtpPacket::marker).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    // The same seed gives the same octets; another seed does not.
    let mut same = stream(bob(), 1, now);
    assert_eq!(send(&mut same, 0, now)[0], packets[0]);
    let mut other = stream(bob(), 2, now);
    assert_ne!(send(&mut other, 0, now)[0], packets[0]);
}

#[test]
fn rfc3550_a_1_the_probation_delays_but_loses_nothing() {
    let now = some_instant();
    let mut receiver = stream(alice(), 1, now);
    receiver.handle_input(Input::datagram(packet(7, 10, 0), alice()), now);
    assert!(events(&mut receiver).is_empty());
    receiver.handle_input(Input::datagram(packet(7, 11, 160), alice()), now + TICK);
    let all = events(&mut receiver);
    assert!(matches!(all[0], Event::SourceStarted { ssrc: 7, .. }));
    let Event::Packet(first) = &all[1] else {
        panic!("{all:?}")
    };
    assert_eq!(
        (
            first.sequence,
            first.timestamp,
            first.arrival,
            count_packets(&all)
        ),
        (65546, 0, now, 2)
    );
}

/// Two streams with reports between them, over a path that takes `delay`; returns the events of the first.
fn session(
    delay: Duration,
    seconds: u32,
    lose: impl Fn(u32) -> bool,
) -> (RtpStream, RtpStream, Vec<Event>) {
    let start = some_instant();
    let (mut a, mut b) = (stream(bob(), 1, start), stream(alice(), 2, start));
    let mut events = Vec::new();
    let mut path: VecDeque<(Instant, bool, Bytes)> = VecDeque::new();
    let mut now = start;
    let mut index = 0;
    let mut next_frame = start;
    while now < start + Duration::from_secs(u64::from(seconds)) {
        if now >= next_frame {
            a.send(
                Frame {
                    payload_type: 0,
                    timestamp: index * 160,
                    marker: false,
                    payload: &[0; 160],
                },
                now,
            );
            b.send(
                Frame {
                    payload_type: 0,
                    timestamp: index * 160,
                    marker: false,
                    payload: &[0; 160],
                },
                now,
            );
            index += 1;
            next_frame += TICK;
        }
        for (from_a, stream) in [(true, &mut a), (false, &mut b)] {
            if stream.poll_timeout().is_some_and(|at| at <= now) {
                stream.handle_timeout(now);
            }
            while let Some(output) = stream.poll_output() {
                match output {
                    Output::Transmit { payload, rtcp, .. } if rtcp || !(from_a && lose(index)) => {
                        path.push_back((now + delay, from_a, payload))
                    }
                    Output::Transmit { .. } => {}
                    Output::Event(event) if from_a => events.push(event),
                    Output::Event(_) => {}
                }
            }
        }
        while path.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, from_a, payload) = path.pop_front().unwrap();
            if from_a {
                b.handle_input(Input::datagram(payload, alice()), now);
            } else {
                a.handle_input(Input::datagram(payload, bob()), now);
            }
        }
        let due = [
            Some(next_frame),
            path.front().map(|(at, ..)| *at),
            a.poll_timeout(),
            b.poll_timeout(),
        ];
        now = due
            .into_iter()
            .flatten()
            .min()
            .unwrap()
            .max(now + Duration::from_micros(1));
    }
    (a, b, events)
}

#[test]
fn rfc3550_6_4_1_round_trip_and_loss_are_reported() {
    let (a, b, events) = session(Duration::from_millis(35), 60, |index| index % 10 == 5);
    let reports: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Report(report) => Some(*report),
            Event::Packet(_) | Event::SourceStarted { .. } | Event::SourceEnded { .. } => None,
            Event::Metrics(_) | Event::Latched(_) | Event::SsrcChanged { .. } | Event::Inactive => {
                None
            }
        })
        .collect();
    assert!((8..30).contains(&reports.len()), "{}", reports.len());
    let last = reports.last().unwrap();
    assert_eq!(last.reporter, b.ssrc());
    assert_eq!(last.block.ssrc, a.ssrc());
    let round_trip = last.round_trip.unwrap().as_secs_f64();
    assert!((0.069..0.071).contains(&round_trip), "{round_trip}");
    assert!(
        (23..=28).contains(&last.block.fraction_lost),
        "{}",
        last.block.fraction_lost
    );
    assert!(
        (250..=310).contains(&b.statistics().packets_lost),
        "{}",
        b.statistics().packets_lost
    );
    assert_eq!(a.cname(b.ssrc()), Some("user2@example.com"));
    assert_eq!(a.statistics().packets_lost, 0);
    assert_eq!(
        (a.statistics().dropped, b.statistics().dropped),
        (Dropped::default(), Dropped::default())
    );
}

#[test]
fn rfc3550_6_4_a_sender_report_dates_the_media_clock() {
    let start = some_instant();
    let mut sender = stream(bob(), 1, start);
    let first = RtpPacket::parse(&send(&mut sender, 0, start)[0])
        .unwrap()
        .timestamp();
    let now = sender.poll_timeout().unwrap();
    sender.handle_timeout(now);
    let reports = transmits(&mut sender);
    // Reconsideration may put it off once.
    let (reports, now) = if reports.is_empty() {
        let now = sender.poll_timeout().unwrap();
        sender.handle_timeout(now);
        (transmits(&mut sender), now)
    } else {
        (reports, now)
    };
    let compound = Compound::parse(&reports[0]).unwrap();
    let Some(RtcpPacket::SenderReport(report)) = compound.packets().next() else {
        panic!("no SR")
    };
    let elapsed = ticks(now - start, 8000) as u32;
    assert_eq!(report.rtp_timestamp, first.wrapping_add(elapsed));
    assert_eq!((report.packet_count, report.octet_count), (1, 160));
    let Some(RtcpPacket::SourceDescription(description)) = compound.packets().nth(1) else {
        panic!("no SDES")
    };
    assert_eq!(description.cname(sender.ssrc()), Some("user1@example.com"));
}

#[test]
fn rfc3550_6_6_close_sends_bye_only_when_something_was_sent() {
    let now = some_instant();
    let mut silent = stream(bob(), 1, now);
    silent.close(None, now);
    assert!(drain(&mut silent).is_empty());

    let mut sender = stream(bob(), 1, now);
    send(&mut sender, 0, now);
    let ssrc = sender.ssrc();
    sender.close(Some("hung up"), now);
    sender.close(Some("again"), now);
    let all = transmits(&mut sender);
    assert_eq!(all.len(), 1);
    let Some(RtcpPacket::Goodbye(goodbye)) = Compound::parse(&all[0]).unwrap().packets().last()
    else {
        panic!("no BYE")
    };
    assert_eq!(
        (goodbye.sources().collect::<Vec<_>>(), goodbye.reason()),
        (vec![ssrc], Some("hung up"))
    );
    assert_eq!(sender.poll_timeout(), None);
    assert!(send(&mut sender, 1, now).is_empty());

    let mut receiver = stream(alice(), 2, now);
    receiver.handle_input(Input::datagram(packet(ssrc, 1, 0), alice()), now);
    receiver.handle_input(Input::datagram(packet(ssrc, 2, 160), alice()), now);
    receiver.handle_input(Input::datagram(all[0].clone(), alice()), now);
    let last = events(&mut receiver).pop();
    assert!(
        matches!(last, Some(Event::SourceEnded { goodbye: true, ssrc: ended }) if ended == ssrc)
    );
}

#[test]
fn rfc3550_8_2_a_collision_changes_the_ssrc_once_and_a_loop_does_not() {
    let now = some_instant();
    let mut ours = stream(bob(), 1, now);
    send(&mut ours, 0, now);
    let old = ours.ssrc();
    ours.handle_input(Input::datagram(packet(old, 5, 0), bob()), now);
    let all = drain(&mut ours);
    let [
        Output::Transmit {
            rtcp: true,
            payload,
            ..
        },
        Output::Event(Event::SsrcChanged { old: before, new }),
    ] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert!(
        Compound::parse(payload)
            .unwrap()
            .packets()
            .any(|packet| matches!(packet, RtcpPacket::Goodbye(bye) if bye.sources().eq([old])))
    );
    assert_eq!((*before, *new), (old, ours.ssrc()));
    assert_ne!(old, ours.ssrc());
    // From now on that address is known to send back what we send.
    let new = ours.ssrc();
    ours.handle_input(Input::datagram(packet(new, 6, 0), bob()), now);
    assert!(drain(&mut ours).is_empty());
    assert_eq!((ours.ssrc(), ours.statistics().dropped.looped), (new, 2));
}

#[test]
fn rfc3550_8_2_forged_collisions_do_not_make_us_change_over_and_over() {
    let now = some_instant();
    let mut ours = stream(bob(), 1, now);
    send(&mut ours, 0, now);
    let mut changes = 0;
    for port in 1000..3000 {
        let forged = packet(ours.ssrc(), 1, 0);
        let from = SocketAddr::new(bob().ip(), port);
        ours.handle_input(
            Input::datagram(forged, from),
            now + Duration::from_millis(u64::from(port)),
        );
        changes += events(&mut ours)
            .iter()
            .filter(|event| matches!(event, Event::SsrcChanged { .. }))
            .count();
    }
    assert_eq!(changes, 1);
}

#[test]
fn rfc7362_5_an_attacker_cannot_take_a_stream_that_is_alive() {
    let now = some_instant();
    let attacker = address("203.0.113.66:666");
    let mut ours = stream(bob(), 1, now);
    for index in 0..3 {
        ours.handle_input(
            Input::datagram(packet(7, index, u32::from(index) * 160), bob()),
            now,
        );
    }
    for index in 0..50 {
        ours.handle_input(
            Input::datagram(packet(8, index, u32::from(index) * 160), attacker),
            now + TICK,
        );
    }
    assert_eq!(ours.remote(), bob());
    assert_eq!(
        (
            ours.statistics().dropped.wrong_source,
            ours.statistics().packets_received
        ),
        (50, 3)
    );
}

#[test]
fn rfc4961_a_stream_behind_a_nat_is_found_and_loses_nothing() {
    let now = some_instant();
    let real = address("198.51.100.9:31000");
    let mut ours = stream(bob(), 1, now);
    // A single stray packet from elsewhere proves nothing.
    ours.handle_input(
        Input::datagram(packet(1, 500, 0), address("203.0.113.66:666")),
        now,
    );
    for index in 0..4 {
        ours.handle_input(
            Input::datagram(packet(7, 100 + index, u32::from(index) * 160), real),
            now + TICK * u32::from(index),
        );
    }
    let all = events(&mut ours);
    assert_eq!((ours.remote(), count_packets(&all)), (real, 4));
    assert!(matches!(all[0], Event::Latched(address) if address == real));
    // It moves (the NAT forgot its binding) only after a silence.
    let moved = address("198.51.100.9:31001");
    for index in 4..8 {
        ours.handle_input(
            Input::datagram(packet(7, 100 + index, u32::from(index) * 160), moved),
            now + TICK * u32::from(index),
        );
    }
    assert_eq!(ours.remote(), real);
    for index in 8..12 {
        ours.handle_input(
            Input::datagram(packet(7, 100 + index, u32::from(index) * 160), moved),
            now + Duration::from_secs(5),
        );
    }
    assert_eq!(ours.remote(), moved);
}

#[test]
fn strict_latching_hears_the_signalled_address_only() {
    let now = some_instant();
    let mut config = StreamConfig::new(bob(), 8000, "a@b", [1; 32]);
    config.latching = Latching::Strict;
    let mut ours = RtpStream::new(config, SystemTime::UNIX_EPOCH, now);
    for index in 0..5 {
        ours.handle_input(
            Input::datagram(packet(7, index, 0), address("192.0.2.2:6002")),
            now,
        );
    }
    assert!(drain(&mut ours).is_empty());
    ours.set_remote(address("192.0.2.2:6002"), None, now);
    for index in 5..8 {
        ours.handle_input(
            Input::datagram(packet(7, index, 0), address("192.0.2.2:6002")),
            now,
        );
    }
    assert_eq!(count_packets(&events(&mut ours)), 3);
}

#[test]
fn a_flood_of_sources_stays_bounded_and_does_not_push_out_the_real_one() {
    let now = some_instant();
    let mut ours = stream(bob(), 1, now);
    for index in 0..3 {
        ours.handle_input(Input::datagram(packet(7, index, 0), bob()), now);
    }
    for ssrc in 100..10_100 {
        ours.handle_input(Input::datagram(packet(ssrc, 1, 0), bob()), now);
    }
    assert_eq!(ours.sources.len(), 16);
    ours.handle_input(Input::datagram(packet(7, 3, 0), bob()), now);
    let all = events(&mut ours);
    assert_eq!(
        (
            count_packets(&all),
            ours.statistics().dropped.too_many_sources
        ),
        (4, 9985)
    );
}

#[test]
fn silence_is_told_once() {
    let now = some_instant();
    let mut config = StreamConfig::new(bob(), 8000, "a@b", [1; 32]);
    config.inactivity = Some(Duration::from_secs(2));
    config.rtcp = false;
    let mut ours = RtpStream::new(config, SystemTime::UNIX_EPOCH, now);
    assert_eq!(ours.poll_timeout(), Some(now + Duration::from_secs(2)));
    ours.handle_timeout(now + Duration::from_secs(2));
    assert!(matches!(events(&mut ours)[..], [Event::Inactive]));
    assert_eq!(ours.poll_timeout(), None);
    for index in 0..2 {
        ours.handle_input(
            Input::datagram(packet(7, index, 0), bob()),
            now + Duration::from_secs(3),
        );
    }
    drain(&mut ours);
    assert_eq!(ours.poll_timeout(), Some(now + Duration::from_secs(5)));
}

proptest! {
    #[test]
    fn any_datagrams_are_survived(datagrams in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..80), 0u8..3), 0..60)) {
        let mut now = some_instant();
        let mut ours = stream(bob(), 1, now);
        for (mut octets, kind) in datagrams {
            if let (Some(first), 1..) = (octets.first_mut(), kind) {
                *first = 0x80 | (*first & 0x1f);
            }
            if let (Some(second), 2) = (octets.get_mut(1), kind) {
                *second = 200 + *second % 5;
            }
            ours.handle_input(Input::datagram(octets, bob()), now);
            now += TICK;
            if ours.poll_timeout().is_some_and(|at| at <= now) {
                ours.handle_timeout(now);
            }
            drain(&mut ours);
            prop_assert!(ours.sources.len() <= 16);
            prop_assert!(ours.poll_timeout().is_some_and(|at| at > now - TICK));
        }
    }
}
