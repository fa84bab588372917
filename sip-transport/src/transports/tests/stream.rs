use super::*;

#[test]
fn rfc3261_18_3_streams_are_framed_by_content_length() {
    let mut bench = Bench::new();
    let (connection, outputs) = bench.accept(1, PEER);
    assert!(outputs.is_empty());
    let two = options()
        + &options()
            .replace("OPTIONS", "MESSAGE")
            .replace("Content-Length: 0\r\n\r\n", "Content-Length: 3\r\n\r\nabc");
    let outputs = bench.stream(connection, two);
    assert_eq!(
        words(&outputs),
        [
            "OPTIONS reply 192.0.2.9:40000",
            "MESSAGE reply 192.0.2.9:40000"
        ]
    );
    let Output::Event(Event::Message { message, .. }) = &outputs[1] else {
        panic!()
    };
    assert_eq!(message.body(), b"abc");
    let flow = flow_of(&outputs);
    assert_eq!(
        words(&bench.send(flow.id, b"SIP/2.0 200 OK\r\n")),
        ["stream SIP/2.0 200 OK"]
    );
}

#[test]
fn rfc5626_4_4_1_a_ping_is_answered_by_one_line_end() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    for ping in ["\r", "\n\r"] {
        assert!(bench.stream(connection, ping).is_empty());
    }
    let outputs = bench.stream(connection, "\n");
    assert!(
        matches!(&outputs[..], [Output::Stream { payload, .. }] if payload == "\r\n"),
        "{outputs:?}"
    );
    // Two pings, a message after a single line end, and a ping that follows at once.
    let outputs = bench.stream(
        connection,
        "\r\n\r\n\r\n\r\n".to_owned() + "\r\n" + &options() + "\r\n\r\n",
    );
    assert_eq!(words(&outputs[..1]), ["OPTIONS reply 192.0.2.9:40000"]);
    assert!(
        matches!(&outputs[1..], [Output::Stream { payload, .. }] if payload == "\r\n\r\n\r\n"),
        "{outputs:?}"
    );
    assert_eq!(bench.transports.stats().keep_alives, 4);
}

#[test]
fn garbage_closes_the_connection() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.stream(connection, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(
        words(&outputs),
        [
            "malformed Not a SIP message (at byte 0)",
            "close",
            "failed Malformed"
        ]
    );
    assert!(bench.stream(connection, options()).is_empty());
    assert_eq!(bench.transports.stats().connections, 0);
}

#[test]
fn rfc3261_18_3_a_bad_content_length_is_answered_and_the_connection_closed() {
    for (length, answer) in [
        ("", "400 Content-Length missing"),
        ("Content-Length: -1\r\n", "400 Malformed Content-Length"),
        (
            "Content-Length: 1\r\nl: 2\r\n",
            "400 Header field repeated that may occur once",
        ),
        ("Content-Length: 99999999\r\n", "513 Message Too Large"),
    ] {
        let mut bench = Bench::new();
        let (connection, _) = bench.accept(1, PEER);
        let outputs = bench.stream(
            connection,
            options().replace("Content-Length: 0\r\n", length),
        );
        let status = answer.split(' ').next().unwrap();
        assert_eq!(
            words(&outputs),
            [
                format!("malformed {status}"),
                format!("stream SIP/2.0 {answer}"),
                "close".into(),
                "failed Malformed".into()
            ],
            "{length}"
        );
    }
}

#[test]
fn rfc3261_18_3_a_short_content_length_makes_the_rest_garbage() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.stream(
        connection,
        options() + "the body that the length denied\r\n",
    );
    assert_eq!(
        words(&outputs),
        [
            "OPTIONS reply 192.0.2.9:40000",
            "malformed Not a SIP message (at byte 0)",
            "close",
            "failed Malformed"
        ]
    );
}

#[test]
fn a_broken_message_in_a_whole_frame_does_not_cost_the_connection() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.stream(
        connection,
        options().replace("CSeq: 7", "CSeq: x") + &options(),
    );
    assert_eq!(
        words(&outputs),
        [
            "malformed 400",
            "stream SIP/2.0 400 Malformed CSeq",
            "OPTIONS reply 192.0.2.9:40000"
        ]
    );
}

