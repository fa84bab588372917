//! Routers, redirecting and following redirections.

use super::*;
use crate::routing::{Hop, Route, Rule, Table};

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn hop(text: &str) -> Hop {
    Hop::new(uri(text))
}

fn world(rules: impl IntoIterator<Item = Rule>) -> World {
    let mut world = World::new();
    let table: Table = rules.into_iter().collect();
    world.proxy.config.router = Some(Arc::new(table));
    world
}

const ALICE: &str = "From: <sip:alice@example.com>;tag=1\r\n";

fn contacts(response: &Response) -> Vec<&str> {
    response.headers().values(HeaderName::Contact).collect()
}

#[test]
fn a_rule_refuses_before_anybody_is_asked_for_a_password() {
    let mut world = world([Rule::new(Route::reject(403, "Not For You").unwrap()).prefix("999")]);
    assert_eq!(
        world.refused(&invite("sip:999@example.com", ALICE)),
        (403, "Not For You".into())
    );
    assert_eq!(world.refused(&invite("sip:998@example.com", ALICE)).0, 407);
}

#[test]
fn rfc3261_11_2_options_to_the_server_itself_unless_a_rule_says_where_to() {
    // As most servers have it: a table with rules, none of which is about this.
    let mut other = world([Rule::new(Route::reject(403, "Not For You").unwrap()).prefix("999")]);
    other.request(&message("OPTIONS", "sip:example.com", ""));
    assert_eq!(other.statuses(), [200]);
    assert_eq!(other.proxy.contexts(), 0);
    let rule = Rule::new(Route::reject(480, "Elsewhere").unwrap()).method(Method::Options);
    let mut world = world([rule]);
    assert_eq!(
        world.refused(&message("OPTIONS", "sip:example.com", "")),
        (480, "Elsewhere".into())
    );
}

#[test]
fn strangers_get_no_gateway_unless_the_rule_is_trusted() {
    let gateway = || Route::to([hop("sip:gw.example.net")]);
    let mut closed = world([Rule::new(gateway()).prefix("+")]);
    assert_eq!(
        closed.refused(&invite("sip:+441234@example.com", "")),
        (403, "No Relaying".into())
    );
    let mut open = world([Rule::new(gateway().trusted()).prefix("+")]);
    open.request(&invite("sip:+441234@example.com", ALICE));
    let sent = open.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].request.uri_str(),
        "sip:+441234@gw.example.net;user=phone"
    );
}

#[test]
fn users_prove_who_they_are_and_then_reach_the_gateway() {
    let mut world = world([Rule::new(Route::to([hop("sip:gw.example.net")])).prefix("0")]);
    let (_, back) = world.request(&invite("sip:0123@example.com", ALICE));
    assert!(back.is_none());
    let challenge = world.responses().remove(0);
    assert_eq!(challenge.status().as_u16(), 407);
    let proof = credentials(
        &challenge,
        "alice",
        "secret",
        "INVITE",
        "sip:0123@example.com",
    );
    world.request(&invite("sip:0123@example.com", &format!("{ALICE}{proof}")));
    let sent = world.sent();
    assert_eq!(sent[0].request.uri_str(), "sip:0123@gw.example.net");
    assert_eq!(world.hops, ["sip:0123@gw.example.net"]);
}

#[test]
fn the_next_gateway_is_tried_when_one_is_down_and_not_when_the_callee_is_busy() {
    let route = || {
        Route::to([
            hop("sip:gw1.example.net"),
            hop("sip:gw2.example.net").priority(2),
        ])
        .trusted()
    };
    for (status, tried) in [(503, 2), (500, 2), (408, 2), (486, 1), (404, 1), (603, 1)] {
        let mut world = world([Rule::new(route())]);
        world.request(&invite("sip:1@example.com", ""));
        let first = world.sent();
        assert_eq!(first[0].request.uri_str(), "sip:1@gw1.example.net");
        world.reply(&first[0], status);
        assert_eq!(world.hops.len(), tried, "{status}");
        if tried == 1 {
            assert_eq!(world.statuses(), [status]);
        } else {
            let second = world.sent();
            assert_eq!(second[0].request.uri_str(), "sip:1@gw2.example.net");
            world.reply(&second[0], 486);
            assert_eq!(world.statuses(), [486]);
        }
    }
}

#[test]
fn a_hop_by_way_of_a_proxy_keeps_the_request_uri() {
    let via = Hop::via(uri("sip:edge.example.net;transport=tcp"));
    let mut world = world([Rule::new(Route::to([via]).trusted())]);
    world.request(&invite("sip:bob@example.com", ""));
    let sent = world.sent();
    assert_eq!(sent[0].request.uri_str(), "sip:bob@example.com");
    assert_eq!(
        values(&sent[0].request, HeaderName::Route),
        ["<sip:edge.example.net;transport=tcp;lr>"]
    );
    assert_eq!(world.hops, ["sip:edge.example.net;transport=tcp;lr"]);
}

