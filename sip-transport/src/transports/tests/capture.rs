use super::*;

#[test]
fn a_capture_sees_what_travels_in_both_directions() {
    let mut bench = Bench::new();
    bench.transports.capture(true);
    let outputs = bench.datagram(
        PEER,
        request("SIP/2.0/UDP h;branch=z9hG4bK1;rport", "OPTIONS", ""),
    );
    assert_eq!(
        words(&outputs),
        [
            "192.0.2.1:5060 <- 192.0.2.9:40000 OPTIONS sip:bob@192.0.2.1 SIP/2.0",
            "OPTIONS reply 192.0.2.9:40000"
        ]
    );
    let flow = flow_of(&outputs);
    assert_eq!(
        words(&bench.send(flow.id, b"SIP/2.0 200 OK\r\n")),
        [
            "192.0.2.1:5060 -> 192.0.2.9:40000 SIP/2.0 200 OK",
            "datagram 192.0.2.9:40000 SIP/2.0 200 OK"
        ]
    );
    // What arrives is captured as it came, without our stamps; broken messages and our answers to them too.
    let Output::Event(Event::Captured(captured)) = &outputs[0] else {
        panic!()
    };
    assert!(!captured.payload.windows(8).any(|part| part == b"received"));
    let broken = request(
        "SIP/2.0/UDP h;branch=z9hG4bK1;rport",
        "OPTIONS",
        "broken\r\n",
    );
    let words = words(&bench.datagram(PEER, broken));
    assert_eq!(
        words[0],
        "192.0.2.1:5060 <- 192.0.2.9:40000 OPTIONS sip:bob@192.0.2.1 SIP/2.0"
    );
    assert_eq!(
        words[2],
        "192.0.2.1:5060 -> 192.0.2.9:40000 SIP/2.0 400 Malformed header field name"
    );
    assert!(bench.datagram(PEER, "\r\n\r\n").is_empty());
}

#[test]
fn a_capture_of_a_connection_has_the_port_of_the_connection() {
    let mut bench = Bench::new();
    bench.transports.capture(true);
    let flow = bench.select("sip:192.0.2.9;transport=tcp", 500).unwrap()[0];
    let Output::Connect { connection, .. } = bench.send(flow.id, b"OPTIONS\r")[0] else {
        panic!()
    };
    let outputs = bench.input(Input::Connected {
        connection,
        local: addr("192.0.2.1:33000"),
    });
    assert_eq!(
        words(&outputs),
        [
            "192.0.2.1:33000 -> 192.0.2.9:5060 OPTIONS",
            "stream OPTIONS"
        ]
    );
    let outputs = bench.stream(connection, "\r\n\r\n".to_owned() + &options());
    assert_eq!(
        words(&outputs)[0],
        "192.0.2.1:33000 <- 192.0.2.9:5060 OPTIONS sip:bob@192.0.2.1 SIP/2.0"
    );
    bench.transports.capture(false);
    assert_eq!(
        words(&bench.send(flow.id, b"OPTIONS\r")),
        ["stream OPTIONS"]
    );
}
