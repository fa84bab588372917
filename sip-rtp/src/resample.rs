//! Changing the rate of samples, by the crate `rubato`.

use std::fmt;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

/// The rates that are converted, in Hz.
const LEAST_RATE: u32 = 4_000;
const GREATEST_RATE: u32 = 192_000;
/// Blocks in a second: 20 ms each.
const BLOCKS: u32 = 50;

/// Why samples cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateError {
    /// The rate of the samples, in Hz.
    pub from: u32,
    /// The rate that they should have.
    pub to: u32,
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "samples at {} Hz cannot be converted to {} Hz: rates are multiples of {BLOCKS} from {LEAST_RATE} to {GREATEST_RATE}",
            self.from, self.to
        )
    }
}

impl std::error::Error for RateError {}

/// A stream of mono samples at another rate. It works in blocks of 20 ms and delays by 10 ms; in steady state it does not
/// allocate.
///
/// ```
/// use sip_rtp::resample::Resampler;
///
/// let mut resampler = Resampler::new(8_000, 48_000)?;
/// let mut out = Vec::new();
/// resampler.process(&[0; 160], &mut out);
/// assert_eq!(out.len(), 960);
/// # Ok::<(), sip_rtp::resample::RateError>(())
/// ```
pub struct Resampler {
    from: u32,
    to: u32,
    fft: Fft<f32>,
    /// Samples that wait for a block to be whole.
    waiting: Vec<f32>,
    block: usize,
    converted: Vec<f32>,
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampler")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// From samples at `from` Hz to samples at `to` Hz.
    ///
    /// # Errors
    /// [`RateError`] for rates below 4 kHz or above 192 kHz, and those of which 20 ms are no whole number of samples.
    pub fn new(from: u32, to: u32) -> Result<Self, RateError> {
        let error = RateError { from, to };
        let usable =
            |rate: u32| (LEAST_RATE..=GREATEST_RATE).contains(&rate) && rate.is_multiple_of(BLOCKS);
        if !usable(from) || !usable(to) {
            return Err(error);
        }
        let block = (from / BLOCKS) as usize;
        let fft = Fft::new_custom(
            from as usize,
            to as usize,
            block,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|_| error)?;
        if fft.input_frames_next() != block {
            return Err(error);
        }
        Ok(Self {
            from,
            to,
            waiting: Vec::with_capacity(block * 4),
            block,
            converted: vec![0.0; fft.output_frames_max()],
            fft,
        })
    }

    /// Appends what `pcm` gives at the other rate. Samples that do not fill a block of 20 ms wait for the next call.
    pub fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        self.waiting
            .extend(pcm.iter().map(|sample| f32::from(*sample)));
        let mut done = 0;
        while let Some(block) = self.waiting.get(done..done + self.block) {
            let length = self.converted.len();
            // The sizes are those that the converter asked for: neither adapter refuses them.
            let (Ok(input), Ok(mut output)) = (
                InterleavedSlice::new(block, 1, self.block),
                InterleavedSlice::new_mut(&mut self.converted, 1, length),
            ) else {
                break;
            };
            let written = self
                .fft
                .process_into_buffer(&input, &mut output, None)
                .map_or(0, |(_, written)| written);
            let converted = self.converted.get(..written).unwrap_or_default();
            out.extend(
                converted
                    .iter()
                    .map(|sample| sample.round().clamp(-32_768.0, 32_767.0) as i16),
            );
            done += self.block;
        }
        self.waiting.drain(..done);
    }

    /// By how many samples of the new rate what comes out is behind what goes in.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.fft.output_delay()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Tone;

    /// Power of `pcm` and power of what is left after taking out the sine of that frequency.
    fn tone_and_rest(pcm: &[i16], frequency: f64, rate: u32) -> (f64, f64) {
        let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in pcm.iter().enumerate() {
            let (value, phase) = (
                f64::from(*sample),
                n as f64 * frequency * std::f64::consts::TAU / f64::from(rate),
            );
            sine += value * phase.sin();
            cosine += value * phase.cos();
            all += value * value;
        }
        let count = pcm.len() as f64;
        let tone = 2.0 * (sine * sine + cosine * cosine) / (count * count);
        (tone, (all / count - tone).max(0.0))
    }

    fn converted(frequency: f64, from: u32, to: u32, piece: usize) -> Vec<i16> {
        let mut pcm = vec![0; from as usize * 2];
        Tone::sine(frequency as f32, -10.0, from).fill(&mut pcm);
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut out = Vec::new();
        for pcm in pcm.chunks(piece) {
            resampler.process(pcm, &mut out);
        }
        out
    }

    #[test]
    fn tones_keep_frequency_and_level_between_all_rates() {
        let rates = [8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000];
        let mut pcm = vec![0; 16_000];
        Tone::sine(1_000.0, -10.0, 16_000).fill(&mut pcm);
        let (power, _) = tone_and_rest(&pcm, 1_000.0, 16_000);
        for from in rates {
            for to in rates.into_iter().filter(|to| *to != from) {
                for frequency in [300.0, 1_000.0, 3_000.0] {
                    // Pieces that are no blocks.
                    let out = converted(frequency, from, to, 333);
                    let whole = to as usize;
                    assert!(out.len() + to as usize / 50 >= whole * 2, "{from} {to}");
                    // A whole number of periods from the middle.
                    let (tone, rest) =
                        tone_and_rest(&out[whole / 2..whole / 2 + whole], frequency, to);
                    let level = 10.0 * (tone / power).log10();
                    let noise = 10.0 * (rest / tone).log10();
                    assert!(level.abs() < 0.1, "{from} {to} {frequency}: {level} dB");
                    assert!(noise < -60.0, "{from} {to} {frequency}: {noise} dB");
                }
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_taken_out() {
        for frequency in [4_600.0, 6_000.0, 7_500.0] {
            let out = converted(frequency, 16_000, 8_000, 320);
            let peak = out[800..].iter().map(|sample| sample.abs()).max().unwrap();
            // -50 dB of the tone's 10,362.
            assert!(peak < 33, "{frequency}: {peak}");
        }
    }

    #[test]
    fn the_delay_is_what_it_says() {
        let mut resampler = Resampler::new(8_000, 48_000).unwrap();
        let mut pcm = vec![0; 1_600];
        pcm[800..].fill(10_000);
        let mut out = Vec::new();
        resampler.process(&pcm, &mut out);
        let step = out.iter().position(|sample| *sample > 5_000).unwrap();
        assert!(
            (800 * 6 + resampler.delay()).abs_diff(step) <= 6,
            "{step} {}",
            resampler.delay()
        );
        assert_eq!(resampler.delay(), 480);
    }

    #[test]
    fn rates_that_cannot_be_are_refused() {
        for (from, to) in [
            (0, 8_000),
            (8_000, 0),
            (3_000, 8_000),
            (8_000, 500_000),
            (8_000, 11_025),
        ] {
            assert_eq!(
                Resampler::new(from, to).unwrap_err(),
                RateError { from, to }
            );
        }
    }
}
