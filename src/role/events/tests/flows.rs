//! Where a subscriber is told: over its own flow (RFC 5626), and where its instance is (RFC 5627).

use super::*;

#[test]
fn rfc5626_5_3_who_is_reached_by_its_flow_alone_is_told_over_it() {
    let mut world = World::new();
    world.subscribe_over(
        "Contact: <sip:alice@192.0.2.7:31000;transport=tcp>\r\n",
        TransportKind::Tcp,
    );
    assert_eq!(world.told(), ["0 full init"]);
    assert_eq!(world.tokens, [Some("theirs".to_owned())]);
    // An address that somebody else has in another network: each is told over its own flow.
    let contact = "Contact: <sip:alice@192.0.2.7:31000;transport=tcp>\r\n";
    world.token = "others";
    world.subscribe_over(&format!("Call-ID: 2\r\n{contact}"), TransportKind::Tcp);
    let (responses, _) = world.drain();
    let by = |token: &str| Some(token.to_owned());
    assert_eq!(world.tokens.pop(), Some(by("others")));
    world.tokens.clear();
    world.bind("sip:a@192.0.2.21", 1, 600);
    world.notice(Cause::Request);
    assert_eq!(world.told().len(), 2);
    assert_eq!(world.tokens, [by("theirs"), by("others")]);
    // When one of them ends, the other goes on as before.
    let end = within(&responses[0], 2, 0);
    world.subscribe_over(&format!("Call-ID: 2\r\n{contact}{end}"), TransportKind::Tcp);
    assert_eq!((world.told().len(), world.events.subscriptions()), (1, 1));
    assert_eq!(world.tokens.pop(), Some(by("others")), "the last word");
    world.tokens.clear();
    world.seconds += 10;
    world.bind("sip:a@192.0.2.21", 2, 600);
    world.notice(Cause::Request);
    assert_eq!(world.told().len(), 1);
    assert_eq!(world.tokens, [by("theirs")]);
}

#[test]
fn rfc6665_4_4_1_a_refresh_over_another_flow_is_told_over_that() {
    let mut world = World::new();
    let contact = |port: u16| format!("Contact: <sip:alice@192.0.2.7:{port};transport=tcp>\r\n");
    world.subscribe_over(&contact(31000), TransportKind::Tcp);
    let (responses, _) = world.drain();
    let refresh = |cseq, port| contact(port) + &within(&responses[0], cseq, 3600);
    // The connection was lost; the subscriber comes back over another, first with a new address and then with the same.
    for (cseq, port, token) in [(2, 31001, "second"), (3, 31001, "third")] {
        world.token = token;
        world.subscribe_over(&refresh(cseq, port), TransportKind::Tcp);
        let (again, told) = world.drain();
        assert_eq!((again[0].status(), told.len()), (StatusCode::OK, 1));
        assert_eq!(world.tokens.pop(), Some(Some(token.to_owned())));
    }
    // One that is not in order is not taken, and so nothing of it is.
    world.token = "forged";
    world.subscribe_over(&refresh(2, 31002), TransportKind::Tcp);
    assert_eq!(world.statuses(), [500]);
    world.bind("sip:a@192.0.2.21", 1, 600);
    world.notice(Cause::Request);
    assert_eq!(world.told().len(), 1);
    assert_eq!(world.tokens.pop(), Some(Some("third".to_owned())));
    // At last it is where anybody can reach it.
    world.token = "none";
    world.subscribe(&format!(
        "Contact: <sip:alice@192.0.2.9>\r\n{}",
        within(&responses[0], 4, 3600)
    ));
    assert_eq!(world.told().len(), 1);
    assert_eq!(world.tokens.pop(), Some(None));
    assert_eq!(world.hops.pop().as_deref(), Some("sip:alice@192.0.2.9"));
}

#[test]
fn rfc6665_4_1_2_2_a_refresh_of_nobody_is_481() {
    let mut world = World::new();
    world.subscribe("");
    let (responses, _) = world.drain();
    let fields = within(&responses[0], 2, 3600);
    world.subscribe(&format!(
        "From: <sip:alice@example.com>;tag=other\r\n{fields}"
    ));
    assert_eq!(world.statuses(), [481]);
    assert_eq!(world.events.subscriptions(), 1);
}

#[test]
fn rfc5627_6_1_a_store_that_is_down_for_a_while_ends_no_subscription_by_a_gruu() {
    for (seconds, left) in [(11, 1), (60, 0)] {
        let mut world = World::new();
        world.bind("sip:alice@192.0.2.21:5070", 1, 600);
        let all = world.bindings.as_mut().unwrap();
        all[0].edit(|fields| fields.parameters = ";+sip.instance=\"<urn:uuid:1>\"".into());
        let kept = world.bindings.clone();
        let contact = "Contact: <sip:alice@example.com;gr=urn:uuid:1>\r\n";
        world.subscribe(contact);
        let (responses, told) = world.drain();
        assert_eq!(told.len(), 1);
        world.bindings = Err(StoreError::Closed);
        world.subscribe(&format!("{contact}{}", within(&responses[0], 2, 3600)));
        assert!(world.told().is_empty());
        world.wait(seconds / 2);
        if left == 1 {
            world.bindings = kept;
        }
        world.wait(seconds);
        assert_eq!(world.told().len(), left);
        assert_eq!(world.events.subscriptions(), left);
    }
}

#[test]
fn rfc5627_6_1_a_subscriber_by_its_gruu_is_told_where_it_is_registered() {
    let mut world = World::new();
    world.bind("sip:alice@192.0.2.21:5070", 1, 600);
    world.bind("sip:alice@192.0.2.22", 1, 600);
    let all = world.bindings.as_mut().unwrap();
    for (binding, instance) in all.iter_mut().zip(["urn:uuid:1", "urn:uuid:2"]) {
        let parameters = format!(";+sip.instance=\"<{instance}>\"");
        binding.edit(|fields| fields.parameters = parameters.into());
    }
    all[0].edit(|fields| fields.path = vec!["<sip:edge.example.net;lr>".into()]);
    all[1].edit(|fields| fields.flow = Some("flow of 2".into()));
    for (instance, uri, hop, token) in [
        (
            "urn:uuid:1",
            "sip:alice@192.0.2.21:5070",
            "sip:edge.example.net;lr",
            None,
        ),
        (
            "urn:uuid:2",
            "sip:alice@192.0.2.22",
            "sip:alice@192.0.2.22",
            Some("flow of 2".to_owned()),
        ),
    ] {
        let contact =
            format!("Call-ID: {instance}\r\nContact: <sip:alice@example.com;gr={instance}>\r\n");
        world.subscribe(&contact);
        let (_, told) = world.drain();
        assert_eq!(told[0].request.uri_str(), uri);
        assert_eq!(world.hops.last().unwrap(), hop);
        assert_eq!(world.tokens.pop().unwrap(), token);
        let route = told[0].request.headers().get(HeaderName::Route);
        assert_eq!(route.is_some(), token.is_none());
    }
    // One that is nowhere is not looked for elsewhere: the subscription ends.
    let hops = world.hops.len();
    world.subscribe("Call-ID: 3\r\nContact: <sip:alice@example.com;gr=urn:uuid:3>\r\n");
    assert!(world.drain().1.is_empty());
    assert_eq!((world.hops.len(), world.events.subscriptions()), (hops, 2));
}
