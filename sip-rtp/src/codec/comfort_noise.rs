//! Comfort noise: what to hear while the other side is silent (RFC 3389).

/// The static payload type of comfort noise at 8 kHz (RFC 3389 §4).
pub const PAYLOAD_TYPE: u8 = 13;
/// Reflection coefficients that are used; more are ignored (RFC 3389 §3.3 lets a receiver do so).
const MAX_ORDER: usize = 16;

/// The payload for silence that sounds like `pcm`: its level only (RFC 3389 §3.1, no spectral information).
///
/// ```
/// use sip_rtp::codec::comfort_noise;
///
/// assert_eq!(comfort_noise::payload(&[0; 160]), [127]);
/// assert_eq!(comfort_noise::payload(&[327, -327, 327, -327]), [40]);
/// ```
#[must_use]
pub fn payload(pcm: &[i16]) -> [u8; 1] {
    let energy: f64 = pcm
        .iter()
        .map(|sample| f64::from(*sample) * f64::from(*sample))
        .sum();
    let mean = energy / pcm.len().max(1) as f64;
    // RFC 3389 §3.1: -dBov, relative to the overload point of the system, from 0 to 127.
    let level = if mean > 0.0 {
        -10.0 * (mean / (32768.0 * 32768.0)).log10()
    } else {
        127.0
    };
    [level.round().clamp(0.0, 127.0) as u8]
}

/// Makes noise as a payload describes it.
#[derive(Debug, Clone)]
pub struct ComfortNoise {
    /// Standard deviation of the excitation.
    gain: f32,
    coefficients: [f32; MAX_ORDER],
    order: usize,
    memory: [f32; MAX_ORDER],
    state: u32,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self::new()
    }
}

impl ComfortNoise {
    /// Silence, until a payload says otherwise.
    #[must_use]
    pub fn new() -> Self {
        // Noise need not be unpredictable, only uncorrelated: the seed is fixed.
        Self {
            gain: 0.0,
            coefficients: [0.0; MAX_ORDER],
            order: 0,
            memory: [0.0; MAX_ORDER],
            state: 0x1234_5678,
        }
    }

    /// Takes a payload: the level, and reflection coefficients if there are any (RFC 3389 §3).
    pub fn update(&mut self, payload: &[u8]) {
        let Some((level, spectrum)) = payload.split_first() else {
            return;
        };
        // RFC 3389 §3.1: the most significant bit of the level is zero, and ignored.
        let deviation = 32768.0 * 10f32.powf(-f32::from(level & 0x7f) / 20.0);
        self.order = spectrum.len().min(MAX_ORDER);
        let mut share = 1.0f32;
        for (coefficient, octet) in self.coefficients.iter_mut().zip(spectrum) {
            // RFC 3389 §3.2: quantised uniformly, N = 127 is zero; strictly inside (-1, 1), so the filter is stable.
            *coefficient = ((f32::from(*octet) - 127.0) / 128.0).clamp(-0.99, 0.99);
            share *= 1.0 - *coefficient * *coefficient;
        }
        // The lattice raises the power by 1 / prod(1 - k²); the level is meant after it.
        self.gain = deviation * share.max(1e-6).sqrt();
    }

    /// Fills `pcm` with noise.
    pub fn fill(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            // Sum of four uniform values: near enough to Gaussian. Their variance is 4/12.
            let mut sum = 0.0f32;
            for _ in 0..4 {
                self.state = self
                    .state
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                sum += (self.state >> 8) as f32 / 16_777_216.0 - 0.5;
            }
            let mut forward = sum * 1.732_050_8 * self.gain;
            // All-pole lattice synthesis, from the last stage to the first.
            for stage in (0..self.order).rev() {
                let (Some(&k), Some(&backward)) =
                    (self.coefficients.get(stage), self.memory.get(stage))
                else {
                    break;
                };
                forward -= k * backward;
                if let Some(next) = self.memory.get_mut(stage + 1) {
                    *next = backward + k * forward;
                }
            }
            self.memory[0] = forward;
            *sample = forward.clamp(-32768.0, 32767.0) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::RtpPacket;
    use crate::test_data::rtp_vector;

    #[test]
    fn rfc3389_3_1_noise_has_the_level_that_was_measured() {
        for level in [20u8, 40, 60] {
            let mut noise = ComfortNoise::new();
            noise.update(&[level]);
            let mut pcm = vec![0; 16_000];
            noise.fill(&mut pcm);
            let [measured] = payload(&pcm);
            assert!(measured.abs_diff(level) <= 1, "{level} {measured}");
        }
    }

    #[test]
    fn rfc3389_3_2_a_spectrum_shapes_the_noise_and_keeps_its_level() {
        let mut noise = ComfortNoise::new();
        // One negative reflection coefficient: a low-pass.
        noise.update(&[30, 40]);
        let mut pcm = vec![0; 32_000];
        noise.fill(&mut pcm);
        assert!(payload(&pcm)[0].abs_diff(30) <= 1, "{:?}", payload(&pcm));
        let product: f64 = pcm
            .windows(2)
            .map(|pair| f64::from(pair[0]) * f64::from(pair[1]))
            .sum();
        let energy: f64 = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        // The first correlation of a first-order filter is minus its coefficient: 87/128.
        assert!(
            (product / energy - 87.0 / 128.0).abs() < 0.05,
            "{}",
            product / energy
        );
    }

    #[test]
    fn rfc3389_3_the_vector_is_understood() {
        let octets = rtp_vector("cn");
        let packet = RtpPacket::parse(&octets).unwrap();
        assert_eq!(
            (packet.payload_type(), packet.payload()),
            (PAYLOAD_TYPE, [74].as_slice())
        );
    }

    proptest! {
        #[test]
        fn any_payload_gives_bounded_noise(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5)) {
            let mut noise = ComfortNoise::new();
            for payload in payloads {
                noise.update(&payload);
                noise.fill(&mut [0; 160]);
                prop_assert!(noise.memory.iter().all(|value| value.is_finite()));
            }
        }
    }
}
