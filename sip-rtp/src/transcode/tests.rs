use super::*;
use crate::codec::Codecs;
use crate::codec::g711::{Pcma, Pcmu};
use crate::tone::Tone;

fn tone(rate: u32, seconds: u32) -> Vec<i16> {
    let mut pcm = vec![0; (rate * seconds) as usize];
    Tone::sine(440.0, -12.0, rate).fill(&mut pcm);
    pcm
}

/// The share of the power of `pcm` that is the tone.
fn purity(pcm: &[i16], rate: u32) -> f64 {
    let (mut sine, mut cosine, mut all) = (0.0, 0.0, 1.0);
    for (n, sample) in pcm.iter().enumerate() {
        let phase = n as f64 * 440.0 * std::f64::consts::TAU / f64::from(rate);
        sine += f64::from(*sample) * phase.sin();
        cosine += f64::from(*sample) * phase.cos();
        all += f64::from(*sample).powi(2);
    }
    2.0 * (sine * sine + cosine * cosine) / (pcm.len() as f64 * all)
}

/// The payloads of a tone in 20 ms packets.
fn payloads(codec: &dyn Codec, seconds: u32) -> Vec<Vec<u8>> {
    let rate = codec.sample_rate();
    let mut encoder = codec.encoder();
    tone(rate, seconds)
        .chunks((rate / 50) as usize)
        .map(|frame| {
            let channels = usize::from(codec.sample_channels());
            let frame: Vec<i16> = frame
                .iter()
                .flat_map(|sample| std::iter::repeat_n(*sample, channels))
                .collect();
            let mut payload = Vec::new();
            encoder.encode(&frame, &mut payload);
            payload
        })
        .collect()
}

/// What a transcoder makes of a tone, decoded again: samples in one channel, and how long the payloads said they play.
fn through(from: &dyn Codec, to: &dyn Codec) -> (Vec<i16>, u64) {
    let mut transcoder = Transcoder::new(from);
    let id = transcoder.add_output(to).unwrap();
    let mut decoder = to.decoder();
    let (mut heard, mut ticks) = (Vec::new(), 0);
    for payload in payloads(from, 2) {
        transcoder.transcode(&payload, |transcoded| {
            assert_eq!(transcoded.output, id);
            assert_eq!(decoder.duration(transcoded.payload), transcoded.duration);
            ticks += u64::from(transcoded.duration);
            decoder.decode(transcoded.payload, &mut heard);
        });
    }
    to_mono(&mut heard, to.sample_channels());
    (heard, ticks)
}

/// Eight-bit linear samples, as a user adds them.
#[derive(Debug, Clone, Copy)]
struct L8;

impl Codec for L8 {
    fn name(&self) -> &'static str {
        "L8"
    }
    fn clock_rate(&self) -> u32 {
        8000
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(*self)
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(*self)
    }
}

impl Encoder for L8 {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        out.extend(pcm.iter().map(|sample| ((sample >> 8) + 128) as u8));
    }
}

impl Decoder for L8 {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        pcm.extend(payload.iter().map(|octet| (i16::from(*octet) - 128) << 8));
    }
    fn duration(&self, payload: &[u8]) -> u32 {
        payload.len() as u32
    }
}

#[test]
fn any_codec_becomes_any_other() {
    let mut codecs = Codecs::builtin();
    codecs.add(L8);
    for from in codecs.iter() {
        for to in codecs.iter() {
            if !cfg!(feature = "resample") && from.sample_rate() != to.sample_rate() {
                let refused = Transcoder::new(from).add_output(to);
                let (from, to) = (from.sample_rate(), to.sample_rate());
                assert_eq!(refused, Err(TranscodeError::Rates { from, to }));
                continue;
            }
            let (heard, ticks) = through(from, to);
            let rate = to.sample_rate();
            let names = (from.name(), from.sample_rate(), to.name(), rate);
            assert_eq!(heard.len(), rate as usize * 2, "{names:?}");
            assert_eq!(ticks, u64::from(to.clock_rate()) * 2, "{names:?}");
            let pure = purity(&heard[rate as usize..], rate);
            assert!(pure > 0.97, "{names:?}: {pure}");
        }
    }
}

