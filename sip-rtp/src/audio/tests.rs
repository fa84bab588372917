use super::*;
use crate::codec::g711::{Pcma, Pcmu, pcmu_decode, pcmu_encode};
use crate::test_data::some_instant;
use crate::tone::Tone;

const TICK: Duration = Duration::from_millis(20);

/// Two call legs with a path between them, driven tick by tick.
struct Call {
    now: Instant,
    legs: [AudioStream; 2],
    path: Vec<(Instant, usize, Bytes)>,
    events: [Vec<AudioEvent>; 2],
    sent: u64,
}

fn address(leg: usize) -> SocketAddr {
    ["192.0.2.1:4000", "192.0.2.2:6000"][leg].parse().unwrap()
}

impl Call {
    fn new(codec: &dyn Codec) -> Self {
        let now = some_instant();
        let leg = |index: usize| {
            let stream = StreamConfig::new(
                address(1 - index),
                8000,
                "someone@example.com",
                [index as u8; 32],
            );
            AudioStream::new(
                stream,
                AudioConfig::new(codec, codec.static_payload_type().unwrap(), Some(101)),
                SystemTime::UNIX_EPOCH,
                now,
            )
        };
        Self {
            now,
            legs: [leg(0), leg(1)],
            path: Vec::new(),
            events: [Vec::new(), Vec::new()],
            sent: 0,
        }
    }

    /// One tick: both write, both read. `fate` says for the n-th datagram how long it travels, or that it is lost.
    fn tick(
        &mut self,
        pcm: [Option<&[i16]>; 2],
        fate: &mut dyn FnMut(u64) -> Option<Duration>,
    ) -> [Vec<i16>; 2] {
        let now = self.now;
        for (leg, pcm) in pcm.into_iter().enumerate() {
            match pcm {
                Some(pcm) => self.legs[leg].write(pcm, now),
                None => self.legs[leg].write_nothing(160, now),
            }
            self.drain(leg, fate);
        }
        self.path.sort_by_key(|(at, ..)| *at);
        let arrived = self
            .path
            .iter()
            .take_while(|(at, ..)| *at <= now + TICK / 2)
            .count();
        for (at, from, payload) in self.path.drain(..arrived).collect::<Vec<_>>() {
            self.legs[1 - from].handle_input(Input::datagram(payload, address(from)), at);
            self.drain(1 - from, fate);
        }
        let mut heard = [vec![0; 160], vec![0; 160]];
        for (leg, heard) in heard.iter_mut().enumerate() {
            self.legs[leg].read(heard, now + TICK / 2);
            if self.legs[leg].poll_timeout().is_some_and(|at| at <= now) {
                self.legs[leg].handle_timeout(now);
            }
            self.drain(leg, fate);
        }
        self.now += TICK;
        heard
    }

    fn drain(&mut self, leg: usize, fate: &mut dyn FnMut(u64) -> Option<Duration>) {
        while let Some(output) = self.legs[leg].poll_output() {
            match output {
                AudioOutput::Transmit { payload, .. } => {
                    self.sent += 1;
                    if let Some(delay) = fate(self.sent) {
                        self.path.push((self.now + delay, leg, payload));
                    }
                }
                AudioOutput::Event(event) => self.events[leg].push(event),
            }
        }
    }

    fn digits(&self, leg: usize) -> String {
        self.events[leg]
            .iter()
            .filter_map(|event| match event {
                AudioEvent::EventStarted(event) => event.digit(),
                AudioEvent::EventEnded(..) | AudioEvent::Stream(_) => None,
            })
            .collect()
    }
}

/// A signal whose every stretch is different: a rising chirp.
fn speech(samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| ((n as f64 * n as f64 * 1e-5).sin() * 9000.0) as i16)
        .collect()
}

#[test]
fn a_loss_free_path_gives_what_was_sent_sample_by_sample() {
    for codec in [&Pcmu as &dyn Codec, &Pcma] {
        let mut call = Call::new(codec);
        let original = speech(160 * 3000);
        let mut heard: Vec<i16> = Vec::new();
        for frame in original.chunks(160) {
            heard.extend(
                call.tick([Some(frame), None], &mut |_| {
                    Some(Duration::from_millis(30))
                })[1]
                    .iter(),
            );
        }
        let mut expected = Vec::new();
        let mut payload = Vec::new();
        codec.encoder().encode(&original, &mut payload);
        codec.decoder().decode(&payload, &mut expected);
        // The buffer starts with silence; from then on nothing differs.
        let delay = heard
            .windows(800)
            .position(|window| window == &expected[..800])
            .unwrap();
        assert!(delay <= 8 * 160, "{delay}");
        assert_eq!(heard[delay..], expected[..heard.len() - delay]);
        let statistics = call.legs[1].statistics();
        assert_eq!(
            (
                statistics.samples_concealed,
                statistics.jitter.missing,
                statistics.stream.packets_lost
            ),
            (0, 0, 0)
        );
    }
}

