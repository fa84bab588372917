//! From one codec to any number of others: decoded once, resampled once per rate, encoded once per codec.
//!
//! ```text
//!                                   ┌► PCMA (8 kHz) ──► payloads
//!   payloads ──► G722 ──► 16 kHz ───┼► 8 kHz ─┘
//!       │                           └► 48 kHz ──► Opus ──► payloads
//!       └──────────────────────────────────────────────► payloads as they came (G722)
//! ```
//!
//! A codec is whatever implements [`Codec`], so a user's own takes part like the built-in ones. Rates that differ need the
//! feature `resample`.

use std::fmt;

use crate::codec::{Codec, Decoder, Encoder};
use crate::conceal::Concealer;
#[cfg(feature = "resample")]
use crate::resample::Resampler;

/// What an output plays per packet, in milliseconds, where the input does not say so (RFC 3551 §4.2).
const FRAME_MS: u32 = 20;
/// Samples of an output that may wait for a frame to be whole; a decoder that gives more at once has them dropped.
const MOST_WAITING: usize = 1 << 20;

/// Why an output cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TranscodeError {
    /// The rates of the two codecs differ, in Hz, and nothing here converts between them.
    Rates {
        /// The rate of the input's samples.
        from: u32,
        /// The rate of the output's samples.
        to: u32,
    },
    /// Such a codec has no 20 ms frames.
    Frame,
}

impl fmt::Display for TranscodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rates { from, to } => {
                write!(f, "samples at {from} Hz cannot be converted to {to} Hz")
            }
            Self::Frame => f.write_str("the codec's rate has no whole frames of 20 ms"),
        }
    }
}

impl std::error::Error for TranscodeError {}

/// An output of a [`Transcoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutputId(u32);

/// A payload for an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transcoded<'a> {
    /// For whom.
    pub output: OutputId,
    /// The octets.
    pub payload: &'a [u8],
    /// How long they play, in ticks of the output's RTP clock.
    pub duration: u32,
}

/// One stream of payloads turned into others. See the [module](self).
///
/// ```
/// use sip_rtp::codec::Codecs;
/// use sip_rtp::transcode::Transcoder;
///
/// let codecs = Codecs::builtin();
/// let (pcmu, pcma) = (codecs.find_static(0).unwrap(), codecs.find_static(8).unwrap());
/// let mut transcoder = Transcoder::new(pcmu);
/// let output = transcoder.add_output(pcma)?;
/// transcoder.transcode(&[0xff; 160], |transcoded| {
///     assert_eq!((transcoded.output, transcoded.duration), (output, 160));
///     assert_eq!(transcoded.payload, [0xd5; 160]);
/// });
/// # Ok::<(), sip_rtp::transcode::TranscodeError>(())
/// ```
#[derive(Debug)]
pub struct Transcoder {
    input: Format,
    decoder: Box<dyn Decoder>,
    concealer: Concealer,
    /// What was decoded, in one channel.
    pcm: Vec<i16>,
    rates: Vec<Rate>,
    encodings: Vec<Encoding>,
    outputs: Vec<(OutputId, Source)>,
    next_id: u32,
}

/// What tells one codec from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    name: &'static str,
    clock_rate: u32,
    channels: u8,
    sample_rate: u32,
    sample_channels: u8,
}

impl Format {
    fn of(codec: &dyn Codec) -> Self {
        Self {
            name: codec.name(),
            clock_rate: codec.clock_rate(),
            channels: codec.channels(),
            sample_rate: codec.sample_rate(),
            sample_channels: codec.sample_channels(),
        }
    }

    fn same_payloads(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(other.name)
            && (self.clock_rate, self.channels) == (other.clock_rate, other.channels)
    }
}

/// Where an output's payloads come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// They are those of the input.
    Input,
    /// The encoding with this number.
    Encoding(u32),
}

/// The samples at another rate than the input's.
#[derive(Debug)]
struct Rate {
    rate: u32,
    #[cfg(feature = "resample")]
    resampler: Resampler,
    pcm: Vec<i16>,
}

#[derive(Debug)]
struct Encoding {
    number: u32,
    format: Format,
    encoder: Box<dyn Encoder>,
    /// Samples of a packet, all channels together.
    frame: usize,
    waiting: Vec<i16>,
    payload: Vec<u8>,
}

impl Transcoder {
    /// For payloads of `input`, without outputs yet.
    #[must_use]
    pub fn new(input: &dyn Codec) -> Self {
        Self {
            input: Format::of(input),
            decoder: input.decoder(),
            concealer: Concealer::new(input.sample_rate()),
            pcm: Vec::new(),
            rates: Vec::new(),
            encodings: Vec::new(),
            outputs: Vec::new(),
            next_id: 0,
        }
    }

    /// Adds an output. One of the input's own codec gets the payloads as they came; those of one codec share an encoder.
    ///
    /// # Errors
    /// [`TranscodeError::Rates`] when the samples of the two codecs differ in rate, and cannot be resampled (or the feature
    /// `resample` is off).
    pub fn add_output(&mut self, codec: &dyn Codec) -> Result<OutputId, TranscodeError> {
        let format = Format::of(codec);
        let source = if format.same_payloads(&self.input) {
            Source::Input
        } else if let Some(encoding) = self
            .encodings
            .iter()
            .find(|encoding| encoding.format == format)
        {
            Source::Encoding(encoding.number)
        } else {
            self.add_rate(format.sample_rate)?;
            let samples = format.sample_rate * FRAME_MS / 1_000;
            if samples == 0 {
                return Err(TranscodeError::Frame);
            }
            self.encodings.push(Encoding {
                number: self.next_id,
                format,
                encoder: codec.encoder(),
                frame: samples as usize * usize::from(format.sample_channels.max(1)),
                waiting: Vec::new(),
                payload: Vec::new(),
            });
            Source::Encoding(self.next_id)
        };
        let id = OutputId(self.next_id);
        self.next_id += 1;
        self.outputs.push((id, source));
        Ok(id)
    }

