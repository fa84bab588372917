//! [`Spans`]: the index of the fields, without an allocation for nearly every message.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use super::{ABSENT, Source, Span, offset};
use crate::name::NameId;

/// The corpora have 9 to 16 fields in most messages; more than this spill to the heap.
pub(crate) const INLINE_FIELDS: usize = 20;

/// The spans of the fields in order. The parser appends to it in the place where it stays, which a general vector with
/// inline room does not let it do as cheaply.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    inline: [Span; INLINE_FIELDS],
    /// In use of `inline`; none when `more` has them all.
    len: u32,
    /// How many of `more` are room.
    spare: u32,
    more: Vec<Span>,
}

const NOTHING: Span = Span {
    start: 0,
    len: 0,
    value_len: 0,
    value_at: 0,
    name: NameId(0),
    source: Source::Base,
};

impl Spans {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            inline: [NOTHING; INLINE_FIELDS],
            len: 0,
            spare: 0,
            more: Vec::new(),
        }
    }

    /// Takes all spans out.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.spare = 0;
        self.more.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, span: Span) {
        if self.more.is_empty()
            && let Some(slot) = self.inline.get_mut(self.len as usize)
        {
            *slot = span;
            self.len += 1;
        } else {
            self.spill(span);
        }
    }

    /// The span that a hint names.
    #[inline]
    pub(crate) fn hinted(&self, hint: u8) -> Option<&Span> {
        // What the hints say otherwise is beyond the room that there is.
        const { assert!(INLINE_FIELDS <= ABSENT as usize) };
        if self.more.is_empty() {
            return self.inline.get(usize::from(hint));
        }
        self.more.get(usize::from(hint)).filter(|_| hint < ABSENT)
    }

    /// Where the next spans go, which count as there after [`took`](Self::took). Never empty.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [Span] {
        let used = self.len as usize;
        if self.more.is_empty() && used < INLINE_FIELDS {
            return self.inline.get_mut(used..).unwrap_or_default();
        }
        self.room_on_heap()
    }

    #[inline(never)]
    fn room_on_heap(&mut self) -> &mut [Span] {
        self.move_to_heap();
        let used = self.more.len();
        let len = self.more.capacity().max(used + INLINE_FIELDS);
        self.spare = offset(len - used);
        self.more.resize(len, NOTHING);
        self.more.get_mut(used..).unwrap_or_default()
    }

    /// Says how many spans were put into what [`room`](Self::room) gave.
    #[inline]
    pub(crate) fn took(&mut self, count: usize) {
        if self.more.is_empty() {
            self.len += count as u32;
        } else {
            let unused = (self.spare as usize).saturating_sub(count);
            self.more.truncate(self.more.len() - unused);
            self.spare = 0;
        }
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self, span: Span) {
        self.move_to_heap();
        self.more.push(span);
    }

    fn move_to_heap(&mut self) {
        if self.more.is_empty() {
            // Once for messages of proxies with many Via and Record-Route.
            self.more.reserve(3 * INLINE_FIELDS);
            self.more
                .extend_from_slice(self.inline.get(..self.len as usize).unwrap_or_default());
            self.len = 0;
        }
    }

    /// Puts a span before the one at an index, or at the end.
    pub(crate) fn insert(&mut self, at: usize, span: Span) {
        let len = self.len();
        if at >= len {
            return self.push(span);
        }
        if self.more.is_empty() {
            if len < INLINE_FIELDS {
                self.inline.copy_within(at..len, at + 1);
                if let Some(slot) = self.inline.get_mut(at) {
                    *slot = span;
                }
                self.len += 1;
                return;
            }
            self.move_to_heap();
        }
        self.more.insert(at, span);
    }

    /// Takes the span at an index out, if there is one.
    pub(crate) fn remove(&mut self, at: usize) {
        let len = self.len();
        if at >= len {
            return;
        }
        if self.more.is_empty() {
            self.inline.copy_within(at + 1..len, at);
            self.len -= 1;
        } else {
            self.more.remove(at);
        }
    }
}

impl Deref for Spans {
    type Target = [Span];

    #[inline]
    fn deref(&self) -> &[Span] {
        if self.more.is_empty() {
            self.inline.get(..self.len as usize).unwrap_or_default()
        } else {
            &self.more
        }
    }
}

impl DerefMut for Spans {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Span] {
        if self.more.is_empty() {
            self.inline.get_mut(..self.len as usize).unwrap_or_default()
        } else {
            &mut self.more
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Edit {
        Push,
        Fill(usize),
        Insert(usize),
        Remove(usize),
        Clear,
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let edit = prop_oneof![
            6 => Just(Edit::Push),
            2 => (0..30_usize).prop_map(Edit::Fill),
            2 => (0..60_usize).prop_map(Edit::Insert),
            3 => (0..60_usize).prop_map(Edit::Remove),
            1 => Just(Edit::Clear),
        ];
        proptest::collection::vec(edit, 0..60)
    }

    proptest! {
        /// It is a vector, wherever the spans are.
        #[test]
        fn it_behaves_as_a_vector(edits in edits()) {
            let (mut spans, mut model) = (Spans::new(), Vec::new());
            for (start, edit) in edits.into_iter().enumerate() {
                let span = Span {
                    start: start as u32,
                    len: 9,
                    value_len: 4,
                    value_at: 3,
                    name: NameId::OTHER,
                    source: Source::Overlay,
                };
                match edit {
                    Edit::Push => {
                        spans.push(span);
                        model.push(span);
                    }
                    Edit::Fill(wanted) => {
                        let mut count = 0;
                        for slot in spans.room().iter_mut().take(wanted) {
                            *slot = span;
                            model.push(span);
                            count += 1;
                        }
                        prop_assert!(count > 0 || wanted == 0);
                        spans.took(count);
                    }
                    Edit::Insert(at) => {
                        spans.insert(at, span);
                        model.insert(at.min(model.len()), span);
                    }
                    Edit::Clear => {
                        spans.clear();
                        model.clear();
                    }
                    Edit::Remove(at) => {
                        spans.remove(at);
                        if at < model.len() {
                            model.remove(at);
                        }
                    }
                }
                prop_assert_eq!(&*spans, model.as_slice());
                prop_assert_eq!(&*spans.clone(), model.as_slice());
            }
            if let (Some(slot), Some(other)) = (spans.last_mut(), model.last_mut()) {
                (slot.len, other.len) = (7, 7);
            }
            prop_assert_eq!(&*spans, model.as_slice());
        }
    }
}
