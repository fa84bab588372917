//! Extensions that add no header field of their own: methods, responses, option tags, and where fields may be.

use bytes::Bytes;
use sip_message::header::{
    CallInfo, Geolocation, PAccessNetworkInfo, PChargingVector, Reason, Require, Supported,
};
use sip_message::{
    HeaderName, Message, Method, ParserConfig, Request, Response, StatusCode, option_tag,
};

fn request(method: &str, more: &str) -> Request {
    let text = format!(
        "{method} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>;tag=2\r\nCall-ID: x\r\nCSeq: 2 {method}\r\n{more}\r\n"
    );
    let message = Message::parse(Bytes::from(text), &ParserConfig::default()).unwrap();
    message.validate_all().unwrap();
    message.as_request().unwrap().clone()
}

#[test]
fn rfc3311_7_update_is_a_method_with_a_sequence_number_of_its_own() {
    let update = request("UPDATE", "Contact: <sip:a@pc>\r\n");
    assert_eq!(update.method(), &Method::Update);
    assert_eq!(update.headers().cseq(), Some((2, Method::Update)));
    let built = Request::builder(Method::Update, "sip:b@h")
        .header(HeaderName::Contact, "<sip:a@pc>")
        .build_partial()
        .unwrap();
    assert!(built.to_bytes().starts_with(b"UPDATE sip:b@h SIP/2.0\r\n"));
}

#[test]
fn rfc3312_11_preconditions_are_asked_for_and_refused_with_580() {
    let invite = request(
        "INVITE",
        "Contact: <sip:a@pc>\r\nRequire: 100rel, precondition\r\n",
    );
    let require: Require<'_> = invite.headers().typed().unwrap().unwrap();
    assert!(require.contains(option_tag::PRECONDITION) && require.contains(option_tag::REL100));
    let refusal = Response::to(&invite, StatusCode::PRECONDITION_FAILURE)
        .build()
        .unwrap();
    assert!(
        refusal
            .to_bytes()
            .starts_with(b"SIP/2.0 580 Precondition Failure\r\n")
    );
}

#[test]
fn rfc4916_4_2_who_can_change_its_identity_says_so() {
    let invite = request(
        "INVITE",
        "Contact: <sip:a@pc>\r\nSupported: from-change\r\n",
    );
    let supported: Supported<'_> = invite.headers().typed().unwrap().unwrap();
    assert!(supported.contains(option_tag::FROM_CHANGE));
}

#[test]
fn rfc6228_11_1_the_phrase_of_199_and_why_the_dialog_ended() {
    let invite = request("INVITE", "Contact: <sip:a@pc>\r\nSupported: 199\r\n");
    let supported: Supported<'_> = invite.headers().typed().unwrap().unwrap();
    assert!(supported.contains(option_tag::REL199));
    let ended = Response::to(&invite, StatusCode::EARLY_DIALOG_TERMINATED)
        .header(HeaderName::Reason, "SIP ;cause=404")
        .build()
        .unwrap();
    assert!(
        ended
            .to_bytes()
            .starts_with(b"SIP/2.0 199 Early Dialog Terminated\r\n")
    );
    let reason: Reason<'_> = ended.headers().typed().unwrap().unwrap();
    assert_eq!(reason.cause(), Some(404));
}

#[test]
fn rfc7976_3_an_ack_may_tell_the_access_network_and_how_to_charge() {
    let more = "P-Access-Network-Info: IEEE-802.11;network-provided\r\nP-Charging-Vector: icid-value=\"1234\"\r\n";
    let ack = request("ACK", more);
    let access: PAccessNetworkInfo<'_> = ack.headers().typed().unwrap().unwrap();
    assert!(access.is_network_provided());
    assert!(
        ack.headers()
            .typed::<PChargingVector<'_>>()
            .unwrap()
            .is_some()
    );
}

#[test]
fn rfc8688_3_the_608_says_who_rejects() {
    let invite = request("INVITE", "Contact: <sip:a@pc>\r\n");
    let rejected = Response::to(&invite, StatusCode::REJECTED)
        .header(
            HeaderName::CallInfo,
            "<https://block.example.net/complaint.json>;purpose=jwscard",
        )
        .build()
        .unwrap();
    assert!(rejected.to_bytes().starts_with(b"SIP/2.0 608 Rejected\r\n"));
    let card: CallInfo<'_> = rejected.headers().typed().unwrap().unwrap();
    assert_eq!(card.purpose(), Some("jwscard"));
}

#[test]
fn rfc8787_3_each_reference_says_who_added_it() {
    let more =
        "Geolocation: <cid:a@h>,\r\n <https://lis.example.com/y7>;loc-src=edge.example.com\r\n";
    let invite = request("INVITE", &format!("Contact: <sip:a@pc>\r\n{more}"));
    let sources: Vec<_> = invite
        .headers()
        .typed_all::<Geolocation<'_>>()
        .map(|place| place.unwrap().location_source().map(str::to_owned))
        .collect();
    assert_eq!(sources, [None, Some("edge.example.com".to_owned())]);
}
