//! Headers that name another dialog or call: Replaces (RFC 3891), Join (RFC 3911), Target-Dialog (RFC 4538),
//! In-Reply-To (RFC 3261 §20.21).

use super::valued::valued_header;

macro_rules! dialog_tags {
    ($name:ident, $first:literal, $first_name:ident, $second:literal, $second_name:ident) => {
        impl $name<'_> {
            /// The Call-ID of the dialog.
            #[must_use]
            pub const fn call_id(&self) -> &str {
                self.value()
            }

            #[doc = concat!("The `", $first, "` parameter.")]
            #[must_use]
            pub fn $first_name(&self) -> Option<&str> {
                self.params().get($first).filter(|tag| !tag.is_empty())
            }

            #[doc = concat!("The `", $second, "` parameter.")]
            #[must_use]
            pub fn $second_name(&self) -> Option<&str> {
                self.params().get($second).filter(|tag| !tag.is_empty())
            }
        }
    };
}

valued_header! {
    /// The dialog that the INVITE takes the place of (RFC 3891 §6.1). The tags are as the recipient has them: its own
    /// is the `to-tag`.
    ///
    /// ```
    /// use sip_message::header::Replaces;
    /// let replaces = Replaces::parse("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff;early-only").unwrap();
    /// assert_eq!((replaces.call_id(), replaces.to_tag()), ("98732@sip.example.com", Some("ff87ff")));
    /// assert!(replaces.is_early_only());
    /// ```
    Replaces, CallId
}

dialog_tags!(Replaces, "to-tag", to_tag, "from-tag", from_tag);

impl Replaces<'_> {
    /// May only an early dialog be replaced?
    #[must_use]
    pub fn is_early_only(&self) -> bool {
        self.params().contains("early-only")
    }
}

valued_header! {
    /// The dialog that the INVITE joins (RFC 3911 §7.1).
    Join, CallId
}

dialog_tags!(Join, "to-tag", to_tag, "from-tag", from_tag);

valued_header! {
    /// The dialog that shows the sender of a request to be known (RFC 4538 §7).
    TargetDialog, CallId
}

dialog_tags!(
    TargetDialog,
    "local-tag",
    local_tag,
    "remote-tag",
    remote_tag
);

valued_header! {
    /// One Call-ID that this call returns (RFC 3261 §20.21).
    InReplyTo, CallId
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc3891_6_1_and_rfc3911_7_1_and_rfc4538_7_forms() {
        check_reencode!(
            Replaces<'_>,
            [
                (
                    "12adf2f34456gs5;to-tag=12345;from-tag=54321",
                    Some("12adf2f34456gs5;to-tag=12345;from-tag=54321")
                ),
                (
                    "87134@171.161.34.23;to-tag=24796;from-tag=0",
                    Some("87134@171.161.34.23;to-tag=24796;from-tag=0")
                ),
                (";to-tag=1", None),
            ]
        );
        check_reencode!(
            Join<'_>,
            [(
                "12adf2f34456gs5;to-tag=12345;from-tag=54321",
                Some("12adf2f34456gs5;to-tag=12345;from-tag=54321")
            )]
        );
        let text = "fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544";
        check_reencode!(TargetDialog<'_>, [(text, Some(text))]);
        assert_eq!(
            TargetDialog::parse(text).unwrap().remote_tag(),
            Some("6544")
        );
        check_reencode!(
            InReplyTo<'_>,
            [(
                "70710@saturn.bell-tel.com",
                Some("70710@saturn.bell-tel.com")
            )]
        );
    }
}
