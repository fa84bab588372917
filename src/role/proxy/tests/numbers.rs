//! Numbers that are looked up (ENUM, RFC 6116).

use sip_transport::Rewrite;

use super::*;

const NAME: &str = "3.8.0.0.6.9.2.3.6.1.4.4.e164.arpa";

fn world(rules: &[&str]) -> World {
    let mut world = World::with(false);
    world.proxy.config.enumeration = Some("e164.arpa".into());
    for (preference, rule) in (1..).zip(rules) {
        let record = Rewrite::new(1, preference, "u", "E2U+sip", rule, ".");
        world.names.push((NAME.into(), record));
    }
    world
}

fn of_alice(uri: &str) -> String {
    invite(uri, "From: <sip:alice@example.com>;tag=1\r\n")
}

#[test]
fn rfc6116_4_a_number_goes_where_its_records_lead() {
    for uri in [
        "tel:+44-1632-960083",
        "sip:+441632960083@gw.example.net;user=phone",
        "sip:+441632960083@example.com;user=phone",
        "sip:+441632960083@example.com",
    ] {
        let mut world = world(&[
            "!^\\+44(.*)$!sip:\\1@one.example.net!",
            "!^.*$!sip:info@two.example.net!",
        ]);
        world.proxy.config.history = true;
        world.request(&of_alice(uri));
        let sent = world.sent();
        assert_eq!(sent.len(), 1, "{uri}");
        assert_eq!(sent[0].request.uri_str(), "sip:1632960083@one.example.net");
        let history = values(&sent[0].request, HeaderName::HistoryInfo);
        assert!(history[1].ends_with(";index=1.1;mp=1"), "{history:?}");
        // The second when the first is not reached, and not when it refuses.
        world.reply(&sent[0], 503);
        let then = world.sent();
        assert_eq!(then[0].request.uri_str(), "sip:info@two.example.net");
        world.reply(&then[0], 486);
        assert_eq!(world.statuses(), [486]);
    }
}

#[test]
fn a_number_of_one_of_our_users_rings_there() {
    let mut world = world(&["!^.*$!sip:bob@example.com!"]);
    world.bind("sip:bob@192.0.2.1", None);
    world.request(&of_alice("tel:+441632960083"));
    assert_eq!(world.sent()[0].request.uri_str(), "sip:bob@192.0.2.1");
}

#[test]
fn a_number_without_records_is_404_or_its_hosts_business() {
    let mut world = world(&[]);
    assert_eq!(world.refused(&of_alice("tel:+441632960083")).0, 404);
    assert_eq!(
        world.refused(&of_alice("sip:+441632960083@example.com")).0,
        404
    );
    world.request(&of_alice("sip:+441632960083@gw.example.net;user=phone"));
    assert_eq!(world.hops, ["sip:+441632960083@gw.example.net;user=phone"]);
    // Nobody answers: as if there were none.
    let mut world = self::world(&[]);
    world.silent = true;
    world.request(&of_alice("tel:+441632960083"));
    let due = world.proxy.poll_timeout().unwrap();
    world.proxy.handle_timeout(&mut world.layer, due);
    assert_eq!(world.statuses(), [404]);
}

#[test]
fn rfc6116_3_4_2_records_lead_to_other_names() {
    let mut world = world(&[]);
    let on = Rewrite::new(1, 1, "", "", "", "numbers.example.net.");
    world.names.push((NAME.into(), on));
    let last = Rewrite::new(1, 1, "u", "E2U+sip", "!^.*$!sip:c@example.net!", ".");
    world.names.push(("numbers.example.net".into(), last));
    world.request(&of_alice("tel:+441632960083"));
    assert_eq!(world.sent()[0].request.uri_str(), "sip:c@example.net");
}

#[test]
fn strangers_use_no_numbers_and_local_ones_are_none() {
    let mut world = world(&["!^.*$!sip:a@example.net!"]);
    assert_eq!(
        world.refused(&invite("tel:+441632960083", "")),
        (403, "No Relaying".into())
    );
    assert_eq!(
        world
            .refused(&invite("sip:+441632960083@example.com", ""))
            .0,
        404
    );
    assert_eq!(world.refused(&of_alice("tel:112;phone-context=+44")).0, 416);
    assert!(world.hops.is_empty());
}
