//! `[authentication]`: who is not asked for a password, and for what nobody is.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use sip_stack::auth::Policy;
use sip_stack::message::Method;
use sip_stack::routing::Network;

use super::guard::networks;

/// `[authentication]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Authentication {
    #[serde(deserialize_with = "networks")]
    trusted: Vec<Network>,
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
        policy.trusted.clone_from(&self.trusted);
        policy.open.clone_from(&self.open);
        policy.open_by_domain = self
            .domain
            .iter()
            .map(|(name, domain)| (name.as_str().into(), domain.open.clone()))
            .collect();
        policy
    }
}
