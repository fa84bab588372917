//! G.722: wideband audio at 64 kbit/s, by the crate `audio-codec` (RFC 3551 §4.5.2, ITU-T G.722).

use std::fmt;

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

use super::{Codec, Decoder, Encoder};

/// G.722 at 64 kbit/s, payload type 9.
///
/// ```
/// use sip_rtp::codec::{Codec, Decoder, g722::G722};
///
/// // 16 kHz samples on an 8 kHz clock: a mistake of RFC 1890 that is kept for compatibility.
/// assert_eq!((G722.clock_rate(), G722.sample_rate()), (8000, 16_000));
/// assert_eq!(G722.decoder().duration(&[0; 160]), 160);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "a codec without parameters")]
pub struct G722;

impl Codec for G722 {
    fn name(&self) -> &'static str {
        "G722"
    }
    fn clock_rate(&self) -> u32 {
        // RFC 3551 §4.5.2: the RTP clock is 8000 Hz although the samples are at 16 kHz.
        8000
    }
    fn sample_rate(&self) -> u32 {
        16_000
    }
    fn static_payload_type(&self) -> Option<u8> {
        Some(9)
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(EncoderState(G722Encoder::new()))
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(DecoderState(G722Decoder::new()))
    }
}

struct EncoderState(G722Encoder);

struct DecoderState(G722Decoder);

impl fmt::Debug for EncoderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("G722Encoder").finish_non_exhaustive()
    }
}

impl fmt::Debug for DecoderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("G722Decoder").finish_non_exhaustive()
    }
}

impl Encoder for EncoderState {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        // Two samples make an octet; an odd one at the end has no partner.
        let pairs = pcm.get(..pcm.len() / 2 * 2).unwrap_or(pcm);
        let start = out.len();
        out.resize(start + self.0.max_encode_bytes(pairs.len()), 0);
        let written = out
            .get_mut(start..)
            .and_then(|room| self.0.encode_into(pairs, room).ok());
        out.truncate(start + written.unwrap_or(0));
    }
}

impl Decoder for DecoderState {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        let start = pcm.len();
        pcm.resize(start + self.0.max_decode_samples(payload.len()), 0);
        let written = pcm
            .get_mut(start..)
            .and_then(|room| self.0.decode_into(payload, room).ok());
        pcm.truncate(start + written.unwrap_or(0));
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        payload.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tone::Tone;

    #[test]
    fn a_tone_of_either_band_survives() {
        for frequency in [300.0, 1000.0, 3000.0, 6000.0] {
            let mut pcm = vec![0; 16_000];
            Tone::sine(frequency, -10.0, 16_000).fill(&mut pcm);
            let (mut encoder, mut decoder) = (G722.encoder(), G722.decoder());
            let (mut payload, mut decoded) = (Vec::new(), Vec::new());
            for frame in pcm.chunks(320) {
                payload.clear();
                encoder.encode(frame, &mut payload);
                assert_eq!(payload.len(), 160);
                decoder.decode(&payload, &mut decoded);
            }
            assert_eq!(decoded.len(), pcm.len());
            // The filters delay by some samples: the best alignment counts.
            let noise = |shift: usize| -> f64 {
                let pairs = decoded[1000 + shift..15_000 + shift]
                    .iter()
                    .zip(&pcm[1000..15_000]);
                pairs
                    .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                    .sum()
            };
            let signal: f64 = pcm[1000..15_000]
                .iter()
                .map(|sample| f64::from(*sample).powi(2))
                .sum();
            let best = (0..60).map(noise).fold(f64::MAX, f64::min);
            let ratio = 10.0 * (signal / best).log10();
            assert!(ratio > 15.0, "{frequency} Hz: {ratio} dB");
        }
    }

    proptest! {
        #[test]
        fn any_payload_is_decoded(payload in proptest::collection::vec(any::<u8>(), 0..400), pcm in proptest::collection::vec(any::<i16>(), 0..400)) {
            let mut decoded = Vec::new();
            G722.decoder().decode(&payload, &mut decoded);
            prop_assert_eq!(decoded.len(), payload.len() * 2);
            let mut out = Vec::new();
            G722.encoder().encode(&pcm, &mut out);
            prop_assert_eq!(out.len(), pcm.len() / 2);
        }
    }
}
