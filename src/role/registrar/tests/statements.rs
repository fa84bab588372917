//! Statements of RFC 5626 about registrars that no other test shows, one by one (`conformance/rfc5626.toml`).

use super::*;

const PLAIN: &str = "Contact: <sip:a@192.0.2.8>\r\n";

#[test]
fn rfc5626_6_path_is_supported() {
    let mut world = World::open();
    let path = "Supported: outbound, path\r\nPath: <sip:edge.example.net;lr;ob>\r\n";
    let response = world.register(&format!("{path}{FLOW}"));
    assert_eq!(outcome(&response).0, 200);
    let told: Vec<&str> = response.headers().values(HeaderName::Path).collect();
    assert_eq!(told, ["<sip:edge.example.net;lr;ob>"]);
    assert_eq!(stored(&world)[0].path().count(), 1);
}

#[test]
fn rfc5626_6_several_contacts_of_which_one_has_a_number_are_refused() {
    let mut world = World::open();
    let two = format!("Supported: outbound\r\n{FLOW}{PLAIN}");
    assert_eq!(outcome(&world.register(&two)).0, 400);
    assert!(stored(&world).is_empty(), "all of it is refused");
    // Those that go do not count, and without a number there may be several.
    let gone = format!("Supported: outbound\r\n{FLOW}Contact: <sip:a@192.0.2.8>;expires=0\r\n");
    assert_eq!(outcome(&world.register(&gone)).0, 200);
    let mut world = World::open();
    let plain = format!("Supported: outbound\r\n{PLAIN}Contact: <sip:a@192.0.2.9>\r\n");
    assert_eq!(outcome(&world.register(&plain)).0, 200);
    assert_eq!(stored(&world).len(), 2);
}

#[test]
fn rfc5626_6_some_have_numbers_and_some_have_not() {
    let mut world = World::open();
    world.register(&format!("Supported: outbound\r\n{FLOW}"));
    world.register(&format!("Call-ID: other\r\n{PLAIN}"));
    let mut numbers: Vec<Option<u32>> = stored(&world)
        .iter()
        .map(|binding| binding.outbound().map(|(_, reg_id)| reg_id))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [None, Some(1)]);
}

#[test]
fn rfc5626_6_the_contact_with_all_its_parameters_and_the_flow_are_stored() {
    let mut world = World::open();
    let contact = "Contact: <sip:a@192.0.2.7;transport=tcp>;reg-id=3;+sip.instance=\"<urn:uuid:1>\";audio;x=y\r\n";
    world.register(&format!("Supported: outbound\r\n{contact}"));
    let binding = stored(&world).remove(0);
    assert_eq!(binding.contact(), "sip:a@192.0.2.7;transport=tcp");
    for parameter in ["reg-id=3", "+sip.instance=\"<urn:uuid:1>\"", "audio", "x=y"] {
        assert!(
            binding.parameters().contains(parameter),
            "{}",
            binding.parameters()
        );
    }
    // No proxy is between: the flow is known here.
    assert_eq!(binding.flow(), Some("flow"));
}

#[test]
fn rfc5626_10_a_number_is_from_1_to_2_to_the_31st() {
    for (number, is_taken) in [
        ("0", false),
        ("1", true),
        ("2147483647", true),
        ("2147483648", false),
        ("4294967297", false),
        ("x", false),
    ] {
        let mut world = World::open();
        let flow = FLOW.replace("reg-id=1", &format!("reg-id={number}"));
        world.register(&format!("Supported: outbound\r\n{flow}"));
        let is_outbound = stored(&world)
            .iter()
            .any(|binding| binding.outbound().is_some());
        assert_eq!(is_outbound, is_taken, "{number}");
    }
}

#[test]
fn rfc5626_11_6_only_who_registers_a_flow_is_told_that_the_first_hop_keeps_none() {
    let via = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n";
    for (fields, expected) in [
        (format!("{via}Supported: outbound\r\n{FLOW}"), 439),
        (format!("{via}{FLOW}"), 200),
        (format!("{via}Supported: outbound\r\n{PLAIN}"), 200),
        (format!("{via}{PLAIN}"), 200),
    ] {
        let mut world = World::open();
        assert_eq!(outcome(&world.register(&fields)).0, expected, "{fields}");
    }
}
