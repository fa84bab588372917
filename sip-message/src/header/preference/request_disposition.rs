//! Request-Disposition: how the caller wishes the request to be treated (RFC 3841 §9.1).
//!
//! ```text
//! value = directive *( "," directive )
//! directive = proxy / redirect / cancel / no-cancel / fork / no-fork / recurse / no-recurse /
//!             parallel / sequential / queue / no-queue
//! ```

use crate::header::shape::token_list;

token_list! {
    /// How the caller wishes the request to be treated: `proxy`, `no-fork`, `parallel`, ... (RFC 3841 §9.1).
    ///
    /// ```
    /// use sip_message::header::RequestDisposition;
    /// let wish = RequestDisposition::from_slice(&["no-fork", "parallel"]);
    /// assert_eq!((wish.forks(), wish.is_parallel(), wish.queues()), (Some(false), Some(true), None));
    /// ```
    RequestDisposition
}

macro_rules! directives {
    ($($(#[$doc:meta])* $name:ident: $yes:literal / $no:literal;)*) => {
        impl RequestDisposition<'_> {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<bool> {
                    self.iter().find_map(|word| {
                        if word.eq_ignore_ascii_case($yes) {
                            Some(true)
                        } else {
                            word.eq_ignore_ascii_case($no).then_some(false)
                        }
                    })
                }
            )*
        }
    };
}

directives! {
    /// Should servers forward the request (or redirect)? `None`: the caller does not say.
    proxies: "proxy" / "redirect";
    /// Should branches be cancelled when one has answered?
    cancels: "cancel" / "no-cancel";
    /// May the request go to more than one place?
    forks: "fork" / "no-fork";
    /// Should a proxy follow redirections?
    recurses: "recurse" / "no-recurse";
    /// Should all places be tried at once (or one after the other)?
    is_parallel: "parallel" / "sequential";
    /// Should the call wait when the callee is busy?
    queues: "queue" / "no-queue";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{header_tests, refs, tokens};

    header_tests! {
        RequestDisposition<'_>, rfc3841_9_1_examples: [
            "proxy, recurse, parallel",
            "redirect",
        ],
        refused: ["a b"],
        built: (words in tokens()) => let words = refs(&words); RequestDisposition::from_slice(&words),
    }

    #[test]
    fn rfc3841_9_1_directives() {
        let wish = RequestDisposition::from_slice(&[
            "Redirect",
            "no-cancel",
            "fork",
            "no-recurse",
            "sequential",
            "queue",
        ]);
        assert_eq!(
            (wish.proxies(), wish.cancels(), wish.forks()),
            (Some(false), Some(false), Some(true))
        );
        assert_eq!(
            (wish.recurses(), wish.is_parallel(), wish.queues()),
            (Some(false), Some(false), Some(true))
        );
        assert_eq!(RequestDisposition::from_slice(&[]).proxies(), None);
    }
}