#[test]
fn the_delay_goes_down_between_words_and_every_word_is_whole() {
    let mut call = Call::new(&Pcmu);
    // Words of 0.6 s with pauses of 0.4 s, for half a minute; the first one begins with the call.
    let words = speech(30 * 8000);
    let original: Vec<i16> = words
        .iter()
        .enumerate()
        .map(|(n, sample)| if n % 8000 < 4800 { *sample } else { 0 })
        .collect();
    let mut heard: Vec<i16> = Vec::new();
    for frame in original.chunks(160) {
        heard.extend(
            call.tick([Some(frame), None], &mut |_| {
                Some(Duration::from_millis(30))
            })[1]
                .iter(),
        );
    }
    let expected: Vec<i16> = original
        .iter()
        .map(|sample| pcmu_decode(pcmu_encode(*sample)))
        .collect();
    let mut from = 0;
    let mut delays = Vec::new();
    for (second, word) in expected.chunks(8000).enumerate().take(29) {
        let word = &word[..4800];
        let at = heard[from..]
            .windows(word.len())
            .position(|window| window == word)
            .unwrap_or_else(|| panic!("word {second} is not whole"));
        from += at + word.len();
        delays.push((from - word.len()) as i64 - second as i64 * 8000);
    }
    // 60 ms and more at first, half of it in the end; the path takes 30.
    assert!(delays[0] >= 80 * 8, "{delays:?}");
    assert!(*delays.last().unwrap() <= 60 * 8, "{delays:?}");
    let statistics = call.legs[1].statistics();
    assert_eq!(statistics.jitter.shortened, 0);
    assert!((1..=3).contains(&statistics.jitter.discarded));
}

#[test]
fn five_percent_loss_and_forty_milliseconds_of_jitter_still_resemble_the_original() {
    let mut call = Call::new(&Pcmu);
    let mut original = vec![0; 160 * 3000];
    Tone::sine(400.0, -10.0, 8000).fill(&mut original);
    let mut heard: Vec<i16> = Vec::new();
    let mut state = 12345u64;
    let mut fate = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = state >> 33;
        (!random.is_multiple_of(20)).then(|| Duration::from_millis(30 + (random / 32) % 40))
    };
    for frame in original.chunks(160) {
        heard.extend(call.tick([Some(frame), None], &mut fate)[1].iter());
    }
    let statistics = call.legs[1].statistics();
    // Whatever was lost on the way is concealed, and little else.
    let lost = statistics.stream.packets_lost as u64;
    assert!((100..200).contains(&lost), "{lost}");
    assert!(
        statistics.samples_concealed < (lost + 15) * 160,
        "{} {lost}",
        statistics.samples_concealed
    );
    assert!(statistics.jitter.late <= 30, "{:?}", statistics.jitter);
    assert!(
        statistics.target_delay <= Duration::from_millis(60),
        "{:?}",
        statistics.target_delay
    );
    let quiet = heard[16_000..]
        .chunks(160)
        .filter(|frame| frame.iter().all(|sample| sample.abs() < 1000))
        .count();
    assert!(quiet <= 8, "{quiet} frames of silence");
}

