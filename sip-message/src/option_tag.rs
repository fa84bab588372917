//! Option tags (RFC 3261 §19.2): the names of extensions in Supported, Require, Proxy-Require and Unsupported.
//!
//! ```
//! use sip_message::{header::Supported, option_tag};
//! let supported = Supported::from_slice(&[option_tag::REL100, option_tag::TIMER]);
//! assert_eq!(supported.to_string(), "100rel, timer");
//! assert!(option_tag::REGISTERED.contains(&option_tag::REPLACES));
//! ```

macro_rules! tags {
    ($($name:ident $text:literal $rfc:literal $what:literal,)*) => {
        $(
            #[doc = concat!("`", $text, "`: ", $what, " (", $rfc, ").")]
            pub const $name: &str = $text;
        )*

        /// Every tag of the IANA registry, in alphabetical order.
        pub const REGISTERED: &[&str] = &[$($text,)*];
    };
}

tags! {
    REL100 "100rel" "RFC 3262" "reliable provisional responses",
    REL199 "199" "RFC 6228" "the response that tells of the end of an early dialog",
    ANSWERMODE "answermode" "RFC 5373" "Answer-Mode and Priv-Answer-Mode",
    EARLY_SESSION "early-session" "RFC 3959" "bodies with the disposition `early-session`",
    EVENTLIST "eventlist" "RFC 4662" "subscriptions to lists of resources",
    EXPLICITSUB "explicitsub" "RFC 7614" "REFER with an explicit subscription",
    FROM_CHANGE "from-change" "RFC 4916" "a connected identity that changes within the dialog",
    GEOLOCATION_HTTP "geolocation-http" "RFC 6442" "locations that are got by HTTP",
    GEOLOCATION_SIP "geolocation-sip" "RFC 6442" "locations that are got by SIP",
    GIN "gin" "RFC 6140" "registration of many numbers at once",
    GRUU "gruu" "RFC 5627" "globally routable user agent URIs",
    HISTINFO "histinfo" "RFC 7044" "History-Info",
    ICE "ice" "RFC 5768" "connectivity checks by ICE",
    JOIN "join" "RFC 3911" "Join",
    MULTIPLE_REFER "multiple-refer" "RFC 5368" "REFER to several targets",
    NOREFERSUB "norefersub" "RFC 4488" "REFER without subscription",
    NOSUB "nosub" "RFC 7614" "REFER that forbids a subscription",
    OUTBOUND "outbound" "RFC 5626" "connections that the user agent makes, and requests come back over",
    PATH "path" "RFC 3327" "Path",
    POLICY "policy" "RFC 6794" "session policies",
    PRECONDITION "precondition" "RFC 3312" "preconditions of a session",
    PREF "pref" "RFC 3840" "features of user agents",
    PRIVACY "privacy" "RFC 3323" "Privacy",
    RECIPIENT_LIST_INVITE "recipient-list-invite" "RFC 5366" "INVITE with a list of recipients",
    RECIPIENT_LIST_MESSAGE "recipient-list-message" "RFC 5365" "MESSAGE with a list of recipients",
    RECIPIENT_LIST_SUBSCRIBE "recipient-list-subscribe" "RFC 5367" "SUBSCRIBE with a list of resources",
    RECORD_AWARE "record-aware" "RFC 7866" "a user agent that shows that it is recorded",
    REPLACES "replaces" "RFC 3891" "Replaces",
    RESOURCE_PRIORITY "resource-priority" "RFC 4412" "Resource-Priority",
    SDP_ANAT "sdp-anat" "RFC 4092" "alternative network addresses in SDP",
    SEC_AGREE "sec-agree" "RFC 3329" "agreement on security",
    SIPREC "siprec" "RFC 7866" "recording sessions",
    TDIALOG "tdialog" "RFC 4538" "Target-Dialog",
    TIMER "timer" "RFC 4028" "session timers",
    TRICKLE_ICE "trickle-ice" "RFC 8840" "candidates of ICE in INFO",
    UUI "uui" "RFC 7433" "User-to-User",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_19_2_tags_are_tokens_and_in_order() {
        assert!(
            REGISTERED
                .iter()
                .all(|tag| crate::chars::all_token(tag.as_bytes()))
        );
        assert!(REGISTERED.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
