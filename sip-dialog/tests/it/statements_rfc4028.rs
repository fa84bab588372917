//! Statements of RFC 4028 that no other test shows, one by one (`conformance/rfc4028.toml`).

use std::time::Duration;

use sip_dialog::Event;
use sip_message::{HeaderName, Method, Response, StatusCode};

use crate::agent::{Agent, Sent, methods, only, response, statuses};
use crate::timers::{agent, agreed};

const LONG: Duration = Duration::from_secs(1 << 33);

/// The refresh of a call that was answered with these fields, and when it came.
fn refresh(agent: &mut Agent, fields: &str) -> (u64, Sent) {
    agent.calling(fields);
    let (waited, calls) = agent.wait(LONG);
    (waited.as_secs(), only(calls))
}

/// The 2xx to an INVITE with these fields.
fn accepts(fields: &str) -> Response {
    let mut agent = agent();
    agent.offer("INVITE", 5, "", fields);
    agent.run();
    let session = agent.incoming();
    agent.accept(session)
}

fn expires(response: &Response) -> Option<&str> {
    response.headers().get(HeaderName::SessionExpires)
}

#[test]
fn rfc4028_4_any_interval_of_more_than_90_seconds_is_handled() {
    for seconds in [91_u32, 100, 1799, 86_400, u32::MAX] {
        let fields = format!(
            "Contact: <sip:bob@192.0.2.7>\r\nAllow: UPDATE\r\nSession-Expires: {seconds};refresher=uac\r\n"
        );
        let (waited, sent) = refresh(&mut agent(), &fields);
        assert_eq!(waited, u64::from(seconds / 2));
        assert_eq!(*sent.request.method(), Method::Update);
        // And as the one who is called.
        let ok = accepts(&format!(
            "Supported: timer\r\nSession-Expires: {seconds}\r\n"
        ));
        assert_eq!(
            expires(&ok),
            Some(format!("{seconds};refresher=uac").as_str())
        );
    }
}

#[test]
fn rfc4028_5_min_se_is_never_less_than_90() {
    let mut agent = Agent::with(|config| {
        config.session_interval = Some(Duration::from_secs(60));
        config.min_session_interval = Duration::from_secs(1);
    });
    agent.offer(
        "INVITE",
        5,
        "",
        "Supported: timer\r\nSession-Expires: 30\r\n",
    );
    let refusal = response(&agent.run());
    assert_eq!(refusal.headers().get(HeaderName::MinSe), Some("90"));
    let (_, sent) = refresh(&mut agent, &agreed("uac", "Allow: UPDATE\r\n"));
    assert_eq!(sent.field(HeaderName::MinSe), "90");
    // That of a peer that says less is not repeated as it is.
    let mut agent = self::agent();
    let (_, invite) = agent.invite(Some("offer"));
    let again = only(agent.reply(&invite, 422, "x", "Min-SE: 10\r\n", ""));
    agent.reply(
        &again,
        200,
        "b1",
        &agreed("uac", "Allow: UPDATE\r\n"),
        "answer",
    );
    let sent = only(agent.wait(LONG).1);
    assert_eq!(sent.field(HeaderName::MinSe), "90");
}

#[test]
fn rfc4028_5_min_se_is_in_no_response_but_a_422() {
    let mut agent = agent();
    let (_, tag) = agent.answered("Supported: timer\r\nSession-Expires: 600\r\nMin-SE: 100\r\n");
    let fields = "Supported: timer\r\nSession-Expires: 600\r\nMin-SE: 100\r\n";
    agent.request("UPDATE", 6, &tag, fields);
    let ok = response(&agent.run());
    assert_eq!(ok.status(), StatusCode::OK);
    assert!(!ok.headers().contains(HeaderName::MinSe));
    agent.request("OPTIONS", 7, &tag, "");
    assert!(!response(&agent.run()).headers().contains(HeaderName::MinSe));
    assert!(!accepts(fields).headers().contains(HeaderName::MinSe));
}

