//! [`Marks`]: what stays of requests whose answer can be given again.
//!
//! A mark takes nine bytes where a transaction takes several hundred. The table is one of lines as long as those of the processor's
//! caches, and grows by one of them at a time (linear hashing): no request waits until a large table has been copied. Most marks
//! are never looked at again, so they are put down several at once, because one visit to memory far away takes as long as many.

use std::hint::black_box;

use crate::tick::{Span, Tick};

/// Marks in a line.
const WIDTH: usize = 7;
/// Lines that are allocated together: a page of memory.
const CHUNK: usize = 64;
/// Marks for each line, on average: few lines are full then.
const PER_LINE: u64 = 3;
/// Parts of the time for which a mark holds; it holds for up to one part longer.
const PARTS: u64 = 32;
/// Parts are counted from 1 to this, round and round. What was put so long ago that its part has come again may stay somewhat longer.
const ROUND: u64 = 255;
/// Marks that are put down together.
const TOGETHER: usize = 32;

/// What tells a request from others: made with secret keys, so that nobody can aim at one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

/// The marks of the last while.
#[derive(Debug)]
pub(crate) struct Marks {
    chunks: Vec<Box<[Line]>>,
    /// How many lines are in use: a mark is in the line of as many bits of it as count them, or of one bit less.
    lines: usize,
    /// How many lines there may be.
    limit: usize,
    /// Marks that are not put down yet.
    waiting: Vec<(Mark, u8)>,
    /// How long a mark holds at least.
    holds: Span,
    /// The part that the last mark was put in, and when it ends.
    part: u64,
    until: Tick,
    /// How many were put in the stretch of [`PARTS`] parts that it belongs to, and in the one before.
    put: [u64; 2],
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Line {
    marks: [u64; WIDTH],
    /// The part in which the mark was put; 0 where none ever was.
    parts: [u8; WIDTH],
}

impl Mark {
    /// Of a request that is identified by this, and says this.
    pub(crate) const fn new(identity: u64, content: u64) -> Self {
        Self((identity & 0xffff_ffff) | (content << 32))
    }

    /// Could it be of a request that is identified as this one is?
    const fn is_like(self, other: Self) -> bool {
        self.0 as u32 == other.0 as u32
    }
}

impl Marks {
    /// None yet; each will hold for this time, and about so many will be kept at once.
    pub(crate) const fn new(holds: Span, limit: usize) -> Self {
        Self {
            chunks: Vec::new(),
            lines: 0,
            limit: limit.div_ceil(PER_LINE as usize),
            waiting: Vec::new(),
            holds,
            part: 0,
            until: Tick::ORIGIN,
            put: [0; 2],
        }
    }

    /// Is none kept, whatever is put?
    pub(crate) const fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// Was this put?
    pub(crate) fn has(&self, mark: Mark, now: Tick) -> bool {
        self.any(mark, now, |one| one == mark)
    }

    /// Could a request with this identity have been marked, whatever it says? Another one is as like it in one of some hundred
    /// thousand cases.
    pub(crate) fn may_have(&self, identity: u64, now: Tick) -> bool {
        let mark = Mark::new(identity, 0);
        self.any(mark, now, |one| one.is_like(mark))
    }

    fn any(&self, mark: Mark, now: Tick, is: impl Fn(Mark) -> bool) -> bool {
        let part = stamp(now.parts(self.holds, PARTS));
        let is = |(one, at)| is(one) && is_within(at, part);
        self.waiting.iter().copied().any(&is)
            || self
                .line(self.place(mark))
                .is_some_and(|line| line.marks().any(is))
    }

    /// Keeps a mark. For that the oldest one in its line may have to be forgotten.
    pub(crate) fn put(&mut self, mark: Mark, now: Tick) {
        if self.until <= now {
            self.begin_part(now);
        }
        self.put[0] += 1;
        if self.is_wanted_larger() {
            self.split();
        }
        self.waiting.push((mark, stamp(self.part)));
        if self.waiting.len() >= TOGETHER {
            self.put_down();
        }
    }

