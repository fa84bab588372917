//! WAV files in and out, at any rate, over any reader and writer (the crate opens no file).

use std::fmt;
use std::io::{self, Read, Seek, Write};

/// Why a WAV file cannot be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WavError {
    /// Reading or writing failed.
    Io(io::Error),
    /// Not a WAV file, or cut off.
    Malformed,
    /// A format that is not supported: something else than integer samples of 8 to 32 bits or 32-bit floats.
    Unsupported,
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "WAV file: {error}"),
            Self::Malformed => f.write_str("not a WAV file, or a damaged one"),
            Self::Unsupported => {
                f.write_str("WAV file in a format other than PCM of 8 to 32 bits or 32-bit float")
            }
        }
    }
}

impl std::error::Error for WavError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Malformed | Self::Unsupported => None,
        }
    }
}

impl From<hound::Error> for WavError {
    fn from(error: hound::Error) -> Self {
        match error {
            hound::Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Malformed
            }
            hound::Error::IoError(error) => Self::Io(error),
            hound::Error::FormatError(_) => Self::Malformed,
            hound::Error::TooWide
            | hound::Error::UnfinishedSample
            | hound::Error::Unsupported
            | hound::Error::InvalidSampleFormat => Self::Unsupported,
        }
    }
}

/// Samples from a WAV file: all channels mixed into one, at the rate of the file.
///
/// ```
/// use std::io::Cursor;
/// use sip_rtp::wav::{WavReader, WavWriter};
///
/// let mut file = Cursor::new(Vec::new());
/// let mut writer = WavWriter::mono(&mut file, 8000)?;
/// writer.write(&[1, 2, 3])?;
/// writer.finish()?;
/// file.set_position(0);
/// let mut reader = WavReader::new(file)?;
/// let mut pcm = [0; 160];
/// assert_eq!((reader.sample_rate(), reader.fill(&mut pcm)?), (8000, 3));
/// # Ok::<(), sip_rtp::wav::WavError>(())
/// ```
pub struct WavReader<R> {
    reader: hound::WavReader<R>,
    channels: u16,
    float: bool,
    bits: u16,
}

impl<R> fmt::Debug for WavReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavReader")
            .field("channels", &self.channels)
            .field("bits", &self.bits)
            .finish_non_exhaustive()
    }
}

impl<R: Read> WavReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is none that this crate reads.
    pub fn new(reader: R) -> Result<Self, WavError> {
        let reader = hound::WavReader::new(reader)?;
        let spec = reader.spec();
        let float = spec.sample_format == hound::SampleFormat::Float;
        if spec.channels == 0
            || spec.sample_rate == 0
            || !(8..=32).contains(&spec.bits_per_sample)
            || (float && spec.bits_per_sample != 32)
        {
            return Err(WavError::Unsupported);
        }
        Ok(Self {
            reader,
            channels: spec.channels,
            float,
            bits: spec.bits_per_sample,
        })
    }

    /// The rate of the samples in Hz.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.reader.spec().sample_rate
    }

    /// The channels of the file.
    #[must_use]
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// The length of the file, in samples of one channel.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.reader.duration()
    }

    /// Whether the file has no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads samples until `pcm` is full or the file ends; returns how many.
    ///
    /// # Errors
    /// When reading fails, or the file is shorter than its header says.
    pub fn fill(&mut self, pcm: &mut [i16]) -> Result<usize, WavError> {
        for (done, sample) in pcm.iter_mut().enumerate() {
            let mut sum = 0i32;
            for channel in 0..self.channels {
                match self.next_sample()? {
                    Some(value) => sum += i32::from(value),
                    None if channel == 0 => return Ok(done),
                    None => return Err(WavError::Malformed),
                }
            }
            *sample = (sum / i32::from(self.channels)) as i16;
        }
        Ok(pcm.len())
    }

    /// Reads the rest of the file.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn read_to_end(&mut self) -> Result<Vec<i16>, WavError> {
        let mut all = Vec::new();
        let mut part = [0; 1024];
        loop {
            let count = self.fill(&mut part)?;
            all.extend_from_slice(part.get(..count).unwrap_or_default());
            if count < part.len() {
                return Ok(all);
            }
        }
    }

    fn next_sample(&mut self) -> Result<Option<i16>, WavError> {
        if self.float {
            let value = self.reader.samples::<f32>().next().transpose()?;
            return Ok(value.map(|value| (value * 32_768.0).clamp(-32_768.0, 32_767.0) as i16));
        }
        let value = self.reader.samples::<i32>().next().transpose()?;
        // To 16 bits, from fewer or more.
        let bits = self.bits;
        Ok(value.map(|value| {
            if bits <= 16 {
                (value << (16 - bits)) as i16
            } else {
                (value >> (bits - 16)) as i16
            }
        }))
    }
}

