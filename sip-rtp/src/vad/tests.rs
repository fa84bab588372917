use super::*;
use crate::codec::g711::pcmu_decode;

/// "Hello, this is the telephone. Please leave a message.", from a speech synthesizer, in µ-law at 8 kHz.
fn speech() -> Vec<i16> {
    include_bytes!("../../tests/data/speech.ulaw")
        .iter()
        .map(|octet| pcmu_decode(*octet))
        .collect()
}

fn noise(samples: usize, level: i32) -> Vec<i16> {
    let mut state = 1u32;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((state >> 16) as i16).cast_unsigned() as i32 * level / 32_768 - level) as i16
        })
        .collect()
}

/// The share of 20 ms frames that are voice.
fn share(detector: &mut VoiceDetector, pcm: &[i16], frame: usize) -> f64 {
    let frames = pcm.chunks_exact(frame);
    let count = frames.len() as f64;
    frames.filter(|frame| detector.is_voice(frame)).count() as f64 / count
}

#[test]
fn speech_is_voice_and_noise_is_not() {
    let mut detector = VoiceDetector::new(8_000).unwrap();
    assert!(share(&mut detector, &speech(), 160) > 0.85);
    for (what, pcm) in [
        ("silence", vec![0; 16_000]),
        ("faint noise", noise(16_000, 60)),
        ("the noise of a room", noise(16_000, 400)),
    ] {
        let mut detector = VoiceDetector::new(8_000).unwrap();
        let share = share(&mut detector, &pcm, 160);
        assert!(share < 0.15, "{what}: {share} {}", detector.score());
    }
}

#[test]
fn voice_counts_a_little_longer_than_it_lasts() {
    let mut detector = VoiceDetector::new(8_000).unwrap();
    for frame in speech().chunks_exact(160) {
        detector.is_voice(frame);
    }
    let mut word = speech();
    word.truncate(8_000);
    for frame in word.chunks_exact(160) {
        detector.is_voice(frame);
    }
    let after = (0..200)
        .take_while(|_| detector.is_voice(&[0; 160]))
        .count();
    // 300 ms, and what the detector itself looks back.
    assert!((15..=30).contains(&after), "{after}");
    detector.set_hangover(Duration::ZERO);
    assert!(!detector.is_voice(&[0; 160]));
}

#[test]
fn other_rates_and_frames_find_the_same() {
    let mut up = Resampler::new(8_000, 48_000).unwrap();
    let mut wide = Vec::new();
    up.process(&speech(), &mut wide);
    let mut detector = VoiceDetector::new(48_000).unwrap();
    assert!(share(&mut detector, &wide, 480) > 0.85);
    assert!(VoiceDetector::new(11_025).is_err());
}
