//! Statements of RFCs 3311, 3515 and 3891 that no other test shows, one by one (`conformance/`).

use std::time::Duration;

use sip_dialog::{Body, Event, Report, SessionId};
use sip_message::{HeaderName, Method, Response, StatusCode};
use sip_testkit::Call;

use crate::agent::{
    Agent, CONTACT, Sent, UPDATES, methods, only, request, requests, response, statuses,
};
use crate::offers::{Notes, both, negotiate};
use crate::referrals::{REFER_TO, accept, carol, notify, referee, referred, referring, told};

fn replacing() -> Agent {
    Agent::with(|config| config.supported = vec!["replaces".to_owned()])
}

/// A new INVITE with these fields.
fn invited(agent: &mut Agent, fields: &str) -> Vec<Call> {
    let mut request = request("INVITE", 1, "", fields);
    request.headers_mut().replace(HeaderName::CallId, "two");
    request.set_body("application/sdp", "offer");
    agent.take(request);
    agent.run()
}

fn replaces(tag: &str) -> String {
    format!("Replaces: one;to-tag={tag};from-tag=peer\r\n")
}

/// A REFER that was accepted in a call: the referral, its tag, and the first NOTIFY.
fn reporting(agent: &mut Agent) -> (sip_dialog::SubscriptionId, String, Sent) {
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    agent.run();
    let (referral, _) = referred(agent);
    let first = only(accept(agent, referral));
    (referral, tag, first)
}

#[test]
fn rfc3515_2_a_refer_has_one_contact_and_the_route_of_its_dialog() {
    let mut agent = Agent::new();
    let (session, invite) = agent.invite(Some("offer"));
    let fields = format!("Record-Route: <sip:p.example.com;lr>\r\n{CONTACT}");
    agent.reply(&invite, 200, "b1", &fields, "answer");
    agent
        .dialogs
        .refer(
            session,
            carol(Report::Implicit),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let refer = agent.sent();
    assert_eq!(refer.values(HeaderName::Contact), ["<sip:alice@192.0.2.1>"]);
    assert_eq!(refer.values(HeaderName::Route), ["<sip:p.example.com;lr>"]);
    assert_eq!(refer.request.uri_str(), "sip:bob@192.0.2.7");
}

#[test]
fn rfc3515_2_4_1_a_refer_has_one_refer_to() {
    let mut agent = Agent::new();
    let (_, _, refer) = referring(&mut agent, Report::Implicit);
    assert_eq!(
        refer.values(HeaderName::ReferTo),
        ["<sip:carol@example.com>"]
    );
}

#[test]
fn rfc3515_2_4_2_nothing_is_done_before_it_is_approved() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request("REFER", 6, &tag, REFER_TO);
    assert!(agent.run().is_empty());
    let (referral, _) = referred(&mut agent);
    assert!(agent.wait(Duration::from_secs(1)).1.is_empty());
    // And then what it names is what is called.
    let calls = accept(&mut agent, referral);
    assert_eq!(
        (statuses(&calls), methods(&calls)),
        (vec![200], vec!["NOTIFY"])
    );
    let mut refer = request("REFER", 6, &tag, REFER_TO);
    refer
        .headers_mut()
        .push_back(HeaderName::ReferredBy, "<sip:bob@example.com>");
    let uri = |text: &str| sip_message::Uri::parse(text).unwrap();
    let invite = sip_dialog::InviteRequest::referred(
        &refer,
        uri("sip:alice@example.com"),
        uri("sip:alice@192.0.2.1"),
    );
    let session = agent
        .dialogs
        .invite(invite.unwrap(), &mut agent.layer, agent.now);
    let invite = agent.sent();
    assert_eq!(invite.request.uri_str(), "sip:carol@example.com");
    agent.dialogs.carry_out(referral, session);
}

#[test]
fn rfc3515_2_4_2_not_one_refer_to_is_400() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    for (number, fields) in [
        (6, String::new()),
        (7, REFER_TO.repeat(2)),
        (8, REFER_TO.repeat(3)),
    ] {
        agent.request("REFER", number, &tag, &fields);
        assert_eq!(statuses(&agent.run()), [400]);
    }
}