#[test]
fn a_message_that_never_ends_is_cut_off() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.stream(
        connection,
        options().replace("Content-Length: 0\r\n\r\n", ""),
    );
    assert!(outputs.is_empty());
    let mut all = Vec::new();
    for _ in 0..100 {
        all.extend(bench.stream(connection, "X: ".to_owned() + &"x".repeat(1000) + "\r\n"));
    }
    let words = words(&all);
    assert_eq!(
        words.last().map(String::as_str),
        Some("failed Malformed"),
        "{words:?}"
    );
    assert!(
        words.contains(&"stream SIP/2.0 513 Header Too Large".to_owned()),
        "{words:?}"
    );
}

#[test]
fn one_byte_a_second_is_too_slow() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    bench.stream(connection, options());
    let text = options();
    let mut outputs = Vec::new();
    for byte in text.as_bytes().chunks(1).take(20) {
        outputs.extend(bench.stream(connection, byte.to_vec()));
        outputs.extend(bench.pass(Duration::from_secs(1)));
    }
    assert_eq!(
        words(&outputs),
        [
            "malformed a message that was not complete in time",
            "close",
            "failed Slow"
        ]
    );
    assert_eq!(bench.transports.stats().slow_peers, 1);
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let mut bench = Bench::new();
    bench.accept(1, PEER);
    assert!(bench.pass(Duration::from_secs(29)).is_empty());
    assert_eq!(
        words(&bench.pass(Duration::from_secs(1)))[1..],
        ["close", "failed Slow"]
    );
}

#[test]
fn a_connection_idles_for_an_hour() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    bench.stream(connection, options());
    assert!(bench.pass(Duration::from_secs(3599)).is_empty());
    bench.stream(connection, "\r\n\r\n");
    bench.input(Input::Sent {
        connection,
        bytes: 2,
    });
    assert!(bench.pass(Duration::from_secs(3599)).is_empty());
    assert_eq!(
        words(&bench.pass(Duration::from_secs(2))),
        ["close", "failed Idle"]
    );
    assert_eq!(bench.transports.poll_timeout(), None);
}

#[test]
fn a_reader_that_never_reads_is_closed() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    bench.send(flow.id, b"0123456789");
    bench.pass(Duration::from_secs(20));
    // Some progress buys time; none does not.
    bench.input(Input::Sent {
        connection,
        bytes: 4,
    });
    assert!(bench.pass(Duration::from_secs(29)).is_empty());
    assert_eq!(
        words(&bench.pass(Duration::from_secs(1))),
        ["close", "failed Slow"]
    );
}

#[test]
fn what_waits_to_be_sent_is_bounded() {
    let mut bench = Bench::with(|config| config.limits.output_bytes = 1000);
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let piece: &[u8] = &[b'x'; 400];
    for _ in 0..2 {
        assert_eq!(
            bench.transports.send(flow.id, Bytes::new(), bench.now),
            Ok(())
        );
        bench
            .transports
            .send(flow.id, Bytes::copy_from_slice(piece), bench.now)
            .unwrap();
    }
    bench.drain();
    bench.input(Input::Sent {
        connection,
        bytes: 400,
    });
    bench
        .transports
        .send(flow.id, Bytes::copy_from_slice(piece), bench.now)
        .unwrap();
    assert_eq!(bench.drain().len(), 1);
    bench
        .transports
        .send(flow.id, Bytes::copy_from_slice(piece), bench.now)
        .unwrap();
    assert_eq!(words(&bench.drain()), ["close", "failed Overflow"]);
    // Pings of a peer that never reads count too.
    let (connection, _) = bench.accept(2, PEER);
    let outputs = bench.stream(connection, "\r\n\r\n".repeat(600));
    assert_eq!(words(&outputs), ["close", "failed Overflow"]);
}

