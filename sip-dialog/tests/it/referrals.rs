//! REFER (RFC 3515) and what belongs to it, both sides over the double.

use std::time::Duration;

use sip_dialog::{
    Body, DialogConfig, EndCause, Event, InviteRequest, ReferRequest, ReferTarget, Report,
    SessionId, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};
use sip_message::{HeaderName, Method, Request, StatusCode};
use sip_testkit::Call;

use crate::agent::{
    Agent, CONTACT, Sent, methods, only, request, requests, response, statuses, uri,
};

const GRUU: &str = "Contact: <sip:bob@192.0.2.7;gr=1>\r\n";
pub(crate) const REFER_TO: &str = "Refer-To: <sip:carol@example.com>\r\n";

pub(crate) fn carol(report: Report) -> ReferRequest {
    let mut refer = ReferRequest::new(uri("sip:carol@example.com"));
    refer.report = report;
    refer
}

pub(crate) fn referee(config: &mut DialogConfig) {
    config.refer = true;
    config.supported = ["norefersub", "explicitsub", "nosub", "tdialog", "replaces"]
        .map(str::to_owned)
        .to_vec();
}

/// A NOTIFY of the peer about `sent`, a REFER.
pub(crate) fn notify(
    sent: &Sent,
    number: u32,
    event: &str,
    state: &str,
    fragment: &'static str,
) -> Request {
    let tag = sent.request.headers().from_tag().unwrap();
    let fields = format!("Event: {event}\r\nSubscription-State: {state}\r\n");
    let mut request = request("NOTIFY", number, tag, &fields);
    let call_id = sent.field(HeaderName::CallId);
    request.headers_mut().replace(HeaderName::CallId, call_id);
    if let Some(tag) = sent.request.headers().to_tag() {
        let from = format!("<sip:bob@example.com>;tag={tag}");
        request.headers_mut().replace(HeaderName::From, from);
    }
    request.set_body("message/sipfrag", fragment);
    request
}

/// A call that is up, in which a REFER was sent.
pub(crate) fn referring(agent: &mut Agent, report: Report) -> (SessionId, SubscriptionId, Sent) {
    let (session, ..) = agent.calling(CONTACT);
    agent.run();
    let referral = agent
        .dialogs
        .refer(session, carol(report), &mut agent.layer, agent.now)
        .unwrap();
    let sent = agent.sent();
    (session, referral, sent)
}

pub(crate) fn referred(agent: &mut Agent) -> (SubscriptionId, Option<SessionId>) {
    match agent.events.pop() {
        Some(Event::Referred {
            referral, session, ..
        }) => (referral, session),
        other => panic!("no REFER but {other:?}"),
    }
}

pub(crate) fn accept(agent: &mut Agent, referral: SubscriptionId) -> Vec<Call> {
    agent
        .dialogs
        .accept_referral(referral, &mut agent.layer, agent.now)
        .unwrap();
    agent.run()
}

pub(crate) fn told(agent: &Agent) -> Option<StatusCode> {
    match agent.events.last() {
        Some(Event::Notified { body, .. }) => body.as_ref()?.sipfrag_status(),
        other => panic!("no NOTIFY but {other:?}"),
    }
}

#[test]
fn rfc3515_2_4_4_the_outcome_of_a_refer_is_told() {
    let mut agent = Agent::new();
    let (_, referral, sent) = referring(&mut agent, Report::Implicit);
    assert_eq!(sent.request.method(), &Method::Refer);
    assert_eq!(sent.field(HeaderName::ReferTo), "<sip:carol@example.com>");
    assert_eq!(
        sent.field(HeaderName::ReferredBy),
        "<sip:alice@example.com>"
    );
    // The first NOTIFY may be here before the response.
    agent.take(notify(
        &sent,
        1,
        "refer",
        "active;expires=60",
        "SIP/2.0 100 Trying\r\n",
    ));
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(told(&agent), Some(StatusCode::TRYING));
    agent.reply(&sent, 202, "", CONTACT, "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::ReferAccepted { subscription, .. }) if *subscription == referral
    ));
    let id = format!("refer;id={}", sent.cseq().split(' ').next().unwrap());
    agent.take(notify(
        &sent,
        2,
        &id,
        "active;expires=59",
        "SIP/2.0 180 Ringing\r\n",
    ));
    agent.run();
    assert_eq!(told(&agent), Some(StatusCode::RINGING));
    let end = "terminated;reason=noresource";
    agent.take(notify(&sent, 3, &id, end, "SIP/2.0 200 OK\r\n"));
    agent.run();
    let [.., told, Event::SubscriptionEnded { subscription, .. }] = agent.events.as_slice() else {
        panic!("{:?}", agent.events)
    };
    assert!(matches!(
        told,
        Event::Notified { body: Some(body), status: SubscriptionStatus::Terminated, .. }
            if body.sipfrag_status() == Some(StatusCode::OK)
    ));
    assert_eq!(*subscription, referral);
    assert_eq!(agent.dialogs.subscription_count(), 0);
    // One more is of nothing.
    agent.take(notify(&sent, 4, &id, end, "SIP/2.0 200 OK\r\n"));
    assert_eq!(statuses(&agent.run()), [481]);
}

