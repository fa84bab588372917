//! What becomes of forwarded requests (RFC 3261 §16.7 to §16.10).

use super::*;

#[test]
fn rfc3261_16_7_provisional_and_successful_responses_go_on_at_once() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (id, sent) = world.call_bob();
    world.reply(&sent[0], 100);
    world.reply(&sent[0], 180);
    world.reply(&sent[0], 200);
    world.reply(&sent[0], 200);
    let responses = world.responses();
    let statuses: Vec<u16> = responses
        .iter()
        .map(|response| response.status().as_u16())
        .collect();
    assert_eq!(
        statuses,
        [180, 200, 200],
        "100 stays here; a repeated 2xx goes on"
    );
    assert!(
        responses
            .iter()
            .all(|response| response.headers().count(HeaderName::Via) == 1),
        "our Via came off"
    );
    assert_eq!(world.proxy.contexts(), 1);
    world.end(&sent[0]);
    assert_eq!(world.proxy.contexts(), 0);
    assert!(
        world
            .input(Event::Terminated {
                id: TransactionId::Server(id)
            })
            .is_some(),
        "it is not ours any more"
    );
}

#[test]
fn rfc3261_16_6_equal_contacts_ring_together_and_the_others_stop_when_one_answers() {
    let mut world = World::new();
    for n in 1..=3 {
        world.bind(&format!("sip:bob@192.0.2.{n}"), None);
    }
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 3);
    world.reply(&sent[0], 180);
    world.reply(&sent[2], 200);
    let calls = world.layer.take();
    let cancelled: Vec<_> = calls
        .iter()
        .filter_map(|call| match call {
            Call::Cancel { id, headers } => Some((*id, headers[0].1.clone())),
            _ => None,
        })
        .collect();
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"".to_owned();
    assert_eq!(
        cancelled,
        [(sent[0].id, reason.clone()), (sent[1].id, reason)]
    );
    world.reply(&sent[0], 487);
    world.reply(&sent[1], 487);
    assert!(world.statuses().is_empty(), "nothing more is said");
    for sent in &sent {
        world.end(sent);
    }
    assert_eq!((world.proxy.contexts(), world.proxy.branches.len()), (0, 0));
}

#[test]
fn rfc3261_16_7_a_second_2xx_from_another_fork_goes_on_too() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    let (_, sent) = world.call_bob();
    world.reply(&sent[0], 200);
    world.reply(&sent[1], 200);
    assert_eq!(world.statuses(), [200, 200]);
}

#[test]
fn rfc3261_16_6_contacts_with_a_lower_q_come_after() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", Some(300));
    world.bind("sip:bob@192.0.2.2", Some(900));
    world.bind("sip:bob@192.0.2.3", Some(300));
    let (_, first) = world.call_bob();
    assert_eq!(
        first
            .iter()
            .map(|sent| sent.request.uri_str())
            .collect::<Vec<_>>(),
        ["sip:bob@192.0.2.2"]
    );
    world.reply(&first[0], 486);
    let then = world.sent();
    assert_eq!(
        then.iter()
            .map(|sent| sent.request.uri_str())
            .collect::<Vec<_>>(),
        ["sip:bob@192.0.2.1", "sip:bob@192.0.2.3"]
    );
    world.reply(&then[0], 404);
    world.reply(&then[1], 480);
    assert_eq!(world.statuses(), [404]);
}

#[test]
fn rfc3261_16_7_step_5_a_6xx_ends_it_all() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    world.bind("sip:bob@192.0.2.3", Some(100));
    let (_, sent) = world.call_bob();
    world.reply(&sent[0], 603);
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Cancel { id, .. }] if *id == sent[1].id),
        "{calls:?}"
    );
    world.reply(&sent[1], 487);
    assert_eq!(world.statuses(), [603], "and no more targets are tried");
}

#[test]
fn rfc3261_16_7_step_7_challenges_are_collected() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    let (_, sent) = world.call_bob();
    world.reply_with(
        &sent[0],
        407,
        &[(
            HeaderName::ProxyAuthenticate,
            "Digest realm=\"p\", nonce=\"1\"",
        )],
    );
    world.reply_with(
        &sent[1],
        401,
        &[(
            HeaderName::WwwAuthenticate,
            "Digest realm=\"u\", nonce=\"2\"",
        )],
    );
    let response = world.responses().pop().unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        response.headers().get(HeaderName::ProxyAuthenticate),
        Some("Digest realm=\"p\", nonce=\"1\"")
    );
    assert_eq!(
        response.headers().get(HeaderName::WwwAuthenticate),
        Some("Digest realm=\"u\", nonce=\"2\"")
    );
}

