//! The control socket: how `sip user` reaches the users of a server that runs, which has the data file for itself.
//!
//! One JSON object a line, each way. The socket is in the data directory and for its owner only (mode 0600), as the
//! data file is.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Embedded;

/// The name of the socket in the data directory.
pub const SOCKET: &str = "control.sock";

/// What is asked of the server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Add users; with `replace`, those that are there get the new password.
    Add {
        /// Names and passwords.
        users: Vec<(Box<str>, Box<str>)>,
        /// Also those that are there.
        replace: bool,
    },
    /// Set the password of a user that is there.
    Passwd {
        /// The name.
        name: Box<str>,
        /// The password.
        password: Box<str>,
    },
    /// Remove a user.
    Remove {
        /// The name.
        name: Box<str>,
    },
    /// Name all users.
    List,
}

impl std::fmt::Debug for Request {
    /// Without passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Add { users, .. } => write!(f, "Add({} users)", users.len()),
            Self::Passwd { name, .. } => write!(f, "Passwd({name})"),
            Self::Remove { name } => write!(f, "Remove({name})"),
            Self::List => f.write_str("List"),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// It was done; so many users are new.
    Done {
        /// How many.
        added: usize,
        /// The realm of the users.
        realm: Box<str>,
    },
    /// The users.
    Users {
        /// Their names, in order.
        names: Vec<Box<str>>,
        /// Their realm.
        realm: Box<str>,
    },
    /// It was not done.
    Error {
        /// Why.
        message: Box<str>,
    },
}

impl Request {
    /// Does what is asked, on the users of an open file.
    pub async fn apply(&self, users: &Embedded) -> Reply {
        let result = match self {
            Self::Add {
                users: list,
                replace: true,
            } => users.import(list).await.map_err(|error| error.to_string()),
            Self::Add {
                users: list,
                replace: false,
            } => add(users, list).await,
            Self::Passwd { name, password } => users
                .set_password(name, password)
                .await
                .map(|()| 0)
                .map_err(|error| error.to_string()),
            Self::Remove { name } => match users.remove(name).await {
                Ok(true) => Ok(0),
                Ok(false) => Err(super::UserError::Unknown(name.clone()).to_string()),
                Err(error) => Err(error.to_string()),
            },
            Self::List => {
                return Reply::Users {
                    names: users.names(),
                    realm: users.realm().into(),
                };
            }
        };
        match result {
            Ok(added) => Reply::Done {
                added,
                realm: users.realm().into(),
            },
            Err(message) => Reply::Error {
                message: message.into(),
            },
        }
    }
}

async fn add(users: &Embedded, list: &[(Box<str>, Box<str>)]) -> Result<usize, String> {
    for (name, password) in list {
        users
            .add(name, password)
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(list.len())
}

/// The most that one line may have: an import of many users is sent in portions.
const LINE: u64 = 4 << 20;
/// How many clients are served at a time.
#[cfg(unix)]
const CLIENTS: usize = 8;

/// The server's end of the socket.
#[derive(Debug)]
pub struct Control {
    #[cfg(unix)]
    listener: tokio::net::UnixListener,
    path: PathBuf,
    users: Embedded,
}

#[cfg(unix)]
impl Control {
    /// Listens in the directory of the data file. The caller has the file open, so a socket that is left there is of
    /// a process that has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn bind(directory: &Path, users: Embedded) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = directory.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = tokio::net::UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path,
            users,
        })
    }

    /// Serves clients, until it is dropped.
    pub async fn serve(self) {
        let room = std::sync::Arc::new(tokio::sync::Semaphore::new(CLIENTS));
        while let Ok(permit) = std::sync::Arc::clone(&room).acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let users = self.users.clone();
                    tokio::spawn(async move {
                        if let Err(error) = client(stream, &users).await {
                            tracing::debug!(%error, "a client of the control socket");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // If it stays, the next server removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
async fn client(stream: tokio::net::UnixStream, users: &Embedded) -> io::Result<()> {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut lines).take(LINE);
        let next = limited.read_until(b'\n', &mut line);
        match tokio::time::timeout(std::time::Duration::from_secs(30), next).await {
            Ok(Ok(1..)) => {}
            _ => return Ok(()),
        }
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => request.apply(users).await,
            Err(_) => Reply::Error {
                message: "the server does not know this request: is it of another version?".into(),
            },
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        write.write_all(&text).await?;
    }
}

/// Asks the server whose data directory this is. `None` if none listens there.
///
/// # Errors
/// When the server does not answer as it should.
#[cfg(unix)]
pub async fn ask(directory: &Path, request: &Request) -> io::Result<Option<Reply>> {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    let stream = match tokio::net::UnixStream::connect(directory.join(SOCKET)).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let (read, mut write) = stream.into_split();
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    let mut line = Vec::new();
    BufReader::new(read)
        .take(LINE)
        .read_until(b'\n', &mut line)
        .await?;
    Ok(Some(serde_json::from_slice(&line)?))
}

/// Asks the server whose data directory this is: there is no socket on this platform, so none answers.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub async fn ask(_directory: &Path, _request: &Request) -> io::Result<Option<Reply>> {
    Ok(None)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::store::DataFile;

    #[tokio::test]
    async fn users_of_a_running_server_are_reached_through_its_socket() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(ask(directory.path(), &Request::List).await.unwrap(), None);
        let users =
            Embedded::new(DataFile::create(&directory.path().join("sip.redb"), "h").unwrap());
        let control = Control::bind(directory.path(), users.clone()).unwrap();
        let server = tokio::spawn(control.serve());
        let add = Request::Add {
            users: vec![("alice".into(), "secret".into())],
            replace: false,
        };
        assert_eq!(
            ask(directory.path(), &add).await.unwrap(),
            Some(Reply::Done {
                added: 1,
                realm: "h".into()
            })
        );
        assert!(users.contains("alice"));
        let again = ask(directory.path(), &add).await.unwrap().unwrap();
        assert!(matches!(again, Reply::Error { message } if message.contains("already")));
        let list = ask(directory.path(), &Request::List)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            list,
            Reply::Users {
                names: vec!["alice".into()],
                realm: "h".into()
            }
        );
        let remove = Request::Remove {
            name: "alice".into(),
        };
        assert!(matches!(
            ask(directory.path(), &remove).await.unwrap(),
            Some(Reply::Done { .. })
        ));
        assert!(!format!("{add:?}").contains("secret"));
        server.abort();
        let _ = server.await;
        assert_eq!(
            ask(directory.path(), &Request::List).await.unwrap(),
            None,
            "the socket is gone with the server"
        );
    }
}
