//! Statements of RFC 6665 that no other test shows, one by one (`conformance/rfc6665.toml`).

use std::time::Duration;

use sip_dialog::{
    Body, Event, EventPackage, SubscribeRequest, SubscriptionEnd, SubscriptionStatus,
};
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_testkit::Call;

use crate::agent::{Agent, methods, only, request, requests, response, statuses};
use crate::subscriptions::{
    active, end, granted, notifier, notify, pidf, response_field, subscribe, subscribed,
};

/// A package that decides as its resource is called.
#[derive(Debug)]
struct Desk;

impl EventPackage for Desk {
    fn name(&self) -> &str {
        "presence"
    }

    fn authorize(
        &mut self,
        _: &str,
        subscribe: &Request,
    ) -> Result<SubscriptionStatus, StatusCode> {
        match subscribe.headers().get(HeaderName::Subject) {
            Some("wait") => Ok(SubscriptionStatus::Pending),
            Some("no") => Err(StatusCode::FORBIDDEN),
            _ => Ok(SubscriptionStatus::Active),
        }
    }

    fn state(&mut self, _: &str) -> Option<Body> {
        pidf("state")
    }
}

fn desk() -> Agent {
    let mut agent = Agent::new();
    agent.dialogs.add_package(Box::new(Desk));
    agent
}

/// Subscribes with that Event.
fn subscribe_to(agent: &mut Agent, event: &str) -> crate::agent::Sent {
    let uri = |text: &str| Uri::parse(text).unwrap();
    let request = SubscribeRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
        event,
    );
    agent
        .dialogs
        .subscribe(request, &mut agent.layer, agent.now);
    agent.sent()
}

fn state(sent: &crate::agent::Sent) -> String {
    sent.field(HeaderName::SubscriptionState)
}

#[test]
fn rfc6665_3_1_1_a_subscribe_says_how_long() {
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    assert_eq!(sent.field(HeaderName::Expires), "600");
    let (_, calls) = agent.wait(Duration::from_secs(600));
    assert_eq!(only(calls).field(HeaderName::Expires), "600");
}

#[test]
fn rfc6665_3_1_1_a_subscribe_that_does_not_say_how_long_is_for_an_hour() {
    let mut agent = notifier();
    let (_, _, first) = granted(&mut agent, "");
    assert_eq!(state(&first), "active;expires=3600");
}