#[test]
fn rfc3515_2_4_6_several_refers_in_a_dialog_are_told_apart() {
    let mut agent = Agent::new();
    let (session, first, sent) = referring(&mut agent, Report::Implicit);
    agent.reply(&sent, 200, "", CONTACT, "");
    let second = agent
        .dialogs
        .refer(
            session,
            carol(Report::Implicit),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let again = agent.sent();
    agent.reply(&again, 200, "", CONTACT, "");
    let number = again.cseq().split(' ').next().unwrap().to_owned();
    let end = "terminated;reason=noresource";
    let event = format!("refer;id={number}");
    agent.take(notify(&again, 1, &event, end, "SIP/2.0 486 Busy Here\r\n"));
    agent.run();
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, .. }) if *subscription == second
    ));
    agent.take(notify(&sent, 2, "refer", end, "SIP/2.0 200 OK\r\n"));
    agent.run();
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, .. }) if *subscription == first
    ));
    agent.take(notify(&sent, 3, "refer;id=77", end, "SIP/2.0 200 OK\r\n"));
    assert_eq!(statuses(&agent.run()), [481]);
}

#[test]
fn rfc3515_2_4_2_a_refused_refer_ends_there() {
    let mut agent = Agent::new();
    let (session, referral, sent) = referring(&mut agent, Report::Implicit);
    assert!(agent.reply(&sent, 603, "", "", "").is_empty());
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, cause: SubscriptionEnd::Refused(response) })
            if *subscription == referral && response.status() == StatusCode::DECLINE
    ));
    assert_eq!(
        (
            agent.dialogs.session_count(),
            agent.dialogs.subscription_count()
        ),
        (1, 0)
    );
    // RFC 5057 section 5.1: a 404 says that the dialog is no more.
    agent
        .dialogs
        .refer(
            session,
            carol(Report::Implicit),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let sent = agent.sent();
    assert_eq!(methods(&agent.reply(&sent, 404, "", "", "")), ["BYE"]);
}

#[test]
fn rfc6665_4_1_2_4_a_refer_without_a_notify_has_failed() {
    let mut agent = Agent::new();
    let (_, referral, sent) = referring(&mut agent, Report::Implicit);
    agent.reply(&sent, 200, "", CONTACT, "");
    let (waited, _) = agent.wait(Duration::from_secs(60));
    assert_eq!(waited, Duration::from_secs(32));
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, cause: SubscriptionEnd::Failed(_) })
            if *subscription == referral
    ));
}

#[test]
fn rfc4488_4_a_refer_without_a_subscription() {
    for (granted, ends) in [
        ("Refer-Sub: false\r\n", true),
        ("", false),
        ("Refer-Sub: true\r\n", false),
    ] {
        let mut agent = Agent::new();
        let (_, _, sent) = referring(&mut agent, Report::Unwanted);
        assert_eq!(sent.field(HeaderName::ReferSub), "false");
        agent.reply(&sent, 200, "", &format!("{CONTACT}{granted}"), "");
        let ended = matches!(
            agent.events.last(),
            Some(Event::SubscriptionEnded {
                cause: SubscriptionEnd::Unreported { events_at: None },
                ..
            })
        );
        assert_eq!(ended, ends, "{granted}");
        assert_eq!(agent.dialogs.subscription_count(), usize::from(!ends));
    }
}

