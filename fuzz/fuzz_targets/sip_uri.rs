//! URIs: reading, comparing, printing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_message::UriRef;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(uri) = UriRef::parse(text) else { return };
    assert_eq!(uri.as_str(), text, "a view shows what it was made from");
    let owned = uri.to_uri();
    assert_eq!(owned.to_string(), text);
    let again = UriRef::parse(owned.as_str()).expect("what was parsed parses again");
    // RFC 3261 section 19.1.4: equality is reflexive.
    assert!(again == uri, "{text} equals itself");
    let _ = (
        uri.scheme(),
        uri.is_secure(),
        uri.user_unescaped(),
        uri.password(),
        uri.host(),
        uri.port(),
        uri.opaque(),
    );
    for (name, _) in uri.params() {
        assert!(uri.param(name).is_some(), "parameter {name} of {text}");
    }
    let _ = uri.headers().count();
    assert!(
        text.starts_with(uri.without_params()) || uri.host().is_none(),
        "{text}"
    );
});
