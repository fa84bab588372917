//! [`HeaderName`]: every header field of the IANA registry, from one table.

use core::fmt;
use core::hash::{Hash, Hasher};

use crate::scan;
use crate::token::Token;

/// How the values of a field are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    /// One field, one value.
    One,
    /// A comma separates values, and several fields mean the same as one (RFC 3261 §7.3.1).
    List,
}

macro_rules! names {
    ($($variant:ident $name:literal $compact:literal $arity:ident $rfc:literal,)*) => {
        /// The name of a header field (RFC 3261 §7.3). Names are compared without regard to case, and a compact form
        /// names the same field.
        ///
        /// ```
        /// use sip_message::HeaderName;
        /// assert_eq!(HeaderName::from_bytes(b"v"), Some(HeaderName::Via));
        /// assert_eq!(HeaderName::from_bytes(b"CALL-ID"), Some(HeaderName::CallId));
        /// const MINE: HeaderName = HeaderName::from_static("X-Mine");
        /// assert_eq!(HeaderName::from_bytes(b"x-mine"), Some(MINE));
        /// ```
        ///
        /// | name | compact | values | defined in |
        /// |---|---|---|---|
        $(#[doc = concat!("| `", $name, "` | `", $compact, "` | ", stringify!($arity), " | ", $rfc, " |")])*
        #[derive(Clone)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = concat!("`", $name, "` (", $rfc, ").")] $variant,)*
            /// A field that is not in the table.
            Other(Token),
        }

        #[repr(u8)]
        #[expect(clippy::enum_variant_names, reason = "one field is called Content-ID")]
        enum Id { $($variant,)* }

        const TABLE: &[Entry] = &[$(Entry { name: $name, compact: $compact, arity: Arity::$arity },)*];

        /// Where each entry of the table is defined.
        const DEFINED_IN: &[&str] = &[$($rfc,)*];

        static ALL: &[HeaderName] = &[$(HeaderName::$variant,)*];

        impl HeaderName {
            /// Every name of the table, in alphabetical order.
            pub const REGISTERED: &[Self] = &[$(Self::$variant,)*];

            // Nearly all names are constants, of which this makes one more.
            #[inline(always)]
            pub(crate) const fn id(&self) -> NameId {
                match self {
                    $(Self::$variant => NameId(Id::$variant as u8),)*
                    Self::Other(_) => NameId::OTHER,
                }
            }
        }
    };
}

struct Entry {
    name: &'static str,
    compact: &'static str,
    arity: Arity,
}

