//! Statements of RFC 3903 that no other test shows, one by one (`conformance/rfc3903.toml`).

use std::time::Duration;

use sip_dialog::{
    Body, EventPackage, PublicationChange, PublicationId, PublishRequest, SubscriptionStatus,
};
use sip_message::{HeaderName, Request, StatusCode, Uri};

use crate::agent::{Agent, Sent, methods, only, request, response, statuses};
use crate::publications::{accepted, compositor, granted, pidf, publish, publishing, tag};

/// A compositor that is changed by what is published to it, and refuses what its state says.
#[derive(Debug, Default)]
struct Board(Option<Body>);

impl EventPackage for Board {
    fn name(&self) -> &str {
        "presence"
    }

    fn authorize(&mut self, _: &str, _: &Request) -> Result<SubscriptionStatus, StatusCode> {
        Ok(SubscriptionStatus::Active)
    }

    fn state(&mut self, _: &str) -> Option<Body> {
        self.0.clone()
    }

    fn is_published(&self) -> bool {
        true
    }

    fn published(
        &mut self,
        resource: &str,
        _: PublicationId,
        state: Option<Body>,
    ) -> Result<(), StatusCode> {
        if resource != "sip:alice@192.0.2.1" {
            return Err(StatusCode::NOT_FOUND);
        }
        match state {
            Some(body) if body.content == "broken" => Err(StatusCode::SERVER_TIMEOUT),
            state => {
                self.0 = state;
                Ok(())
            }
        }
    }
}

fn board() -> Agent {
    let mut agent = Agent::new();
    agent.dialogs.add_package(Box::new(Board::default()));
    agent
}

fn state(agent: &mut Agent) -> Option<Body> {
    let package = agent.dialogs.package("presence").unwrap();
    package.state("sip:alice@192.0.2.1")
}

/// A publication that is there with the tag `one`.
fn published(agent: &mut Agent) -> PublicationId {
    let (id, first) = publish(agent);
    agent.reply(&first, 200, "t", &granted("one", 400), "");
    id
}

