//! Concealment of lost audio in the PCM domain: the last pitch period goes on, fading (in the manner of ITU-T G.711
//! Appendix I; own algorithm).

mod shorten;

pub use shorten::shorten;

/// Where the fade begins and where it ends, in milliseconds.
const FADE_FROM_MS: usize = 10;
const FADE_TO_MS: usize = 60;

/// Remembers what was played, makes up what is missing, and blends back into what arrives.
#[derive(Debug)]
pub struct Concealer {
    sample_rate: usize,
    /// The last samples that were played, oldest first: at least three of the longest pitch periods, at most twice as many.
    history: Vec<i16>,
    /// The pitch period that is repeated while concealing.
    period: usize,
    /// Samples made up since the last good one; 0 when not concealing.
    made_up: usize,
}

impl Concealer {
    /// For mono audio at `sample_rate` Hz.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        let sample_rate = (sample_rate as usize).max(1000);
        Self {
            sample_rate,
            history: Vec::with_capacity(sample_rate / 10),
            period: 0,
            made_up: 0,
        }
    }

    /// Takes audio that arrived and, after a gap, blends its first 5 ms with what would have been made up.
    pub fn good(&mut self, pcm: &mut [i16]) {
        if self.made_up > 0 {
            let len = (self.sample_rate / 200).min(pcm.len());
            for (index, sample) in pcm.iter_mut().take(len).enumerate() {
                let made_up = i32::from(self.next_sample(index));
                let (new, all) = (index as i32 + 1, len as i32 + 1);
                *sample = ((i32::from(*sample) * new + made_up * (all - new)) / all) as i16;
            }
            self.made_up = 0;
        }
        self.remember(pcm);
    }

    /// Fills `pcm` in place of audio that did not arrive: silence after 60 ms, or when nothing was heard before.
    pub fn conceal(&mut self, pcm: &mut [i16]) {
        if self.made_up == 0 {
            self.period = self.find_period();
        }
        for (index, sample) in pcm.iter_mut().enumerate() {
            *sample = self.next_sample(index);
        }
        self.made_up += pcm.len();
    }

    /// Notes that silence was played on purpose: the next audio starts as it is.
    pub fn silence(&mut self, samples: usize) {
        self.made_up = 0;
        let zeros = samples.min(self.capacity());
        self.make_room(zeros);
        self.history.resize(self.history.len() + zeros, 0);
    }

    /// Whether what is made up has faded to nothing.
    #[must_use]
    pub fn is_faded(&self) -> bool {
        self.made_up >= FADE_TO_MS * self.sample_rate / 1000
    }

    /// Sample `index` after the samples made up so far.
    fn next_sample(&self, index: usize) -> i16 {
        if self.period == 0 {
            return 0;
        }
        let at = self.made_up + index;
        let from = self.history.len() - self.period;
        let sample = self
            .history
            .get(from + at % self.period)
            .copied()
            .unwrap_or_default();
        let (start, end) = (
            FADE_FROM_MS * self.sample_rate / 1000,
            FADE_TO_MS * self.sample_rate / 1000,
        );
        if at <= start {
            return sample;
        }
        let left = end.saturating_sub(at) as i64;
        (i64::from(sample) * left / (end - start) as i64) as i16
    }

    /// The lag from 2.5 to 15 ms at which the last 10 ms resemble what was before them most.
    fn find_period(&self) -> usize {
        let (shortest, longest) = (self.sample_rate / 400, self.sample_rate * 15 / 1000);
        let window = self.sample_rate / 100;
        let len = self.history.len();
        if len < longest + window {
            // Too little heard for a search: repeat what there is.
            return len.min(longest);
        }
        let recent = self.history.get(len - window..).unwrap_or_default();
        let mut best = (f32::MIN, longest);
        for lag in shortest..=longest {
            let past = self
                .history
                .get(len - window - lag..len - lag)
                .unwrap_or_default();
            let (mut cross, mut energy) = (0.0f32, 1.0f32);
            for (a, b) in recent.iter().zip(past) {
                cross += f32::from(*a) * f32::from(*b);
                energy += f32::from(*b) * f32::from(*b);
            }
            let score = cross / energy.sqrt();
            // A little reluctance to longer lags: of a period and its double, the period.
            if score > best.0 * 1.001 || best.0 == f32::MIN {
                best = (score, lag);
            }
        }
        best.1
    }

    fn remember(&mut self, pcm: &[i16]) {
        let tail = pcm
            .get(pcm.len().saturating_sub(self.capacity())..)
            .unwrap_or(pcm);
        self.make_room(tail.len());
        self.history.extend_from_slice(tail);
    }

    /// Moves what is kept to the front only when twice as much has gathered: not at every packet.
    fn make_room(&mut self, samples: usize) {
        if self.history.len() + samples > 2 * self.capacity() {
            let keep = self.capacity().saturating_sub(samples);
            let excess = self.history.len().saturating_sub(keep);
            self.history.drain(..excess);
        }
    }

    fn capacity(&self) -> usize {
        self.sample_rate / 20
    }
}

#[cfg(test)]
mod tests;
