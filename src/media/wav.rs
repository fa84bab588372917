//! WAV files in and out.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

use super::{SAMPLE_RATE, Samples, Sink, Source};

/// The longest file that is played, in seconds: a file is held in memory (16 kB a second).
const LONGEST: u64 = 2 * 3600;

/// A WAV file played once: any rate, any number of channels (mixed to one), 8 to 32 bit integer or 32 bit float.
#[derive(Debug, Clone)]
pub struct WavFile(Samples);

impl WavFile {
    /// Reads the file at `path` and converts it to the rate of a call.
    ///
    /// # Errors
    /// The file cannot be read, is no WAV file, has no samples, or is longer than two hours.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WavError> {
        let path = path.as_ref();
        let fail = |kind| WavError {
            path: path.to_path_buf(),
            kind,
        };
        let reader = WavReader::open(path).map_err(|error| fail(Kind::Wav(error)))?;
        let samples = decode(reader).map_err(fail)?;
        Ok(Self(Samples::new(samples)))
    }

    /// How many seconds are left to play.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.0.remaining() as f64 / f64::from(SAMPLE_RATE)
    }
}

impl Source for WavFile {
    fn read(&mut self, frame: &mut [i16]) -> usize {
        self.0.read(frame)
    }
}

/// A recording: mono, 16 bit, 8 kHz. The file is complete after [`finish`](Sink::finish), and after a drop.
pub struct WavRecorder {
    writer: Option<WavWriter<BufWriter<File>>>,
}

impl WavRecorder {
    /// Creates the file, or empties it when it exists.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, WavError> {
        let path = path.as_ref();
        let spec = WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let writer = WavWriter::create(path, spec).map_err(|error| WavError {
            path: path.to_path_buf(),
            kind: Kind::Wav(error),
        })?;
        Ok(Self {
            writer: Some(writer),
        })
    }
}

impl std::fmt::Debug for WavRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavRecorder")
            .field("finished", &self.writer.is_none())
            .finish()
    }
}

impl Sink for WavRecorder {
    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        for &sample in samples {
            writer.write_sample(sample).map_err(io_error)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer
            .take()
            .map_or(Ok(()), |writer| writer.finalize().map_err(io_error))
    }
}

/// Why a WAV file could not be used.
#[derive(Debug)]
pub struct WavError {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Wav(hound::Error),
    Empty,
    TooLong,
    Rate(u32),
    Resample,
}

impl std::fmt::Display for WavError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Wav(hound::Error::IoError(error)) => write!(f, "{path}: {error}"),
            Kind::Wav(error) => write!(f, "{path} is not a usable WAV file: {error}"),
            Kind::Empty => write!(f, "{path} has no samples"),
            Kind::TooLong => write!(f, "{path} is longer than {} hours", LONGEST / 3600),
            Kind::Rate(rate) => write!(
                f,
                "{path} has a sample rate of {rate} Hz; 1000 to 384000 Hz can be played"
            ),
            Kind::Resample => write!(f, "{path} could not be converted to {SAMPLE_RATE} Hz"),
        }
    }
}

impl std::error::Error for WavError {}

fn io_error(error: hound::Error) -> io::Error {
    if let hound::Error::IoError(error) = error {
        error
    } else {
        io::Error::other(error)
    }
}