/// What the 2xx grants of what was asked for.
fn grants(asked: u32) -> u32 {
    let mut agent = notifier();
    agent.request(
        "SUBSCRIBE",
        5,
        "",
        &format!("Event: presence\r\nExpires: {asked}\r\n"),
    );
    agent.run();
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let active = SubscriptionStatus::Active;
    agent
        .dialogs
        .grant(subscription, active, None, &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.first() else {
        panic!("{calls:?}")
    };
    response
        .headers()
        .get(HeaderName::Expires)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn rfc6665_3_1_1_a_200_says_how_long_and_never_longer() {
    for asked in [0, 60, 61, 600, 3599, 3600, 3601, u32::MAX] {
        assert_eq!(grants(asked), asked.min(3600), "{asked}");
    }
}

#[test]
fn rfc6665_4_2_1_1_the_time_is_not_made_longer() {
    for asked in [0, 60, 90, 3600, 7200] {
        assert!(grants(asked) <= asked, "{asked}");
    }
}

#[test]
fn rfc6665_4_2_1_4_a_refresh_is_not_made_longer_and_too_brief_a_one_is_423() {
    let mut agent = notifier();
    let (_, tag, first) = granted(&mut agent, "Expires: 3600\r\n");
    agent.reply(&first, 200, "", "", "");
    let fields = "Event: presence\r\nExpires: 100\r\n";
    agent.request("SUBSCRIBE", 6, &tag, fields);
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.first() else {
        panic!("{calls:?}")
    };
    assert_eq!(response.headers().get(HeaderName::Expires), Some("100"));
    let told = only(calls);
    assert_eq!(state(&told), "active;expires=100");
    agent.reply(&told, 200, "", "", "");
    agent.request("SUBSCRIBE", 7, &tag, "Event: presence\r\nExpires: 1\r\n");
    assert_eq!(
        response_field(&mut agent, HeaderName::MinExpires),
        (423, "60".to_owned())
    );
}

#[test]
fn rfc6665_3_1_2_a_subscribe_has_one_event() {
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    let (_, calls) = agent.wait(Duration::from_secs(600));
    for request in [&sent.request, &only(calls).request] {
        let events: Vec<&str> = request.headers().values(HeaderName::Event).collect();
        assert_eq!(events, ["presence"]);
    }
}

#[test]
fn rfc6665_3_2_1_a_notify_has_the_event_of_its_subscribe() {
    let mut agent = notifier();
    agent.request("SUBSCRIBE", 5, "", "Event: presence;id=7\r\n");
    agent.run();
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let active = SubscriptionStatus::Active;
    agent
        .dialogs
        .grant(subscription, active, None, &mut agent.layer, agent.now)
        .unwrap();
    let told = only(agent.run());
    let events: Vec<&str> = told.request.headers().values(HeaderName::Event).collect();
    assert_eq!(events, ["presence;id=7"]);
}

#[test]
fn rfc6665_3_2_1_a_body_is_of_a_type_that_is_accepted() {
    for (accept, expected) in [
        ("", &b"one"[..]),
        ("Accept: application/pidf+xml\r\n", b"one"),
        ("Accept: text/plain, application/*;q=0.5\r\n", b"one"),
        ("Accept: application/xpidf+xml\r\n", b""),
        (
            "Accept: application/pidf+xml;q=0\r\nAccept: text/plain\r\n",
            b"",
        ),
    ] {
        let mut agent = notifier();
        let (_, _, first) = granted(&mut agent, accept);
        assert_eq!(first.request.body(), expected, "{accept}");
    }
}

#[test]
fn rfc6665_4_1_2_2_these_responses_to_a_refresh_end_it() {
    let ends = [
        404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
    ];
    for status in ends {
        let mut agent = Agent::new();
        subscribed(&mut agent);
        let (_, calls) = agent.wait(Duration::from_secs(600));
        agent.reply(&only(calls), status, "", "", "");
        assert!(
            matches!(end(&mut agent), SubscriptionEnd::Refused(_)),
            "{status}"
        );
        assert_eq!(agent.dialogs.poll_timeout(), None, "{status}");
    }
}

#[test]
fn rfc6665_4_1_2_2_no_notify_is_awaited_after_a_204() {
    let mut agent = Agent::new();
    subscribed(&mut agent);
    let (_, calls) = agent.wait(Duration::from_secs(600));
    agent.reply(&only(calls), 204, "", "Expires: 600\r\n", "");
    // Timer N would end it after 32 seconds; what is next is the next refresh.
    let (waited, calls) = agent.wait(Duration::from_secs(600));
    assert!(waited > Duration::from_secs(500), "{waited:?}");
    assert_eq!(methods(&calls), ["SUBSCRIBE"]);
    assert_eq!(agent.dialogs.subscription_count(), 1);
}

#[test]
fn rfc6665_4_1_2_4_a_notify_may_come_before_the_answer() {
    let mut agent = Agent::new();
    let (id, sent) = subscribe(&mut agent, 600);
    agent.take(notify(&sent, 1, "b1", &active(600)));
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(
        matches!(agent.events.pop(), Some(Event::Notified { subscription, .. }) if subscription == id)
    );
    agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
    assert_eq!(agent.dialogs.subscription_count(), 1);
}

#[test]
fn rfc6665_4_1_3_subscription_state_is_there() {
    // Ours have it, and one without is refused.
    let mut agent = notifier();
    let (_, _, first) = granted(&mut agent, "");
    assert!(!state(&first).is_empty());
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    agent.take(notify(&sent, 2, "b1", "Event: presence\r\n"));
    assert_eq!(statuses(&agent.run()), [400]);
}

#[test]
fn rfc6665_4_1_3_the_time_that_a_notify_says_counts() {
    for word in ["active", "pending"] {
        let mut agent = Agent::new();
        let (_, sent) = subscribed(&mut agent);
        let fields = format!("Event: presence\r\nSubscription-State: {word};expires=100\r\n");
        agent.take(notify(&sent, 2, "b1", &fields));
        agent.run();
        let (waited, calls) = agent.wait(Duration::from_secs(600));
        assert!((50..100).contains(&waited.as_secs()), "{word}: {waited:?}");
        assert_eq!(methods(&calls), ["SUBSCRIBE"]);
        // Without an answer it is over when that time is.
        let began = agent.now;
        while agent.dialogs.subscription_count() > 0 {
            agent.wait(Duration::from_secs(100));
        }
        assert!(agent.now - began <= Duration::from_secs(50), "{word}");
    }
}

#[test]
fn rfc6665_4_1_3_terminated_has_no_time() {
    // Ours says none, and that of another is not heeded.
    let mut agent = notifier();
    let (id, _, first) = granted(&mut agent, "");
    agent.reply(&first, 200, "", "", "");
    let over = SubscriptionStatus::Terminated;
    agent
        .dialogs
        .notify(id, over, None, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(state(&agent.sent()), "terminated;reason=noresource");
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    let fields = "Event: presence\r\nSubscription-State: terminated;expires=600\r\n";
    agent.take(notify(&sent, 2, "b1", fields));
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        end(&mut agent),
        SubscriptionEnd::Terminated { .. }
    ));
    assert_eq!(agent.dialogs.poll_timeout(), None);
}

#[test]
fn rfc6665_4_1_3_who_is_told_not_to_does_not_subscribe_again() {
    for reason in [
        "rejected",
        "noresource",
        "invariant",
        "invariant;retry-after=1",
        "unheard-of;retry-after=60",
    ] {
        let mut agent = Agent::new();
        let (_, sent) = subscribed(&mut agent);
        let fields =
            format!("Event: presence\r\nSubscription-State: terminated;reason={reason}\r\n");
        agent.take(notify(&sent, 2, "b1", &fields));
        assert_eq!(statuses(&agent.run()), [200]);
        end(&mut agent);
        let (waited, calls) = agent.wait(Duration::from_secs(86_400));
        assert!(calls.is_empty(), "{reason}: {waited:?} {calls:?}");
    }
}

#[test]
fn rfc6665_4_1_3_a_notify_is_answered_at_once() {
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    agent.events.clear();
    let mut next = notify(&sent, 2, "b1", &active(600));
    next.set_body("application/pidf+xml", "<presence/>");
    agent.take(next);
    // In the very call, before the application has seen it.
    let calls = agent.layer.take();
    assert_eq!(statuses(&calls), [200]);
    agent.run();
    assert!(matches!(
        agent.events.last(),
        Some(Event::Notified { body: Some(_), .. })
    ));
}

#[test]
fn rfc6665_4_1_4_the_tag_of_the_notify_may_be_another_than_that_of_the_200() {
    let mut agent = Agent::new();
    let (_, sent) = subscribe(&mut agent, 600);
    agent.reply(&sent, 200, "forwarder", "Expires: 600\r\n", "");
    agent.take(notify(&sent, 1, "notifier", &active(600)));
    assert_eq!(statuses(&agent.run()), [200]);
    let (_, calls) = agent.wait(Duration::from_secs(600));
    let refresh = only(calls);
    assert_eq!(refresh.request.headers().to_tag(), Some("notifier"));
}

#[test]
fn rfc6665_4_2_1_only_a_subscribe_makes_a_subscription() {
    let methods = [
        "INVITE", "OPTIONS", "MESSAGE", "NOTIFY", "PUBLISH", "INFO", "UPDATE", "REGISTER",
    ];
    for method in methods {
        let mut agent = notifier();
        let mut request = request(method, 5, "", "Expires: 600\r\n");
        request
            .headers_mut()
            .push_back(HeaderName::Event, "presence");
        agent.take(request);
        let calls = agent.run();
        assert!(requests(&calls).is_empty(), "{method}: {calls:?}");
        assert_eq!(agent.dialogs.subscription_count(), 0, "{method}");
    }
}

#[test]
fn rfc6665_4_2_1_1_a_subscribe_is_answered_at_once_whoever_must_be_asked() {
    for (subject, expected) in [("wait", 200), ("yes", 200), ("no", 403)] {
        let mut agent = desk();
        let fields = format!("Event: presence\r\nSubject: {subject}\r\n");
        agent.request("SUBSCRIBE", 5, "", &fields);
        assert_eq!(statuses(&agent.layer.take()), [expected], "{subject}");
    }
}

#[test]
fn rfc6665_4_2_1_3_who_may_not_is_403() {
    let mut agent = desk();
    agent.request("SUBSCRIBE", 5, "", "Event: presence\r\nSubject: no\r\n");
    let calls = agent.run();
    assert_eq!(statuses(&calls), [403]);
    assert!(requests(&calls).is_empty());
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

#[test]
fn rfc6665_4_2_2_a_change_is_told_at_once() {
    let mut agent = desk();
    agent.request("SUBSCRIBE", 5, "", "Event: presence\r\n");
    let first = only(agent.run());
    agent.reply(&first, 200, "", "", "");
    agent.dialogs.state_changed(
        "presence",
        "sip:alice@192.0.2.1",
        &mut agent.layer,
        agent.now,
    );
    let told = agent.sent();
    assert_eq!(
        (told.cseq().as_str(), told.request.body()),
        ("2 NOTIFY", &b"state"[..])
    );
}

#[test]
fn rfc6665_4_2_2_subscription_state_says_which_and_how_long() {
    let mut agent = desk();
    agent.request(
        "SUBSCRIBE",
        5,
        "",
        "Event: presence\r\nSubject: wait\r\nExpires: 600\r\n",
    );
    let waiting = only(agent.run());
    assert_eq!(state(&waiting), "pending;expires=600");
    let mut agent = notifier();
    let (id, _, first) = granted(&mut agent, "Expires: 600\r\n");
    assert_eq!(state(&first), "active;expires=600");
    // The time that is left, which never grows.
    let mut told = first;
    for seconds in [0, 1, 99, 300, 199] {
        agent.reply(&told, 200, "", "", "");
        agent.now += Duration::from_secs(seconds);
        let before: u64 = state(&told).rsplit_once('=').unwrap().1.parse().unwrap();
        let active = SubscriptionStatus::Active;
        agent
            .dialogs
            .notify(id, active, None, &mut agent.layer, agent.now)
            .unwrap();
        told = agent.sent();
        assert_eq!(state(&told), format!("active;expires={}", before - seconds));
    }
    // And the end, which says why.
    agent.reply(&told, 200, "", "", "");
    let (_, calls) = agent.wait(Duration::from_secs(10));
    assert_eq!(state(&only(calls)), "terminated;reason=timeout");
}

#[test]
fn rfc6665_4_2_3_without_event_it_is_489() {
    let mut agent = notifier();
    agent.request("SUBSCRIBE", 5, "", "");
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::BAD_EVENT);
    assert_eq!(
        refusal.headers().get(HeaderName::AllowEvents),
        Some("presence")
    );
}

#[test]
fn rfc6665_4_4_4_allow_events_lists_every_package() {
    let mut agent = Agent::with(|config| {
        config.event_packages = vec!["dialog".to_owned()];
        config.refer = true;
    });
    agent.dialogs.add_package(Box::new(Desk));
    let all = "dialog, presence, refer";
    let (_, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::AllowEvents), all);
    agent.reply(&invite, 486, "b1", "", "");
    agent.request("OPTIONS", 5, "", "");
    assert_eq!(
        response(&agent.run())
            .headers()
            .get(HeaderName::AllowEvents),
        Some(all)
    );
    agent.offer("INVITE", 6, "", "");
    agent.run();
    let session = agent.incoming();
    let accepted = agent.accept(session);
    assert_eq!(accepted.headers().get(HeaderName::AllowEvents), Some(all));
    agent.request("SUBSCRIBE", 5, "", "Event: winfo\r\n");
    assert_eq!(
        response_field(&mut agent, HeaderName::AllowEvents),
        (489, all.to_owned())
    );
    // Who is no notifier says nothing.
    let mut agent = Agent::new();
    let (_, invite) = agent.invite(Some("offer"));
    assert!(!invite.request.headers().contains(HeaderName::AllowEvents));
}