    fn put_down(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        // The lines are fetched side by side.
        let places = waiting.iter().map(|(mark, _)| self.place(*mark));
        let first = |place| self.line(place).map_or(0, |line| line.parts[0]);
        black_box(places.map(first).fold(0, |all, one| all ^ one));
        for (mark, part) in waiting.drain(..) {
            let place = self.place(mark);
            if let Some(line) = self.line_mut(place) {
                line.put(mark, part);
            }
        }
        self.waiting = waiting;
    }

    /// Forgets all when none was put for so long that none holds.
    fn begin_part(&mut self, now: Tick) {
        let part = now.parts(self.holds, PARTS);
        match (part / PARTS).saturating_sub(self.part / PARTS) {
            0 => {}
            1 => self.put = [0, self.put[0]],
            _ => {
                self.put = [0, 0];
                self.chunks.clear();
                self.waiting.clear();
                self.lines = 0;
            }
        }
        self.part = part;
        self.until = Tick::ORIGIN + self.holds.part(PARTS).times(part + 1);
    }

    /// Are there more than the lines are for? Those that hold are those of this stretch, and what is left of the one before.
    fn is_wanted_larger(&self) -> bool {
        if self.lines == 0 || self.lines >= self.limit {
            return self.lines == 0;
        }
        let [put, before] = self.put;
        let left = PARTS - self.part % PARTS;
        self.lines as u64 * PER_LINE < put + before * left / PARTS
    }

    /// One more line: a part of what another one has is moved there. The first page comes as a whole.
    fn split(&mut self) {
        let new = self.lines;
        if new.is_multiple_of(CHUNK) {
            let chunk = vec![Line::default(); CHUNK];
            self.chunks.push(chunk.into_boxed_slice());
        }
        if new == 0 {
            self.lines = CHUNK;
            return;
        }
        let low = 1_usize << new.ilog2();
        let Some(old) = self.line(new - low).copied() else {
            return;
        };
        self.lines += 1;
        // Both are whole copies, each without what belongs to the other.
        for (at, goes) in [(new - low, 0), (new, low)] {
            let mut line = old;
            for (mark, part) in line.marks.iter().zip(&mut line.parts) {
                if *mark as usize & low != goes {
                    *part = 0;
                }
            }
            if let Some(place) = self.line_mut(at) {
                *place = line;
            }
        }
    }

    /// The line of a mark.
    fn place(&self, mark: Mark) -> usize {
        let Some(bits) = self.lines.checked_sub(1).and_then(usize::checked_ilog2) else {
            return 0;
        };
        let high = 1_usize << bits;
        let place = mark.0 as usize & (2 * high - 1);
        if place < self.lines {
            place
        } else {
            place - high
        }
    }

    fn line(&self, at: usize) -> Option<&Line> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    fn line_mut(&mut self, at: usize) -> Option<&mut Line> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }
}

/// A part as it stands beside a mark.
const fn stamp(part: u64) -> u8 {
    (part % ROUND) as u8 + 1
}

/// Was it put so lately that it holds?
const fn is_within(at: u8, part: u8) -> bool {
    let (at, part) = (at as u64, part as u64);
    let age = if at <= part {
        part - at
    } else {
        part + ROUND - at
    };
    at != 0 && age <= PARTS
}

impl Line {
    fn marks(&self) -> impl Iterator<Item = (Mark, u8)> + '_ {
        let marks = self.marks.iter().zip(&self.parts);
        marks.map(|(mark, part)| (Mark(*mark), *part))
    }

    /// The newest stands first; what is pushed out at the end is the oldest.
    fn put(&mut self, mark: Mark, part: u8) {
        let is_free = |at: &u8| !is_within(*at, part);
        let end = self.parts.iter().position(is_free).unwrap_or(WIDTH - 1);
        push(&mut self.marks, end, mark.0);
        push(&mut self.parts, end, part);
    }
}

