//! What is held back from servers that ask for it (RFC 7339).

use super::*;

/// A proxy that heeds overload, with a call that a server answered with this report in its Via.
fn heeding(report: &str) -> World {
    let mut world = World::new();
    world.proxy.config.heeds_overload = true;
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1);
    tell(&mut world, &sent[0], 180, report);
    world
}

/// A branch is answered with this behind our Via; what goes on to the caller.
fn tell(world: &mut World, sent: &Sent, status: u16, report: &str) -> Vec<Response> {
    drop(world.layer.take());
    let mut received = sent.request.clone();
    let via = format!("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKours{report}");
    received.headers_mut().push_front(HeaderName::Via, via);
    let response = Response::to(&received, StatusCode::from_u16(status).unwrap()).to_tag("theirs");
    world.input(Event::Response {
        id: sent.id,
        response: response.build().unwrap().into(),
        flow: flow(TransportKind::Udp, 1, "192.0.2.99:5060"),
    });
    world.responses()
}

const ALL: &str = ";oc=100;oc-algo=\"loss\";oc-validity=5000;oc-seq=1.0";
/// All that begins something, and none of the rest.
const NEW: &str = ";oc=80;oc-algo=\"loss\";oc-validity=5000;oc-seq=1.0";

#[test]
fn rfc7339_5_10_a_request_that_is_held_back_is_503_without_retry_after() {
    let mut world = heeding(ALL);
    drop(world.layer.take());
    world.request(&invite("sip:bob@example.com", ""));
    let responses = world.responses();
    assert_eq!(responses.len(), 1);
    assert_eq!(
        (responses[0].status().as_u16(), responses[0].reason()),
        (503, "Next Hop Overloaded")
    );
    assert!(!responses[0].headers().contains(HeaderName::RetryAfter));
    assert_eq!(world.proxy.throttle().held_back(), 1);
    // §5.7: when the time is over, it is sent again.
    world.now += Duration::from_secs(5);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1);
}

#[test]
fn rfc7339_5_10_1_calls_for_help_and_what_belongs_to_calls_go_on() {
    let mut world = heeding(NEW);
    world.proxy.config.emergency = Some(Emergency::new([crate::routing::Hop::new(
        Uri::parse("sip:psap.example.net").unwrap(),
    )]));
    drop(world.layer.take());
    world.request(&invite("urn:service:sos", ""));
    assert_eq!(world.sent().len(), 1, "a call for help");
    world.request(&invite(
        "sip:bob@example.com",
        "To: <sip:bob@example.com>;tag=x\r\n",
    ));
    assert_eq!(world.sent().len(), 1, "within a dialog");
    world.request(&message("MESSAGE", "sip:bob@example.com", ""));
    assert!(world.sent().is_empty(), "what begins something");
}

#[test]
fn rfc7339_5_10_another_server_of_the_target_takes_it() {
    let mut world = heeding(ALL);
    drop(world.layer.take());
    let event = Event::Request {
        id: ServerTransactionId::from_parts(99, 0),
        request: parse(&invite("sip:bob@example.com", "")).into(),
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
        merged: false,
    };
    let (wall, now) = (world.wall, world.now);
    let back = world.proxy.handle_input(event, &mut world.layer, wall, now);
    assert!(back.is_none());
    // The bindings, then two servers, of which one wants nothing.
    let mut answered = false;
    while let Some(output) = world.proxy.poll_output() {
        let RoleOutput::Need { token, need } = output else {
            continue;
        };
        let answer = match need {
            Need::Lookup { .. } => Answer::Bindings(Ok(world.bindings.clone())),
            Need::SelectFlow { .. } => {
                answered = true;
                let flows = ["192.0.2.99:5060", "192.0.2.98:5060"];
                Answer::Flows(Ok((1..)
                    .zip(flows)
                    .map(|(n, at)| flow(TransportKind::Udp, n, at))
                    .collect()))
            }
            other => panic!("{other:?}"),
        };
        world
            .proxy
            .handle_answer(token, answer, &mut world.layer, wall, now);
    }
    assert!(answered);
    let calls = world.layer.take();
    let to: Vec<String> = calls
        .iter()
        .filter_map(|call| match call {
            Call::Forward { flow, .. } => Some(flow.remote.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(to, ["192.0.2.98:5060"]);
}

#[test]
fn rfc7339_5_4_nobody_else_is_told() {
    let mut world = World::new();
    world.proxy.config.heeds_overload = true;
    world.bind("sip:bob@192.0.2.99", None);
    let text = invite("sip:bob@example.com", "").replace(
        "branch=z9hG4bKtheirs",
        "branch=z9hG4bKtheirs;oc;oc-algo=\"loss\"",
    );
    world.request(&text);
    let sent = world.sent();
    // A server further on writes into the Via of the caller as well.
    let mut forged = Sent {
        id: sent[0].id,
        request: sent[0].request.clone(),
        loop_hash: 0,
    };
    forged.request.headers_mut().remove_all(HeaderName::Via);
    forged.request.headers_mut().push_front(
        HeaderName::Via,
        "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKtheirs;oc=99;oc-algo=\"loss\";oc-validity=60000;oc-seq=7.0",
    );
    let responses = tell(&mut world, &forged, 180, ALL);
    let vias: Vec<&str> = responses[0].headers().values(HeaderName::Via).collect();
    assert_eq!(
        vias,
        ["SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKtheirs;oc;oc-algo=\"loss\""]
    );
}

#[test]
fn who_heeds_nothing_holds_nothing_back() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    tell(&mut world, &sent[0], 180, ALL);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1);
}

#[test]
fn rfc7339_5_9_who_answers_nothing_is_called_no_more_until_they_do() {
    let mut world = World::new();
    world.proxy.config.heeds_overload = true;
    world.bind("sip:bob@192.0.2.99", None);
    for _ in 0..3 {
        let (_, sent) = world.call_bob();
        assert_eq!(sent.len(), 1);
        world.input(Event::FlowFailed { id: sent[0].id });
    }
    drop(world.layer.take());
    world.request(&invite("sip:bob@example.com", ""));
    assert_eq!(world.responses()[0].status().as_u16(), 503);
    // What the transaction layer had no room for was not sent, so it says nothing of the server.
    world.now += Duration::from_secs(2);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1, "one, to see");
    world.input(Event::Refused { id: sent[0].id });
    world.now += Duration::from_secs(2);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 1, "no later than before");
    tell(&mut world, &sent[0], 180, "");
    for _ in 0..3 {
        let (_, sent) = world.call_bob();
        assert_eq!(sent.len(), 1);
    }
}

#[test]
fn rfc7339_5_6_what_the_caller_asks_of_this_server_is_for_no_other() {
    for heeds in [false, true] {
        let mut world = World::new();
        world.proxy.config.heeds_overload = heeds;
        world.bind("sip:bob@192.0.2.99", None);
        let asked = "branch=z9hG4bKtheirs;oc;oc-algo=\"loss,rate\"";
        let text = invite("sip:bob@example.com", "").replace("branch=z9hG4bKtheirs", asked);
        world.request(&text);
        let sent = world.sent();
        let vias: Vec<&str> = sent[0].request.headers().values(HeaderName::Via).collect();
        assert_eq!(
            vias,
            ["SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKtheirs;kept-oc=\"loss,rate\""]
        );
        for status in [180, 486] {
            let responses = tell(&mut world, &sent[0], status, "");
            let via = responses[0].headers().get(HeaderName::Via).unwrap();
            assert!(via.ends_with(asked), "{status}: {via}");
        }
    }
}
