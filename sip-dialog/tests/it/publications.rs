//! PUBLISH (RFC 3903) of both sides, conditional notification (RFC 5839), and packages that are served by themselves.

use std::time::Duration;

use sip_dialog::{
    Body, DialogConfig, Event, EventPackage, PublicationChange, PublicationEnd, PublicationId,
    PublishRequest, SubscribeRequest, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};

use crate::agent::{Agent, Sent, methods, only, request, response, statuses};

pub(crate) fn pidf(text: &'static str) -> Body {
    Body {
        content_type: "application/pidf+xml".to_owned(),
        content: text.into(),
    }
}

pub(crate) fn publish(agent: &mut Agent) -> (PublicationId, Sent) {
    let target = Uri::parse("sip:alice@example.com").unwrap();
    let publish = PublishRequest::new(target, "presence", pidf("open"));
    let id = agent.dialogs.publish(publish, &mut agent.layer, agent.now);
    (id, agent.sent())
}

pub(crate) fn granted(tag: &str, seconds: u32) -> String {
    format!("SIP-ETag: {tag}\r\nExpires: {seconds}\r\n")
}

#[test]
fn rfc3903_4_a_publication_is_made_refreshed_changed_and_withdrawn() {
    let mut agent = Agent::new();
    let (id, first) = publish(&mut agent);
    assert_eq!(first.field(HeaderName::Event), "presence");
    assert_eq!(first.field(HeaderName::Expires), "3600");
    assert_eq!(first.field(HeaderName::SipIfMatch), "");
    assert_eq!(first.request.body(), b"open");
    // Section 4: a PUBLISH makes no dialog, and has no Contact.
    assert_eq!(first.field(HeaderName::Contact), "");
    agent.reply(&first, 200, "t", &granted("one", 400), "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::Published { publication }) if *publication == id
    ));
    // Section 4.3: refreshed before it expires, with the tag and without the state.
    let (waited, calls) = agent.wait(Duration::from_secs(1000));
    assert_eq!(waited, Duration::from_secs(400 - 32));
    let refresh = only(calls);
    assert_eq!(refresh.field(HeaderName::SipIfMatch), "one");
    assert!(refresh.request.body().is_empty());
    assert_eq!(refresh.cseq(), "2 PUBLISH");
    let told = agent.events.len();
    agent.reply(&refresh, 200, "t", &granted("two", 400), "");
    assert_eq!(agent.events.len(), told, "a refresh is not told");
    // Section 4.4; what changes meanwhile waits for the tag.
    for text in ["busy", "away"] {
        agent
            .dialogs
            .modify_publication(id, pidf(text), &mut agent.layer, agent.now)
            .unwrap();
    }
    let change = agent.sent();
    assert_eq!(change.field(HeaderName::SipIfMatch), "two");
    assert_eq!(change.request.body(), b"busy");
    let next = only(agent.reply(&change, 200, "t", &granted("three", 400), ""));
    assert_eq!(next.field(HeaderName::SipIfMatch), "three");
    assert_eq!(next.request.body(), b"away");
    agent.reply(&next, 200, "t", &granted("four", 400), "");
    // Section 4.5.
    agent
        .dialogs
        .unpublish(id, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    assert_eq!(last.field(HeaderName::Expires), "0");
    assert_eq!(last.field(HeaderName::SipIfMatch), "four");
    assert!(last.request.body().is_empty());
    agent.reply(&last, 200, "t", &granted("five", 0), "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::PublicationEnded {
            cause: PublicationEnd::Removed,
            ..
        })
    ));
    assert_eq!(agent.dialogs.publication_count(), 0);
    assert_eq!(agent.dialogs.poll_timeout(), None);
}

