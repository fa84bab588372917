//! [`StatusCode`]: the result of a request.

use core::fmt;

macro_rules! statuses {
    ($($code:literal $konst:ident $phrase:literal $rfc:literal,)*) => {
        impl StatusCode {
            $(
                #[doc = concat!("`", $code, " ", $phrase, "` (RFC ", $rfc, ").")]
                pub const $konst: Self = Self($code);
            )*

            /// Every registered code, in ascending order.
            pub const REGISTERED: &[Self] = &[$(Self($code),)*];

            /// The reason phrase that the registry gives the code; for an unregistered one that of its class.
            #[must_use]
            pub const fn reason_phrase(self) -> &'static str {
                match self.0 {
                    $($code => $phrase,)*
                    100..=199 => "Session Progress",
                    200..=299 => "OK",
                    300..=399 => "Multiple Choices",
                    400..=499 => "Bad Request",
                    500..=599 => "Server Internal Error",
                    _ => "Decline",
                }
            }
        }
    };
}

/// The three-digit result of a request, 100 to 699 (RFC 3261 §7.2, §21).
///
/// ```
/// use sip_message::StatusCode;
/// assert!(StatusCode::RINGING.is_provisional());
/// assert_eq!(StatusCode::from_u16(486), Some(StatusCode::BUSY_HERE));
/// assert_eq!(StatusCode::from_u16(486).unwrap().reason_phrase(), "Busy Here");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

statuses! {
    100 TRYING "Trying" "3261",
    180 RINGING "Ringing" "3261",
    181 CALL_IS_BEING_FORWARDED "Call Is Being Forwarded" "3261",
    182 QUEUED "Queued" "3261",
    183 SESSION_PROGRESS "Session Progress" "3261",
    199 EARLY_DIALOG_TERMINATED "Early Dialog Terminated" "6228",
    200 OK "OK" "3261",
    202 ACCEPTED "Accepted" "6665",
    204 NO_NOTIFICATION "No Notification" "5839",
    300 MULTIPLE_CHOICES "Multiple Choices" "3261",
    301 MOVED_PERMANENTLY "Moved Permanently" "3261",
    302 MOVED_TEMPORARILY "Moved Temporarily" "3261",
    305 USE_PROXY "Use Proxy" "3261",
    380 ALTERNATIVE_SERVICE "Alternative Service" "3261",
    400 BAD_REQUEST "Bad Request" "3261",
    401 UNAUTHORIZED "Unauthorized" "3261",
    402 PAYMENT_REQUIRED "Payment Required" "3261",
    403 FORBIDDEN "Forbidden" "3261",
    404 NOT_FOUND "Not Found" "3261",
    405 METHOD_NOT_ALLOWED "Method Not Allowed" "3261",
    406 NOT_ACCEPTABLE "Not Acceptable" "3261",
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required" "3261",
    408 REQUEST_TIMEOUT "Request Timeout" "3261",
    410 GONE "Gone" "3261",
    412 CONDITIONAL_REQUEST_FAILED "Conditional Request Failed" "3903",
    413 REQUEST_ENTITY_TOO_LARGE "Request Entity Too Large" "3261",
    414 URI_TOO_LONG "Request-URI Too Long" "3261",
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type" "3261",
    416 UNSUPPORTED_URI_SCHEME "Unsupported URI Scheme" "3261",
    417 UNKNOWN_RESOURCE_PRIORITY "Unknown Resource-Priority" "4412",
    420 BAD_EXTENSION "Bad Extension" "3261",
    421 EXTENSION_REQUIRED "Extension Required" "3261",
    422 SESSION_INTERVAL_TOO_SMALL "Session Interval Too Small" "4028",
    423 INTERVAL_TOO_BRIEF "Interval Too Brief" "3261",
    424 BAD_LOCATION_INFORMATION "Bad Location Information" "6442",
    425 BAD_ALERT_MESSAGE "Bad Alert Message" "8876",
    428 USE_IDENTITY_HEADER "Use Identity Header" "8224",
    429 PROVIDE_REFERRER_IDENTITY "Provide Referrer Identity" "3892",
    430 FLOW_FAILED "Flow Failed" "5626",
    433 ANONYMITY_DISALLOWED "Anonymity Disallowed" "5079",
    436 BAD_IDENTITY_INFO "Bad Identity Info" "8224",
    437 UNSUPPORTED_CREDENTIAL "Unsupported Credential" "8224",
    438 INVALID_IDENTITY_HEADER "Invalid Identity Header" "8224",
    439 FIRST_HOP_LACKS_OUTBOUND_SUPPORT "First Hop Lacks Outbound Support" "5626",
    440 MAX_BREADTH_EXCEEDED "Max-Breadth Exceeded" "5393",
    469 BAD_INFO_PACKAGE "Bad Info Package" "6086",
    470 CONSENT_NEEDED "Consent Needed" "5360",
    480 TEMPORARILY_UNAVAILABLE "Temporarily Unavailable" "3261",
    481 CALL_DOES_NOT_EXIST "Call/Transaction Does Not Exist" "3261",
    482 LOOP_DETECTED "Loop Detected" "3261",
    483 TOO_MANY_HOPS "Too Many Hops" "3261",
    484 ADDRESS_INCOMPLETE "Address Incomplete" "3261",
    485 AMBIGUOUS "Ambiguous" "3261",
    486 BUSY_HERE "Busy Here" "3261",
    487 REQUEST_TERMINATED "Request Terminated" "3261",
    488 NOT_ACCEPTABLE_HERE "Not Acceptable Here" "3261",
    489 BAD_EVENT "Bad Event" "6665",
    491 REQUEST_PENDING "Request Pending" "3261",
    493 UNDECIPHERABLE "Undecipherable" "3261",
    494 SECURITY_AGREEMENT_REQUIRED "Security Agreement Required" "3329",
    500 SERVER_INTERNAL_ERROR "Server Internal Error" "3261",
    501 NOT_IMPLEMENTED "Not Implemented" "3261",
    502 BAD_GATEWAY "Bad Gateway" "3261",
    503 SERVICE_UNAVAILABLE "Service Unavailable" "3261",
    504 SERVER_TIMEOUT "Server Time-out" "3261",
    505 VERSION_NOT_SUPPORTED "Version Not Supported" "3261",
    513 MESSAGE_TOO_LARGE "Message Too Large" "3261",
    555 PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED "Push Notification Service Not Supported" "8599",
    580 PRECONDITION_FAILURE "Precondition Failure" "3312",
    600 BUSY_EVERYWHERE "Busy Everywhere" "3261",
    603 DECLINE "Decline" "3261",
    604 DOES_NOT_EXIST_ANYWHERE "Does Not Exist Anywhere" "3261",
    606 NOT_ACCEPTABLE_ANYWHERE "Not Acceptable" "3261",
    607 UNWANTED "Unwanted" "8197",
    608 REJECTED "Rejected" "8688",
}

