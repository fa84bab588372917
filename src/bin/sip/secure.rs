//! The options of TLS and of names, for the server and for the telephone.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use sip_stack::transport::tokio::tls::{
    ClientCertificates, DevelopmentCertificate, Identity, Tls, TlsConfig, Trust,
};
use sip_stack::transport::tokio::{Resolver, ResolverConfig};

/// Options of a server that speaks TLS.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServerTls {
    /// Listen on TLS (port 5061 of all addresses) with this certificate: PEM, the server's first, then those between it
    /// and its authority. Read again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Listen on TLS with a certificate that is made for this and kept in the data directory. Nobody trusts it who is
    /// not told to: for trying things out
    #[arg(long, conflicts_with = "tls_cert")]
    tls_dev_certificate: bool,
    /// Ask clients for certificates, and verify them with these authorities (PEM)
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Trust these authorities (PEM) when connecting to other servers, in place of those of the system
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

/// The names of the files of a development certificate.
const DEV_CERTIFICATE: &str = "tls-dev.crt";
const DEV_KEY: &str = "tls-dev.key";
/// How long a development certificate lasts.
const DEV_LIFETIME: Duration = Duration::from_secs(365 * 86_400);

/// A server's certificates, to be read again.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
    authorities: Option<PathBuf>,
}

impl ServerTls {
    /// What the command line does not say comes from the configuration file.
    pub(crate) fn fill(&mut self, config: &crate::config::Tls) {
        if !self.is_on() {
            self.tls_cert.clone_from(&config.certificate);
            self.tls_key.clone_from(&config.key);
            self.tls_dev_certificate = config.dev_certificate;
        }
        if self.tls_client_ca.is_none() {
            self.tls_client_ca.clone_from(&config.client_ca);
        }
        if self.tls_ca.is_none() {
            self.tls_ca.clone_from(&config.ca);
        }
    }

    /// Is TLS wanted?
    pub(crate) const fn is_on(&self) -> bool {
        self.tls_cert.is_some() || self.tls_dev_certificate
    }

    /// Where the certificates are; one for development is made now if there is none, and `said` is told.
    pub(crate) fn source(
        &self,
        directory: &Path,
        names: &[String],
        said: &mut Vec<String>,
    ) -> anyhow::Result<Option<Source>> {
        let (certificate, key) = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            _ if self.tls_dev_certificate => {
                let files = (directory.join(DEV_CERTIFICATE), directory.join(DEV_KEY));
                if !files.0.exists() || !files.1.exists() {
                    make(&files.0, &files.1, names)?;
                    said.push(format!(
                        "Made a certificate for development: {}",
                        files.0.display()
                    ));
                }
                said.push(format!(
                    "Telephones have to be told to trust it: sip register --tls-ca {}",
                    files.0.display()
                ));
                files
            }
            _ => return Ok(None),
        };
        Ok(Some(Source {
            certificate,
            key,
            clients: self.tls_client_ca.clone(),
            authorities: self.tls_ca.clone(),
        }))
    }
}

impl Source {
    pub(crate) fn read(&self) -> anyhow::Result<TlsConfig> {
        let mut config = TlsConfig::default();
        config.identities = vec![Identity::pem_files(&self.certificate, &self.key)?];
        if let Some(path) = &self.authorities {
            config.trust = Trust::pem_file(path)?;
        }
        if let Some(path) = &self.clients {
            config.clients = ClientCertificates::Asked(Trust::pem_file(path)?);
        }
        Ok(config)
    }

    /// Reads the files again at every SIGHUP, for connections from then on.
    #[cfg(unix)]
    pub(crate) async fn reload(self, tls: Tls) {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut hangups) = signal(SignalKind::hangup()) else {
            return;
        };
        while hangups.recv().await.is_some() {
            let reloaded = self.read().and_then(|config| Ok(tls.reload(config)?));
            match reloaded {
                Ok(()) => crate::output::line("The certificates were read again."),
                Err(error) => eprintln!("sip: the certificates stay as they are: {error:#}"),
            }
        }
    }
}