#[test]
fn digits_arrive_once_under_ten_percent_loss() {
    let mut call = Call::new(&Pcmu);
    let sent = "0123456789*#ABCD0123456789*#ABCD1122334455";
    for digit in sent.chars() {
        call.legs[0]
            .send_event(
                TelephoneEvent::from_digit(digit).unwrap(),
                Duration::from_millis(100),
            )
            .unwrap();
    }
    let mut state = 99u64;
    let mut fate = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (!(state >> 33).is_multiple_of(10)).then(|| Duration::from_millis(20 + (state >> 40) % 40))
    };
    let silence = [0; 160];
    for _ in 0..50 * 20 {
        call.tick([Some(&silence), Some(&silence)], &mut fate);
    }
    assert!(!call.legs[0].is_sending_events());
    assert_eq!(call.digits(1), sent);
    assert_eq!(call.digits(0), "");
    let ended: Vec<Duration> = call.events[1]
        .iter()
        .filter_map(|event| match event {
            AudioEvent::EventEnded(_, duration) => Some(*duration),
            AudioEvent::EventStarted(_) | AudioEvent::Stream(_) => None,
        })
        .collect();
    assert_eq!(ended.len(), sent.len());
    assert!(
        ended
            .iter()
            .filter(|duration| **duration == Duration::from_millis(100))
            .count()
            >= sent.len() - 2
    );
}

#[test]
fn audio_is_not_disturbed_by_digits_before_it() {
    let mut call = Call::new(&Pcmu);
    let mut path = |_| Some(Duration::from_millis(5));
    call.legs[0]
        .send_event(
            TelephoneEvent::from_digit('5').unwrap(),
            Duration::from_millis(400),
        )
        .unwrap();
    let silence = [0; 160];
    for _ in 0..60 {
        call.tick([Some(&silence), None], &mut path);
    }
    let statistics = call.legs[1].statistics();
    assert_eq!(
        (
            statistics.jitter.missing,
            statistics.jitter.late,
            statistics.unknown_payload_type
        ),
        (0, 0, 0)
    );
    assert_eq!(call.digits(1), "5");
}

#[test]
fn a_new_source_is_heard_and_the_old_one_is_not() {
    let mut call = Call::new(&Pcmu);
    let mut path = |_| Some(Duration::from_millis(5));
    let loud = [8000; 160];
    for _ in 0..50 {
        call.tick([Some(&loud), None], &mut path);
    }
    // The same address starts a new stream (a transfer, a restarted phone) with another signal.
    let config = StreamConfig::new(address(1), 8000, "x@y", [77; 32]);
    call.legs[0] = AudioStream::new(
        config,
        AudioConfig::new(&Pcmu, 0, None),
        SystemTime::UNIX_EPOCH,
        call.now,
    );
    let other = [-4000; 160];
    let mut last = Vec::new();
    for _ in 0..50 {
        last = call.tick([Some(&other), None], &mut path)[1].clone();
    }
    assert!(
        last.iter()
            .all(|sample| *sample == pcmu_decode(pcmu_encode(-4000)))
    );
    assert_eq!(call.legs[1].statistics().jitter.restarted, 1);
}

#[test]
fn unknown_payload_types_are_counted_and_events_need_negotiation() {
    let now = some_instant();
    let config = StreamConfig::new(address(1), 8000, "x@y", [1; 32]);
    let mut leg = AudioStream::new(
        config,
        AudioConfig::new(&Pcmu, 0, None),
        SystemTime::UNIX_EPOCH,
        now,
    );
    assert_eq!(
        leg.send_event(TelephoneEvent(1), Duration::from_millis(100)),
        Err(SendEventError::NotNegotiated)
    );
    for sequence in 0..5u16 {
        let mut packet = Vec::new();
        crate::RtpHeader {
            payload_type: 96,
            sequence,
            ssrc: 5,
            ..Default::default()
        }
        .write(&[1; 20], &mut packet);
        leg.handle_input(Input::datagram(packet, address(1)), now);
    }
    assert_eq!(leg.statistics().unknown_payload_type, 5);
    let mut pcm = [1; 160];
    assert_eq!(leg.read(&mut pcm, now), Played::Silence);
    assert_eq!(pcm, [0; 160]);
}

#[test]
fn frames_of_other_lengths_fill_any_read() {
    let now = some_instant();
    let config = StreamConfig::new(address(1), 8000, "x@y", [1; 32]);
    let mut leg = AudioStream::new(
        config,
        AudioConfig::new(&Pcmu, 0, None),
        SystemTime::UNIX_EPOCH,
        now,
    );
    let original = speech(240 * 200);
    let mut heard: Vec<i16> = Vec::new();
    for (index, frame) in original.chunks(240).enumerate() {
        let mut packet = Vec::new();
        let payload: Vec<u8> = frame.iter().map(|sample| pcmu_encode(*sample)).collect();
        crate::RtpHeader {
            sequence: index as u16,
            timestamp: index as u32 * 240,
            ssrc: 5,
            ..Default::default()
        }
        .write(&payload, &mut packet);
        let at = now + Duration::from_millis(30) * index as u32;
        leg.handle_input(Input::datagram(packet, address(1)), at);
        // Three reads of 10 ms for each packet of 30 ms.
        for part in 0..3 {
            let mut pcm = [0; 80];
            leg.read(&mut pcm, at + Duration::from_millis(10 * part));
            heard.extend(pcm);
        }
    }
    let expected: Vec<i16> = original
        .iter()
        .map(|sample| pcmu_decode(pcmu_encode(*sample)))
        .collect();
    let delay = heard
        .windows(800)
        .position(|window| window == &expected[..800])
        .unwrap();
    assert_eq!(heard[delay..], expected[..heard.len() - delay]);
}

