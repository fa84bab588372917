//! Where the audio that we receive goes.

use std::io;

/// Received audio: mono, 16 bit, [`SAMPLE_RATE`](super::SAMPLE_RATE).
pub trait Sink: Send {
    /// Takes the next samples. It is called every 20 ms, also when nothing arrived (then with silence or with what
    /// conceals a loss), so that time in a recording is time in the call.
    ///
    /// # Errors
    /// What kept the samples from being kept; the session stops writing and reports it once.
    fn write(&mut self, samples: &[i16]) -> io::Result<()>;

    /// Called once, after the last write.
    ///
    /// # Errors
    /// What kept the sink from being finished (a full disk, for instance).
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes everything and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Discard;

impl Discard {
    /// A sink that keeps nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Sink for Discard {
    fn write(&mut self, _samples: &[i16]) -> io::Result<()> {
        Ok(())
    }
}