#[test]
fn rfc7614_4_and_5_the_sender_subscribes_by_itself_or_not_at_all() {
    for (report, option) in [
        (Report::Explicit, "explicitsub"),
        (Report::Nothing, "nosub"),
    ] {
        let mut agent = Agent::new();
        let (_, _, sent) = referring(&mut agent, report);
        assert_eq!(sent.field(HeaderName::Require), option);
        let at = "Refer-Events-At: <sip:xyz@192.0.2.7>\r\n";
        agent.reply(&sent, 200, "", &format!("{CONTACT}{at}"), "");
        assert!(matches!(
            agent.events.last(),
            Some(Event::SubscriptionEnded { cause: SubscriptionEnd::Unreported { events_at: Some(at) }, .. })
                if at.as_str() == "sip:xyz@192.0.2.7"
        ));
    }
}

#[test]
fn rfc7647_4_a_peer_with_a_gruu_is_referred_out_of_the_dialog() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(GRUU);
    let named = agent.dialogs.target_dialog(session).unwrap();
    let referral = agent
        .dialogs
        .refer(
            session,
            carol(Report::Implicit),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let sent = agent.sent();
    assert_eq!(sent.request.headers().to_tag(), None);
    assert_eq!(sent.request.uri_str(), "sip:bob@192.0.2.7;gr=1");
    assert_ne!(
        sent.field(HeaderName::CallId),
        invite.field(HeaderName::CallId)
    );
    // RFC 4538 section 7: the local tag is that of who sends it.
    assert_eq!(sent.field(HeaderName::TargetDialog), named);
    let tag = invite.request.headers().from_tag().unwrap();
    assert_eq!(
        named,
        format!(
            "{};local-tag={tag};remote-tag=b1",
            invite.field(HeaderName::CallId)
        )
    );
    assert_eq!(sent.field(HeaderName::Require), "tdialog");
    agent.reply(&sent, 200, "t", GRUU, "");
    let end = "terminated;reason=noresource";
    agent.take(notify(&sent, 1, "refer", end, "SIP/2.0 200 OK\r\n"));
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, .. }) if *subscription == referral
    ));
    // RFC 7647 section 4: what surely makes no subscription may go within.
    agent
        .dialogs
        .refer(session, carol(Report::Nothing), &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(agent.sent().request.headers().to_tag(), Some("b1"));
}

#[test]
fn rfc3261_22_2_a_challenged_refer_is_told_by_its_later_number() {
    let mut agent = Agent::new();
    let (_, _, sent) = referring(&mut agent, Report::Implicit);
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
    let calls = agent.reply(&sent, 401, "", challenge, "");
    let again = only(calls);
    let number = again.cseq().split(' ').next().unwrap().to_owned();
    assert_ne!(again.cseq(), sent.cseq());
    let event = format!("refer;id={number}");
    agent.take(notify(
        &again,
        1,
        &event,
        "active;expires=60",
        "SIP/2.0 100 Trying\r\n",
    ));
    assert_eq!(statuses(&agent.run()), [200]);
    agent.reply(&again, 200, "", CONTACT, "");
    let end = "terminated;reason=noresource";
    agent.take(notify(&again, 2, &event, end, "SIP/2.0 200 OK\r\n"));
    assert_eq!(statuses(&agent.run()), [200]);
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

#[test]
fn rfc3515_2_4_4_a_refer_is_accepted_and_reported() {
    let mut agent = Agent::with(referee);
    let (session, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    agent.run();
    let (referral, about) = referred(&mut agent);
    assert_eq!(about, Some(session));
    let calls = accept(&mut agent, referral);
    // RFC 7647 section 5: not 202.
    assert_eq!(statuses(&calls), [200]);
    let first = only(calls);
    assert_eq!(first.field(HeaderName::Event), "refer;id=6");
    assert_eq!(
        first.field(HeaderName::SubscriptionState),
        "active;expires=300"
    );
    assert_eq!(first.request.body(), b"SIP/2.0 100 Trying\r\n");
    assert_eq!(
        first.field(HeaderName::ContentType),
        "message/sipfrag;version=2.0"
    );
    agent.reply(&first, 200, "", "", "");
    for (status, state) in [
        (180, "active;expires=300"),
        (200, "terminated;reason=noresource"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        agent
            .dialogs
            .report(referral, status, &mut agent.layer, agent.now)
            .unwrap();
        let sent = agent.sent();
        assert_eq!(sent.field(HeaderName::SubscriptionState), state);
        agent.reply(&sent, 200, "", "", "");
    }
    assert!(
        agent
            .dialogs
            .report(referral, StatusCode::OK, &mut agent.layer, agent.now)
            .is_err()
    );
    assert_eq!(
        (
            agent.dialogs.session_count(),
            agent.dialogs.subscription_count()
        ),
        (1, 0)
    );
}

#[test]
fn rfc5057_4_1_the_subscription_outlives_the_session() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    agent.run();
    let (referral, _) = referred(&mut agent);
    let first = only(accept(&mut agent, referral));
    agent.request("BYE", 7, &tag, "");
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::Remote,
            ..
        })
    ));
    assert_eq!(
        (
            agent.dialogs.session_count(),
            agent.dialogs.subscription_count()
        ),
        (0, 1)
    );
    // The session is over, its dialog is not.
    agent.request("BYE", 8, &tag, "");
    agent.request("INFO", 9, &tag, "");
    assert_eq!(statuses(&agent.run()), [481, 481]);
    agent.reply(&first, 200, "", "", "");
    agent
        .dialogs
        .report(referral, StatusCode::OK, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    assert!(last.cseq() > first.cseq());
    assert_eq!(last.request.headers().from_tag(), Some(tag.as_str()));
    agent.reply(&last, 200, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 0);
    let (_, back) = agent.request("BYE", 10, &tag, "");
    assert!(back.is_some(), "the dialog is gone");
}