names! {
    Accept "Accept" "" List "RFC 3261 §20.1",
    AcceptContact "Accept-Contact" "a" List "RFC 3841",
    AcceptEncoding "Accept-Encoding" "" List "RFC 3261 §20.2",
    AcceptLanguage "Accept-Language" "" List "RFC 3261 §20.3",
    AcceptResourcePriority "Accept-Resource-Priority" "" List "RFC 4412",
    AdditionalIdentity "Additional-Identity" "" List "3GPP TS 24.229",
    AlertInfo "Alert-Info" "" List "RFC 3261 §20.4",
    AlertMsgError "AlertMsg-Error" "" One "RFC 8876",
    Allow "Allow" "" List "RFC 3261 §20.5",
    AllowEvents "Allow-Events" "u" List "RFC 6665",
    AnswerMode "Answer-Mode" "" One "RFC 5373",
    AttestationInfo "Attestation-Info" "" One "3GPP TS 24.229",
    AuthenticationInfo "Authentication-Info" "" One "RFC 3261 §20.6",
    Authorization "Authorization" "" One "RFC 3261 §20.7",
    CallId "Call-ID" "i" One "RFC 3261 §20.8",
    CallInfo "Call-Info" "" List "RFC 3261 §20.9",
    CellularNetworkInfo "Cellular-Network-Info" "" List "3GPP TS 24.229",
    Contact "Contact" "m" List "RFC 3261 §20.10",
    ContentDisposition "Content-Disposition" "" One "RFC 3261 §20.11",
    ContentEncoding "Content-Encoding" "e" List "RFC 3261 §20.12",
    ContentId "Content-ID" "" One "RFC 8262",
    ContentLanguage "Content-Language" "" List "RFC 3261 §20.13",
    ContentLength "Content-Length" "l" One "RFC 3261 §20.14",
    ContentTransferEncoding "Content-Transfer-Encoding" "" One "RFC 2045",
    ContentType "Content-Type" "c" One "RFC 3261 §20.15",
    CSeq "CSeq" "" One "RFC 3261 §20.16",
    Date "Date" "" One "RFC 3261 §20.17",
    DcInfo "DC-Info" "" List "3GPP TS 24.229",
    Diversion "Diversion" "" List "RFC 5806",
    Encryption "Encryption" "" One "RFC 2543",
    ErrorInfo "Error-Info" "" List "RFC 3261 §20.18",
    Event "Event" "o" One "RFC 6665",
    Expires "Expires" "" One "RFC 3261 §20.19",
    FeatureCaps "Feature-Caps" "" List "RFC 6809",
    FlowTimer "Flow-Timer" "" One "RFC 5626",
    From "From" "f" One "RFC 3261 §20.20",
    Geolocation "Geolocation" "" List "RFC 6442",
    GeolocationError "Geolocation-Error" "" One "RFC 6442",
    GeolocationRouting "Geolocation-Routing" "" One "RFC 6442",
    Hide "Hide" "" One "RFC 2543",
    HistoryInfo "History-Info" "" List "RFC 7044",
    Identity "Identity" "y" List "RFC 8224",
    IdentityInfo "Identity-Info" "n" One "RFC 4474",
    InReplyTo "In-Reply-To" "" List "RFC 3261 §20.21",
    InfoPackage "Info-Package" "" One "RFC 6086",
    Join "Join" "" One "RFC 3911",
    MaxBreadth "Max-Breadth" "" One "RFC 5393",
    MaxForwards "Max-Forwards" "" One "RFC 3261 §20.22",
    MimeVersion "MIME-Version" "" One "RFC 3261 §20.24",
    MinExpires "Min-Expires" "" One "RFC 3261 §20.23",
    MinSe "Min-SE" "" One "RFC 4028",
    Organization "Organization" "" One "RFC 3261 §20.25",
    OriginationId "Origination-Id" "" One "3GPP TS 24.229",
    PAccessNetworkInfo "P-Access-Network-Info" "" List "RFC 7315",
    PAnswerState "P-Answer-State" "" One "RFC 4964",
    PAssertedIdentity "P-Asserted-Identity" "" List "RFC 3325",
    PAssertedService "P-Asserted-Service" "" List "RFC 6050",
    PAssociatedUri "P-Associated-URI" "" List "RFC 7315",
    PCalledPartyId "P-Called-Party-ID" "" One "RFC 7315",
    PChargeInfo "P-Charge-Info" "" One "RFC 8496",
    PChargingFunctionAddresses "P-Charging-Function-Addresses" "" List "RFC 7315",
    PChargingVector "P-Charging-Vector" "" One "RFC 7315",
    PDcsBillingInfo "P-DCS-Billing-Info" "" One "RFC 5503",
    PDcsLaes "P-DCS-LAES" "" One "RFC 5503",
    PDcsOsps "P-DCS-OSPS" "" One "RFC 5503",
    PDcsRedirect "P-DCS-Redirect" "" One "RFC 5503",
    PDcsTracePartyId "P-DCS-Trace-Party-ID" "" One "RFC 5503",
    PEarlyMedia "P-Early-Media" "" List "RFC 5009",
    PMediaAuthorization "P-Media-Authorization" "" List "RFC 3313",
    PPreferredIdentity "P-Preferred-Identity" "" List "RFC 3325",
    PPreferredService "P-Preferred-Service" "" List "RFC 6050",
    PPrivateNetworkIndication "P-Private-Network-Indication" "" One "RFC 7316",
    PProfileKey "P-Profile-Key" "" One "RFC 5002",
    PRefusedUriList "P-Refused-URI-List" "" List "RFC 5318",
    PServedUser "P-Served-User" "" One "RFC 5502",
    PUserDatabase "P-User-Database" "" One "RFC 4457",
    PVisitedNetworkId "P-Visited-Network-ID" "" List "RFC 7315",
    Path "Path" "" List "RFC 3327",
    PermissionMissing "Permission-Missing" "" List "RFC 5360",
    PolicyContact "Policy-Contact" "" List "RFC 6794",
    PolicyId "Policy-ID" "" List "RFC 6794",
    Priority "Priority" "" One "RFC 3261 §20.26",
    PriorityShare "Priority-Share" "" One "3GPP TS 24.229",
    PriorityVerstat "Priority-Verstat" "" One "3GPP TS 24.229",
    PrivAnswerMode "Priv-Answer-Mode" "" One "RFC 5373",
    Privacy "Privacy" "" One "RFC 3323",
    ProxyAuthenticate "Proxy-Authenticate" "" One "RFC 3261 §20.27",
    ProxyAuthenticationInfo "Proxy-Authentication-Info" "" One "RFC 7615",
    ProxyAuthorization "Proxy-Authorization" "" One "RFC 3261 §20.28",
    ProxyRequire "Proxy-Require" "" List "RFC 3261 §20.29",
    RAck "RAck" "" One "RFC 3262",
    RSeq "RSeq" "" One "RFC 3262",
    Reason "Reason" "" List "RFC 3326",
    RecordRoute "Record-Route" "" List "RFC 3261 §20.30",
    RecvInfo "Recv-Info" "" List "RFC 6086",
    ReferEventsAt "Refer-Events-At" "" One "RFC 7614",
    ReferSub "Refer-Sub" "" One "RFC 4488",
    ReferTo "Refer-To" "r" One "RFC 3515",
    ReferredBy "Referred-By" "b" One "RFC 3892",
    RejectContact "Reject-Contact" "j" List "RFC 3841",
    RelayedCharge "Relayed-Charge" "" One "3GPP TS 24.229",
    RemotePartyId "Remote-Party-ID" "" List "draft-ietf-sip-privacy",
    Replaces "Replaces" "" One "RFC 3891",
    ReplyTo "Reply-To" "" One "RFC 3261 §20.31",
    RequestDisposition "Request-Disposition" "d" List "RFC 3841",
    Require "Require" "" List "RFC 3261 §20.32",
    ResourcePriority "Resource-Priority" "" List "RFC 4412",
    ResourceShare "Resource-Share" "" One "3GPP TS 24.229",
    ResponseKey "Response-Key" "" One "RFC 2543",
    ResponseSource "Response-Source" "" One "3GPP TS 24.229",
    RestorationInfo "Restoration-Info" "" One "3GPP TS 24.229",
    RetryAfter "Retry-After" "" One "RFC 3261 §20.33",
    Route "Route" "" List "RFC 3261 §20.34",
    SecurityClient "Security-Client" "" List "RFC 3329",
    SecurityServer "Security-Server" "" List "RFC 3329",
    SecurityVerify "Security-Verify" "" List "RFC 3329",
    Server "Server" "" One "RFC 3261 §20.35",
    ServiceInteractInfo "Service-Interact-Info" "" One "3GPP TS 24.229",
    ServiceRoute "Service-Route" "" List "RFC 3608",
    SessionExpires "Session-Expires" "x" One "RFC 4028",
    SessionId "Session-ID" "" One "RFC 7989",
    SipETag "SIP-ETag" "" One "RFC 3903",
    SipIfMatch "SIP-If-Match" "" One "RFC 3903",
    Subject "Subject" "s" One "RFC 3261 §20.36",
    SubscriptionState "Subscription-State" "" One "RFC 6665",
    Supported "Supported" "k" List "RFC 3261 §20.37",
    SuppressIfMatch "Suppress-If-Match" "" One "RFC 5839",
    TargetDialog "Target-Dialog" "" One "RFC 4538",
    Timestamp "Timestamp" "" One "RFC 3261 §20.38",
    To "To" "t" One "RFC 3261 §20.39",
    TriggerConsent "Trigger-Consent" "" List "RFC 5360",
    Unsupported "Unsupported" "" List "RFC 3261 §20.40",
    UserAgent "User-Agent" "" One "RFC 3261 §20.41",
    UserToUser "User-to-User" "" List "RFC 7433",
    Via "Via" "v" List "RFC 3261 §20.42",
    Warning "Warning" "" List "RFC 3261 §20.43",
    WwwAuthenticate "WWW-Authenticate" "" One "RFC 3261 §20.44",
}