#[test]
fn rfc3515_2_4_2_what_sip_does_not_reach_is_not_accepted() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    for (number, uri, expected) in [
        (6, "http://example.com", 1),
        (7, "mailto:carol@example.com", 1),
        (8, "sips:carol@example.com", 0),
        (9, "tel:+4930123456", 0),
    ] {
        agent.request("REFER", number, &tag, &format!("Refer-To: <{uri}>\r\n"));
        let refused = statuses(&agent.run());
        assert_eq!(refused, vec![416; expected], "{uri}");
    }
}

#[test]
fn rfc3515_2_4_2_who_accepts_it_tells_of_it() {
    let mut agent = Agent::with(referee);
    let (referral, _, first) = reporting(&mut agent);
    assert_eq!(agent.dialogs.subscription_count(), 1);
    assert_eq!(*first.request.method(), Method::Notify);
    agent.reply(&first, 200, "", "", "");
    agent
        .dialogs
        .report(referral, StatusCode::RINGING, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(agent.sent().request.body(), b"SIP/2.0 180 Ringing\r\n");
}

#[test]
fn rfc3515_2_4_4_a_notify_may_come_before_the_response() {
    let mut agent = Agent::new();
    let (_, referral, sent) = referring(&mut agent, Report::Implicit);
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
}

#[test]
fn rfc3515_2_4_4_what_was_asked_for_goes_on_when_nobody_listens_any_more() {
    let mut agent = Agent::with(referee);
    let (referral, tag, first) = reporting(&mut agent);
    agent.reply(&first, 200, "", "", "");
    let (session, invite) = agent.invite(Some("offer"));
    agent.dialogs.carry_out(referral, session);
    agent.reply(&invite, 180, "b1", CONTACT, "");
    let progress = agent.run();
    assert!(progress.is_empty());
    agent.request("SUBSCRIBE", 7, &tag, "Event: refer;id=6\r\nExpires: 0\r\n");
    let calls = agent.run();
    assert!(statuses(&calls).contains(&200), "{calls:?}");
    assert!(
        !calls.iter().any(|call| matches!(call, Call::Cancel { .. })),
        "{calls:?}"
    );
    let (_, calls) = agent.wait(Duration::from_secs(10));
    assert!(
        !calls.iter().any(|call| matches!(call, Call::Cancel { .. })),
        "{calls:?}"
    );
}

#[test]
fn rfc3515_2_4_4_a_subscribe_of_no_refer_is_403() {
    let mut agent = Agent::with(referee);
    let (_, tag) = agent.answered("");
    agent.request("SUBSCRIBE", 6, &tag, "Event: refer\r\nExpires: 60\r\n");
    assert_eq!(statuses(&agent.run()), [403]);
    agent.request("SUBSCRIBE", 7, &tag, "Event: refer;id=3\r\nExpires: 60\r\n");
    assert_eq!(statuses(&agent.run()), [403]);
    // Nor is there one out of any dialog.
    let (_, back) = agent.request("SUBSCRIBE", 1, "", "Event: refer\r\nExpires: 60\r\n");
    assert!(back.is_none());
    assert_eq!(statuses(&agent.run()), [403]);
    assert_eq!(agent.dialogs.subscription_count(), 0);
}

#[test]
fn rfc3515_2_4_5_each_notify_begins_with_a_status_line() {
    let mut agent = Agent::with(referee);
    let (referral, _, first) = reporting(&mut agent);
    let mut all = vec![first];
    for status in [180, 183, 486] {
        agent.reply(all.last().unwrap(), 200, "", "", "");
        let status = StatusCode::from_u16(status).unwrap();
        agent
            .dialogs
            .report(referral, status, &mut agent.layer, agent.now)
            .unwrap();
        all.push(agent.sent());
    }
    for (sent, code) in all.iter().zip([100, 180, 183, 486]) {
        let kind = sent.field(HeaderName::ContentType);
        assert!(kind.starts_with("message/sipfrag"), "{kind}");
        let start = format!("SIP/2.0 {code} ");
        assert!(sent.request.body().starts_with(start.as_bytes()));
    }
}

#[test]
fn rfc3515_2_4_6_the_id_of_the_events_is_in_what_refreshes_and_ends_them() {
    let mut agent = Agent::new();
    let (_, referral, sent) = referring(&mut agent, Report::Implicit);
    agent.reply(&sent, 202, "", CONTACT, "");
    let number = sent.cseq().split(' ').next().unwrap().to_owned();
    let event = format!("refer;id={number}");
    agent.take(notify(
        &sent,
        1,
        &event,
        "active;expires=60",
        "SIP/2.0 100 Trying\r\n",
    ));
    assert_eq!(statuses(&agent.run()), [200]);
    let (_, calls) = agent.wait(Duration::from_secs(60));
    let refresh = only(calls);
    assert_eq!(refresh.field(HeaderName::Event), event);
    agent.reply(&refresh, 200, "", "Expires: 60\r\n", "");
    agent.take(notify(
        &sent,
        2,
        &event,
        "active;expires=60",
        "SIP/2.0 100 Trying\r\n",
    ));
    agent.run();
    agent
        .dialogs
        .unsubscribe(referral, &mut agent.layer, agent.now)
        .unwrap();
    let last = agent.sent();
    assert_eq!(last.field(HeaderName::Event), event);
    assert_eq!(last.field(HeaderName::Expires), "0");
}

#[test]
fn rfc3515_2_4_7_the_last_notify_says_that_there_is_no_resource() {
    for status in [200, 404, 603] {
        let mut agent = Agent::with(referee);
        let (referral, _, first) = reporting(&mut agent);
        agent.reply(&first, 200, "", "", "");
        let status = StatusCode::from_u16(status).unwrap();
        agent
            .dialogs
            .report(referral, status, &mut agent.layer, agent.now)
            .unwrap();
        let last = agent.sent();
        let state = last.field(HeaderName::SubscriptionState);
        assert_eq!(state, "terminated;reason=noresource");
    }
}

#[test]
fn rfc3891_3_replaces_twice_or_without_an_invite_is_400() {
    let mut agent = replacing();
    let (_, tag) = agent.answered("");
    assert_eq!(
        statuses(&invited(&mut agent, &replaces(&tag).repeat(2))),
        [400]
    );
    for (number, method) in [(6, "OPTIONS"), (7, "INFO"), (8, "BYE"), (9, "MESSAGE")] {
        agent.request(method, number, &tag, &replaces(&tag));
        assert_eq!(statuses(&agent.run()), [400], "{method}");
        let (_, back) = agent.request(method, number, "", &replaces(&tag));
        assert!(back.is_none());
        assert_eq!(statuses(&agent.run()), [400], "{method}");
    }
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3891_3_replaces_and_what_contradicts_it_is_400() {
    let mut agent = Agent::with(|config| {
        config.supported = ["replaces", "join"].map(str::to_owned).to_vec();
    });
    let (_, tag) = agent.answered("");
    let both = format!("{}Join: one;to-tag={tag};from-tag=peer\r\n", replaces(&tag));
    assert_eq!(statuses(&invited(&mut agent, &both)), [400]);
}

#[test]
fn rfc3891_3_a_dialog_of_a_subscription_is_not_replaced() {
    let mut agent = Agent::with(|config| {
        config.supported = vec!["replaces".to_owned()];
        config.event_packages = vec!["presence".to_owned()];
    });
    let (_, tag, _) = crate::subscriptions::granted(&mut agent, "");
    assert_eq!(statuses(&invited(&mut agent, &replaces(&tag))), [481]);
    assert_eq!(agent.dialogs.subscription_count(), 1);
}

#[test]
fn rfc3891_3_a_dialog_that_has_ended_is_603() {
    let mut agent = replacing();
    let (session, tag) = agent.answered("");
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert_eq!(methods(&agent.run()), ["BYE"]);
    assert_eq!(statuses(&invited(&mut agent, &replaces(&tag))), [603]);
}

#[test]
fn rfc3891_3_who_cannot_accept_leaves_all_as_it_is() {
    let mut agent = replacing();
    let (old, tag) = agent.answered("");
    assert!(invited(&mut agent, &replaces(&tag)).is_empty());
    let new = agent.incoming();
    let status = StatusCode::NOT_ACCEPTABLE_HERE;
    agent
        .dialogs
        .reject(new, status, &[], &mut agent.layer, agent.now)
        .unwrap();
    let calls = agent.run();
    assert_eq!((statuses(&calls), methods(&calls)), (vec![488], vec![]));
    agent
        .dialogs
        .request_within(old, Method::Options, &[], None, &mut agent.layer, agent.now)
        .unwrap();
    assert_eq!(*agent.sent().request.method(), Method::Options);
}

#[test]
fn rfc3891_4_the_request_goes_to_the_contact_of_the_target() {
    let mut agent = Agent::new();
    let (session, ..) = agent.calling("Contact: <sip:bob@192.0.2.7:5070>\r\n");
    let uri = agent.dialogs.replacement_uri(session).unwrap();
    assert!(
        uri.as_str().starts_with("sip:bob@192.0.2.7:5070?Replaces="),
        "{uri}"
    );
}

#[test]
fn rfc3891_6_1_there_is_one_tag_of_each_side() {
    let mut agent = replacing();
    let (_, tag) = agent.answered("");
    for value in [
        format!("one;to-tag={tag}"),
        "one;from-tag=peer".to_owned(),
        format!("one;to-tag={tag};from-tag=peer;to-tag=x"),
        format!("one;to-tag={tag};from-tag=peer;from-tag=x"),
    ] {
        let calls = invited(&mut agent, &format!("Replaces: {value}\r\n"));
        assert_eq!(statuses(&calls), [400], "{value}");
    }
    // Ours has both.
    let mut agent = Agent::new();
    let (session, ..) = agent.calling(CONTACT);
    let uri = agent.dialogs.replacement_uri(session).unwrap();
    for name in ["to-tag", "from-tag"] {
        assert_eq!(
            uri.as_str().matches(&format!("%3B{name}%3D")).count(),
            1,
            "{uri}"
        );
    }
}

#[test]
fn rfc3891_6_2_replaces_is_supported() {
    let mut agent = replacing();
    let (_, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::Supported), "replaces");
    agent.request("OPTIONS", 3, "", "");
    let ok = response(&agent.run());
    assert_eq!(ok.headers().get(HeaderName::Supported), Some("replaces"));
}

#[test]
fn rfc3891_8_referred_by_goes_with_what_was_asked_for() {
    let mut refer = request("REFER", 6, "", REFER_TO);
    refer
        .headers_mut()
        .push_back(HeaderName::ReferredBy, "<sip:bob@example.com>");
    let uri = |text: &str| sip_message::Uri::parse(text).unwrap();
    let (from, contact) = (uri("sip:alice@example.com"), uri("sip:alice@192.0.2.1"));
    let invite = sip_dialog::InviteRequest::referred(&refer, from, contact).unwrap();
    let mut agent = Agent::new();
    agent.dialogs.invite(invite, &mut agent.layer, agent.now);
    let sent = agent.sent();
    assert_eq!(sent.field(HeaderName::ReferredBy), "<sip:bob@example.com>");
}

fn allows(headers: &sip_message::Headers) -> bool {
    let mut methods = headers.values(HeaderName::Allow);
    methods.any(|value| value.split(',').any(|method| method.trim() == "UPDATE"))
}

#[test]
fn rfc3311_4_invites_and_their_responses_allow_update() {
    let mut agent = Agent::with(both);
    let (_, invite) = agent.invite(Some("offer"));
    assert!(allows(invite.request.headers()));
    // A reliable response with a description, and the 2xx.
    let mut agent = Agent::with(both);
    agent.offer("INVITE", 5, "", "Supported: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    let (progress, body) = (StatusCode::SESSION_PROGRESS, Some(Body::sdp("answer")));
    agent
        .dialogs
        .ring(session, progress, body, &mut agent.layer, agent.now)
        .unwrap();
    let sent = response(&agent.run());
    assert!(sent.headers().contains(HeaderName::RSeq));
    assert!(allows(sent.headers()));
    let mut agent = Agent::with(both);
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    assert!(allows(agent.accept(session).headers()));
}

/// A call to us that rings, whose first offer has its answer: the session and its tag.
fn early(agent: &mut Agent, notes: &mut Notes) -> (SessionId, String) {
    agent.offer("INVITE", 5, "", "Supported: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    let progress = StatusCode::SESSION_PROGRESS;
    agent
        .dialogs
        .ring_with(session, progress, notes, &mut agent.layer, agent.now)
        .unwrap();
    let sent: Response = response(&agent.run());
    let headers = sent.headers();
    let tag = headers.to_tag().unwrap().to_owned();
    let rack = format!(
        "RAck: {} 5 INVITE\r\n",
        headers.get(HeaderName::RSeq).unwrap()
    );
    agent.request("PRACK", 6, &tag, &rack);
    assert_eq!(statuses(&agent.run()), [200]);
    (session, tag)
}

#[test]
fn rfc3311_5_1_the_contact_of_an_update_is_that_of_the_2xx() {
    let mut agent = Agent::with(both);
    let mut notes = Notes::default();
    let (session, tag) = early(&mut agent, &mut notes);
    agent.request("UPDATE", 7, &tag, "");
    let updated = response(&agent.run());
    assert_eq!(updated.status(), StatusCode::OK);
    agent
        .dialogs
        .accept_with(session, &mut notes, &mut agent.layer, agent.now)
        .unwrap();
    let accepted = response(&agent.run());
    let contact = |response: &Response| {
        response
            .headers()
            .get(HeaderName::Contact)
            .map(str::to_owned)
    };
    assert!(contact(&updated).is_some());
    assert_eq!(contact(&updated), contact(&accepted));
}

#[test]
fn rfc3311_5_2_a_change_is_answered_in_the_2xx_at_once() {
    let mut agent = Agent::with(both);
    let mut notes = Notes::default();
    let (_, tag) = early(&mut agent, &mut notes);
    for (number, offer) in [(7, "hold"), (8, "hold"), (9, "resume")] {
        let mut update = request("UPDATE", number, &tag, "");
        update.set_body("application/sdp", offer);
        agent.take(update);
        let began = agent.now;
        let ok = response(&negotiate(&mut agent, &mut notes));
        assert_eq!(ok.status(), StatusCode::OK);
        assert_eq!(ok.body(), format!("answer to {offer}").as_bytes());
        assert_eq!(agent.now, began);
    }
    // Each is looked at, also one that says the same again.
    let looked: Vec<&str> = notes.log.iter().skip(1).map(String::as_str).collect();
    assert_eq!(
        looked,
        ["answer to hold", "answer to hold", "answer to resume"]
    );
}

#[test]
fn rfc3311_5_3_a_refused_update_changes_nothing() {
    let mut agent = Agent::with(both);
    let mut notes = Notes::default();
    let (session, ..) = agent.calling(UPDATES);
    agent.events.clear();
    agent
        .dialogs
        .update(
            session,
            Some(Body::sdp("hold")),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
    let update = agent.sent();
    agent.reply(&update, 488, "", "", "");
    negotiate(&mut agent, &mut notes);
    assert_eq!(notes.log, ["rolled back"]);
    assert_eq!(agent.dialogs.session_count(), 1);
}

#[test]
fn rfc3311_5_3_after_a_491_it_is_tried_once_more_later() {
    // Who made the Call-ID waits 2.1 to 4 seconds, the other up to 2.
    for caller in [true, false] {
        let mut agent = Agent::with(both);
        let session = if caller {
            agent.calling(UPDATES).0
        } else {
            agent.answered("Allow: UPDATE\r\n").0
        };
        agent
            .dialogs
            .update(
                session,
                Some(Body::sdp("hold")),
                &mut agent.layer,
                agent.now,
            )
            .unwrap();
        let update = agent.sent();
        assert!(agent.reply(&update, 491, "", "", "").is_empty());
        let (waited, calls) = agent.wait(Duration::from_secs(10));
        let range = if caller { 2100..=4000 } else { 0..=2000 };
        assert!(range.contains(&waited.as_millis()), "{caller}: {waited:?}");
        let (again, _) = requests(&calls)[0];
        assert_eq!(
            (again.method(), again.body()),
            (&Method::Update, &b"hold"[..])
        );
    }
}

#[test]
fn rfc3515_3_4_the_time_of_a_referral_is_longer_than_a_call_takes_to_be_answered() {
    // Three minutes is what a proxy gives it (RFC 3261 section 16.6), and the time can be set.
    let mut agent = Agent::with(referee);
    let (_, _, first) = reporting(&mut agent);
    let state = first.field(HeaderName::SubscriptionState);
    let seconds: u64 = state
        .strip_prefix("active;expires=")
        .unwrap()
        .parse()
        .unwrap();
    assert!(seconds > 180, "{state}");
}