#[test]
fn rfc3389_4_silence_is_told_and_heard_as_noise() {
    let mut call = Call::new(&Pcmu);
    call.legs
        .iter_mut()
        .for_each(|leg| leg.config.comfort_noise = Some(13));
    let mut path = |_| Some(Duration::from_millis(5));
    let talk = speech(160 * 50);
    let murmur: Vec<i16> = (0..160)
        .map(|n| if n % 3 == 0 { 100 } else { -50 })
        .collect();
    let mut heard = Vec::new();
    for round in 0..4 {
        for frame in talk.chunks(160) {
            heard.extend(call.tick([Some(frame), None], &mut path)[1].iter());
        }
        let before = call.sent;
        for _ in 0..50 {
            let now = call.now;
            call.legs[0].write_noise(&murmur, now);
            call.drain(0, &mut path);
            // The tick that reads; nothing more is written.
            let media_time = call.legs[0].media_time;
            heard.extend(call.tick([None, None], &mut path)[1].iter());
            call.legs[0].media_time = media_time;
        }
        assert!(call.sent - before <= 8, "{round}: {}", call.sent - before);
    }
    let statistics = call.legs[1].statistics();
    assert_eq!((statistics.jitter.missing, statistics.jitter.late), (0, 0));
    // The end of what was heard is noise of the level that was described, after talk that was whole.
    let [level] = comfort_noise::payload(&heard[heard.len() - 4000..]);
    assert!(
        level.abs_diff(comfort_noise::payload(&murmur)[0]) <= 2,
        "{level}"
    );
    assert!(
        statistics.samples_concealed <= 4 * 160,
        "{}",
        statistics.samples_concealed
    );
    let expected: Vec<i16> = talk
        .iter()
        .map(|sample| pcmu_decode(pcmu_encode(*sample)))
        .collect();
    let whole = heard
        .windows(4000)
        .filter(|window| window == &&expected[2000..6000])
        .count();
    assert_eq!(whole, 4);
}

#[test]
fn after_a_stall_the_delay_comes_back_while_a_tone_sounds() {
    let mut call = Call::new(&Pcmu);
    let mut original = vec![0; 160 * 2000];
    Tone::sine(200.0, -10.0, 8000).fill(&mut original);
    let mut heard: Vec<i16> = Vec::new();
    for (tick, frame) in original.chunks(160).enumerate() {
        // For 300 ms, everything arrives at the end of the stall.
        let stalled = (300..315).contains(&tick);
        let delay = if stalled {
            TICK * (315 - tick as u32)
        } else {
            Duration::from_millis(5)
        };
        heard.extend(call.tick([Some(frame), None], &mut |_| Some(delay))[1].iter());
    }
    let statistics = call.legs[1].statistics();
    assert_eq!(
        (
            statistics.jitter.missing,
            statistics.jitter.late,
            statistics.jitter.discarded
        ),
        (0, 0, 0)
    );
    assert!(statistics.jitter.shortened > 20, "{:?}", statistics.jitter);
    let now = call.now;
    assert!(
        call.legs[1].buffer.delay(now) <= Duration::from_millis(100),
        "{:?}",
        call.legs[1].buffer.delay(now)
    );
    // No click: a 200 Hz sine of that level never steps by more than this between two samples.
    let step = heard[170 * 160..]
        .windows(2)
        .map(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1])))
        .max()
        .unwrap();
    assert!(step < 2200, "{step}");
}