/// A name as the field index keeps it: the place in the table, or [`NameId::OTHER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameId(pub(crate) u8);

impl NameId {
    pub(crate) const OTHER: Self = Self(u8::MAX);

    /// The table entry that the bytes name, in its long or compact form.
    pub(crate) fn lookup(name: &[u8]) -> Self {
        Key::named(name).map_or(Self::OTHER, Key::id)
    }

    /// Its number in [`place`].
    #[inline]
    pub(crate) fn place(self) -> usize {
        #[expect(
            clippy::indexing_slicing,
            reason = "a table of 256 entries indexed by a byte"
        )]
        usize::from(PLACES[usize::from(self.0)])
    }

    #[inline]
    pub(crate) fn arity(self) -> Arity {
        TABLE
            .get(usize::from(self.0))
            .map_or(Arity::One, |entry| entry.arity)
    }

    /// The compact form, if the field has one.
    pub(crate) fn compact(self) -> Option<&'static str> {
        TABLE
            .get(usize::from(self.0))
            .map(|entry| entry.compact)
            .filter(|compact| !compact.is_empty())
    }

    pub(crate) fn name(self) -> Option<HeaderName> {
        ALL.get(usize::from(self.0)).cloned()
    }
}

/// The fields that elements look at, numbered: the parser remembers where the first of each is.
pub(crate) mod place {
    pub(crate) const FROM: usize = 0;
    pub(crate) const TO: usize = 1;
    pub(crate) const CALL_ID: usize = 2;
    pub(crate) const CSEQ: usize = 3;
    pub(crate) const MAX_FORWARDS: usize = 4;
    pub(crate) const CONTENT_LENGTH: usize = 5;
    pub(crate) const CONTENT_TYPE: usize = 6;
    /// The first that may be there more than once, as may all that follow.
    pub(crate) const VIA: usize = 7;
    pub(crate) const CONTACT: usize = 8;
    pub(crate) const ROUTE: usize = 9;
    pub(crate) const RECORD_ROUTE: usize = 10;
    pub(crate) const REQUIRE: usize = 11;
    pub(crate) const PROXY_REQUIRE: usize = 12;
    pub(crate) const SUPPORTED: usize = 13;
    pub(crate) const EXPIRES: usize = 14;
    pub(crate) const AUTHORIZATION: usize = 15;
    pub(crate) const PROXY_AUTHORIZATION: usize = 16;
    /// The first that several names share: what is known of such a number is whether there is a field of any of them.
    pub(crate) const SHARED: usize = 17;
    /// The fields that many messages have and few elements look at, and those that the table does not have.
    pub(crate) const OTHER: usize = 17;
    /// The first of those that all other names of the table are spread over.
    pub(crate) const SPREAD: usize = 18;
    /// How many numbers there are.
    pub(crate) const COUNT: usize = 23;
}

