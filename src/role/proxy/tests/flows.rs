//! User agents that are reached by the flow that they opened (RFC 5626).

use super::*;
use crate::location::Outbound;

impl World {
    pub(super) fn bind_flow(
        &mut self,
        contact: &str,
        token: &str,
        outbound: Option<(&str, u32)>,
        expires: u64,
    ) {
        let expires = UNIX_EPOCH + Duration::from_secs(expires);
        let mut binding = Binding::new(contact, expires, "c", 1);
        binding.edit(|fields| {
            fields.flow = Some(token.into());
            fields.outbound = outbound.map(|(instance, reg_id)| Outbound {
                instance: instance.into(),
                reg_id,
            });
        });
        self.bindings.push(binding);
    }
}

const CONTACT: &str = "Contact: <sip:carol@198.51.100.7;transport=tcp>\r\n";

#[test]
fn rfc5626_5_3_a_call_goes_by_the_flow_of_the_binding_and_both_sides_are_recorded() {
    let mut world = World::new();
    world.bind_flow("sip:bob@10.0.0.1", "bobs", None, 60);
    let call = invite("sip:bob@example.com", CONTACT);
    world.request_over(&call, flow(TransportKind::Tcp, 0, "198.51.100.7:31000"));
    let sent = world.sent();
    assert_eq!(world.tokens, [Some("bobs".into())]);
    let routes = values(&sent[0].request, HeaderName::RecordRoute);
    assert!(
        routes[0].starts_with("<sip:bobs@192.0.2.10:5060;lr;"),
        "{routes:?}"
    );
    assert!(
        routes[1].starts_with("<sip:caller@192.0.2.10:5060;transport=tcp;lr;"),
        "{routes:?}"
    );
    // Within the dialog the last of our routes tells the flow; from the other side it is the other one.
    for (route, token) in [
        (format!("{}, {}", routes[1], routes[0]), "bobs"),
        (format!("{}, {}", routes[0], routes[1]), "caller"),
    ] {
        world.tokens.clear();
        world.request(&message(
            "BYE",
            "sip:someone@10.0.0.1",
            &format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {route}\r\n"),
        ));
        assert_eq!(world.sent().len(), 1);
        assert_eq!(world.tokens, [Some(token.into())]);
    }
}

#[test]
fn a_token_without_our_mark_is_not_taken() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    world.request(&invite(
        "sip:bob@example.com",
        "Route: <sip:bobs@192.0.2.10:5060;lr>\r\n",
    ));
    assert_eq!(world.tokens, [None]);
}

#[test]
fn an_ordinary_call_is_recorded_once_and_names_no_flow() {
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.99", None);
    let (_, sent) = world.call_bob();
    let routes = values(&sent[0].request, HeaderName::RecordRoute);
    assert_eq!(routes.len(), 1);
    assert!(
        routes[0].starts_with("<sip:192.0.2.10:5060;lr;"),
        "{routes:?}"
    );
}

#[test]
fn rfc5626_7_a_user_agent_with_two_flows_is_called_once_by_the_newer() {
    let mut world = World::new();
    world.bind_flow("sip:bob@10.0.0.1", "old", Some(("<urn:uuid:1>", 1)), 60);
    world.bind_flow("sip:bob@10.0.0.1", "new", Some(("<urn:uuid:1>", 2)), 90);
    world.bind_flow("sip:bob@10.0.0.2", "desk", Some(("<urn:uuid:2>", 1)), 60);
    let (_, sent) = world.call_bob();
    assert_eq!(sent.len(), 2);
    assert_eq!(world.tokens, [Some("new".into()), Some("desk".into())]);
    // It is busy: the other flow leads to the same telephone.
    world.reply(&sent[0], 486);
    world.reply(&sent[1], 486);
    assert_eq!(world.tokens.len(), 2);
    assert_eq!(world.statuses(), [486]);
}

#[test]
fn rfc5626_5_3_a_flow_that_failed_is_followed_by_the_other() {
    for reason in ["430", "failed", "dead"] {
        let mut world = World::new();
        let newer = if reason == "dead" { "dead" } else { "new" };
        world.bind_flow("sip:bob@10.0.0.1", "old", Some(("<urn:uuid:1>", 1)), 60);
        world.bind_flow("sip:bob@10.0.0.1", newer, Some(("<urn:uuid:1>", 2)), 90);
        let (_, mut sent) = world.call_bob();
        match reason {
            "430" => world.reply(&sent[0], 430),
            "failed" => {
                world.input(Event::FlowFailed { id: sent[0].id });
            }
            _ => {}
        }
        if reason != "dead" {
            sent = world.sent();
        }
        assert_eq!(
            world.tokens,
            [Some(newer.into()), Some("old".into())],
            "{reason}"
        );
        world.reply(&sent[0], 200);
        assert_eq!(world.statuses(), [200], "{reason}");
    }
}

#[test]
fn rfc5626_5_3_without_any_flow_left_the_user_is_not_there() {
    let mut world = World::new();
    world.bind_flow("sip:bob@10.0.0.1", "dead", Some(("<urn:uuid:1>", 1)), 60);
    world.request(&invite("sip:bob@example.com", ""));
    assert_eq!(world.statuses(), [480]);
}
