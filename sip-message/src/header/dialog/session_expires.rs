//! Session-Expires: after how long without refresh the session ends (RFC 4028 §4).
//!
//! ```text
//! value = delta seconds, then parameters, among them refresher = "uac" / "uas"
//! ```

use crate::header::shape::seconds_header;

/// Which side refreshes the session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 4028 section 4 has these two")]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

seconds_header! {
    /// After how many seconds without refresh the session ends (RFC 4028 §4).
    ///
    /// ```
    /// use sip_message::header::{Refresher, SessionExpires};
    /// let timer = SessionExpires::parse("4000;refresher=uac").unwrap();
    /// assert_eq!((timer.seconds(), timer.refresher()), (4000, Some(Refresher::Uac)));
    /// assert_eq!(SessionExpires::new(1800).with_refresher(Refresher::Uas).to_string(), "1800;refresher=uas");
    /// ```
    SessionExpires
}

impl SessionExpires<'_> {
    /// Sets who refreshes.
    #[must_use]
    pub fn with_refresher(self, refresher: Refresher) -> Self {
        let word = match refresher {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        };
        self.with_param("refresher", Some(word))
    }

    /// Who refreshes, if it is said.
    #[must_use]
    pub fn refresher(&self) -> Option<Refresher> {
        let word = self.params.get("refresher")?;
        if word.eq_ignore_ascii_case("uac") {
            Some(Refresher::Uac)
        } else if word.eq_ignore_ascii_case("uas") {
            Some(Refresher::Uas)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, some_of, with_params};

    header_tests! {
        SessionExpires<'_>, rfc4028_4_forms: [
            "4000",
            "1800;refresher=uas",
            "50;refresher=UAC",
        ],
        refused: ["x", "1 2", ""],
        built: (seconds in proptest::prelude::any::<u32>(), more in some_of(&[("refresher", "uac|uas"), ("x", "")])) => with_params!(SessionExpires::new(seconds), more),
    }

    #[test]
    fn rfc4028_4_refresher() {
        for (text, refresher) in [
            ("50;refresher=UAC", Some(Refresher::Uac)),
            ("50;refresher=uas", Some(Refresher::Uas)),
            ("50;refresher=both", None),
            ("50", None),
        ] {
            assert_eq!(
                SessionExpires::parse(text).unwrap().refresher(),
                refresher,
                "{text}"
            );
        }
        let mine = SessionExpires::new(90).with_refresher(Refresher::Uac);
        assert_eq!(mine.refresher(), Some(Refresher::Uac));
    }
}
