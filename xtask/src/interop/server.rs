//! `sip serve` as a case uses it, and a client of a few lines that is not ours to test.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    namespace::HOST,
    process::{Process, resident, wait_until},
    scene::{Scene, text},
};

/// How long a start may take: the development build on a loaded machine.
const START: Duration = Duration::from_secs(20);

/// The port that a server takes when nothing says otherwise.
pub(crate) const PORT: u16 = 5060;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    data: PathBuf,
    options: Vec<String>,
    starts: u32,
}

impl Server {
    /// Create these users (name, password) and start the server on its default addresses.
    pub(crate) fn start(scene: &Scene, users: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(scene, users, &[])
    }

    /// The same with further options.
    pub(crate) fn start_with(
        scene: &Scene,
        users: &[(&str, &str)],
        options: &[&str],
    ) -> Result<Self> {
        let mut list = String::new();
        for (name, password) in users {
            writeln!(list, "{name} {password}")?;
        }
        let file = scene.path("users.txt");
        fs::write(&file, list)?;
        let data = scene.path("data");
        scene.sip_done(
            "user-import",
            &["user", "import", text(&file)?, "--data", text(&data)?],
        )?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::on(scene, data, options, 1)
    }

    fn on(scene: &Scene, data: PathBuf, options: Vec<String>, starts: u32) -> Result<Self> {
        let mut arguments = vec!["serve", "--data", text(&data)?];
        arguments.extend(options.iter().map(String::as_str));
        let process = scene.sip(&format!("serve-{starts}"), &arguments)?;
        let mut server = Self {
            process,
            data,
            options,
            starts,
        };
        server.answers()?;
        Ok(server)
    }

    /// The same again on the same data, after its end.
    pub(crate) fn restarted(self, scene: &Scene) -> Result<Self> {
        Self::on(scene, self.data, self.options, self.starts + 1)
    }

    /// The server answers an OPTIONS over UDP.
    pub(crate) fn answers(&mut self) -> Result<()> {
        let process = &mut self.process;
        wait_until("the server to answer OPTIONS", START, || {
            process.still_runs()?;
            Ok(options(Self::address(), Duration::from_millis(300))?
                .filter(|answer| answer.starts_with("SIP/2.0 200 ")))
        })
        .with_context(|| format!("serve{}", process.tail()))?;
        Ok(())
    }

    /// A file in its data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    pub(crate) fn address() -> SocketAddr {
        SocketAddr::new(HOST, PORT)
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> Result<u64> {
        resident(self.process.id())
    }
}

/// An OPTIONS request written by hand; `None` when nothing comes back in time.
pub(crate) fn options(to: SocketAddr, patience: Duration) -> Result<Option<String>> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let socket = UdpSocket::bind((HOST, 0))?;
    let local = socket.local_addr()?;
    let request = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKinterop{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:interop@{local}>;tag=i{number}\r\nTo: <sip:{to}>\r\nCall-ID: interop-{number}@{local}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    exchange(&socket, to, request.as_bytes(), patience)
}

/// Send a datagram and wait for one.
pub(crate) fn exchange(
    socket: &UdpSocket,
    to: SocketAddr,
    payload: &[u8],
    patience: Duration,
) -> Result<Option<String>> {
    socket.send_to(payload, to)?;
    socket.set_read_timeout(Some(patience))?;
    let mut buffer = [0; 65_535];
    match socket.recv_from(&mut buffer) {
        Ok((length, _)) => Ok(Some(
            String::from_utf8_lossy(&buffer[..length]).into_owned(),
        )),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ) =>
        {
            Ok(None)
        }
        // Nobody listens there (yet).
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => bail!(error),
    }
}
