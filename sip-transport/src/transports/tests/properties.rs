use super::*;

/// What a stream of bytes means, cut at the given places.
fn meaning(stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let mut found = Vec::new();
    let mut pongs = 0;
    let mut from = 0;
    for &to in cuts.iter().chain([&stream.len()]) {
        let to = to.clamp(from, stream.len());
        if from < to {
            for output in bench.stream(connection, stream[from..to].to_vec()) {
                match &output {
                    // Pongs may travel together.
                    Output::Stream { payload, .. } if payload.starts_with(b"\r\n") => {
                        pongs += payload.len() / 2
                    }
                    Output::Event(Event::Message { message, .. }) => {
                        found.push(String::from_utf8_lossy(&message.to_bytes()).into_owned());
                    }
                    _ => found.extend(words(&[output])),
                }
            }
        }
        from = to;
    }
    found.push(format!("{pongs} pongs"));
    found
}

proptest! {
    /// RFC 3261 §18.3: however the bytes are cut, the messages are the same.
    #[test]
    fn rfc3261_18_3_any_split_gives_the_same_messages(
        pieces in proptest::collection::vec(0_usize..7, 1..6),
        mut cuts in proptest::collection::vec(0_usize..3000, 0..12),
    ) {
        let mut stream = Vec::new();
        for piece in pieces {
            let text = match piece {
                0 | 1 => options(),
                2 => options().replace("Content-Length: 0\r\n\r\n", "l: 4\r\n\r\n\r\n\r\n"),
                3 => "\r\n\r\n".to_owned(),
                4 => "\r\n".to_owned(),
                5 => options().replace("CSeq: 7", "CSeq: x"),
                _ => response("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1"),
            };
            stream.extend_from_slice(text.as_bytes());
        }
        cuts.sort_unstable();
        prop_assert_eq!(meaning(&stream, &cuts), meaning(&stream, &[]));
    }

    /// Whatever arrives, nothing panics and nothing grows.
    #[test]
    fn noise_is_absorbed(noise in proptest::collection::vec(any::<u8>(), 0..400), tcp in any::<bool>()) {
        let mut bench = Bench::new();
        if tcp {
            let (connection, _) = bench.accept(1, PEER);
            bench.stream(connection, noise);
        } else {
            bench.datagram(PEER, noise);
        }
        bench.pass(Duration::from_secs(7200));
        prop_assert_eq!(bench.transports.poll_timeout(), None);
        prop_assert_eq!(bench.transports.stats().connections, 0);
    }

    /// RFC 3261 §21.4.1: one changed byte makes at worst one answer to the sender.
    #[test]
    fn a_changed_byte_is_answered_at_most_once(at in 0_usize..400, byte in any::<u8>()) {
        let mut text = options().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let mut bench = Bench::new();
        let outputs = bench.datagram(PEER, text);
        let answers = outputs.iter().filter(|output| matches!(output, Output::Datagram { .. })).count();
        prop_assert!(answers <= 1);
        for output in &outputs {
            if let Output::Datagram { remote, payload, .. } = output {
                prop_assert_eq!(remote.ip(), addr(PEER).ip());
                prop_assert!(payload.starts_with(b"SIP/2.0 4") || payload.starts_with(b"SIP/2.0 5"));
            }
        }
    }
}
