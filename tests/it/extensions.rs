//! What a user agent does for calls beyond RFC 3261, through the library's public interface: reliable provisional responses (RFC 3262),
//! session timers (RFC 4028), UPDATE (RFC 3311), Replaces (RFC 3891).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sip_stack::agent::{
    Account, CallEvent, CallOptions, DialEvent, Party, UserAgent, UserAgentBuilder,
};
use sip_stack::dialog::ReferrerToken;
use sip_stack::message::{HeaderName, Message, ParserConfig, Response, StatusCode};
use tokio::net::UdpSocket;

/// What passed, as `sent 180 Ringing`.
type Passed = Arc<Mutex<Vec<String>>>;

async fn phone(
    user: &str,
    configure: impl FnOnce(UserAgentBuilder) -> UserAgentBuilder,
) -> (UserAgent, Passed) {
    let passed = Passed::default();
    let seen = Arc::clone(&passed);
    let builder = UserAgent::builder()
        .account(Account::new(&format!("sip:{user}@127.0.0.1")).unwrap())
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .trace(move |traced| {
            let line = format!("{:?} {}", traced.direction, traced.summary);
            seen.lock().unwrap().push(line);
        });
    (configure(builder).build().await.unwrap(), passed)
}

fn count(passed: &Passed, what: &str) -> usize {
    let passed = passed.lock().unwrap();
    passed.iter().filter(|line| line.starts_with(what)).count()
}

#[tokio::test]
async fn rfc3262_two_user_agents_acknowledge_that_it_rings_unless_one_does_without() {
    for (caller, callee, pracks) in [(true, true, 1), (true, false, 0), (false, true, 0)] {
        let (alice, _) = phone("alice", |builder| builder.reliable_progress(caller)).await;
        let (bob, passed) = phone("bob", |builder| builder.reliable_progress(callee)).await;
        let target = format!("sip:bob@{}", bob.addresses()[0].addr);
        let answering = tokio::spawn(async move {
            let mut incoming = bob.incoming().await.unwrap();
            incoming.ring().await.unwrap();
            let mut call = incoming.accept().await.unwrap();
            let CallEvent::Ended { by } = call.event().await else {
                panic!("nothing else")
            };
            bob.shutdown().await;
            by
        });
        let call = alice.call(&target).await.unwrap();
        call.hang_up().await.unwrap();
        assert_eq!(answering.await.unwrap(), Party::Remote);
        alice.shutdown().await;
        let seen = (count(&passed, "Received PRACK"), count(&passed, "Sent 180"));
        assert_eq!(seen, (pracks, 1), "{passed:?}");
    }
}

/// A telephone that is written out: it says what the test has it say.
struct Script {
    socket: UdpSocket,
    target: String,
    number: u32,
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

impl Script {
    async fn new(agent: &UserAgent) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = agent.addresses()[0].addr;
        socket.connect(target).await.unwrap();
        Self {
            socket,
            target: format!("sip:bob@{target}"),
            number: 0,
        }
    }

    /// Sends a request of the call; `to` is the tag of the other side.
    async fn send(
        &mut self,
        method: &str,
        number: u32,
        call: &str,
        to: &str,
        more: &str,
        body: &str,
    ) {
        self.number += 1;
        let tag = if to.is_empty() {
            String::new()
        } else {
            format!(";tag={to}")
        };
        let local = self.socket.local_addr().unwrap();
        let kind = if body.is_empty() || more.contains("Content-Type") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKs{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@example.com>;tag={call}\r\nTo: <sip:bob@example.com>{tag}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:alice@{local}>\r\n{more}{kind}Content-Length: {length}\r\n\r\n{body}",
            target = self.target,
            branch = self.number,
            length = body.len(),
        );
        self.socket.send(text.as_bytes()).await.unwrap();
    }

    async fn next(&self) -> Message {
        let mut datagram = vec![0; 4096];
        let received = self.socket.recv(&mut datagram);
        let length = tokio::time::timeout(Duration::from_secs(10), received)
            .await
            .expect("something comes")
            .unwrap();
        datagram.truncate(length);
        Message::parse(datagram.into(), &ParserConfig::default()).unwrap()
    }

    /// The next response of this status; others, repeated ones among them, are passed over.
    async fn response(&self, status: u16, method: &str) -> Response {
        loop {
            if let Message::Response(response) = self.next().await
                && response.status().as_u16() == status
                && response.headers().cseq().unwrap().1.as_str() == method
            {
                return response;
            }
        }
    }

    /// The Call-ID of the next request of this method, which is answered.
    async fn request(&self, method: &str) -> String {
        loop {
            if let Message::Request(request) = self.next().await
                && request.method().as_str() == method
            {
                let answer = Response::to(&request, StatusCode::OK).build().unwrap();
                self.socket.send(&answer.to_bytes()).await.unwrap();
                return request.headers().call_id().unwrap().to_owned();
            }
        }
    }
}

