//! `[trust]`, `[stir]`, `[emergency]` and `[enum]`: who is believed, and where calls for help and numbers go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use sip_stack::identity::certificate::Anchors;
use sip_stack::identity::passport::SigningKey;
use sip_stack::identity::stir::{Signer, Stir, Verifier};
use sip_stack::identity::{
    CertificateDirectory, CertificateFetcher, CertificateStore, CertificateStores, Trust,
};
use sip_stack::message::Uri;
use sip_stack::role::proxy::ProxyConfig;
use sip_stack::routing::Emergency;
use toml::Spanned;

use super::Fault;
use super::authentication::Peer;
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

/// `[stir]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StirTable {
    key: Option<PathBuf>,
    certificate_url: Option<Spanned<String>>,
    attest: Option<Spanned<String>>,
    anchors: Option<PathBuf>,
    certificates: Option<PathBuf>,
    #[serde(default)]
    fetch: bool,
    fetch_ca: Option<PathBuf>,
    #[serde(default)]
    demand: bool,
    #[serde(default)]
    refuse: bool,
    #[serde(default = "yes")]
    verstat: bool,
    #[serde(default = "minute")]
    fresh_seconds: u64,
}

const fn yes() -> bool {
    true
}

const fn minute() -> u64 {
    60
}

/// What they say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers {
    trust: Option<Arc<Trust>>,
    emergency: Option<Emergency>,
    suffix: Option<Box<str>>,
    stir: Option<StirFiles>,
}

/// What `[stir]` says; its files are read when the server starts.
#[derive(Clone, Debug)]
struct StirFiles {
    sign: Option<(PathBuf, String, Option<char>)>,
    anchors: Option<PathBuf>,
    certificates: Option<PathBuf>,
    /// Over HTTPS, from servers that the system trusts or those of this file.
    fetch: Option<Option<PathBuf>>,
    demand: bool,
    refuse: bool,
    verstat: bool,
    fresh: Duration,
}

impl Callers {
    pub(super) fn new(
        trust: Option<&TrustTable>,
        emergency: Option<&Spanned<EmergencyTable>>,
        numbers: Option<&NumberTable>,
        stir: Option<&Spanned<StirTable>>,
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
            stir: stir.map(stir_of).transpose()?,
            suffix: numbers.map(|numbers| numbers.suffix.get_ref().as_str().into()),
        })
    }

    pub(crate) fn apply(&self, config: &mut ProxyConfig) {
        config.trust.clone_from(&self.trust);
        config.emergency.clone_from(&self.emergency);
        config.enumeration.clone_from(&self.suffix);
    }

    /// Where the certificates of signed callers are, if signatures are looked at.
    ///
    /// # Errors
    /// Nobody is trusted to have them.
    pub(crate) fn certificates(&self) -> anyhow::Result<Option<Arc<dyn CertificateStore>>> {
        let Some(stir) = &self.stir else {
            return Ok(None);
        };
        let directory = stir.certificates.as_ref().map(|path| {
            let directory = CertificateDirectory::new(path.clone());
            Arc::new(directory) as Arc<dyn CertificateStore>
        });
        let fetcher = match &stir.fetch {
            None => return Ok(directory),
            Some(None) => CertificateFetcher::new()
                .context("stir: this system trusts no authority to fetch certificates from")?,
            Some(Some(path)) => {
                let shown = path.display();
                let pem =
                    std::fs::read(path).with_context(|| format!("stir: {shown} cannot be read"))?;
                CertificateFetcher::trusting(&pem)
                    .with_context(|| format!("stir: {shown} has no certificates in PEM"))?
            }
        };
        let fetcher: Arc<dyn CertificateStore> = Arc::new(fetcher);
        // What somebody has put there by hand counts first.
        Ok(Some(match directory {
            Some(directory) => Arc::new(CertificateStores::new(vec![directory, fetcher])),
            None => fetcher,
        }))
    }

    /// Reads the files of `[stir]`.
    ///
    /// # Errors
    /// Which of them is not what it should be.
    pub(crate) fn stir(&self) -> anyhow::Result<Option<Arc<Stir>>> {
        let Some(stir) = &self.stir else {
            return Ok(None);
        };
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("stir: {} cannot be read", path.display()))
        };
        let signer = match &stir.sign {
            None => None,
            Some((path, url, attest)) => {
                let key = SigningKey::from_pem(&read(path)?).with_context(|| {
                    format!(
                        "stir: {} is no private key on the curve P-256 in PEM (PKCS#8)",
                        path.display()
                    )
                })?;
                let signer = Signer::new(key, url);
                Some(match attest {
                    Some(attest) => signer.shaken(*attest),
                    None => signer,
                })
            }
        };
        let verifier = match &stir.anchors {
            None => None,
            Some(path) => {
                let anchors = Anchors::from_pem(&read(path)?).with_context(|| {
                    format!("stir: {} has no certificates in PEM", path.display())
                })?;
                let verifier = Verifier::new(anchors).freshness(stir.fresh);
                Some(verifier.demand(stir.demand))
            }
        };
        Ok(Some(Arc::new(Stir {
            signer,
            verifier,
            refuses: stir.refuse,
            annotates: stir.verstat,
        })))
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
            let peer = Peer::parse(text.get_ref())
                .map_err(|error| Fault::new(&text.span(), format!("trust: {error}")))?;
            trust = match peer {
                Peer::Network(network) => trust.network(network),
                Peer::Name(name) => trust.certificate(&name),
            };
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

fn stir_of(table: &Spanned<StirTable>) -> Result<StirFiles, Fault> {
    let (span, table) = (table.span(), table.get_ref());
    let sign = match (&table.key, &table.certificate_url) {
        (None, None) => None,
        (Some(key), Some(url)) => {
            let is_url = url.get_ref().starts_with("https://")
                && !url.get_ref().contains(['<', '>', '"', ' ']);
            if !is_url {
                let what = format!("stir: {:?} is no https address", url.get_ref());
                return Err(Fault::new(&url.span(), what));
            }
            let attest = match &table.attest {
                None => None,
                Some(text) => match text.get_ref().as_str() {
                    "A" => Some('A'),
                    "B" => Some('B'),
                    "C" => Some('C'),
                    other => {
                        let what =
                            format!("stir: {other:?} is no attestation: A, B or C (RFC 8588)");
                        return Err(Fault::new(&text.span(), what));
                    }
                },
            };
            Some((key.clone(), url.get_ref().clone(), attest))
        }
        _ => {
            let what = "stir: a key needs the address of its certificate, and the other way round";
            return Err(Fault::new(&span, what));
        }
    };
    if table.fetch_ca.is_some() && !table.fetch {
        let what = "stir: fetch-ca is for fetch = true";
        return Err(Fault::new(&span, what));
    }
    if table.anchors.is_some() != (table.certificates.is_some() || table.fetch) {
        let what = "stir: anchors need the directory of the certificates or fetch = true, and the other way round";
        return Err(Fault::new(&span, what));
    }
    Ok(StirFiles {
        sign,
        anchors: table.anchors.clone(),
        certificates: table.certificates.clone(),
        fetch: table.fetch.then(|| table.fetch_ca.clone()),
        demand: table.demand,
        refuse: table.refuse,
        verstat: table.verstat,
        fresh: Duration::from_secs(table.fresh_seconds),
    })
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
