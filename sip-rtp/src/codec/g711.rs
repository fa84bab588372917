//! G.711: µ-law (PCMU) and A-law (PCMA), by tables that the compiler computes (RFC 3551 §4.5.14, ITU-T G.711).
//!
//! µ-law codes 14 bits and A-law 13, so the encoders look up the sample without its lowest two or three bits.

use super::{Codec, Decoder, Encoder};

/// The octet that both directions of PCMU use for silence.
pub const PCMU_SILENCE: u8 = 0xff;
/// The octet that both directions of PCMA use for silence.
pub const PCMA_SILENCE: u8 = 0xd5;

static PCMU_ENCODE: [u8; 1 << 14] = pcmu_encode_table();
static PCMA_ENCODE: [u8; 1 << 13] = pcma_encode_table();
static PCMU_DECODE: [i16; 256] = pcmu_decode_table();
static PCMA_DECODE: [i16; 256] = pcma_decode_table();

/// The µ-law octet of a sample.
#[must_use]
#[inline]
pub fn pcmu_encode(sample: i16) -> u8 {
    PCMU_ENCODE[usize::from(sample.cast_unsigned() >> 2)]
}

/// The sample of a µ-law octet.
#[must_use]
#[inline]
pub fn pcmu_decode(octet: u8) -> i16 {
    PCMU_DECODE[usize::from(octet)]
}

/// The A-law octet of a sample.
#[must_use]
#[inline]
pub fn pcma_encode(sample: i16) -> u8 {
    PCMA_ENCODE[usize::from(sample.cast_unsigned() >> 3)]
}

/// The sample of an A-law octet.
#[must_use]
#[inline]
pub fn pcma_decode(octet: u8) -> i16 {
    PCMA_DECODE[usize::from(octet)]
}

/// PCMU: G.711 µ-law, payload type 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a codec without parameters or state"
)]
pub struct Pcmu;

/// PCMA: G.711 A-law, payload type 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a codec without parameters or state"
)]
pub struct Pcma;

impl Codec for Pcmu {
    fn name(&self) -> &'static str {
        "PCMU"
    }
    fn clock_rate(&self) -> u32 {
        8000
    }
    fn static_payload_type(&self) -> Option<u8> {
        Some(0)
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(*self)
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(*self)
    }
}

impl Encoder for Pcmu {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        map_into(pcm, out, pcmu_encode);
    }
}

impl Decoder for Pcmu {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        map_into(payload, pcm, pcmu_decode);
    }
    fn duration(&self, payload: &[u8]) -> u32 {
        payload.len() as u32
    }
}

impl Codec for Pcma {
    fn name(&self) -> &'static str {
        "PCMA"
    }
    fn clock_rate(&self) -> u32 {
        8000
    }
    fn static_payload_type(&self) -> Option<u8> {
        Some(8)
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(*self)
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(*self)
    }
}

impl Encoder for Pcma {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        map_into(pcm, out, pcma_encode);
    }
}

impl Decoder for Pcma {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        map_into(payload, pcm, pcma_decode);
    }
    fn duration(&self, payload: &[u8]) -> u32 {
        payload.len() as u32
    }
}

/// Appends `f` of each element. Sixteen at a time: the loop's own instructions would be a third of the work.
fn map_into<A: Copy, B: Copy + Default>(from: &[A], to: &mut Vec<B>, f: impl Fn(A) -> B) {
    let start = to.len();
    to.resize(start + from.len(), B::default());
    let room = to.get_mut(start..).unwrap_or_default();
    let (from_chunks, from_rest) = from.as_chunks::<16>();
    let (to_chunks, to_rest) = room.as_chunks_mut::<16>();
    for (to, from) in to_chunks.iter_mut().zip(from_chunks) {
        for index in 0..16 {
            to[index] = f(from[index]);
        }
    }
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = f(*from);
    }
}

/// µ-law of a 14-bit sample. G.711: eight segments, each twice as wide as the one before; adding 33 to the magnitude
/// puts the segment borders on powers of two. All bits are inverted on the line.
const fn pcmu_of(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x7f } else { 0xff };
    let magnitude = sample.unsigned_abs();
    let biased = if magnitude > 8158 { 8158 } else { magnitude } + 33;
    let segment = 26 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 0x0f;
    ((segment << 4) | step) as u8 ^ sign
}

/// A-law of a 13-bit sample: the two lowest segments have the same step; even bits are inverted on the line.
const fn pcma_of(sample: i32) -> u8 {
    // Negative values mirror to the magnitude below: -1 codes as the first negative step.
    let (magnitude, sign) = if sample < 0 {
        ((-sample - 1) as u32, 0x55)
    } else {
        (sample as u32, 0xd5)
    };
    let segment = if magnitude < 32 {
        0
    } else {
        27 - magnitude.leading_zeros()
    };
    let shift = if segment == 0 { 1 } else { segment };
    let step = (magnitude >> shift) & 0x0f;
    ((segment << 4) | step) as u8 ^ sign
}

const fn pcmu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        // The index is the sample's upper 14 bits; shifting left and right again extends the sign.
        table[index] = pcmu_of(((index as i32) << 18) >> 18);
        index += 1;
    }
    table
}

const fn pcma_encode_table() -> [u8; 1 << 13] {
    let mut table = [0; 1 << 13];
    let mut index = 0;
    while index < table.len() {
        table[index] = pcma_of(((index as i32) << 19) >> 19);
        index += 1;
    }
    table
}

const fn pcmu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let code = !(index as u8);
        let segment = (code >> 4) & 0x07;
        // The middle of the step, in 14 bits, then scaled to 16.
        let magnitude = ((((code & 0x0f) as i32) * 2 + 33) << segment) - 33;
        table[index] = (if code & 0x80 != 0 {
            -magnitude
        } else {
            magnitude
        } * 4) as i16;
        index += 1;
    }
    table
}

const fn pcma_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let code = (index as u8) ^ 0x55;
        let segment = (code >> 4) & 0x07;
        let step = ((code & 0x0f) as i32) * 2 + 1;
        let magnitude = if segment == 0 {
            step
        } else {
            (step + 32) << (segment - 1)
        };
        table[index] = (if code & 0x80 != 0 {
            magnitude
        } else {
            -magnitude
        } * 8) as i16;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests;