/// The refusal of too short an interval.
fn too_short() -> Response {
    let mut agent = Agent::with(|config| {
        config.session_interval = Some(Duration::from_secs(1800));
        config.min_session_interval = Duration::from_secs(300);
    });
    agent.offer(
        "INVITE",
        5,
        "",
        "Supported: timer\r\nSession-Expires: 299\r\n",
    );
    response(&agent.run())
}

#[test]
fn rfc4028_6_a_422_has_the_least_interval() {
    let refusal = too_short();
    assert_eq!(refusal.status(), StatusCode::SESSION_INTERVAL_TOO_SMALL);
    assert_eq!(refusal.headers().get(HeaderName::MinSe), Some("300"));
}

#[test]
fn rfc4028_9_a_422_has_the_least_interval_of_at_least_90() {
    assert_eq!(too_short().headers().get(HeaderName::MinSe), Some("300"));
    let mut agent = Agent::with(|config| {
        config.session_interval = Some(Duration::from_secs(1800));
        config.min_session_interval = Duration::from_secs(10);
    });
    agent.offer(
        "INVITE",
        5,
        "",
        "Supported: timer\r\nSession-Expires: 89\r\n",
    );
    assert_eq!(
        response(&agent.run()).headers().get(HeaderName::MinSe),
        Some("90")
    );
}

#[test]
fn rfc4028_7_1_timer_is_supported_and_not_required_and_who_refreshes_is_left_open() {
    let (_, invite) = agent().invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::Supported), "timer");
    assert!(!invite.request.headers().contains(HeaderName::Require));
    assert!(!invite.request.headers().contains(HeaderName::ProxyRequire));
    assert_eq!(invite.field(HeaderName::SessionExpires), "1800");
}

#[test]
fn rfc4028_7_1_the_interval_is_not_less_than_min_se() {
    // After a 422, with more and with less than what was asked for.
    for (least, expected) in [("3600", ("3600", "3600")), ("100", ("1800", "100"))] {
        let mut agent = agent();
        let (_, invite) = agent.invite(Some("offer"));
        let again = only(agent.reply(&invite, 422, "x", &format!("Min-SE: {least}\r\n"), ""));
        let fields = (
            again.field(HeaderName::SessionExpires),
            again.field(HeaderName::MinSe),
        );
        assert_eq!((fields.0.as_str(), fields.1.as_str()), expected);
    }
}

#[test]
fn rfc4028_7_2_the_2xx_says_how_long_and_who() {
    // What it requires is looked at.
    let fields = agreed("uac", "Allow: UPDATE\r\nRequire: timer\r\n").replace("1800", "300");
    let (waited, sent) = refresh(&mut agent(), &fields);
    assert_eq!((waited, methods_of(&sent)), (150, Method::Update));
    // The other side refreshes: we wait, and end it where nobody does.
    let fields = agreed("uas", "Require: timer\r\n").replace("1800", "300");
    let (waited, sent) = refresh(&mut agent(), &fields);
    assert_eq!((waited, methods_of(&sent)), (300 - 32, Method::Bye));
}

fn methods_of(sent: &Sent) -> Method {
    sent.request.method().clone()
}

#[test]
fn rfc4028_7_2_an_interval_may_come_where_none_was_asked_for() {
    let mut agent = agent();
    // No timer is agreed, so that the next request names none.
    let (session, ..) = agent.calling("Contact: <sip:bob@192.0.2.7>\r\nAllow: UPDATE\r\n");
    assert!(agent.wait(LONG).1.is_empty());
    agent
        .dialogs
        .update(session, None, &mut agent.layer, agent.now)
        .unwrap();
    let update = agent.sent();
    assert!(
        !update
            .request
            .headers()
            .contains(HeaderName::SessionExpires)
    );
    agent.reply(&update, 200, "", &agreed("uac", "Allow: UPDATE\r\n"), "");
    let (waited, calls) = agent.wait(LONG);
    assert_eq!((waited.as_secs(), methods(&calls)), (900, vec!["UPDATE"]));
}

