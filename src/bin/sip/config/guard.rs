//! `[overload]` and `[sources]`: what is done when too much arrives.

use std::time::Duration;

use serde::Deserialize;
use sip_stack::guard::GuardConfig;
use sip_stack::routing::Network;

use super::set;

/// `[overload]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Overload {
    target_ms: Option<u64>,
    retry_after: Option<u32>,
    feedback: bool,
}

/// `[sources]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Sources {
    rate: Option<u32>,
    burst: Option<u32>,
    ban_after: Option<u32>,
    ban_seconds: Option<u64>,
    #[serde(deserialize_with = "networks")]
    trusted: Vec<Network>,
}

pub(super) fn networks<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Network>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .collect()
}

/// Both together, as the server takes them.
pub(crate) fn guard(overload: &Overload, sources: &Sources) -> GuardConfig {
    let mut config = GuardConfig::default();
    set(
        &mut config.overload.target,
        overload.target_ms.map(Duration::from_millis),
    );
    set(&mut config.overload.retry_after, overload.retry_after);
    config.overload.feedback = overload.feedback;
    set(&mut config.sources.rate, sources.rate);
    set(&mut config.sources.burst, sources.burst);
    set(&mut config.sources.faults, sources.ban_after);
    set(
        &mut config.sources.ban,
        sources.ban_seconds.map(Duration::from_secs),
    );
    config.sources.trusted.clone_from(&sources.trusted);
    config
}
