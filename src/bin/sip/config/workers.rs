//! `workers`: how many threads serve.

use std::fmt;
use std::str::FromStr;
use std::thread::available_parallelism;

use serde::de::{self, Deserializer, Visitor};
use sip_stack::stack::MAX_WORKERS;

/// A number, or `auto`: one for each processor that the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crew {
    Auto,
    These(u16),
}

impl Crew {
    pub(crate) fn count(self) -> u16 {
        match self {
            Self::These(number) => number,
            Self::Auto => available_parallelism()
                .ok()
                .and_then(|number| u16::try_from(number.get()).ok())
                .unwrap_or(1)
                .min(MAX_WORKERS),
        }
    }

    fn these(number: u64) -> Result<Self, String> {
        u16::try_from(number)
            .ok()
            .filter(|number| (1..=MAX_WORKERS).contains(number))
            .map(Self::These)
            .ok_or_else(|| format!("workers: {number} is not from 1 to {MAX_WORKERS}"))
    }
}

impl FromStr for Crew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => match text.parse() {
                Ok(number) => Self::these(number),
                Err(_) => Err(format!("workers: {text:?} is neither a number nor auto")),
            },
        }
    }
}

impl<'de> de::Deserialize<'de> for Crew {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Crew;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of workers, or \"auto\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Crew, E> {
                Crew::these(u64::try_from(number).unwrap_or(0)).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Crew, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_number_or_auto() {
        let read = |text: &str| Config::parse(text).map(|config| config.workers);
        assert_eq!(read("workers = 4").unwrap(), Some(Crew::These(4)));
        assert_eq!(read("workers = \"auto\"").unwrap(), Some(Crew::Auto));
        assert_eq!(read("").unwrap(), None);
        assert!((1..=MAX_WORKERS).contains(&Crew::Auto.count()));
        for wrong in [
            "workers = 0",
            "workers = 65",
            "workers = -1",
            "workers = \"many\"",
        ] {
            let fault = read(wrong).unwrap_err();
            assert!(fault.what.contains("workers: "), "{}", fault.what);
            assert_eq!(fault.at.map(|at| at.start), Some(10), "{wrong}");
        }
    }
}