/// One spelling of a name of the table, long or compact, with the colon behind it, as words of eight bytes (the first
/// byte lowest): finding a name takes a few comparisons of words, and no search for its end beforehand.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// The letters in upper case.
    words: [u64; WORDS],
    /// 0xdf for each letter, so that its case does not count, and 0xff for everything else.
    masks: [u64; WORDS],
    id: NameId,
    len: u8,
    place: u8,
}

/// The longest name has 29 bytes, and the colon makes it 30.
const WINDOW: usize = 32;
const WORDS: usize = WINDOW / 8;
const KEY_COUNT: usize = TABLE.len() + compact_count();
const SLOT_COUNT: usize = 1024;
const COLONS: u64 = u64::from_le_bytes([b':'; 8]);
const _: () = assert!(KEY_COUNT < NameId::OTHER.0 as usize && KEY_COUNT * 4 < SLOT_COUNT);

impl Key {
    /// The name at the front of a line, if it is one of the table and its colon is right behind.
    pub(crate) fn at_front(line: &[u8]) -> Option<&'static Self> {
        let (a, rest) = line.split_first_chunk()?;
        Self::of_words(u64::from_le_bytes(*a), rest)
    }

    /// The same for a line whose first eight bytes were taken as a word.
    #[inline(always)]
    pub(crate) fn of_words(a: u64, rest: &[u8]) -> Option<&'static Self> {
        if let Some(a) = up_to_colon(a) {
            return Self::find(hash([a, 0, 0, 0]), |key| key.is(0, a));
        }
        let (b, rest) = rest.split_first_chunk()?;
        let b = u64::from_le_bytes(*b);
        if let Some(b) = up_to_colon(b) {
            return Self::find(hash([a, b, 0, 0]), |key| key.is(0, a) && key.is(1, b));
        }
        Self::long_at_front(a, b, rest)
    }

    #[inline(never)]
    fn long_at_front(a: u64, b: u64, rest: &[u8]) -> Option<&'static Self> {
        let (c, rest) = rest.split_first_chunk()?;
        let c = u64::from_le_bytes(*c);
        let (c, d) = match up_to_colon(c) {
            Some(c) => (c, 0),
            None => (c, up_to_colon(u64::from_le_bytes(*rest.first_chunk()?))?),
        };
        Self::find(hash([a, b, c, d]), |key| {
            key.is(0, a) && key.is(1, b) && key.is(2, c) && key.is(3, d)
        })
    }

    /// The name that the bytes are.
    pub(crate) fn named(name: &[u8]) -> Option<&'static Self> {
        let mut window = [0; WINDOW];
        window.get_mut(..name.len())?.copy_from_slice(name);
        *window.get_mut(name.len())? = b':';
        Self::at_front(&window).filter(|key| key.len() == name.len() + 1)
    }

    #[inline]
    fn find(slot: usize, is: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        let mut slot = slot;
        loop {
            #[expect(
                clippy::indexing_slicing,
                reason = "the hash and the step are masked to the table"
            )]
            let key = KEYS.get(usize::from(SLOTS[slot]))?;
            if is(key) {
                return Some(key);
            }
            slot = (slot + 1) & (SLOT_COUNT - 1);
        }
    }

    #[inline]
    fn is(&self, at: usize, word: u64) -> bool {
        self.words.get(at).copied() == self.masks.get(at).map(|mask| word & mask)
    }

    #[inline]
    pub(crate) const fn id(&self) -> NameId {
        self.id
    }

    /// Bytes of the name and its colon.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// The number in [`place`] of this field.
    #[inline]
    pub(crate) const fn place(&self) -> usize {
        self.place as usize
    }

    #[expect(clippy::indexing_slicing, reason = "const evaluation")]
    const fn new(name: &str, id: u8) -> Self {
        let name = name.as_bytes();
        let mut text = [0; WINDOW];
        let mut masks = [0xff; WINDOW];
        let mut i = 0;
        while i < name.len() {
            text[i] = name[i].to_ascii_uppercase();
            if name[i].is_ascii_alphabetic() {
                masks[i] = 0xdf;
            }
            i += 1;
        }
        text[i] = b':';
        Self {
            words: words(&text),
            masks: words(&masks),
            id: NameId(id),
            len: name.len() as u8 + 1,
            place: place_of(NameId(id)) as u8,
        }
    }
}

