//! Provisional responses that are acknowledged (RFC 3262).

use std::time::Duration;

use sip_dialog::{Body, EndCause, Event, SessionId};
use sip_message::header::RSeq;
use sip_message::{HeaderName, Response, StatusCode};
use sip_testkit::{Loss, Path, Simulation, for_each_seed};

use crate::agent::{Agent, methods, requests, response, statuses};
use crate::phone::{Manner, Phone};

pub(crate) fn agent() -> Agent {
    Agent::with(|config| config.supported = vec!["100rel".to_owned()])
}

pub(crate) fn rseq(response: &Response) -> u32 {
    let RSeq(number) = response.headers().typed::<RSeq>().unwrap().unwrap();
    number
}

pub(crate) fn ring(
    agent: &mut Agent,
    session: SessionId,
    status: StatusCode,
    body: Option<&'static str>,
) {
    agent
        .dialogs
        .ring(
            session,
            status,
            body.map(Body::sdp),
            &mut agent.layer,
            agent.now,
        )
        .unwrap();
}

/// A call that came with an offer and `100rel`, and was rung: the session, the tag, and the number of the response.
pub(crate) fn rung(agent: &mut Agent, body: Option<&'static str>) -> (SessionId, String, u32) {
    agent.offer("INVITE", 5, "", "Supported: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    ring(agent, session, StatusCode::RINGING, body);
    let response = response(&agent.run());
    let tag = response.headers().to_tag().unwrap().to_owned();
    (session, tag, rseq(&response))
}

pub(crate) fn rack(number: u32) -> String {
    format!("RAck: {number} 5 INVITE\r\n")
}

#[test]
fn rfc3262_3_a_provisional_response_is_repeated_until_its_prack() {
    let mut agent = agent();
    let (_, tag, number) = rung(&mut agent, None);
    let mut times = Vec::new();
    for _ in 0..4 {
        let (waited, calls) = agent.wait(Duration::from_secs(30));
        let response = response(&calls);
        assert_eq!((response.status().as_u16(), rseq(&response)), (180, number));
        assert_eq!(response.headers().get(HeaderName::Require), Some("100rel"));
        times.push(waited.as_millis());
    }
    assert_eq!(times, [500, 1000, 2000, 4000]);
    // One that acknowledges something else is refused, and changes nothing.
    agent.request("PRACK", 6, &tag, &rack(number + 1));
    assert_eq!(statuses(&agent.run()), [481]);
    agent.request("PRACK", 7, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::ProvisionalAcknowledged { .. })
    ));
    assert!(agent.wait(Duration::from_secs(100)).1.is_empty());
}

#[test]
fn rfc3262_3_without_a_prack_the_invite_is_refused() {
    let mut agent = agent();
    rung(&mut agent, None);
    let mut elapsed = Duration::ZERO;
    loop {
        let (waited, calls) = agent.wait(Duration::from_secs(60));
        elapsed += waited;
        if response(&calls).status() != StatusCode::RINGING {
            assert_eq!(statuses(&calls), [504]);
            break;
        }
    }
    assert_eq!(elapsed, Duration::from_secs(32));
    assert!(matches!(
        agent.events.last(),
        Some(Event::Ended {
            cause: EndCause::NoAck,
            ..
        })
    ));
}

#[test]
fn rfc3262_3_one_at_a_time_and_numbered_in_order() {
    let mut agent = agent();
    let (session, tag, number) = rung(&mut agent, None);
    ring(&mut agent, session, StatusCode::SESSION_PROGRESS, None);
    assert!(agent.run().is_empty());
    agent.request("PRACK", 6, &tag, &rack(number));
    let calls = agent.run();
    assert_eq!(statuses(&calls), [200, 183]);
    let next = response(&calls);
    assert_eq!(rseq(&next), number + 1);
    assert_eq!(next.headers().get(HeaderName::Require), Some("100rel"));
}

