//! Headers that are one number: Content-Length, Max-Forwards, Expires, Min-Expires.

macro_rules! number_header {
    ($(#[$doc:meta])* $name:ident($int:ty), $reason:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
        pub struct $name(pub $int);

        impl<'a> $crate::TypedHeader<'a> for $name {
            const NAME: $crate::HeaderName = $crate::HeaderName::$name;

            fn decode(values: &mut $crate::Values<'a>) -> Result<Self, $crate::HeaderError> {
                let mut cursor = $crate::lex::Cursor::new($crate::header::one(values)?);
                let number = cursor.number($reason)?;
                cursor.finish($reason)?;
                <$int>::try_from(number).map(Self).map_err(|_| $crate::HeaderError::new($reason, 0))
            }

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $crate::header::push_decimal(out, self.0.into());
            }
        }

        $crate::header::display_encoded!($name);
    };
}

pub(crate) use number_header;

number_header! {
    /// The size of the body in bytes (RFC 3261 §20.14).
    ContentLength(u32), "bad Content-Length"
}

number_header! {
    /// How many more elements may forward the request (RFC 3261 §20.22).
    MaxForwards(u8), "bad Max-Forwards"
}

number_header! {
    /// The time after which the message or its content expires, in seconds (RFC 3261 §20.19).
    Expires(u32), "bad Expires"
}

number_header! {
    /// The shortest registration that the registrar grants, in seconds (RFC 3261 §20.23).
    MinExpires(u32), "bad Min-Expires"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::check_reencode;

    #[test]
    fn rfc3261_20_22_max_forwards() {
        check_reencode!(
            MaxForwards,
            [
                ("70", Some("70")),
                ("0068", Some("68")),
                ("255", Some("255")),
                ("256", None),
                ("-1", None),
                ("", None),
                ("6 7", None)
            ]
        );
    }

    #[test]
    fn rfc3261_20_19_expires() {
        check_reencode!(
            Expires,
            [
                ("4294967295", Some("4294967295")),
                ("4294967296", None),
                ("1s", None)
            ]
        );
        check_reencode!(MinExpires, [("60", Some("60"))]);
        check_reencode!(ContentLength, [("349", Some("349")), ("+1", None)]);
    }
}
