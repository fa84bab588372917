//! `[trust]`, `[emergency]` and `[enum]`: who is believed, and where calls for help and numbers go.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use sip_stack::identity::Trust;
use sip_stack::message::Uri;
use sip_stack::role::proxy::ProxyConfig;
use sip_stack::routing::{Emergency, Network};
use toml::Spanned;

use super::Fault;
use super::routes::{Many, Target};

/// `[trust]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct TrustTable {
    peers: Vec<Spanned<String>>,
    domains: Vec<String>,
    identities: BTreeMap<String, Many<String>>,
    hide_outside: bool,
    refuse_anonymous: bool,
}

/// `[emergency]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EmergencyTable {
    to: Many<Target>,
    #[serde(default)]
    numbers: BTreeMap<String, String>,
    #[serde(default)]
    services: BTreeMap<String, Many<Target>>,
}

/// `[enum]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NumberTable {
    suffix: Spanned<String>,
}

/// What they say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers {
    trust: Option<Arc<Trust>>,
    emergency: Option<Emergency>,
    suffix: Option<Box<str>>,
}

impl Callers {
    pub(super) fn new(
        trust: Option<&TrustTable>,
        emergency: Option<&Spanned<EmergencyTable>>,
        numbers: Option<&NumberTable>,
    ) -> Result<Self, Fault> {
        if let Some(NumberTable { suffix }) = numbers
            && !crate::serve::is_host_name(suffix.get_ref())
        {
            let what = format!("enum: {:?} is no name such as e164.arpa", suffix.get_ref());
            return Err(Fault::new(&suffix.span(), what));
        }
        Ok(Self {
            trust: trust.map(TrustTable::trust).transpose()?.map(Arc::new),
            emergency: emergency.map(emergency_of).transpose()?,
            suffix: numbers.map(|numbers| numbers.suffix.get_ref().as_str().into()),
        })
    }

    pub(crate) fn apply(&self, config: &mut ProxyConfig) {
        config.trust.clone_from(&self.trust);
        config.emergency.clone_from(&self.emergency);
        config.enumeration.clone_from(&self.suffix);
    }

    /// Do both say the same?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl TrustTable {
    fn trust(&self) -> Result<Trust, Fault> {
        let mut trust = Trust::new()
            .hide_outside(self.hide_outside)
            .refuse_anonymous(self.refuse_anonymous);
        for text in &self.peers {
            let network: Network = text
                .get_ref()
                .parse()
                .map_err(|error| Fault::new(&text.span(), format!("trust: {error}")))?;
            trust = trust.network(network);
        }
        for name in &self.domains {
            trust = trust.domain(name);
        }
        for (user, identities) in &self.identities {
            for text in identities.list() {
                let uri = Uri::parse(text.get_ref()).map_err(|_| {
                    let what = format!(
                        "trust: {:?} is no URI such as tel:+4930123456",
                        text.get_ref()
                    );
                    Fault::new(&text.span(), what)
                })?;
                trust = trust.number(user, uri);
            }
        }
        Ok(trust)
    }
}

fn emergency_of(table: &Spanned<EmergencyTable>) -> Result<Emergency, Fault> {
    let (span, table) = (table.span(), table.get_ref());
    let hops = |targets: &Many<Target>| {
        targets
            .list()
            .iter()
            .map(|target| target.get_ref().hop(&target.span()))
            .collect::<Result<Vec<_>, Fault>>()
    };
    let is_emergency = |name: &str| name == "sos" || name.starts_with("sos.");
    let targets = hops(&table.to)?;
    if targets.is_empty() {
        return Err(Fault::new(&span, "emergency: the list of targets is empty"));
    }
    let mut emergency = Emergency::new(targets);
    for (name, targets) in &table.services {
        if !is_emergency(name) {
            let what = format!("emergency: {name:?} is no service such as sos.fire (RFC 5031)");
            return Err(Fault::new(&span, what));
        }
        emergency = emergency.service(name, hops(targets)?);
    }
    for (number, name) in &table.numbers {
        if !is_emergency(name) {
            let what = format!("emergency: {name:?} is no service such as sos.fire (RFC 5031)");
            return Err(Fault::new(&span, what));
        }
        emergency = emergency.number(number, name);
    }
    Ok(emergency)
}
