//! Each fault is found, and good messages have none.

use super::*;

const INVITE: &str = "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a.example:5060;branch=z9hG4bK74bf9\r\n\
    Max-Forwards: 70\r\nFrom: \"A, B\" <sip:a@a.example>;tag=9fxced\r\nTo: Bob <sip:bob@b.example>\r\n\
    Call-ID: 2xTb9@a.example\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1;transport=udp>\r\n\
    Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
const RINGING: &str = "SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP a.example;branch=1;received=192.0.2.1\r\n\
    f: <sip:a@a.example>;tag=1\r\nt: <sip:b@b.example>;tag=2\r\ni: x\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n";

#[track_caller]
fn check(text: &str, from: &str, to: &str, expected: &[&str]) {
    assert!(text.contains(from), "{from:?} is not there");
    let text = text.replacen(from, to, 1);
    assert_eq!(
        faults(text.as_bytes(), TransportKind::Udp),
        expected,
        "{from:?} to {to:?}"
    );
}

#[test]
fn good_messages_have_no_faults() {
    check(INVITE, "", "", &[]);
    check(RINGING, "", "", &[]);
    check("\r\n\r\n", "", "", &[]);
    check(INVITE, "CSeq: 1 INVITE", "CSeq:\r\n 1 INVITE", &[]);
}

#[test]
fn each_fault_of_a_request_is_found() {
    for (from, to, expected) in [
        (
            "INVITE sip:bob@b.example",
            "INVITE  sip:bob",
            "start line: no request line: INVITE  sip:bob SIP/2.0",
        ),
        (
            "bob@b.example SIP",
            "bob@b?Subject=x SIP",
            "Request-URI: header fields",
        ),
        (
            "bob@b.example SIP",
            "bob@b;method=INFO SIP",
            "Request-URI: a method",
        ),
        ("sip:bob@b.example SIP", "bob SIP", "Request-URI: no scheme"),
        (
            "z9hG4bK74bf9",
            "74bf9",
            "Via: no branch with the magic cookie",
        ),
        (
            "SIP/2.0/UDP a",
            "SIP/2.0 a",
            "Via: no protocol, transport and sent-by",
        ),
        (
            ":5060;",
            ":70000;",
            "Via: no protocol, transport and sent-by",
        ),
        (
            ";branch",
            ";received=x;branch",
            "Via: received is no address",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 256",
            "Max-Forwards: no number up to 255",
        ),
        (";tag=9fxced", "", "From: no tag"),
        (";tag=9fxced", ";tag=1;tag=2", "From: a tag that is none"),
        (
            "Bob <sip:bob@b.example>",
            "sip:bob@b.example?a=b",
            "To: a URI that needs brackets",
        ),
        ("Bob <sip:bob@b.example>", "Bob", "To: no address: Bob"),
        ("2xTb9@a.example", "2x Tb9", "Call-ID: no word"),
        (
            "1 INVITE",
            "2147483648 INVITE",
            "CSeq: no number and method",
        ),
        (
            "1 INVITE",
            "1 ACK",
            "CSeq: another method than the request's",
        ),
        (
            "<sip:a@192.0.2.1;transport=udp>",
            "*",
            "Contact: a star that is not alone with Expires: 0 in a REGISTER",
        ),
        (
            "<sip:a@192.0.2.1;transport=udp>",
            "<tel:1>",
            "Contact: no SIP or SIPS URI",
        ),
        (
            "<sip:a@192.0.2.1;transport=udp>",
            "<sip:a@h>, <sip:b@h>",
            "Contact: not exactly one",
        ),
        (
            "Content-Length: 3",
            "Content-Length: 4",
            "Content-Length: not the length of the body",
        ),
        (
            "Content-Type: application/sdp\r\n",
            "",
            "Content-Type: missing for a body",
        ),
        (
            "application/sdp",
            "sdp",
            "Content-Type: no type and subtype",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nRoute: sip:h;lr",
            "Route: not an address in brackets",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nSubject: a\r\ns: b",
            "Subject: more than one",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nExpires: -1",
            "Expires: no number of 32 bits",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nDate: today",
            "Date: not in GMT",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nRSeq: 1",
            "RSeq: not allowed here",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nEvent: x",
            "Event: not allowed here",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nno colon",
            "message: a line without a colon: no colon",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nA B: x",
            "message: a field name that is no token",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nX: \u{1}",
            "message: a control character in a field",
        ),
        (
            "Max-Forwards: 70",
            "Max-Forwards: 70\r\nX: a\nY: b",
            "message: a control character in a field",
        ),
    ] {
        check(INVITE, from, to, &[expected]);
    }
    check(
        INVITE,
        "Contact: <sip:a@192.0.2.1;transport=udp>\r\n",
        "",
        &["Contact: not exactly one", "Contact: missing"],
    );
    check(
        INVITE,
        "\r\n\r\n",
        "\r\n",
        &["message: no empty line after the fields"],
    );
    let long = format!("X: {}\r\nContact", "x".repeat(8192));
    check(INVITE, "Contact", &long, &["message: a line is too long"]);
}

