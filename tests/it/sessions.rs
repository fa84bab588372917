//! Statements about sessions that change while a telephone talks, seen by a peer that is written out (`conformance/`).

use sip_stack::agent::{CallEvent, UserAgent};
use sip_stack::sdp::SessionDescription;

use crate::peer::{Peer, both, of_bob};

/// A call of the peer to a telephone, as the peer sees it.
struct Dialled<'p> {
    peer: &'p Peer,
    port: u16,
    tag: String,
    number: u32,
}

/// A description of the peer that has these formats.
fn description(version: u32, formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP {formats}\r\n"
    )
}

impl<'p> Dialled<'p> {
    /// Calls with an offer, and is answered; the answer. The telephone goes on until the call ends.
    async fn new(peer: &'p Peer, agent: &UserAgent, offer: &str) -> (Self, String) {
        let mut dialled = Self {
            peer,
            port: agent.addresses()[0].addr.port(),
            tag: String::new(),
            number: 0,
        };
        dialled.sends("INVITE", offer).await;
        let mut call = agent.incoming().await.unwrap().accept().await.unwrap();
        tokio::spawn(
            async move { while !matches!(call.event().await, CallEvent::Ended { .. }) {} },
        );
        let accepted = dialled.final_response().await;
        let to = accepted.split("\r\nTo: ").nth(1).unwrap();
        let to = to.split("\r\n").next().unwrap();
        dialled.tag = format!(";tag={}", to.split(";tag=").nth(1).unwrap());
        dialled.sends("ACK", "").await;
        (dialled, accepted)
    }

    /// Sends a request of the call; an ACK is for the request before it.
    async fn sends(&mut self, method: &str, body: &str) {
        self.number += u32::from(method != "ACK");
        let Self { port, number, .. } = *self;
        let content_type = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let text = format!(
            "{method} sip:bob@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bK{number}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:bob@h>{tag}\r\nCall-ID: o\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:a@127.0.0.1:{here}>\r\n{content_type}Content-Length: {length}\r\n\r\n{body}",
            here = self.peer.port(),
            tag = self.tag,
            length = body.len()
        );
        self.peer.send(&text, port).await;
    }

    /// The final response to the last request that was not an ACK. What was sent before is repeated until it is acknowledged.
    async fn final_response(&self) -> String {
        let of_this = format!("CSeq: {} ", self.number);
        loop {
            let text = self.peer.text().await;
            assert!(!text.starts_with("BYE "), "{text}");
            if text.contains(&of_this) && !text.starts_with("SIP/2.0 1") {
                return text;
            }
        }
    }
}

fn body(message: &str) -> SessionDescription {
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    SessionDescription::parse(body.as_bytes()).unwrap()
}

fn formats(description: &SessionDescription) -> Vec<String> {
    let audio = description.media_at(0).unwrap();
    audio.formats().map(str::to_owned).collect()
}

/// The offer of a re-INVITE that had none, beside the answer of before; the dialog goes on with an answer to it.
async fn offered_again() -> (SessionDescription, SessionDescription) {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let (mut dialled, accepted) = Dialled::new(&peer, &agent, &description(1, "8")).await;
    dialled.sends("INVITE", "").await;
    let again = dialled.final_response().await;
    assert!(again.starts_with("SIP/2.0 200 "), "{again}");
    dialled.sends("ACK", &description(2, "0")).await;
    // It was taken: who could not go on with it would send a BYE of its own.
    dialled.sends("BYE", "").await;
    let ended = dialled.final_response().await;
    assert!(ended.starts_with("SIP/2.0 200 "), "{ended}");
    (body(&accepted), body(&again))
}

/// The call was made with the one format that the caller has; a new call would offer all.
#[tokio::test]
async fn rfc3261_14_2_an_offer_in_a_2xx_is_as_for_a_new_call_with_all_that_is_supported() {
    let (before, again) = offered_again().await;
    assert_eq!(formats(&before), ["8"]);
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let target = peer.uri("carol@");
    let call = agent.call(&target);
    let asked = async {
        let (invite, from) = peer.request().await;
        peer.answer_with(&invite, from, 486, &[]).await;
        SessionDescription::parse(invite.body()).unwrap()
    };
    let (refused, new) = both(call, asked).await;
    refused.unwrap_err();
    let (new, again) = (formats(&new), formats(&again));
    assert!(
        new.iter().all(|format| again.contains(format)),
        "{again:?}, not {new:?}"
    );
    assert!(again.contains(&"0".to_owned()) && again.contains(&"8".to_owned()));
}

/// What was agreed is still in it: the peer need not refuse it.
#[tokio::test]
async fn rfc3261_14_2_an_offer_in_a_2xx_overlaps_with_the_description_before() {
    let (before, again) = offered_again().await;
    let lines = |description: &SessionDescription| -> Vec<(String, String, u16)> {
        let media = description.media();
        media
            .map(|line| {
                (
                    line.kind().to_string(),
                    line.protocol().to_string(),
                    line.port(),
                )
            })
            .collect()
    };
    assert_eq!(lines(&before), lines(&again));
    let still = formats(&again);
    assert!(formats(&before).iter().all(|format| still.contains(format)));
    let (old, new) = (before.origin().unwrap(), again.origin().unwrap());
    assert_eq!(old.session_id, new.session_id);
    assert!(old.version() < new.version());
}

/// What a change to a format that nobody here speaks is answered.
async fn refused(method: &str) -> String {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let (mut dialled, _) = Dialled::new(&peer, &agent, &description(1, "8")).await;
    dialled.sends(method, &description(2, "18")).await;
    dialled.final_response().await
}

#[tokio::test]
async fn rfc3261_14_2_a_description_that_will_not_do_is_488_with_a_warning() {
    let refused = refused("INVITE").await;
    assert!(refused.starts_with("SIP/2.0 488 "), "{refused}");
    assert!(refused.contains("\r\nWarning: 305 "), "{refused}");
}

#[tokio::test]
async fn rfc3311_5_2_a_description_that_will_not_do_is_488_with_a_warning() {
    let refused = refused("UPDATE").await;
    assert!(refused.starts_with("SIP/2.0 488 "), "{refused}");
    assert!(refused.contains("\r\nWarning: 305 "), "{refused}");
}

/// The answer to an OPTIONS.
async fn asked(fields: &str) -> String {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let port = agent.addresses()[0].addr.port();
    let text = format!(
        "OPTIONS sip:bob@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:bob@h>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n{fields}Content-Length: 0\r\n\r\n",
        peer.port()
    );
    peer.send(&text, port).await;
    peer.text().await
}

#[tokio::test]
async fn rfc3261_11_2_who_reads_descriptions_is_told_the_capabilities() {
    for fields in [
        "",
        "Accept: application/sdp\r\n",
        "Accept: text/plain, application/*;q=0.1\r\n",
    ] {
        let answer = asked(fields).await;
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        assert!(answer.contains("\r\nContent-Type: application/sdp\r\n"));
        let told = body(&answer);
        assert_eq!(told.media_at(0).unwrap().port(), 0);
        let told = formats(&told);
        assert!(told.contains(&"0".to_owned()) && told.contains(&"8".to_owned()));
    }
    for fields in [
        "Accept: text/plain\r\n",
        "Accept: application/sdp;q=0, */*;q=0.0\r\n",
        "Accept:\r\n",
    ] {
        let answer = asked(fields).await;
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        assert!(
            answer.ends_with("\r\nContent-Length: 0\r\n\r\n"),
            "{answer}"
        );
    }
}