#[test]
fn rfc6665_4_5_2_a_subscription_has_a_dialog_of_its_own() {
    let mut agent = Agent::new();
    let contact = "Contact: <sip:bob@example.com;gr=urn:uuid:1>\r\n";
    let (_, invite, _) = agent.calling(contact);
    let (_, sent) = subscribe(&mut agent, 600);
    assert_eq!(sent.request.headers().to_tag(), None);
    assert_ne!(
        sent.field(HeaderName::CallId),
        invite.field(HeaderName::CallId)
    );
}

#[test]
fn rfc6665_4_5_2_who_wants_to_share_a_dialog_is_told_that_it_is_not_done() {
    // That of a call, and that of another subscription.
    let mut agent = notifier();
    let (_, tag) = agent.answered("");
    agent.request("SUBSCRIBE", 6, &tag, "Event: presence\r\nExpires: 600\r\n");
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
    assert_eq!(refusal.reason(), "Dialog Sharing Not Supported");
    let mut agent = notifier();
    let (_, tag, first) = granted(&mut agent, "");
    agent.reply(&first, 200, "", "", "");
    agent.request(
        "SUBSCRIBE",
        6,
        &tag,
        "Event: presence;id=2\r\nExpires: 600\r\n",
    );
    let refusal = response(&agent.run());
    assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
    assert_eq!(refusal.reason(), "Dialog Sharing Not Supported");
    assert_eq!(agent.dialogs.subscription_count(), 1);
}