#[test]
fn rfc4028_7_2_a_refresh_goes_out_at_half_time() {
    for seconds in [90_u32, 600, 1800] {
        let fields = agreed("uac", "Allow: UPDATE\r\n").replace("1800", &seconds.to_string());
        let (waited, sent) = refresh(&mut agent(), &fields);
        assert_eq!(
            (waited, methods_of(&sent)),
            (u64::from(seconds / 2), Method::Update)
        );
    }
}

#[test]
fn rfc4028_7_3_after_a_422_it_is_the_same_call() {
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    let again = only(agent.reply(&invite, 422, "x", "Min-SE: 3600\r\n", ""));
    for name in [HeaderName::CallId, HeaderName::To, HeaderName::From] {
        assert_eq!(again.field(name.clone()), invite.field(name));
    }
    assert_eq!(
        (invite.cseq(), again.cseq()),
        ("1 INVITE".into(), "2 INVITE".into())
    );
    assert_ne!(again.id, invite.id);
}

#[test]
fn rfc4028_7_4_what_was_supported_stays_so() {
    let mut agent = agent();
    let (_, invite, _) = agent.calling(&agreed("uac", "Allow: UPDATE\r\n"));
    let sent = only(agent.wait(LONG).1);
    for name in [
        HeaderName::Supported,
        HeaderName::Require,
        HeaderName::ProxyRequire,
    ] {
        assert_eq!(sent.field(name.clone()), invite.field(name));
    }
}

#[test]
fn rfc4028_7_4_the_largest_min_se_that_was_heard_is_repeated() {
    // Of a 422 to the INVITE, before there is a dialog, and after it.
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    let again = only(agent.reply(&invite, 422, "x", "Min-SE: 2000\r\n", ""));
    assert_eq!(again.field(HeaderName::MinSe), "2000");
    let third = only(agent.reply(&again, 422, "x", "Min-SE: 1900\r\n", ""));
    assert_eq!(
        third.field(HeaderName::MinSe),
        "2000",
        "not the last but the largest"
    );
    let fields = agreed("uac", "Allow: UPDATE\r\n").replace("1800", "2400");
    agent.reply(&third, 200, "b1", &fields, "answer");
    let sent = only(agent.wait(LONG).1);
    assert_eq!(sent.field(HeaderName::MinSe), "2000");
    assert_eq!(sent.field(HeaderName::SessionExpires), "2400;refresher=uac");
    // Of a 422 to a refresh.
    let sent = only(agent.reply(&sent, 422, "", "Min-SE: 3000\r\n", ""));
    assert_eq!(sent.field(HeaderName::MinSe), "3000");
    assert_eq!(sent.field(HeaderName::SessionExpires), "3000;refresher=uac");
    // Of a refresh of the peer, which is larger than the interval.
    let tag = invite.request.headers().from_tag().unwrap().to_owned();
    let mut theirs = crate::agent::request(
        "UPDATE",
        3,
        &tag,
        "Supported: timer\r\nSession-Expires: 5000;refresher=uas\r\nMin-SE: 4000\r\n",
    );
    theirs
        .headers_mut()
        .replace(HeaderName::CallId, invite.field(HeaderName::CallId));
    theirs
        .headers_mut()
        .replace(HeaderName::From, "<sip:bob@example.com>;tag=b1");
    agent.reply(
        &sent,
        200,
        "",
        &agreed("uac", "Allow: UPDATE\r\n").replace("1800", "3000"),
        "",
    );
    agent.take(theirs);
    assert_eq!(statuses(&agent.run()), [200]);
    let sent = only(agent.wait(LONG).1);
    assert_eq!(sent.field(HeaderName::MinSe), "4000");
    assert_eq!(sent.field(HeaderName::SessionExpires), "5000;refresher=uac");
}

#[test]
fn rfc4028_7_4_a_refresh_names_the_interval_and_who_refreshes() {
    let (_, sent) = refresh(&mut agent(), &agreed("uac", "Allow: UPDATE\r\n"));
    assert_eq!(sent.field(HeaderName::SessionExpires), "1800;refresher=uac");
    // A change of ours while the other side refreshes leaves that to it.
    let mut agent = agent();
    let (session, ..) = agent.calling(&agreed("uas", "Allow: UPDATE\r\n"));
    agent
        .dialogs
        .update(session, None, &mut agent.layer, agent.now)
        .unwrap();
    let sent = agent.sent();
    assert_eq!(sent.field(HeaderName::SessionExpires), "1800;refresher=uas");
}