const fn place_of(id: NameId) -> usize {
    match id {
        ID_FROM => place::FROM,
        ID_TO => place::TO,
        ID_CALL_ID => place::CALL_ID,
        ID_CSEQ => place::CSEQ,
        ID_MAX_FORWARDS => place::MAX_FORWARDS,
        ID_CONTENT_LENGTH => place::CONTENT_LENGTH,
        ID_CONTENT_TYPE => place::CONTENT_TYPE,
        ID_VIA => place::VIA,
        ID_CONTACT => place::CONTACT,
        ID_ROUTE => place::ROUTE,
        ID_RECORD_ROUTE => place::RECORD_ROUTE,
        ID_REQUIRE => place::REQUIRE,
        ID_PROXY_REQUIRE => place::PROXY_REQUIRE,
        ID_SUPPORTED => place::SUPPORTED,
        ID_EXPIRES => place::EXPIRES,
        ID_AUTHORIZATION => place::AUTHORIZATION,
        ID_PROXY_AUTHORIZATION => place::PROXY_AUTHORIZATION,
        NameId::OTHER | ID_ALLOW | ID_USER_AGENT | ID_SERVER | ID_ACCEPT | ID_ALLOW_EVENTS => {
            place::OTHER
        }
        NameId(id) => place::SPREAD + id as usize % (place::COUNT - place::SPREAD),
    }
}

