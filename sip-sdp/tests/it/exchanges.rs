//! Exchanges with Chromium 156 and Firefox 153 as they were recorded by `examples/browser.rs`: what the browsers sent is
//! replayed, and this side must say again what they took.

use std::collections::BTreeSet;

use sip_sdp::SessionDescription;

use crate::data::split;
use crate::exchange::{OUR_OFFERS, Side};

const EXCHANGES: &str = include_str!("../data/exchanges.txt");

/// The texts of one browser in order: step and kind (`first answer`), and the text.
fn recorded(browser: &str) -> Vec<(String, String)> {
    split(EXCHANGES)
        .into_iter()
        .filter_map(|(name, text)| {
            let step = name.strip_prefix(browser)?.strip_prefix(' ')?;
            Some((step.to_owned(), text))
        })
        .collect()
}

fn parsed(text: &str) -> SessionDescription {
    text.parse().expect("strict")
}

/// Replays the exchanges of one browser; the steps that were seen.
fn replay(browser: &str) -> BTreeSet<String> {
    let mut steps = BTreeSet::new();
    // One connection where the browser offers, one where this side does.
    let (mut answerer, mut offerer) = (Side::new(), Side::new());
    let mut said = String::new();
    for (step, text) in recorded(browser) {
        let words: Vec<&str> = step.split(' ').collect();
        let [who, purpose, kind] = words.as_slice() else {
            panic!("{step} is not three words")
        };
        let side = if *who == "theirs" {
            &mut answerer
        } else {
            &mut offerer
        };
        match (*who, *kind) {
            ("theirs", "offer") => said = side.answer(&parsed(&text)).expect(&step),
            ("ours", "offer") => assert_eq!(side.offer(purpose).expect(&step), text, "{step}"),
            ("theirs", "answer") => assert_eq!(said, text, "{browser} took another {step}"),
            ("ours", "answer") => side.accept(&parsed(&text)).expect(&step),
            (_, "state") => assert_eq!(text.trim_end(), side.expected_state(), "{browser} {step}"),
            _ => panic!("{step} is unknown"),
        }
        steps.insert(step);
    }
    steps
}

/// RFC 3264 §5 to §8, RFC 8843, RFC 8839 §4.4.1.1.1: both browsers took every answer and every offer of this side, and
/// their directions are ours, mirrored.
#[test]
fn browsers_take_our_answers_and_offers() {
    let steps = replay("chromium");
    assert_eq!(replay("firefox"), steps);
    for step in ["first", "hold", "restart", "more", "stop", "again"] {
        assert!(steps.contains(&format!("theirs {step} state")), "{step}");
    }
    for step in OUR_OFFERS {
        assert!(steps.contains(&format!("ours {step} state")), "{step}");
    }
}
