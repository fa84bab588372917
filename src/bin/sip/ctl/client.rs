//! A client of the administrative interface: HTTP over loopback or a Unix socket, one request a connection.

use std::io;
use std::pin::Pin;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

use crate::admin::Place;

/// Longer lines are of no server of ours.
const LINE: usize = 1 << 20;

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// An answer whose body is still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    body: Body,
}

struct Body {
    stream: BufReader<Pin<Box<dyn Stream>>>,
    /// Is it in chunks? Else it ends with the connection.
    chunked: bool,
    /// What is left of the chunk.
    left: usize,
    /// What was read of a line that goes on in the next chunk.
    line: Vec<u8>,
    ended: bool,
}

/// Sends a request without a body.
pub(super) async fn request(place: &Place, method: &str, path: &str) -> io::Result<Answer> {
    let mut stream: Pin<Box<dyn Stream>> = match place {
        Place::Tcp(address) => Box::pin(TcpStream::connect(address).await?),
        #[cfg(unix)]
        Place::Unix(path) => Box::pin(tokio::net::UnixStream::connect(path).await?),
        #[cfg(not(unix))]
        Place::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
    };
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).await?;
    let mut stream = BufReader::new(stream);
    let first = head_line(&mut stream).await?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("no HTTP server answers there"))?;
    let mut chunked = false;
    loop {
        let line = head_line(&mut stream).await?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
    }
    Ok(Answer {
        status,
        body: Body {
            stream,
            chunked,
            left: 0,
            line: Vec::new(),
            ended: false,
        },
    })
}

async fn head_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    stream
        .take(LINE as u64)
        .read_until(b'\n', &mut line)
        .await?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

impl Answer {
    /// The whole body.
    pub(super) async fn text(mut self) -> io::Result<String> {
        let mut text = String::new();
        while let Some(line) = self.line().await? {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }

    /// The next line of the body, or `None` at its end.
    pub(super) async fn line(&mut self) -> io::Result<Option<String>> {
        self.body.line().await
    }
}

impl Body {
    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let line = std::mem::replace(&mut self.line, rest);
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.ended {
                let line = std::mem::take(&mut self.line);
                let text = String::from_utf8_lossy(&line).into_owned();
                return Ok((!text.is_empty()).then_some(text));
            }
            if self.line.len() > LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.more().await?;
        }
    }

    /// Reads some more of the body.
    async fn more(&mut self) -> io::Result<()> {
        if self.chunked && self.left == 0 {
            let size = head_line(&mut self.stream).await?;
            let size = size.split(';').next().unwrap_or_default();
            self.left = usize::from_str_radix(size, 16)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            if self.left == 0 {
                self.ended = true;
                return Ok(());
            }
        }
        let bytes = self.stream.fill_buf().await?;
        let mut count = bytes.len();
        if self.chunked {
            count = count.min(self.left);
        }
        if count == 0 {
            if self.chunked {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.ended = true;
            return Ok(());
        }
        self.line
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        self.stream.consume(count);
        if self.chunked {
            self.left -= count;
            if self.left == 0 {
                // The line end behind the chunk.
                head_line(&mut self.stream).await?;
            }
        }
        Ok(())
    }
}