#[tokio::test]
async fn a_caller_that_requires_100rel_changes_the_call_by_update_and_replaces_it() {
    let (bob, _) = phone("bob", |builder| {
        builder.session_interval(Duration::from_secs(600))
    })
    .await;
    let mut script = Script::new(&bob).await;
    let answering = tokio::spawn(async move {
        let mut incoming = bob.incoming().await.unwrap();
        incoming.ring().await.unwrap();
        let mut call = incoming.accept().await.unwrap();
        // The second call comes in the place of the first.
        let second = tokio::select! {
            second = bob.incoming() => second.unwrap(),
            // What changes the call is seen to by who waits for what happens in it.
            told = call.event() => panic!("{told:?}"),
        };
        let mut next = second.accept().await.unwrap();
        let CallEvent::Ended { .. } = call.event().await else {
            panic!("it is replaced")
        };
        let CallEvent::Ended { by: Party::Remote } = next.event().await else {
            panic!("the caller hangs up")
        };
        bob.shutdown().await;
    });
    let extensions = "Require: 100rel\r\nSupported: 100rel, timer\r\nSession-Expires: 300\r\nAllow: INVITE, ACK, BYE, PRACK, UPDATE\r\n";
    script.send("INVITE", 1, "c1", "", extensions, SDP).await;
    // RFC 3262 section 3.
    let ringing = script.response(180, "INVITE").await;
    let headers = ringing.headers();
    let rseq = headers.get(HeaderName::RSeq).unwrap().to_owned();
    assert_eq!(headers.get(HeaderName::Require), Some("100rel"));
    let tag = headers.to_tag().unwrap().to_owned();
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    script.send("PRACK", 2, "c1", &tag, &rack, "").await;
    script.response(200, "PRACK").await;
    let answer = script.response(200, "INVITE").await;
    // RFC 4028 section 9: its interval, and who refreshes.
    let interval = answer.headers().get(HeaderName::SessionExpires).unwrap();
    assert!(interval.starts_with("300;refresher="), "{interval}");
    let allowed = answer.headers().get(HeaderName::Allow).unwrap();
    assert!(
        allowed.contains("UPDATE") && allowed.contains("PRACK"),
        "{allowed}"
    );
    script.send("ACK", 1, "c1", &tag, "", "").await;
    // RFC 3311 section 5.2: an offer is answered, and one that has nothing in common refused.
    let held = SDP.replace("- 1 1", "- 1 2") + "a=sendonly\r\n";
    script.send("UPDATE", 3, "c1", &tag, "", &held).await;
    let changed = script.response(200, "UPDATE").await;
    let body = String::from_utf8(changed.body().to_vec()).unwrap();
    assert!(body.contains("a=recvonly"), "{body}");
    let strange = SDP.replace("- 1 1", "- 1 3").replace("AVP 0", "AVP 18");
    script.send("UPDATE", 4, "c1", &tag, "", &strange).await;
    script.response(488, "UPDATE").await;
    // RFC 3891 section 3: the INVITE with Replaces ends the call that it names.
    let replaces = format!("Require: replaces\r\nReplaces: c1;to-tag={tag};from-tag=c1\r\n");
    script.send("INVITE", 1, "c2", "", &replaces, SDP).await;
    let answer = script.response(200, "INVITE").await;
    let second = answer.headers().to_tag().unwrap().to_owned();
    script.send("ACK", 1, "c2", &second, "", "").await;
    assert_eq!(script.request("BYE").await, "c1");
    script.send("BYE", 2, "c2", &second, "", "").await;
    script.response(200, "BYE").await;
    answering.await.unwrap();
}

#[tokio::test]
async fn rfc3892_2_2_the_token_of_a_referrer_is_passed_on_as_it_came() {
    let (bob, _) = phone("bob", |builder| builder.accept_transfers(true)).await;
    let (mut script, carol) = (Script::new(&bob).await, Script::new(&bob).await);
    let answering = tokio::spawn(async move {
        let mut call = bob.incoming().await.unwrap().accept().await.unwrap();
        let CallEvent::TransferRequested(request) = call.event().await else {
            panic!("a transfer")
        };
        // Until it is refused.
        let mut dialing = request.accept(CallOptions::new()).await.unwrap();
        let DialEvent::Failed(error) = dialing.event().await else {
            panic!("nobody answers")
        };
        bob.shutdown().await;
        error.to_string()
    });
    script.send("INVITE", 1, "c3", "", "", SDP).await;
    let answer = script.response(200, "INVITE").await;
    let tag = answer.headers().to_tag().unwrap().to_owned();
    script.send("ACK", 1, "c3", &tag, "", "").await;
    let to = carol.socket.local_addr().unwrap();
    let token = "--b\r\nContent-Type: message/sipfrag\r\nContent-ID: <token@example.com>\r\n\r\nsigned\r\n--b--\r\n";
    let fields = format!(
        "Refer-To: <sip:carol@{to}>\r\nReferred-By: <sip:alice@example.com>;cid=\"token@example.com\"\r\n\
         Content-Type: multipart/mixed;boundary=b\r\n"
    );
    script.send("REFER", 2, "c3", &tag, &fields, token).await;
    let invite = loop {
        if let Message::Request(request) = carol.next().await {
            break request;
        }
    };
    let passed = ReferrerToken::of(&invite).unwrap();
    assert_eq!(
        (passed.content_id.as_str(), &passed.body.content[..]),
        ("token@example.com", &b"signed"[..])
    );
    let busy = Response::to(&invite, StatusCode::BUSY_HERE)
        .to_tag("carol")
        .build()
        .unwrap();
    carol.socket.send(&busy.to_bytes()).await.unwrap();
    let error = answering.await.unwrap();
    assert!(error.contains("486"), "{error}");
}