#[test]
fn rfc5057_5_1_what_a_response_to_a_notify_ends() {
    // The table, row by row: whether the subscription and the session are still there.
    for (status, subscription, session) in [
        (200, true, true),
        (400, true, true),
        (403, true, true),
        (408, true, true),
        (500, true, true),
        (503, true, true),
        (600, true, true),
        (405, false, true),
        (480, false, true),
        (481, false, true),
        (489, false, true),
        (501, false, true),
        (404, false, false),
        (410, false, false),
        (416, false, false),
        (482, false, false),
        (483, false, false),
        (484, false, false),
        (485, false, false),
        (502, false, false),
        (604, false, false),
    ] {
        let mut agent = Agent::with(referee);
        let (_, tag) = agent.answered("");
        agent.request("REFER", 6, &tag, REFER_TO);
        agent.run();
        let (referral, _) = referred(&mut agent);
        let sent = only(accept(&mut agent, referral));
        let calls = agent.reply(&sent, status, "", "", "");
        let ends = if session { vec![] } else { vec!["BYE"] };
        assert_eq!(methods(&calls), ends, "{status}");
        assert_eq!(
            agent.dialogs.subscription_count(),
            usize::from(subscription),
            "{status}"
        );
    }
}

#[test]
fn rfc5057_5_1_what_a_response_within_a_session_ends() {
    for (status, info, reinvite) in [
        (400, false, false),
        (403, false, false),
        (405, false, true),
        (480, false, true),
        (488, false, false),
        (500, false, false),
        (501, false, true),
        (603, false, false),
        (404, true, true),
        (408, true, true),
        (410, true, true),
        (481, true, true),
        (482, true, true),
        (502, true, true),
        (604, true, true),
    ] {
        for (ends, offer) in [(info, false), (reinvite, true)] {
            let mut agent = Agent::new();
            let (session, ..) = agent.calling(CONTACT);
            if offer {
                let body = Some(Body::sdp("x"));
                agent
                    .dialogs
                    .reinvite(session, body, &mut agent.layer, agent.now)
                    .unwrap();
            } else {
                agent
                    .dialogs
                    .request_within(
                        session,
                        Method::Info,
                        &[],
                        None,
                        &mut agent.layer,
                        agent.now,
                    )
                    .unwrap();
            }
            let sent = agent.sent();
            let calls = agent.reply(&sent, status, "", "", "");
            let expected = if ends { vec!["BYE"] } else { vec![] };
            assert_eq!(
                methods(&calls),
                expected,
                "{status} {}",
                sent.request.method()
            );
        }
    }
}

