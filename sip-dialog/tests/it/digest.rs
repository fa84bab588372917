//! The computation against the vectors of RFC 2617, RFC 7616 and RFC 8760, and against ones made with other implementations.

use sip_dialog::digest::{Algorithm, Inputs, Qop};

/// One vector: its source, then what goes in and what comes out.
fn vectors() -> Vec<serde_json::Value> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../data/digest.json")).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

#[test]
fn rfc7616_3_4_1_responses_are_those_of_the_vectors() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 22);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let algorithm = Algorithm::from_token(text("algorithm")).unwrap();
        if let Some(empty) = vector["H_empty"].as_str() {
            // RFC 8760 section 2.5: the hash of an empty body, and nothing else.
            assert_eq!(algorithm.hash(&[b""]), empty);
            continue;
        }
        let ha1 = algorithm.ha1(text("username"), text("realm"), text("password"));
        if !algorithm.is_session() && !text("ha1").is_empty() {
            assert_eq!(ha1, text("ha1"), "{vector}");
        }
        let qop = match text("qop") {
            "auth" => Some(Qop::Auth),
            "auth-int" => Some(Qop::AuthInt),
            _ => None,
        };
        let count = u32::from_str_radix(text("nc"), 16).unwrap_or_default();
        let inputs = Inputs {
            algorithm,
            ha1: &ha1,
            nonce: text("nonce"),
            qop: qop.map(|qop| (qop, count, text("cnonce"))),
            cnonce: text("cnonce"),
            method: text("method"),
            uri: text("uri"),
            body: text("entity_body").as_bytes(),
        };
        assert_eq!(inputs.response(), text("response"), "{vector}");
    }
}

#[test]
fn rfc8760_2_2_names_are_read_in_any_case() {
    assert_eq!(
        Algorithm::from_token("sha-512-256"),
        Some(Algorithm::Sha512_256)
    );
    assert_eq!(
        Algorithm::from_token("SHA-256-sess"),
        Some(Algorithm::Sha256Sess)
    );
    assert_eq!(Algorithm::from_token("SHA-1"), None);
}