/// The number in [`place`] of a field, by the number of its name.
static PLACES: [u8; 256] = places();

#[expect(
    clippy::indexing_slicing,
    reason = "const evaluation, bounded by the loop"
)]
const fn places() -> [u8; 256] {
    let mut places = [0; 256];
    let mut i = 0;
    while i < places.len() {
        places[i] = place_of(NameId(i as u8)) as u8;
        i += 1;
    }
    places
}

const ID_VIA: NameId = HeaderName::Via.id();
const ID_FROM: NameId = HeaderName::From.id();
const ID_TO: NameId = HeaderName::To.id();
const ID_CALL_ID: NameId = HeaderName::CallId.id();
const ID_CSEQ: NameId = HeaderName::CSeq.id();
const ID_MAX_FORWARDS: NameId = HeaderName::MaxForwards.id();
const ID_CONTENT_LENGTH: NameId = HeaderName::ContentLength.id();
const ID_CONTENT_TYPE: NameId = HeaderName::ContentType.id();
const ID_CONTACT: NameId = HeaderName::Contact.id();
const ID_ROUTE: NameId = HeaderName::Route.id();
const ID_RECORD_ROUTE: NameId = HeaderName::RecordRoute.id();
const ID_REQUIRE: NameId = HeaderName::Require.id();
const ID_PROXY_REQUIRE: NameId = HeaderName::ProxyRequire.id();
const ID_SUPPORTED: NameId = HeaderName::Supported.id();
const ID_EXPIRES: NameId = HeaderName::Expires.id();
const ID_AUTHORIZATION: NameId = HeaderName::Authorization.id();
const ID_PROXY_AUTHORIZATION: NameId = HeaderName::ProxyAuthorization.id();
const ID_ALLOW: NameId = HeaderName::Allow.id();
const ID_USER_AGENT: NameId = HeaderName::UserAgent.id();
const ID_SERVER: NameId = HeaderName::Server.id();
const ID_ACCEPT: NameId = HeaderName::Accept.id();
const ID_ALLOW_EVENTS: NameId = HeaderName::AllowEvents.id();

/// The window as words, the first byte lowest.
#[inline]
const fn words(window: &[u8; WINDOW]) -> [u64; WORDS] {
    let w = window;
    [
        u64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]),
        u64::from_le_bytes([w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15]]),
        u64::from_le_bytes([w[16], w[17], w[18], w[19], w[20], w[21], w[22], w[23]]),
        u64::from_le_bytes([w[24], w[25], w[26], w[27], w[28], w[29], w[30], w[31]]),
    ]
}

