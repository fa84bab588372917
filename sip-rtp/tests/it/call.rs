//! Calls of a minute between two legs, scored by what is heard.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use sip_rtp::audio::{AudioConfig, AudioEvent, AudioOutput, AudioStatistics, AudioStream};
use sip_rtp::codec::Codecs;
use sip_rtp::event::Event;
use sip_rtp::jitter::JitterConfig;
use sip_rtp::{Input, StreamConfig};

use crate::path::Path;

const TICK: Duration = Duration::from_millis(20);

/// What a call gave: what each side heard, the digits it was told, its counters.
struct Outcome {
    heard: Vec<i16>,
    digits: String,
    statistics: AudioStatistics,
}

fn address(leg: usize) -> SocketAddr {
    ["192.0.2.1:4000", "192.0.2.2:6000"][leg].parse().unwrap()
}

/// Alice plays `pcm` and dials `digits` at the end; Bob listens.
fn call(
    pcm: &[i16],
    digits: &str,
    jitter: &JitterConfig,
    mut path: Path,
    mut back: Path,
) -> Outcome {
    #[expect(
        clippy::disallowed_methods,
        reason = "an `Instant` can be made in no other way; the test only adds to it"
    )]
    let start = Instant::now();
    let codecs = Codecs::builtin();
    let codec = codecs.find("PCMU", 8000, 1).unwrap();
    let mut legs = [0, 1].map(|leg| {
        let stream = StreamConfig::new(
            address(1 - leg),
            8000,
            format!("leg{leg}@example.com"),
            [leg as u8 + 1; 32],
        );
        let mut audio = AudioConfig::new(codec, 0, Some(101));
        audio.jitter = jitter.clone();
        AudioStream::new(stream, audio, SystemTime::UNIX_EPOCH, start)
    });
    let mut outcome = Outcome {
        heard: Vec::new(),
        digits: String::new(),
        statistics: AudioStatistics::default(),
    };
    let silence = [0; 160];
    let frames: Vec<&[i16]> = pcm
        .chunks(160)
        .chain(std::iter::repeat_n(&silence[..], 20 + digits.len() * 15))
        .collect();
    for (tick, frame) in frames.iter().enumerate() {
        let now = start + TICK * tick as u32;
        if tick * 160 == pcm.len() {
            for digit in digits.chars() {
                legs[0]
                    .send_event(
                        Event::from_digit(digit).unwrap(),
                        Duration::from_millis(100),
                    )
                    .unwrap();
            }
        }
        legs[0].write(frame, now);
        legs[1].write(&silence, now);
        for (at, payload) in path.arrived(now + TICK / 2) {
            legs[1].handle_input(Input::datagram(payload, address(0)), at);
        }
        for (at, payload) in back.arrived(now + TICK / 2) {
            legs[0].handle_input(Input::datagram(payload, address(1)), at);
        }
        let mut played = [0; 160];
        legs[1].read(&mut played, now + TICK / 2);
        outcome.heard.extend(played);
        legs[0].read(&mut played, now + TICK / 2);
        for (leg, audio) in legs.iter_mut().enumerate() {
            if audio.poll_timeout().is_some_and(|at| at <= now) {
                audio.handle_timeout(now);
            }
            while let Some(output) = audio.poll_output() {
                match output {
                    AudioOutput::Transmit {
                        payload,
                        destination,
                        ..
                    } => {
                        assert_eq!(destination, address(1 - leg));
                        if leg == 0 {
                            path.send(payload, now)
                        } else {
                            back.send(payload, now)
                        }
                    }
                    AudioOutput::Event(AudioEvent::EventStarted(event)) => {
                        outcome.digits.extend(event.digit())
                    }
                    AudioOutput::Event(_) => {}
                }
            }
        }
    }
    outcome.statistics = legs[1].statistics();
    outcome
}

