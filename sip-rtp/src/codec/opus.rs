//! Opus: speech and music from 6 to 510 kbit/s, by the system's libopus (RFC 6716, RFC 7587).

use std::fmt;

use opusic_c::{Application, Bitrate, Channels, InbandFec, SampleRate, utils};

use super::{Codec, Decoder, Encoder};

/// RFC 7587 §4.1: the RTP clock, whatever the rate of the samples.
const CLOCK: u32 = 48_000;
/// The longest packet plays 120 ms (RFC 6716 §2.1.4).
const LONGEST_MS: u32 = 120;
/// The largest payload that is made: RFC 6716 §3.4 allows 1275 octets a frame.
const LARGEST: usize = 1_275;

/// Opus with mono or stereo samples at a rate of your choice.
///
/// ```
/// use sip_rtp::codec::{Codec, Codecs, opus::Opus};
///
/// let mut codecs = Codecs::new();
/// codecs.add(Opus::new().at(16_000));
/// let opus = codecs.find("opus", 48_000, 2).expect("added");
/// let (mut encoder, mut decoder) = (opus.encoder(), opus.decoder());
/// let (mut payload, mut pcm) = (Vec::new(), Vec::new());
/// encoder.encode(&[0; 320], &mut payload);
/// assert_eq!(decoder.duration(&payload), 960);
/// decoder.decode(&payload, &mut pcm);
/// assert_eq!(pcm.len(), 320);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opus {
    sample_rate: u32,
    stereo: bool,
    bit_rate: Option<u32>,
    error_correction: bool,
    discontinuous: bool,
    expected_loss: u8,
}

impl Default for Opus {
    fn default() -> Self {
        Self::new()
    }
}

impl Opus {
    /// Mono samples at 48 kHz, the bit rate that libopus chooses, with forward error correction for 5 % loss.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sample_rate: CLOCK,
            stereo: false,
            bit_rate: None,
            error_correction: true,
            discontinuous: false,
            expected_loss: 5,
        }
    }

    /// With samples at this rate: 8, 12, 16, 24 or 48 kHz; any other becomes the next higher of them.
    #[must_use]
    pub const fn at(mut self, sample_rate: u32) -> Self {
        self.sample_rate = match sample_rate {
            0..=8_000 => 8_000,
            8_001..=12_000 => 12_000,
            12_001..=16_000 => 16_000,
            16_001..=24_000 => 24_000,
            _ => CLOCK,
        };
        self
    }

    /// With two channels, interleaved.
    #[must_use]
    pub const fn stereo(mut self) -> Self {
        self.stereo = true;
        self
    }

    /// With this mean bit rate, in bit/s; the encoder keeps it between 6000 and 510000 (RFC 7587 §6.1).
    #[must_use]
    pub const fn bit_rate(mut self, bit_rate: u32) -> Self {
        self.bit_rate = Some(match bit_rate {
            0..=6_000 => 6_000,
            6_001..=510_000 => bit_rate,
            _ => 510_000,
        });
        self
    }

    /// With forward error correction for this share of lost packets, in percent; 0 switches it off.
    #[must_use]
    pub const fn expected_loss(mut self, percent: u8) -> Self {
        self.error_correction = percent > 0;
        self.expected_loss = if percent > 100 { 100 } else { percent };
        self
    }

    /// With discontinuous transmission: silence makes payloads of one octet.
    #[must_use]
    pub const fn discontinuous(mut self) -> Self {
        self.discontinuous = true;
        self
    }

    /// What we send, as far as it follows what the other side says it likes to receive in `a=fmtp` (RFC 7587 §6.1):
    /// `maxaveragebitrate`, `maxplaybackrate`, `useinbandfec`, `usedtx`, `stereo`. What is malformed is ignored.
    ///
    /// ```
    /// use sip_rtp::codec::opus::Opus;
    ///
    /// let opus = Opus::new().for_receiver("maxaveragebitrate=20000; useinbandfec=0; stereo=1");
    /// assert_eq!(opus, Opus::new().bit_rate(20_000).expected_loss(0));
    /// ```
    #[must_use]
    pub fn for_receiver(mut self, parameters: &str) -> Self {
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let Ok(value) = value.trim().parse::<u32>() else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "maxaveragebitrate" => self = self.bit_rate(value),
                // RFC 7587 §6.1: a receiver that plays at 8 kHz has no use for more.
                "maxplaybackrate" if value < self.sample_rate => self = self.at(value),
                "useinbandfec" if value == 0 => self = self.expected_loss(0),
                "usedtx" => self.discontinuous = value == 1,
                "stereo" if value == 0 => self.stereo = false,
                _ => {}
            }
        }
        self
    }

    /// What we like to receive, for `a=fmtp` (RFC 7587 §6.1).
    #[must_use]
    pub fn parameters(&self) -> String {
        let mut text = String::from("useinbandfec=1");
        if self.sample_rate < CLOCK {
            text.push_str(&format!(";maxplaybackrate={}", self.sample_rate));
        }
        if self.stereo {
            text.push_str(";stereo=1");
        }
        if let Some(bit_rate) = self.bit_rate {
            text.push_str(&format!(";maxaveragebitrate={bit_rate}"));
        }
        if self.discontinuous {
            text.push_str(";usedtx=1");
        }
        text
    }

    fn library_rate(self) -> SampleRate {
        match self.sample_rate {
            8_000 => SampleRate::Hz8000,
            12_000 => SampleRate::Hz12000,
            16_000 => SampleRate::Hz16000,
            24_000 => SampleRate::Hz24000,
            _ => SampleRate::Hz48000,
        }
    }

    fn library_channels(self) -> Channels {
        if self.stereo {
            Channels::Stereo
        } else {
            Channels::Mono
        }
    }

    fn library_encoder(self) -> Option<opusic_c::Encoder> {
        let mut encoder = opusic_c::Encoder::new(
            self.library_channels(),
            self.library_rate(),
            Application::Voip,
        )
        .ok()?;
        if let Some(bit_rate) = self.bit_rate {
            encoder.set_bitrate(Bitrate::Value(bit_rate)).ok()?;
        }
        if self.error_correction {
            encoder.set_inband_fec(InbandFec::Mode1).ok()?;
            encoder.set_packet_loss(self.expected_loss).ok()?;
        }
        encoder.set_dtx(self.discontinuous).ok()?;
        Some(encoder)
    }
}