#[test]
fn rfc3261_16_7_step_6_a_503_does_not_take_this_server_out() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = world.call_bob();
    world.reply_with(&sent[0], 503, &[(HeaderName::RetryAfter, "60")]);
    let response = world.responses().pop().unwrap();
    assert_eq!(response.status(), StatusCode::SERVER_INTERNAL_ERROR);
    assert!(!response.headers().contains(HeaderName::RetryAfter));
}

#[test]
fn rfc3263_4_3_the_next_flow_is_tried_when_one_fails() {
    let mut world = World::new();
    world.flows = 3;
    world.bind("sip:bob@192.0.2.1", None);
    let (_, first) = world.call_bob();
    world.input(Event::FlowFailed { id: first[0].id });
    let second = world.sent();
    assert_eq!(second.len(), 1);
    assert_ne!(first[0].id, second[0].id);
    world.end(&first[0]);
    world.input(Event::TimedOut {
        id: second[0].id,
        flow: FlowId::from_parts(0, 0),
    });
    let third = world.sent();
    world.end(&second[0]);
    world.input(Event::TimedOut {
        id: third[0].id,
        flow: FlowId::from_parts(0, 0),
    });
    assert_eq!(world.statuses(), [408]);
    world.end(&third[0]);
    assert_eq!((world.proxy.contexts(), world.proxy.branches.len()), (0, 0));
}

#[test]
fn rfc3261_16_9_a_target_without_a_flow_is_as_if_503_had_come() {
    let mut world = World::new();
    world.flows = 0;
    world.bind("sip:bob@192.0.2.1", None);
    assert_eq!(world.refused(&invite("sip:bob@example.com", "")).0, 500);
    assert_eq!(world.proxy.contexts(), 0);
}

#[test]
fn rfc3261_16_8_timer_c_restarts_with_every_provisional_response_and_cancels() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = world.call_bob();
    world.now += Duration::from_secs(100);
    world.reply(&sent[0], 180);
    assert_eq!(world.statuses(), [180]);
    let due = world.proxy.poll_timeout().unwrap();
    assert_eq!(due, world.now + Duration::from_secs(190));
    world.proxy.handle_timeout(&mut world.layer, due);
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Cancel { id, .. }] if *id == sent[0].id),
        "{calls:?}"
    );
    world.reply(&sent[0], 487);
    assert_eq!(world.statuses(), [487]);
    assert_eq!(world.proxy.poll_timeout(), None);
}

#[test]
fn rfc3261_16_10_cancel_goes_to_all_branches_with_its_reason() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    world.bind("sip:bob@192.0.2.3", Some(1));
    let (id, sent) = world.call_bob();
    world.reply(&sent[0], 180);
    assert_eq!(world.statuses(), [180]);
    let cancel = parse(&message(
        "CANCEL",
        "sip:bob@example.com",
        "Reason: SIP;cause=487\r\n",
    ));
    let event = Event::Cancel {
        id: ServerTransactionId::from_parts(99, 0),
        invite: Some(id),
        request: cancel.into(),
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
    };
    assert!(world.input(event).is_none());
    let calls = world.layer.take();
    assert!(
        matches!(&calls[0], Call::Respond { response, .. } if response.status() == StatusCode::OK)
    );
    assert!(
        matches!(&calls[1..], [Call::Cancel { headers, .. }, Call::Cancel { .. }] if headers[0].1 == "SIP;cause=487")
    );
    world.reply(&sent[0], 487);
    world.reply(&sent[1], 487);
    assert_eq!(world.statuses(), [487], "and the third is not tried");
}

