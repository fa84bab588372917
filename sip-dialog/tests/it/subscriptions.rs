//! Subscriptions (RFC 6665), both roles.

use std::time::Duration;

use sip_dialog::{
    Body, Event, FailureCause, SubscribeRequest, SubscriptionEnd, SubscriptionId,
    SubscriptionStatus,
};
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_testkit::Call;
use sip_transaction::Event as TransactionEvent;

use crate::agent::{Agent, Sent, methods, only, request, response, statuses};

/// Subscribes to presence: the subscription, and the SUBSCRIBE.
pub(crate) fn subscribe(agent: &mut Agent, seconds: u64) -> (SubscriptionId, Sent) {
    let uri = |text: &str| Uri::parse(text).unwrap();
    let mut request = SubscribeRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
        "presence",
    );
    request.expires = Duration::from_secs(seconds);
    let id = agent
        .dialogs
        .subscribe(request, &mut agent.layer, agent.now);
    (id, agent.sent())
}

/// The NOTIFY of a branch.
pub(crate) fn notify(sent: &Sent, number: u32, branch: &str, fields: &str) -> Request {
    let headers = sent.request.headers();
    let mut notify = request("NOTIFY", number, headers.from_tag().unwrap(), fields);
    let call_id = headers.call_id().unwrap().to_owned();
    notify.headers_mut().replace(HeaderName::CallId, call_id);
    notify.headers_mut().replace(
        HeaderName::From,
        format!("<sip:bob@example.com>;tag={branch}"),
    );
    notify
}

pub(crate) fn active(seconds: u32) -> String {
    format!("Event: presence\r\nSubscription-State: active;expires={seconds}\r\n")
}

/// A subscription of ours that is active for ten minutes.
pub(crate) fn subscribed(agent: &mut Agent) -> (SubscriptionId, Sent) {
    let (id, sent) = subscribe(agent, 600);
    agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
    agent.take(notify(&sent, 1, "b1", &active(600)));
    assert_eq!(statuses(&agent.run()), [200]);
    (id, sent)
}

pub(crate) fn end(agent: &mut Agent) -> SubscriptionEnd {
    assert_eq!(agent.dialogs.subscription_count(), 0);
    match agent.events.pop() {
        Some(Event::SubscriptionEnded { cause, .. }) => cause,
        other => panic!("not ended but {other:?}"),
    }
}

#[test]
fn rfc6665_4_4_1_the_notify_makes_the_dialog_even_before_the_200() {
    let mut agent = Agent::new();
    let (id, sent) = subscribe(&mut agent, 600);
    assert_eq!(
        (
            sent.field(HeaderName::Event),
            sent.field(HeaderName::Expires)
        ),
        ("presence".to_owned(), "600".to_owned())
    );
    let mut first = notify(&sent, 1, "b1", &active(600));
    first.set_body("application/pidf+xml", "<presence/>");
    first
        .headers_mut()
        .push_front(HeaderName::RecordRoute, "<sip:p1.example.com;lr>");
    agent.take(first);
    assert_eq!(statuses(&agent.run()), [200]);
    let Some(Event::Notified {
        subscription,
        status: SubscriptionStatus::Active,
        body: Some(body),
    }) = agent.events.pop()
    else {
        panic!("not notified")
    };
    assert_eq!((subscription, &body.content[..]), (id, &b"<presence/>"[..]));
    agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
    // The refresh goes to the Contact of the NOTIFY, by its route.
    let (_, calls) = agent.wait(Duration::from_secs(600));
    let refresh = only(calls);
    assert_eq!(refresh.request.uri_str(), "sip:bob@192.0.2.9");
    assert_eq!(refresh.field(HeaderName::Route), "<sip:p1.example.com;lr>");
    assert_eq!(refresh.cseq(), "2 SUBSCRIBE");
}

#[test]
fn rfc6665_4_1_2_2_a_subscription_is_refreshed_before_it_expires() {
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    for number in 2..5 {
        let (waited, calls) = agent.wait(Duration::from_secs(600));
        assert!((500..600).contains(&waited.as_secs()), "{waited:?}");
        let refresh = only(calls);
        assert_eq!(refresh.cseq(), format!("{number} SUBSCRIBE"));
        agent.reply(&refresh, 200, "", "Expires: 600\r\n", "");
        agent.take(notify(&sent, number, "b1", &active(600)));
        assert_eq!(statuses(&agent.run()), [200]);
    }
    assert_eq!(agent.dialogs.subscription_count(), 1);
    // A refresh that the notifier does not know ends it.
    let (_, calls) = agent.wait(Duration::from_secs(600));
    agent.reply(&only(calls), 481, "", "", "");
    assert!(matches!(end(&mut agent), SubscriptionEnd::Refused(_)));
}

