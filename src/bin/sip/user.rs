//! `sip user`: the users of the domain.

mod password;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args as ClapArgs, Subcommand};
use sip_stack::store::{DataFile, FILE_NAME, OpenError, default_realm};
use sip_stack::transport::Seed;
use sip_stack::users::{self, Reply, Request, check_name};

pub(crate) use self::password::ask_once as ask_password;
use crate::output::line;
use crate::serve::directory;

/// Add, list and remove the users of the domain. A server that runs learns of it at once.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Directory of the data file [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR", env = "SIP_DATA")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a user; the password is asked for unless an option gives it
    Add {
        /// Name of the user: what stands before the @ of the address
        name: String,
        #[command(flatten)]
        password: Password,
        /// Name of the domain, when this creates the data file [default: the name of this machine]
        #[arg(long, value_name = "NAME")]
        domain: Option<String>,
    },
    /// Name all users
    List {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a user, with all registered addresses
    Remove {
        /// Name of the user
        name: String,
    },
    /// Set another password
    Passwd {
        /// Name of the user
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Add the users of a file with a name and a password on each line; of those that are there, the password is set
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// Name of the domain, when this creates the data file [default: the name of this machine]
        #[arg(long, value_name = "NAME")]
        domain: Option<String>,
    },
}

/// Where the password comes from.
#[derive(Debug, ClapArgs)]
#[group(multiple = false)]
struct Password {
    /// Make a password and show it, this once
    #[arg(long)]
    generate: bool,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    fn get(&self, name: &str) -> anyhow::Result<String> {
        if self.generate {
            let seed = Seed::from_system().context("the system gives no random numbers")?;
            // 100 bits, in characters that can be read aloud.
            // A hyphen is taken for an option where it comes first, and splits the word where it is selected; there is no
            // `a` in a token, so nothing of its randomness is lost.
            return Ok(seed.rng().token(20).replace('-', "a"));
        }
        let password = if self.password_stdin {
            password::first_line(
                &std::io::read_to_string(std::io::stdin()).context("standard input")?,
            )
        } else if let Some(path) = &self.password_file {
            password::first_line(
                &std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
            )
        } else {
            password::ask(name)?
        };
        if password.is_empty() {
            bail!("the password is empty: a password has at least one character");
        }
        Ok(password)
    }
}

/// How many users one request to a server carries.
const PORTION: usize = 1000;

pub(crate) async fn run(args: Args) -> anyhow::Result<u8> {
    let directory = directory(args.data)?;
    match args.command {
        Command::Add {
            name,
            password,
            domain,
        } => {
            check_name(&name).with_context(|| format!("{name:?}"))?;
            let secret = password.get(&name)?;
            let request = Request::Add {
                users: vec![(name.as_str().into(), secret.as_str().into())],
                replace: false,
            };
            let Done { realm, .. } = done(apply(&directory, &request, true, domain).await?)?;
            line(&format!("User {name} added to domain {realm}."));
            show(&password, &secret);
        }
        Command::Passwd { name, password } => {
            let secret = password.get(&name)?;
            let request = Request::Passwd {
                name: name.as_str().into(),
                password: secret.as_str().into(),
            };
            done(apply(&directory, &request, false, None).await?)?;
            line(&format!("Password of {name} set."));
            show(&password, &secret);
        }
        Command::Remove { name } => {
            done(
                apply(
                    &directory,
                    &Request::Remove {
                        name: name.as_str().into(),
                    },
                    false,
                    None,
                )
                .await?,
            )?;
            line(&format!("User {name} removed."));
        }
        Command::List { json } => match apply(&directory, &Request::List, false, None).await? {
            Reply::Users { names, realm } if json => {
                line(
                    &serde_json::json!({ "event": "users", "domain": realm, "users": names })
                        .to_string(),
                );
            }
            Reply::Users { names, .. } => names.iter().for_each(|name| line(name)),
            other => drop(done(other)?),
        },
        Command::Import { file, domain } => {
            let text = if file.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin()).context("standard input")?
            } else {
                std::fs::read_to_string(&file).with_context(|| file.display().to_string())?
            };
            let list = parse(&text).with_context(|| file.display().to_string())?;
            let (mut added, mut realm) = (0, Box::<str>::from(""));
            for portion in list.chunks(PORTION) {
                let request = Request::Add {
                    users: portion.to_vec(),
                    replace: true,
                };
                let done = done(apply(&directory, &request, true, domain.clone()).await?)?;
                added += done.added;
                realm = done.realm;
            }
            line(&format!(
                "{added} added, {} changed in domain {realm}.",
                list.len() - added
            ));
        }
    }
    Ok(0)
}

