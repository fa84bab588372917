//! RFC 3261 sections 17.1.3, 17.2.3 and 8.2.2.2.

use sip_message::Method;

use crate::rig::{Rig, request_text};

#[test]
fn rfc3261_17_2_3_branch_sent_by_and_method_make_a_transaction() {
    let base = request_text("OPTIONS", "z9hG4bK1");
    let other_call = |text: String| text.replace("c-z9hG4bK1", "another-call");
    for (text, is_new, what) in [
        (base.clone(), false, "the same"),
        (
            base.replace("Max-Forwards: 70", "Max-Forwards: 69"),
            false,
            "another header",
        ),
        (
            base.replace("192.0.2.2:5060", "192.0.2.3:5060"),
            true,
            "another host",
        ),
        (
            base.replace("192.0.2.2:5060", "192.0.2.2:5061"),
            true,
            "another port",
        ),
        (base.replace("192.0.2.2:5060", "192.0.2.2"), true, "no port"),
        (base.replace("z9hG4bK1", "z9hG4bK2"), true, "another branch"),
        (base.replace("OPTIONS", "MESSAGE"), true, "another method"),
    ] {
        let mut rig = Rig::udp();
        rig.receive(base.clone());
        let lines = rig.receive(other_call(text));
        assert_eq!(!lines.is_empty(), is_new, "{what}: {lines:?}");
    }
}

#[test]
fn rfc3261_17_2_3_the_sent_by_is_compared_without_case() {
    let mut rig = Rig::udp();
    let named = request_text("OPTIONS", "z9hG4bK1").replace("192.0.2.2:5060", "Client.Example.COM");
    assert_eq!(rig.receive(named.clone()), ["Request OPTIONS"]);
    assert_eq!(
        rig.receive(named.replace("Client.Example.COM", "client.example.com")),
        [""; 0]
    );
}

fn old(method: &str) -> String {
    request_text(method, "z9hG4bK1")
        .replace("branch=z9hG4bK1", "branch=7")
        .replace("c-z9hG4bK1", "c")
}

#[test]
fn rfc3261_17_2_3_rfc2543_requests_are_matched_by_their_headers() {
    let base = old("OPTIONS");
    for (text, is_new, what) in [
        (base.clone(), false, "the same"),
        (
            base.replace("Max-Forwards: 70", "Max-Forwards: 69"),
            false,
            "another header",
        ),
        (
            base.replace("OPTIONS sip:bob@", "OPTIONS sip:bib@"),
            true,
            "another Request-URI",
        ),
        (base.replace("tag=a", "tag=x"), true, "another From tag"),
        (
            base.replace("Call-ID: c", "Call-ID: d"),
            true,
            "another Call-ID",
        ),
        (
            base.replace("CSeq: 1", "CSeq: 2"),
            true,
            "another CSeq number",
        ),
        (base.replace("OPTIONS", "MESSAGE"), true, "another method"),
        (
            base.replace("192.0.2.2:5060", "192.0.2.2:5061"),
            true,
            "another Via",
        ),
        (
            base.replace("branch=7", "branch=8"),
            true,
            "another branch, though it is not unique",
        ),
    ] {
        let mut rig = Rig::udp();
        rig.receive(base.clone());
        let lines = rig.receive(text);
        assert_eq!(!lines.is_empty(), is_new, "{what}: {lines:?}");
    }
}

#[test]
fn rfc3261_17_2_3_a_via_without_any_branch_is_an_rfc2543_one() {
    let mut rig = Rig::udp();
    let text = old("OPTIONS").replace(";branch=7", "");
    assert_eq!(rig.receive(text.clone()), ["Request OPTIONS"]);
    assert_eq!(rig.receive(text), [""; 0]);
}

#[test]
fn rfc3261_17_2_3_the_to_tag_of_an_rfc2543_ack_is_that_of_the_response() {
    let mut rig = Rig::udp();
    rig.receive(old("INVITE"));
    rig.respond(0, 486);
    let ack = old("ACK").replace("To: <sip:bob@h>", "To: <sip:bob@h>;tag=b");
    assert_eq!(
        rig.receive(ack.replace("tag=b", "tag=elsewhere")),
        ["Ack of nothing"],
        "another branch's ACK"
    );
    assert_eq!(rig.receive(ack), [""; 0], "ours is consumed");
    assert_eq!(rig.wait(6000), ["5000 Terminated server"]);
}

#[test]
fn rfc6026_6_an_rfc2543_ack_in_accepted_goes_to_the_tu() {
    let mut rig = Rig::udp();
    rig.receive(old("INVITE"));
    rig.respond(0, 200);
    let ack = old("ACK").replace("To: <sip:bob@h>", "To: <sip:bob@h>;tag=b");
    assert_eq!(rig.receive(ack), ["Ack of an INVITE"]);
}

#[test]
fn rfc3261_17_1_3_a_response_is_matched_by_branch_and_cseq_method() {
    let mut rig = Rig::udp();
    rig.send(Method::Options);
    let good = String::from_utf8(rig.response_text(0, 200).to_vec()).unwrap();
    let branch = sip_transaction::Branch::worker_of("z9hG4bKw0000").is_none();
    assert!(branch, "a branch that is cut short names no worker");
    assert_eq!(
        rig.receive(good.replace("314 OPTIONS", "314 INVITE")),
        ["Stray 200"]
    );
    assert_eq!(
        rig.receive(good.replace("z9hG4bKw0000", "z9hG4bKw0001")),
        ["Stray 200"]
    );
    assert_eq!(
        rig.receive(good.replace("tag=b", "tag=other")),
        ["Response 200"]
    );
    assert_eq!(rig.layer.stats().strays, 2);
}

#[test]
fn rfc3261_8_2_2_2_a_merged_request_is_marked() {
    let mut rig = Rig::udp();
    let first = request_text("INVITE", "z9hG4bK1");
    assert_eq!(rig.receive(first.clone()), ["Request INVITE"]);
    let second = first.replace("branch=z9hG4bK1", "branch=z9hG4bK2");
    assert_eq!(
        rig.receive(second.clone()),
        ["Request INVITE merged"],
        "the same request over another path"
    );
    let in_dialog = first
        .replace("branch=z9hG4bK1", "branch=z9hG4bK3")
        .replace("<sip:bob@h>", "<sip:bob@h>;tag=t");
    assert_eq!(
        rig.receive(in_dialog),
        ["Request INVITE"],
        "not within a dialog"
    );
    let next = first
        .replace("branch=z9hG4bK1", "branch=z9hG4bK4")
        .replace("CSeq: 1", "CSeq: 2");
    assert_eq!(
        rig.receive(next),
        ["Request INVITE"],
        "nor with another CSeq: credentials were added"
    );
    rig.respond(0, 486);
    rig.receive(request_text("ACK", "z9hG4bK1"));
    rig.respond(1, 482);
    rig.receive(request_text("ACK", "z9hG4bK2"));
    rig.wait(6000);
    assert_eq!(
        rig.receive(second),
        ["Request INVITE"],
        "not after the first has ended"
    );
}

#[test]
fn requests_that_cannot_be_identified_are_counted_and_dropped() {
    let mut rig = Rig::udp();
    let text = request_text("OPTIONS", "z9hG4bK1")
        .replace("SIP/2.0/UDP 192.0.2.2:5060", "SIP/2.0 nonsense");
    assert_eq!(rig.receive(text), [""; 0]);
    assert_eq!(rig.layer.stats().unidentifiable, 1);
}
