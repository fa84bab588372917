//! What the telephone's commands have in common: options, the account, the user agent.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sip_stack::agent::{Account, Codec, UserAgent, UserAgentBuilder};
use sip_stack::message::Uri;
use sip_stack::transport::TransportKind;

use crate::outcome::Outcome;
use crate::output::Output;
use crate::secure::ClientTls;
use crate::trace::Ladder;

/// Options of every command that speaks as a telephone.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientArgs {
    /// Where to listen, `udp:IP:PORT`, `tcp:IP:PORT` or `tls:IP:PORT`; may be repeated. Default: a free port on every address of this machine, UDP and TCP.
    #[arg(long, value_name = "LISTEN")]
    pub(crate) listen: Vec<String>,
    /// Send everything through this proxy, for example `sip:proxy.example.com;transport=tcp`.
    #[arg(long, value_name = "URI")]
    pub(crate) proxy: Option<String>,
    /// The transport to use where an address names none: udp, tcp, tls, ws or wss. Without it the domain says which.
    #[arg(long, value_name = "TRANSPORT", value_parser = transport)]
    pub(crate) transport: Option<TransportKind>,
    #[command(flatten)]
    pub(crate) tls: ClientTls,
    /// The user name for authentication, when it is not the one of the address.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Say which device this is, as a URN that stays the same (urn:uuid:...): a registrar then keeps its connection as the way to
    /// it, to be made anew when it is lost (RFC 5626), and gives it an address of its own (GRUU, RFC 5627).
    #[arg(long, value_name = "URN", value_parser = instance)]
    pub(crate) instance: Option<String>,
    /// Read the password from the first line of a file. Without it: the variable SIP_PASSWORD, or a question on the terminal.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Print one JSON object per event.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print every message that is sent and received, as a ladder, on standard error.
    #[arg(long)]
    pub(crate) trace: bool,
    /// How long to wait for an answer to a request.
    #[arg(long, value_name = "SECONDS", default_value_t = 32)]
    pub(crate) timeout: u64,
}

impl ClientArgs {
    pub(crate) const fn output(&self) -> Output {
        Output { json: self.json }
    }

    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The account of `aor`, with its password when one is to be had.
    pub(crate) fn account(&self, aor: &str) -> Result<Account, Outcome> {
        let uri = address(aor, None)?;
        let mut account =
            Account::new(uri.as_str()).map_err(|error| Outcome::Usage(error.to_string()))?;
        if let Some(user) = &self.user {
            account = account.auth_user(user);
        }
        if let Some(password) = self.password(&uri)? {
            account = account.password(&password);
        }
        if let Some(instance) = &self.instance {
            account = account.instance(instance);
        }
        Ok(account)
    }

    fn password(&self, aor: &Uri) -> Result<Option<String>, Outcome> {
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Outcome::Usage(format!("--password-file {}: {error}", path.display()))
            })?;
            return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
        }
        if let Some(password) = std::env::var_os("SIP_PASSWORD") {
            return password
                .into_string()
                .map(Some)
                .map_err(|_| Outcome::Usage("SIP_PASSWORD is not UTF-8".to_owned()));
        }
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let asked = crate::user::ask_password(&format!("Password of {aor} (empty for none): "))
            .map_err(|error| Outcome::Failed(format!("{error:#}")))?;
        Ok(Some(asked).filter(|password| !password.is_empty()))
    }

    /// The user agent of these options, speaking as `account`, or as this machine when there is none.
    pub(crate) async fn agent(
        &self,
        account: Option<Account>,
        codecs: &[Codec],
    ) -> Result<UserAgent, Outcome> {
        self.agent_with(account, codecs, |builder| builder).await
    }

    /// The same with what else a command wants of it.
    pub(crate) async fn agent_with(
        &self,
        account: Option<Account>,
        codecs: &[Codec],
        configure: impl FnOnce(UserAgentBuilder) -> UserAgentBuilder,
    ) -> Result<UserAgent, Outcome> {
        let unusable = |error: anyhow::Error| Outcome::Usage(format!("{error:#}"));
        let mut builder = configure(UserAgent::builder())
            .request_timeout(self.timeout())
            .tls(self.tls.tls().map_err(unusable)?);
        if let Some(resolver) = self.tls.resolver().map_err(unusable)? {
            builder = builder.resolver(resolver);
        }
        if let Some(transport) = self.transport {
            builder = builder.transport(transport);
        }
        if let Some(account) = account {
            builder = builder.account(account);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.outbound_proxy(address(proxy, None)?);
        }
        for listen in &self.listen {
            builder = builder
                .listen(listen)
                .map_err(|error| Outcome::Usage(error.to_string()))?;
        }
        if !codecs.is_empty() {
            builder = builder.codecs(codecs);
        }
        if self.trace {
            let mut ladder = Ladder::new();
            builder = builder.trace(move |traced| {
                use std::io::Write as _;
                let _ = std::io::stderr()
                    .lock()
                    .write_all(ladder.line(traced).as_bytes());
            });
        }
        builder.build().await.map_err(Outcome::from)
    }
}