/// The word without what follows its first colon, if it has one.
#[inline]
const fn up_to_colon(word: u64) -> Option<u64> {
    let marks = scan::zero_bytes(word ^ COLONS);
    if marks == 0 {
        return None;
    }
    // The lowest mark is the high bit of the colon's byte.
    Some(word & (marks ^ (marks - 1)))
}

/// Case folded, which some other characters survive as well: the comparison decides.
#[inline]
const fn hash(words: [u64; WORDS]) -> usize {
    const FOLD: u64 = 0xdfdf_dfdf_dfdf_dfdf;
    let [a, b, c, d] = words;
    let mixed = (a & FOLD)
        ^ (b & FOLD).rotate_left(21)
        ^ (c & FOLD).rotate_left(42)
        ^ (d & FOLD).rotate_left(13);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOT_COUNT.trailing_zeros())) as usize
}

static KEYS: [Key; KEY_COUNT] = keys();

#[expect(
    clippy::indexing_slicing,
    reason = "const evaluation, bounded by the loop"
)]
const fn compact_count() -> usize {
    let mut count = 0;
    let mut i = 0;
    while i < TABLE.len() {
        if !TABLE[i].compact.is_empty() {
            count += 1;
        }
        i += 1;
    }
    count
}

#[expect(
    clippy::indexing_slicing,
    reason = "const evaluation, bounded by the loop"
)]
const fn keys() -> [Key; KEY_COUNT] {
    let mut keys = [Key::new("", 0); KEY_COUNT];
    let mut next = TABLE.len();
    let mut i = 0;
    while i < TABLE.len() {
        let id = i as u8;
        keys[i] = Key::new(TABLE[i].name, id);
        if !TABLE[i].compact.is_empty() {
            keys[next] = Key::new(TABLE[i].compact, id);
            next += 1;
        }
        i += 1;
    }
    keys
}

static SLOTS: [u8; SLOT_COUNT] = slots();

#[expect(
    clippy::indexing_slicing,
    reason = "const evaluation, bounded by the loops"
)]
const fn slots() -> [u8; SLOT_COUNT] {
    let keys = keys();
    let mut slots = [NameId::OTHER.0; SLOT_COUNT];
    let mut i = 0;
    while i < KEY_COUNT {
        let mut slot = hash(keys[i].words);
        while slots[slot] != NameId::OTHER.0 {
            slot = (slot + 1) & (SLOT_COUNT - 1);
        }
        slots[slot] = i as u8;
        i += 1;
    }
    slots
}

