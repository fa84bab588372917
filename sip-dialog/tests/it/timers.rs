//! Session timers (RFC 4028).

use std::time::Duration;

use sip_dialog::{EndCause, Event};
use sip_message::{HeaderName, Method, StatusCode};
use sip_testkit::{Path, Simulation};

use crate::agent::{Agent, methods, only, requests, response, statuses};
use crate::phone::{Manner, Phone};

pub(crate) fn agent() -> Agent {
    Agent::with(|config| config.session_interval = Some(Duration::from_secs(1800)))
}

pub(crate) fn agreed(refresher: &str, more: &str) -> String {
    format!("Contact: <sip:bob@192.0.2.7>\r\nSession-Expires: 1800;refresher={refresher}\r\n{more}")
}

#[test]
fn rfc4028_7_1_an_invite_asks_for_a_timer_and_7_3_obeys_a_422() {
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::SessionExpires), "1800");
    assert_eq!(invite.field(HeaderName::Supported), "timer");
    let longer = only(agent.reply(&invite, 422, "x", "Min-SE: 3600\r\n", ""));
    assert_eq!(longer.field(HeaderName::SessionExpires), "3600");
    assert_eq!(longer.field(HeaderName::MinSe), "3600");
    assert_eq!(longer.cseq(), "2 INVITE");
    assert_eq!(
        longer.field(HeaderName::CallId),
        invite.field(HeaderName::CallId)
    );
    // A server that is never content is given up.
    let mut sent = longer;
    for round in 0..20 {
        let calls = agent.reply(&sent, 422, "x", "Min-SE: 7200\r\n", "");
        if calls.is_empty() {
            assert!(matches!(agent.events.last(), Some(Event::Rejected { .. })));
            return;
        }
        sent = only(calls);
        assert!(round < 12);
    }
    panic!("never given up");
}

#[test]
fn rfc4028_7_4_the_refresher_updates_at_half_time() {
    let mut agent = agent();
    agent.calling(&agreed("uac", "Allow: UPDATE\r\n"));
    for _ in 0..3 {
        let (waited, calls) = agent.wait(Duration::from_secs(1800));
        assert_eq!(waited, Duration::from_secs(900));
        let sent = only(calls);
        assert_eq!(sent.request.method(), &Method::Update);
        assert_eq!(sent.field(HeaderName::SessionExpires), "1800;refresher=uac");
        assert!(sent.request.body().is_empty());
        let told = agent.events.len();
        agent.reply(&sent, 200, "", &agreed("uac", ""), "");
        assert_eq!(agent.events.len(), told, "a refresh is no news");
    }
}

#[test]
fn rfc4028_7_4_without_update_the_description_is_offered_again() {
    let mut agent = agent();
    agent.calling(&agreed("uac", ""));
    let (_, calls) = agent.wait(Duration::from_secs(1800));
    let sent = only(calls);
    assert_eq!(
        (sent.request.method(), sent.request.body()),
        (&Method::Invite, &b"offer"[..])
    );
    let calls = agent.reply(&sent, 200, "", &agreed("uac", ""), "answer");
    assert_eq!(methods(&calls), ["ACK"]);
}

#[test]
fn rfc4028_10_a_session_that_nobody_refreshes_is_ended() {
    // We do not refresh, and nobody does: a BYE 32 seconds before the end.
    let mut agent = agent();
    agent.calling(&agreed("uas", ""));
    let (waited, calls) = agent.wait(Duration::from_secs(2000));
    assert_eq!(waited, Duration::from_secs(1800 - 32));
    let bye = only(calls);
    assert_eq!(bye.request.method(), &Method::Bye);
    agent.reply(&bye, 200, "", "", "");
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::Expired,
            ..
        })
    ));
    // Our refresh is refused: the same.
    let mut agent = self::agent();
    agent.calling(&agreed("uac", "Allow: UPDATE\r\n"));
    let (_, calls) = agent.wait(Duration::from_secs(2000));
    agent.reply(&only(calls), 500, "", "", "");
    let (waited, calls) = agent.wait(Duration::from_secs(2000));
    assert_eq!(waited, Duration::from_secs(900 - 32));
    assert_eq!(methods(&calls), ["BYE"]);
}

