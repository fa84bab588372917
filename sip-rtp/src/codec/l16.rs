//! L16: uncompressed 16-bit samples in network byte order (RFC 3551 §4.5.11).

use super::{Codec, Decoder, Encoder};

/// L16 at any rate and number of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L16 {
    rate: u32,
    channels: u8,
}

impl L16 {
    /// L16 at `rate` Hz with `channels` interleaved channels (at least one).
    #[must_use]
    pub const fn new(rate: u32, channels: u8) -> Self {
        Self {
            rate,
            channels: if channels == 0 { 1 } else { channels },
        }
    }
}

impl Codec for L16 {
    fn name(&self) -> &'static str {
        "L16"
    }
    fn clock_rate(&self) -> u32 {
        self.rate
    }
    fn channels(&self) -> u8 {
        self.channels
    }
    fn static_payload_type(&self) -> Option<u8> {
        // RFC 3551 §6, table 4.
        match (self.rate, self.channels) {
            (44_100, 2) => Some(10),
            (44_100, 1) => Some(11),
            _ => None,
        }
    }
    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(*self)
    }
    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(*self)
    }
}

impl Encoder for L16 {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        out.extend(pcm.iter().flat_map(|sample| sample.to_be_bytes()));
    }
}

impl Decoder for L16 {
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        pcm.extend(
            payload
                .as_chunks::<2>()
                .0
                .iter()
                .map(|octets| i16::from_be_bytes(*octets)),
        );
    }
    fn duration(&self, payload: &[u8]) -> u32 {
        (payload.len() / 2 / usize::from(self.channels)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3551_4_5_11_network_byte_order() {
        let mut out = Vec::new();
        let mut codec = L16::new(16_000, 1);
        codec.encode(&[1, -2, i16::MIN], &mut out);
        assert_eq!(out, [0, 1, 0xff, 0xfe, 0x80, 0]);
        let mut pcm = Vec::new();
        codec.decode(&out, &mut pcm);
        assert_eq!(pcm, [1, -2, i16::MIN]);
        // Half a sample at the end is dropped.
        pcm.clear();
        codec.decode(&out[..5], &mut pcm);
        assert_eq!(pcm, [1, -2]);
        assert_eq!(L16::new(44_100, 2).duration(&[0; 400]), 100);
        assert_eq!(
            (
                L16::new(44_100, 2).static_payload_type(),
                L16::new(44_100, 1).static_payload_type()
            ),
            (Some(10), Some(11))
        );
        assert_eq!(L16::new(8000, 0).channels(), 1);
    }
}
