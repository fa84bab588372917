//! Audio of a call: where it comes from, where it goes, and the session that carries it.
//!
//! A [`Source`] is read and a [`Sink`] is written in frames of 20 ms of mono 16-bit samples at 8 kHz, the rate of
//! G.711. [`WavFile`] and [`WavRecorder`] are files, [`ToneSource`] is a generated tone, [`Silence`] and [`Discard`]
//! are the empty ends; a program adds its own (a speech engine, a sound card) by implementing the trait.

mod session;
mod sink;
mod source;
mod wav;

pub use session::{
    Codec, MediaConfig, MediaError, MediaEvent, MediaPort, MediaSession, MediaStatistics,
};
pub use sink::{Discard, Sink};
pub use source::{Chain, Samples, Silence, Source, ToneSource};
pub use wav::{WavError, WavFile, WavRecorder};

/// Samples in a second of audio at the rate that sources and sinks use.
pub const SAMPLE_RATE: u32 = 8_000;

/// Samples in one 20 ms frame at [`SAMPLE_RATE`].
pub const FRAME: usize = 160;
