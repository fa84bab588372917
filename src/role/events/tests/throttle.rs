//! NOTIFYs to servers that ask for fewer requests (RFC 7339).

use super::*;
use crate::guard::Class;

const ALL: &str = ";oc=100;oc-algo=\"loss\";oc-validity=3000;oc-seq=1.0";

/// A notifier that heeds overload, with a subscriber whose server said this in its answer to the first NOTIFY.
fn heeding(report: &str) -> (World, Throttle) {
    let mut world = World::new();
    let throttle = Throttle::new(&Seed::from_bytes([9; 32]));
    world.events.use_throttle(&throttle);
    world.bind("sip:alice@192.0.2.21", 1, 600);
    assert!(world.subscribe("").is_none());
    let calls = world.layer.take();
    let told = calls.into_iter().find_map(|call| match call {
        Call::Request { id, request, .. } => Some(Told { id, request }),
        _ => None,
    });
    world.reply_saying(&told.unwrap(), StatusCode::OK, report);
    assert_eq!(world.events.subscriptions(), 1);
    world.seconds += 10;
    (world, throttle)
}

/// Alice has another contact.
fn change(world: &mut World) {
    world.bind("sip:alice@192.0.2.22", 1, 600);
    world.notice(Cause::Request);
}

#[test]
fn rfc7339_5_10_a_notify_waits_while_nothing_is_wanted() {
    let (mut world, throttle) = heeding("");
    let via = format!("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKours{ALL}");
    throttle.heard("192.0.2.7:5060".parse().unwrap(), &via, world.now());
    change(&mut world);
    assert!(world.told().is_empty());
    assert_eq!(throttle.held_back(), 1);
    world.wait(2);
    assert!(world.told().is_empty(), "tried again, and held back again");
    world.wait(2);
    assert_eq!(
        world.told(),
        ["1 partial active sip:alice@192.0.2.22=registered"]
    );
    assert_eq!(world.events.subscriptions(), 1);
}

#[test]
fn rfc7339_5_4_what_the_answer_to_a_notify_says_is_known_to_all() {
    let (world, throttle) = heeding(&ALL.replace("3000", "60000"));
    let server = "192.0.2.7:5060".parse().unwrap();
    assert!(!throttle.takes(server, Class::New, world.now()));
}

#[test]
fn rfc7339_5_10_a_notify_that_waited_too_long_ends_its_subscription() {
    let (mut world, _) = heeding(&ALL.replace("3000", "600000"));
    change(&mut world);
    world.wait(9);
    assert_eq!(world.events.subscriptions(), 1);
    world.wait(2);
    assert!(world.told().is_empty());
    assert_eq!(world.events.subscriptions(), 0);
}
