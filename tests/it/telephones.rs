//! Two user agents at a server, each of them only through the library's public interface.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use sip_stack::agent::{Account, AgentError, CallEvent, CallOptions, DialEvent, Party, UserAgent};
use sip_stack::media::{Sink, ToneSource};
use sip_stack::message::StatusCode;
use sip_stack::server::{Server, ServerBuilder};
use sip_stack::users::Memory;

/// Keeps what it gets where the test can see it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<i16>>>);

impl Sink for Kept {
    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(samples);
        Ok(())
    }
}

/// A server on a free port of the loopback address; returns its port. It ends with the test's runtime.
async fn server() -> u16 {
    serving(Server::builder()).await
}

async fn serving(builder: ServerBuilder) -> u16 {
    let server = builder
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .location(sip_stack::location::Memory::default())
        .credentials(
            Memory::new("example.test")
                .with("alice", "a-secret")
                .with("bob", "b-secret"),
        )
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    port
}

async fn phone(user: &str, password: &str, port: u16) -> UserAgent {
    let account = Account::new(&format!("sip:{user}@127.0.0.1:{port}"))
        .unwrap()
        .password(password);
    UserAgent::builder()
        .account(account)
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .request_timeout(Duration::from_secs(10))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn two_telephones_register_call_and_hear_each_other() {
    let port = server().await;
    let (alice, bob) = (
        phone("alice", "a-secret", port).await,
        phone("bob", "b-secret", port).await,
    );
    let registration = bob.register().await.unwrap();
    assert_eq!(registration.bindings.len(), 1);
    assert!(registration.expires > 0);

    let answering = tokio::spawn(async move {
        let mut incoming = bob.incoming().await.unwrap();
        assert!(
            incoming.from().starts_with("sip:alice@"),
            "{}",
            incoming.from()
        );
        incoming.ring().await.unwrap();
        let mut call = incoming.accept().await.unwrap();
        let heard = Kept::default();
        call.record(Box::new(heard.clone()));
        let mut digits = String::new();
        loop {
            match call.event().await {
                CallEvent::Digit(digit) => digits.push(digit),
                CallEvent::Ended { by } => {
                    assert_eq!(by, Party::Remote);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        call.hang_up().await.unwrap();
        bob.shutdown().await;
        let heard = heard.0.lock().unwrap().clone();
        (digits, heard)
    });

    let mut dialing = alice
        .dial(&format!("sip:bob@127.0.0.1:{port}"), CallOptions::new())
        .await
        .unwrap();
    let mut rang = false;
    let call = loop {
        match dialing.event().await {
            DialEvent::Progress { status } => rang |= status == StatusCode::RINGING,
            DialEvent::Answered(call) => break call,
            other => panic!("{other:?}"),
        }
    };
    assert!(rang);
    let mut tone = ToneSource::new(440.0);
    let mut samples = vec![0; 4_000];
    sip_stack::media::Source::read(&mut tone, &mut samples);
    call.play(sip_stack::media::Samples::new(samples)).await;
    call.send_digits("7#");
    // As long as two digits take, and what the other side's jitter buffer holds back.
    call.play(sip_stack::media::Samples::new(vec![0; 8_000]))
        .await;
    let summary = call.hang_up().await.unwrap();
    assert!(summary.rtp.packets_sent >= 70, "{summary:?}");
    let (digits, heard) = answering.await.unwrap();
    assert_eq!(digits, "7#");
    let rising = heard
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0)
        .count();
    // Half a second of 440 Hz has 220 periods; a gap of a stalled machine may take a few.
    assert!((200..=222).contains(&rising), "{rising}");
    alice.shutdown().await;
}

/// What a future has at once, if anything; it is dropped then.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let ready = std::future::poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    });
    let value = ready.await;
    tokio::task::yield_now().await;
    value
}

/// As in a loop that waits for several things at a time, of which another one is always first.
#[tokio::test]
async fn no_event_is_lost_with_the_future_that_waited_for_it() {
    let port = server().await;
    let (alice, bob) = (
        phone("alice", "a-secret", port).await,
        phone("bob", "b-secret", port).await,
    );
    bob.register().await.unwrap();
    let answering = tokio::spawn(async move {
        let mut incoming = bob.incoming().await.unwrap();
        incoming.ring().await.unwrap();
        let call = incoming.accept().await.unwrap();
        call.hang_up().await.unwrap();
        bob.shutdown().await;
    });
    let uri = format!("sip:bob@127.0.0.1:{port}");
    let mut dialing = alice.dial(&uri, CallOptions::new()).await.unwrap();
    let mut rang = 0;
    let mut call = loop {
        match at_once(dialing.event()).await {
            Some(DialEvent::Progress { status }) => {
                rang += u32::from(status == StatusCode::RINGING);
            }
            Some(DialEvent::Answered(call)) => break call,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    };
    assert_eq!(rang, 1);
    let by = loop {
        match at_once(call.event()).await {
            Some(CallEvent::Ended { by }) => break by,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    };
    assert_eq!(by, Party::Remote);
    call.hang_up().await.unwrap();
    answering.await.unwrap();
    alice.shutdown().await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let port = server().await;
    let alice = phone("alice", "a-secret", port).await;
    let uri = |user: &str| format!("sip:{user}@127.0.0.1:{port}");
    let refused = |error: AgentError| match error {
        AgentError::Refused { status, .. } => status.as_u16(),
        other => panic!("{other:?}"),
    };
    // A user without a telephone, and one that does not exist.
    assert!(matches!(
        refused(alice.call(&uri("bob")).await.unwrap_err()),
        480 | 404
    ));
    assert_eq!(
        refused(alice.message(&uri("nobody"), "hello").await.unwrap_err()),
        404
    );
    // A wrong password.
    let mallory = phone("alice", "wrong", port).await;
    assert_eq!(refused(mallory.register().await.unwrap_err()), 401);
    // A telephone that says it is busy.
    let bob = phone("bob", "b-secret", port).await;
    bob.register().await.unwrap();
    let busy = tokio::spawn(async move {
        let incoming = bob.incoming().await.unwrap();
        incoming.reject(StatusCode::BUSY_HERE).await.unwrap();
        bob
    });
    assert_eq!(refused(alice.call(&uri("bob")).await.unwrap_err()), 486);
    // A caller that gives up: the other side learns of it.
    let bob = busy.await.unwrap();
    let mut dialing = alice.dial(&uri("bob"), CallOptions::new()).await.unwrap();
    let mut incoming = bob.incoming().await.unwrap();
    incoming.ring().await.unwrap();
    assert!(matches!(
        dialing.event().await,
        DialEvent::Progress { status } if status == StatusCode::RINGING
    ));
    dialing.cancel().await;
    incoming.cancelled().await;
    assert!(incoming.accept().await.is_err());
}

#[tokio::test]
async fn rfc3261_8_1_3_4_a_telephone_follows_a_redirect_server() {
    let builder = Server::builder().proxy(|config| config.redirects = true);
    let port = serving(builder).await;
    let (alice, bob) = (
        phone("alice", "a-secret", port).await,
        phone("bob", "b-secret", port).await,
    );
    bob.register().await.unwrap();
    let answering = tokio::spawn(async move {
        let mut call = bob.incoming().await.unwrap().accept().await.unwrap();
        while !matches!(call.event().await, CallEvent::Ended { .. }) {}
        call.hang_up().await.unwrap();
        bob.shutdown().await;
    });
    let mut dialing = alice
        .dial(&format!("sip:bob@127.0.0.1:{port}"), CallOptions::new())
        .await
        .unwrap();
    let mut led = None;
    let call = loop {
        match dialing.event().await {
            DialEvent::Redirected { status, target } => led = Some((status, target)),
            DialEvent::Answered(call) => break call,
            DialEvent::Progress { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    let (status, target) = led.expect("the server redirects");
    assert_eq!(status, StatusCode::MOVED_TEMPORARILY);
    assert!(
        target.as_str().starts_with("sip:bob@127.0.0.1:"),
        "{target}"
    );
    assert_ne!(target.as_ref().port(), Some(port));
    call.hang_up().await.unwrap();
    answering.await.unwrap();
    alice.shutdown().await;
}
