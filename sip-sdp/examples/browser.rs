//! Lets a browser on this machine take our answers and offers, and prints the exchange: how `tests/data/exchanges.txt` is
//! made. What follows the name is the browser's command; the address of a page on the loopback is added to it.
//!
//! `cargo run -p sip-sdp --example browser -- firefox firefox-esr --headless --no-remote --profile <folder>`
//! `cargo run -p sip-sdp --example browser -- chromium chromium --headless --no-sandbox --user-data-dir=<folder>`
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that serves a page; the crate does neither"
)]

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sip_sdp::SessionDescription;

#[path = "../tests/it/exchange.rs"]
mod exchange;

use exchange::{OUR_OFFERS, Side};

type Failure = Box<dyn Error + Send + Sync>;

/// A browser that has not finished by then has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// The browser's part. Each step posts what the browser has to say and gets what it is to take.
const PAGE: &str = r#"<!doctype html><title>SDP</title><script>
const say = async (path, body = '') => {
  const response = await fetch(path, {method: 'POST', body});
  const text = await response.text();
  if (!response.ok) throw new Error(path + ': ' + text);
  return text;
};
const state = (who, step, pc) => say(who + '/' + step + '/state', [pc.signalingState].concat(
  pc.getTransceivers().filter(one => one.mid !== null && one.currentDirection && one.currentDirection != 'stopped')
    .map(one => one.mid + ' ' + one.currentDirection)).join(', '));
const theirs = async (step, pc, options) => {
  await pc.setLocalDescription(await pc.createOffer(options));
  const sdp = await say('theirs/' + step + '/offer', pc.localDescription.sdp);
  await pc.setRemoteDescription({type: 'answer', sdp});
  await state('theirs', step, pc);
};
const ours = async (step, pc) => {
  await pc.setRemoteDescription({type: 'offer', sdp: await say('ours/' + step + '/offer')});
  if (step == 'first') for (const one of pc.getTransceivers()) one.direction = 'sendrecv';
  await pc.setLocalDescription(await pc.createAnswer());
  await say('ours/' + step + '/answer', pc.localDescription.sdp);
  await state('ours', step, pc);
};
(async () => {
  let pc = new RTCPeerConnection();
  const audio = pc.addTransceiver('audio');
  const video = pc.addTransceiver('video');
  pc.createDataChannel('data');
  await theirs('first', pc);
  audio.direction = 'sendonly';
  await theirs('hold', pc);
  await theirs('restart', pc, {iceRestart: true});
  pc.addTransceiver('video');
  await theirs('more', pc);
  video.stop();
  await theirs('stop', pc);
  audio.direction = 'sendrecv';
  pc.addTransceiver('video');
  await theirs('again', pc);
  pc = new RTCPeerConnection();
  for (const step of (await say('steps')).split(' ')) await ours(step, pc);
  await say('done');
})().catch(error => say('failed', String(error)));
</script>"#;

/// What the page asks for: path and body, and where the answer goes.
type Asked = (String, String, TcpStream);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, program, options @ ..] = arguments.as_slice() else {
        return Err("browser <name> <program> [options of the program]".into());
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let page = format!("http://{}/", listener.local_addr()?);
    let browser = Command::new(program)
        .args(options)
        .arg(&page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _browser = Killed(browser);
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        // Browsers open connections that they may never use: none may keep the others waiting.
        for connection in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || request(connection).map(|request| sender.send(request)));
        }
    });
    let (mut answerer, mut offerer) = (Side::new(), Side::new());
    loop {
        let (path, body, connection) = asked.recv_timeout(PATIENCE)?;
        let parts: Vec<&str> = path.split('/').collect();
        let side = match parts.first() {
            Some(&"theirs") => &mut answerer,
            _ => &mut offerer,
        };
        let reply = match parts.as_slice() {
            [""] => Ok(PAGE.to_owned()),
            ["steps"] => Ok(OUR_OFFERS.join(" ")),
            ["done"] => return respond(connection, &Ok(String::new())),
            ["failed"] => return Err(body.into()),
            [who, step, kind] => record(
                side,
                &format!("{name} {who} {step}"),
                (who, step, kind),
                &body,
            ),
            // Browsers ask for an icon.
            _ => Ok(String::new()),
        };
        respond(connection, &reply)?;
        reply?;
    }
}

/// One step of the exchange, printed in the form of the tests' data.
fn record(
    side: &mut Side,
    title: &str,
    (who, step, kind): (&str, &str, &str),
    body: &str,
) -> Result<String, Failure> {
    let said = match (who, kind) {
        ("theirs", "offer") => {
            print(title, "offer", body);
            let answer = side.answer(&body.parse::<SessionDescription>()?)?;
            print(title, "answer", &answer);
            answer
        }
        ("ours", "offer") => {
            let offer = side.offer(step)?;
            print(title, "offer", &offer);
            offer
        }
        ("ours", "answer") => {
            print(title, "answer", body);
            side.accept(&body.parse()?)?;
            String::new()
        }
        (_, "state") => {
            print(title, "state", body);
            let expected = side.expected_state();
            if body != expected {
                return Err(format!("{title}: '{body}' instead of '{expected}'").into());
            }
            String::new()
        }
        _ => return Err(format!("{title} {kind} is unknown").into()),
    };
    Ok(said)
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn print(title: &str, kind: &str, text: &str) {
    println!(
        "== {title} {kind}\n{}",
        text.replace("\r\n", "\n").trim_end()
    );
}

/// The browser's process, which must not outlive this one.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The path without its slash, and the body.
fn request(connection: TcpStream) -> Result<Asked, Failure> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err("nothing was asked".into());
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    let path = path.trim_start_matches('/').to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((path, String::from_utf8(body)?, reader.into_inner()))
}

fn respond(mut connection: TcpStream, reply: &Result<String, Failure>) -> Result<(), Failure> {
    let (status, text) = match reply {
        Ok(text) => ("200 OK", text.clone()),
        Err(error) => ("500 Failed", error.to_string()),
    };
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )?;
    Ok(())
}