    /// Removes an output, and what only it needed.
    pub fn remove_output(&mut self, id: OutputId) {
        let outputs = &mut self.outputs;
        outputs.retain(|(output, _)| *output != id);
        self.encodings.retain(|encoding| {
            outputs
                .iter()
                .any(|(_, source)| *source == Source::Encoding(encoding.number))
        });
        let encodings = &self.encodings;
        self.rates.retain(|rate| {
            encodings
                .iter()
                .any(|encoding| encoding.format.sample_rate == rate.rate)
        });
    }

    /// Takes a payload of the input, and calls `each` with what it completes of each output.
    pub fn transcode(&mut self, payload: &[u8], mut each: impl FnMut(Transcoded<'_>)) {
        let duration = self.decoder.duration(payload);
        for (output, source) in &self.outputs {
            if *source == Source::Input {
                each(Transcoded {
                    output: *output,
                    payload,
                    duration,
                });
            }
        }
        if self.encodings.is_empty() {
            return;
        }
        self.pcm.clear();
        self.decoder.decode(payload, &mut self.pcm);
        to_mono(&mut self.pcm, self.input.sample_channels);
        self.concealer.good(&mut self.pcm);
        self.encode(&mut each);
    }

    /// Makes up for a packet of the input that was lost and would have played for `duration` ticks of its RTP clock. Outputs
    /// of the input's own codec get nothing: their receivers see the loss themselves.
    pub fn conceal(&mut self, duration: u32, mut each: impl FnMut(Transcoded<'_>)) {
        if self.encodings.is_empty() {
            return;
        }
        let samples = u64::from(duration) * u64::from(self.input.sample_rate)
            / u64::from(self.input.clock_rate.max(1));
        // No packet plays for longer than a second.
        let samples = (samples as usize).min(self.input.sample_rate as usize);
        let channels = usize::from(self.input.sample_channels.max(1));
        self.pcm.clear();
        if self.decoder.conceal(samples * channels, &mut self.pcm) {
            to_mono(&mut self.pcm, self.input.sample_channels);
            self.concealer.good(&mut self.pcm);
        } else {
            self.pcm.clear();
            self.pcm.resize(samples, 0);
            self.concealer.conceal(&mut self.pcm);
        }
        self.encode(&mut each);
    }

    fn add_rate(&mut self, to: u32) -> Result<(), TranscodeError> {
        let from = self.input.sample_rate;
        if to == from || self.rates.iter().any(|rate| rate.rate == to) {
            return Ok(());
        }
        #[cfg(feature = "resample")]
        {
            let resampler =
                Resampler::new(from, to).map_err(|_| TranscodeError::Rates { from, to })?;
            self.rates.push(Rate {
                rate: to,
                resampler,
                pcm: Vec::new(),
            });
            Ok(())
        }
        #[cfg(not(feature = "resample"))]
        Err(TranscodeError::Rates { from, to })
    }

    /// Encodes what was decoded, for all outputs.
    fn encode(&mut self, each: &mut impl FnMut(Transcoded<'_>)) {
        for rate in &mut self.rates {
            rate.pcm.clear();
            #[cfg(feature = "resample")]
            rate.resampler.process(&self.pcm, &mut rate.pcm);
        }
        for encoding in &mut self.encodings {
            let pcm = self
                .rates
                .iter()
                .find(|rate| rate.rate == encoding.format.sample_rate)
                .map_or(&self.pcm, |rate| &rate.pcm);
            let channels = usize::from(encoding.format.sample_channels.max(1));
            if encoding.waiting.len() + pcm.len() * channels > MOST_WAITING {
                continue;
            }
            for sample in pcm {
                encoding
                    .waiting
                    .extend(std::iter::repeat_n(*sample, channels));
            }
            let mut done = 0;
            while let Some(frame) = encoding.waiting.get(done..done + encoding.frame) {
                done += encoding.frame;
                encoding.payload.clear();
                encoding.encoder.encode(frame, &mut encoding.payload);
                for (output, source) in &self.outputs {
                    if *source == Source::Encoding(encoding.number) {
                        each(Transcoded {
                            output: *output,
                            payload: &encoding.payload,
                            duration: encoding.format.clock_rate * FRAME_MS / 1_000,
                        });
                    }
                }
            }
            encoding.waiting.drain(..done);
        }
    }
}

/// Interleaved channels become their mean.
fn to_mono(pcm: &mut Vec<i16>, channels: u8) {
    let channels = usize::from(channels);
    if channels < 2 {
        return;
    }
    let frames = pcm.len() / channels;
    for index in 0..frames {
        let frame = pcm
            .get(index * channels..(index + 1) * channels)
            .unwrap_or_default();
        let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
        if let Some(sample) = pcm.get_mut(index) {
            *sample = (sum / channels as i32) as i16;
        }
    }
    pcm.truncate(frames);
}

#[cfg(test)]
mod tests;
