//! Tones as 16-bit samples: sines, digits, call-progress tones with their cadence.

use crate::event::Event;

pub mod plan;

/// Frequencies that one tone can hold at a time.
const MAX_PARTIALS: usize = 4;

/// One sine in a tone.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a sine has a frequency and a level"
)]
pub struct Partial {
    /// Frequency in Hz.
    pub frequency: f32,
    /// Level in dBm0: 0 is 3.14 dB below the largest sine that G.711 µ-law carries; -10 is usual.
    pub level: f32,
}

/// A step of a cadence: tones or silence for a time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The sines that sound together; none for silence. Only the first four sound.
    pub partials: Vec<Partial>,
    /// How long, in milliseconds; 0 for ever.
    pub millis: u32,
}

impl Step {
    /// `frequencies` together at `level` dBm0 each for `millis` milliseconds.
    #[must_use]
    pub fn on(frequencies: &[f32], level: f32, millis: u32) -> Self {
        Self {
            partials: frequencies
                .iter()
                .map(|frequency| Partial {
                    frequency: *frequency,
                    level,
                })
                .collect(),
            millis,
        }
    }

    /// Silence for `millis` milliseconds.
    #[must_use]
    pub fn off(millis: u32) -> Self {
        Self {
            partials: Vec::new(),
            millis,
        }
    }
}

/// A source of samples: the steps of a cadence, repeated or played once.
///
/// ```
/// use sip_rtp::tone::Tone;
///
/// let mut tone = Tone::sine(1000.0, -10.0, 8000);
/// let mut pcm = [0; 160];
/// assert_eq!(tone.fill(&mut pcm), 160);
/// assert!(pcm.iter().any(|sample| *sample > 5000));
/// ```
#[derive(Debug, Clone)]
pub struct Tone {
    sample_rate: u32,
    steps: Vec<Step>,
    repeat: bool,
    step: usize,
    /// Samples since the step began.
    at: u64,
}

impl Tone {
    /// A tone of `steps`, played once or over and over, at `sample_rate` Hz.
    #[must_use]
    pub fn new(steps: Vec<Step>, repeat: bool, sample_rate: u32) -> Self {
        Self {
            sample_rate: sample_rate.max(1),
            steps,
            repeat,
            step: 0,
            at: 0,
        }
    }

    /// One sine for ever.
    #[must_use]
    pub fn sine(frequency: f32, level: f32, sample_rate: u32) -> Self {
        Self::new(vec![Step::on(&[frequency], level, 0)], false, sample_rate)
    }

    /// One DTMF digit (ITU-T Q.23), `millis` long; `None` when the event is no digit.
    #[must_use]
    pub fn dtmf(event: Event, millis: u32, sample_rate: u32) -> Option<Self> {
        let digit = event.digit()?;
        let index = "123A456B789C*0#D".find(digit)?;
        let row = *[697.0, 770.0, 852.0, 941.0].get(index / 4)?;
        let column = *[1209.0, 1336.0, 1477.0, 1633.0].get(index % 4)?;
        Some(Self::new(
            vec![Step::on(&[row, column], -9.0, millis.max(1))],
            false,
            sample_rate,
        ))
    }

    /// The European ringing tone: 425 Hz, 1 s on, 4 s off (ITU-T E.180).
    #[must_use]
    pub fn ringback(sample_rate: u32) -> Self {
        Self::new(
            vec![Step::on(&[425.0], -10.0, 1000), Step::off(4000)],
            true,
            sample_rate,
        )
    }

    /// The European busy tone: 425 Hz, 0.5 s on, 0.5 s off (ITU-T E.180).
    #[must_use]
    pub fn busy(sample_rate: u32) -> Self {
        Self::new(
            vec![Step::on(&[425.0], -10.0, 500), Step::off(500)],
            true,
            sample_rate,
        )
    }

    /// Writes samples until `pcm` is full or the tone is over; returns how many. The rest is not touched.
    pub fn fill(&mut self, pcm: &mut [i16]) -> usize {
        let mut done = 0;
        let mut empty_steps = 0;
        while done < pcm.len() {
            let Some(step) = self.steps.get(self.step) else {
                // A cadence without any samples would turn here for ever.
                if !self.repeat || self.steps.is_empty() || empty_steps >= self.steps.len() {
                    break;
                }
                self.step = 0;
                continue;
            };
            let len = u64::from(step.millis) * u64::from(self.sample_rate) / 1000;
            let left = if step.millis == 0 {
                u64::MAX
            } else {
                len.saturating_sub(self.at)
            };
            if left == 0 {
                empty_steps += 1;
                self.step += 1;
                self.at = 0;
                continue;
            }
            empty_steps = 0;
            let count = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(pcm.len() - done);
            if let Some(out) = pcm.get_mut(done..done + count) {
                render(step, self.at, self.sample_rate, out);
            }
            self.at += count as u64;
            done += count;
        }
        done
    }

    /// Whether the tone has been played to its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.step >= self.steps.len() && (!self.repeat || self.steps.is_empty())
    }
}

/// Amplitude of a sine at 0 dBm0: 3.14 dB below full scale (ITU-T G.711, table 5).
const FULL_SCALE_DBM0: f64 = 314.0 / 100.0;

fn render(step: &Step, at: u64, sample_rate: u32, out: &mut [i16]) {
    let rate = f64::from(sample_rate);
    let mut waves = [(0.0, 0.0); MAX_PARTIALS];
    for (wave, partial) in waves.iter_mut().zip(&step.partials) {
        let amplitude = 32767.0 * 10f64.powf((f64::from(partial.level) - FULL_SCALE_DBM0) / 20.0);
        *wave = (f64::from(partial.frequency) / rate, amplitude);
    }
    let waves = waves
        .get(..step.partials.len().min(MAX_PARTIALS))
        .unwrap_or_default();
    for (index, sample) in out.iter_mut().enumerate() {
        let time = at.wrapping_add(index as u64) as f64;
        // The phase in turns, cut to its fraction: precise however long the tone sounds.
        let value: f64 = waves
            .iter()
            .map(|(turns, amplitude)| {
                amplitude * (std::f64::consts::TAU * (turns * time).fract()).sin()
            })
            .sum();
        *sample = value.round().clamp(-32768.0, 32767.0) as i16;
    }
}

#[cfg(test)]
mod tests;