/// A request that was carried out.
struct Done {
    added: usize,
    realm: Box<str>,
}

fn done(reply: Reply) -> anyhow::Result<Done> {
    match reply {
        Reply::Done { added, realm } => Ok(Done { added, realm }),
        Reply::Error { message } => bail!("{message}"),
        other => bail!(
            "the server gave another answer than was asked for ({other:?}): is it of another version?"
        ),
    }
}

fn show(password: &Password, secret: &str) {
    if password.generate {
        line(&format!("Password: {secret}"));
    }
}

/// Asks the server that has the data file, or does it in the file itself.
async fn apply(
    directory: &Path,
    request: &Request,
    may_create: bool,
    domain: Option<String>,
) -> anyhow::Result<Reply> {
    let asked = users::ask(directory, request).await;
    if let Some(reply) = asked.with_context(|| {
        format!(
            "{}: the server does not answer",
            directory.join(users::SOCKET).display()
        )
    })? {
        return Ok(reply);
    }
    let path = directory.join(FILE_NAME);
    let opened = if may_create {
        let realm = domain.map_or_else(default_realm, Into::into);
        DataFile::open_or_create(&path, &realm)
    } else {
        DataFile::open(&path)
    };
    match opened {
        // A server may have come up between the question and the opening.
        Err(OpenError::Locked(path)) => match users::ask(directory, request).await {
            Ok(Some(reply)) => Ok(reply),
            _ => Err(OpenError::Locked(path).into()),
        },
        Err(OpenError::Missing(_)) if *request == Request::List => Ok(Reply::Users {
            names: Vec::new(),
            realm: "".into(),
        }),
        Err(error) => Err(error.into()),
        Ok(file) => Ok(request.apply(&users::Embedded::new(file)).await),
    }
}

/// Lines of a name, blanks and a password, which may have blanks inside; empty lines and those that begin with # are
/// passed over.
fn parse(text: &str) -> anyhow::Result<Vec<(Box<str>, Box<str>)>> {
    let mut users = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, password)) = line.split_once([' ', '\t']) else {
            bail!("line {number} has no password: a line is NAME PASSWORD");
        };
        check_name(name).with_context(|| format!("line {number}"))?;
        users.push((name.into(), password.trim_start().into()));
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_import() {
        let users = parse("# users\nalice secret\n\n  bob\t pass word \r\n").unwrap();
        assert_eq!(
            users,
            [
                ("alice".into(), "secret".into()),
                ("bob".into(), "pass word".into())
            ]
        );
        assert_eq!(
            parse("alice secret\nbob\n").unwrap_err().to_string(),
            "line 2 has no password: a line is NAME PASSWORD"
        );
        assert!(
            format!("{:#}", parse("a@b secret\n").unwrap_err())
                .starts_with("line 1: a user name cannot have")
        );
    }

    #[tokio::test]
    async fn users_are_added_listed_and_removed_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let list = apply(path, &Request::List, false, None).await.unwrap();
        assert_eq!(
            list,
            Reply::Users {
                names: vec![],
                realm: "".into()
            },
            "no file is made by asking"
        );
        assert!(
            apply(
                path,
                &Request::Remove {
                    name: "alice".into()
                },
                false,
                None
            )
            .await
            .is_err()
        );
        let add = Request::Add {
            users: vec![("alice".into(), "x".into())],
            replace: false,
        };
        assert_eq!(
            done(
                apply(path, &add, true, Some("example.com".into()))
                    .await
                    .unwrap()
            )
            .unwrap()
            .realm
            .as_ref(),
            "example.com"
        );
        assert!(done(apply(path, &add, true, None).await.unwrap()).is_err());
        let list = apply(path, &Request::List, false, None).await.unwrap();
        assert_eq!(
            list,
            Reply::Users {
                names: vec!["alice".into()],
                realm: "example.com".into()
            }
        );
    }
}
