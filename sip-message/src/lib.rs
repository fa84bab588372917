#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a failed index is a failed test")
)]

extern crate alloc;

mod build;
mod chars;
mod config;
mod error;
mod frame;
pub mod header;
mod headers;
mod lex;
mod message;
mod message_summary;
mod method;
mod multipart;
mod name;
pub mod option_tag;
mod outline;
mod param;
mod parse;
mod request;
mod response;
mod scan;
mod sipfrag;
mod status;
mod token;
pub mod uri;
mod validate;
mod written;

pub use crate::build::{RequestBuilder, ResponseBuilder};
pub use crate::config::{Limits, ParserConfig};
pub use crate::error::{BuildError, HeaderError, ParseError, ParseErrorKind};
pub use crate::frame::FrameScanner;
pub use crate::header::TypedHeader;
pub use crate::headers::{
    Field, Fields, Headers, RawFields, TypedAll, Values, ValuesRev, ViaStamp,
};
pub use crate::message::{BoxedMessage, Message, Spares};
pub use crate::message_summary::{MessageCount, MessageSummary};
pub use crate::method::{InvalidMethod, Method};
pub use crate::multipart::Part;
pub use crate::name::HeaderName;
pub use crate::outline::{CopiedLine, Outline, RequestLine};
pub use crate::param::{ParamIter, Params};
pub use crate::request::Request;
pub use crate::response::Response;
pub use crate::sipfrag::SipFrag;
pub use crate::status::StatusCode;
pub use crate::token::Token;
pub use crate::uri::{Host, Uri, UriError, UriRef};
pub use crate::written::WrittenResponse;
