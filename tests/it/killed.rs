//! What the data file keeps when the program is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use sip_stack::domain::Aor;
use sip_stack::location::{Embedded, LocationStore as _};
use sip_stack::store::{DataFile, FILE_NAME};

/// How many telephones register, and how many of them wait for an answer at a time.
const PHONES: usize = 10_000;
const WINDOW: usize = 400;

#[tokio::test]
async fn kill_9_in_the_middle_of_10_000_registrations_loses_none_and_invents_none() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("sip.toml");
    // As many wait on purpose as the overload control would not let stand.
    std::fs::write(&config, "[overload]\ntarget-ms = 0\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sip"))
        .args([
            "serve",
            "--danger-without-authentication",
            "--domain",
            "example.test",
            "--config",
        ])
        .arg(&config)
        .args(["--listen", "udp:127.0.0.1:0", "--data"])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(address) = line.strip_prefix("Listening on UDP ") {
            break address.to_owned();
        }
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let here = socket.local_addr().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut waiting: BTreeMap<usize, Instant> = BTreeMap::new();
    let (mut next, mut answered, mut sent) = (0, BTreeSet::new(), BTreeSet::new());
    let mut buffer = [0; 4096];
    // The middle: half of them have their answer, and a window full is on its way.
    while answered.len() < PHONES / 2 {
        while waiting.len() < WINDOW && next < PHONES {
            let text = format!(
                "REGISTER sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKk{next}\r\nMax-Forwards: 70\r\n\
                 From: <sip:user{next}@{address}>;tag=a\r\nTo: <sip:user{next}@{address}>\r\nCall-ID: call-{next}\r\n\
                 CSeq: 1 REGISTER\r\nContact: <sip:user{next}@{here}>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(text.as_bytes(), &address).unwrap();
            waiting.insert(next, Instant::now());
            sent.insert(next);
            next += 1;
        }
        if let Ok(len) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            let user = text.split("Call-ID: call-").nth(1).unwrap();
            let user: usize = user.split("\r\n").next().unwrap().parse().unwrap();
            waiting.remove(&user);
            if text.starts_with("SIP/2.0 200 ") {
                answered.insert(user);
            }
        }
        // What the machine lost, or the server refused, is not waited for.
        waiting.retain(|_, begun| begun.elapsed() < Duration::from_secs(2));
        assert!(next < PHONES || !waiting.is_empty(), "{}", answered.len());
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    // Answers that were on their way count too.
    while let Ok(len) = socket.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        if text.starts_with("SIP/2.0 200 ") {
            let user = text.split("Call-ID: call-").nth(1).unwrap();
            answered.insert(user.split("\r\n").next().unwrap().parse().unwrap());
        }
    }
    assert!(answered.len() < PHONES, "that was not the middle");

    let file = DataFile::open(&directory.path().join(FILE_NAME)).unwrap();
    let (realm, store) = (file.realm().to_owned(), Embedded::new(file));
    let mut found = 0;
    for number in 0..PHONES {
        let user = format!("user{number}");
        let aor = Aor::new(&user, &realm);
        let bindings = store.lookup(&aor, SystemTime::now()).await.unwrap();
        let contacts: Vec<&str> = bindings.iter().map(|binding| binding.contact()).collect();
        let own = format!("sip:{user}@{here}");
        if answered.contains(&number) {
            assert_eq!(contacts, [own.as_str()], "{user} was answered 200");
        }
        // One that was not answered may be there, if it was asked for.
        assert!(contacts.is_empty() || (sent.contains(&number) && contacts == [own.as_str()]));
        found += contacts.len();
    }
    assert_eq!(store.len(), Some(found), "there is nothing else");
}