#[test]
fn rfc3261_16_10_cancel_before_anything_was_sent() {
    let mut world = World::new();
    world.silent = true;
    let (id, _) = world.request(&invite("sip:bob@example.com", ""));
    let cancel = parse(&message("CANCEL", "sip:bob@example.com", ""));
    let flow = flow(TransportKind::Udp, 0, "198.51.100.7:5060");
    world.input(Event::Cancel {
        id: ServerTransactionId::from_parts(99, 0),
        invite: Some(id),
        request: cancel.clone().into(),
        flow,
    });
    assert_eq!(world.statuses(), [200, 487]);
    assert_eq!(world.proxy.contexts(), 0);
    // One for a call that is not ours is somebody else's.
    let event = Event::Cancel {
        id: ServerTransactionId::from_parts(98, 0),
        invite: Some(id),
        request: cancel.into(),
        flow,
    };
    assert!(world.input(event).is_some());
}

#[test]
fn an_ack_to_a_2xx_follows_the_route_and_only_that() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    let recorded = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    let ack = |route: &str| {
        parse(&message(
            "ACK",
            "sip:bob@192.0.2.99",
            &format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {route}\r\n"),
        ))
    };
    let event = |request| Event::Ack {
        invite: None,
        request,
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
    };
    assert!(world.input(event(ack(&recorded).into())).is_none());
    let calls = world.layer.take();
    let [Call::Ack { ack: sent, .. }] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(sent.headers().max_forwards(), Some(69));
    assert!(!sent.headers().contains(HeaderName::Route));
    assert!(
        world
            .input(event(Box::new(ack("<sip:192.0.2.10;lr>"))))
            .is_none()
    );
    assert!(
        world.layer.take().is_empty(),
        "a route without our mark leads nowhere, and an ACK is never answered"
    );
}

#[test]
fn a_message_is_forked_and_answered_once() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    world.request(&message("MESSAGE", "sip:bob@example.com", ""));
    let sent = world.sent();
    assert_eq!(sent.len(), 2);
    assert!(
        !sent[0].request.headers().contains(HeaderName::RecordRoute),
        "it makes no dialog"
    );
    assert_eq!(world.proxy.poll_timeout(), None, "Timer C is for INVITE");
    world.reply(&sent[0], 480);
    assert!(world.statuses().is_empty());
    world.reply(&sent[1], 200);
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn rfc5393_5_3_the_breadth_is_shared_and_never_exceeded() {
    let mut world = World::new();
    for n in 1..=4 {
        world.bind(&format!("sip:bob@192.0.2.{n}"), None);
    }
    world.request(&invite("sip:bob@example.com", "Max-Breadth: 2\r\n"));
    let sent = world.sent();
    assert_eq!(sent.len(), 2);
    assert!(
        sent.iter()
            .all(|sent| sent.request.headers().get(HeaderName::MaxBreadth) == Some("1"))
    );
    world.reply(&sent[0], 486);
    world.reply(&sent[1], 486);
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn rfc3263_4_3_no_flow_is_tried_when_the_budget_is_used_up() {
    let mut world = World::new();
    world.flows = 3;
    world.bind("sip:bob@192.0.2.1", None);
    let (_, first) = world.call_bob();
    let flow = FlowId::from_parts(0, 0);
    world.now += Duration::from_secs(11);
    world.input(Event::TimedOut {
        id: first[0].id,
        flow,
    });
    let second = world.sent();
    world.end(&first[0]);
    assert_eq!(second.len(), 1);
    world.now += Duration::from_secs(21);
    world.input(Event::TimedOut {
        id: second[0].id,
        flow,
    });
    assert_eq!(world.statuses(), [408]);
    world.end(&second[0]);
    assert_eq!((world.proxy.contexts(), world.proxy.branches.len()), (0, 0));
}

#[test]
fn strays_are_handed_back() {
    let mut world = World::new();
    let id = ClientTransactionId::from_parts(7, 7);
    assert!(
        world
            .input(Event::TimedOut {
                id,
                flow: FlowId::from_parts(0, 0)
            })
            .is_some()
    );
    assert!(world.input(Event::FlowFailed { id }).is_some());
    assert!(
        world
            .input(Event::Terminated {
                id: TransactionId::Client(id)
            })
            .is_some()
    );
}

#[test]
fn rfc3261_16_7_step_3_a_response_for_us_alone_ends_its_branch() {
    // A user agent server that copies the topmost Via only: its 487 was dropped, and the caller waited for a 408.
    for (status, expected) in [(487, 487), (486, 486), (200, 502)] {
        let mut world = World::new();
        world.bind("sip:bob@192.0.2.1", None);
        let (_, sent) = world.call_bob();
        for status in [180, status] {
            let mut response =
                Response::to(&sent[0].request, StatusCode::from_u16(status).unwrap())
                    .to_tag("theirs")
                    .build()
                    .unwrap();
            response.headers_mut().remove_all(HeaderName::Via);
            response
                .headers_mut()
                .push_front(HeaderName::Via, "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKours");
            world.input(Event::Response {
                id: sent[0].id,
                response: response.into(),
                flow: flow(TransportKind::Udp, 1, "192.0.2.99:5060"),
            });
        }
        let responses = world.responses();
        assert_eq!(responses.len(), 1, "what was provisional is not passed on");
        assert_eq!(responses[0].status().as_u16(), expected);
        assert_eq!(
            responses[0].headers().top_via().unwrap().branch(),
            Some("z9hG4bKtheirs")
        );
        assert_ne!(responses[0].headers().to_tag(), Some("theirs"));
        world.end(&sent[0]);
        assert_eq!(world.proxy.contexts(), 0);
    }
}

#[test]
fn rfc3326_2_the_others_are_told_why_they_are_cancelled() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    let (_, sent) = world.call_bob();
    world.reply(&sent[0], 603);
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Cancel { headers, .. }]
            if headers[..] == [(HeaderName::Reason, "SIP;cause=603;text=\"Decline\"".to_owned())]),
        "{calls:?}"
    );
    // Timer C is our own 408.
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = world.call_bob();
    world.reply(&sent[0], 180);
    let _ = world.layer.take();
    let due = world.proxy.poll_timeout().unwrap();
    world.proxy.handle_timeout(&mut world.layer, due);
    let calls = world.layer.take();
    assert!(
        matches!(&calls[..], [Call::Cancel { headers, .. }] if headers[0].1.starts_with("SIP;cause=408;")),
        "{calls:?}"
    );
}

