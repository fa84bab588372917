//! What later RFCs add to a registration: GRUUs, capabilities, push parameters, registrations for others.

use sip_message::UriRef;
use sip_message::header::Contact;

use super::*;
use crate::gruu::Wanted;

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:1>\"";

fn gruus(response: &Response) -> Vec<(Option<String>, Option<String>)> {
    response
        .headers()
        .typed_all::<Contact<'_>>()
        .flatten()
        .map(|contact| {
            let owned = |text: std::borrow::Cow<'_, str>| text.into_owned();
            (
                contact.pub_gruu().map(owned),
                contact.temp_gruu().map(owned),
            )
        })
        .collect()
}

fn epoch(world: &World, temporary: &str) -> u64 {
    let config = &world.registrar.config;
    let uri = UriRef::parse(temporary).unwrap();
    match config.gruus.as_ref().unwrap().read(uri, &config.domains) {
        Some((aor, Wanted::Temporary { epoch })) if aor.user() == "alice" => epoch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc5627_5_2_gruus_are_told_to_who_supports_them_and_has_an_instance() {
    let mut world = World::open();
    let contact = format!("Contact: <sip:alice@192.0.2.7>;{INSTANCE}, <sip:alice@192.0.2.8>\r\n");
    let response = world.register(&format!("Supported: gruu\r\n{contact}"));
    let given = gruus(&response);
    assert_eq!(
        given[0].0.as_deref(),
        Some("sip:alice@example.com;gr=urn:uuid:1")
    );
    assert!(given[0].1.as_deref().unwrap().starts_with("sip:tgruu."));
    assert_eq!(given[1], (None, None), "without an instance there is none");
    assert!(contacts(&response)[0].contains(INSTANCE), "it is returned");
    // §5.2: it says nothing of the option tag itself.
    assert!(!response.headers().contains(HeaderName::Require));
    assert!(!response.headers().contains(HeaderName::Supported));
    let response = world.register(&format!("CSeq: 2 REGISTER\r\n{contact}"));
    assert_eq!(gruus(&response), [(None, None), (None, None)]);
    // §5.1: the option may also be required.
    let response = world.register(&format!("CSeq: 3 REGISTER\r\nRequire: gruu\r\n{contact}"));
    assert_eq!(response.status(), StatusCode::OK);
}

#[test]
fn rfc5627_5_1_temporary_gruus_add_up_until_the_call_id_changes() {
    let mut world = World::open();
    let mut next = 0;
    let mut register = |world: &mut World, call_id: &str| {
        next += 1;
        let response = world.register(&format!(
            "Call-ID: {call_id}\r\nCSeq: {next} REGISTER\r\nSupported: gruu\r\nContact: <sip:alice@192.0.2.7>;{INSTANCE}\r\n"
        ));
        gruus(&response)[0].clone().1.unwrap()
    };
    let first = register(&mut world, "a");
    let second = register(&mut world, "a");
    let third = register(&mut world, "b");
    assert_ne!(first, second);
    assert_eq!(epoch(&world, &first), epoch(&world, &second));
    assert_ne!(epoch(&world, &second), epoch(&world, &third));
    // When all contacts are gone so is the epoch, whatever the Call-ID.
    world.register("Call-ID: b\r\nCSeq: 9 REGISTER\r\nContact: *\r\nExpires: 0\r\n");
    next = 9;
    let mut register = |world: &mut World| {
        next += 1;
        let response = world.register(&format!(
            "Call-ID: b\r\nCSeq: {next} REGISTER\r\nSupported: gruu\r\nContact: <sip:alice@192.0.2.7>;{INSTANCE}\r\n"
        ));
        gruus(&response)[0].clone().1.unwrap()
    };
    let fourth = register(&mut world);
    assert_ne!(epoch(&world, &third), epoch(&world, &fourth));
}

#[test]
fn rfc5627_5_1_a_contact_that_leads_back_here_is_refused() {
    let mut world = World::open();
    for uri in [
        "sip:alice@example.com",
        "sip:alice@example.com;gr=urn:uuid:1",
        "mailto:alice@example.com",
    ] {
        let response = world.register(&format!("Contact: <{uri}>;{INSTANCE}\r\n"));
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{uri}");
    }
    let response = world.register(&format!(
        "Supported: gruu\r\nContact: <sip:alice@192.0.2.7>;{INSTANCE}\r\n"
    ));
    let temporary = gruus(&response)[0].1.clone().unwrap();
    let response = world.register(&format!(
        "CSeq: 2 REGISTER\r\nContact: <{temporary}>;{INSTANCE}\r\n"
    ));
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[test]
fn rfc5627_5_1_nobody_suggests_a_gruu() {
    let mut world = World::open();
    let response = world.register(&format!(
        "Contact: <sip:alice@192.0.2.7>;pub-gruu=\"sip:x@example.com;gr=1\";{INSTANCE};temp-gruu=\"sip:y@example.com;gr\"\r\n"
    ));
    assert_eq!(
        contacts(&response),
        [format!("<sip:alice@192.0.2.7>;{INSTANCE};expires=3600")]
    );
}

#[test]
fn rfc3840_9_capabilities_are_kept_and_returned() {
    let mut world = World::open();
    let features = ";audio;video;methods=\"INVITE,BYE\";+sip.message=\"TRUE\";language=\"de,en\"";
    let response = world.register(&format!("Contact: <sip:alice@192.0.2.7>{features}\r\n"));
    assert_eq!(
        contacts(&response),
        [format!("<sip:alice@192.0.2.7>{features};expires=3600")]
    );
    let query = world.register("CSeq: 2 REGISTER\r\n");
    let contact = query.headers().typed::<Contact<'_>>().unwrap().unwrap();
    assert!(contact.features().count() >= 5);
}

#[test]
fn rfc8599_5_6_1_the_services_of_the_domain_are_told_and_others_refused() {
    let mut world = World::open();
    let push = "Contact: <sip:alice@192.0.2.7;pn-provider=fcm;pn-param=p;pn-prid=device>\r\n";
    let caps = |response: &Response| -> Vec<String> {
        let values = response.headers().values(HeaderName::FeatureCaps);
        values.map(str::to_owned).collect()
    };
    // Without services nothing is promised; the parameters are kept with the URI.
    let response = world.register(push);
    assert_eq!(
        (response.status(), caps(&response).len()),
        (StatusCode::OK, 0)
    );
    assert!(contacts(&response)[0].contains(";pn-provider=fcm;pn-param=p;pn-prid=device>"));
    world.registrar.config.push_providers = vec!["apns".into(), "fcm".into()];
    let response = world.register(&format!("CSeq: 2 REGISTER\r\n{push}"));
    assert_eq!(caps(&response), ["*;+sip.pns=\"fcm\""]);
    let unknown = "Contact: <sip:alice@192.0.2.7;pn-provider=webpush;pn-prid=x>\r\n";
    let response = world.register(&format!("CSeq: 3 REGISTER\r\n{unknown}"));
    assert_eq!(
        outcome(&response),
        (555, "Push Notification Service Not Supported")
    );
    // §5.6.1.2: a provider without a name asks for all, in a field each (§5.4).
    let response =
        world.register("CSeq: 4 REGISTER\r\nContact: <sip:alice@192.0.2.7;pn-provider>\r\n");
    assert_eq!(
        caps(&response),
        ["*;+sip.pns=\"apns\"", "*;+sip.pns=\"fcm\""]
    );
    // §5.6.1.1: a proxy on the way does it; and who removes its binding asks for nothing.
    for (cseq, fields) in [
        (5, "Feature-Caps: *;+sip.pns=\"webpush\"\r\n"),
        (6, "Expires: 0\r\n"),
    ] {
        let response = world.register(&format!("CSeq: {cseq} REGISTER\r\n{fields}{unknown}"));
        assert_eq!(
            (response.status(), caps(&response).len()),
            (StatusCode::OK, 0)
        );
    }
}

#[test]
fn rfc3261_10_2_only_who_may_registers_for_others() {
    let bobs = "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nContact: <sip:bob@192.0.2.9>\r\n";
    let mut world = World::new();
    let response = world.register_as("alice", "secret", bobs);
    assert_eq!(outcome(&response), (403, "Not Your Address Of Record"));
    world.registrar.config.registering_for_others = vec!["alice".into()];
    let response = world.register_as("alice", "secret", bobs);
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(contacts(&response), ["<sip:bob@192.0.2.9>;expires=3600"]);
    // From says who it is; and the other one must be a user.
    for (from, to, expected) in [("bob", "bob", 403), ("alice", "nobody", 404)] {
        let fields = format!(
            "From: <sip:{from}@example.com>;tag=1\r\nTo: <sip:{to}@example.com>\r\nCSeq: 2 REGISTER\r\nContact: <sip:b@192.0.2.9>\r\n"
        );
        let response = world.register_as("alice", "secret", &fields);
        assert_eq!(response.status().as_u16(), expected, "{from} {to}");
    }
    // Others still may not.
    let alices = "From: <sip:bob@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCSeq: 3 REGISTER\r\nContact: <sip:x@192.0.2.9>\r\n";
    assert_eq!(
        world
            .register_as("bob", "hunter2", alices)
            .status()
            .as_u16(),
        403
    );
}