impl StatusCode {
    /// The code, if it is one of 100 to 699.
    #[must_use]
    pub const fn from_u16(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// The first digit: 1 to 6.
    #[must_use]
    pub const fn class(self) -> u8 {
        (self.0 / 100) as u8
    }

    /// 1xx: the request is being processed.
    #[must_use]
    pub const fn is_provisional(self) -> bool {
        self.class() == 1
    }

    /// 2xx to 6xx: the request is decided.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !self.is_provisional()
    }

    /// 2xx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }

    /// 3xx.
    #[must_use]
    pub const fn is_redirect(self) -> bool {
        self.class() == 3
    }

    /// 3xx to 6xx: final, and not a success.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.class() >= 3
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_7_2_classes() {
        assert!(StatusCode::from_u16(99).is_none());
        assert!(StatusCode::from_u16(700).is_none());
        assert!(StatusCode::TRYING.is_provisional() && !StatusCode::TRYING.is_final());
        assert!(StatusCode::OK.is_success() && !StatusCode::OK.is_failure());
        assert!(
            StatusCode::MOVED_TEMPORARILY.is_redirect()
                && StatusCode::MOVED_TEMPORARILY.is_failure()
        );
        assert!(StatusCode::REGISTERED.is_sorted());
    }

    #[test]
    fn rfc3261_8_1_3_2_unknown_codes_have_the_phrase_of_their_class() {
        assert_eq!(
            StatusCode::from_u16(431).unwrap().reason_phrase(),
            "Bad Request"
        );
        assert_eq!(
            StatusCode::from_u16(699).unwrap().reason_phrase(),
            "Decline"
        );
    }
}
