//! `[authentication]`: who is not asked for a password, and for what nobody is.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use sip_stack::auth::Policy;
use sip_stack::message::Method;
use sip_stack::routing::Network;

/// `[authentication]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Authentication {
    trusted: Vec<Peer>,
    #[serde(deserialize_with = "methods")]
    open: Vec<Method>,
    domain: BTreeMap<String, Domain>,
}

/// `[authentication.domain."example.com"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Domain {
    #[serde(deserialize_with = "methods")]
    open: Vec<Method>,
}

/// A peer that is trusted: by where it is, or by the name in its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// `192.0.2.0/24`.
    Network(Network),
    /// `gateway.example.com`.
    Name(Box<str>),
}

impl Peer {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        // A name has a letter that no address has: 192.0.2.300 is a mistake and no name.
        let is_name = crate::serve::is_host_name(text)
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !text.contains('/');
        if !is_name {
            return Err(format!(
                "{text:?} is neither a network such as 192.0.2.0/24 nor the name in a certificate such as gateway.example.com"
            ));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        Ok(Self::Name(name.into()))
    }
}

impl<'de> Deserialize<'de> for Peer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn methods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Method>, D::Error> {
    let wrong = |text: &str, why: &str| serde::de::Error::custom(format!("{text:?} {why}"));
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| match Method::from_bytes(text.as_bytes()) {
            Some(Method::Register) => Err(wrong(text, "is open to trusted networks only")),
            Some(method) => Ok(method),
            None => Err(wrong(text, "is no method such as MESSAGE")),
        })
        .collect()
}

impl Authentication {
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        for peer in &self.trusted {
            match peer {
                Peer::Network(network) => policy.trusted.push(*network),
                Peer::Name(name) => policy.trusted_names.push(name.clone()),
            }
        }
        policy.open.clone_from(&self.open);
        policy.open_by_domain = self
            .domain
            .iter()
            .map(|(name, domain)| (name.as_str().into(), domain.open.clone()))
            .collect();
        policy
    }
}