#[test]
fn rfc6665_4_5_2_the_id_of_an_event_is_in_all_that_follows() {
    let mut agent = notifier();
    agent.request(
        "SUBSCRIBE",
        5,
        "",
        "Event: presence;id=a1\r\nExpires: 600\r\n",
    );
    agent.run();
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let active_now = SubscriptionStatus::Active;
    agent
        .dialogs
        .grant(subscription, active_now, None, &mut agent.layer, agent.now)
        .unwrap();
    let first = only(agent.run());
    assert_eq!(first.field(HeaderName::Event), "presence;id=a1");
    agent.reply(&first, 200, "", "", "");
    let (_, calls) = agent.wait(Duration::from_secs(600));
    assert_eq!(only(calls).field(HeaderName::Event), "presence;id=a1");
    // The other side.
    let mut agent = Agent::new();
    let sent = subscribe_to(&mut agent, "presence;id=b2");
    agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
    agent.take(notify(&sent, 1, "b1", &active(600)));
    let with_id = active(600).replace("presence", "presence;id=b2");
    agent.take(notify(&sent, 2, "b1", &with_id));
    assert_eq!(statuses(&agent.run()), [481, 200]);
    let (_, calls) = agent.wait(Duration::from_secs(600));
    assert_eq!(only(calls).field(HeaderName::Event), "presence;id=b2");
}