#[cfg(feature = "g722")]
#[test]
fn rfc3551_4_5_2_wideband_audio_on_the_narrowband_clock() {
    use crate::codec::g722::G722;
    let now = some_instant();
    let leg = |index: usize| {
        let stream = StreamConfig::new(address(1 - index), 8000, "x@y", [index as u8; 32]);
        AudioStream::new(
            stream,
            AudioConfig::new(&G722, 9, None),
            SystemTime::UNIX_EPOCH,
            now,
        )
    };
    let (mut alice, mut bob) = (leg(0), leg(1));
    let mut tone = Tone::sine(5000.0, -10.0, 16_000);
    let mut heard = Vec::new();
    for tick in 0..100 {
        let at = now + TICK * tick;
        let mut pcm = [0; 320];
        tone.fill(&mut pcm);
        alice.write(&pcm, at);
        while let Some(output) = alice.poll_output() {
            if let AudioOutput::Transmit {
                payload,
                rtcp: false,
                ..
            } = output
            {
                assert_eq!(payload.len(), 12 + 160);
                bob.handle_input(Input::datagram(payload, address(0)), at);
            }
        }
        bob.read(&mut pcm, at);
        heard.extend(pcm);
    }
    assert_eq!(
        (
            bob.statistics().jitter.missing,
            bob.statistics().samples_concealed
        ),
        (0, 0)
    );
    // 5 kHz is heard: twice 5000 changes of sign a second.
    let changes = heard[16_000..32_000]
        .windows(2)
        .filter(|pair| (pair[0] < 0) != (pair[1] < 0))
        .count();
    assert!((9_990..=10_010).contains(&changes), "{changes}");
}

#[test]
fn an_older_source_is_heard_again_when_the_newer_one_falls_silent() {
    let now = some_instant();
    let config = StreamConfig::new(address(1), 8000, "x@y", [1; 32]);
    let mut leg = AudioStream::new(
        config,
        AudioConfig::new(&Pcmu, 0, None),
        SystemTime::UNIX_EPOCH,
        now,
    );
    let mut heard = [0; 160];
    for tick in 0..300u16 {
        let at = now + TICK * u32::from(tick);
        for (ssrc, level) in [(1u32, 8000i16), (2, -4000)] {
            // The second source speaks for two seconds only.
            if ssrc == 1 || (50..150).contains(&tick) {
                let mut packet = Vec::new();
                let header = crate::RtpHeader {
                    ssrc,
                    sequence: tick,
                    timestamp: u32::from(tick) * 160,
                    ..Default::default()
                };
                header.write(&[pcmu_encode(level); 160], &mut packet);
                leg.handle_input(Input::datagram(packet, address(1)), at);
            }
        }
        leg.read(&mut heard, at);
        match tick {
            49 | 299 => assert_eq!(heard[100], pcmu_decode(pcmu_encode(8000)), "{tick}"),
            149 => assert_eq!(heard[100], pcmu_decode(pcmu_encode(-4000)), "{tick}"),
            _ => {}
        }
    }
}

#[cfg(feature = "g722")]
#[test]
fn the_codec_can_change_during_a_call() {
    let mut call = Call::new(&Pcmu);
    let mut path = |_| Some(Duration::from_millis(5));
    let pcm = speech(160 * 50);
    for frame in pcm.chunks(160) {
        call.tick([Some(frame), None], &mut path);
    }
    for leg in &mut call.legs {
        leg.set_media(AudioConfig::new(&crate::codec::g722::G722, 9, Some(101)));
    }
    let mut tone = Tone::sine(1000.0, -10.0, 16_000);
    let mut last = Played::Silence;
    for _ in 0..100 {
        let mut wide = [0; 320];
        tone.fill(&mut wide);
        let now = call.now;
        call.legs[0].write(&wide, now);
        call.drain(0, &mut path);
        for (_, _, payload) in call.path.drain(..).collect::<Vec<_>>() {
            call.legs[1].handle_input(Input::datagram(payload, address(0)), now);
        }
        last = call.legs[1].read(&mut wide, now);
        call.now += TICK;
    }
    assert_eq!(last, Played::Audio);
    assert_eq!(
        (
            call.legs[1].statistics().jitter.missing,
            call.legs[1].statistics().unknown_payload_type
        ),
        (0, 0)
    );
}

