//! What callers prefer (RFC 3841).

use super::*;

/// Bob as RFC 3841 §7.2.5 has him.
fn world() -> World {
    let mut world = World::new();
    for (contact, parameters, q) in [
        (
            "sip:u1@h.example.com",
            ";audio;video;methods=\"INVITE,BYE\"",
            200,
        ),
        (
            "sip:u2@h.example.com",
            ";audio=\"FALSE\";methods=\"INVITE\";actor=\"msg-taker\"",
            200,
        ),
        (
            "sip:u3@h.example.com",
            ";audio;actor=\"msg-taker\";methods=\"INVITE\";video",
            300,
        ),
        (
            "sip:u4@h.example.com",
            ";audio;methods=\"INVITE,OPTIONS\"",
            200,
        ),
        ("sip:u5@h.example.com", "", 500),
    ] {
        world.bind(contact, Some(q));
        let binding = world.bindings.last_mut().unwrap();
        binding.edit(|fields| fields.parameters = parameters.into());
    }
    world
}

/// Who is called, in groups, when everybody is busy.
fn called(world: &mut World, fields: &str) -> Vec<Vec<String>> {
    world.request(&invite("sip:bob@example.com", fields));
    let mut groups = Vec::new();
    loop {
        let sent = world.sent();
        if sent.is_empty() {
            return groups;
        }
        groups.push(
            sent.iter()
                .map(|sent| sent.request.uri_str()[4..6].to_owned())
                .collect(),
        );
        for sent in &sent {
            world.reply(sent, 486);
        }
    }
}

#[test]
fn rfc3841_7_2_5_example_is_called_in_its_order() {
    let fields = "Reject-Contact: *;actor=\"msg-taker\";video\r\n\
        Accept-Contact: *;audio;require\r\nAccept-Contact: *;video;explicit\r\n\
        Accept-Contact: *;methods=\"BYE\";class=\"business\";q=1.0\r\n";
    assert_eq!(called(&mut world(), fields), [["u5"], ["u1"], ["u4"]]);
}

#[test]
fn rfc3841_7_2_2_without_words_the_method_decides() {
    assert_eq!(
        called(&mut world(), ""),
        [vec!["u5"], vec!["u3"], vec!["u1", "u2", "u4"]]
    );
    // Nobody takes it: all are asked, and say so themselves.
    let mut world = world();
    world.bindings.pop();
    world.request(&message("MESSAGE", "sip:bob@example.com", ""));
    assert_eq!(world.sent().len(), 1);
    let mut world = self::world();
    world.request(&message("MESSAGE", "sip:bob@example.com", ""));
    assert_eq!(world.sent()[0].request.uri_str(), "sip:u5@h.example.com");
}

#[test]
fn rfc3841_7_2_4_nobody_as_the_caller_demands_is_480() {
    let mut world = world();
    world.bindings.pop();
    assert_eq!(
        world
            .refused(&invite(
                "sip:bob@example.com",
                "Accept-Contact: *;text;require;explicit\r\n"
            ))
            .0,
        480
    );
}

#[test]
fn rfc3841_9_1_request_disposition() {
    let all = ["u5", "u3", "u1", "u2", "u4"];
    assert_eq!(
        called(&mut world(), "Request-Disposition: sequential\r\n"),
        all.map(|one| [one])
    );
    assert_eq!(
        called(&mut world(), "Request-Disposition: parallel\r\n"),
        [all]
    );
    assert_eq!(
        called(&mut world(), "Request-Disposition: no-fork\r\n"),
        [["u5"]]
    );
    let mut redirecting = world();
    redirecting.request(&invite(
        "sip:bob@example.com",
        "Request-Disposition: redirect\r\n",
    ));
    let responses = redirecting.responses();
    assert_eq!(responses[0].status(), StatusCode::MOVED_TEMPORARILY);
    assert_eq!(
        responses[0].headers().get(HeaderName::Contact),
        Some("<sip:u5@h.example.com>;q=1.000"),
        "without the features, or the next server would match them again"
    );
    // no-cancel leaves the other branches to the caller.
    let mut world = World::new();
    world.bind("sip:bob@192.0.2.1", None);
    world.bind("sip:bob@192.0.2.2", None);
    world.request(&invite(
        "sip:bob@example.com",
        "Request-Disposition: no-cancel\r\n",
    ));
    let sent = world.sent();
    world.reply(&sent[0], 200);
    let calls = world.layer.take();
    assert!(matches!(&calls[..], [Call::Respond { .. }]), "{calls:?}");
    world.reply(&sent[1], 200);
    assert_eq!(world.statuses(), [200]);
    for sent in &sent {
        world.end(sent);
    }
    assert_eq!(world.proxy.contexts(), 0);
    // no-recurse.
    let mut world = World::new();
    world.proxy.config.follows_redirects = true;
    world.bind("sip:bob@192.0.2.1", None);
    world.request(&invite(
        "sip:bob@example.com",
        "Request-Disposition: no-recurse\r\n",
    ));
    let sent = world.sent();
    world.reply_with(&sent[0], 302, &[(HeaderName::Contact, "<sip:x@192.0.2.5>")]);
    assert_eq!(world.statuses(), [302]);
}

#[test]
fn they_can_be_left_out_of_account() {
    let mut world = world();
    world.proxy.config.caller_preferences = false;
    assert_eq!(
        called(
            &mut world,
            "Request-Disposition: no-fork\r\nReject-Contact: *;audio\r\n"
        ),
        [vec!["u5"], vec!["u3"], vec!["u1", "u2", "u4"]]
    );
}
