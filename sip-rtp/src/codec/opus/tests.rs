use proptest::prelude::*;

use super::*;
use crate::codec::Codecs;
use crate::tone::Tone;

/// The share of `pcm`'s power that is the sine of this frequency.
fn purity(pcm: &[i16], frequency: f64, rate: u32) -> f64 {
    let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let phase = n as f64 * frequency * std::f64::consts::TAU / f64::from(rate);
        sine += f64::from(*sample) * phase.sin();
        cosine += f64::from(*sample) * phase.cos();
        all += f64::from(*sample).powi(2);
    }
    2.0 * (sine * sine + cosine * cosine) / (pcm.len() as f64 * all)
}

fn tone(rate: u32, frames: usize) -> Vec<i16> {
    let mut pcm = vec![0; (rate / 50) as usize * frames];
    Tone::sine(440.0, -10.0, rate).fill(&mut pcm);
    pcm
}

#[test]
fn rfc7587_4_2_any_rate_of_samples_on_the_clock_of_48_khz() {
    for rate in [8_000, 12_000, 16_000, 24_000, 48_000] {
        let codec = Opus::new().at(rate);
        assert_eq!((codec.clock_rate(), codec.channels()), (48_000, 2));
        let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
        let (mut payload, mut decoded) = (Vec::new(), Vec::new());
        for frame in tone(rate, 100).chunks((rate / 50) as usize) {
            payload.clear();
            encoder.encode(frame, &mut payload);
            assert!((1..400).contains(&payload.len()), "{}", payload.len());
            assert_eq!(decoder.duration(&payload), 960);
            decoder.decode(&payload, &mut decoded);
        }
        assert_eq!(decoded.len(), rate as usize * 2);
        let pure = purity(&decoded[rate as usize..], 440.0, rate);
        assert!(pure > 0.98, "{rate}: {pure}");
    }
}

#[test]
fn stereo_keeps_its_sides_apart() {
    let codec = Opus::new().stereo().bit_rate(96_000);
    assert_eq!(codec.sample_channels(), 2);
    let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
    let mut heard = Vec::new();
    for frame in tone(48_000, 50).chunks(960) {
        let both: Vec<i16> = frame.iter().flat_map(|sample| [*sample, 0]).collect();
        let mut payload = Vec::new();
        encoder.encode(&both, &mut payload);
        decoder.decode(&payload, &mut heard);
    }
    let power = |side: usize| -> f64 {
        let side = heard[48_000..].iter().skip(side).step_by(2);
        side.map(|sample| f64::from(*sample).powi(2)).sum()
    };
    assert!(power(0) > 100.0 * power(1));
}

#[test]
fn rfc6716_2_1_7_a_lost_packet_is_recovered_from_the_next_or_made_up() {
    let codec = Opus::new().at(16_000).bit_rate(24_000).expected_loss(20);
    let mut encoder = codec.encoder();
    let payloads: Vec<Vec<u8>> = tone(16_000, 100)
        .chunks(320)
        .map(|frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            payload
        })
        .collect();
    for recover in [true, false] {
        let mut decoder = codec.decoder();
        let mut heard = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            if index % 10 != 9 {
                decoder.decode(payload, &mut heard);
            } else if recover && let Some(next) = payloads.get(index + 1) {
                assert!(decoder.recover(next, 320, &mut heard));
            } else {
                assert!(decoder.conceal(320, &mut heard));
            }
        }
        assert_eq!(heard.len(), 32_000);
        let pure = purity(&heard[8_000..24_000], 440.0, 16_000);
        assert!(pure > 0.8, "{recover}: {pure}");
        // What the library cannot make up, it does not.
        let before = heard.len();
        for odd in [0, 7, 321, 16_000] {
            assert!(!decoder.conceal(odd, &mut heard));
            assert!(!decoder.recover(&payloads[0], odd, &mut heard));
        }
        assert!(!decoder.recover(&[], 320, &mut heard));
        assert_eq!(heard.len(), before);
    }
}

#[test]
fn rfc7587_6_1_parameters() {
    let ours = Opus::new().at(16_000).bit_rate(20_000).discontinuous();
    assert_eq!(
        ours.parameters(),
        "useinbandfec=1;maxplaybackrate=16000;maxaveragebitrate=20000;usedtx=1"
    );
    assert_eq!(Opus::new().for_receiver(&ours.parameters()), ours);
    // What does not make sense changes nothing, and what is too much is cut.
    assert_eq!(
        Opus::new().for_receiver("useinbandfec=yes;stereo;;=;maxplaybackrate=-3;cbr=1"),
        Opus::new()
    );
    assert_eq!(
        Opus::new().for_receiver("maxaveragebitrate=4000000000"),
        Opus::new().bit_rate(510_000)
    );
    assert_eq!(Opus::new().at(44_100), Opus::new());
}

#[test]
fn rfc7587_3_1_3_silence_takes_an_octet_or_two() {
    let codec = Opus::new().at(16_000).discontinuous();
    let mut encoder = codec.encoder();
    let sizes: Vec<usize> = (0..100)
        .map(|_| {
            let mut payload = Vec::new();
            encoder.encode(&[0; 320], &mut payload);
            payload.len()
        })
        .collect();
    assert!(
        sizes[50..].iter().filter(|size| **size <= 2).count() > 30,
        "{sizes:?}"
    );
}

#[test]
fn it_is_offered_first() {
    let codecs = Codecs::builtin();
    assert_eq!(codecs.iter().next().unwrap().name(), "opus");
    assert!(codecs.find("OPUS", 48_000, 2).is_some());
    assert!(codecs.find("opus", 48_000, 1).is_none());
}

#[test]
fn a_frame_of_no_length_of_opus_gives_nothing() {
    let mut out = vec![1];
    Opus::new().encoder().encode(&[0; 100], &mut out);
    Opus::new().encoder().encode(&[], &mut out);
    assert_eq!(out, [1]);
}

proptest! {
    #[test]
    fn any_payload_is_survived(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20)) {
        let mut decoder = Opus::new().decoder();
        let mut pcm = Vec::new();
        for payload in &payloads {
            pcm.clear();
            let duration = decoder.duration(payload);
            prop_assert!(duration <= 5_760);
            decoder.decode(payload, &mut pcm);
            prop_assert!(pcm.len() <= 5_760);
            decoder.recover(payload, 960, &mut pcm);
        }
    }
}
