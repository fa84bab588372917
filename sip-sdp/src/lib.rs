#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod config;
mod error;
mod grammar;
mod line;

pub mod attribute;
pub mod description;
pub mod fields;
pub mod media;
pub mod negotiation;

pub use crate::config::{Limits, ParserConfig};
pub use crate::description::{Section, SessionDescription};
pub use crate::error::{AttributeError, ParseError, ParseErrorKind};
pub use crate::grammar::ValueError;
pub use crate::line::LineType;
pub use crate::media::{Media, MediaLine};
