//! `ice-ufrag`, `ice-pwd`, `ice-options` (RFC 8839 §5.4, §5.6).

use alloc::string::String;

use super::Attribute;
use crate::grammar::ValueError;

macro_rules! credential {
    ($($(#[$doc:meta])* $type:ident = $name:literal, $range:expr, $reason:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::exhaustive_structs, reason = "the attribute is one text")]
        pub struct $type<'a>(pub &'a str);

        impl<'a> Attribute<'a> for $type<'a> {
            const NAME: &'static str = $name;

            fn decode(value: &'a str) -> Result<Self, ValueError> {
                let value = value.trim_matches(' ');
                if $range.contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic()) {
                    Ok(Self(value))
                } else {
                    Err(ValueError::new(0, $reason))
                }
            }

            fn encode(&self, out: &mut String) {
                out.push_str(self.0);
            }
        }
    )*};
}

// RFC 8839 §5.4 allows letters, digits, `+` and `/`; deployed servers also send `-`, `_` and `=`, and the values are
// only compared, so any visible character is read.
credential! {
    /// `a=ice-ufrag`: 4 to 256 characters.
    IceUfrag = "ice-ufrag", (4..=256), "not 4 to 256 visible characters";
    /// `a=ice-pwd`: 22 to 256 characters.
    IcePassword = "ice-pwd", (22..=256), "not 22 to 256 visible characters";
}

/// `a=ice-options` (RFC 8839 §5.6): `ice2`, `trickle` (RFC 8840), `renomination` and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceOptions<'a> {
    tags: &'a str,
}

impl<'a> IceOptions<'a> {
    /// The tags in order.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.tags.split(' ').filter(|tag| !tag.is_empty())
    }

    /// Whether a tag is there.
    pub fn contains(&self, tag: &str) -> bool {
        self.tags().any(|option| option == tag)
    }
}

impl<'a> Attribute<'a> for IceOptions<'a> {
    const NAME: &'static str = "ice-options";

    fn decode(value: &'a str) -> Result<Self, ValueError> {
        let options = Self {
            tags: value.trim_matches(' '),
        };
        // `google-ice` of old browsers has a hyphen, which RFC 8839 does not allow: any visible text is read.
        if options.tags.is_empty()
            || options
                .tags()
                .any(|tag| !tag.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(ValueError::new(
                0,
                "an option is missing or not visible text",
            ));
        }
        Ok(options)
    }

    fn encode(&self, out: &mut String) {
        out.push_str(self.tags);
    }
}