#[test]
fn rfc3903_4_2_a_lost_tag_is_answered_with_the_whole_state() {
    let mut agent = Agent::new();
    let (_, first) = publish(&mut agent);
    agent.reply(&first, 200, "t", &granted("one", 100), "");
    let (_, calls) = agent.wait(Duration::from_secs(1000));
    let refresh = only(calls);
    let again = only(agent.reply(&refresh, 412, "t", "", ""));
    assert_eq!(again.field(HeaderName::SipIfMatch), "");
    assert_eq!(again.request.body(), b"open");
    agent.reply(&again, 200, "t", &granted("two", 100), "");
    assert_eq!(agent.dialogs.publication_count(), 1);
    // One that is lost again and again is given up.
    let mut calls = agent.wait(Duration::from_secs(1000)).1;
    for _ in 0..20 {
        if calls.is_empty() {
            break;
        }
        calls = agent.reply(&only(calls), 412, "t", "", "");
    }
    assert!(calls.is_empty());
    assert_eq!(agent.dialogs.publication_count(), 0);
}

#[test]
fn rfc3903_4_1_a_longer_interval_is_taken_and_a_refusal_is_the_end() {
    let mut agent = Agent::new();
    let (_, first) = publish(&mut agent);
    let longer = only(agent.reply(&first, 423, "t", "Min-Expires: 7200\r\n", ""));
    assert_eq!(longer.field(HeaderName::Expires), "7200");
    assert_eq!(longer.request.body(), b"open");
    agent.reply(&longer, 403, "t", "", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::PublicationEnded { cause: PublicationEnd::Refused(response), .. })
            if response.status() == StatusCode::FORBIDDEN
    ));
    // Withdrawn before it is there.
    let (id, sent) = publish(&mut agent);
    agent
        .dialogs
        .unpublish(id, &mut agent.layer, agent.now)
        .unwrap();
    assert!(agent.run().is_empty(), "one at a time");
    let last = only(agent.reply(&sent, 200, "t", &granted("x", 60), ""));
    assert_eq!(last.field(HeaderName::Expires), "0");
    agent.reply(&last, 200, "t", "", "");
    assert_eq!(agent.dialogs.publication_count(), 0);
}

pub(crate) fn compositor(config: &mut DialogConfig) {
    config.publish_packages = vec!["presence".to_owned()];
}

pub(crate) fn publishing(number: u32, fields: &str, state: &'static str) -> Request {
    let mut request = request("PUBLISH", number, "", fields);
    request.headers_mut().remove_all(HeaderName::Contact);
    if !state.is_empty() {
        request.set_body("application/pidf+xml", state);
    }
    request
}

pub(crate) fn accepted(
    agent: &mut Agent,
    expected: PublicationChange,
) -> (PublicationId, Response) {
    let Some(Event::Publishing {
        publication,
        change,
        ..
    }) = agent.events.pop()
    else {
        panic!("no publication: {:?}", agent.events)
    };
    assert_eq!(change, expected);
    agent
        .dialogs
        .accept_publication(publication, &mut agent.layer, agent.now)
        .unwrap();
    (publication, response(&agent.run()))
}

pub(crate) fn tag(response: &Response) -> String {
    let tag = response.headers().get(HeaderName::SipETag);
    tag.unwrap().to_owned()
}

#[test]
fn rfc3903_6_each_step_of_a_publication_has_a_new_tag() {
    let mut agent = Agent::with(compositor);
    agent.take(publishing(1, "Event: presence\r\nExpires: 100\r\n", "open"));
    agent.run();
    let (id, first) = accepted(&mut agent, PublicationChange::Initial);
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers().get(HeaderName::Expires), Some("100"));
    let one = tag(&first);
    // A refresh is answered at once.
    let fields = |tag: &str, seconds| {
        format!("Event: presence\r\nExpires: {seconds}\r\nSIP-If-Match: {tag}\r\n")
    };
    agent.take(publishing(2, &fields(&one, 200), ""));
    let two = tag(&response(&agent.run()));
    assert_ne!(one, two);
    // The old tag is of nothing now.
    agent.take(publishing(3, &fields(&one, 200), "busy"));
    assert_eq!(statuses(&agent.run()), [412]);
    agent.take(publishing(4, &fields(&two, 200), "busy"));
    agent.run();
    let (same, changed) = accepted(&mut agent, PublicationChange::Modified);
    assert_eq!(same, id);
    // Another resource does not share it.
    let mut other = publishing(5, &fields(&tag(&changed), 200), "busy");
    other.set_uri("sip:carol@192.0.2.1").unwrap();
    agent.take(other);
    assert_eq!(statuses(&agent.run()), [412]);
    agent.take(publishing(6, &fields(&tag(&changed), 0), ""));
    agent.run();
    let (_, last) = accepted(&mut agent, PublicationChange::Removed);
    assert_eq!(last.headers().get(HeaderName::Expires), Some("0"));
    assert_eq!(agent.dialogs.publication_count(), 0);
    assert_eq!(agent.dialogs.poll_timeout(), None);
}

