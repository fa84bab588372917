//! A SUBSCRIBE that a proxy forks (RFC 6665 sections 4.1.4 and 5.4.9).

use std::time::Duration;

use sip_dialog::{Event, SubscribeRequest, SubscriptionEnd, SubscriptionId};
use sip_message::{HeaderName, Request, Uri};
use sip_testkit::Call;

use crate::agent::{Agent, Sent, request, statuses};

/// Subscribes to presence, with room for so many branches.
fn subscribe(agent: &mut Agent, branches: usize, seconds: u64) -> (SubscriptionId, Sent) {
    let uri = |text: &str| Uri::parse(text).unwrap();
    let mut request = SubscribeRequest::new(
        uri("sip:bob@example.com"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
        "presence",
    );
    request.branches = branches;
    request.expires = Duration::from_secs(seconds);
    let id = agent
        .dialogs
        .subscribe(request, &mut agent.layer, agent.now);
    (id, agent.sent())
}

/// The NOTIFY of a branch, which is reached at its own address.
fn notify(sent: &Sent, number: u32, branch: &str, state: &str) -> Request {
    let headers = sent.request.headers();
    let fields = format!("Event: presence\r\nSubscription-State: {state}\r\n");
    let mut notify = request("NOTIFY", number, headers.from_tag().unwrap(), &fields);
    let call_id = headers.call_id().unwrap().to_owned();
    let fields = notify.headers_mut();
    fields.replace(HeaderName::CallId, call_id);
    fields.replace(
        HeaderName::From,
        format!("<sip:bob@example.com>;tag={branch}"),
    );
    fields.replace(
        HeaderName::Contact,
        format!("<sip:{branch}@192.0.2.9:5062>"),
    );
    notify
}

/// What was told, in short.
fn told(agent: &mut Agent) -> Vec<String> {
    let events = std::mem::take(&mut agent.events).into_iter();
    events
        .map(|event| match event {
            Event::SubscriptionForked { .. } => "forked".to_owned(),
            Event::Notified { .. } => "notified".to_owned(),
            Event::SubscriptionEnded { .. } => "ended".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn targets(calls: &[Call]) -> Vec<String> {
    crate::agent::requests(calls)
        .iter()
        .map(|(request, _)| format!("{} {}", request.method(), request.uri_str()))
        .collect()
}

#[test]
fn rfc6665_4_1_4_each_branch_is_a_subscription_of_its_own() {
    let mut agent = Agent::new();
    let (first, sent) = subscribe(&mut agent, 3, 600);
    agent.take(notify(&sent, 1, "b1", "active;expires=600"));
    agent.take(notify(&sent, 7, "b2", "active;expires=600"));
    // The 200 is that of one branch; it is of no consequence to the others.
    agent.reply(&sent, 200, "b2", "Expires: 600\r\n", "");
    assert_eq!(agent.dialogs.subscription_count(), 2);
    let branch = agent
        .events
        .iter()
        .find_map(|event| match event {
            Event::SubscriptionForked {
                subscription,
                branch,
            } => {
                assert_eq!(*subscription, first);
                Some(*branch)
            }
            _ => None,
        })
        .unwrap();
    assert_eq!(told(&mut agent), ["notified", "forked", "notified"]);
    // Each has its numbers.
    agent.take(notify(&sent, 8, "b2", "active;expires=600"));
    agent.take(notify(&sent, 2, "b1", "active;expires=600"));
    agent.take(notify(&sent, 6, "b2", "active;expires=600"));
    assert_eq!(statuses(&agent.run()), [200, 200, 500]);
    told(&mut agent);
    // Each is refreshed in its own dialog.
    let mut refreshed = Vec::new();
    while refreshed.len() < 2 {
        let (_, calls) = agent.wait(Duration::from_secs(700));
        for call in &calls {
            if let Call::Request { id, request, .. } = call {
                let sent = Sent {
                    id: *id,
                    request: request.clone(),
                };
                agent.reply(&sent, 200, "", "Expires: 600\r\n", "");
            }
        }
        refreshed.extend(targets(&calls));
    }
    refreshed.sort();
    assert_eq!(
        refreshed,
        [
            "SUBSCRIBE sip:b1@192.0.2.9:5062",
            "SUBSCRIBE sip:b2@192.0.2.9:5062"
        ]
    );
    // And each ended by itself: the second is found when the first is gone.
    agent.take(notify(&sent, 3, "b1", "terminated;reason=noresource"));
    agent.run();
    assert_eq!(agent.dialogs.subscription_count(), 1);
    agent
        .dialogs
        .unsubscribe(branch, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(targets(&agent.run()), ["SUBSCRIBE sip:b2@192.0.2.9:5062"]);
    agent.take(notify(&sent, 9, "b2", "terminated"));
    agent.run();
    assert_eq!(agent.dialogs.subscription_count(), 0);
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, cause: SubscriptionEnd::Local }) if *subscription == branch
    ));
}

#[test]
fn rfc6665_5_4_9_a_branch_that_is_not_wanted_is_481() {
    // As many as the package wants, and none after Timer N (section 4.1.2.4).
    for (branches, wait, expected) in [
        (1, 0, [200, 481, 481]),
        (2, 0, [200, 200, 481]),
        (3, 0, [200, 200, 200]),
        (3, 40, [200, 481, 481]),
    ] {
        let mut agent = Agent::new();
        let (_, sent) = subscribe(&mut agent, branches, 600);
        agent.reply(&sent, 200, "b1", "Expires: 600\r\n", "");
        agent.take(notify(&sent, 1, "b1", "active;expires=600"));
        let mut answers = statuses(&agent.run());
        agent.wait(Duration::from_secs(wait));
        for branch in ["b2", "b3"] {
            agent.take(notify(&sent, 1, branch, "active;expires=600"));
            answers.extend(statuses(&agent.run()));
        }
        assert_eq!(answers, expected, "{branches} branches after {wait} s");
        // The one that stays lives on.
        agent.take(notify(&sent, 2, "b1", "active;expires=600"));
        assert_eq!(statuses(&agent.run()), [200]);
    }
}

#[test]
fn rfc6665_4_4_3_each_branch_of_a_poll_tells_its_state() {
    let mut agent = Agent::new();
    let (_, sent) = subscribe(&mut agent, 4, 0);
    for branch in ["b1", "b2", "b3"] {
        // The one before has ended by then.
        agent.take(notify(&sent, 1, branch, "terminated;reason=timeout"));
        assert_eq!(statuses(&agent.run()), [200], "{branch}");
        assert_eq!(agent.dialogs.subscription_count(), 0);
    }
    agent.reply(&sent, 200, "b1", "Expires: 0\r\n", "");
    assert_eq!(
        told(&mut agent),
        [
            "notified", "ended", "forked", "notified", "ended", "forked", "notified", "ended"
        ]
    );
    agent.wait(Duration::from_secs(40));
    let (_, back) = agent.take(notify(&sent, 1, "b4", "terminated"));
    assert!(back.is_some(), "of nothing that is known any more");
}

#[test]
fn rfc3261_22_2_branches_go_on_from_the_number_of_a_challenged_subscribe() {
    let mut agent = Agent::new();
    let (_, sent) = subscribe(&mut agent, 2, 600);
    let challenge =
        "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"1\", algorithm=MD5\r\n";
    let calls = agent.reply(&sent, 401, "p", challenge, "");
    let Some(Call::Request { id, request, .. }) = calls.into_iter().next_back() else {
        panic!("tried again")
    };
    let again = Sent { id, request };
    assert_eq!(again.cseq(), "2 SUBSCRIBE");
    for branch in ["b1", "b2"] {
        agent.take(notify(&again, 1, branch, "active;expires=600"));
    }
    agent.reply(&again, 200, "b1", "Expires: 600\r\n", "");
    let mut numbers = Vec::new();
    while numbers.len() < 2 {
        let (_, calls) = agent.wait(Duration::from_secs(700));
        let requests = crate::agent::requests(&calls);
        numbers.extend(
            requests
                .iter()
                .map(|(request, _)| request.headers().get(HeaderName::CSeq).unwrap().to_owned()),
        );
    }
    assert_eq!(numbers, ["3 SUBSCRIBE", "3 SUBSCRIBE"]);
}
