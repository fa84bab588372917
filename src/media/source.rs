//! Where the audio that we send comes from.

use std::f64::consts::TAU;

use super::SAMPLE_RATE;

/// Audio to be sent: mono, 16 bit, [`SAMPLE_RATE`].
///
/// ```
/// use sip_stack::media::{Source, FRAME};
///
/// /// A source that counts.
/// struct Ramp(i16);
/// impl Source for Ramp {
///     fn read(&mut self, frame: &mut [i16]) -> usize {
///         for sample in frame.iter_mut() {
///             self.0 = self.0.wrapping_add(1);
///             *sample = self.0;
///         }
///         frame.len()
///     }
/// }
/// let mut frame = [0; FRAME];
/// assert_eq!(Ramp(0).read(&mut frame), FRAME);
/// assert_eq!(frame[159], 160);
/// ```
pub trait Source: Send {
    /// Fills `frame` from its start and returns how many samples were written; fewer than `frame.len()` means that
    /// the source has ended. It must not block: it is called every 20 ms on the thread that sends.
    fn read(&mut self, frame: &mut [i16]) -> usize;
}

/// Samples held in memory.
#[derive(Debug, Clone)]
pub struct Samples {
    samples: Vec<i16>,
    position: usize,
}

impl Samples {
    /// A source that plays `samples` once.
    #[must_use]
    pub fn new(samples: Vec<i16>) -> Self {
        Self {
            samples,
            position: 0,
        }
    }

    /// How many samples are left to play.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.samples.len() - self.position
    }
}

impl Source for Samples {
    fn read(&mut self, frame: &mut [i16]) -> usize {
        let count = frame.len().min(self.remaining());
        let end = self.position + count;
        frame[..count].copy_from_slice(&self.samples[self.position..end]);
        self.position = end;
        count
    }
}

/// A sine tone without an end, at a quarter of full scale.
#[derive(Debug, Clone)]
pub struct ToneSource {
    step: f64,
    phase: f64,
}

impl ToneSource {
    /// A tone of `hertz`; what exceeds half the sample rate is played at that limit.
    #[must_use]
    pub fn new(hertz: f64) -> Self {
        let hertz = hertz.clamp(0.0, f64::from(SAMPLE_RATE) / 2.0);
        Self {
            step: TAU * hertz / f64::from(SAMPLE_RATE),
            phase: 0.0,
        }
    }
}

impl Source for ToneSource {
    fn read(&mut self, frame: &mut [i16]) -> usize {
        for sample in frame.iter_mut() {
            // 8192 is -12 dBFS: loud, and far from where G.711 clips.
            *sample = (self.phase.sin() * 8192.0).round() as i16;
            self.phase = (self.phase + self.step) % TAU;
        }
        frame.len()
    }
}

/// Silence without an end.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Silence;

impl Silence {
    /// Silence.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Source for Silence {
    fn read(&mut self, frame: &mut [i16]) -> usize {
        frame.fill(0);
        frame.len()
    }
}

/// One source after another, without a gap between them.
pub struct Chain(Box<dyn Source>, Box<dyn Source>, bool);

impl Chain {
    /// Plays `first` to its end, then `second`.
    #[must_use]
    pub fn new(first: Box<dyn Source>, second: Box<dyn Source>) -> Self {
        Self(first, second, false)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("second", &self.2)
            .finish_non_exhaustive()
    }
}

impl Source for Chain {
    fn read(&mut self, frame: &mut [i16]) -> usize {
        let mut filled = 0;
        if !self.2 {
            filled = self.0.read(frame).min(frame.len());
            if filled == frame.len() {
                return filled;
            }
            self.2 = true;
        }
        filled + self.1.read(&mut frame[filled..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_end_where_they_end() {
        let mut source = Samples::new(vec![7; 200]);
        let mut frame = [0; 160];
        assert_eq!(source.read(&mut frame), 160);
        assert_eq!(source.read(&mut frame), 40);
        assert_eq!(source.read(&mut frame), 0);
    }

    #[test]
    fn a_tone_has_its_frequency() {
        let mut frame = [0; 8_000];
        ToneSource::new(440.0).read(&mut frame);
        let rising = frame
            .windows(2)
            .filter(|pair| pair[0] < 0 && pair[1] >= 0)
            .count();
        assert!((439..=440).contains(&rising), "{rising}");
    }

    #[test]
    fn a_chain_has_no_gap() {
        let mut chain = Chain::new(
            Box::new(Samples::new(vec![1; 100])),
            Box::new(Samples::new(vec![2; 100])),
        );
        let mut frame = [0; 160];
        assert_eq!(chain.read(&mut frame), 160);
        assert_eq!((frame[99], frame[100]), (1, 2));
        assert_eq!(chain.read(&mut frame), 40);
    }
}