#[test]
fn rfc4028_9_the_callee_refuses_too_short_and_agrees_to_the_rest() {
    let mut agent = agent();
    let short = "Supported: timer\r\nSession-Expires: 60\r\n";
    agent.offer("INVITE", 5, "", short);
    let refused = response(&agent.run());
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers().get(HeaderName::MinSe)
        ),
        (422, Some("90"))
    );
    let table = [
        // What the INVITE has, what the 2xx has: table 2 of section 9.
        (
            "Supported: timer\r\nSession-Expires: 600\r\n",
            Some("600;refresher=uac"),
        ),
        (
            "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n",
            Some("600;refresher=uas"),
        ),
        ("Session-Expires: 600\r\n", Some("600;refresher=uas")),
        ("Supported: timer\r\n", Some("1800;refresher=uas")),
        (
            "Supported: timer\r\nMin-SE: 2000\r\n",
            Some("2000;refresher=uas"),
        ),
        ("", None),
    ];
    for (fields, expected) in table {
        let mut agent = self::agent();
        agent.offer("INVITE", 5, "", fields);
        agent.run();
        let session = agent.incoming();
        let accepted = agent.accept(session);
        let headers = accepted.headers();
        assert_eq!(
            headers.get(HeaderName::SessionExpires),
            expected,
            "{fields}"
        );
        // Whoever knows of timers is held to this one.
        let requires = fields.contains("Supported: timer");
        assert_eq!(
            headers.get(HeaderName::Require),
            requires.then_some("timer"),
            "{fields}"
        );
    }
}

#[test]
fn rfc4028_9_a_refresh_of_the_peer_starts_the_time_again() {
    let mut agent = agent();
    let (_, tag) = agent.answered("Supported: timer\r\nSession-Expires: 600\r\n");
    for number in 6..9 {
        assert!(agent.wait(Duration::from_secs(500)).1.is_empty());
        agent.request(
            "UPDATE",
            number,
            &tag,
            "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n",
        );
        let accepted = response(&agent.run());
        assert_eq!(
            (
                accepted.status(),
                accepted.headers().get(HeaderName::SessionExpires)
            ),
            (StatusCode::OK, Some("600;refresher=uac"))
        );
    }
    let (waited, calls) = agent.wait(Duration::from_secs(600));
    assert_eq!(waited, Duration::from_secs(600 - 32));
    assert_eq!(methods(&calls), ["BYE"]);
    assert!(statuses(&calls).is_empty());
    assert_eq!(requests(&calls).len(), 1);
}

#[test]
fn rfc4028_sessions_live_for_hours_and_die_with_their_peer() {
    let mut simulation = Simulation::new(1);
    simulation.network.default_path = Path::delay(Duration::from_millis(20));
    let [alice, bob] =
        [("alice", "192.0.2.1:5060"), ("bob", "192.0.2.2:5060")].map(|(name, address)| {
            let phone = Phone::with(address, Manner::Answers, 1, |config| {
                config.session_interval = Some(Duration::from_secs(600));
            });
            simulation.add(name, address.parse().unwrap(), phone)
        });
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_secs(3 * 3600));
    assert_eq!(simulation.node(alice).dialogs.session_count(), 1);
    assert_eq!(simulation.node(bob).dialogs.session_count(), 1);
    assert!(simulation.ladder().matches("UPDATE").count() >= 30);
    // The network is gone: both sides find out.
    simulation.network.default_path.partitioned = true;
    let paths = ["192.0.2.1:5060", "192.0.2.2:5060"].map(|text| text.parse().unwrap());
    simulation.network.path_mut(paths[0], paths[1]).partitioned = true;
    simulation.network.path_mut(paths[1], paths[0]).partitioned = true;
    simulation.run();
    assert_eq!(
        simulation.node(alice).log.last().map(String::as_str),
        Some("ended: Lost")
    );
    assert_eq!(
        simulation.node(bob).log.last().map(String::as_str),
        Some("ended: Expired")
    );
}
