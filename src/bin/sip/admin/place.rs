//! [`Place`]: where the administrative interface is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// An address of this machine, or a socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Loopback, with its port.
    Tcp(SocketAddr),
    /// The path of a Unix socket, which has a `/` in it.
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            format!("{text:?} is neither ADDRESS:PORT nor the path of a socket, such as ./sip.sock")
        })?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{address}: the administrative interface has no passwords, so it listens on a loopback address only, \
                 such as 127.0.0.1:8060, or on a Unix socket, such as /run/sip/admin.sock"
            ));
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_this_machine() {
        assert_eq!(
            "127.0.0.1:80".parse(),
            Ok(Place::Tcp(([127, 0, 0, 1], 80).into()))
        );
        assert_eq!("/run/x.sock".parse(), Ok(Place::Unix("/run/x.sock".into())));
        let refused = "0.0.0.0:80".parse::<Place>().unwrap_err();
        assert!(refused.contains("loopback"), "{refused}");
        assert!("nonsense".parse::<Place>().is_err());
    }
}
