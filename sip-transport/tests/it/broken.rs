//! Streams that are broken, over real connections: what the peer reads, and what the process counts.

use sip_message::ParseErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// What a peer does to its connection.
struct Wrong {
    name: &'static str,
    sends: String,
    /// The first lines of what it reads before the connection ends.
    reads: &'static [&'static str],
    /// What was counted, once; nothing where the peer was only too slow.
    counts: Option<ParseErrorKind>,
}

fn whole() -> String {
    "OPTIONS sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
     From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\n\
     Content-Length: 0\r\n\r\n"
        .to_owned()
}

fn with_length(length: &str) -> String {
    whole().replace("Content-Length: 0\r\n", length)
}

fn wrongs() -> Vec<Wrong> {
    let wrong = |name, sends, reads, counts| Wrong {
        name,
        sends,
        reads,
        counts,
    };
    vec![
        wrong(
            "garbage before a message",
            "\0\x01\x02garbage\r\n".to_owned() + &whole(),
            &[],
            Some(ParseErrorKind::NotSip),
        ),
        wrong(
            "a length that is too short",
            whole() + "the rest of a body\r\n",
            &[],
            Some(ParseErrorKind::NotSip),
        ),
        wrong(
            "a length that is too long",
            with_length("Content-Length: 400\r\n") + &whole(),
            &[],
            None,
        ),
        wrong(
            "a negative length",
            with_length("Content-Length: -1\r\n"),
            &["SIP/2.0 400 Malformed Content-Length"],
            Some(ParseErrorKind::ContentLength),
        ),
        wrong(
            "a repeated length",
            with_length("Content-Length: 0\r\nl: 5\r\n"),
            &["SIP/2.0 400 Header field repeated that may occur once"],
            Some(ParseErrorKind::Duplicate),
        ),
        wrong(
            "no length",
            with_length(""),
            &["SIP/2.0 400 Content-Length missing"],
            Some(ParseErrorKind::ContentLengthMissing),
        ),
        wrong(
            "a length without measure",
            with_length("Content-Length: 4000000000\r\n"),
            &["SIP/2.0 513 Message Too Large"],
            Some(ParseErrorKind::MessageTooLarge),
        ),
        wrong(
            "a head that never ends",
            whole().replace("\r\n\r\n", &format!("\r\nX: {}", "x".repeat(200_000))),
            &["SIP/2.0 513 Header Too Large"],
            Some(ParseErrorKind::HeadTooLarge),
        ),
        wrong(
            "a start line that never ends",
            "OPTIONS sip:".to_owned() + &"x".repeat(100_000),
            &[],
            Some(ParseErrorKind::NotSip),
        ),
        wrong("one byte and no more", "O".to_owned(), &[], None),
        wrong("half a message", whole()[..100].to_owned(), &[], None),
        wrong("nothing at all", String::new(), &[], None),
    ]
}

#[test]
fn rfc3261_18_3_broken_streams_are_answered_where_they_can_be_and_closed() {
    for wrong in wrongs() {
        within(async {
            let mut worker = Worker::with("127.0.0.1", |config| {
                config.first_message = Duration::from_millis(150);
                config.message_time = Duration::from_millis(100);
            });
            let mut peer = TcpStream::connect(worker.addr()).await.unwrap();
            let talk = async {
                // The connection may end before all is sent.
                let _ended = peer.write_all(wrong.sends.as_bytes()).await;
                let mut read = Vec::new();
                let _reset = peer.read_to_end(&mut read).await;
                read
            };
            let read = tokio::select! {
                read = talk => read,
                () = worker.run() => unreachable!("a worker runs for ever"),
            };
            let text = String::from_utf8_lossy(&read);
            let lines: Vec<&str> = text
                .split("\r\n")
                .filter(|line| line.starts_with("SIP/2.0 "))
                .collect();
            assert_eq!(lines, wrong.reads, "{}", wrong.name);
            let stats = worker.transports.stats();
            assert_eq!(
                (stats.connections, stats.stream_flows),
                (0, 0),
                "{}",
                wrong.name
            );
            let counted: Vec<_> = stats.all_malformed().collect();
            let expected: Vec<_> = wrong.counts.map(|kind| (kind, 1)).into_iter().collect();
            assert_eq!(counted, expected, "{}", wrong.name);
            assert_eq!(
                stats.slow_peers,
                u64::from(wrong.counts.is_none()),
                "{}",
                wrong.name
            );
        });
    }
}

#[test]
fn one_byte_at_a_time_ends_when_the_time_of_a_message_does() {
    within(async {
        let mut worker = Worker::with("127.0.0.1", |config| {
            config.message_time = Duration::from_millis(200);
        });
        let mut peer = TcpStream::connect(worker.addr()).await.unwrap();
        let drip = async {
            // A peer's own clock; each byte comes well within the time, the message never does.
            let mut read = [0; 1];
            for byte in whole().bytes().cycle() {
                if peer.write_all(&[byte]).await.is_err() {
                    return;
                }
                // Silence is what lets the next byte go.
                let silence = Duration::from_millis(5);
                if let Ok(read) = tokio::time::timeout(silence, peer.read(&mut read)).await {
                    assert!(read.is_err() || read.is_ok_and(|len| len == 0));
                    return;
                }
            }
        };
        tokio::select! {
            () = drip => {}
            () = worker.run() => unreachable!("a worker runs for ever"),
        }
        assert_eq!(worker.transports.stats().slow_peers, 1);
        assert_eq!(worker.transports.stats().requests, 0);
    });
}