#[test]
fn rfc3903_6_what_is_not_understood_is_refused() {
    let mut agent = Agent::with(compositor);
    for (fields, state, status) in [
        ("Event: dialog\r\n", "open", 489),
        ("", "open", 489),
        ("Event: presence\r\n", "", 400),
        ("Event: presence\r\nExpires: 0\r\n", "open", 400),
        ("Event: presence\r\nExpires: 5\r\n", "open", 423),
        ("Event: presence\r\nSIP-If-Match: x\r\n", "open", 412),
        (
            "Event: presence\r\nSIP-If-Match: x\r\nSIP-If-Match: y\r\n",
            "open",
            400,
        ),
        ("Event: presence\r\nRequire: magic\r\n", "open", 420),
    ] {
        agent.take(publishing(1, fields, state));
        assert_eq!(statuses(&agent.run()), [status], "{fields}");
    }
    assert_eq!(agent.dialogs.publication_count(), 0);
    agent.take(publishing(2, "Event: presence\r\n", "open"));
    agent.run();
    let Some(Event::Publishing { publication, .. }) = agent.events.pop() else {
        panic!("no publication")
    };
    agent
        .dialogs
        .refuse_publication(
            publication,
            StatusCode::FORBIDDEN,
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    assert_eq!(statuses(&agent.run()), [403]);
    assert_eq!(agent.dialogs.publication_count(), 0);
    // Without a package it is someone else's.
    let (_, back) = Agent::new().take(publishing(3, "Event: presence\r\n", "open"));
    assert!(back.is_some());
}

#[test]
fn rfc3903_6_a_publication_that_nobody_refreshes_expires_and_a_flood_meets_its_limit() {
    let mut agent = Agent::with(|config| {
        compositor(config);
        config.publications = 2;
    });
    for number in 1..=2 {
        agent.take(publishing(
            number,
            "Event: presence\r\nExpires: 100\r\n",
            "open",
        ));
        agent.run();
        accepted(&mut agent, PublicationChange::Initial);
    }
    agent.take(publishing(3, "Event: presence\r\n", "open"));
    assert_eq!(statuses(&agent.run()), [503]);
    let (waited, _) = agent.wait(Duration::from_secs(1000));
    assert_eq!(waited, Duration::from_secs(100));
    assert!(matches!(
        agent.events.last(),
        Some(Event::PublicationEnded {
            cause: PublicationEnd::Expired,
            ..
        })
    ));
    assert_eq!(agent.dialogs.publication_count(), 0);
}

/// Presence that is what was published last.
#[derive(Debug, Default)]
struct Presence {
    state: Vec<(PublicationId, Body)>,
}

impl EventPackage for Presence {
    fn name(&self) -> &str {
        "presence"
    }

    fn authorize(&mut self, resource: &str, _: &Request) -> Result<SubscriptionStatus, StatusCode> {
        if resource.starts_with("sip:alice@") {
            Ok(SubscriptionStatus::Active)
        } else {
            Err(StatusCode::NOT_FOUND)
        }
    }

    fn state(&mut self, _: &str) -> Option<Body> {
        self.state.last().map(|(_, body)| body.clone())
    }

    fn is_published(&self) -> bool {
        true
    }

    fn published(
        &mut self,
        _: &str,
        publication: PublicationId,
        state: Option<Body>,
    ) -> Result<(), StatusCode> {
        self.state.retain(|(id, _)| *id != publication);
        match state {
            Some(body) if body.content_type != "application/pidf+xml" => {
                Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Some(body) => {
                self.state.push((publication, body));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[test]
fn rfc6665_4_2_and_rfc3903_6_a_package_is_served_by_itself() {
    let mut agent = Agent::new();
    agent.dialogs.add_package(Box::new(Presence::default()));
    let mut unknown = request("SUBSCRIBE", 1, "", "Event: presence\r\n");
    unknown.set_uri("sip:nobody@192.0.2.1").unwrap();
    agent.take(unknown);
    assert_eq!(statuses(&agent.run()), [404]);
    agent.request("SUBSCRIBE", 2, "", "Event: presence\r\nExpires: 1000\r\n");
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200]);
    let first = only(calls);
    assert!(first.request.body().is_empty(), "nothing is published");
    agent.reply(&first, 200, "", "", "");
    assert_eq!(
        agent
            .dialogs
            .watchers("presence", "sip:alice@192.0.2.1")
            .len(),
        1
    );
    // What is published is told.
    let mut wrong = publishing(3, "Event: presence\r\nExpires: 100\r\n", "");
    wrong.set_body("text/plain", "x");
    agent.take(wrong);
    assert_eq!(statuses(&agent.run()), [415]);
    agent.take(publishing(4, "Event: presence\r\nExpires: 100\r\n", "open"));
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200]);
    let told = only(calls);
    assert_eq!(told.request.body(), b"open");
    agent.reply(&told, 200, "", "", "");
    // And what expires is too.
    let (waited, calls) = agent.wait(Duration::from_secs(1000));
    assert_eq!(waited, Duration::from_secs(100));
    let told = only(calls);
    assert!(told.request.body().is_empty());
    agent.reply(&told, 200, "", "", "");
    assert!(
        agent.events.is_empty(),
        "the application hears nothing: {:?}",
        agent.events
    );
    // The last NOTIFY, and nobody watches.
    let tag = told.request.headers().from_tag().unwrap().to_owned();
    agent.request("SUBSCRIBE", 5, &tag, "Event: presence\r\nExpires: 0\r\n");
    let last = only(agent.run());
    agent.reply(&last, 200, "", "", "");
    assert!(
        agent
            .dialogs
            .watchers("presence", "sip:alice@192.0.2.1")
            .is_empty()
    );
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

fn tagged(config: &mut DialogConfig) {
    config.event_packages = vec!["presence".to_owned()];
    config.entity_tags = true;
}

/// Someone subscribes, and has the first NOTIFY.
fn subscribed(agent: &mut Agent, condition: &str, state: &'static str) -> (SubscriptionId, Sent) {
    agent.request(
        "SUBSCRIBE",
        1,
        "",
        &format!("Event: presence\r\nExpires: 1000\r\n{condition}"),
    );
    agent.run();
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("no subscription")
    };
    agent
        .dialogs
        .grant(
            subscription,
            SubscriptionStatus::Active,
            Some(pidf(state)),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let first = only(agent.run());
    agent.reply(&first, 200, "", "", "");
    (subscription, first)
}

#[test]
fn rfc5839_6_3_a_refresh_of_who_knows_the_state_is_204() {
    let mut agent = Agent::with(tagged);
    let (id, first) = subscribed(&mut agent, "", "open");
    let known = first.field(HeaderName::SipETag);
    let tag = first.request.headers().from_tag().unwrap().to_owned();
    let refresh = |agent: &mut Agent, number, condition: &str| {
        let fields =
            format!("Event: presence\r\nExpires: 1000\r\nSuppress-If-Match: {condition}\r\n");
        agent.request("SUBSCRIBE", number, &tag, &fields);
        agent.run()
    };
    let calls = refresh(&mut agent, 2, &known);
    assert_eq!((statuses(&calls), methods(&calls)), (vec![204], vec![]));
    // As long as the condition is true, the same state is not told again; another one is, and the condition is over.
    let notify = |agent: &mut Agent, state| {
        agent
            .dialogs
            .notify(
                id,
                SubscriptionStatus::Active,
                Some(pidf(state)),
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        agent.run()
    };
    assert!(notify(&mut agent, "open").is_empty());
    for state in ["busy", "open"] {
        let told = only(notify(&mut agent, state));
        assert_eq!(told.request.body(), state.as_bytes());
        agent.reply(&told, 200, "", "", "");
    }
    // A condition that is not true is as none.
    let calls = refresh(&mut agent, 3, "other");
    assert_eq!(statuses(&calls), [200]);
    let told = only(calls);
    assert_eq!(told.request.body(), b"open");
    assert_eq!(
        told.field(HeaderName::SipETag),
        known,
        "the same state, the same tag"
    );
    agent.reply(&told, 200, "", "", "");
    // Section 5.2: `*` quenches; only the status is told.
    assert_eq!(statuses(&refresh(&mut agent, 4, "*")), [204]);
    assert!(notify(&mut agent, "busy").is_empty());
    agent
        .dialogs
        .notify(
            id,
            SubscriptionStatus::Terminated,
            Some(pidf("busy")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let last = agent.sent();
    assert!(last.request.body().is_empty());
    assert!(
        last.field(HeaderName::SubscriptionState)
            .starts_with("terminated")
    );
}

#[test]
fn rfc5839_6_2_who_subscribes_anew_with_the_state_gets_no_body() {
    let mut agent = Agent::with(tagged);
    let (_, first) = subscribed(&mut agent, "", "open");
    let known = first.field(HeaderName::SipETag);
    let (_, again) = subscribed(
        &mut agent,
        &format!("Suppress-If-Match: {known}\r\n"),
        "open",
    );
    assert!(again.request.body().is_empty());
    assert_eq!(again.field(HeaderName::SipETag), known);
    let (_, other) = subscribed(
        &mut agent,
        &format!("Suppress-If-Match: {known}\r\n"),
        "busy",
    );
    assert_eq!(other.request.body(), b"busy");
}

#[test]
fn rfc5839_5_6_a_subscriber_says_what_it_knows() {
    let mut agent = Agent::new();
    let uri = |text: &str| Uri::parse(text).unwrap();
    let subscribe = SubscribeRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
        "presence",
    );
    let id = agent
        .dialogs
        .subscribe(subscribe, &mut agent.layer, agent.now);
    let first = agent.sent();
    let contact = "Contact: <sip:bob@192.0.2.9>\r\n";
    agent.reply(
        &first,
        200,
        "peer",
        &format!("{contact}Expires: 100\r\n"),
        "",
    );
    let tag = first.request.headers().from_tag().unwrap();
    let fields = "Event: presence\r\nSubscription-State: active;expires=100\r\nSIP-ETag: known\r\n";
    let mut notify = request("NOTIFY", 1, tag, fields);
    let call_id = first.field(HeaderName::CallId);
    notify.headers_mut().replace(HeaderName::CallId, call_id);
    agent.take(notify);
    assert_eq!(statuses(&agent.run()), [200]);
    let (_, calls) = agent.wait(Duration::from_secs(100));
    let refresh = only(calls);
    assert_eq!(refresh.field(HeaderName::SuppressIfMatch), "known");
    agent.reply(&refresh, 204, "", "Expires: 100\r\n", "");
    // No NOTIFY comes, and none is missed.
    let (waited, calls) = agent.wait(Duration::from_secs(100));
    assert_eq!(waited, Duration::from_secs(75));
    let refresh = only(calls);
    assert_eq!(refresh.request.method(), &Method::Subscribe);
    agent.reply(&refresh, 204, "", "Expires: 100\r\n", "");
    agent
        .dialogs
        .unsubscribe(id, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    agent.reply(&last, 204, "", "Expires: 0\r\n", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded {
            cause: SubscriptionEnd::Local,
            ..
        })
    ));
}
