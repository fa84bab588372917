//! The replay window (RFC 3711 §3.3.2).

use super::SrtpError;

/// Packets behind the newest that may still come. RFC 3711 §3.3.2 asks for 64 at least.
const WINDOW: u64 = 128;

/// Which indices of the last [`WINDOW`] were authenticated already.
#[derive(Debug, Clone, Default)]
pub(super) struct ReplayWindow {
    /// The newest index plus one; 0 before the first.
    next: u64,
    /// Bit `n` is the index `next - 1 - n`.
    seen: u128,
}

impl ReplayWindow {
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(behind) = (self.next).checked_sub(index + 1) else {
            return Ok(());
        };
        if behind >= WINDOW {
            return Err(SrtpError::TooOld);
        }
        if self.seen & (1 << behind) != 0 {
            Err(SrtpError::Replayed)
        } else {
            Ok(())
        }
    }

    /// Notes an index, after its packet was authenticated.
    pub(super) fn note(&mut self, index: u64) {
        match self.next.checked_sub(index + 1) {
            Some(behind) if behind < WINDOW => self.seen |= 1 << behind,
            Some(_) => {}
            None => {
                let ahead = index + 1 - self.next;
                self.seen = if ahead >= WINDOW {
                    0
                } else {
                    self.seen << ahead
                };
                self.seen |= 1;
                self.next = index + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Against the obvious: a set of all that was seen.
        #[test]
        fn it_agrees_with_a_set(indices in proptest::collection::vec(0u64..400, 0..400)) {
            let mut window = ReplayWindow::default();
            let (mut seen, mut newest) = (HashSet::new(), None::<u64>);
            for index in indices {
                let expected = if newest.is_some_and(|newest| index + WINDOW <= newest) {
                    Err(SrtpError::TooOld)
                } else if seen.contains(&index) {
                    Err(SrtpError::Replayed)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.note(index);
                    seen.insert(index);
                    newest = newest.max(Some(index));
                }
            }
        }
    }
}
