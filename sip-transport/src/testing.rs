//! What the unit tests of this crate share.

use std::time::Instant;

/// Where the clock of a test begins.
#[expect(
    clippy::disallowed_methods,
    reason = "the one reading of the clock, from which tests count"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}
