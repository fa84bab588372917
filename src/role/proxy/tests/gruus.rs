//! Requests to one instance of a user (RFC 5627 §6.1).

use super::*;
use crate::domain::Aor;

const CALLER: &str = "Contact: <sip:carol@198.51.100.7>\r\n";

impl World {
    fn bind_instance(&mut self, contact: &str, instance: &str, epoch: u64, expires: u64) {
        let expires = UNIX_EPOCH + Duration::from_secs(expires);
        let mut binding = Binding::new(contact, expires, "c", 1);
        let parameters = format!(";+sip.instance=\"<{instance}>\"");
        binding.edit(|fields| fields.parameters = parameters.into());
        binding.epoch = epoch;
        self.bindings.push(binding);
    }

    fn temporary(&self, epoch: u64) -> String {
        let gruus = self.proxy.config.gruus.as_ref().unwrap();
        let bob = Aor::new("bob", "example.com");
        let mut rng = Seed::from_bytes([1; 32]).rng();
        gruus.temporary(&bob, epoch, &mut rng).unwrap().to_string()
    }
}

fn world() -> World {
    let mut world = World::new();
    world.bind_instance("sip:bob@192.0.2.21", "urn:uuid:1", 11, 60);
    world.bind_instance("sip:bob@192.0.2.22", "urn:uuid:2", 22, 60);
    world
}

fn uris(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|sent| sent.request.uri_str()).collect()
}

#[test]
fn rfc5627_6_1_a_gruu_leads_to_its_instance_alone() {
    let mut world = world();
    let temporary = world.temporary(11);
    for (uri, expected) in [
        ("sip:bob@example.com;gr=urn:uuid:2", "sip:bob@192.0.2.22"),
        ("sip:bob@example.com;gr=URN:UUID:1", "sip:bob@192.0.2.21"),
        (temporary.as_str(), "sip:bob@192.0.2.21"),
    ] {
        world.request(&invite(uri, CALLER));
        // The parameter is not carried on.
        assert_eq!(uris(&world.sent()), [expected], "{uri}");
    }
    // The address of record itself leads to both.
    world.request(&invite("sip:bob@example.com", CALLER));
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn rfc5627_6_1_a_gruu_of_nobody_is_404_and_one_that_is_not_registered_480() {
    let mut world = world();
    let (ended, forged) = (
        world.temporary(33),
        world.temporary(11).replace("tgruu.", "tgruu.A"),
    );
    for (uri, expected) in [
        ("sip:bob@example.com;gr=urn:uuid:3", 480),
        ("sip:nobody@example.com;gr=urn:uuid:1", 404),
        (ended.as_str(), 404),
        (forged.as_str(), 404),
        ("sip:bob@example.com;gr", 404),
    ] {
        assert_eq!(world.refused(&invite(uri, CALLER)).0, expected, "{uri}");
    }
}

#[test]
fn rfc5627_6_1_of_several_contacts_the_one_refreshed_last_and_the_others_when_it_is_gone() {
    let mut world = World::new();
    world.bind_instance("sip:bob@192.0.2.31", "urn:uuid:1", 11, 60);
    world.bind_instance("sip:bob@192.0.2.32", "urn:uuid:1", 11, 90);
    world.bindings[0].q = Some(Q::from_thousandths(1000));
    world.bindings[1].q = Some(Q::from_thousandths(100));
    let gruu = "sip:bob@example.com;gr=urn:uuid:1";
    world.request(&invite(gruu, CALLER));
    let first = world.sent();
    assert_eq!(uris(&first), ["sip:bob@192.0.2.32"]);
    world.input(Event::TimedOut {
        id: first[0].id,
        flow: FlowId::from_parts(0, 0),
    });
    let second = world.sent();
    assert_eq!(uris(&second), ["sip:bob@192.0.2.31"]);
    world.reply(&second[0], 200);
    assert_eq!(world.statuses(), [200]);
    // Whatever else it answers is its answer.
    world.request(&invite(gruu, CALLER));
    let first = world.sent();
    world.reply(&first[0], 486);
    assert_eq!(world.statuses(), [486]);
}

#[test]
fn rfc5627_6_1_a_gruu_is_not_redirected() {
    let mut world = world();
    world.proxy.config.redirects = true;
    world.request(&invite("sip:bob@example.com;gr=urn:uuid:1", CALLER));
    assert_eq!(uris(&world.sent()), ["sip:bob@192.0.2.21"]);
}

#[test]
fn rfc5627_6_1_within_a_dialog_it_is_looked_up_and_its_path_left_out() {
    let mut world = world();
    world.bindings[0].edit(|fields| fields.path = vec!["<sip:edge.example.com;lr>".into()]);
    world.request(&invite("sip:bob@example.com;gr=urn:uuid:1", CALLER));
    let sent = world.sent();
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:edge.example.com;lr>"],
        "the first request takes the path"
    );
    let own = values(&sent[0].request, HeaderName::RecordRoute)[0].to_owned();
    for (more, expected) in [
        ("", vec!["<sip:edge.example.com;lr>"]),
        (
            ", <sip:other.example.net;lr>",
            vec!["<sip:other.example.net;lr>"],
        ),
    ] {
        let fields = format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {own}{more}\r\n");
        world.request(&message(
            "BYE",
            "sip:bob@example.com;gr=urn:uuid:1",
            &fields,
        ));
        let sent = world.sent();
        assert_eq!(uris(&sent), ["sip:bob@192.0.2.21"]);
        assert_eq!(values(&sent[0].request, HeaderName::Route), expected);
    }
    // So is the ACK to a 2xx, which is no transaction.
    world.bindings[0].edit(|fields| fields.path.clear());
    let fields = format!("To: <sip:bob@example.com>;tag=2\r\nRoute: {own}\r\n");
    let request = parse(&message(
        "ACK",
        "sip:bob@example.com;gr=urn:uuid:1",
        &fields,
    ));
    let back = world.input(Event::Ack {
        invite: None,
        request: request.into(),
        flow: flow(TransportKind::Udp, 0, "198.51.100.7:5060"),
    });
    assert!(back.is_none());
    let acks: Vec<String> = world
        .layer
        .take()
        .into_iter()
        .filter_map(|call| match call {
            Call::Ack { ack, .. } => Some(ack.uri_str().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(acks, ["sip:bob@192.0.2.21"]);
}
