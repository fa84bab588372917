use super::*;

#[test]
fn rfc3261_21_4_1_a_broken_request_is_answered_with_a_reason() {
    let via = "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1";
    for (text, answer) in [
        (
            request(via, "OPTIONS", "").replace("CSeq: 7 OPTIONS", "CSeq: seven OPTIONS"),
            "SIP/2.0 400 Malformed CSeq",
        ),
        (
            request(via, "OPTIONS", "").replace("CSeq: 7 OPTIONS", "CSeq: 7 INVITE"),
            "SIP/2.0 400 CSeq method does not match the request",
        ),
        (
            request(via, "OPTIONS", "").replace("Content-Length: 0", "Content-Length: 9"),
            "SIP/2.0 400 Content-Length exceeds the body",
        ),
        (
            request(via, "OPTIONS", "").replace("Content-Length: 0", "Content-Length: -1"),
            "SIP/2.0 400 Malformed Content-Length",
        ),
        (
            request(via, "OPTIONS", "no colon here\r\n"),
            "SIP/2.0 400 Malformed header field name",
        ),
        (
            request(via, "OPTIONS", "").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"),
            "SIP/2.0 505 Version Not Supported",
        ),
    ] {
        let mut bench = Bench::new();
        let outputs = bench.datagram(PEER, text.clone());
        let status = answer.split(' ').nth(1).unwrap();
        assert_eq!(
            words(&outputs),
            [
                format!("malformed {status}"),
                format!("datagram 192.0.2.9:5070 {answer}")
            ],
            "{text}"
        );
        let Output::Datagram { payload, .. } = &outputs[1] else {
            panic!()
        };
        let Ok(sip_message::Message::Response(reply)) =
            sip_message::Message::parse(payload.clone(), &sip_message::ParserConfig::default())
        else {
            panic!("the answer is not SIP")
        };
        assert!(reply.headers().to_tag().is_some());
        assert_eq!(bench.transports.stats().answered, 1);
        assert_eq!(
            bench.transports.stats().datagram_flows,
            0,
            "a flow for {text}"
        );
    }
}

#[test]
fn rfc3261_18_3_what_cannot_be_answered_is_counted() {
    let via = "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1";
    for (text, kind) in [
        ("hello".to_owned(), ParseErrorKind::NotSip),
        (
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            ParseErrorKind::NotSip,
        ),
        (
            request(via, "OPTIONS", "").replace("Via:", "X:"),
            ParseErrorKind::ViaMissing,
        ),
        (
            response(via).replace("Content-Length: 0", "Content-Length: 7"),
            ParseErrorKind::BodyTruncated,
        ),
        (
            response(via).replace("Call-ID", "X"),
            ParseErrorKind::CallIdMissing,
        ),
    ] {
        let mut bench = Bench::new();
        let outputs = bench.datagram(PEER, text.clone());
        assert_eq!(outputs.len(), 1, "{text}: {outputs:?}");
        assert!(
            matches!(
                outputs[0],
                Output::Event(Event::Malformed { answered: None, .. })
            ),
            "{text}: {outputs:?}"
        );
        assert_eq!(
            bench.transports.stats().malformed(kind),
            1,
            "{text}: {:?}",
            bench.transports.stats()
        );
    }
}

#[test]
fn rfc3261_17_1_1_3_a_broken_ack_is_never_answered() {
    let mut bench = Bench::new();
    let text =
        request("SIP/2.0/UDP h;branch=z9hG4bK1", "ACK", "").replace("CSeq: 7 ACK", "CSeq: x ACK");
    let outputs = bench.datagram(PEER, text);
    assert!(
        matches!(
            outputs[..],
            [Output::Event(Event::Malformed { answered: None, .. })]
        ),
        "{outputs:?}"
    );
}

#[test]
fn rfc3261_8_2_7_the_answer_to_the_same_broken_request_is_the_same() {
    let mut bench = Bench::new();
    let text = request(
        "SIP/2.0/UDP h;branch=z9hG4bK1;maddr=203.0.113.9",
        "INVITE",
        "broken\r\n",
    );
    let first = bench.datagram(PEER, text.clone());
    let second = bench.datagram(PEER, text);
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    // And it goes to who sent it, whatever maddr says.
    assert_eq!(
        words(&first)[1],
        "datagram 192.0.2.9:5060 SIP/2.0 400 Malformed header field name"
    );
}

#[test]
fn an_answer_is_hardly_larger_than_what_it_answers() {
    let mut bench = Bench::new();
    let many = "Via: SIP/2.0/UDP h;branch=z9hG4bK2\r\n".repeat(60);
    let text = request("SIP/2.0/UDP h;branch=z9hG4bK1", "OPTIONS", &many) + "x";
    let text = text.replace("CSeq: 7", "CSeq: x");
    let size = text.len();
    for output in bench.datagram(PEER, text) {
        if let Output::Datagram { payload, .. } = output {
            assert!(payload.len() <= size + 512);
        }
    }
}

#[test]
fn an_answer_that_comes_back_to_us_ends_there() {
    let mut bench = Bench::new();
    let text = request(
        "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1",
        "OPTIONS",
        "broken\r\n",
    );
    // A forged source: our own address.
    let outputs = bench.datagram("192.0.2.1:5060", text);
    let Output::Datagram { payload, .. } = outputs.last().unwrap().clone() else {
        panic!("{outputs:?}")
    };
    let outputs = bench.datagram("192.0.2.1:5060", payload);
    assert_eq!(
        words(&outputs),
        ["malformed a response to a request that is not ours"]
    );
}

#[test]
fn a_source_that_cannot_be_answered_is_dropped() {
    let mut bench = Bench::new();
    let outputs = bench.datagram(
        "192.0.2.9:0",
        request("SIP/2.0/UDP h;branch=z9hG4bK1;rport", "OPTIONS", ""),
    );
    assert!(matches!(
        outputs[..],
        [Output::Event(Event::Malformed {
            error: Malformed::Source,
            ..
        })]
    ));
    assert_eq!(bench.transports.stats().bad_source, 1);
}
