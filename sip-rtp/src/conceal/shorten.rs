//! Playing a little faster: one pitch period less in a frame.

/// Correlation below which a frame is left alone: what is not periodic would be heard to stumble.
const LEAST_CORRELATION: f32 = 0.8;

/// Takes one period of 2.5 to 10 ms out of `pcm` where it repeats itself, blending what meets; returns how many samples
/// shorter it is, 0 when nothing repeats.
///
/// ```
/// use sip_rtp::conceal::shorten;
/// use sip_rtp::tone::Tone;
///
/// let mut pcm = vec![0; 160];
/// Tone::sine(200.0, -10.0, 8000).fill(&mut pcm);
/// assert_eq!(shorten(&mut pcm, 8000), 40);
/// assert_eq!(pcm.len(), 120);
/// ```
pub fn shorten(pcm: &mut Vec<i16>, sample_rate: u32) -> usize {
    let rate = sample_rate as usize;
    let (shortest, longest) = ((rate / 400).max(1), (rate / 100).min(pcm.len() / 2));
    let mut best = (LEAST_CORRELATION, 0);
    for lag in shortest..=longest {
        let (Some(first), Some(second)) = (pcm.get(..lag), pcm.get(lag..2 * lag)) else {
            break;
        };
        let (mut cross, mut one, mut two) = (0.0f32, 1.0f32, 1.0f32);
        for (a, b) in first.iter().zip(second) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            cross += a * b;
            one += a * a;
            two += b * b;
        }
        let correlation = cross / (one * two).sqrt();
        if correlation > best.0 {
            best = (correlation, lag);
        }
    }
    let lag = best.1;
    for index in 0..lag {
        let (Some(&a), Some(&b)) = (pcm.get(index), pcm.get(index + lag)) else {
            break;
        };
        let (new, all) = (index as i32 + 1, lag as i32 + 1);
        if let Some(sample) = pcm.get_mut(index + lag) {
            *sample = ((i32::from(a) * (all - new) + i32::from(b) * new) / all) as i16;
        }
    }
    pcm.drain(..lag);
    lag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Tone;

    #[test]
    fn a_periodic_frame_stays_smooth() {
        for frequency in [110.0, 150.0, 203.0, 331.0] {
            let mut pcm = vec![0; 160];
            Tone::sine(frequency, -10.0, 8000).fill(&mut pcm);
            let steepest = pcm
                .windows(2)
                .map(|pair| pair[0].abs_diff(pair[1]))
                .max()
                .unwrap();
            let removed = shorten(&mut pcm, 8000);
            assert!((20..=80).contains(&removed), "{frequency} {removed}");
            assert_eq!(pcm.len(), 160 - removed);
            let now = pcm
                .windows(2)
                .map(|pair| pair[0].abs_diff(pair[1]))
                .max()
                .unwrap();
            assert!(
                now <= steepest + steepest / 4,
                "{frequency}: {now} {steepest}"
            );
        }
    }

    #[test]
    fn noise_and_short_frames_are_left_alone() {
        let mut state = 1u32;
        let noise: Vec<i16> = (0..160)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as i16
            })
            .collect();
        let mut pcm = noise.clone();
        assert_eq!(shorten(&mut pcm, 8000), 0);
        assert_eq!(pcm, noise);
        for len in 0..50 {
            let mut pcm = vec![100; len];
            assert!(shorten(&mut pcm, 8000) <= len);
        }
    }
}
