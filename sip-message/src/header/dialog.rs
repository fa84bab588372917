//! Dialogs: their reliability, their timers, and how others name them.

mod join;
mod min_se;
mod rack;
mod replaces;
mod rseq;
mod session_expires;
mod session_id;
mod target_dialog;

pub use self::join::Join;
pub use self::min_se::MinSe;
pub use self::rack::RAck;
pub use self::replaces::Replaces;
pub use self::rseq::RSeq;
pub use self::session_expires::{Refresher, SessionExpires};
pub use self::session_id::SessionId;
pub use self::target_dialog::TargetDialog;