#[test]
fn rfc3611_4_7_metrics_are_reported_and_heard() {
    let mut call = Call::new(&Pcmu);
    for leg in 0..2 {
        let mut config = StreamConfig::new(address(1 - leg), 8000, "x@y", [leg as u8; 32]);
        config.extended_reports = true;
        let audio = AudioConfig::new(&Pcmu, 0, None);
        call.legs[leg] = AudioStream::new(config, audio, SystemTime::UNIX_EPOCH, call.now);
    }
    let mut state = 5u64;
    let mut fate = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (!(state >> 33).is_multiple_of(20)).then_some(Duration::from_millis(30))
    };
    let pcm = [500; 160];
    // Only one side talks: the other's round trip comes from reference times.
    for _ in 0..3000 {
        call.tick([Some(&pcm), None], &mut fate);
    }
    let here = call.legs[1].metrics();
    assert!((9..=17).contains(&here.loss_rate), "{here:?}");
    assert_eq!(
        (here.discard_rate, here.gmin, here.ssrc),
        (0, 16, call.legs[0].stream().ssrc())
    );
    assert!((30..=45).contains(&here.mos_lq), "{here:?}");
    let there = call.legs[0]
        .statistics()
        .stream
        .remote_metrics
        .expect("reported");
    assert_eq!(there.ssrc, call.legs[0].stream().ssrc());
    assert!(there.loss_rate > 5 && there.r_factor < 90, "{there:?}");
    assert!(
        call.events[0]
            .iter()
            .any(|event| matches!(event, AudioEvent::Stream(stream::Event::Metrics(_))))
    );
    let round_trip = call.legs[1]
        .statistics()
        .stream
        .round_trip
        .expect("measured");
    assert!(
        (55..=85).contains(&round_trip.as_millis()),
        "{round_trip:?}"
    );
}

#[test]
fn nothing_is_sent_to_the_unspecified_address() {
    let now = some_instant();
    for address in ["0.0.0.0:4000", "192.0.2.1:0", "[::]:9"] {
        let config = StreamConfig::new(address.parse().unwrap(), 8000, "x@y", [1; 32]);
        let mut leg = AudioStream::new(
            config,
            AudioConfig::new(&Pcmu, 0, None),
            SystemTime::UNIX_EPOCH,
            now,
        );
        leg.write(&[0; 160], now);
        leg.handle_timeout(now + Duration::from_secs(60));
        leg.close(None, now);
        assert!(leg.poll_output().is_none(), "{address}");
    }
}

/// A codec that repeats itself when a packet is lost, and carries in each packet what the one before began with.
#[derive(Debug, Clone, Default)]
struct Redundant {
    before: i16,
    last: i16,
}

impl Codec for Redundant {
    fn name(&self) -> &'static str {
        "X-REDUNDANT"
    }
    fn clock_rate(&self) -> u32 {
        8000
    }
    fn static_payload_type(&self) -> Option<u8> {
        Some(99)
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(self.clone())
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(self.clone())
    }
}

impl Encoder for Redundant {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before.to_be_bytes());
        out.extend_from_slice(&pcm[0].to_be_bytes());
        self.before = pcm[0];
    }
}

impl Decoder for Redundant {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        self.last = i16::from_be_bytes([payload[2], payload[3]]);
        pcm.extend([self.last; 160]);
    }
    fn duration(&self, _: &[u8]) -> u32 {
        160
    }
    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> bool {
        pcm.extend(std::iter::repeat_n(self.last, samples));
        true
    }
    fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<i16>) -> bool {
        self.last = i16::from_be_bytes([next[0], next[1]]);
        pcm.extend(std::iter::repeat_n(self.last, samples));
        true
    }
}

#[test]
fn a_codec_recovers_what_was_lost_from_the_packet_after_it() {
    let mut call = Call::new(&Redundant::default());
    let mut heard: Vec<i16> = Vec::new();
    for index in 0..200i16 {
        // Every tenth is lost; at 100, two in a row.
        let lost = index % 10 == 9 || index == 100;
        let pcm = [index * 100; 160];
        let ticked = call.tick([Some(&pcm), None], &mut |_| {
            (!lost).then(|| Duration::from_millis(30))
        });
        heard.extend(ticked[1].iter());
    }
    let start = heard.iter().position(|sample| *sample == 100).unwrap();
    for (at, frame) in heard[start..].chunks_exact(160).enumerate() {
        let index = at as i16 + 1;
        // Of two lost in a row, only the second is known; the first goes on as before.
        let expected = if index == 99 { 98 } else { index };
        assert!(
            frame.iter().all(|sample| *sample == expected * 100),
            "{index}: {}",
            frame[0]
        );
    }
}
