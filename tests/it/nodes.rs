//! Several whole servers, of which one is killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start(directory: &Path, name: &str, config: &str) -> Self {
        let data = directory.join(name);
        std::fs::create_dir(&data).unwrap();
        let file = data.join("sip.toml");
        let text =
            format!("domains = [\"{name}.example\"]\nlisten = [\"udp:127.0.0.1:0\"]\n{config}");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sip"))
            .args([
                "serve",
                "--danger-without-authentication",
                "--memory",
                "--config",
            ])
            .arg(&file)
            .arg("--data")
            .arg(&data)
            .stdin(Stdio::null())
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
        // What it says later is not read, and a pipe that is full would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([name, &id]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Phone(UdpSocket);

impl Phone {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(socket)
    }

    fn here(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn send(&self, to: &str, method: &str, uri: &str, call: u32, cseq: u32, more: &str) {
        let here = self.here();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{call}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:bob@{to}>;tag=a{call}\r\nCall-ID: node-{call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:bob@{here}>\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.0.send_to(text.as_bytes(), to).unwrap();
    }

    fn hear(&self) -> (String, SocketAddr) {
        let mut buffer = [0; 65536];
        let (len, from) = self.0.recv_from(&mut buffer).unwrap();
        (String::from_utf8(buffer[..len].to_vec()).unwrap(), from)
    }
}

fn field<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("{name}: ");
    text.split("\r\n")
        .filter_map(move |line| line.strip_prefix(begin.as_str()))
}

/// Answers every request with 200, until a MESSAGE says that it is enough.
fn answer_all(phone: &Phone) {
    loop {
        let (text, from) = phone.hear();
        if text.starts_with("MESSAGE") {
            return;
        }
        if text.starts_with("ACK ") || text.starts_with("SIP/2.0 ") {
            continue;
        }
        let mut answer = String::from("SIP/2.0 200 OK\r\n");
        for name in ["Via", "Record-Route", "From", "Call-ID", "CSeq"] {
            for value in field(&text, name) {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let to = field(&text, "To").next().unwrap();
        let tag = if to.contains("tag=") {
            ""
        } else {
            ";tag=callee"
        };
        answer.push_str(&format!(
            "To: {to}{tag}\r\nContact: <sip:bob@{}>\r\nContent-Length: 0\r\n\r\n",
            phone.here()
        ));
        phone.0.send_to(answer.as_bytes(), from).unwrap();
    }
}

fn went_by(answer: &str, node: &Node) -> bool {
    field(answer, "Record-Route").any(|route| route.contains(&node.address))
}

/// How many calls are on their way when the node is killed.
const CALLS: u32 = 20;

#[test]
fn a_node_that_is_killed_with_calls_in_flight_leaves_them_to_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let nodes = ["a", "b"].map(|name| Node::start(directory.path(), name, ""));
    let [a, b] = &nodes;
    let route = format!(
        "[proxy]\nfailover-seconds = 20\n[[route]]\ntrusted = true\nto = [\"sip:{}\", {{ uri = \"sip:{}\", priority = 2 }}]\n",
        a.address, b.address
    );
    let edge = Node::start(directory.path(), "edge", &route);
    let (caller, callee) = (Phone::new(), Phone::new());
    for (number, node) in (0..).zip(&nodes) {
        let uri = format!("sip:{}", node.address);
        let to = format!("To: <sip:bob@{}>\r\n", node.address);
        callee.send(&node.address, "REGISTER", &uri, number, 1, &to);
        let (answer, _) = callee.hear();
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }
    let callee_at = callee.here();
    let answering = std::thread::spawn(move || answer_all(&callee));

    let uri = format!("sip:bob@{}", edge.address);
    let to = format!("To: <{uri}>\r\n");
    let invite = |call| caller.send(&edge.address, "INVITE", &uri, call, 1, &to);
    // The calls that are answered, with their answers.
    let mut answered: BTreeMap<u32, String> = BTreeMap::new();
    let hear_until = |answered: &mut BTreeMap<u32, String>, count: usize| {
        while answered.len() < count {
            let (text, _) = caller.hear();
            if text.starts_with("SIP/2.0 1") {
                continue;
            }
            assert!(text.starts_with("SIP/2.0 200 "), "{text}");
            let call = field(&text, "Call-ID").next().unwrap();
            let call = call.strip_prefix("node-").unwrap().parse().unwrap();
            answered.entry(call).or_insert(text);
        }
    };
    invite(100);
    hear_until(&mut answered, 1);
    assert!(went_by(&answered[&100], a), "{}", answered[&100]);

    // The calls are in its hands, and it does nothing more with them.
    a.signal("-STOP");
    for call in 101..=100 + CALLS {
        invite(call);
    }
    a.signal("-KILL");
    hear_until(&mut answered, 1 + CALLS as usize);
    for (call, answer) in answered.iter().skip(1) {
        assert!(went_by(answer, b), "{answer}");
        // And they are whole calls: what follows goes the same way.
        let routes: Vec<&str> = field(answer, "Record-Route").collect();
        let routes: String = routes
            .iter()
            .rev()
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        let to = field(answer, "To").next().unwrap();
        let more = format!("{routes}To: {to}\r\n");
        let target = format!("sip:bob@{callee_at}");
        caller.send(&edge.address, "ACK", &target, *call, 1, &more);
        caller.send(&edge.address, "BYE", &target, *call, 2, &more);
        let heard = loop {
            let (text, _) = caller.hear();
            if field(&text, "CSeq").any(|cseq| cseq == "2 BYE") {
                break text;
            }
        };
        assert!(heard.starts_with("SIP/2.0 200 "), "{heard}");
    }
    caller.0.send_to(b"MESSAGE", callee_at).unwrap();
    answering.join().unwrap();
}
