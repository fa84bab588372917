//! The forms that header fields share, each a macro that makes a type of it.
//!
//! | form | macro | example |
//! |---|---|---|
//! | a number | [`number_header`] | `Max-Forwards: 70` |
//! | a text for people | [`text_header`] | `Subject: lunch` |
//! | a word | [`word_header`] | `Priority: urgent` |
//! | a word with parameters | [`valued_header`] | `Replaces: a@b;to-tag=1;from-tag=2` |
//! | parameters alone | [`params_header`] | `P-Charging-Vector: icid-value=1;orig-ioi=h` |
//! | seconds with parameters | [`seconds_header`] | `Min-SE: 90` |
//! | tokens | [`token_list`] | `Supported: timer, replaces` |
//! | an address | [`newtype_header`] | `To: "Bob" <sip:bob@h>;tag=1` |
//! | a URI in brackets | [`uri_header`] | `Call-Info: <http://h/a.jpg>;purpose=icon` |
//! | a bare URI | [`bare_uri_header`] | `Policy-ID: sip:policy@h;token=1` |
//!
//! [`params_api`] gives a header with parameters a function for each one that its RFC names.

mod list;
mod newtype;
mod number;
mod params;
mod uri;
mod valued;
mod word;

pub use self::list::Tokens;
pub(crate) use self::list::token_list;
pub(crate) use self::newtype::newtype_header;
pub(crate) use self::number::{number_header, seconds_header};
pub(crate) use self::params::{param_fns, params_api, params_header};
pub(crate) use self::uri::{BracketedUri, bare_uri_header, uri_header};
pub(crate) use self::valued::{require_params, valued_header};
pub(crate) use self::word::{Word, text_header, word_header};

/// `Display` that writes what `encode` writes.
macro_rules! display_encoded {
    ($name:ty) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                #[allow(unused_imports, reason = "some values have an encode of their own")]
                use $crate::TypedHeader as _;
                let mut out = alloc::vec::Vec::new();
                self.encode(&mut out);
                f.pad(&alloc::string::String::from_utf8_lossy(&out))
            }
        }
    };
}
pub(crate) use display_encoded;
