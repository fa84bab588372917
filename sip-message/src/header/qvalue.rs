//! [`QValue`]: how much something is preferred (RFC 3261 §25.1).
//!
//! ```text
//! q = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ]
//! ```

use alloc::format;
use core::fmt;

/// A preference of 0 to 1 in thousandths (RFC 3261 §25.1 `qvalue`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QValue(u16);

impl QValue {
    /// The highest preference, and the default.
    pub const ONE: Self = Self(1000);

    /// From thousandths; `None` above 1000.
    #[must_use]
    pub const fn from_thousandths(value: u16) -> Option<Self> {
        if value <= 1000 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// `( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let whole: u16 = match whole {
            "0" => 0,
            "1" => 1000,
            _ => return None,
        };
        let fraction = fraction.bytes().chain(core::iter::repeat(b'0')).take(3);
        let value = whole + fraction.fold(0, |n, d| n * 10 + u16::from(d - b'0'));
        Self::from_thousandths(value)
    }

    /// The preference in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for QValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1000 {
            return f.write_str("1");
        }
        let digits = format!("0.{:03}", self.0);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Debug for QValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn qvalues() {
        for (text, thousandths) in [
            ("1", 1000),
            ("1.000", 1000),
            ("0", 0),
            ("0.5", 500),
            ("0.05", 50),
            ("0.123", 123),
            ("0.", 0),
        ] {
            assert_eq!(
                QValue::parse(text).map(QValue::thousandths),
                Some(thousandths),
                "{text}"
            );
        }
        for text in ["", "2", "1.1", "0.1234", "-1", ".5", "0.a", "01"] {
            assert_eq!(QValue::parse(text), None, "{text}");
        }
        for value in 0..=1000 {
            let q = QValue::from_thousandths(value).unwrap();
            assert_eq!(QValue::parse(&q.to_string()), Some(q));
        }
    }
}