#[test]
fn ten_thousand_connections_from_one_address_are_refused_at_the_limit() {
    let mut bench = Bench::with(|config| config.limits.connections_per_peer = 3);
    for number in 0..10_000 {
        let (_, outputs) = bench.accept(number, PEER);
        assert_eq!(outputs.is_empty(), number < 3);
    }
    assert_eq!(bench.transports.stats().refused_connections, 9_997);
    // Others still get in, and who leaves makes room.
    assert!(bench.accept(20_000, "192.0.2.10:1").1.is_empty());
    bench.input(Input::Closed {
        connection: ConnectionId::accepted(0),
        error: None,
    });
    assert!(bench.accept(20_001, PEER).1.is_empty());
    assert_eq!(bench.transports.stats().connections, 4);
    // One IPv6 host has a whole network of addresses.
    for number in 0..4_u64 {
        let (_, outputs) = bench.accept(30_000 + number, &format!("[2001:db8::{number}]:1"));
        assert_eq!(outputs.is_empty(), number < 3);
    }
}

#[test]
fn all_connections_together_are_limited() {
    let mut bench = Bench::with(|config| config.limits.connections = 2);
    assert!(bench.accept(1, "192.0.2.10:1").1.is_empty());
    assert!(bench.accept(2, "192.0.2.11:1").1.is_empty());
    assert_eq!(words(&bench.accept(3, "192.0.2.12:1").1), ["close"]);
    let flow = bench.select("sip:192.0.2.13;transport=tcp", 500).unwrap()[0];
    assert_eq!(words(&bench.send(flow.id, b"x")), ["failed Evicted"]);
}

#[test]
fn rfc3261_18_2_2_a_response_reopens_a_closed_connection_to_sent_by() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let outputs = bench.input(Input::Closed {
        connection,
        error: Some(ConnectionError::Reset),
    });
    assert_eq!(words(&outputs), ["failed Lost(Reset) reopens"]);
    let outputs = bench.send(flow.id, b"SIP/2.0 200 OK\r\n");
    assert_eq!(words(&outputs), ["connect TCP 192.0.2.9:5070"]);
    let Output::Connect { connection, .. } = outputs[0] else {
        panic!()
    };
    let outputs = bench.input(Input::Connected {
        connection,
        local: addr("192.0.2.1:33000"),
    });
    assert_eq!(words(&outputs), ["stream SIP/2.0 200 OK"]);
    assert_eq!(
        bench.transports.flow(flow.id).unwrap().remote,
        addr("192.0.2.9:5070")
    );
}

#[test]
fn a_closed_connection_is_not_reopened_for_ever() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    bench.input(Input::Closed {
        connection,
        error: None,
    });
    assert_eq!(words(&bench.pass(Duration::from_secs(40))), ["failed Idle"]);
    assert_eq!(
        bench.transports.send(flow.id, Bytes::new(), bench.now),
        Err(Gone)
    );
    assert_eq!(bench.transports.poll_timeout(), None);
    assert_eq!(bench.transports.stats().stream_flows, 0);
}

#[test]
fn a_connection_that_owes_nothing_is_gone_when_closed() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let outputs = bench.input(Input::Closed {
        connection,
        error: None,
    });
    assert_eq!(words(&outputs), ["failed Closed"]);
    assert_eq!(bench.transports.stats().stream_flows, 0);
    assert_eq!(bench.transports.stats().connections, 0);
}

#[test]
fn a_time_of_never_is_never() {
    let mut bench = Bench::with(|config| {
        config.stream_idle = Duration::MAX;
        config.first_message = Duration::MAX;
        config.message_time = Duration::MAX;
    });
    let (connection, _) = bench.accept(1, PEER);
    bench.stream(connection, "OPTIONS");
    assert!(bench.pass(Duration::from_secs(86_400)).is_empty());
    let flow = bench.select("sip:192.0.2.9", 500).unwrap()[0];
    let keep_alive = Some(KeepAlive::ping(Duration::MAX));
    bench
        .transports
        .keep_alive(flow.id, keep_alive, bench.now)
        .unwrap();
}
