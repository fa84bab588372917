//! Resource-Priority: priorities that the request wants to be treated with (RFC 4412 §3.1).
//!
//! ```text
//! value    = priority *( "," priority )
//! priority = namespace "." value, both tokens without dots
//! ```

use crate::header::shape::token_list;

token_list! {
    /// Priorities that the request wants to be treated with, each a namespace and a value: `dsn.flash` (RFC 4412 §3.1).
    ResourcePriority, is_priority, "namespace and priority expected"
}

impl<'a> ResourcePriority<'a> {
    /// The priorities in order, each as namespace and value.
    pub fn priorities(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter_map(|priority| priority.split_once('.'))
    }
}

/// `token-nodot "." token-nodot`.
pub(super) fn is_priority(text: &str) -> bool {
    text.split_once('.').is_some_and(|(namespace, value)| {
        !value.contains('.')
            && crate::chars::all_token(namespace.as_bytes())
            && crate::chars::all_token(value.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs};

    header_tests! {
        ResourcePriority<'_>, rfc4412_3_1_examples: [
            "dsn.flash",
            "dsn.flash, wps.3",
            "wps.3, dsn.flash",
        ],
        refused: ["dsn", ".flash", "dsn.", "a.b.c", "a b"],
        built: (words in proptest::collection::vec("[a-z0-9-]{1,6}[.][a-z0-9-]{1,6}", 0..4)) => let words = refs(&words); ResourcePriority::from_slice(&words),
    }

    #[test]
    fn rfc4412_3_1_namespaces() {
        let value = ResourcePriority::from_slice(&["dsn.flash", "wps.3"]);
        assert!(value.priorities().eq([("dsn", "flash"), ("wps", "3")]));
        assert!(value.contains("DSN.Flash"));
    }
}
