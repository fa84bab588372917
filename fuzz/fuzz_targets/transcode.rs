//! Payloads of any content through a transcoder, with outputs that come and go: bounded, in whole frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_rtp::codec::g711::{Pcma, Pcmu};
use sip_rtp::codec::l16::L16;
use sip_rtp::transcode::Transcoder;

fuzz_target!(|data: &[u8]| {
    let mut transcoder = Transcoder::new(&Pcmu);
    let mut outputs = Vec::new();
    let mut rest = data;
    let (mut given, mut taken) = (0usize, 0usize);
    while let Some((&step, after)) = rest.split_first() {
        rest = after;
        match step % 8 {
            0 if outputs.len() < 8 => outputs.extend(transcoder.add_output(&Pcma).ok()),
            1 if outputs.len() < 8 => {
                outputs.extend(transcoder.add_output(&L16::new(8_000, 2)).ok())
            }
            2 if outputs.len() < 8 => outputs.extend(transcoder.add_output(&Pcmu).ok()),
            3 if !outputs.is_empty() => {
                transcoder.remove_output(outputs.swap_remove(usize::from(step) % outputs.len()));
            }
            4 => {
                given += usize::from(step) * 4;
                transcoder.conceal(u32::from(step) * 4, |transcoded| {
                    assert!(outputs.contains(&transcoded.output));
                    taken += transcoded.duration as usize;
                });
            }
            _ => {
                let length = usize::from(step).min(rest.len());
                let (payload, after) = rest.split_at(length);
                rest = after;
                given += length;
                transcoder.transcode(payload, |transcoded| {
                    assert!(outputs.contains(&transcoded.output));
                    taken += transcoded.duration as usize;
                });
            }
        }
        assert!(taken <= given * 8, "more comes out than went in");
    }
});