impl Codec for Opus {
    fn name(&self) -> &'static str {
        "opus"
    }
    fn clock_rate(&self) -> u32 {
        CLOCK
    }
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }
    fn channels(&self) -> u8 {
        // RFC 7587 §4.1: always 2, however many are sent.
        2
    }
    fn sample_channels(&self) -> u8 {
        if self.stereo { 2 } else { 1 }
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(EncoderState {
            encoder: self.library_encoder(),
            samples: Vec::new(),
        })
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        let channels = usize::from(self.sample_channels());
        Box::new(DecoderState {
            decoder: opusic_c::Decoder::new(self.library_channels(), self.library_rate()).ok(),
            channels,
            rate: self.sample_rate,
            samples: vec![0.0; (self.sample_rate * LONGEST_MS / 1_000) as usize * channels],
        })
    }
}

/// Without memory for the library's state, a stream is silent: then there is no encoder.
struct EncoderState {
    encoder: Option<opusic_c::Encoder>,
    samples: Vec<f32>,
}

struct DecoderState {
    decoder: Option<opusic_c::Decoder>,
    channels: usize,
    rate: u32,
    /// Room for the longest packet.
    samples: Vec<f32>,
}

impl fmt::Debug for EncoderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusEncoder").finish_non_exhaustive()
    }
}

impl fmt::Debug for DecoderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusDecoder").finish_non_exhaustive()
    }
}

impl Encoder for EncoderState {
    /// `pcm` is one frame of 2.5, 5, 10, 20, 40 or 60 ms; any other length gives no payload.
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let Some(encoder) = &mut self.encoder else {
            return;
        };
        self.samples.clear();
        self.samples
            .extend(pcm.iter().map(|sample| f32::from(*sample) / 32_768.0));
        let start = out.len();
        out.resize(start + LARGEST, 0);
        let written = out
            .get_mut(start..)
            .and_then(|room| encoder.encode_float_to_slice(&self.samples, room).ok());
        out.truncate(start + written.unwrap_or(0));
    }
}

impl DecoderState {
    /// Decodes into `samples` samples at most, for all channels together.
    fn run(&mut self, payload: &[u8], samples: usize, recover: bool, pcm: &mut Vec<i16>) -> bool {
        let (Some(decoder), Some(room)) = (&mut self.decoder, self.samples.get_mut(..samples))
        else {
            return false;
        };
        let Ok(decoded) = decoder.decode_float_to_slice(payload, room, recover) else {
            return false;
        };
        let decoded = room.get(..decoded * self.channels).unwrap_or_default();
        pcm.extend(
            decoded
                .iter()
                .map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16),
        );
        true
    }

    /// The library conceals multiples of 2.5 ms.
    fn can_make_up(&self, samples: usize) -> bool {
        samples > 0
            && samples <= self.samples.len()
            && samples.is_multiple_of((self.rate / 400) as usize * self.channels)
    }
}

impl Decoder for DecoderState {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        if !payload.is_empty() {
            self.run(payload, self.samples.len(), false, pcm);
        }
    }

    fn duration(&self, payload: &[u8]) -> u32 {
        let samples = utils::get_nb_samples(payload, SampleRate::Hz48000).unwrap_or(0);
        u32::try_from(samples).unwrap_or(0)
    }

    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> bool {
        self.can_make_up(samples) && self.run(&[], samples, false, pcm)
    }

    fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<i16>) -> bool {
        !next.is_empty() && self.can_make_up(samples) && self.run(next, samples, true, pcm)
    }
}

#[cfg(test)]
mod tests;