#[test]
fn rfc3515_2_4_2_a_refer_that_is_not_understood_is_refused() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, "");
    assert_eq!(statuses(&agent.run()), [400]);
    agent.request("REFER", 7, &tag, &format!("{REFER_TO}{REFER_TO}"));
    assert_eq!(statuses(&agent.run()), [400]);
    agent.request("REFER", 8, &tag, &format!("{REFER_TO}Require: magic\r\n"));
    assert_eq!(statuses(&agent.run()), [420]);
    agent.request("REFER", 9, &tag, REFER_TO);
    agent.run();
    let (referral, _) = referred(&mut agent);
    agent
        .dialogs
        .refuse_referral(referral, StatusCode::DECLINE, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(statuses(&agent.run()), [603]);
    assert_eq!(agent.dialogs.subscription_count(), 0);
    let mut agent = Agent::new();
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    assert_eq!(statuses(&agent.run()), [405]);
}

#[test]
fn rfc4488_4_and_rfc7614_5_3_a_referee_need_not_report() {
    for (fields, answer) in [
        ("Refer-Sub: false\r\n", Some("false")),
        ("Require: nosub\r\n", None),
    ] {
        let mut agent = Agent::with(referee);
        let (_, tag) = agent.answered("");
        agent.request("REFER", 6, &tag, &format!("{REFER_TO}{fields}"));
        agent.run();
        let (referral, _) = referred(&mut agent);
        let calls = accept(&mut agent, referral);
        assert_eq!(statuses(&calls), [200]);
        assert!(methods(&calls).is_empty());
        assert_eq!(response(&calls).headers().get(HeaderName::ReferSub), answer);
        assert_eq!(agent.dialogs.subscription_count(), 0);
    }
    // Who does not know the extension reports.
    let mut agent = Agent::with(|config| config.refer = true);
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, &format!("{REFER_TO}Refer-Sub: false\r\n"));
    agent.run();
    let (referral, _) = referred(&mut agent);
    assert_eq!(methods(&accept(&mut agent, referral)), ["NOTIFY"]);
}

#[test]
fn rfc7614_4_3_the_outcome_is_kept_for_who_subscribes() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request(
        "REFER",
        6,
        &tag,
        &format!("{REFER_TO}Require: explicitsub\r\n"),
    );
    agent.run();
    let (referral, _) = referred(&mut agent);
    let calls = accept(&mut agent, referral);
    assert!(methods(&calls).is_empty());
    let at = response(&calls);
    let at = at.headers().get(HeaderName::ReferEventsAt).unwrap();
    let at = at.trim_matches(['<', '>']).to_owned();
    let subscribe = |number, uri: &str| {
        let mut subscribe = request("SUBSCRIBE", number, "", "Event: refer\r\nExpires: 60\r\n");
        subscribe.set_uri(uri).unwrap();
        let call_id = format!("s{number}");
        subscribe.headers_mut().replace(HeaderName::CallId, call_id);
        subscribe
    };
    agent.take(subscribe(1, &at));
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200]);
    let first = only(calls);
    assert_eq!(first.request.body(), b"SIP/2.0 100 Trying\r\n");
    agent.reply(&first, 200, "", "", "");
    agent
        .dialogs
        .report(referral, StatusCode::OK, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    assert_eq!(
        last.field(HeaderName::SubscriptionState),
        "terminated;reason=noresource"
    );
    agent.reply(&last, 200, "", "", "");
    // Section 4.7: for 64 seconds it can still be had.
    agent.now += Duration::from_secs(60);
    agent.dialogs.handle_timeout(&mut agent.layer, agent.now);
    agent.take(subscribe(2, &at));
    let late = only(agent.run());
    assert_eq!(late.request.body(), b"SIP/2.0 200 OK\r\n");
    agent.reply(&late, 200, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 0);
    agent.now += Duration::from_secs(5);
    agent.dialogs.handle_timeout(&mut agent.layer, agent.now);
    let (_, back) = agent.take(subscribe(3, &at));
    assert!(back.is_none());
    assert_eq!(
        statuses(&agent.run()),
        [403],
        "nobody knows the URI any more"
    );
    assert_eq!(agent.dialogs.poll_timeout(), None, "nothing is left");
}