fn make(certificate: &Path, key: &Path, names: &[String]) -> anyhow::Result<()> {
    let domains: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.parse::<IpAddr>().is_err())
        .collect();
    let addresses = sip_stack::transport::tokio::local_addresses();
    let made = DevelopmentCertificate::make(&domains, &addresses, DEV_LIFETIME, SystemTime::now())?;
    write_new(key, made.key.as_bytes(), true)?;
    write_new(certificate, made.certificate.as_bytes(), false)
}

fn write_new(path: &Path, text: &[u8], secret: bool) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _only_where_files_have_modes = secret;
    options
        .open(path)
        .and_then(|mut file| file.write_all(text))
        .with_context(|| format!("{}: cannot be written", path.display()))
}

/// Options of a telephone that speaks TLS and asks for names.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ClientTls {
    /// Trust these authorities (PEM), or exactly this certificate that signed itself, in place of what the system trusts.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Show this certificate (PEM) to servers that ask for one.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// DANGER: believe any certificate, so that whoever sits between can hear and change everything. For tests only.
    #[arg(long, conflicts_with = "tls_ca")]
    danger_tls_insecure: bool,
    /// Ask this name server, not those of the system.
    #[arg(long, value_name = "IP[:PORT]", value_parser = name_server)]
    dns: Option<SocketAddr>,
}

impl ClientTls {
    pub(crate) fn tls(&self) -> anyhow::Result<Tls> {
        let mut config = TlsConfig::default();
        if let Some(path) = &self.tls_ca {
            config.trust = Trust::pem_file(path)?;
        }
        if self.danger_tls_insecure {
            eprintln!(
                "sip: WARNING: --danger-tls-insecure: nothing proves who the other side is; passwords and calls are open to whoever sits between"
            );
            config.trust = Trust::danger_anyone();
        }
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.identities = vec![Identity::pem_files(certificate, key)?];
        }
        Ok(Tls::new(config)?)
    }

    pub(crate) fn resolver(&self) -> anyhow::Result<Option<Resolver>> {
        resolver(self.dns)
    }
}

/// The resolver of a name server, or of the system. A system without one has none: then addresses are found by its own means.
pub(crate) fn resolver(server: Option<SocketAddr>) -> anyhow::Result<Option<Resolver>> {
    let mut config = ResolverConfig::default();
    config.servers.extend(server);
    match Resolver::new(config) {
        Ok(resolver) => Ok(Some(resolver)),
        Err(error) if server.is_none() => {
            tracing::info!(%error, "the system names no name server");
            Ok(None)
        }
        Err(error) => bail!("{error}"),
    }
}

/// `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:53`.
pub(crate) fn name_server(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| "a name server is an IP address, with or without a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_addresses_with_or_without_a_port() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ] {
            assert_eq!(name_server(text).unwrap().to_string(), expected);
        }
        assert!(name_server("dns.example.com").is_err());
    }

    #[test]
    fn a_development_certificate_is_made_once_and_its_key_is_secret() {
        let directory = tempfile::tempdir().unwrap();
        let options = ServerTls {
            tls_cert: None,
            tls_key: None,
            tls_dev_certificate: true,
            tls_client_ca: None,
            tls_ca: None,
        };
        let mut said = Vec::new();
        let names = ["example.test".to_owned()];
        let source = options
            .source(directory.path(), &names, &mut said)
            .unwrap()
            .unwrap();
        assert_eq!(said.len(), 2, "{said:?}");
        let config = source.read().unwrap();
        assert!(config.identities[0].names().proves("example.test"));
        let first = std::fs::read(directory.path().join(DEV_CERTIFICATE)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let key = std::fs::metadata(directory.path().join(DEV_KEY)).unwrap();
            assert_eq!(key.permissions().mode() & 0o777, 0o600);
        }
        options.source(directory.path(), &names, &mut said).unwrap();
        assert_eq!(said.len(), 3);
        assert_eq!(
            std::fs::read(directory.path().join(DEV_CERTIFICATE)).unwrap(),
            first
        );
        // Without the option nothing is made.
        let empty = tempfile::tempdir().unwrap();
        let none = ServerTls {
            tls_dev_certificate: false,
            ..options
        };
        assert!(!none.is_on());
        assert!(
            none.source(empty.path(), &names, &mut said)
                .unwrap()
                .is_none()
        );
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    }
}
