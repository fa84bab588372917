//! WebSocket connections (RFC 7118 over RFC 6455).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{accept_hdr_async_with_config, client_async_with_config};

use super::Item;
use super::connection::{Connection, Ended, LINGER, Origins};
use super::outbox::Queue;
use crate::id::ConnectionId;
use crate::io::Input;

/// A message is no larger than over UDP or TCP.
const MESSAGE: usize = 65_535;
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// RFC 7118 §4.1: the subprotocol.
const SUBPROTOCOL: &str = "sip";

/// What a WebSocket runs over: TCP, or TLS.
pub(super) trait Below: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Below for S {}

impl Connection {
    /// Does the server's part of the handshake and runs the connection.
    pub(super) async fn accepted_ws<S: Below>(mut self, stream: S, origins: Origins) {
        #[expect(
            clippy::result_large_err,
            reason = "the signature that the library asks for"
        )]
        let check = move |request: &Request, response: Response| check(request, response, &origins);
        let accepted = tokio::select! {
            accepted = accept_hdr_async_with_config(stream, check, Some(config())) => accepted.map_err(to_io),
            () = tokio::time::sleep(HANDSHAKE_TIME) => Err(io::ErrorKind::TimedOut.into()),
            // Nothing is queued before a request came, so this is the end of the queue.
            _ = self.queue.recv() => return,
        };
        match accepted {
            Ok(socket) => self.run_ws(socket).await,
            Err(error) => self.close(Some(&error)).await,
        }
    }

    /// Does the client's part of the handshake and runs the connection.
    pub(super) async fn connect_ws<S: Below>(
        mut self,
        stream: S,
        local: SocketAddr,
        remote: SocketAddr,
        server_name: Option<Box<str>>,
    ) {
        let host = server_name.map_or_else(
            || remote.to_string(),
            |name| format!("{name}:{}", remote.port()),
        );
        let handshake = async {
            let mut request = format!("ws://{host}/")
                .into_client_request()
                .map_err(to_io)?;
            request.headers_mut().insert(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(SUBPROTOCOL),
            );
            let connect = client_async_with_config(request, stream, Some(config()));
            let (socket, response) = connect.await.map_err(to_io)?;
            // RFC 7118 §4.1: without the subprotocol it is not SIP.
            if offers_sip(response.headers()) {
                Ok(socket)
            } else {
                Err(io::Error::other(
                    "the server does not speak SIP over WebSocket",
                ))
            }
        };
        let opened = tokio::select! {
            opened = handshake => opened,
            _ = self.queue.recv() => return,
        };
        match opened {
            Ok(socket) => {
                let connection = self.id;
                if self.report(Input::Connected { connection, local }).await {
                    self.run_ws(socket).await;
                }
            }
            Err(error) => self.close(Some(&error)).await,
        }
    }

    async fn run_ws<S: Below>(mut self, socket: WebSocketStream<S>) {
        let (mut writer, mut reader) = socket.split();
        let connection = self.id;
        let ended = {
            let (inbox, queue) = (&self.inbox, &mut self.queue);
            tokio::select! {
                ended = read(connection, inbox, &mut reader) => Ended::ByPeer(ended),
                ended = write(connection, queue, inbox, &mut writer) => Ended::ByUs(ended),
            }
        };
        match ended {
            Ended::ByPeer(error) | Ended::ByUs(Err(error @ Some(_))) => {
                // RFC 6455 §5.5.1: a Close is answered by a Close.
                let _in_time = tokio::time::timeout(LINGER, writer.close()).await;
                self.close(error.as_ref()).await;
            }
            Ended::ByUs(_) => {
                let linger = async {
                    if writer.close().await.is_ok() {
                        while let Some(Ok(_)) = reader.next().await {}
                    }
                };
                let _in_time = tokio::time::timeout(LINGER, linger).await;
            }
        }
        drop(self.alive);
    }
}

/// RFC 7118 §4.1, §5: the client must offer the subprotocol `sip`, and is told that it was chosen.
#[expect(
    clippy::result_large_err,
    reason = "the signature that the library asks for"
)]
fn check(
    request: &Request,
    mut response: Response,
    origins: &Origins,
) -> Result<Response, ErrorResponse> {
    let refuse = |status, why: &str| {
        let mut response = ErrorResponse::new(Some(why.to_owned()));
        *response.status_mut() = status;
        Err(response)
    };
    if !offers_sip(request.headers()) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "the WebSocket subprotocol must be sip",
        );
    }
    // RFC 6455 §10.2: browsers tell which page they act for.
    if let (Some(origins), Some(origin)) = (origins, request.headers().get(ORIGIN)) {
        let allowed = |one: &str| origin.as_bytes().eq_ignore_ascii_case(one.as_bytes());
        if !origins.iter().any(|one| allowed(one)) {
            return refuse(StatusCode::FORBIDDEN, "this origin is not allowed");
        }
    }
    response.headers_mut().insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    Ok(response)
}

fn offers_sip(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim().eq_ignore_ascii_case(SUBPROTOCOL))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE))
        // It is allocated for every connection, also for one that idles.
        .read_buffer_size(2048)
        // What is sent leaves at once.
        .write_buffer_size(0)
}

/// Hands up each message; the end, or the error that ended it. Pings are answered by the library.
async fn read<S: Below>(
    connection: ConnectionId,
    inbox: &mpsc::Sender<Item>,
    reader: &mut SplitStream<WebSocketStream<S>>,
) -> Option<io::Error> {
    while let Some(message) = reader.next().await {
        let payload = match message {
            // RFC 7118 §4.2: a SIP message is a text or a binary message.
            Ok(Message::Text(text)) => Bytes::from(text),
            Ok(Message::Binary(bytes)) => bytes,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => return None,
            Err(error) => return Some(to_io(error)),
        };
        if payload.is_empty() {
            continue;
        }
        let input = Input::Stream {
            connection,
            payload,
        };
        if inbox
            .send(Item {
                input,
                writer: None,
            })
            .await
            .is_err()
        {
            return None;
        }
    }
    None
}

/// Sends each message of the queue until it is closed. `Err(None)`: the peer left the rest unread for too long.
async fn write<S: Below>(
    connection: ConnectionId,
    queue: &mut Queue,
    inbox: &mpsc::Sender<Item>,
    writer: &mut SplitSink<WebSocketStream<S>, Message>,
) -> Result<(), Option<io::Error>> {
    let mut waiting: VecDeque<Bytes> = VecDeque::new();
    let mut open = true;
    let mut linger = pin!(tokio::time::sleep(LINGER));
    loop {
        let next = match waiting.pop_front() {
            Some(next) => Some(next),
            None if open => queue.recv().await,
            None => None,
        };
        let Some(payload) = next else {
            return Ok(());
        };
        let bytes = payload.len();
        let message = match Utf8Bytes::try_from(payload.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(payload),
        };
        let mut sending = pin!(writer.send(message));
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => {
                    sent.map_err(|error| Some(to_io(error)))?;
                    break;
                }
                // While the peer does not read: what else is there to send, and is it the end?
                more = queue.recv(), if open => match more {
                    Some(more) => waiting.push_back(more),
                    None => {
                        open = false;
                        linger.as_mut().reset(tokio::time::Instant::now() + LINGER);
                    }
                },
                () = &mut linger, if !open => return Err(None),
            }
        }
        let input = Input::Sent { connection, bytes };
        let _heard = inbox
            .send(Item {
                input,
                writer: None,
            })
            .await;
    }
}

fn to_io(error: Error) -> io::Error {
    if let Error::Io(error) = error {
        error
    } else {
        io::Error::other(error)
    }
}
