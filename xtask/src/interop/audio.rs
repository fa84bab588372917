//! Was it heard? A recording compared with what was played: aligned by cross-correlation, then correlated.

use std::{f64::consts::PI, fmt, path::Path};

use anyhow::{Context as _, Result, bail};

/// Samples per second of everything here (G.711).
pub(crate) const RATE: u32 = 8_000;

/// Windows of 160 ms: long enough for a coefficient that means something, short enough that a slip of one packet
/// spoils one of them only.
const WINDOW: usize = 1_280;

/// How far the best lag of a window may be from that of the window before, in samples (60 ms).
const SLIP: usize = 480;

/// A signal that is like nothing shifted of itself: glides between random pitches with two overtones, in syllables.
/// `seed` tells one speaker from another.
pub(crate) fn speech(seed: u64, seconds: u32) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        // xorshift64*: any generator does; it has to be the same on each run.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        f64::from((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as u32) / f64::from(1_u32 << 24)
    };
    let total = (seconds * RATE) as usize;
    let mut out = Vec::with_capacity(total);
    let (mut phase, mut pitch) = (0.0_f64, 200.0 + 500.0 * random());
    while out.len() < total {
        let length = 800 + (1_200.0 * random()) as usize;
        let (target, loudness) = (200.0 + 600.0 * random(), 3_000.0 + 6_000.0 * random());
        let (second, third) = (0.6 * random(), 0.4 * random());
        for step in 0..length {
            let part = step as f64 / length as f64;
            phase += 2.0 * PI * (pitch + (target - pitch) * part) / f64::from(RATE);
            let envelope = 0.15 + 0.85 * (PI * part).sin();
            let wave = phase.sin() + second * (2.0 * phase).sin() + third * (3.0 * phase).sin();
            out.push((loudness * envelope * wave) as i16);
        }
        pitch = target;
    }
    out.truncate(total);
    out
}

/// Write 16-bit mono at 8 kHz.
pub(crate) fn write(path: &Path, samples: &[i16]) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)
        .with_context(|| format!("cannot write {}", path.display()))?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    Ok(writer.finalize()?)
}

/// Read 16-bit mono at 8 kHz; anything else is an error.
pub(crate) fn read(path: &Path) -> Result<Vec<i16>> {
    let reader =
        hound::WavReader::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, RATE, 16) {
        bail!(
            "{}: {} channels of {} bits at {} Hz",
            path.display(),
            spec.channels,
            spec.bits_per_sample,
            spec.sample_rate
        );
    }
    reader
        .into_samples::<i16>()
        .map(|sample| Ok(sample?))
        .collect()
}

/// How a recording relates to what was played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// Where the beginning of what was played is in the recording, in ms; negative when the beginning is missing.
    pub(crate) offset_ms: f64,
    /// Pearson's coefficient over all that both have, at one lag.
    pub(crate) whole: f64,
    /// The median coefficient of the windows, each at its own lag.
    pub(crate) median: f64,
    /// The mean of them.
    pub(crate) mean: f64,
    /// Windows compared, and those of them that correlate by 0.98 or more.
    pub(crate) windows: usize,
    pub(crate) matched: usize,
    /// How much the lag moved from the first window to the last, in ms: clocks that differ, or packets lost.
    pub(crate) drift_ms: f64,
    /// Gain of the recording, in dB.
    pub(crate) gain_db: f64,
    /// How much of what was played was compared, in s.
    pub(crate) seconds: f64,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} s at {:+.0} ms, correlation {:.4} (mean {:.4}, whole {:.4}), {}/{} windows, drift {:+.1} ms, gain {:+.1} dB",
            self.seconds,
            self.offset_ms,
            self.median,
            self.mean,
            self.whole,
            self.matched,
            self.windows,
            self.drift_ms,
            self.gain_db
        )
    }
}

/// Demand that `recorded` is what was `played`, at least `seconds` of it.
///
/// A median of 0.98 leaves room for G.711 (which alone gives 0.999); one window in ten may hold a slip, where a jitter
/// buffer made up for clocks that differ.
pub(crate) fn matches(played: &[i16], recorded: &[i16], seconds: f64) -> Result<Comparison> {
    let found = compare(played, recorded)?;
    if found.median < 0.98 || found.matched * 10 < found.windows * 9 {
        bail!("the recording is not what was played: {found}");
    }
    if found.seconds < seconds {
        bail!("only a part of what was played was recorded ({seconds} s expected): {found}");
    }
    if found.gain_db.abs() > 1.0 {
        bail!("the recording is louder or softer than what was played: {found}");
    }
    Ok(found)
}

