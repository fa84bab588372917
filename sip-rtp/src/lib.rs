#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod demux;
pub mod packet;

pub mod ntp;
pub mod rtcp;

pub mod source;
pub mod stream;

pub mod jitter;
pub mod quality;

#[cfg(feature = "srtp")]
pub mod srtp;

pub mod event;

pub mod codec;
pub mod conceal;
pub mod mixer;
#[cfg(feature = "resample")]
pub mod resample;
pub mod tone;
pub mod transcode;
#[cfg(feature = "vad")]
pub mod vad;

pub mod audio;

#[cfg(feature = "wav")]
pub mod wav;

#[cfg(test)]
mod test_data;

pub use audio::{AudioConfig, AudioStream};
pub use packet::{RtpHeader, RtpPacket};
pub use stream::{Frame, Input, Output, RtpStream, StreamConfig};