#[test]
fn rfc6665_4_1_2_2_another_failure_leaves_it_until_it_expires() {
    let mut agent = Agent::new();
    subscribed(&mut agent);
    let (_, calls) = agent.wait(Duration::from_secs(600));
    agent.reply(&only(calls), 500, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 1);
    agent.wait(Duration::from_secs(600));
    assert!(matches!(end(&mut agent), SubscriptionEnd::Expired));
}

#[test]
fn rfc6665_4_1_2_4_without_a_notify_it_has_failed() {
    let mut agent = Agent::new();
    let (_, sent) = subscribe(&mut agent, 600);
    agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
    let (waited, _) = agent.wait(Duration::from_secs(60));
    assert_eq!(waited, Duration::from_secs(32));
    assert!(matches!(
        end(&mut agent),
        SubscriptionEnd::Failed(FailureCause::TimedOut)
    ));
    // Who is refused is told so at once, and who is too brief asks for longer.
    let (_, sent) = subscribe(&mut agent, 10);
    let longer = only(agent.reply(&sent, 423, "x", "Min-Expires: 60\r\n", ""));
    assert_eq!(
        (longer.cseq(), longer.field(HeaderName::Expires)),
        ("2 SUBSCRIBE".to_owned(), "60".to_owned())
    );
    agent.reply(&longer, 489, "x", "", "");
    assert!(matches!(end(&mut agent), SubscriptionEnd::Refused(_)));
}

#[test]
fn rfc6665_4_1_2_3_unsubscribing_ends_with_the_last_notify() {
    let mut agent = Agent::new();
    let (id, sent) = subscribed(&mut agent);
    agent
        .dialogs
        .unsubscribe(id, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    assert_eq!(last.field(HeaderName::Expires), "0");
    agent.reply(&last, 200, "", "Expires: 0\r\n", "");
    assert_eq!(agent.dialogs.subscription_count(), 1);
    let fields = "Event: presence\r\nSubscription-State: terminated;reason=timeout\r\n";
    agent.take(notify(&sent, 2, "b1", fields));
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(end(&mut agent), SubscriptionEnd::Local));
    assert_eq!(agent.dialogs.poll_timeout(), None);
}

#[test]
fn rfc6665_4_1_2_3_unsubscribing_before_the_first_notify() {
    let mut agent = Agent::new();
    let (id, sent) = subscribe(&mut agent, 600);
    agent
        .dialogs
        .unsubscribe(id, &mut agent.layer, agent.now)
        .unwrap();
    agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
    agent.take(notify(&sent, 1, "b1", &active(600)));
    let calls = agent.run();
    assert_eq!(
        (statuses(&calls), methods(&calls)),
        (vec![200], vec!["SUBSCRIBE"])
    );
    assert_eq!(only(calls).field(HeaderName::Expires), "0");
}

#[test]
fn rfc6665_4_1_3_a_terminated_subscription_says_why() {
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    let fields =
        "Event: presence\r\nSubscription-State: terminated;reason=probation;retry-after=90\r\n";
    agent.take(notify(&sent, 2, "b1", fields));
    assert_eq!(statuses(&agent.run()), [200]);
    let SubscriptionEnd::Terminated {
        reason,
        retry_after,
    } = end(&mut agent)
    else {
        panic!("not terminated")
    };
    assert_eq!(reason.as_deref(), Some("probation"));
    assert_eq!(retry_after, Some(Duration::from_secs(90)));
}

#[test]
fn rfc6665_4_1_3_a_notify_that_matches_nothing_is_refused() {
    let mut agent = Agent::new();
    let (_, sent) = subscribed(&mut agent);
    let no_state = "Event: presence\r\n";
    let other = "Event: dialog\r\nSubscription-State: active\r\n";
    agent.take(notify(&sent, 2, "b1", other));
    agent.take(notify(&sent, 3, "b2", &active(600)));
    agent.take(notify(&sent, 4, "b1", no_state));
    agent.take(notify(&sent, 1, "b1", &active(600)));
    agent.take(notify(&sent, 0, "b1", &active(600)));
    // The event, the branch, the state; the same number as before is in order; a lower one is not.
    assert_eq!(statuses(&agent.run()), [481, 481, 400, 200, 500]);
    // Of no dialog of ours: somebody else's.
    let (_, back) = agent.request("NOTIFY", 1, "nobody", &active(600));
    assert!(matches!(back, Some(TransactionEvent::Request { .. })));
}

