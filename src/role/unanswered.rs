//! [`Unanswered`]: the questions of a role that wait for their answers.

use std::collections::HashMap;
use std::time::Instant;

use sip_transport::{DeadlineId, DeadlineQueue, MintedHash};

use super::Token;

/// What waits for the answer to a [`Need`](super::Need), by its token, and until when.
///
/// Most questions are answered before the next one is asked: the newest stands beside the others, and takes no place in the
/// map and none among the deadlines until there is a newer one.
#[derive(Debug)]
pub(super) struct Unanswered<T> {
    newest: Option<(Token, Instant, T)>,
    /// Keyed by tokens that are minted here; never iterated.
    others: HashMap<Token, (T, DeadlineId), MintedHash>,
    deadlines: DeadlineQueue<Token>,
    minted: u64,
}

impl<T> Unanswered<T> {
    pub(super) fn new() -> Self {
        Self {
            newest: None,
            others: HashMap::default(),
            deadlines: DeadlineQueue::new(),
            minted: 0,
        }
    }

    /// Keeps this until its answer is there or `due` has come. The token is for the question.
    pub(super) fn ask(&mut self, waiting: T, due: Instant) -> Token {
        self.minted += 1;
        let token = Token(self.minted);
        if let Some((older, due, waiting)) = self.newest.replace((token, due, waiting)) {
            let deadline = self.deadlines.insert(due, older);
            self.others.insert(older, (waiting, deadline));
        }
        token
    }

    /// The token that [`ask`](Self::ask) will mint, for who puts the question first.
    pub(super) const fn next(&self) -> Token {
        Token(self.minted + 1)
    }

    /// What waited for this answer; `None`: nothing does any more, or ever did.
    pub(super) fn take(&mut self, token: Token) -> Option<T> {
        if let Some((.., waiting)) = self.newest.take_if(|(newest, ..)| *newest == token) {
            return Some(waiting);
        }
        let (waiting, deadline) = self.others.remove(&token)?;
        self.deadlines.cancel(deadline);
        Some(waiting)
    }

    /// One that has waited until its deadline; of several the earliest of those that are older than the newest comes first.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<T> {
        while let Some((_, token)) = self.deadlines.pop_due(now) {
            if let Some((waiting, _)) = self.others.remove(&token) {
                return Some(waiting);
            }
        }
        let (.., waiting) = self.newest.take_if(|(_, due, _)| *due <= now)?;
        Some(waiting)
    }

    /// When [`pop_due`](Self::pop_due) has something next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let newest = self.newest.as_ref().map(|(_, due, _)| *due);
        self.deadlines.peek().into_iter().chain(newest).min()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.others.len() + usize::from(self.newest.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn each_answer_finds_what_waits_for_it_and_once() {
        let begin = Instant::now();
        let mut waiting = Unanswered::new();
        let tokens = ["a", "b", "c"].map(|name| {
            let next = waiting.next();
            assert_eq!(waiting.ask(name, at(begin, 5)), next);
            next
        });
        assert_eq!(waiting.len(), 3);
        // The oldest, the newest, and the one that is the last then.
        for (place, name) in [(0, "a"), (2, "c"), (1, "b")] {
            assert_eq!(waiting.take(tokens[place]), Some(name));
            assert_eq!(waiting.take(tokens[place]), None);
        }
        assert_eq!((waiting.len(), waiting.deadline()), (0, None));
        assert_eq!(waiting.pop_due(at(begin, 9)), None);
        // No token names two questions, whatever was answered before.
        let next = waiting.ask("d", at(begin, 5));
        assert!(!tokens.contains(&next));
    }

    #[test]
    fn one_that_is_answered_at_once_has_no_place_among_the_others() {
        let begin = Instant::now();
        let mut waiting = Unanswered::new();
        for round in 0..100 {
            let token = waiting.ask(round, at(begin, 5));
            assert_eq!(waiting.deadline(), Some(at(begin, 5)));
            assert_eq!(waiting.take(token), Some(round));
        }
        assert_eq!((waiting.others.capacity(), waiting.deadlines.len()), (0, 0));
    }

    #[test]
    fn what_is_due_comes_out_once_and_its_answer_is_too_late() {
        let begin = Instant::now();
        let mut waiting = Unanswered::new();
        let tokens = [("a", 3), ("b", 2), ("c", 4)]
            .map(|(name, seconds)| waiting.ask(name, at(begin, seconds)));
        assert_eq!(waiting.deadline(), Some(at(begin, 2)));
        assert_eq!(waiting.pop_due(at(begin, 1)), None);
        assert_eq!(waiting.pop_due(at(begin, 3)), Some("b"));
        assert_eq!(waiting.pop_due(at(begin, 3)), Some("a"));
        assert_eq!(waiting.pop_due(at(begin, 3)), None);
        // The newest, to the moment.
        assert_eq!(waiting.deadline(), Some(at(begin, 4)));
        assert_eq!(waiting.pop_due(at(begin, 4)), Some("c"));
        assert!(
            tokens
                .into_iter()
                .all(|token| waiting.take(token).is_none())
        );
        assert_eq!((waiting.len(), waiting.deadline()), (0, None));
    }
}
