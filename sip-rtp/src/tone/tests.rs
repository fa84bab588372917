use super::*;

/// Power of one frequency in a signal (Goertzel), as the amplitude of a sine.
fn amplitude(pcm: &[i16], frequency: f64, rate: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (index, sample) in pcm.iter().enumerate() {
        let phase = std::f64::consts::TAU * frequency * index as f64 / rate;
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
    }
    (re * re + im * im).sqrt() * 2.0 / pcm.len() as f64
}

#[test]
fn itu_q_23_every_digit_has_its_two_frequencies() {
    let table = [
        ('1', 697.0, 1209.0),
        ('2', 697.0, 1336.0),
        ('3', 697.0, 1477.0),
        ('A', 697.0, 1633.0),
        ('4', 770.0, 1209.0),
        ('5', 770.0, 1336.0),
        ('6', 770.0, 1477.0),
        ('B', 770.0, 1633.0),
        ('7', 852.0, 1209.0),
        ('8', 852.0, 1336.0),
        ('9', 852.0, 1477.0),
        ('C', 852.0, 1633.0),
        ('*', 941.0, 1209.0),
        ('0', 941.0, 1336.0),
        ('#', 941.0, 1477.0),
        ('D', 941.0, 1633.0),
    ];
    for (digit, row, column) in table {
        let mut pcm = [0; 8000];
        Tone::dtmf(Event::from_digit(digit).unwrap(), 1000, 8000)
            .unwrap()
            .fill(&mut pcm);
        for frequency in [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0] {
            let found = amplitude(&pcm, frequency, 8000.0) > 5000.0;
            assert_eq!(
                found,
                frequency == row || frequency == column,
                "{digit} {frequency}"
            );
        }
    }
    assert!(Tone::dtmf(Event::FLASH, 100, 8000).is_none());
}

#[test]
fn level_is_in_dbm0() {
    let mut pcm = [0; 8000];
    Tone::sine(1000.0, 0.0, 8000).fill(&mut pcm);
    let expected = 32767.0 * 10f64.powf(-314.0 / 2000.0);
    assert!((amplitude(&pcm, 1000.0, 8000.0) - expected).abs() < 5.0);
}

#[test]
fn cadence_has_its_times_however_it_is_read() {
    let mut whole = vec![1; 10 * 8000];
    assert_eq!(Tone::ringback(8000).fill(&mut whole), whole.len());
    assert!(whole[8000..40_000].iter().all(|sample| *sample == 0));
    assert!(whole[40_100..48_000].iter().any(|sample| *sample != 0));
    let mut tone = Tone::ringback(8000);
    let mut pieces = Vec::new();
    for len in (1..400).cycle().take(500) {
        let mut piece = vec![0; len];
        tone.fill(&mut piece);
        pieces.extend(piece);
    }
    let len = pieces.len().min(whole.len());
    assert_eq!(pieces[..len], whole[..len]);
}

#[test]
fn a_tone_that_is_played_once_ends_and_an_empty_one_does_not_hang() {
    let mut tone = Tone::new(vec![Step::on(&[440.0], -10.0, 10)], false, 8000);
    assert_eq!((tone.fill(&mut [0; 160]), tone.is_over()), (80, true));
    assert_eq!(Tone::new(vec![], true, 8000).fill(&mut [0; 160]), 0);
    let mut short = Tone::new(vec![Step::on(&[440.0], -10.0, 1)], true, 100);
    assert_eq!(short.fill(&mut [0; 160]), 0);
}