#[test]
fn rfc3262_3_a_2xx_waits_for_the_prack_of_a_description() {
    let mut agent = agent();
    let (session, tag, number) = rung(&mut agent, Some("answer"));
    agent
        .dialogs
        .accept(session, None, &mut agent.layer, agent.now)
        .unwrap();
    assert!(agent.run().is_empty());
    // Accepted is accepted: no second time, and no further ringing.
    assert!(
        agent
            .dialogs
            .accept(session, None, &mut agent.layer, agent.now)
            .is_err()
    );
    agent.request("PRACK", 6, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [200, 200]);
    agent.ack(5, &tag);
    agent.run();
    assert!(matches!(agent.events.last(), Some(Event::Confirmed { .. })));
    // Without a description it need not wait, and the PRACK that follows is still good.
    let mut agent = self::agent();
    let (session, tag, number) = rung(&mut agent, None);
    assert_eq!(agent.accept(session).status(), StatusCode::OK);
    agent.request("PRACK", 6, &tag, &rack(number));
    assert_eq!(statuses(&agent.run()), [200]);
}

#[test]
fn rfc3262_3_a_caller_without_100rel_gets_it_unreliably() {
    let mut agent = agent();
    agent.offer("INVITE", 5, "", "");
    agent.run();
    let session = agent.incoming();
    ring(&mut agent, session, StatusCode::RINGING, None);
    let ringing = response(&agent.run());
    assert!(!ringing.headers().contains(HeaderName::RSeq));
    assert!(!ringing.headers().contains(HeaderName::Require));
    assert!(agent.wait(Duration::from_secs(59)).1.is_empty());
}

#[test]
fn rfc3262_4_each_reliable_response_is_acknowledged_once_and_in_order() {
    let mut agent = agent();
    let (_, invite) = agent.invite(Some("offer"));
    assert_eq!(invite.field(HeaderName::Supported), "100rel");
    let reliable = |number: u32| {
        format!("Contact: <sip:bob@192.0.2.7>\r\nRequire: 100rel\r\nRSeq: {number}\r\n")
    };
    let calls = agent.reply(&invite, 180, "b1", &reliable(988_789), "");
    let (prack, _) = requests(&calls)[0];
    assert_eq!(
        (
            prack.uri_str(),
            prack.headers().get(HeaderName::RAck),
            prack.headers().get(HeaderName::CSeq)
        ),
        (
            "sip:bob@192.0.2.7",
            Some("988789 1 INVITE"),
            Some("2 PRACK")
        )
    );
    assert!(!prack.headers().contains(HeaderName::Contact));
    // Again, and one too early: neither is acknowledged or told.
    let told = agent.events.len();
    assert!(
        agent
            .reply(&invite, 180, "b1", &reliable(988_789), "")
            .is_empty()
    );
    assert!(
        agent
            .reply(&invite, 183, "b1", &reliable(988_791), "")
            .is_empty()
    );
    assert_eq!(agent.events.len(), told);
    assert_eq!(
        methods(&agent.reply(&invite, 183, "b1", &reliable(988_790), "")),
        ["PRACK"]
    );
    // Another branch counts for itself.
    let calls = agent.reply(&invite, 183, "b2", &reliable(1), "");
    assert_eq!(
        requests(&calls)[0].0.headers().get(HeaderName::CSeq),
        Some("2 PRACK")
    );
    // The numbers go on in the session.
    let contact = "Contact: <sip:bob@192.0.2.7>\r\n";
    agent.reply(&invite, 200, "b1", contact, "answer");
    let Some(Event::Accepted { session, .. }) = agent.events.pop() else {
        panic!("not accepted")
    };
    agent.dialogs.end(session, &mut agent.layer, agent.now);
    assert_eq!(agent.sent().cseq(), "4 BYE");
}