pub(crate) fn notifier() -> Agent {
    Agent::with(|config| config.event_packages = vec!["presence".to_owned()])
}

pub(crate) fn pidf(text: &'static str) -> Option<Body> {
    Some(Body {
        content_type: "application/pidf+xml".to_owned(),
        content: text.into(),
    })
}

/// A subscription to us that was granted: it, its tag, and the first NOTIFY.
pub(crate) fn granted(agent: &mut Agent, fields: &str) -> (SubscriptionId, String, Sent) {
    let fields = format!("Event: presence\r\n{fields}");
    let (_, back) = agent.request("SUBSCRIBE", 5, "", &fields);
    assert!(back.is_none());
    assert!(agent.run().is_empty());
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let active = SubscriptionStatus::Active;
    agent
        .dialogs
        .grant(
            subscription,
            active,
            pidf("one"),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.first() else {
        panic!("{calls:?}")
    };
    assert_eq!(response.status(), StatusCode::OK);
    let tag = response.headers().to_tag().unwrap().to_owned();
    (subscription, tag, only(calls))
}

#[test]
fn rfc6665_4_2_1_2_a_grant_is_followed_by_a_notify_at_once() {
    let mut agent = notifier();
    let (id, _, first) = granted(&mut agent, "Expires: 600\r\n");
    assert_eq!(
        (
            first.field(HeaderName::SubscriptionState).as_str(),
            first.field(HeaderName::Event).as_str(),
            first.request.body()
        ),
        ("active;expires=600", "presence", &b"one"[..])
    );
    assert!(first.request.headers().contains(HeaderName::Contact));
    // One at a time: the next one follows the answer.
    for text in ["two", "three"] {
        let active = SubscriptionStatus::Active;
        agent
            .dialogs
            .notify(id, active, pidf(text), &mut agent.layer, agent.now)
            .unwrap();
    }
    assert!(agent.run().is_empty());
    agent.now += Duration::from_secs(100);
    let second = only(agent.reply(&first, 200, "", "", ""));
    assert_eq!(
        (
            second.cseq().as_str(),
            second.request.body(),
            second.field(HeaderName::SubscriptionState).as_str()
        ),
        ("2 NOTIFY", &b"two"[..], "active;expires=500")
    );
    let third = only(agent.reply(&second, 200, "", "", ""));
    assert_eq!(third.request.body(), b"three");
}

#[test]
fn rfc6665_4_2_1_4_a_refresh_is_answered_with_the_state() {
    let mut agent = notifier();
    let (_, tag, first) = granted(&mut agent, "Expires: 600\r\n");
    agent.reply(&first, 200, "", "", "");
    let fields = "Event: presence\r\nExpires: 9999\r\n";
    agent.request("SUBSCRIBE", 6, &tag, fields);
    let calls = agent.run();
    let Some(Call::Respond { response, .. }) = calls.first() else {
        panic!("{calls:?}")
    };
    // Shortened to what we grant, never lengthened.
    assert_eq!(response.headers().get(HeaderName::Expires), Some("3600"));
    let again = only(calls);
    assert_eq!(again.request.body(), b"one");
    agent.reply(&again, 200, "", "", "");
    // Too brief, and another event in the dialog.
    agent.request("SUBSCRIBE", 7, &tag, "Event: presence\r\nExpires: 5\r\n");
    assert_eq!(
        response_field(&mut agent, HeaderName::MinExpires),
        (423, "60".to_owned())
    );
    agent.request("SUBSCRIBE", 8, &tag, "Event: dialog\r\nExpires: 600\r\n");
    assert_eq!(statuses(&agent.run()), [481]);
    // The end.
    agent.request("SUBSCRIBE", 9, &tag, "Event: presence\r\nExpires: 0\r\n");
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200]);
    let last = only(calls);
    assert_eq!(
        last.field(HeaderName::SubscriptionState),
        "terminated;reason=timeout"
    );
    agent.reply(&last, 200, "", "", "");
    assert!(matches!(end(&mut agent), SubscriptionEnd::Remote));
}

