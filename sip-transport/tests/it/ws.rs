use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

fn start() -> Worker {
    let addr = "127.0.0.1:0".parse().unwrap();
    Worker::listening(&[Listen::ws(addr)], |_| {})
}

/// Opens a WebSocket as a browser would, while the worker runs.
async fn browser(
    worker: &mut Worker,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, Error> {
    let addr = worker.addr();
    let open = async {
        let mut request = format!("ws://{addr}/").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        client_async(request, stream)
            .await
            .map(|(socket, _)| socket)
    };
    tokio::select! {
        opened = open => opened,
        () = worker.run() => unreachable!("a worker runs for ever"),
    }
}

fn status_of(result: Result<WebSocketStream<TcpStream>, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

/// The next frame, while the worker runs.
async fn frame(worker: &mut Worker, socket: &mut WebSocketStream<TcpStream>) -> Option<Frame> {
    tokio::select! {
        frame = socket.next() => frame.and_then(Result::ok),
        () = worker.run() => unreachable!("a worker runs for ever"),
    }
}

const SIP: (&str, &str) = ("sec-websocket-protocol", "sip");

#[test]
fn rfc7118_5_a_request_and_its_response_pass_between_two_workers() {
    within(async {
        let (mut a, mut b) = (start(), start());
        let flow = a.flow_to(b.addr(), TransportKind::Ws).await;
        for n in 0..3 {
            let body = "x".repeat(n * 15_000);
            a.send(flow.id, request(flow, "MESSAGE", &body));
            let (message, _, reply) = b.message_beside(&mut a).await;
            assert_eq!(message.body().len(), body.len());
            assert_eq!(reply.kind, TransportKind::Ws);
            b.send(reply.id, ok_to(&message));
            let (message, back, _) = a.message_beside(&mut b).await;
            assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
            assert_eq!(back, flow);
        }
        assert_eq!(b.transports.stats().connections, 1);
    });
}

#[test]
fn rfc7118_4_2_text_and_binary_messages_are_sip_messages() {
    within(async {
        let mut worker = start();
        let mut socket = browser(&mut worker, &[SIP]).await.unwrap();
        let flow = Flow::new(
            FlowId::from_parts(0, 0),
            TransportKind::Ws,
            "192.0.2.1:5060".parse().unwrap(),
            worker.addr(),
        );
        let text = request(flow, "OPTIONS", "");
        socket.send(Frame::text(text.clone())).await.unwrap();
        socket.send(Frame::binary(text.into_bytes())).await.unwrap();
        let (first, ..) = worker.message().await;
        let (second, _, reply) = worker.message().await;
        assert_eq!(first.to_bytes(), second.to_bytes());
        worker.send(reply.id, ok_to(&second));
        let answer = frame(&mut worker, &mut socket).await.unwrap();
        assert!(answer.to_text().unwrap().starts_with("SIP/2.0 200 OK"));
    });
}

#[test]
fn rfc7118_4_1_a_client_without_the_subprotocol_is_refused() {
    within(async {
        let mut worker = start();
        assert_eq!(status_of(browser(&mut worker, &[]).await), 400);
        let other = ("sec-websocket-protocol", "chat");
        assert_eq!(status_of(browser(&mut worker, &[other]).await), 400);
        let several = ("sec-websocket-protocol", "chat, sip");
        assert!(browser(&mut worker, &[several]).await.is_ok());
    });
}

#[test]
fn rfc6455_10_2_other_origins_are_refused_when_a_list_is_given() {
    within(async {
        let mut worker = start();
        let (ours, theirs) = (
            ("origin", "https://phone.example.com"),
            ("origin", "https://evil.example.com"),
        );
        assert!(browser(&mut worker, &[SIP, theirs]).await.is_ok());
        worker
            .driver
            .allow_origins(Some(&["https://phone.example.com"]));
        assert_eq!(status_of(browser(&mut worker, &[SIP, theirs]).await), 403);
        assert!(browser(&mut worker, &[SIP, ours]).await.is_ok());
        assert!(browser(&mut worker, &[SIP]).await.is_ok());
    });
}

#[test]
fn rfc7118_6_pings_are_answered_as_frames_and_as_line_ends() {
    within(async {
        let mut worker = start();
        let mut socket = browser(&mut worker, &[SIP]).await.unwrap();
        socket.send(Frame::Ping("hello".into())).await.unwrap();
        assert_eq!(
            frame(&mut worker, &mut socket).await,
            Some(Frame::Pong("hello".into()))
        );
        socket.send(Frame::text("\r\n\r\n")).await.unwrap();
        assert_eq!(
            frame(&mut worker, &mut socket).await,
            Some(Frame::text("\r\n"))
        );
    });
}

#[test]
fn a_message_beyond_the_limit_ends_the_connection() {
    within(async {
        let mut worker = start();
        let mut socket = browser(&mut worker, &[SIP]).await.unwrap();
        socket.send(Frame::text("x".repeat(70_000))).await.unwrap();
        assert!(matches!(worker.event().await, Event::FlowFailed { .. }));
        assert_eq!(worker.transports.stats().connections, 0);
    });
}

#[test]
fn a_browser_that_leaves_is_not_called_back() {
    within(async {
        let mut worker = start();
        let mut socket = browser(&mut worker, &[SIP]).await.unwrap();
        let local = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow::new(
            FlowId::from_parts(0, 0),
            TransportKind::Ws,
            local,
            worker.addr(),
        );
        socket
            .send(Frame::text(request(flow, "OPTIONS", "")))
            .await
            .unwrap();
        let (_, flow, _) = worker.message().await;
        socket.close(None).await.unwrap();
        match worker.event().await {
            Event::FlowFailed {
                flow: failed,
                reopens: false,
                ..
            } => assert_eq!(failed, flow.id),
            event => panic!("{event:?}"),
        }
    });
}

#[test]
fn garbage_instead_of_a_handshake_is_closed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    within(async {
        let mut worker = start();
        let mut peer = TcpStream::connect(worker.addr()).await.unwrap();
        peer.write_all(b"OPTIONS sip:b SIP/2.0\r\n\r\n")
            .await
            .unwrap();
        assert!(matches!(worker.event().await, Event::FlowFailed { .. }));
        let mut rest = Vec::new();
        // An orderly end or a reset.
        let _ended = peer.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"SIP/2.0"));
    });
}

