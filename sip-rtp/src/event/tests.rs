use proptest::prelude::*;

use super::*;
use crate::RtpPacket;
use crate::test_data::rtp_vector;

/// All packets of the events, as (timestamp, payload), sent on 20 ms intervals at 8 kHz.
fn packets(events: &[(u8, u32)]) -> Vec<EventPacket> {
    let mut sender = EventSender::new(480);
    for (event, duration) in events {
        sender.send(Event(*event), *duration, 10).unwrap();
    }
    let mut all = Vec::new();
    let mut media_time = 4000u32;
    while sender.is_busy() {
        all.extend(sender.next_packet(media_time, 160));
        media_time += 160;
    }
    all
}

fn receive(packets: impl IntoIterator<Item = EventPacket>) -> Vec<Received> {
    let mut receiver = EventReceiver::new();
    let mut all = Vec::new();
    for packet in packets {
        receiver.handle_packet(packet.timestamp, &packet.payload.to_octets(), |received| {
            all.push(received)
        });
    }
    receiver.expire(|received| all.push(received));
    all
}

#[test]
fn rfc4733_2_3_payload_vectors() {
    let octets = rtp_vector("telephone-event-start");
    let start = EventPayload::parse(RtpPacket::parse(&octets).unwrap().payload()).unwrap();
    assert_eq!(
        start,
        EventPayload {
            event: Event(5),
            end: false,
            volume: 10,
            duration: 160
        }
    );
    let octets = rtp_vector("telephone-event-end");
    let end = EventPayload::parse(RtpPacket::parse(&octets).unwrap().payload()).unwrap();
    assert_eq!(
        end,
        EventPayload {
            event: Event(5),
            end: true,
            volume: 10,
            duration: 1600
        }
    );
    assert_eq!(end.to_octets(), [5, 0x8a, 0x06, 0x40]);
    assert_eq!(EventPayload::parse(&[5, 0, 0]), None);
}

#[test]
fn rfc4733_2_5_1_2_updates_keep_the_timestamp_and_grow() {
    let sent = packets(&[(5, 800)]);
    let shape: Vec<_> = sent
        .iter()
        .map(|packet| {
            (
                packet.timestamp,
                packet.marker,
                packet.payload.end,
                packet.payload.duration,
            )
        })
        .collect();
    assert_eq!(
        shape,
        [
            (4000, true, false, 160),
            (4000, false, false, 320),
            (4000, false, false, 480),
            (4000, false, false, 640),
            (4000, false, true, 800),
            (4000, false, true, 800),
            (4000, false, true, 800),
        ]
    );
}

#[test]
fn rfc4733_2_5_1_3_long_events_are_cut_into_segments() {
    let duration = 3 * 0xffff + 1000;
    let sent = packets(&[(11, duration)]);
    assert_eq!(sent.iter().filter(|packet| packet.marker).count(), 1);
    assert_eq!(sent.iter().filter(|packet| packet.payload.end).count(), 3);
    let mut starts: Vec<_> = sent.iter().map(|packet| packet.timestamp).collect();
    starts.dedup();
    assert_eq!(
        starts,
        [4000, 4000 + 0xffff, 4000 + 2 * 0xffff, 4000 + 3 * 0xffff]
    );
    assert_eq!(
        receive(sent),
        [
            Received::Started(Event(11)),
            Received::Ended(Event(11), u64::from(duration))
        ]
    );
}

#[test]
fn rfc4733_2_5_2_2_repetitions_and_stragglers_do_not_double_a_digit() {
    let sent = packets(&[(1, 800), (1, 800)]);
    let mut doubled: Vec<_> = sent.iter().flat_map(|packet| [*packet, *packet]).collect();
    // The first event's packets once more, long after it ended.
    doubled.extend(sent.iter().take(7));
    let one = [Received::Started(Event(1)), Received::Ended(Event(1), 800)];
    assert_eq!(receive(doubled), [one, one].concat());
}

#[test]
fn rfc4733_2_5_2_2_an_event_is_known_from_any_of_its_packets() {
    for kept in 0..7 {
        let sent = packets(&[(9, 800)]);
        let received = receive([sent[kept]]);
        assert_eq!(received.len(), 2, "{kept}");
        assert_eq!(received[0], Received::Started(Event(9)));
    }
}

#[test]
fn rfc4733_2_5_1_5_several_events_in_one_packet() {
    let mut payload = Vec::new();
    for (event, end) in [(1, true), (2, true), (3, false)] {
        payload.extend(
            EventPayload {
                event: Event(event),
                end,
                volume: 10,
                duration: 400,
            }
            .to_octets(),
        );
    }
    let mut receiver = EventReceiver::new();
    let mut all = Vec::new();
    receiver.handle_packet(1000, &payload, |received| all.push(received));
    let (a, b) = (Event(1), Event(2));
    assert_eq!(
        all,
        [
            Received::Started(a),
            Received::Ended(a, 400),
            Received::Started(b),
            Received::Ended(b, 400),
            Received::Started(Event(3))
        ]
    );
    assert_eq!(receiver.current(), Some(Event(3)));
}

#[test]
fn the_queue_is_bounded() {
    let mut sender = EventSender::new(0);
    let accepted = (0..1000)
        .filter(|_| sender.send(Event(1), 800, 10).is_ok())
        .count();
    assert_eq!(accepted, 256);
}

proptest! {
    // Any loss that leaves one packet of each event, with duplicates and neighbours swapped: each digit once, in order.
    #[test]
    fn no_digit_is_lost_or_doubled(
        digits in proptest::collection::vec((0u8..16, 1u32..3000), 1..12),
        fate in proptest::collection::vec((0u8..10, any::<bool>()), 400),
    ) {
        let sent = packets(&digits);
        let mut starts: Vec<_> = sent.iter().map(|packet| packet.timestamp).collect();
        starts.dedup();
        let mut arrived: Vec<EventPacket> = Vec::new();
        for start in starts {
            let event: Vec<_> = sent.iter().filter(|packet| packet.timestamp == start).collect();
            let before = arrived.len();
            for (index, packet) in event.iter().enumerate() {
                let (loss, twice) = fate[(before + index) % fate.len()];
                let last_chance = index + 1 == event.len() && arrived.len() == before;
                if loss > 2 || last_chance {
                    arrived.push(**packet);
                    if twice {
                        arrived.push(**packet);
                    }
                }
            }
            // Reordering within the event.
            let len = arrived.len();
            if len - before >= 2 && fate[before % fate.len()].1 {
                arrived.swap(len - 1, len - 2);
            }
        }
        let heard: Vec<u8> = receive(arrived).into_iter().filter_map(|received| match received {
            Received::Started(event) => Some(event.0),
            Received::Ended(..) => None,
        }).collect();
        prop_assert_eq!(heard, digits.iter().map(|(event, _)| *event).collect::<Vec<_>>());
    }

    #[test]
    fn any_payload_is_survived(packets in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..30)), 0..50)) {
        let mut receiver = EventReceiver::new();
        let (mut started, mut ended) = (0, 0);
        for (timestamp, payload) in packets {
            receiver.handle_packet(timestamp, &payload, |received| match received {
                Received::Started(_) => started += 1,
                Received::Ended(..) => ended += 1,
            });
        }
        receiver.expire(|_| ended += 1);
        prop_assert_eq!(started, ended);
    }
}