/// Demand that `recorded` resembles what was `played`, over a network that loses packets: the mean coefficient of the windows is
/// at least `score`, and next to nothing of it is missing.
pub(crate) fn resembles(
    played: &[i16],
    recorded: &[i16],
    seconds: f64,
    score: f64,
) -> Result<Comparison> {
    let found = compare(played, recorded)?;
    if found.mean < score {
        bail!("the recording does not resemble what was played ({score} expected): {found}");
    }
    if found.seconds < seconds {
        bail!("only a part of what was played was recorded ({seconds} s expected): {found}");
    }
    if found.gain_db.abs() > 1.0 {
        bail!("the recording is louder or softer than what was played: {found}");
    }
    Ok(found)
}

/// Align and correlate.
pub(crate) fn compare(played: &[i16], recorded: &[i16]) -> Result<Comparison> {
    if played.len() < 2 * WINDOW || recorded.len() < 2 * WINDOW {
        bail!(
            "too short to compare: {} samples played, {} recorded",
            played.len(),
            recorded.len()
        );
    }
    let lag = best_lag(played, recorded);
    let (start, end) = overlap(played.len(), recorded.len(), lag);
    if end - start < 2 * WINDOW {
        bail!("the recording has nothing of what was played");
    }
    let at = |lag: isize, from: usize, to: usize| -> Option<(&[i16], &[i16])> {
        let begin = usize::try_from(isize::try_from(from).ok()? + lag).ok()?;
        Some((
            played.get(from..to)?,
            recorded.get(begin..begin + (to - from))?,
        ))
    };
    let (a, b) = at(lag, start, end).context("the overlap is inside both")?;
    let whole = pearson(a, b);
    let mut coefficients = Vec::new();
    let (mut first, mut last) = (None, lag);
    let (mut energy_played, mut energy_recorded) = (0.0, 0.0);
    let mut from = start;
    while from + WINDOW <= end {
        let slip = SLIP as isize;
        let try_step = |step: isize| {
            let (a, b) = at(last + step, from, from + WINDOW)?;
            Some((pearson(a, b), -step.abs(), last + step))
        };
        // Mostly nothing has slipped.
        let best = try_step(0).filter(|found| found.0 >= 0.98).or_else(|| {
            (-slip..=slip)
                .filter_map(try_step)
                .max_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
        });
        if let Some((coefficient, _, lag)) = best {
            coefficients.push(coefficient);
            if coefficient >= 0.98 {
                first.get_or_insert(lag);
                last = lag;
                if let Some((a, b)) = at(lag, from, from + WINDOW) {
                    energy_played += energy(a);
                    energy_recorded += energy(b);
                }
            }
        }
        from += WINDOW;
    }
    let matched = coefficients
        .iter()
        .filter(|&&coefficient| coefficient >= 0.98)
        .count();
    let mean = coefficients.iter().sum::<f64>() / coefficients.len().max(1) as f64;
    coefficients.sort_by(f64::total_cmp);
    let median = coefficients
        .get(coefficients.len() / 2)
        .copied()
        .unwrap_or(0.0);
    let ms = |samples: isize| samples as f64 * 1_000.0 / f64::from(RATE);
    Ok(Comparison {
        offset_ms: ms(lag),
        whole,
        median,
        mean,
        windows: coefficients.len(),
        matched,
        drift_ms: ms(last - first.unwrap_or(last)),
        gain_db: if energy_played > 0.0 {
            10.0 * (energy_recorded / energy_played).log10()
        } else {
            f64::NEG_INFINITY
        },
        seconds: (end - start) as f64 / f64::from(RATE),
    })
}

/// The part of what was played that the recording has, at this lag.
fn overlap(played: usize, recorded: usize, lag: isize) -> (usize, usize) {
    let start = usize::try_from(-lag).unwrap_or(0).min(played);
    let end = usize::try_from(recorded as isize - lag)
        .unwrap_or(0)
        .min(played);
    (start, end.max(start))
}

fn energy(samples: &[i16]) -> f64 {
    samples
        .iter()
        .map(|&sample| f64::from(sample) * f64::from(sample))
        .sum()
}

fn pearson(a: &[i16], b: &[i16]) -> f64 {
    let n = a.len() as f64;
    let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0_i64, 0_i64, 0_i64, 0_i64, 0_i64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (i64::from(x), i64::from(y));
        sa += x;
        sb += y;
        saa += x * x;
        sbb += y * y;
        sab += x * y;
    }
    let (sa, sb, saa, sbb, sab) = (sa as f64, sb as f64, saa as f64, sbb as f64, sab as f64);
    let spread = ((saa - sa * sa / n) * (sbb - sb * sb / n)).sqrt();
    if spread > 0.0 {
        (sab - sa * sb / n) / spread
    } else {
        0.0
    }
}

