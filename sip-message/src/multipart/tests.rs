use super::*;
use alloc::string::String;

fn parts(boundary: &str, body: &str) -> Result<Vec<Part>, HeaderError> {
    let kind = alloc::format!("multipart/mixed; boundary=\"{boundary}\"");
    Part::parse_all(
        &ContentType::parse(&kind).unwrap(),
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

fn contents(boundary: &str, body: &str) -> Vec<String> {
    let parts = parts(boundary, body).unwrap();
    parts
        .iter()
        .map(|part| String::from_utf8(part.content().to_vec()).unwrap())
        .collect()
}

#[test]
fn rfc2046_5_1_1_example() {
    let body = "This is the preamble.\r\n--simple boundary\r\n\r\nimplicit\r\n--simple boundary  \r\n\
        Content-type: text/plain; charset=us-ascii\r\n\r\nexplicit\r\n\r\n--simple boundary--\r\nThe epilogue.";
    assert_eq!(
        contents("simple boundary", body),
        ["implicit", "explicit\r\n"]
    );
    let found = parts("simple boundary", body).unwrap();
    assert!(found[0].content_type().is("text/plain"));
    assert_eq!(
        found[1].content_type().params().get("charset"),
        Some("us-ascii")
    );
}

#[test]
fn delimiters_are_whole_lines() {
    assert_eq!(
        contents("b", "--b\r\n\r\n--bb\r\n--b x\r\nx--b\r\n--b--"),
        ["--bb\r\n--b x\r\nx--b"]
    );
    assert_eq!(contents("b", "--b\r\n\r\n\r\n--b--"), [""]);
    assert_eq!(contents("b", "--b\r\n--b--"), [""]);
    assert!(contents("b", "--b--").is_empty());
    for (body, reason) in [
        ("no delimiter", "multipart boundary not found"),
        ("--b\r\n\r\nx", "multipart body not closed"),
        (
            "--b\r\nno colon\r\n\r\nx\r\n--b--",
            "Malformed header field name",
        ),
    ] {
        assert_eq!(parts("b", body).unwrap_err().reason(), reason);
    }
}

#[test]
fn rfc5621_3_nesting_and_its_limits() {
    let inner = Part::encode_all(&[Part::new("text/plain", "deep")], "in");
    let outer = Part::encode_all(
        &[
            Part::new("multipart/mixed;boundary=in", inner),
            Part::new("a/b", "c"),
        ],
        "out",
    );
    let found = parts("out", core::str::from_utf8(&outer).unwrap()).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].parts().unwrap()[0].content(), b"deep");
    assert_eq!(found[1].parts().unwrap()[0].content(), b"c");
    // A part that contains itself for ever: the same boundary at each level.
    let mut level = Part::new(
        "multipart/mixed;boundary=b",
        "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b--",
    );
    let mut depth = 0;
    let reason = loop {
        match level.parts() {
            Ok(found) => match found.into_iter().next() {
                Some(part) => {
                    let again = Bytes::copy_from_slice(
                        b"--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b--",
                    );
                    level = Part {
                        content: again,
                        ..part
                    };
                }
                None => panic!("ended early"),
            },
            Err(error) => break error.reason(),
        }
        depth += 1;
    };
    assert_eq!(
        (depth, reason),
        (Limits::default().body_depth, "multipart nested too deeply")
    );
    let many = "--b\r\n\r\n".repeat(Limits::default().body_parts + 1) + "--b--";
    assert_eq!(parts("b", &many).unwrap_err().reason(), "too many parts");
}

#[test]
fn what_is_not_multipart_is_its_only_part() {
    let kind = ContentType::parse("application/sdp").unwrap();
    let found = Part::parse_all(&kind, Bytes::from_static(b"v=0\r\n")).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].content_type().is("application/sdp") && found[0].is_required());
}

#[test]
fn rfc4475_3_1_1_11_parts() {
    let datagram = Bytes::from_static(include_bytes!("../../tests/data/rfc4475/mpart01.dat"));
    let message = crate::Message::parse(datagram, &ParserConfig::default()).unwrap();
    let kind: ContentType<'_> = message.headers().typed().unwrap().unwrap();
    let found = Part::parse_all(&kind, message.body_bytes()).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].content(), b"Hello");
    assert_eq!(
        found[1].headers().get(HeaderName::ContentTransferEncoding),
        Some("binary")
    );
    assert!(found[1].content().contains(&0));
}

#[test]
fn rfc3261_20_11_dispositions_by_default() {
    assert_eq!(
        Part::new("application/SDP", "").disposition().value(),
        "session"
    );
    let mut part = Part::new("text/plain", "");
    assert_eq!(part.disposition().value(), "render");
    part.headers_mut()
        .replace(HeaderName::ContentDisposition, "icon;handling=optional");
    assert!(part.disposition().is("icon") && !part.is_required());
}

#[test]
fn limits_are_those_of_the_caller() {
    let kind = ContentType::parse("multipart/mixed;boundary=b").unwrap();
    let body = Bytes::from_static(
        b"--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b\r\n\r\n--b--",
    );
    let mut limits = Limits::default();
    (limits.body_parts, limits.body_depth) = (2, 2);
    let parts = Part::parse_all_within(&kind, body.clone(), &limits).unwrap();
    assert_eq!(parts[0].parts().unwrap()[0].content(), b"x");
    limits.body_depth = 1;
    let parts = Part::parse_all_within(&kind, body.clone(), &limits).unwrap();
    assert_eq!(
        parts[0].parts().unwrap_err().reason(),
        "multipart nested too deeply"
    );
    limits.body_parts = 1;
    let error = Part::parse_all_within(&kind, body, &limits).unwrap_err();
    assert_eq!(error.reason(), "too many parts");
}

#[test]
fn rfc5621_3_1_a_body_that_is_not_multipart_takes_its_fields_along() {
    let text = "MESSAGE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n\
        Call-ID: c\r\nCSeq: 1 MESSAGE\r\nc: image/png\r\nContent-Disposition: icon;handling=optional\r\n\
        Content-ID: <1@h>\r\nContent-Length: 3\r\n\r\npng";
    let message = crate::Message::parse(text.into(), &ParserConfig::default()).unwrap();
    let limits = Limits::default();
    let parts = Part::of_message(message.headers(), message.body_bytes(), &limits).unwrap();
    assert_eq!((parts.len(), parts[0].content()), (1, &b"png"[..]));
    assert!(parts[0].content_type().is("image/png") && !parts[0].is_required());
    assert_eq!(parts[0].content_id().unwrap().id(), "1@h");
    assert!(Part::named(&parts, "cid:1@h").is_some());
    assert!(
        Part::of_message(message.headers(), Bytes::new(), &limits)
            .unwrap()
            .is_empty()
    );
    let nothing = Headers::with_capacity(0);
    let error = Part::of_message(&nothing, Bytes::from_static(b"x"), &limits).unwrap_err();
    assert_eq!(error.reason(), "Content-Type missing");
}