/// Each kind of PUBLISH: first, refresh, change, end.
fn each() -> [Sent; 4] {
    let mut agent = Agent::new();
    let (id, first) = publish(&mut agent);
    agent.reply(&first, 200, "t", &granted("one", 400), "");
    let refresh = only(agent.wait(Duration::from_secs(1000)).1);
    agent.reply(&refresh, 200, "t", &granted("two", 400), "");
    agent
        .dialogs
        .modify_publication(id, pidf("busy"), &mut agent.layer, agent.now)
        .unwrap();
    let change = agent.sent();
    agent.reply(&change, 200, "t", &granted("three", 400), "");
    agent
        .dialogs
        .unpublish(id, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    [first, refresh, change, last]
}

#[test]
fn rfc3903_4_record_route_means_nothing() {
    let mut agent = Agent::new();
    let (_, first) = publish(&mut agent);
    let fields = format!(
        "Record-Route: <sip:p.example.com;lr>\r\n{}",
        granted("one", 400)
    );
    agent.reply(&first, 200, "t", &fields, "");
    let refresh = only(agent.wait(Duration::from_secs(1000)).1);
    assert!(!refresh.request.headers().contains(HeaderName::Route));
    assert_eq!(refresh.request.uri_str(), first.request.uri_str());
}

#[test]
fn rfc3903_4_one_request_at_a_time_for_a_request_uri() {
    let mut agent = Agent::new();
    let (id, first) = publish(&mut agent);
    // A change of it, and another publication to the same place.
    agent
        .dialogs
        .modify_publication(id, pidf("busy"), &mut agent.layer, agent.now)
        .unwrap();
    let target = || Uri::parse("sip:alice@example.com").unwrap();
    let other = PublishRequest::new(target(), "dialog", pidf("other"));
    agent.dialogs.publish(other, &mut agent.layer, agent.now);
    assert!(agent.run().is_empty());
    // Elsewhere there is none.
    let carol = Uri::parse("sip:carol@example.com").unwrap();
    let elsewhere = PublishRequest::new(carol, "presence", pidf("open"));
    agent
        .dialogs
        .publish(elsewhere, &mut agent.layer, agent.now);
    assert_eq!(agent.sent().request.uri_str(), "sip:carol@example.com");
    let change = only(agent.reply(&first, 200, "t", &granted("one", 400), ""));
    assert_eq!(change.request.body(), b"busy");
    let other = only(agent.reply(&change, 200, "t", &granted("two", 400), ""));
    assert_eq!(other.field(HeaderName::Event), "dialog");
    // Also when the one before was not answered, and when its publication is over.
    agent
        .dialogs
        .modify_publication(id, pidf("away"), &mut agent.layer, agent.now)
        .unwrap();
    assert!(agent.run().is_empty());
    agent.input(sip_transaction::Event::TimedOut {
        id: other.id,
        flow: crate::agent::flow().id,
    });
    let change = agent.sent();
    assert_eq!(change.request.body(), b"away");
    let last = PublishRequest::new(target(), "dialog", pidf("last"));
    agent.dialogs.publish(last, &mut agent.layer, agent.now);
    let last = only(agent.reply(&change, 403, "t", "", ""));
    assert_eq!(last.request.body(), b"last");
}

#[test]
fn rfc3903_4_1_a_publish_has_one_event_and_one_tag() {
    let [first, refresh, change, last] = each();
    for sent in [&first, &refresh, &change, &last] {
        assert_eq!(sent.values(HeaderName::Event), ["presence"]);
    }
    assert_eq!(refresh.values(HeaderName::SipIfMatch), ["one"]);
    assert_eq!(change.values(HeaderName::SipIfMatch), ["two"]);
    assert_eq!(last.values(HeaderName::SipIfMatch), ["three"]);
}

#[test]
fn rfc3903_4_2_the_first_has_state_and_no_tag() {
    let [first, ..] = each();
    assert_eq!(first.values(HeaderName::SipIfMatch), [""; 0]);
    assert_eq!(first.request.body(), b"open");
}

#[test]
fn rfc3903_4_2_with_a_tag_it_is_a_change_and_no_first_one() {
    let mut agent = Agent::new();
    let id = published(&mut agent);
    agent
        .dialogs
        .modify_publication(id, pidf("busy"), &mut agent.layer, agent.now)
        .unwrap();
    let change = agent.sent();
    assert_eq!(change.field(HeaderName::SipIfMatch), "one");
}

#[test]
fn rfc3903_4_3_a_refresh_has_the_last_tag_and_no_body() {
    let mut agent = Agent::new();
    published(&mut agent);
    for (had, gets) in [("one", "two"), ("two", "three"), ("three", "three")] {
        let refresh = only(agent.wait(Duration::from_secs(1000)).1);
        assert_eq!(refresh.values(HeaderName::SipIfMatch), [had]);
        assert!(refresh.request.body().is_empty());
        assert!(!refresh.request.headers().contains(HeaderName::ContentType));
        agent.reply(&refresh, 200, "t", &granted(gets, 400), "");
    }
}

#[test]
fn rfc3903_4_4_a_change_has_the_last_tag_and_the_state() {
    let mut agent = Agent::new();
    let id = published(&mut agent);
    for (had, gets, text) in [("one", "two", "busy"), ("two", "three", "away")] {
        agent
            .dialogs
            .modify_publication(id, pidf(text), &mut agent.layer, agent.now)
            .unwrap();
        let change = agent.sent();
        assert_eq!(change.values(HeaderName::SipIfMatch), [had]);
        assert_eq!(change.request.body(), text.as_bytes());
        agent.reply(&change, 200, "t", &granted(gets, 400), "");
    }
}

#[test]
fn rfc3903_4_5_an_end_has_the_last_tag_and_no_body() {
    let [.., last] = each();
    assert_eq!(last.field(HeaderName::Expires), "0");
    assert_eq!(last.values(HeaderName::SipIfMatch), ["three"]);
    assert!(last.request.body().is_empty());
}

#[test]
fn rfc3903_5_after_a_412_the_tag_is_gone_and_all_is_published_anew() {
    let mut agent = Agent::new();
    published(&mut agent);
    let refresh = only(agent.wait(Duration::from_secs(1000)).1);
    let calls = agent.reply(&refresh, 412, "t", "", "");
    assert_eq!(methods(&calls), ["PUBLISH"], "one, and not the same again");
    let again = only(calls);
    assert_eq!(again.values(HeaderName::SipIfMatch), [""; 0]);
    assert_eq!(again.request.body(), b"open");
    // Nor is the tag used later.
    agent.reply(&again, 200, "t", &granted("new", 400), "");
    let refresh = only(agent.wait(Duration::from_secs(1000)).1);
    assert_eq!(refresh.values(HeaderName::SipIfMatch), ["new"]);
}

#[test]
fn rfc3903_6_record_route_and_contact_mean_nothing() {
    let mut agent = board();
    let fields = "Event: presence\r\nRecord-Route: <sip:p.example.com;lr>\r\n";
    // With the Contact of any other request.
    let mut with_contact = request("PUBLISH", 1, "", fields);
    with_contact.set_body("application/pidf+xml", "open");
    assert!(with_contact.headers().contains(HeaderName::Contact));
    agent.layer = std::mem::take(&mut agent.layer).lenient();
    agent.take(with_contact);
    let ok = response(&agent.run());
    assert_eq!(ok.status(), StatusCode::OK);
    assert!(!ok.headers().contains(HeaderName::RecordRoute));
    assert!(!ok.headers().contains(HeaderName::Contact));
    // Nor in a refusal.
    agent.take(publishing(
        2,
        "Event: winfo\r\nRecord-Route: <sip:p.example.com;lr>\r\n",
        "x",
    ));
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::BAD_EVENT);
    assert!(!refusal.headers().contains(HeaderName::RecordRoute));
}