impl HeaderName {
    /// The name that the bytes spell, in any case, long or compact; `None` if they are not a token.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        NameId::lookup(bytes)
            .name()
            .or_else(|| Token::from_bytes(bytes).map(Self::Other))
    }

    /// A name that is not in the table, for use in a constant. A name of the table has its own variant, which this is
    /// not equal to.
    ///
    /// # Panics
    /// When the text is not a token; in a constant, that does not compile.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self::Other(Token::from_static(name))
    }

    /// The canonical spelling, or for a name that is not in the table the one it came with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if let Self::Other(token) = self {
            return token.as_str();
        }
        TABLE
            .get(usize::from(self.id().0))
            .map_or("", |entry| entry.name)
    }

    /// The compact form, if the field has one (RFC 3261 §7.3.3).
    #[must_use]
    pub fn compact(&self) -> Option<&'static str> {
        self.id().compact()
    }

    /// The document that defines the field, with the section for RFC 3261: `RFC 3891`. `None` for a name that is not in
    /// the table.
    #[must_use]
    pub fn defined_in(&self) -> Option<&'static str> {
        DEFINED_IN.get(usize::from(self.id().0)).copied()
    }

    /// May a comma separate several values in one field (RFC 3261 §7.3.1)?
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.id().arity() == Arity::List
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.as_str().eq_ignore_ascii_case(b.as_str()),
            (a, b) => a.id() == b.id(),
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().0.hash(state);
        if let Self::Other(token) = self {
            for byte in token.as_str().bytes() {
                byte.to_ascii_lowercase().hash(state);
            }
        }
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_7_3_1_every_name_reads_in_every_case() {
        for (name, entry) in HeaderName::REGISTERED.iter().zip(TABLE) {
            assert_eq!(name.as_str(), entry.name);
            assert_eq!(
                HeaderName::from_bytes(entry.name.as_bytes()).as_ref(),
                Some(name)
            );
            assert_eq!(
                HeaderName::from_bytes(entry.name.to_ascii_uppercase().as_bytes()).as_ref(),
                Some(name)
            );
            assert_eq!(
                HeaderName::from_bytes(entry.name.to_ascii_lowercase().as_bytes()).as_ref(),
                Some(name)
            );
        }
        assert_eq!(HeaderName::REGISTERED.len(), TABLE.len());
    }

    #[test]
    fn rfc3261_7_3_3_every_compact_form_reads() {
        let mut count = 0;
        for name in HeaderName::REGISTERED {
            let Some(compact) = name.compact() else {
                continue;
            };
            count += 1;
            assert_eq!(
                HeaderName::from_bytes(compact.as_bytes()).as_ref(),
                Some(name)
            );
            assert_eq!(
                HeaderName::from_bytes(compact.to_ascii_uppercase().as_bytes()).as_ref(),
                Some(name)
            );
        }
        assert_eq!(count, 20);
    }

    #[test]
    fn unknown_names_compare_without_case() {
        let a = HeaderName::from_bytes(b"X-Thing").unwrap();
        assert_eq!(a, HeaderName::from_static("x-tHING"));
        assert_ne!(a, HeaderName::from_static("x-other"));
        assert_eq!(a.as_str(), "X-Thing");
        assert_eq!(HeaderName::from_bytes(b"z").unwrap().as_str(), "z");
        assert_eq!(HeaderName::from_bytes(b"no colon"), None);
    }

    #[test]
    fn collisions_stay_rare() {
        let displaced = KEYS
            .iter()
            .enumerate()
            .filter(|(i, key)| usize::from(SLOTS[hash(key.words)]) != *i)
            .count();
        assert!(displaced <= 14, "{displaced} names are not in their slot");
        // None of those that nearly every message has.
        for name in [
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "Max-Forwards",
            "Content-Length",
            "Content-Type",
            "Record-Route",
            "Route",
            "Allow",
            "Supported",
            "User-Agent",
            "Expires",
            "Authorization",
        ] {
            let id = NameId::lookup(name.as_bytes());
            let key = KEYS.iter().position(|key| key.id == id).unwrap();
            assert_eq!(usize::from(SLOTS[hash(KEYS[key].words)]), key, "{name}");
        }
    }

    #[test]
    fn only_letters_have_a_case() {
        // 0x0d is `-` without the bit that lower case letters have.
        assert_eq!(NameId::lookup(b"Call\rID"), NameId::OTHER);
        assert_eq!(NameId::lookup(b"Via\0"), NameId::OTHER);
        assert_eq!(NameId::lookup(b"Via:"), NameId::OTHER);
        assert_eq!(NameId::lookup(b""), NameId::OTHER);
        assert_eq!(NameId::lookup(&[b'a'; 31]), NameId::OTHER);
        assert_eq!(NameId::lookup(&[b'a'; 32]), NameId::OTHER);
        let front = |line: &[u8]| {
            let mut window = [b' '; WINDOW];
            window[..line.len()].copy_from_slice(line);
            Key::at_front(&window).map(|key| (key.id(), key.len()))
        };
        assert_eq!(front(b"via:SIP/2.0:"), Some((ID_VIA, 4)));
        assert_eq!(front(b"I:x@y:1"), Some((ID_CALL_ID, 2)));
        assert_eq!(front(b"Max-Forwards:70"), Some((ID_MAX_FORWARDS, 13)));
        assert_eq!(front(b"Via : SIP/2.0"), None);
        assert_eq!(front(b": x"), None);
        assert_eq!(front(b"X-Unknown: 1"), None);
        assert_eq!(front(b"Viaa: 1"), None);
        assert_eq!(front(b"[ia: 1"), None);
    }
}