/// Puts a value first, and what stands before `end` one place further.
fn push<T: Copy>(values: &mut [T; WIDTH], end: usize, first: T) {
    values.copy_within(..end.min(WIDTH - 1), 1);
    if let Some(place) = values.first_mut() {
        *place = first;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOLDS: Span = Span::MILLISECOND.times(32_000);

    fn at(ms: u64) -> Tick {
        Tick::ORIGIN + Span::MILLISECOND.times(ms)
    }

    /// Numbers that are spread as hashes are.
    fn mark(number: u64) -> Mark {
        let spread = |factor| (number + 1).wrapping_mul(factor);
        let (identity, content) = (spread(0x9e37_79b9_7f4a_7c15), spread(0xd6e8_feb8_6659_fd93));
        Mark::new(identity ^ (identity >> 29), content ^ (content >> 32))
    }

    #[test]
    fn a_line_is_one_of_the_caches() {
        assert_eq!(size_of::<Line>(), 64);
        assert_eq!(Duration::from(HOLDS), Duration::from_secs(32));
    }

    #[test]
    fn a_mark_holds_for_its_time_and_hardly_longer() {
        let mut marks = Marks::new(HOLDS, 1000);
        assert!(!marks.has(mark(1), at(0)));
        for number in 0..100 {
            marks.put(mark(number), at(500));
        }
        for number in 0..100 {
            for (ms, holds) in [(500, true), (32_500, true), (34_500, false)] {
                assert_eq!(marks.has(mark(number), at(ms)), holds, "{number} at {ms}");
            }
        }
        assert!(!marks.has(mark(100), at(600)));
    }

    #[test]
    fn what_is_like_it_is_told_from_it() {
        let mut marks = Marks::new(HOLDS, 1000);
        marks.put(Mark::new(5, 7), at(0));
        assert!(marks.may_have(5, at(0)));
        assert!(!marks.may_have(6, at(0)));
        assert!(marks.has(Mark::new(5, 7), at(0)));
        assert!(!marks.has(Mark::new(5, 8), at(0)));
        assert!(!marks.has(Mark::new(6, 7), at(0)));
    }

    /// While the table grows from nothing, nearly all marks that should hold do: those that do not were among the oldest of a
    /// line with seven others.
    #[test]
    fn it_grows_with_what_is_put() {
        const EACH: u64 = 5_000;
        let mut marks = Marks::new(HOLDS, 1_000_000);
        for second in 0..50 {
            for number in 0..EACH {
                marks.put(mark(second * EACH + number), at(second * 1000));
            }
        }
        let kept = |seconds: std::ops::Range<u64>| {
            (seconds.start * EACH..seconds.end * EACH)
                .filter(|number| marks.has(mark(*number), at(49_000)))
                .count() as u64
        };
        assert_eq!(kept(45..50), 5 * EACH, "those that a copy may come of");
        assert!(kept(18..50) > 32 * EACH * 98 / 100, "{}", kept(18..50));
        assert_eq!(kept(0..17), 0);
        let bytes = marks.lines * 64 / (32 * EACH as usize);
        assert!((16..=24).contains(&bytes), "{bytes} bytes for each");
        assert_eq!(marks.lines.div_ceil(CHUNK), marks.chunks.len());
    }

    #[test]
    fn it_has_a_limit_and_then_forgets_the_oldest() {
        let mut marks = Marks::new(HOLDS, 3 * 100);
        for number in 0..10_000 {
            marks.put(mark(number), at(number));
        }
        assert_eq!(marks.lines, 100);
        assert!((9_800..10_000).all(|number| marks.has(mark(number), at(10_000))));
        let kept = (0..10_000).filter(|number| marks.has(mark(*number), at(10_000)));
        assert!(kept.count() <= 100 * WIDTH + TOGETHER);
    }

    #[test]
    fn nothing_is_kept_when_nothing_came_for_long() {
        let mut marks = Marks::new(HOLDS, 1_000_000);
        for number in 0..100_000 {
            marks.put(mark(number), at(number / 10));
        }
        assert!(marks.lines > 20_000);
        marks.put(mark(1), at(200_000));
        assert_eq!((marks.lines, marks.chunks.len()), (CHUNK, 1));
        assert!(marks.has(mark(1), at(200_000)));
        assert!(!marks.has(mark(2), at(200_000)));
    }

    #[test]
    fn without_room_there_are_none() {
        assert!(Marks::new(HOLDS, 0).is_off());
    }
}
