//! What becomes of a call, decided when it begins.

use super::random::Random;

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plan {
    /// Answered; the caller hangs up.
    CallerEnds,
    /// Answered; the callee hangs up.
    CalleeEnds,
    /// Refused with 486.
    Busy,
    /// It rings until the caller gives up.
    Cancelled,
    /// The callee says nothing at all.
    Deaf,
    /// The caller is gone after the ringing: no ACK ever comes.
    CallerVanishes,
    /// Both are gone in the middle of the call.
    BothVanish,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        match random.below(100) {
            0..35 => Self::CallerEnds,
            35..65 => Self::CalleeEnds,
            65..78 => Self::Busy,
            78..90 => Self::Cancelled,
            90..95 => Self::Deaf,
            95..98 => Self::CallerVanishes,
            _ => Self::BothVanish,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CallerEnds => "ended by the caller",
            Self::CalleeEnds => "ended by the callee",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Deaf => "never answered",
            Self::CallerVanishes => "caller vanished",
            Self::BothVanish => "both vanished",
        }
    }
}

/// A call as both of its ends know it; the ends read their own fields only.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: u32,
    pub(crate) callee: u32,
    pub(crate) plan: Plan,
    /// How long it rings, and then lasts.
    pub(crate) rings: u64,
    pub(crate) lasts: u64,
    /// The caller's: what is repeated until something comes, and which turn that is.
    pub(crate) caller_sends: Option<(String, u32)>,
    /// The caller has heard a provisional response.
    pub(crate) proceeding: bool,
    /// The caller's final response.
    pub(crate) final_status: Option<u16>,
    /// The callee's: the INVITE, the last response, and whether that is repeated until its ACK.
    pub(crate) invite: Option<String>,
    pub(crate) response: Option<(String, u32)>,
    pub(crate) acknowledged: bool,
    /// The request that ends it, by whoever sends it.
    pub(crate) bye: Option<(u32, String, u32)>,
    /// The dialog as the caller knows it: To, target, routes.
    pub(crate) dialog: Option<(String, String, String)>,
    /// A BYE was answered.
    pub(crate) ended: bool,
}
