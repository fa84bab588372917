//! Date: when the message was first sent (RFC 3261 §20.17), in the one form of RFC 1123 that SIP allows, in GMT.
//!
//! ```text
//! value = weekday "," SP two digits SP month SP four digits SP hh ":" mm ":" ss SP "GMT"
//! ```

use alloc::vec::Vec;

use super::TypedHeader;
use crate::error::HeaderError;
use crate::headers::Values;
use crate::name::HeaderName;

/// A date and time of day in seconds since 1970-01-01 00:00:00 UTC.
///
/// ```
/// use sip_message::header::Date;
/// let date = Date::parse("Sat, 13 Nov 2010 23:29:00 GMT").unwrap();
/// assert_eq!(date.unix_seconds(), 1_289_690_940);
/// assert_eq!(date.to_string(), "Sat, 13 Nov 2010 23:29:00 GMT");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u64);

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// 9999-12-31 23:59:59, the last that four digits of a year can say.
const LAST: u64 = 253_402_300_799;

impl Date {
    /// From seconds since 1970; what is after the year 9999 becomes its last second.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }

    /// Reads `Sat, 13 Nov 2010 23:29:00 GMT`. The day of the week is not compared with the date.
    ///
    /// # Errors
    /// When the text does not have this form, the day does not exist, or the time zone is not GMT.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        Self::read(text).ok_or_else(|| HeaderError::new("bad date", 0))
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text
            .split([' ', '\t', '\r', '\n'])
            .filter(|word| !word.is_empty());
        let weekday = words.next()?.strip_suffix(',')?;
        DAYS.iter().find(|day| day.eq_ignore_ascii_case(weekday))?;
        let day = digits(words.next()?, 2)?;
        let month = words.next()?;
        let month = MONTHS
            .iter()
            .position(|name| name.eq_ignore_ascii_case(month))?;
        let year = digits(words.next()?, 4)?;
        let mut time = words.next()?.split(':');
        let (hour, minute, second) = (
            digits(time.next()?, 2)?,
            digits(time.next()?, 2)?,
            digits(time.next()?, 2)?,
        );
        // RFC 3261 §20.17: only GMT.
        if time.next().is_some()
            || !words.next()?.eq_ignore_ascii_case("GMT")
            || words.next().is_some()
        {
            return None;
        }
        let month = u64::try_from(month).ok()?;
        // A leap second is counted as the second before it.
        if year < 1970
            || day == 0
            || day > days_in(year, month)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let days = days_before(year, month) + day - 1;
        Some(Self(
            days * 86_400 + hour * 3600 + minute * 60 + second.min(59),
        ))
    }
}

fn digits(text: &str, len: usize) -> Option<u64> {
    (text.len() == len && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Months count from 0.
const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of the month.
fn days_before(year: u64, month: u64) -> u64 {
    let before =
        |year: u64| year * 365 + year.div_ceil(4) - year.div_ceil(100) + year.div_ceil(400);
    before(year) - before(1970) + (0..month).map(|m| days_in(year, m)).sum::<u64>()
}

impl<'a> TypedHeader<'a> for Date {
    const NAME: HeaderName = HeaderName::Date;

    fn decode(values: &mut Values<'a>) -> Result<Self, HeaderError> {
        Self::parse(super::one(values)?)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let mut year = 1970 + days / 366;
        while days_before(year + 1, 0) <= days {
            year += 1;
        }
        let mut month = 0;
        while month < 11 && days_before(year, month + 1) <= days {
            month += 1;
        }
        let day = days - days_before(year, month) + 1;
        let name = |names: &[&'static str], at: u64| {
            usize::try_from(at)
                .ok()
                .and_then(|at| names.get(at).copied())
                .unwrap_or_default()
        };
        // Written digit by digit: every answer of a registrar has a Date, and the formatter costs more than the rest of it.
        let two = |number: u64, out: &mut Vec<u8>| {
            let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or_default();
            out.extend_from_slice(&[digit(number / 10), digit(number)]);
        };
        out.extend_from_slice(name(&DAYS, days % 7).as_bytes());
        out.extend_from_slice(b", ");
        two(day, out);
        out.push(b' ');
        out.extend_from_slice(name(&MONTHS, month).as_bytes());
        out.push(b' ');
        // RFC 3261 section 25.1: four digits, which the constructors see to.
        two(year / 100, out);
        two(year, out);
        for (number, before) in [
            (rest / 3600, b' '),
            (rest / 60 % 60, b':'),
            (rest % 60, b':'),
        ] {
            out.push(before);
            two(number, out);
        }
        out.extend_from_slice(b" GMT");
    }
}

super::display_encoded!(Date);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::testing::{check_reencode, header_tests};
    use alloc::string::ToString;

    #[test]
    fn rfc3261_20_17_forms() {
        check_reencode!(
            Date,
            [
                (
                    "Sat, 13 Nov 2010 23:29:00 GMT",
                    Some("Sat, 13 Nov 2010 23:29:00 GMT")
                ),
                (
                    "Thu, 01 Jan 1970 00:00:00 GMT",
                    Some("Thu, 01 Jan 1970 00:00:00 GMT")
                ),
                (
                    "Thu, 29 Feb 2024 23:59:59 GMT",
                    Some("Thu, 29 Feb 2024 23:59:59 GMT")
                ),
                ("Fri, 01 Jan 2010 16:00:00 EST", None),
                ("Thu, 29 Feb 2023 00:00:00 GMT", None),
                ("Sat, 13 Nov 2010 24:00:00 GMT", None),
                ("13 Nov 2010 23:29:00 GMT", None),
                ("Sat, 13 Nov 10 23:29:00 GMT", None),
                ("", None),
            ]
        );
    }

    #[test]
    fn every_day_of_four_centuries_reads_what_it_writes() {
        for day in 0..146_097 {
            let date = Date::from_unix_seconds(day * 86_400 + day % 86_400);
            assert_eq!(Date::parse(&date.to_string()), Ok(date));
        }
        assert_eq!(
            Date::from_unix_seconds(u64::MAX).to_string(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }

    header_tests! {
        Date, rfc3261_20_17_example: ["Sat, 13 Nov 2010 23:29:00 GMT"],
        refused: ["", "Sat, 13 Nov 2010 23:29:00 EST", "Sat, 31 Feb 2010 23:29:00 GMT"],
        built: (seconds in 0..253_402_300_800_u64) => Date::from_unix_seconds(seconds),
    }
}