#[test]
fn rfc5393_5_3_3_every_proxied_request_has_its_part_of_the_breadth() {
    let breadths = |world: &mut World, fields: &str| -> Vec<String> {
        world.request(&invite("sip:bob@example.com", fields));
        world
            .sent()
            .iter()
            .map(|sent| {
                let values = values(&sent.request, HeaderName::MaxBreadth);
                assert_eq!(values.len(), 1);
                values[0].to_owned()
            })
            .collect()
    };
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    assert_eq!(breadths(&mut world, ""), ["60"], "added");
    assert_eq!(
        breadths(&mut world, "Max-Breadth: 7\r\n"),
        ["7"],
        "not decremented"
    );
    assert_eq!(
        breadths(&mut world, "Max-Breadth: 900\r\n"),
        ["60"],
        "never above the maximum"
    );
    world.bind("sip:bob@192.0.2.2", None);
    world.bind("sip:bob@192.0.2.3", None);
    assert_eq!(
        breadths(&mut world, "Max-Breadth: 8\r\n"),
        ["3", "3", "2"],
        "nothing is lost"
    );
}

#[test]
fn rfc3261_16_6_what_extensions_bring_passes_untouched() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    for method in ["SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER", "FOO"] {
        let fields = "Require: 100rel, foo\r\nX-Unknown:  as  it was\r\nEvent: presence\r\n";
        world.request(&message(method, "sip:bob@example.com", fields));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "{method}");
        let bytes = sent[0].request.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        for line in fields.lines() {
            assert!(text.contains(line), "{method}: {text}");
        }
        // RFC 3262 §3: a reliable provisional response is one hop's business only at its ends.
        world.reply_with(&sent[0], 183, &[(HeaderName::RSeq, "7")]);
        let expected: &[&str] = &["7"];
        let responses = world.responses();
        assert_eq!(
            responses[0]
                .headers()
                .values(HeaderName::RSeq)
                .collect::<Vec<_>>(),
            expected
        );
        world.reply(&sent[0], 202);
        let _ = world.layer.take();
        world.end(&sent[0]);
    }
    assert_eq!(world.proxy.contexts(), 0);
}

#[test]
fn rfc3263_4_3_a_503_is_a_reason_to_try_the_next_server() {
    let mut world = World::new();
    world.flows = 2;
    world.bind("sip:bob@192.0.2.1", None);
    let (_, first) = world.call_bob();
    world.reply(&first[0], 503);
    let second = world.sent();
    assert_eq!(second.len(), 1);
    world.reply(&second[0], 486);
    assert_eq!(world.statuses(), [486]);
}