/// Something like speech: syllables of a gliding pitch with harmonics, words, and pauses between them.
fn speech(seconds: usize) -> Vec<i16> {
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / 2f64.powi(31)
    };
    let mut pcm = Vec::with_capacity(seconds * 8000);
    while pcm.len() < seconds * 8000 {
        for _ in 0..2 + (random() * 4.0) as usize {
            let (len, from, to) = (
                1000 + (random() * 1200.0) as usize,
                90.0 + random() * 120.0,
                90.0 + random() * 120.0,
            );
            let mut phase = 0.0f64;
            for n in 0..len {
                let place = n as f64 / len as f64;
                phase += (from + (to - from) * place) / 8000.0;
                let envelope = (place * std::f64::consts::PI).sin().sqrt();
                let wave: f64 = (1..9)
                    .map(|harmonic| {
                        (phase * f64::from(harmonic) * std::f64::consts::TAU).sin()
                            / f64::from(harmonic)
                    })
                    .sum();
                pcm.push((wave * envelope * 5000.0) as i16);
            }
            pcm.extend(std::iter::repeat_n(0, 160));
        }
        pcm.extend(std::iter::repeat_n(0, 1500 + (random() * 4000.0) as usize));
    }
    pcm.truncate(seconds * 8000);
    pcm
}

/// Correlation of `heard` and `original` from these points, over `len` samples.
fn correlation(heard: &[i16], original: &[i16]) -> f64 {
    let (mut cross, mut one, mut two) = (0.0, 1.0, 1.0);
    for (a, b) in heard.iter().zip(original) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        cross += a * b;
        one += a * a;
        two += b * b;
    }
    cross / (one * two).sqrt()
}

/// The mean over all segments of 100 ms with sound of the best correlation near where the segment before was found.
fn score(heard: &[i16], original: &[i16]) -> f64 {
    let mut shift = (0..4000).step_by(4).max_by(|a, b| {
        let at = |shift: usize| correlation(&heard[shift..shift + 8000], &original[..8000]);
        at(*a).total_cmp(&at(*b))
    });
    let (mut total, mut count) = (0.0, 0);
    for (index, segment) in original.chunks_exact(800).enumerate() {
        if segment.iter().all(|sample| sample.abs() < 500) {
            continue;
        }
        let near = shift.unwrap_or(0);
        let best = (near.saturating_sub(330)..near + 330)
            .filter_map(|shift| {
                Some((
                    correlation(
                        heard.get(index * 800 + shift..index * 800 + shift + 800)?,
                        segment,
                    ),
                    shift,
                ))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((value, at)) = best {
            if value > 0.9 {
                shift = Some(at);
            }
            total += value;
            count += 1;
        }
    }
    total / f64::from(count)
}

#[test]
fn a_minute_over_a_clean_path_is_heard_sample_by_sample() {
    let original = speech(60);
    let path = || Path::new(1, 0, Duration::from_millis(30), Duration::ZERO);
    let faithful = JitterConfig::faithful(8000);
    let outcome = call(&original, "0123456789*#", &faithful, path(), path());
    let codecs = Codecs::builtin();
    let codec = codecs.find_static(0).unwrap();
    let (mut payload, mut expected) = (Vec::new(), Vec::new());
    codec.encoder().encode(&original, &mut payload);
    codec.decoder().decode(&payload, &mut expected);
    let shift = outcome
        .heard
        .windows(4000)
        .position(|window| window == &expected[..4000])
        .unwrap();
    assert!(shift <= 1280, "{shift}");
    assert_eq!(outcome.heard[shift..shift + expected.len()], expected[..]);
    assert_eq!(outcome.digits, "0123456789*#");
}

#[test]
fn a_minute_with_five_percent_loss_and_forty_milliseconds_of_jitter() {
    let original = speech(60);
    for (name, config) in [
        ("default", JitterConfig::new(8000)),
        ("low delay", JitterConfig::low_delay(8000)),
        ("faithful", JitterConfig::faithful(8000)),
    ] {
        let path = |seed| {
            Path::new(
                seed,
                5,
                Duration::from_millis(30),
                Duration::from_millis(40),
            )
        };
        let outcome = call(&original, "147*2580369#ABCD", &config, path(7), path(8));
        let score = score(&outcome.heard, &original);
        let statistics = &outcome.statistics;
        println!(
            "{name}: score {score:.3}, {:?}, target {:?}",
            statistics.jitter, statistics.target_delay
        );
        assert!(score > 0.93, "{score}");
        assert_eq!(outcome.digits, "147*2580369#ABCD");
        let packets = statistics.stream.packets_received;
        assert!(
            statistics.jitter.late * 100 <= packets,
            "{:?}",
            statistics.jitter
        );
        assert!(
            statistics
                .stream
                .round_trip
                .is_some_and(|round_trip| (60..=145).contains(&round_trip.as_millis()))
        );
    }
}
