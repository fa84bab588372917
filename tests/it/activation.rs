//! Sockets that the service manager has opened (socket activation), handed to whole processes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `sip serve` with these as its descriptors from 3 on, as a service manager does it: the shell moves them there, and its number
/// is that of the program which takes its place.
fn serve(directory: &Path, first: OwnedFd, second: OwnedFd, more: &[&str]) -> Command {
    let script = "exec 3<&0 4<&2 0</dev/null 2>&1; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_sip"),
            "serve",
            "--danger-without-authentication",
            "--data",
        ])
        .arg(directory)
        .args(more)
        .stdin(Stdio::from(first))
        .stderr(Stdio::from(second))
        .stdout(Stdio::piped());
    command
}

fn options(transport: &str, to: &str, here: &str) -> String {
    format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/{transport} {here};branch=z9hG4bKactivated\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{here}>;tag=a\r\nTo: <sip:{to}>\r\nCall-ID: activated\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

fn sockets() -> (UdpSocket, TcpListener) {
    let (udp, tcp) = (
        UdpSocket::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    (udp, tcp)
}

#[test]
fn sockets_of_the_service_manager_are_served_and_outlive_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let (udp, tcp) = sockets();
    let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let listen = [format!("udp:{udp_at}"), format!("tcp:{tcp_at}")];
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let here = phone.local_addr().unwrap().to_string();
    // What arrives before there is a server waits in the socket; the second time no place is said, and the sockets say it.
    for listen in [
        vec!["--listen", &listen[0], "--listen", &listen[1]],
        Vec::new(),
    ] {
        let request = options("UDP", &udp_at.to_string(), &here);
        phone.send_to(request.as_bytes(), udp_at).unwrap();
        let (first, second) = (udp.try_clone().unwrap(), tcp.try_clone().unwrap());
        let mut server = serve(directory.path(), first.into(), second.into(), &listen);
        let mut server = Ends(server.spawn().unwrap());
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
        let mut told = |text: &str| {
            while !lines.next().unwrap().unwrap().starts_with(text) {}
        };
        told(&format!("Listening on UDP {udp_at}"));
        told(&format!("Listening on TCP {tcp_at}"));
        told("2 sockets taken over from the service manager");
        let mut buffer = [0; 4096];
        let (len, from) = phone.recv_from(&mut buffer).unwrap();
        assert_eq!(from, udp_at);
        assert!(buffer[..len].starts_with(b"SIP/2.0 200 "));
        let mut connection = TcpStream::connect(tcp_at).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let request = options(
            "TCP",
            &tcp_at.to_string(),
            &connection.local_addr().unwrap().to_string(),
        );
        connection.write_all(request.as_bytes()).unwrap();
        let len = connection.read(&mut buffer).unwrap();
        assert!(buffer[..len].starts_with(b"SIP/2.0 200 "));
    }
}

fn refused(
    directory: &Path,
    first: OwnedFd,
    second: OwnedFd,
    more: &[&str],
) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = serve(directory, first, second, more).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

#[test]
fn sockets_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (udp, tcp) = sockets();
    let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    // For no place.
    let place = format!("udp:{udp_at}");
    let (code, said) = refused(at, udp.into(), tcp.into(), &["--listen", &place]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("TCP {tcp_at}")), "{said}");
    // Of all addresses.
    let (_, tcp) = sockets();
    let all = UdpSocket::bind("0.0.0.0:0").unwrap();
    let (code, said) = refused(at, all.into(), tcp.into(), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("socket 1 of the service manager") && said.contains("all addresses"),
        "{said}"
    );
    // No socket of IP at all.
    let (udp, _) = sockets();
    let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let (code, said) = refused(at, udp.into(), pair.into(), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("socket 2 of the service manager is neither"),
        "{said}"
    );
    // One alone for two workers.
    let (udp, tcp) = sockets();
    let (code, said) = refused(at, udp.into(), tcp.into(), &["--workers", "2"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ReusePort=yes"), "{said}");
}