#[test]
fn rfc6665_4_6_a_subscribe_is_not_cancelled() {
    let mut agent = Agent::new();
    let (id, sent) = subscribe(&mut agent, 600);
    agent
        .dialogs
        .unsubscribe(id, &mut agent.layer, agent.now)
        .unwrap();
    assert!(agent.run().is_empty());
    let calls = agent.reply(&sent, 100, "", "", "");
    assert!(calls.is_empty(), "{calls:?}");
    let (_, calls) = agent.wait(Duration::from_secs(60));
    assert!(
        !calls.iter().any(|call| matches!(call, Call::Cancel { .. })),
        "{calls:?}"
    );
}

/// What an agent sends that calls, is called, is subscribed to and subscribes.
fn everything() -> (Vec<Request>, Vec<sip_message::Response>) {
    let mut agent = Agent::with(|config| {
        config.event_packages = vec!["presence".to_owned()];
        config.session_interval = Some(Duration::from_secs(1800));
        config.supported = vec!["100rel".to_owned()];
    });
    let mut calls = Vec::new();
    let (session, invite) = agent.invite(Some("offer"));
    calls.push(Call::Request {
        id: invite.id,
        request: invite.request.clone(),
        flow: crate::agent::flow(),
    });
    calls.extend(agent.reply(
        &invite,
        200,
        "b1",
        "Contact: <sip:bob@192.0.2.7>\r\n",
        "answer",
    ));
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    calls.extend(agent.run());
    agent.offer("INVITE", 1, "", "");
    calls.extend(agent.run());
    agent.request("OPTIONS", 1, "", "");
    calls.extend(agent.run());
    agent.request("SUBSCRIBE", 1, "", "Event: presence\r\n");
    calls.extend(agent.run());
    let subscription = agent
        .events
        .iter()
        .find_map(|event| match event {
            Event::Subscribing { subscription, .. } => Some(*subscription),
            _ => None,
        })
        .unwrap();
    let active = SubscriptionStatus::Active;
    agent
        .dialogs
        .grant(subscription, active, None, &mut agent.layer, agent.now)
        .unwrap();
    calls.extend(agent.run());
    let (_, sent) = subscribe(&mut agent, 600);
    agent.take(notify(&sent, 1, "b1", &self::active(600)));
    calls.extend(agent.run());
    calls.push(Call::Request {
        id: sent.id,
        request: sent.request,
        flow: crate::agent::flow(),
    });
    let sent = requests(&calls)
        .into_iter()
        .map(|(request, _)| request.clone())
        .collect();
    let answered = calls
        .iter()
        .filter_map(|call| match call {
            Call::Respond { response, .. } => Some(response.clone()),
            _ => None,
        })
        .collect();
    (sent, answered)
}

