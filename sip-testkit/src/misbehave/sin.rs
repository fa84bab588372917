//! [`Sin`]: the names of what can be done wrong, and [`Role`]: against whom.

/// Defines the sins once: the variant, its name on a command line, and what it does.
macro_rules! sins {
    ($($(#[$reason:meta])* $variant:ident = $name:literal, $what:literal;)+) => {
        /// What a [`Peer`](super::Peer) does wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Sin { $(#[doc = $what] $variant,)+ }

        impl Sin {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name by which it is asked for.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What is done.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what),+ }
            }
        }
    };
}

sins! {
    WrongBranch = "wrong-branch", "Responses have another branch than their request.";
    TagsChange = "tags-change", "Each response has another To tag, each request of a dialog another From tag.";
    CSeqJumps = "cseq-jumps", "CSeq jumps: in responses to another number, in a dialog to the highest and back.";
    AnswersAfterCancel = "2xx-after-cancel", "A CANCEL is answered, and then the call too, by 200; or a call is cancelled that was answered.";
    Storm = "200-storm", "Each final response is sent 200 times, and each request.";
    NoAck = "no-ack", "The ACK never comes: neither that of a call nor that of a change to it.";
    ContactNowhere = "contact-unreachable", "Contact names an address where nobody is.";
    LengthTooLong = "length-too-long", "Content-Length is one more than there is.";
    LengthTooShort = "length-too-short", "Content-Length is one less than there is.";
    ViaStripped = "via-stripped", "There is no Via.";
    OtherPort = "other-port", "It comes from another port than it should, over a stream from another connection.";
    HalfSegments = "half-segments", "Half a message per segment, or per datagram.";
    LongReason = "long-reason", "A reason phrase of 60 KB, a Subject of 60 KB.";
    ManyVias = "500-vias", "There are 500 Vias.";
    RouteLoop = "route-loop", "Sixty Routes lead to the same place, and as many Record-Routes.";
    HeaderFlood = "header-flood", "3000 fields that nobody knows.";
    NoHopsLeft = "no-hops-left", "Max-Forwards is 0.";
    TwoOfEach = "two-of-each", "From, To, Call-ID and CSeq are there twice, with two values.";
    MethodMismatch = "method-mismatch", "CSeq names another method.";
    NumbersTooLarge = "numbers-too-large", "CSeq and Max-Forwards are beyond any number.";
    ControlCharacters = "control-characters", "NUL, BEL and ESC in a name and in the reason phrase.";
    BadUtf8 = "bad-utf8", "Bytes that are no UTF-8 in a name and in the reason phrase.";
    Vanishes = "vanishes", "After its first request, or the first one to it, it is gone.";
    RingsForEver = "rings-for-ever", "180 for four minutes and no answer; or the same request, answered or not, for half a minute.";
    StrangeVersion = "strange-version", "The version is SIP/9.0.";
    StrangeStatus = "strange-status", "Responses with status 000 and 999 before the right one; or to requests that nobody sent.";
    AnswersAck = "answers-ack", "An ACK is answered; ACKs come that belong to nothing.";
    RedirectsToItself = "redirects-to-itself", "302 to where the request came for; a Contact that is the address of record itself.";
    ChallengesForEver = "challenges-for-ever", "401, with another nonce each time; or credentials that nobody asked for.";
    OldBranch = "old-branch", "A branch without the cookie, as RFC 2543 knew it.";
    SameBranch = "same-branch", "Three requests of three calls with one branch.";
    UnknownMethod = "unknown-method", "A method that nobody knows.";
    UnknownScheme = "unknown-scheme", "A Request-URI, or a Contact, of a scheme that nobody knows.";
    RequiresNonsense = "requires-nonsense", "Extensions are required that nobody has.";
    StrayBye = "stray-bye", "BYE, CANCEL and a re-INVITE of a call that is not there.";
    UnorderedReliable = "unordered-reliable", "Reliable provisional responses out of order; or a PRACK for none.";
    HugeBody = "huge-body", "A session description of 50 KB.";
    Folded = "folded", "Each field is folded, as is allowed.";
    Compact = "compact", "Compact names and strange case, as is allowed.";
    BareNewlines = "bare-newlines", "Lines end with LF alone.";
    Garbage = "garbage", "Before each message comes one that is none, and keep-alives by the hundred.";
}

impl Sin {
    /// The sin of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|sin| sin.name() == name)
    }
}

/// Whom a peer misbehaves against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It registers there.
    Registrar,
    /// It calls somebody through it.
    Proxy,
    /// Somebody calls it through it.
    ProxyCallee,
    /// It asks it where somebody is.
    Redirect,
    /// It calls somebody through it, without a transaction there.
    Stateless,
    /// Somebody calls it through it, without a transaction there.
    StatelessCallee,
    /// It watches a registration there.
    Notifier,
    /// It calls it.
    Callee,
    /// It is called by it.
    Caller,
}

impl Role {
    /// All of them, in the order of the columns of the verdicts.
    pub const ALL: &'static [Self] = &[
        Self::Registrar,
        Self::Proxy,
        Self::ProxyCallee,
        Self::Redirect,
        Self::Stateless,
        Self::StatelessCallee,
        Self::Notifier,
        Self::Callee,
        Self::Caller,
    ];

    /// The name by which it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registrar => "registrar",
            Self::Proxy => "proxy",
            Self::ProxyCallee => "proxy-callee",
            Self::Redirect => "redirect",
            Self::Stateless => "stateless",
            Self::StatelessCallee => "stateless-callee",
            Self::Notifier => "notifier",
            Self::Callee => "callee",
            Self::Caller => "caller",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }

    /// Whether the peer waits until it is called.
    #[must_use]
    pub const fn calls_the_peer(self) -> bool {
        matches!(
            self,
            Self::ProxyCallee | Self::StatelessCallee | Self::Caller
        )
    }
}