#[test]
fn rfc6665_4_2_1_4_who_leaves_is_told_the_state_as_it_is() {
    let leaving = || {
        let mut agent = Agent::with(|config| {
            config.event_packages = vec!["presence".to_owned()];
            config.tell_refreshes = true;
        });
        let (id, tag, first) = granted(&mut agent, "Expires: 600\r\n");
        agent.reply(&first, 200, "", "", "");
        let end = "Event: presence\r\nExpires: 0\r\n";
        agent.request("SUBSCRIBE", 6, &tag, end);
        assert_eq!(
            response_field(&mut agent, HeaderName::Expires),
            (200, "0".to_owned())
        );
        let told = agent.events.pop();
        assert!(matches!(told, Some(Event::Resubscribed { subscription }) if subscription == id));
        // It has left, so there is nothing to refresh.
        agent.request("SUBSCRIBE", 7, &tag, "Event: presence\r\nExpires: 600\r\n");
        assert_eq!(statuses(&agent.run()), [481]);
        (agent, id)
    };
    let state = |last: &Sent| {
        (
            last.field(HeaderName::SubscriptionState),
            last.request.body().to_vec(),
        )
    };
    let terminated = "terminated;reason=timeout".to_owned();
    let (mut agent, id) = leaving();
    let active = SubscriptionStatus::Active;
    let tell = |agent: &mut Agent| {
        agent
            .dialogs
            .notify(id, active, pidf("two"), &mut agent.layer, agent.now)
    };
    tell(&mut agent).unwrap();
    let last = only(agent.run());
    assert_eq!(state(&last), (terminated.clone(), b"two".to_vec()));
    assert!(tell(&mut agent).is_err(), "nothing comes after the last");
    agent.reply(&last, 200, "", "", "");
    assert!(matches!(end(&mut agent), SubscriptionEnd::Remote));
    // An application that says nothing keeps it no longer than its subscriber waits.
    let (mut agent, _) = leaving();
    let (waited, calls) = agent.wait(Duration::from_secs(600));
    assert_eq!(waited, Duration::from_secs(32));
    let last = only(calls);
    assert_eq!(state(&last), (terminated, Vec::new()));
    agent.reply(&last, 200, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

#[test]
fn rfc3261_20_33_a_subscription_is_put_off() {
    let mut agent = notifier();
    agent.request("SUBSCRIBE", 5, "", "Event: presence\r\n");
    agent.run();
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let put_off = |agent: &mut Agent| {
        agent
            .dialogs
            .put_off(subscription, 30, &mut agent.layer, agent.now)
    };
    put_off(&mut agent).unwrap();
    assert_eq!(
        response_field(&mut agent, HeaderName::RetryAfter),
        (503, "30".to_owned())
    );
    assert!(put_off(&mut agent).is_err());
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

pub(crate) fn response_field(agent: &mut Agent, name: HeaderName) -> (u16, String) {
    let response = response(&agent.run());
    let value = response.headers().get(name).unwrap_or_default().to_owned();
    (response.status().as_u16(), value)
}

#[test]
fn rfc6665_4_2_1_4_without_a_refresh_it_expires() {
    let mut agent = notifier();
    let (_, _, first) = granted(&mut agent, "Expires: 600\r\n");
    agent.reply(&first, 200, "", "", "");
    let (waited, calls) = agent.wait(Duration::from_secs(700));
    assert_eq!(waited, Duration::from_secs(600));
    let last = only(calls);
    assert_eq!(
        last.field(HeaderName::SubscriptionState),
        "terminated;reason=timeout"
    );
    agent.reply(&last, 200, "", "", "");
    assert!(matches!(end(&mut agent), SubscriptionEnd::Expired));
}

#[test]
fn rfc6665_4_2_2_a_subscriber_that_is_gone_is_removed() {
    for status in [404, 481, 489] {
        let mut agent = notifier();
        let (_, _, first) = granted(&mut agent, "");
        agent.reply(&first, status, "", "", "");
        assert!(matches!(end(&mut agent), SubscriptionEnd::Lost));
    }
    let mut agent = notifier();
    let (_, _, first) = granted(&mut agent, "");
    agent.input(TransactionEvent::TimedOut {
        id: first.id,
        flow: sip_transport::FlowId::from_parts(0, 0),
    });
    agent.run();
    assert!(matches!(end(&mut agent), SubscriptionEnd::Lost));
    // Another refusal does not end it.
    let mut agent = notifier();
    let (_, _, first) = granted(&mut agent, "");
    agent.reply(&first, 500, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 1);
}

#[test]
fn rfc6665_4_4_3_the_state_is_polled() {
    let mut agent = notifier();
    let (_, _, only_one) = granted(&mut agent, "Expires: 0\r\n");
    assert_eq!(
        (
            only_one.field(HeaderName::SubscriptionState).as_str(),
            only_one.request.body()
        ),
        ("terminated;reason=timeout", &b"one"[..])
    );
    agent.reply(&only_one, 200, "", "", "");
    assert!(matches!(end(&mut agent), SubscriptionEnd::Remote));
    // The other side of it.
    let mut agent = Agent::new();
    let (_, sent) = subscribe(&mut agent, 0);
    agent.reply(&sent, 200, "b1", "Expires: 0\r\n", "");
    let fields = "Event: presence\r\nSubscription-State: terminated;reason=timeout\r\n";
    agent.take(notify(&sent, 1, "b1", fields));
    agent.run();
    assert!(matches!(end(&mut agent), SubscriptionEnd::Local));
}

#[test]
fn rfc6665_4_2_1_1_what_is_not_understood_is_refused() {
    let mut agent = notifier();
    agent.request("SUBSCRIBE", 5, "", "Event: winfo\r\n");
    assert_eq!(
        response_field(&mut agent, HeaderName::AllowEvents),
        (489, "presence".to_owned())
    );
    agent.request("SUBSCRIBE", 5, "", "");
    assert_eq!(statuses(&agent.run()), [489]);
    agent.request("SUBSCRIBE", 5, "", "Event: presence\r\nExpires: 3\r\n");
    assert_eq!(
        response_field(&mut agent, HeaderName::MinExpires),
        (423, "60".to_owned())
    );
    let (_, back) = agent.take({
        let event = "Event: presence\r\nExpires: 600\r\n";
        request("SUBSCRIBE", 5, "", event)
    });
    assert!(back.is_none());
    agent.run();
    let Some(Event::Subscribing { subscription, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let forbidden = StatusCode::FORBIDDEN;
    agent
        .dialogs
        .refuse(subscription, forbidden, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [403]);
    assert!(matches!(end(&mut agent), SubscriptionEnd::Local));
    // Without packages the SUBSCRIBE is for another part of the stack.
    let mut agent = Agent::new();
    let (_, back) = agent.request("SUBSCRIBE", 5, "", "Event: presence\r\n");
    assert!(back.is_some());
}

#[test]
fn a_flood_of_subscriptions_meets_its_limit() {
    let mut agent = Agent::with(|config| {
        config.event_packages = vec!["presence".to_owned()];
        config.subscriptions = 2;
    });
    for number in 0..4 {
        let mut request = request("SUBSCRIBE", 5, "", "Event: presence\r\n");
        let headers = request.headers_mut();
        headers.replace(HeaderName::CallId, format!("call{number}"));
        agent.take(request);
    }
    assert_eq!(statuses(&agent.run()), [503, 503]);
    assert_eq!(agent.dialogs.subscription_count(), 2);
}

#[test]
fn rfc3515_2_4_a_transfer_by_requests_within_the_dialog() {
    // REFER and its implicit subscription: the application sees them as they are.
    let configure = |config: &mut sip_dialog::DialogConfig| {
        config.methods = vec![Method::Refer, Method::Notify];
    };
    let mut agent = Agent::with(configure);
    let (session, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, "Refer-To: <sip:carol@example.com>\r\n");
    agent.run();
    let Some(Event::Within { id, request, .. }) = agent.events.pop() else {
        panic!("{:?}", agent.events)
    };
    let accepted = StatusCode::ACCEPTED;
    agent
        .dialogs
        .respond_within(id, &request, accepted, None, &mut agent.layer, agent.now)
        .unwrap();
    let fields = [
        (HeaderName::Event, "refer".to_owned()),
        (
            HeaderName::SubscriptionState,
            "terminated;reason=noresource".to_owned(),
        ),
    ];
    let body = Some(Body {
        content_type: "message/sipfrag".to_owned(),
        content: "SIP/2.0 200 OK\r\n".into(),
    });
    let sent = agent
        .dialogs
        .request_within(
            session,
            Method::Notify,
            &fields,
            body,
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let calls = agent.run();
    assert_eq!(
        (statuses(&calls), methods(&calls)),
        (vec![202], vec!["NOTIFY"])
    );
    agent.reply(&only(calls), 200, "", "", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::Responded { id, response }) if *id == sent && response.status() == StatusCode::OK
    ));
}