#[test]
fn each_fault_of_a_response_is_found() {
    for (from, to, expected) in [
        (
            "180 Ringing",
            "180",
            "start line: no status line: SIP/2.0 180",
        ),
        (
            "180",
            "99",
            "start line: no status line: SIP/2.0 99 Ringing",
        ),
        (";tag=2", "", "To: no tag"),
        (
            "l: 0",
            "l: 0\r\nRSeq: 1",
            "RSeq: only with Require: 100rel, and always then",
        ),
        ("180 Ringing", "401 No", "WWW-Authenticate: missing"),
        ("180 Ringing", "200 OK", "Contact: missing"),
        ("180 Ringing", "407 No", "Proxy-Authenticate: missing"),
        ("180 Ringing", "405 No", "Allow: missing"),
        (
            "l: 0",
            "l: 0\r\nMax-Forwards: 1\r\nRefer-To: <sip:a@h>",
            "Refer-To: not allowed here",
        ),
    ] {
        check(RINGING, from, to, &[expected]);
    }
    check(RINGING, "l: 0", "l: 0\r\nRequire: 100rel\r\nRSeq: 7", &[]);
    check(RINGING, ";tag=2", "", &["To: no tag"]);
    let trying = RINGING.replace("180 Ringing", "100 Trying");
    check(&trying, ";tag=2", "", &[]);
    let without = RINGING.replace("l: 0\r\n", "");
    assert_eq!(
        faults(without.as_bytes(), TransportKind::Tcp),
        ["Content-Length: missing on a stream"]
    );
    assert_eq!(
        faults(b"SIP/2.0 200 \xff\r\n\r\n", TransportKind::Udp),
        ["message: the fields are not UTF-8"]
    );
}

#[test]
fn a_fault_is_shown_with_its_message() {
    let wrong = INVITE.replace(";tag=9fxced", "");
    let text = report(wrong.as_bytes(), TransportKind::Udp).unwrap();
    assert!(
        text.contains("  From: no tag\n") && text.ends_with("v=0"),
        "{text}"
    );
    assert_eq!(report(INVITE.as_bytes(), TransportKind::Udp), None);
}

#[test]
fn who_passes_a_message_on_answers_for_its_hop_only() {
    let passed_on = |text: &str| report_passed_on(text.as_bytes(), TransportKind::Udp);
    for theirs in [
        ";tag=9fxced",
        "Contact: <sip:a@192.0.2.1;transport=udp>\r\n",
    ] {
        assert_eq!(passed_on(&INVITE.replacen(theirs, "", 1)), None, "{theirs}");
    }
    for (ours, fault) in [
        ("Max-Forwards: 70\r\n", "Max-Forwards: missing"),
        (
            ";branch=z9hG4bK74bf9",
            "Via: no branch with the magic cookie",
        ),
    ] {
        let text = passed_on(&INVITE.replacen(ours, "", 1)).unwrap();
        assert!(text.contains(fault), "{text}");
    }
}