/// Writes 16-bit PCM to a WAV file. Call [`Self::finish`]: the header holds the length.
pub struct WavWriter<W: Write + Seek> {
    writer: hound::WavWriter<W>,
}

impl<W: Write + Seek> fmt::Debug for WavWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavWriter")
            .field("samples", &self.writer.len())
            .finish_non_exhaustive()
    }
}

impl<W: Write + Seek> WavWriter<W> {
    /// A file with one channel.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn mono(writer: W, sample_rate: u32) -> Result<Self, WavError> {
        Self::new(writer, sample_rate, 1)
    }

    /// A file with two channels: both directions of a call side by side.
    ///
    /// # Errors
    /// When the header cannot be written.
    pub fn stereo(writer: W, sample_rate: u32) -> Result<Self, WavError> {
        Self::new(writer, sample_rate, 2)
    }

    /// Appends samples; interleaved when the file has two channels.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, pcm: &[i16]) -> Result<(), WavError> {
        for sample in pcm {
            self.writer.write_sample(*sample)?;
        }
        Ok(())
    }

    /// Appends what was heard and what was said in the same time; the shorter one is filled up with silence. For a file
    /// with two channels.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_both(&mut self, left: &[i16], right: &[i16]) -> Result<(), WavError> {
        for at in 0..left.len().max(right.len()) {
            self.writer
                .write_sample(left.get(at).copied().unwrap_or(0))?;
            self.writer
                .write_sample(right.get(at).copied().unwrap_or(0))?;
        }
        Ok(())
    }

    /// Writes the length into the header so far: the file is whole even if the program dies after it.
    ///
    /// # Errors
    /// When writing fails.
    pub fn flush(&mut self) -> Result<(), WavError> {
        Ok(self.writer.flush()?)
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> Result<(), WavError> {
        Ok(self.writer.finalize()?)
    }

    fn new(writer: W, sample_rate: u32, channels: u16) -> Result<Self, WavError> {
        let spec = hound::WavSpec {
            channels,
            sample_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        Ok(Self {
            writer: hound::WavWriter::new(writer, spec)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn written(
        spec: hound::WavSpec,
        write: impl FnOnce(&mut hound::WavWriter<&mut Cursor<Vec<u8>>>),
    ) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        file.into_inner()
    }

    #[test]
    fn every_width_becomes_sixteen_bits() {
        for bits in [8u16, 16, 24, 32] {
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 11_025,
                bits_per_sample: bits,
                sample_format: hound::SampleFormat::Int,
            };
            let file = written(spec, |writer| {
                for value in [-128i32, 0, 64, 127] {
                    writer.write_sample(value << (bits - 8)).unwrap();
                }
            });
            let mut reader = WavReader::new(Cursor::new(file)).unwrap();
            assert_eq!((reader.sample_rate(), reader.len()), (11_025, 4));
            assert_eq!(
                reader.read_to_end().unwrap(),
                [-32_768, 0, 16_384, 127 << 8]
            );
        }
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let file = written(spec, |writer| {
            [-1.0f32, 0.5, 2.0]
                .into_iter()
                .for_each(|value| writer.write_sample(value).unwrap())
        });
        assert_eq!(
            WavReader::new(Cursor::new(file))
                .unwrap()
                .read_to_end()
                .unwrap(),
            [-32_768, 16_384, 32_767]
        );
    }

    #[test]
    fn both_directions_lie_side_by_side() {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::stereo(&mut file, 16_000).unwrap();
        writer.write_both(&[100, 200, 300], &[-100]).unwrap();
        writer.flush().unwrap();
        writer.write(&[5, 7]).unwrap();
        writer.finish().unwrap();
        let octets = file.into_inner();
        let samples: Vec<i16> = hound::WavReader::new(Cursor::new(&octets))
            .unwrap()
            .samples()
            .map(Result::unwrap)
            .collect();
        assert_eq!(samples, [100, -100, 200, 0, 300, 0, 5, 7]);
        let mut reader = WavReader::new(Cursor::new(octets)).unwrap();
        assert_eq!(
            (reader.channels(), reader.read_to_end().unwrap()),
            (2, vec![0, 100, 150, 6])
        );
    }

    proptest! {
        #[test]
        fn damaged_files_are_refused_or_read(mut at in 0usize..60, value: u8, cut in 0usize..80) {
            let spec = hound::WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
            let mut file = written(spec, |writer| (0..16i16).for_each(|value| writer.write_sample(value).unwrap()));
            at %= file.len();
            file[at] = value;
            file.truncate(file.len() - cut.min(file.len()));
            if let Ok(mut reader) = WavReader::new(Cursor::new(file)) {
                let mut pcm = [0; 64];
                if let Ok(count) = reader.fill(&mut pcm) {
                    prop_assert!(count <= 64);
                }
            }
        }
    }
}
