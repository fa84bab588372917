use super::*;
use crate::tone::Tone;

fn tone(samples: usize) -> Vec<i16> {
    let mut pcm = vec![0; samples];
    Tone::sine(200.0, -10.0, 8000).fill(&mut pcm);
    pcm
}

#[test]
fn a_lost_frame_of_a_periodic_signal_goes_on_in_phase() {
    let mut pcm = tone(1600);
    let original = pcm.clone();
    let mut concealer = Concealer::new(8000);
    concealer.good(&mut pcm[..800]);
    let mut made_up = [0; 80];
    concealer.conceal(&mut made_up);
    // The first 10 ms are not faded yet, and 200 Hz repeats every 40 samples.
    for (made_up, original) in made_up.iter().zip(&original[800..]) {
        assert!(
            (i32::from(*made_up) - i32::from(*original)).abs() < 200,
            "{made_up} {original}"
        );
    }
}

#[test]
fn a_long_gap_fades_to_silence() {
    let mut concealer = Concealer::new(8000);
    concealer.good(&mut tone(800));
    let mut made_up = [0; 800];
    concealer.conceal(&mut made_up);
    assert!(concealer.is_faded());
    assert!(made_up[..80].iter().any(|sample| sample.abs() > 3000));
    assert!(made_up[480..].iter().all(|sample| *sample == 0));
}

#[test]
fn audio_after_a_gap_is_blended_for_five_milliseconds_only() {
    let mut concealer = Concealer::new(8000);
    concealer.good(&mut tone(800));
    concealer.conceal(&mut [0; 160]);
    let mut next = [1000; 160];
    concealer.good(&mut next);
    assert!(next[..40].iter().any(|sample| *sample != 1000));
    assert!(next[40..].iter().all(|sample| *sample == 1000));
}

#[test]
fn audio_without_a_gap_is_left_alone() {
    let mut concealer = Concealer::new(8000);
    let mut pcm = tone(1600);
    for frame in pcm.chunks_mut(160) {
        concealer.good(frame);
    }
    assert_eq!(pcm, tone(1600));
}

#[test]
fn nothing_heard_before_gives_silence_and_odd_sizes_are_survived() {
    let mut concealer = Concealer::new(8000);
    let mut pcm = [7; 160];
    concealer.conceal(&mut pcm);
    assert_eq!(pcm, [0; 160]);
    for size in [1, 3, 0, 5000, 2, 90] {
        let mut pcm = vec![100; size];
        concealer.good(&mut pcm);
        concealer.conceal(&mut pcm);
        concealer.silence(size);
        concealer.conceal(&mut pcm);
    }
    Concealer::new(0).conceal(&mut pcm);
}
