//! Codecs behind two object-safe traits, and a table of them that a user can add to.
//!
//! An [`Encoder`] turns 16-bit linear samples into payload octets, a [`Decoder`] the reverse. Both keep whatever
//! state the algorithm needs, so each stream and direction has its own, behind a `Box`.

use std::fmt;

pub mod comfort_noise;
pub mod g711;
#[cfg(feature = "g722")]
pub mod g722;
pub mod l16;
#[cfg(feature = "opus")]
pub mod opus;

/// The encoding half of a codec.
pub trait Encoder: fmt::Debug + Send {
    /// Appends the payload for `pcm` to `out`. `pcm` holds whole frames: for sample-based codecs any number of samples.
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>);
}

/// The decoding half of a codec. Payloads come from the network: whatever they hold, a decoder neither panics nor
/// appends more than its codec can mean by so many octets.
pub trait Decoder: fmt::Debug + Send {
    /// Appends the samples of `payload` to `pcm`. A malformed payload appends what could be decoded, maybe nothing.
    fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>);

    /// How long `payload` plays, in ticks of the RTP clock.
    fn duration(&self, payload: &[u8]) -> u32;

    /// Appends `samples` samples in place of a lost packet and returns true, if the codec has concealment of its
    /// own; the default has none, and the stream conceals in the PCM domain.
    fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> bool {
        let _ = (samples, pcm);
        false
    }

    /// Appends `samples` samples in place of a lost packet, out of what the packet after it says about it, and returns true,
    /// if the codec has forward error correction and `next` carries any; the default has none.
    fn recover(&mut self, next: &[u8], samples: usize, pcm: &mut Vec<i16>) -> bool {
        let _ = (next, samples, pcm);
        false
    }
}

/// A codec as session descriptions name it (`a=rtpmap:<type> <name>/<clock>/<channels>`, RFC 8866 §6.6).
pub trait Codec: fmt::Debug + Send + Sync {
    /// The encoding name, such as `PCMU`; compared without regard to case.
    fn name(&self) -> &'static str;
    /// The RTP clock rate in Hz.
    fn clock_rate(&self) -> u32;
    /// The rate of the samples in Hz; equals the clock rate except for G.722 (RFC 3551 §4.5.2).
    fn sample_rate(&self) -> u32 {
        self.clock_rate()
    }
    /// The number of channels that `a=rtpmap` names.
    fn channels(&self) -> u8 {
        1
    }
    /// The number of channels, interleaved in the samples; equals that of `a=rtpmap` except for Opus, which always says 2
    /// (RFC 7587 §4.1).
    fn sample_channels(&self) -> u8 {
        self.channels()
    }
    /// The static payload type of RFC 3551 §6, if it has one.
    fn static_payload_type(&self) -> Option<u8> {
        None
    }
    /// A new encoder.
    fn encoder(&self) -> Box<dyn Encoder>;
    /// A new decoder.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// The codecs that a program offers, in order of preference.
///
/// ```
/// use sip_rtp::codec::Codecs;
///
/// let codecs = Codecs::builtin();
/// let pcma = codecs.find("pcma", 8000, 1).expect("built in");
/// let mut payload = Vec::new();
/// pcma.encoder().encode(&[0; 160], &mut payload);
/// assert_eq!(payload, [0xd5; 160]);
/// ```
#[derive(Debug, Default)]
pub struct Codecs {
    list: Vec<Box<dyn Codec>>,
}

impl Codecs {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The codecs of this crate: Opus (with the feature `opus`), PCMU, PCMA, G722 (with the feature `g722`), L16.
    #[must_use]
    pub fn builtin() -> Self {
        let mut codecs = Self::new();
        #[cfg(feature = "opus")]
        codecs.add(opus::Opus::new());
        codecs.add(g711::Pcmu);
        codecs.add(g711::Pcma);
        #[cfg(feature = "g722")]
        codecs.add(g722::G722);
        codecs.add(l16::L16::new(8000, 1));
        codecs.add(l16::L16::new(16_000, 1));
        codecs.add(l16::L16::new(44_100, 1));
        codecs.add(l16::L16::new(44_100, 2));
        codecs.add(l16::L16::new(48_000, 1));
        codecs
    }

    /// Adds a codec at the end.
    pub fn add(&mut self, codec: impl Codec + 'static) {
        self.list.push(Box::new(codec));
    }

    /// The codec that an `a=rtpmap` names.
    #[must_use]
    pub fn find(&self, name: &str, clock_rate: u32, channels: u8) -> Option<&dyn Codec> {
        self.iter().find(|codec| {
            codec.name().eq_ignore_ascii_case(name)
                && codec.clock_rate() == clock_rate
                && codec.channels() == channels
        })
    }

    /// The codec with this static payload type (RFC 3551 §6), for descriptions without `a=rtpmap`.
    #[must_use]
    pub fn find_static(&self, payload_type: u8) -> Option<&dyn Codec> {
        self.iter()
            .find(|codec| codec.static_payload_type() == Some(payload_type))
    }

    /// All codecs in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Codec> {
        self.list.iter().map(AsRef::as_ref)
    }
}