#[cfg(feature = "tls")]
mod over_tls {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::{Authority, flow_to_name, secured};

    #[test]
    fn rfc7118_5_a_request_and_its_response_pass_over_tls() {
        within(async {
            let authority = Authority::new();
            let config = authority.config(vec![authority.identity(&["sip:b.example"])]);
            let mut b = secured(TransportKind::Wss, config);
            let mut a = secured(TransportKind::Wss, authority.config(vec![]));
            let flow = flow_to_name(&mut a, "b.example", b.addr(), TransportKind::Wss).await;
            for n in 0..3 {
                let body = "x".repeat(n * 15_000);
                a.send(flow.id, request(flow, "MESSAGE", &body));
                let (message, _, reply) = b.message_beside(&mut a).await;
                assert_eq!(message.body().len(), body.len());
                assert_eq!(reply.kind, TransportKind::Wss);
                b.send(reply.id, ok_to(&message));
                let (message, back, _) = a.message_beside(&mut b).await;
                assert_eq!(message.as_response().unwrap().status().as_u16(), 200);
                assert_eq!(back, flow);
            }
            let peer = a.transports.peer_identity(flow.id).unwrap();
            assert!(peer.proves("b.example"));
        });
    }

    #[test]
    fn rfc7118_5_a_browser_is_served_and_its_origin_checked() {
        within(async {
            let authority = Authority::new();
            let config = authority.config(vec![authority.identity(&["b.example"])]);
            let mut worker = secured(TransportKind::Wss, config);
            worker
                .driver
                .allow_origins(Some(&["https://phone.example.com"]));
            for (origin, status) in [
                ("https://phone.example.com", None),
                ("https://evil.example.com", Some(403)),
            ] {
                let addr = worker.addr();
                let open = async {
                    let stream = TcpStream::connect(addr).await.unwrap();
                    let connector = TlsConnector::from(Arc::new(authority.stranger()));
                    let name = ServerName::try_from("b.example").unwrap();
                    let stream = connector.connect(name, stream).await.unwrap();
                    let mut request = "wss://b.example/".into_client_request().unwrap();
                    for (name, value) in [SIP, ("origin", origin)] {
                        request.headers_mut().insert(name, value.parse().unwrap());
                    }
                    client_async(request, stream).await
                };
                let opened = tokio::select! {
                    opened = open => opened,
                    () = worker.run() => unreachable!("a worker runs for ever"),
                };
                match (opened, status) {
                    (Ok((mut socket, _)), None) => {
                        socket.send(Frame::text("\r\n\r\n")).await.unwrap();
                        let pong = tokio::select! {
                            frame = socket.next() => frame.unwrap().unwrap(),
                            () = worker.run() => unreachable!("a worker runs for ever"),
                        };
                        assert_eq!(pong, Frame::text("\r\n"));
                    }
                    (Err(Error::Http(response)), Some(status)) => {
                        assert_eq!(response.status().as_u16(), status);
                    }
                    (other, _) => panic!("{other:?}"),
                }
            }
        });
    }
}