#[test]
fn rfc4028_9_the_interval_is_neither_raised_nor_below_what_may_be() {
    for asked in [90_u32, 91, 600, 1800, 7200] {
        for least in [None, Some(90_u32), Some(asked)] {
            let least = least
                .map(|least| format!("Min-SE: {least}\r\n"))
                .unwrap_or_default();
            let ok = accepts(&format!(
                "Supported: timer\r\nSession-Expires: {asked}\r\n{least}"
            ));
            assert_eq!(
                expires(&ok),
                Some(format!("{asked};refresher=uac").as_str())
            );
        }
    }
    // Where the requester names none, ours is not below its least.
    let ok = accepts("Supported: timer\r\nMin-SE: 2500\r\n");
    assert_eq!(expires(&ok), Some("2500;refresher=uas"));
}

#[test]
fn rfc4028_9_the_2xx_says_who_refreshes_and_holds_the_requester_to_it() {
    for (fields, refresher, requires) in [
        ("Supported: timer\r\nSession-Expires: 600\r\n", "uac", true),
        (
            "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n",
            "uac",
            true,
        ),
        (
            "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n",
            "uas",
            true,
        ),
        ("Supported: timer\r\n", "uas", true),
        ("Session-Expires: 600\r\n", "uas", false),
    ] {
        let ok = accepts(fields);
        assert!(
            expires(&ok)
                .unwrap()
                .ends_with(&format!(";refresher={refresher}")),
            "{fields}"
        );
        let required = ok.headers().get(HeaderName::Require);
        assert_eq!(required, requires.then_some("timer"), "{fields}");
    }
}

#[test]
fn rfc4028_9_the_callee_refreshes_at_half_time() {
    let mut agent = agent();
    agent.answered("Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 600;refresher=uas\r\n");
    let (waited, calls) = agent.wait(LONG);
    assert_eq!((waited.as_secs(), methods(&calls)), (300, vec!["UPDATE"]));
}

#[test]
fn rfc4028_10_a_refresh_that_is_refused_is_tried_again_as_the_code_says() {
    // 422: at once, with a longer interval; 491: later, the same.
    let mut agent = agent();
    let (_, sent) = refresh(&mut agent, &agreed("uac", "Allow: UPDATE\r\n"));
    let again = only(agent.reply(&sent, 422, "", "Min-SE: 2000\r\n", ""));
    assert_eq!(
        again.field(HeaderName::SessionExpires),
        "2000;refresher=uac"
    );
    assert!(agent.reply(&again, 491, "", "", "").is_empty());
    let (waited, calls) = agent.wait(Duration::from_secs(5));
    assert!(waited < Duration::from_secs(5));
    assert_eq!(methods(&calls), ["UPDATE"]);
    // 401: with credentials.
    let challenge =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
    let again = only(agent.reply(&only(calls), 401, "", challenge, ""));
    assert!(again.request.headers().contains(HeaderName::Authorization));
    agent.reply(&again, 200, "", &agreed("uac", "Allow: UPDATE\r\n"), "");
    assert!(
        !agent
            .events
            .iter()
            .any(|event| matches!(event, Event::Ended { .. }))
    );
}

#[test]
fn rfc4028_10_the_same_refusal_is_not_asked_for_without_end() {
    for (status, fields) in [(500, ""), (488, ""), (422, "Min-SE: 1800\r\n")] {
        let mut agent = agent();
        let (_, mut sent) = refresh(&mut agent, &agreed("uac", "Allow: UPDATE\r\n"));
        let mut tries = 1;
        loop {
            let calls = agent.reply(&sent, status, "", fields, "");
            if calls.is_empty() {
                break;
            }
            sent = only(calls);
            tries += 1;
            assert!(tries < 20, "{status}");
        }
        let (_, calls) = agent.wait(LONG);
        assert_eq!(methods(&calls), ["BYE"], "{status}");
    }
}