fn decode(mut reader: WavReader<io::BufReader<File>>) -> Result<Vec<i16>, Kind> {
    let spec = reader.spec();
    if !(1_000..=384_000).contains(&spec.sample_rate) {
        return Err(Kind::Rate(spec.sample_rate));
    }
    if u64::from(reader.duration()) > LONGEST * u64::from(spec.sample_rate) {
        return Err(Kind::TooLong);
    }
    // At the rate of the call, 16 bit and mono, the file's own samples are what is sent.
    if (
        spec.channels,
        spec.sample_rate,
        spec.bits_per_sample,
        spec.sample_format,
    ) == (1, SAMPLE_RATE, 16, SampleFormat::Int)
    {
        let samples = reader
            .samples::<i16>()
            .collect::<Result<Vec<_>, _>>()
            .map_err(Kind::Wav)?;
        return if samples.is_empty() {
            Err(Kind::Empty)
        } else {
            Ok(samples)
        };
    }
    let interleaved: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader
            .samples::<f32>()
            .collect::<Result<_, _>>()
            .map_err(Kind::Wav)?,
        SampleFormat::Int => {
            let full = f32::powi(2.0, i32::from(spec.bits_per_sample) - 1);
            let scale =
                |sample: Result<i32, hound::Error>| sample.map(|sample| sample as f32 / full);
            reader
                .samples::<i32>()
                .map(scale)
                .collect::<Result<_, _>>()
                .map_err(Kind::Wav)?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> = interleaved
        .chunks(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    if mono.is_empty() {
        return Err(Kind::Empty);
    }
    let at_rate = if spec.sample_rate == SAMPLE_RATE {
        mono
    } else {
        resample(mono, spec.sample_rate)?
    };
    Ok(at_rate
        .into_iter()
        .map(|sample| (sample * 32_768.0).round() as i16)
        .collect())
}

fn resample(mono: Vec<f32>, rate: u32) -> Result<Vec<f32>, Kind> {
    let frames = mono.len();
    let input = InterleavedOwned::new_from(mono, 1, frames).map_err(|_| Kind::Resample)?;
    let mut resampler = Fft::<f32>::new(
        rate as usize,
        SAMPLE_RATE as usize,
        1024,
        1,
        FixedSync::Input,
    )
    .map_err(|_| Kind::Resample)?;
    let output = resampler
        .process_all(&input, frames, None)
        .map_err(|_| Kind::Resample)?;
    Ok(output.take_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, spec: WavSpec, samples: impl Iterator<Item = i32>) {
        let mut writer = WavWriter::create(path, spec).unwrap();
        for sample in samples {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
    }

    fn rising(samples: &[i16]) -> usize {
        samples
            .windows(2)
            .filter(|pair| pair[0] < 0 && pair[1] >= 0)
            .count()
    }

    #[test]
    fn what_is_recorded_is_played_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let samples: Vec<i16> = (0..1_000)
            .map(|n| (n * 31 % 2_000) as i16 - 1_000)
            .collect();
        let mut sink = WavRecorder::create(&path).unwrap();
        sink.write(&samples).unwrap();
        sink.finish().unwrap();
        let mut back = vec![0; 1_100];
        assert_eq!(WavFile::open(&path).unwrap().read(&mut back), 1_000);
        assert_eq!(back[..1_000], samples);
    }

    #[test]
    fn another_rate_and_stereo_keep_pitch_level_and_length() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("b.wav");
        let spec = WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 24,
            sample_format: SampleFormat::Int,
        };
        let tone = (0..44_100).flat_map(|n| {
            let sample =
                (f64::from(n) * 440.0 * std::f64::consts::TAU / 44_100.0).sin() * 4_000_000.0;
            [sample as i32; 2]
        });
        write(&path, spec, tone);
        let mut source = WavFile::open(&path).unwrap();
        assert!(
            (source.seconds() - 1.0).abs() < 0.001,
            "{}",
            source.seconds()
        );
        let mut back = vec![0; 8_000];
        source.read(&mut back);
        assert!((438..=441).contains(&rising(&back)), "{}", rising(&back));
        let peak = back[1_000..7_000]
            .iter()
            .map(|s| i32::from(*s).abs())
            .max()
            .unwrap();
        // 4,000,000 of 2^23 is 15,625 of 2^15.
        assert!((15_300..16_000).contains(&peak), "{peak}");
    }

    #[test]
    fn what_is_no_wav_file_is_said_to_be_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.wav");
        std::fs::write(&path, b"hello").unwrap();
        let said = WavFile::open(&path).unwrap_err().to_string();
        assert!(said.contains("c.wav"), "{said}");
        let missing = WavFile::open(directory.path().join("d.wav"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("No such file"), "{missing}");
        let spec = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let empty = directory.path().join("e.wav");
        write(&empty, spec, std::iter::empty());
        assert!(
            WavFile::open(&empty)
                .unwrap_err()
                .to_string()
                .contains("no samples")
        );
    }
}