#[test]
fn rfc6665_8_2_1_event_is_one_and_in_subscribe_and_notify_only() {
    let (sent, answered) = everything();
    assert!(
        sent.iter()
            .any(|request| *request.method() == Method::Subscribe)
    );
    assert!(
        sent.iter()
            .any(|request| *request.method() == Method::Notify)
    );
    for request in &sent {
        let is_event = matches!(request.method(), Method::Subscribe | Method::Notify);
        let events: Vec<&str> = request.headers().values(HeaderName::Event).collect();
        let expected: &[&str] = if is_event { &["presence"] } else { &[] };
        assert_eq!(events, expected, "{}", request.method());
    }
    assert!(answered.len() >= 3);
    for response in &answered {
        assert!(!response.headers().contains(HeaderName::Event));
    }
}

#[test]
fn rfc6665_8_2_3_subscription_state_is_in_notify_only() {
    let (sent, answered) = everything();
    for request in &sent {
        let has = request.headers().contains(HeaderName::SubscriptionState);
        assert_eq!(
            has,
            *request.method() == Method::Notify,
            "{}",
            request.method()
        );
    }
    for response in &answered {
        assert!(!response.headers().contains(HeaderName::SubscriptionState));
    }
}

#[test]
fn rfc6665_8_3_1_a_202_is_taken_as_a_200_and_never_sent() {
    let mut agent = Agent::new();
    let (_, sent) = subscribe(&mut agent, 600);
    agent.reply(&sent, 202, "b1", "Expires: 600\r\n", "");
    agent.take(notify(&sent, 1, "b1", &active(600)));
    agent.run();
    let (waited, calls) = agent.wait(Duration::from_secs(600));
    assert!((500..600).contains(&waited.as_secs()), "{waited:?}");
    agent.reply(&only(calls), 202, "", "Expires: 600\r\n", "");
    assert_eq!(agent.dialogs.subscription_count(), 1);
    let mut agent = notifier();
    let (_, _, first) = granted(&mut agent, "");
    // A NOTIFY that is answered 202 was heard.
    agent.reply(&first, 202, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 1);
    // Whoever waits for a decision is answered 200 meanwhile.
    let mut agent = desk();
    agent.request("SUBSCRIBE", 5, "", "Event: presence\r\nSubject: wait\r\n");
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200]);
}
