//! The token of a Referred-By (RFC 3892), carried from the referrer over the referee to the one who is called.

use sip_dialog::{
    Body, Event, InviteRequest, ReferRequest, ReferTarget, ReferrerIdentity, ReferrerToken,
    SubscriptionEnd, check_referrer,
};
use sip_message::{HeaderName, Request, StatusCode};
use sip_testkit::Call;

use crate::agent::{Agent, flow, statuses, uri};

const DATE: &str = "Sat, 21 Nov 2026 12:00:00 GMT";

/// Signs by a word that only it knows, for want of a certificate.
struct Seal(&'static str);

impl ReferrerIdentity for Seal {
    fn sign(&mut self, statement: &Body) -> Option<Body> {
        let mut content = statement.content.to_vec();
        content.extend_from_slice(self.0.as_bytes());
        Some(Body {
            content_type: "application/sealed".to_owned(),
            content: content.into(),
        })
    }

    fn verify(&mut self, token: &ReferrerToken, referred_by: &str, request: &Request) -> bool {
        let text = String::from_utf8_lossy(&token.body.content).into_owned();
        text.ends_with(self.0)
            && text.contains(&format!("Referred-By: {referred_by}\r\n"))
            && (*request.method() == sip_message::Method::Refer || text.contains(request.uri_str()))
    }
}

/// A REFER with a token, as its referee gets it.
fn refer(token: bool) -> Request {
    let mut agent = Agent::new();
    let (carol, alice) = (uri("sip:carol@example.com"), uri("sip:alice@example.com"));
    let mut refer = ReferRequest::new(carol.clone());
    if token {
        let name = "2UWQFN309shb3@example.com";
        let statement = ReferrerToken::statement(&carol, &alice, name, DATE);
        let signed = Seal("ours").sign(&statement).unwrap();
        refer.token = Some(ReferrerToken::new(name, signed));
    }
    let to = ReferTarget::new(
        uri("sip:bob@192.0.2.2"),
        alice,
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    agent
        .dialogs
        .refer_to(to, refer, &mut agent.layer, agent.now);
    agent.sent().request
}

/// The INVITE that comes of a REFER.
fn invite(refer: &Request) -> Request {
    let mut agent = Agent::new();
    let bob = uri("sip:bob@192.0.2.2");
    let mut invite = InviteRequest::referred(refer, bob.clone(), bob).unwrap();
    invite.body = Some(Body::sdp("offer"));
    agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    agent.sent().request
}

#[test]
fn rfc3892_2_2_the_referee_passes_the_token_on_as_it_is() {
    let refer = refer(true);
    let refers = ReferrerToken::of(&refer).unwrap();
    assert_eq!(refers.content_id, "2UWQFN309shb3@example.com");
    let invite = invite(&refer);
    assert_eq!(ReferrerToken::of(&invite).unwrap(), refers);
    assert_eq!(
        invite.headers().get(HeaderName::ReferredBy),
        refer.headers().get(HeaderName::ReferredBy)
    );
    // Without a token there is none to pass on, and the body is the offer alone.
    let plain = self::invite(&self::refer(false));
    assert_eq!(ReferrerToken::of(&plain), None);
    assert_eq!(plain.body(), b"offer");
}

#[test]
fn rfc3892_2_3_an_invalid_token_is_429_and_a_missing_one_where_it_is_wanted() {
    let refused = Err(StatusCode::PROVIDE_REFERRER_IDENTITY);
    let (with, without) = (invite(&refer(true)), invite(&refer(false)));
    let mut stripped = with.clone();
    stripped.set_body("application/sdp", "offer");
    let mut forged = with.clone();
    forged.headers_mut().replace(
        HeaderName::ReferredBy,
        "<sip:mallory@example.com>;cid=\"2UWQFN309shb3@example.com\"",
    );
    for (request, seal, required, expected) in [
        (&with, "ours", true, Ok(())),
        (&with, "another", false, refused),
        (&forged, "ours", false, refused),
        (&stripped, "ours", false, refused),
        (&without, "ours", true, refused),
        (&without, "ours", false, Ok(())),
    ] {
        assert_eq!(check_referrer(request, &mut Seal(seal), required), expected);
    }
    // Section 2.2: so may a referee.
    assert_eq!(
        check_referrer(&refer(true), &mut Seal("ours"), true),
        Ok(())
    );
    assert_eq!(
        check_referrer(&refer(false), &mut Seal("ours"), true),
        refused
    );
}

#[test]
fn rfc5621_3_the_offer_is_found_beside_the_token() {
    let mut agent = Agent::new();
    let mut invite = invite(&refer(true));
    invite
        .headers_mut()
        .push_front(HeaderName::Via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1");
    agent.take(invite);
    agent.run();
    let session = agent.incoming();
    let mut body = sip_dialog::OpaqueBody::new(Body::sdp("answer"));
    agent
        .dialogs
        .accept_with(session, &mut body, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(body.theirs(), Some(&Body::sdp("offer")));
}

#[test]
fn rfc3892_2_1_a_referrer_tries_again_with_a_token() {
    let mut agent = Agent::new();
    let (carol, alice) = (uri("sip:carol@example.com"), uri("sip:alice@example.com"));
    let to = ReferTarget::new(
        uri("sip:bob@192.0.2.2"),
        alice,
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    let plain = ReferRequest::new(carol.clone());
    agent
        .dialogs
        .refer_to(to.clone(), plain, &mut agent.layer, agent.now);
    let sent = agent.sent();
    agent.reply(&sent, 429, "b", "", "");
    let Some(Event::SubscriptionEnded {
        cause: SubscriptionEnd::Refused(response),
        ..
    }) = agent.events.pop()
    else {
        panic!("refused")
    };
    assert_eq!(response.status(), StatusCode::PROVIDE_REFERRER_IDENTITY);
    let mut again = ReferRequest::new(carol);
    again.token = Some(ReferrerToken::new("1@example.com", Body::sdp("signed")));
    agent
        .dialogs
        .refer_to(to, again, &mut agent.layer, agent.now);
    let calls = agent.run();
    let [Call::Request { request, .. }] = calls.as_slice() else {
        panic!("one REFER to {:?}", flow())
    };
    assert!(ReferrerToken::of(request).is_some());
}