#[test]
fn rfc4538_5_a_refer_out_of_the_dialog_names_the_session() {
    let mut agent = Agent::with(referee);
    let (session, tag) = agent.answered("");
    let refer = |number, target: &str| {
        let fields = format!("{REFER_TO}Target-Dialog: {target}\r\nRequire: tdialog\r\n");
        let mut refer = request("REFER", number, "", &fields);
        refer
            .headers_mut()
            .replace(HeaderName::CallId, format!("r{number}"));
        refer
    };
    agent.take(refer(1, &format!("one;local-tag=peer;remote-tag={tag}")));
    agent.run();
    let (referral, about) = referred(&mut agent);
    assert_eq!(about, Some(session));
    let calls = accept(&mut agent, referral);
    assert_eq!(statuses(&calls), [200]);
    let notify = only(calls);
    assert_eq!(notify.field(HeaderName::Event), "refer");
    assert_eq!(notify.field(HeaderName::CallId), "r1");
    agent.take(refer(2, "one;local-tag=peer;remote-tag=other"));
    assert_eq!(statuses(&agent.run()), [481]);
    // A subscription that is refreshed, and then ended.
    let tag = notify.request.headers().from_tag().unwrap().to_owned();
    agent.reply(&notify, 200, "", "", "");
    for (number, seconds, state) in [
        (2, 60, "active;expires=60"),
        (3, 0, "terminated;reason=timeout"),
    ] {
        let fields = format!("Event: refer\r\nExpires: {seconds}\r\n");
        let mut refresh = request("SUBSCRIBE", number, &tag, &fields);
        refresh.headers_mut().replace(HeaderName::CallId, "r1");
        agent.take(refresh);
        let calls = agent.run();
        assert_eq!(statuses(&calls), [200]);
        let told = only(calls);
        assert_eq!(told.field(HeaderName::SubscriptionState), state);
        agent.reply(&told, 200, "", "", "");
    }
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

#[test]
fn rfc3515_3_4_a_referral_that_never_ends_expires() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    agent.run();
    let (referral, _) = referred(&mut agent);
    let sent = only(accept(&mut agent, referral));
    agent.reply(&sent, 200, "", "", "");
    let (waited, calls) = agent.wait(Duration::from_secs(1000));
    assert_eq!(waited, Duration::from_secs(300));
    let sent = only(calls);
    assert_eq!(
        sent.field(HeaderName::SubscriptionState),
        "terminated;reason=timeout"
    );
    agent.reply(&sent, 200, "", "", "");
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

#[test]
fn rfc5589_7_the_call_that_was_asked_for_reports_by_itself() {
    for (status, last) in [
        (200, "SIP/2.0 200 OK\r\n"),
        (486, "SIP/2.0 486 Busy Here\r\n"),
    ] {
        let mut agent = Agent::with(referee);
        let (_, tag) = agent.answered("");
        let fields = "Refer-To: <sip:carol@192.0.2.3?Replaces=77%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n\
                      Referred-By: <sip:bob@example.com>\r\n";
        agent.request("REFER", 6, &tag, fields);
        agent.run();
        let Some(Event::Referred {
            referral, request, ..
        }) = agent.events.pop()
        else {
            panic!("no REFER")
        };
        let first = only(accept(&mut agent, referral));
        agent.reply(&first, 200, "", "", "");
        let alice = uri("sip:alice@192.0.2.1");
        let invite = InviteRequest::referred(&request, alice.clone(), alice).unwrap();
        let call = agent.dialogs.invite(invite, &mut agent.layer, agent.now);
        agent.dialogs.carry_out(referral, call);
        let sent = agent.sent();
        assert_eq!(sent.request.uri_str(), "sip:carol@192.0.2.3");
        assert_eq!(sent.field(HeaderName::Replaces), "77@x;to-tag=1;from-tag=2");
        assert_eq!(sent.field(HeaderName::ReferredBy), "<sip:bob@example.com>");
        let told = only(agent.reply(&sent, 180, "c1", CONTACT, ""));
        assert_eq!(told.request.body(), b"SIP/2.0 180 Ringing\r\n");
        agent.reply(&told, 200, "", "", "");
        let calls = agent.reply(&sent, status, "c1", CONTACT, "");
        let told = only(calls);
        assert_eq!(told.request.body(), last.as_bytes());
        agent.reply(&told, 200, "", "", "");
        assert_eq!(agent.dialogs.subscription_count(), 0);
    }
}

#[test]
fn rfc5589_7_the_uri_of_an_attended_transfer_takes_the_place_of_the_transferor() {
    let mut agent = Agent::new();
    let (session, invite, _) = agent.calling(CONTACT);
    let tag = invite.request.headers().from_tag().unwrap();
    let call_id = invite.field(HeaderName::CallId);
    let uri = agent.dialogs.replacement_uri(session).unwrap();
    // RFC 3891 section 3: the To tag is that of who gets the INVITE.
    assert_eq!(
        uri.as_str(),
        format!("sip:bob@192.0.2.7?Replaces={call_id}%3Bto-tag%3Db1%3Bfrom-tag%3D{tag}")
    );
    let uri = agent.dialogs.joining_uri(session).unwrap();
    assert!(uri.as_str().starts_with("sip:bob@192.0.2.7?Join="));
}

#[test]
fn rfc3911_4_an_invite_joins_a_session() {
    let mut agent = Agent::with(|config| {
        config.supported = vec!["join".to_owned(), "replaces".to_owned()];
    });
    let (session, tag) = agent.answered("");
    let join = format!("Join: one;to-tag={tag};from-tag=peer\r\n");
    let replaces = format!("Replaces: one;to-tag={tag};from-tag=peer\r\n");
    let invite = |agent: &mut Agent, number: u32, fields: &str| {
        let mut invite = request("INVITE", number, "", fields);
        invite
            .headers_mut()
            .replace(HeaderName::CallId, format!("j{number}"));
        agent.take(invite);
        statuses(&agent.run())
    };
    assert!(invite(&mut agent, 1, &join).is_empty());
    let joining = agent.incoming();
    assert_eq!(agent.dialogs.joins(joining), Some(session));
    assert_eq!(agent.dialogs.replaces(joining), None);
    // The other session stays as it is.
    assert_eq!(
        requests(&{
            agent.accept(joining);
            agent.run()
        })
        .len(),
        0
    );
    assert_eq!(agent.dialogs.session_count(), 2);
    assert_eq!(invite(&mut agent, 2, &format!("{join}{join}")), [400]);
    assert_eq!(invite(&mut agent, 3, &format!("{join}{replaces}")), [400]);
    assert_eq!(
        invite(&mut agent, 4, "Join: one;to-tag=x;from-tag=y\r\n"),
        [481]
    );
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    agent.run();
    assert_eq!(invite(&mut agent, 5, &join), [603]);
}

#[test]
fn rfc3515_2_4_a_refer_out_of_any_dialog() {
    let mut agent = Agent::new();
    let to = ReferTarget::new(
        uri("sip:bob@192.0.2.9"),
        uri("sip:alice@example.com"),
        uri("sip:bob@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    let referral = agent
        .dialogs
        .refer_to(to, carol(Report::Implicit), &mut agent.layer, agent.now);
    let sent = agent.sent();
    assert_eq!(sent.field(HeaderName::Contact), "<sip:alice@192.0.2.1>");
    agent.reply(&sent, 200, "t", CONTACT, "");
    agent.take(notify(
        &sent,
        1,
        "refer",
        "active;expires=80",
        "SIP/2.0 100 Trying\r\n",
    ));
    agent.run();
    // It is refreshed for as long as the notifier lets it last.
    let (waited, calls) = agent.wait(Duration::from_secs(100));
    assert_eq!(waited, Duration::from_secs(60));
    let refresh = only(calls);
    assert_eq!(refresh.request.method(), &Method::Subscribe);
    assert_eq!(refresh.field(HeaderName::Expires), "80");
    agent.reply(&refresh, 200, "", "Expires: 80\r\n", "");
    // And ended when nobody wants to know.
    agent
        .dialogs
        .unsubscribe(referral, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    assert_eq!(last.field(HeaderName::Expires), "0");
    agent.reply(&last, 200, "", "Expires: 0\r\n", "");
    agent.take(notify(
        &sent,
        2,
        "refer",
        "terminated;reason=timeout",
        "SIP/2.0 100 Trying\r\n",
    ));
    agent.run();
    assert!(matches!(
        agent.events.last(),
        Some(Event::SubscriptionEnded { subscription, cause: SubscriptionEnd::Local })
            if *subscription == referral
    ));
}

#[test]
fn rfc3515_2_4_2_a_refer_that_nobody_answers_is_not_kept() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    agent.run();
    let (waited, calls) = agent.wait(Duration::from_secs(100));
    assert_eq!(waited, Duration::from_secs(32));
    assert_eq!(statuses(&calls), [487]);
    assert_eq!(agent.dialogs.subscription_count(), 0);
}