#[test]
fn rfc3262_5_an_offer_in_a_provisional_response_is_answered_in_its_prack() {
    let mut agent = agent();
    let (session, invite) = agent.invite(None);
    let fields = "Contact: <sip:bob@192.0.2.7>\r\nRequire: 100rel\r\nRSeq: 1\r\n";
    assert!(
        agent
            .reply(&invite, 183, "b1", fields, "their offer")
            .is_empty()
    );
    let answer = Some(Body::sdp("our answer"));
    agent
        .dialogs
        .acknowledge(session, answer, &mut agent.layer, agent.now)
        .unwrap();
    let prack = agent.sent();
    assert_eq!(
        (prack.cseq().as_str(), prack.request.body()),
        ("2 PRACK", &b"our answer"[..])
    );
    // The exchange is complete: the ACK waits for nobody.
    let contact = "Contact: <sip:bob@192.0.2.7>\r\n";
    let calls = agent.reply(&invite, 200, "b1", contact, "their offer");
    assert_eq!(methods(&calls), ["ACK"]);
}

#[test]
fn rfc3262_5_an_answer_in_the_prack_is_told() {
    let mut agent = agent();
    agent.request("INVITE", 5, "", "Require: 100rel\r\n");
    agent.run();
    let session = agent.incoming();
    let progress = StatusCode::SESSION_PROGRESS;
    ring(&mut agent, session, progress, Some("our offer"));
    let sent = response(&agent.run());
    let tag = sent.headers().to_tag().unwrap().to_owned();
    agent.offer("PRACK", 6, &tag, &rack(rseq(&sent)));
    assert_eq!(statuses(&agent.run()), [200]);
    assert!(matches!(
        agent.events.last(),
        Some(Event::ProvisionalAcknowledged { body: Some(_), .. })
    ));
}

fn two(manner: Manner, path: Path, seed: u64) -> (Simulation<Phone>, [sip_testkit::NodeId; 2]) {
    let mut simulation = Simulation::new(seed);
    simulation.network.default_path = path;
    let nodes = [("alice", "192.0.2.1:5060"), ("bob", "192.0.2.2:5060")].map(|(name, address)| {
        let phone = Phone::with(address, manner, seed, |config| {
            config.supported = vec!["100rel".to_owned()];
        });
        simulation.add(name, address.parse().unwrap(), phone)
    });
    (simulation, nodes)
}

#[test]
fn rfc3262_a_call_with_a_reliable_response_as_a_ladder() {
    let path = Path::delay(Duration::from_millis(10));
    let (mut simulation, [alice, _]) = two(Manner::Answers, path, 1);
    simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
    simulation.run_for(Duration::from_secs(2));
    let ladder = simulation.ladder();
    let steps: Vec<&str> = ladder
        .lines()
        .filter_map(|line| line.split_once('|')?.1.rsplit_once('|'))
        .map(|(arrow, _)| arrow.trim_matches(['-', '<', '>']))
        .collect();
    assert_eq!(
        steps,
        [
            "INVITE",
            "180 (INVITE)",
            "200 (INVITE)",
            "PRACK",
            "ACK",
            "200 (PRACK)"
        ],
        "{ladder}"
    );
}

#[test]
fn reliable_calls_over_bad_networks_end_on_both_sides() {
    for loss in [0.1, 0.35] {
        for_each_seed(20, |seed| {
            let path = Path::delay(Duration::from_millis(70)).with_loss(Loss::Random(loss));
            let (mut simulation, nodes) = two(Manner::Answers, path, seed);
            let [alice, bob] = nodes;
            simulation.with(alice, |phone, now| phone.call("sip:bob@192.0.2.2", now));
            simulation.run_for(Duration::from_secs(40));
            for node in [bob, alice] {
                simulation.with(node, |phone, now| {
                    if phone.dialogs.session_count() > 0 {
                        phone.act(now, |dialogs, session, t| dialogs.end(session, t, now));
                    }
                });
                simulation.run_for(Duration::from_secs(70));
            }
            simulation.run();
            for node in nodes {
                let phone = simulation.node(node);
                assert_eq!(
                    (phone.dialogs.session_count(), phone.dialogs.request_count()),
                    (0, 0),
                    "{:?}",
                    phone.log
                );
            }
        });
    }
}