/// The lag (position in the recording less position in what was played) with the highest cross-correlation.
fn best_lag(played: &[i16], recorded: &[i16]) -> isize {
    let size = (played.len() + recorded.len()).next_power_of_two();
    let spectrum = |samples: &[i16]| {
        let mut values: Vec<Complex> = samples
            .iter()
            .map(|&sample| Complex(f64::from(sample), 0.0))
            .collect();
        values.resize(size, Complex(0.0, 0.0));
        transform(&mut values, -1.0);
        values
    };
    let (a, b) = (spectrum(played), spectrum(recorded));
    let mut product: Vec<Complex> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| Complex(a.0 * b.0 + a.1 * b.1, a.0 * b.1 - a.1 * b.0))
        .collect();
    transform(&mut product, 1.0);
    let best = product
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.0.total_cmp(&b.1.0))
        .map_or(0, |(index, _)| index);
    if best > recorded.len() {
        best as isize - size as isize
    } else {
        best as isize
    }
}

#[derive(Clone, Copy, Debug)]
struct Complex(f64, f64);

/// The discrete Fourier transform in place, radix 2; `sign` is -1 forwards and 1 back (unscaled).
fn transform(values: &mut [Complex], sign: f64) {
    let size = values.len();
    let mut reversed = 0;
    for index in 1..size {
        let mut bit = size >> 1;
        while reversed & bit != 0 {
            reversed ^= bit;
            bit >>= 1;
        }
        reversed |= bit;
        if index < reversed {
            values.swap(index, reversed);
        }
    }
    let mut span = 2;
    while span <= size {
        let angle = sign * 2.0 * PI / span as f64;
        let twiddles: Vec<Complex> = (0..span / 2)
            .map(|k| Complex((angle * k as f64).cos(), (angle * k as f64).sin()))
            .collect();
        for block in values.chunks_exact_mut(span) {
            let (low, high) = block.split_at_mut(span / 2);
            for ((low, high), twiddle) in low.iter_mut().zip(high).zip(&twiddles) {
                let turned = Complex(
                    high.0 * twiddle.0 - high.1 * twiddle.1,
                    high.0 * twiddle.1 + high.1 * twiddle.0,
                );
                *high = Complex(low.0 - turned.0, low.1 - turned.1);
                *low = Complex(low.0 + turned.0, low.1 + turned.1);
            }
        }
        span *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delayed_copy_matches_and_the_delay_is_found() {
        let played = speech(1, 3);
        let mut recorded = vec![0; 1_234];
        recorded.extend_from_slice(&played);
        let found = matches(&played, &recorded, 2.9).expect("the same signal");
        assert!((found.offset_ms - 1_234.0 / 8.0).abs() < 0.2, "{found}");
        assert!(
            found.whole > 0.999 && found.matched == found.windows,
            "{found}"
        );
    }

    #[test]
    fn a_recording_that_begins_late_has_a_negative_offset() {
        let played = speech(1, 3);
        let found = matches(&played, &played[4_000..], 2.4).expect("the same signal");
        assert!((found.offset_ms + 500.0).abs() < 0.2, "{found}");
        assert!(
            matches(&played, &played[4_000..], 2.9).is_err(),
            "half a second is missing"
        );
    }

    #[test]
    fn a_slip_of_one_packet_costs_one_window() {
        let played = speech(2, 4);
        let mut recorded = played[..16_000].to_vec();
        recorded.extend_from_slice(&[0; 160]);
        recorded.extend_from_slice(&played[16_000..]);
        let found = matches(&played, &recorded, 3.9).expect("one packet of silence");
        assert!(found.windows - found.matched <= 1, "{found}");
        assert!((found.drift_ms - 20.0).abs() < 0.2, "{found}");
    }

    #[test]
    fn another_speaker_silence_and_half_volume_do_not_match() {
        let played = speech(3, 3);
        assert!(matches(&played, &speech(4, 3), 1.0).is_err());
        assert!(matches(&played, &vec![0; 24_000], 1.0).is_err());
        let soft: Vec<i16> = played.iter().map(|sample| sample / 2).collect();
        assert!(matches(&played, &soft, 1.0).is_err());
    }

    #[test]
    fn every_second_packet_missing_does_not_match() {
        let played = speech(5, 3);
        let mut recorded = played.clone();
        for packet in recorded.chunks_mut(160).step_by(2) {
            packet.fill(0);
        }
        assert!(matches(&played, &recorded, 1.0).is_err());
        assert!(resembles(&played, &recorded, 1.0, 0.9).is_err());
    }

    #[test]
    fn a_packet_in_twenty_missing_resembles_it_when_the_gap_is_filled() {
        let played = speech(6, 4);
        let (mut silent, mut filled) = (played.clone(), played.clone());
        for at in (1_600..played.len() - 160).step_by(160 * 20) {
            silent[at..at + 160].fill(0);
            filled.copy_within(at - 160..at, at);
        }
        let found = resembles(&played, &silent, 3.9, 0.95).expect("a few gaps");
        assert!(found.matched < found.windows, "{found}");
        assert!(resembles(&played, &filled, 3.9, 0.9).is_ok());
        assert!(resembles(&played, &speech(7, 4), 1.0, 0.5).is_err());
    }
}