fn instance(text: &str) -> Result<String, String> {
    // RFC 5626 section 4.1: a URN, in angle brackets and quotes.
    let is_urn = text
        .get(..4)
        .is_some_and(|begin| begin.eq_ignore_ascii_case("urn:"))
        && text.len() > 4
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte));
    if is_urn {
        Ok(text.to_owned())
    } else {
        Err("a URN is wanted, such as urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned())
    }
}

fn transport(text: &str) -> Result<TransportKind, String> {
    TransportKind::from_uri_param(text)
        .filter(|kind| !matches!(kind, TransportKind::Sctp | TransportKind::TlsSctp))
        .ok_or_else(|| "the transports are udp, tcp, tls, ws and wss".to_owned())
}

/// An address as a person writes it: `sip:bob@host`, `bob@host`, a host alone, or `bob` in the domain of `own`.
pub(crate) fn address(text: &str, own: Option<&Uri>) -> Result<Uri, Outcome> {
    let text = text.trim();
    let has_scheme = ["sip:", "sips:", "tel:"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let full = if has_scheme {
        text.to_owned()
    } else if text.contains('@') {
        format!("sip:{text}")
    } else {
        match own
            .map(Uri::as_ref)
            .and_then(|own| own.host_str().map(|host| (host.to_owned(), own.port())))
        {
            Some((host, Some(port))) => format!("sip:{text}@{host}:{port}"),
            Some((host, None)) => format!("sip:{text}@{host}"),
            None => format!("sip:{text}"),
        }
    };
    let uri = Uri::parse(&full)
        .map_err(|error| Outcome::Usage(format!("{text}: not a SIP address: {error}")))?;
    if uri.as_ref().host_str().is_none_or(str::is_empty) && !full.starts_with("tel:") {
        return Err(Outcome::Usage(format!(
            "{text}: a SIP address names a host, as in sip:bob@example.com"
        )));
    }
    Ok(uri)
}

/// The codecs of a list such as `pcma,pcmu`, in that order of preference.
pub(crate) fn codecs(list: Option<&str>) -> Result<Vec<Codec>, Outcome> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    list.split(',')
        .map(|name| {
            Codec::from_name(name.trim()).ok_or_else(|| {
                Outcome::Usage(format!(
                    "--codec {name}: unknown codec; PCMU and PCMA can be used"
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, own: Option<&str>, expected: &str) {
        let own = own.map(|own| Uri::parse(own).unwrap());
        assert_eq!(
            address(text, own.as_ref()).unwrap().as_str(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn addresses_as_people_write_them() {
        check("sip:bob@example.com", None, "sip:bob@example.com");
        check("bob@example.com", None, "sip:bob@example.com");
        check("example.com:5070", None, "sip:example.com:5070");
        check(
            "bob",
            Some("sip:alice@192.0.2.1:5070"),
            "sip:bob@192.0.2.1:5070",
        );
        check(
            " bob ",
            Some("sip:alice@example.com"),
            "sip:bob@example.com",
        );
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for text in ["", "sip:", "sip:bob@", "bob@ex ample"] {
            assert_eq!(address(text, None).unwrap_err().code(), 2, "{text}");
        }
    }
}
