//! Bodies with parts: any body splits within the limits or is refused, and the parts make the same body again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip_message::{Limits, Part, SipFrag, header::ContentType};

// The first line is the Content-Type, the rest the body.
fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (kind, body) = (&data[..end], &data[end + 1..]);
    let Ok(kind) = std::str::from_utf8(kind) else {
        return;
    };
    let Ok(kind) = ContentType::parse(kind) else {
        return;
    };
    split(&kind, Bytes::copy_from_slice(body));
});

fn split(kind: &ContentType<'_>, body: Bytes) {
    let Ok(parts) = Part::parse_all(kind, body.clone()) else {
        return;
    };
    assert!(
        parts.len() <= Limits::default().body_parts,
        "{} parts",
        parts.len()
    );
    let inside: usize = parts.iter().map(|part| part.content().len()).sum();
    assert!(inside <= body.len(), "the parts are pieces of the body");
    let boundary = kind.params().unquoted("boundary").unwrap_or_default();
    if kind.kind().eq_ignore_ascii_case("multipart") && !boundary.is_empty() {
        let again = Part::encode_all(&parts, &boundary);
        let again = Part::parse_all(kind, again.into()).expect("what was written splits");
        assert_eq!(again.len(), parts.len());
        for (one, other) in parts.iter().zip(&again) {
            assert_eq!(one.content(), other.content());
            assert_eq!(one.headers().len(), other.headers().len());
        }
    }
    for part in &parts {
        let _ = (part.is_required(), part.content_type().kind());
        if part.content_type().is("message/sipfrag") {
            let _ = SipFrag::parse(part.content_bytes());
        }
        deeper(part, 1);
    }
}

fn deeper(part: &Part, depth: u32) {
    assert!(depth < 64, "nesting has a limit");
    if !part.content_type().kind().eq_ignore_ascii_case("multipart") {
        return;
    }
    for inner in part.parts().unwrap_or_default() {
        // A body without boundary is its own only part; that is the end of it.
        if inner.content() != part.content() {
            deeper(&inner, depth + 1);
        }
    }
}
