//! Voice activity detection, by the crate `earshot`: does somebody speak, or is it noise?
//!
//! A sender that has comfort noise negotiated asks it for every frame, and sends noise in place of audio where nobody
//! speaks ([`crate::AudioStream::write_noise`]). When in doubt it is voice: so are tones, and at 8 kHz noise as loud as a
//! faint talker (from about -35 dBov on; at 16 kHz and more it is not).

use std::fmt;
use std::time::Duration;

use earshot::Detector;

use crate::resample::{RateError, Resampler};

/// The rate and the length of what the detector looks at.
const RATE: u32 = 16_000;
const FRAME: usize = 256;
/// From this score on it is voice; once it is, it stays voice down to the lower one.
const BEGINS: f32 = 0.5;
const GOES_ON: f32 = 0.35;

/// Tells voice from everything else in a stream of mono samples.
///
/// ```
/// use sip_rtp::vad::VoiceDetector;
///
/// let mut detector = VoiceDetector::new(8_000)?;
/// assert!(!detector.is_voice(&[0; 160]));
/// # Ok::<(), sip_rtp::resample::RateError>(())
/// ```
pub struct VoiceDetector {
    detector: Box<Detector>,
    resampler: Option<Resampler>,
    /// Samples at 16 kHz that wait for a frame to be whole.
    waiting: Vec<i16>,
    sample_rate: u32,
    score: f32,
    voice: bool,
    hangover: usize,
    /// Samples since voice was heard last.
    since: usize,
}

impl fmt::Debug for VoiceDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceDetector")
            .field("sample_rate", &self.sample_rate)
            .field("score", &self.score)
            .finish_non_exhaustive()
    }
}

impl VoiceDetector {
    /// For samples at `sample_rate` Hz. Voice counts as such for 300 ms after its end, so that no word is cut.
    ///
    /// # Errors
    /// [`RateError`] for a rate that cannot be converted to 16 kHz.
    pub fn new(sample_rate: u32) -> Result<Self, RateError> {
        let resampler = (sample_rate != RATE)
            .then(|| Resampler::new(sample_rate, RATE))
            .transpose()?;
        let mut detector = Self {
            detector: Detector::default_boxed(),
            resampler,
            waiting: Vec::with_capacity(FRAME * 8),
            sample_rate,
            score: 0.0,
            voice: false,
            hangover: 0,
            since: usize::MAX,
        };
        detector.set_hangover(Duration::from_millis(300));
        Ok(detector)
    }

    /// How long voice counts as such after its end.
    pub fn set_hangover(&mut self, hangover: Duration) {
        let samples = hangover.as_millis() * u128::from(self.sample_rate) / 1_000;
        self.hangover = usize::try_from(samples).unwrap_or(usize::MAX);
    }

    /// Whether somebody speaks in `pcm`, or spoke just before.
    pub fn is_voice(&mut self, pcm: &[i16]) -> bool {
        match &mut self.resampler {
            Some(resampler) => resampler.process(pcm, &mut self.waiting),
            None => self.waiting.extend_from_slice(pcm),
        }
        let mut heard = self.voice;
        let mut done = 0;
        while let Some(frame) = self.waiting.get(done..done + FRAME) {
            done += FRAME;
            self.score = self.detector.predict_i16(frame);
            self.voice = self.score >= if self.voice { GOES_ON } else { BEGINS };
            heard |= self.voice;
        }
        self.waiting.drain(..done);
        self.since = if heard {
            0
        } else {
            self.since.saturating_add(pcm.len())
        };
        self.since <= self.hangover
    }

    /// The score of the newest 16 ms, from 0 (noise) to 1 (voice).
    #[must_use]
    pub fn score(&self) -> f32 {
        self.score
    }
}

#[cfg(test)]
mod tests;