#[test]
fn rfc3903_6_what_comes_first_is_done_first() {
    // While a change is decided about, the next one of the same state is not taken.
    let mut agent = Agent::with(compositor);
    agent.take(publishing(1, "Event: presence\r\n", "open"));
    agent.run();
    let one = tag(&accepted(&mut agent, PublicationChange::Initial).1);
    let fields = format!("Event: presence\r\nSIP-If-Match: {one}\r\n");
    agent.take(publishing(2, &fields, "busy"));
    assert!(agent.run().is_empty());
    agent.take(publishing(3, &fields, "away"));
    let later = response(&agent.run());
    assert_eq!(later.status(), StatusCode::SERVER_INTERNAL_ERROR);
    assert!(later.headers().contains(HeaderName::RetryAfter));
    let (_, done) = accepted(&mut agent, PublicationChange::Modified);
    assert_eq!(done.status(), StatusCode::OK);
}

#[test]
fn rfc3903_6_a_resource_that_is_not_there_is_404() {
    let mut agent = board();
    let mut other = publishing(1, "Event: presence\r\n", "open");
    other.set_uri("sip:nobody@192.0.2.1").unwrap();
    agent.take(other);
    assert_eq!(statuses(&agent.run()), [404]);
    assert_eq!(agent.dialogs.publication_count(), 0);
}

#[test]
fn rfc3903_6_two_tags_are_400_and_an_unknown_one_is_412() {
    let mut agent = board();
    for (fields, status) in [
        ("SIP-If-Match: x\r\nSIP-If-Match: y\r\n", 400),
        ("SIP-If-Match: x\r\n", 412),
    ] {
        agent.take(publishing(
            1,
            &format!("Event: presence\r\n{fields}"),
            "open",
        ));
        assert_eq!(statuses(&agent.run()), [status]);
        assert_eq!(state(&mut agent), None);
    }
}

#[test]
fn rfc3903_6_the_time_that_is_asked_for_is_taken_or_an_hour() {
    for (fields, expected) in [("Expires: 100\r\n", "100"), ("", "3600")] {
        let mut agent = board();
        agent.take(publishing(
            1,
            &format!("Event: presence\r\n{fields}"),
            "open",
        ));
        let ok = response(&agent.run());
        assert_eq!(ok.headers().get(HeaderName::Expires), Some(expected));
    }
}

#[test]
fn rfc3903_6_too_brief_a_time_is_423_with_the_least() {
    let mut agent = board();
    agent.take(publishing(1, "Event: presence\r\nExpires: 1\r\n", "open"));
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(refusal.headers().get(HeaderName::MinExpires), Some("60"));
}

#[test]
fn rfc3903_6_neither_state_nor_tag_is_400() {
    let mut agent = board();
    agent.take(publishing(1, "Event: presence\r\n", ""));
    assert_eq!(statuses(&agent.run()), [400]);
}

#[test]
fn rfc3903_6_what_fails_changes_nothing() {
    let mut agent = board();
    agent.take(publishing(1, "Event: presence\r\n", "open"));
    let one = tag(&response(&agent.run()));
    // The store behind it fails.
    let fields = format!("Event: presence\r\nSIP-If-Match: {one}\r\n");
    agent.take(publishing(2, &fields, "broken"));
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::SERVER_TIMEOUT);
    assert!(!refusal.headers().contains(HeaderName::SipETag));
    assert_eq!(state(&mut agent), Some(pidf("open")));
    // What was is still there, by its old tag.
    agent.take(publishing(3, &fields, "busy"));
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(state(&mut agent), Some(pidf("busy")));
    // And a first one that fails leaves nothing.
    let mut agent = board();
    agent.take(publishing(1, "Event: presence\r\n", "broken"));
    assert_eq!(statuses(&agent.run()), [504]);
    assert_eq!(agent.dialogs.publication_count(), 0);
    assert_eq!(agent.dialogs.poll_timeout(), None);
}

#[test]
fn rfc3903_7_options_say_that_publish_and_which_packages_are_taken() {
    let mut agent = board();
    agent.request("OPTIONS", 1, "", "");
    let ok = response(&agent.run());
    let allow = ok.headers().get(HeaderName::Allow).unwrap();
    assert!(
        allow.split(", ").any(|method| method == "PUBLISH"),
        "{allow}"
    );
    assert_eq!(ok.headers().get(HeaderName::AllowEvents), Some("presence"));
}

#[test]
fn rfc3903_9_who_has_too_many_says_when_to_try_again() {
    let mut agent = Agent::with(|config| {
        compositor(config);
        config.publications = 0;
    });
    agent.take(publishing(1, "Event: presence\r\n", "open"));
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.headers().contains(HeaderName::RetryAfter));
}

#[test]
fn rfc3903_14_1_a_publisher_answers_a_challenge() {
    let mut agent = Agent::new();
    let (_, first) = publish(&mut agent);
    let challenge = "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
    let again = only(agent.reply(&first, 401, "t", challenge, ""));
    assert_eq!(again.cseq(), "2 PUBLISH");
    let credentials = again.field(HeaderName::Authorization);
    assert!(
        credentials.starts_with("Digest username=\"alice\""),
        "{credentials}"
    );
    assert!(
        credentials.contains("uri=\"sip:alice@example.com\""),
        "{credentials}"
    );
    assert_eq!(again.request.body(), b"open");
    agent.reply(&again, 200, "t", &granted("one", 400), "");
    assert_eq!(agent.dialogs.publication_count(), 1);
}