#[test]
fn payloads_of_the_same_codec_pass_as_they_came() {
    let mut transcoder = Transcoder::new(&Pcmu);
    let (first, second) = (
        transcoder.add_output(&Pcmu).unwrap(),
        transcoder.add_output(&Pcma).unwrap(),
    );
    // Octets that no encoder makes: 0x7f is negative zero.
    let mut heard = Vec::new();
    transcoder.transcode(&[0x7f; 37], |transcoded| {
        assert_eq!(transcoded.duration, 37);
        heard.push((transcoded.output, transcoded.payload.to_vec()));
    });
    assert_eq!(heard, [(first, vec![0x7f; 37])]);
    // The other one has 20 ms frames, whatever comes in.
    heard.clear();
    (0..4).for_each(|_| {
        transcoder.transcode(&[0xff; 37], |transcoded| {
            heard.push((transcoded.output, transcoded.payload.to_vec()))
        });
    });
    let frames: Vec<_> = heard.iter().filter(|(id, _)| *id == second).collect();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1.len(), 160);
}

#[test]
fn outputs_of_one_codec_share_an_encoder_and_take_it_with_them() {
    let mut transcoder = Transcoder::new(&Pcmu);
    let ids: Vec<_> = (0..3)
        .map(|_| transcoder.add_output(&Pcma).unwrap())
        .collect();
    assert_eq!((transcoder.encodings.len(), transcoder.rates.len()), (1, 0));
    let mut heard = Vec::new();
    transcoder.transcode(&[0xff; 160], |transcoded| heard.push(transcoded.output));
    assert_eq!(heard, ids);
    // The first one, whose encoder the others use, leaves first.
    transcoder.remove_output(ids[0]);
    heard.clear();
    transcoder.transcode(&[0xff; 160], |transcoded| heard.push(transcoded.output));
    assert_eq!(heard, ids[1..]);
    transcoder.remove_output(ids[1]);
    transcoder.remove_output(ids[2]);
    assert!(transcoder.encodings.is_empty() && transcoder.outputs.is_empty());
    transcoder.transcode(&[0xff; 160], |_| panic!("nobody is there"));
}

#[cfg(feature = "resample")]
#[test]
fn a_rate_is_made_once_and_goes_with_its_last_user() {
    use crate::codec::l16::L16;
    let mut transcoder = Transcoder::new(&Pcmu);
    let wide = transcoder.add_output(&L16::new(16_000, 1)).unwrap();
    let both = transcoder.add_output(&L16::new(16_000, 2)).unwrap();
    assert_eq!((transcoder.encodings.len(), transcoder.rates.len()), (2, 1));
    let mut sizes = Vec::new();
    transcoder.transcode(&[0xff; 160], |transcoded| {
        sizes.push((transcoded.output, transcoded.payload.len()))
    });
    assert_eq!(sizes, [(wide, 640), (both, 1_280)]);
    transcoder.remove_output(wide);
    assert_eq!(transcoder.rates.len(), 1);
    transcoder.remove_output(both);
    assert!(transcoder.rates.is_empty());
}

#[test]
fn a_lost_packet_is_made_up_for_those_who_cannot_see_it() {
    let mut transcoder = Transcoder::new(&Pcmu);
    let same = transcoder.add_output(&Pcmu).unwrap();
    let other = transcoder.add_output(&Pcma).unwrap();
    let mut decoder = Pcma.decoder();
    let mut heard = Vec::new();
    for (index, payload) in payloads(&Pcmu, 2).iter().enumerate() {
        if index % 10 == 9 {
            transcoder.conceal(160, |transcoded| {
                assert_eq!(transcoded.output, other);
                decoder.decode(transcoded.payload, &mut heard);
            });
        } else {
            transcoder.transcode(payload, |transcoded| {
                if transcoded.output != same {
                    decoder.decode(transcoded.payload, &mut heard);
                }
            });
        }
    }
    assert_eq!(heard.len(), 16_000);
    let pure = purity(&heard[8_000..], 8_000);
    assert!(pure > 0.9, "{pure}");
    // However long it is said to be.
    let mut octets = 0;
    transcoder.conceal(u32::MAX, |transcoded| octets += transcoded.payload.len());
    assert_eq!(octets, 8_000);
}

#[test]
fn a_payload_of_any_size_is_survived() {
    let mut transcoder = Transcoder::new(&Pcmu);
    transcoder.add_output(&Pcma).unwrap();
    for length in [0, 1, 159, 161, 65_535, 2 << 20] {
        let mut octets = 0;
        transcoder.transcode(&vec![0xff; length], |transcoded| {
            octets += transcoded.payload.len()
        });
        assert!(octets <= length + 160);
    }
}
