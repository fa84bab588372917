//! Accept-Resource-Priority: priorities that the server understands (RFC 4412 §3.2).
//!
//! ```text
//! value    = [ priority *( "," priority ) ]
//! priority = namespace "." value, both tokens without dots
//! ```

use crate::header::shape::token_list;

token_list! {
    /// Priorities that the server understands, each a namespace and a value: `dsn.flash` (RFC 4412 §3.2).
    AcceptResourcePriority, super::resource_priority::is_priority, "namespace and priority expected"
}

impl<'a> AcceptResourcePriority<'a> {
    /// The priorities in order, each as namespace and value.
    pub fn priorities(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter_map(|priority| priority.split_once('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs};

    header_tests! {
        AcceptResourcePriority<'_>, rfc4412_3_2_examples: [
            "dsn.flash-override, dsn.flash, dsn.immediate, dsn.priority, dsn.routine",
            "q735.0, q735.1, q735.2, q735.3, q735.4",
            "",
        ],
        refused: ["dsn", ".flash", "dsn.", "a.b.c", "a b"],
        built: (words in proptest::collection::vec("[a-z0-9-]{1,6}[.][a-z0-9-]{1,6}", 0..4)) => let words = refs(&words); AcceptResourcePriority::from_slice(&words),
    }

    #[test]
    fn rfc4412_3_2_namespaces() {
        let value = AcceptResourcePriority::from_slice(&["dsn.flash", "wps.3"]);
        assert!(value.priorities().eq([("dsn", "flash"), ("wps", "3")]));
        assert!(value.contains("DSN.Flash"));
    }
}