#[test]
fn a_rewritten_uri_goes_the_usual_way() {
    let mut world = world([Rule::new(Route::rewrite(uri("sip:bob@example.com"))).prefix("100")]);
    world.bind("sip:bob@192.0.2.99", None);
    world.request(&invite("sip:100@example.com", ""));
    assert_eq!(world.sent()[0].request.uri_str(), "sip:bob@192.0.2.99");
    // One that goes elsewhere is no open relay.
    let mut world = self::world([Rule::new(Route::rewrite(uri("sip:x@example.net"))).prefix("1")]);
    world.request(&invite("sip:100@example.com", ""));
    assert_eq!(world.statuses(), [403]);
}

#[test]
fn what_belongs_to_a_dialog_is_not_routed_anew() {
    let mut world = world([Rule::new(Route::reject(403, "").unwrap())]);
    world.bind("sip:bob@192.0.2.99", None);
    world.request(&message(
        "BYE",
        "sip:bob@example.com",
        "To: <sip:bob@example.com>;tag=7\r\n",
    ));
    assert!(!world.statuses().contains(&403));
}

#[test]
fn rfc3261_8_3_a_redirect_server_tells_the_contacts() {
    let mut world = World::new();
    world.proxy.config.redirects = true;
    world.bind("sip:bob@192.0.2.2", Some(500));
    world.bind("sip:bob@192.0.2.1", None);
    world.request(&invite("sip:bob@example.com", ""));
    let response = world.responses().remove(0);
    assert_eq!(response.status().as_u16(), 302);
    assert_eq!(
        contacts(&response),
        ["<sip:bob@192.0.2.1>;q=1.000", "<sip:bob@192.0.2.2>;q=0.950"]
    );
    // A user who is nowhere is not redirected; neither is one to where the request came from.
    let mut world = World::new();
    world.proxy.config.redirects = true;
    world.request(&invite("sip:bob@example.com", ""));
    assert_eq!(world.statuses(), [480]);
    world.bind("sip:bob@example.com", None);
    world.request(&invite("sip:bob@example.com", ""));
    assert_eq!(world.statuses(), [404]);
}

#[test]
fn rfc3261_8_3_a_rule_redirects() {
    let mut world = world([Rule::new(Route::redirect([
        uri("sip:new@example.net"),
        uri("tel:+441234"),
    ]))]);
    world.request(&invite("sip:bob@example.com", ""));
    assert_eq!(
        contacts(&world.responses()[0]),
        ["<sip:new@example.net>;q=1.000", "<tel:+441234>;q=0.950"]
    );
}

#[test]
fn rfc3261_16_5_redirections_are_followed_by_choice() {
    let fields = [(
        HeaderName::Contact,
        "<sip:c@192.0.2.3>;q=0.1, <sip:b@192.0.2.2>;q=0.9, <mailto:b@example.com>, <sip:bob@192.0.2.1>",
    )];
    let mut passing = World::new();
    passing.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = passing.call_bob();
    passing.reply_with(&sent[0], 302, &fields);
    assert_eq!(passing.statuses(), [302]);

    let mut following = World::new();
    following.proxy.config.follows_redirects = true;
    following.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = following.call_bob();
    following.reply_with(&sent[0], 302, &fields);
    let sent = following.sent();
    assert_eq!(sent[0].request.uri_str(), "sip:b@192.0.2.2");
    following.reply(&sent[0], 486);
    let sent = following.sent();
    assert_eq!(sent[0].request.uri_str(), "sip:c@192.0.2.3");
    following.reply(&sent[0], 404);
    // What could not be followed is the best answer; what was followed is not in it (§16.7, step 4).
    let response = following.responses().remove(0);
    assert_eq!(response.status().as_u16(), 302);
    assert_eq!(
        contacts(&response),
        ["<mailto:b@example.com>", "<sip:bob@192.0.2.1>"]
    );
}

#[test]
fn rfc3261_16_7_step_4_a_redirection_that_was_followed_is_no_answer() {
    let mut world = World::new();
    world.proxy.config.follows_redirects = true;
    world.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = world.call_bob();
    world.reply_with(&sent[0], 302, &[(HeaderName::Contact, "<sip:b@192.0.2.2>")]);
    let sent = world.sent();
    // Back to where it came from: nobody is called twice.
    world.reply_with(
        &sent[0],
        302,
        &[(HeaderName::Contact, "<sip:bob@192.0.2.1>")],
    );
    assert_eq!(world.statuses(), [302]);
    let mut world = World::new();
    world.proxy.config.follows_redirects = true;
    world.bind("sip:bob@192.0.2.1", None);
    let (_, sent) = world.call_bob();
    world.reply_with(&sent[0], 302, &[(HeaderName::Contact, "<sip:b@192.0.2.2>")]);
    let sent = world.sent();
    world.reply(&sent[0], 486);
    assert_eq!(world.statuses(), [486]);
}

#[test]
fn redirections_end() {
    let mut world = World::new();
    world.proxy.config.follows_redirects = true;
    world.bind("sip:bob@192.0.2.1", None);
    let (_, mut sent) = world.call_bob();
    let mut calls = 0;
    while let Some(branch) = sent.pop() {
        calls += 1;
        let next = format!("<sip:b@198.51.100.{calls}>");
        world.reply_with(&branch, 302, &[(HeaderName::Contact, &next)]);
        if calls == 16 {
            assert_eq!(world.statuses(), [302]);
        }
        sent = world.sent();
    }
    assert_eq!(calls, 16);
}
