//! The format of the data file: opening, checking, creating.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError,
    TableDefinition, TableError,
};
use sip_transport::Seed;

use super::OpenError;
use super::journal::Journal;
use crate::auth::{hex, unhex};
use crate::domain::Aor;
use crate::location::{Binding, read_row};
use crate::users::Ha1s;

/// The format that this program writes, in the table `meta`. It reads the one before, which had only JSON in its rows.
pub(super) const FORMAT: u64 = 2;

/// `program`, `format`, `realm`, `secret`.
pub(super) const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
/// Name of the user; hashes as JSON.
pub(super) const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
/// Number; the bindings that a batch changed, newer than those in [`BINDINGS`]. See [`Journal`].
pub(super) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
/// Address of record; bindings in their short form, or as JSON from earlier versions.
pub(super) const BINDINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bindings");

const PROGRAM: &str = "sip-stack";
/// The database's cache; the index is what is read.
const CACHE: usize = 16 << 20;
/// How every file of the database library begins.
const MAGIC: &[u8] = b"redb";

/// What the file holds.
pub(super) struct Contents {
    format: u64,
    pub(super) realm: Box<str>,
    /// Random bytes that were drawn when the file was created.
    pub(super) secret: [u8; 32],
    pub(super) bindings: HashMap<Aor, Arc<[Binding]>>,
    pub(super) users: HashMap<Box<str>, Ha1s>,
    pub(super) journal: Journal,
}

/// Opens the file and reads all of it, so that damage shows now and not under a call.
pub(super) fn open(path: &Path) -> Result<(Database, Contents), OpenError> {
    check_magic(path)?;
    let unreadable = |reason: String| OpenError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    // The library asserts in places where a damaged file can lead it; a damaged file is no bug of ours.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = Database::builder()
            .set_cache_size(CACHE)
            .open(path)
            .map_err(|error| map_open(path, error))?;
        let contents = read(path, &database)?;
        if contents.format != FORMAT {
            // Before a row is written that an earlier program cannot read.
            write_format(&database).map_err(|error| map_error(path, error))?;
        }
        Ok((database, contents))
    }));
    opened.unwrap_or_else(|_| Err(unreadable("its structure is damaged".to_owned())))
}

fn check_magic(path: &Path) -> Result<(), OpenError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing(path.to_owned()));
        }
        Err(error) => {
            return Err(OpenError::Io {
                path: path.to_owned(),
                error,
            });
        }
    };
    let mut start = [0; 4];
    match file.read_exact(&mut start) {
        Ok(()) if start == *MAGIC => Ok(()),
        Ok(()) => Err(OpenError::Unreadable {
            path: path.to_owned(),
            reason: "it is not a data file of this program".to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(OpenError::Unreadable {
            path: path.to_owned(),
            reason: "it is cut short".to_owned(),
        }),
        Err(error) => Err(OpenError::Io {
            path: path.to_owned(),
            error,
        }),
    }
}

fn map_open(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::Locked(path.to_owned()),
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != io::ErrorKind::InvalidData =>
        {
            OpenError::Io {
                path: path.to_owned(),
                error,
            }
        }
        other => OpenError::Unreadable {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    }
}

fn map_error(path: &Path, error: redb::Error) -> OpenError {
    match error {
        redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. } => {
            OpenError::Foreign(path.to_owned())
        }
        redb::Error::Io(error) => OpenError::Io {
            path: path.to_owned(),
            error,
        },
        other => OpenError::Unreadable {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    }
}

fn write_format(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(META)?
        .insert("format", FORMAT.to_string().as_str())?;
    transaction.open_table(JOURNAL)?;
    transaction.commit()?;
    Ok(())
}

/// Reads everything. A table that is not there is a file of another program: creation writes all.
fn read(path: &Path, database: &Database) -> Result<Contents, OpenError> {
    let failed = |error: redb::Error| map_error(path, error);
    let transaction = database
        .begin_read()
        .map_err(|error| failed(error.into()))?;
    let meta = transaction
        .open_table(META)
        .map_err(|error| failed(error.into()))?;
    let value = |key: &str| -> Result<Option<Box<str>>, OpenError> {
        Ok(meta
            .get(key)
            .map_err(|error| failed(error.into()))?
            .map(|value| Box::from(value.value())))
    };
    if value("program")?.as_deref() != Some(PROGRAM) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let format = value("format")?
        .and_then(|format| format.parse().ok())
        .unwrap_or(0);
    if format != FORMAT && format != FORMAT - 1 {
        return Err(OpenError::Format {
            path: path.to_owned(),
            found: format,
        });
    }
    let bad = |reason: String| OpenError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let realm = value("realm")?.ok_or_else(|| bad("it has no realm".to_owned()))?;
    let secret = value("secret")?.and_then(|digits| unhex(&digits)?.try_into().ok());
    let secret = secret.ok_or_else(|| bad("it has no secret".to_owned()))?;
    let mut users = HashMap::new();
    let table = transaction
        .open_table(USERS)
        .map_err(|error| failed(error.into()))?;
    for row in table.iter().map_err(|error| failed(error.into()))? {
        let (key, value) = row.map_err(|error| failed(error.into()))?;
        let hashes = serde_json::from_slice(value.value())
            .map_err(|_| bad(format!("the entry of user {:?} is damaged", key.value())))?;
        users.insert(Box::from(key.value()), hashes);
    }
    let mut bindings = HashMap::new();
    let table = transaction
        .open_table(BINDINGS)
        .map_err(|error| failed(error.into()))?;
    for row in table.iter().map_err(|error| failed(error.into()))? {
        let (key, value) = row.map_err(|error| failed(error.into()))?;
        let damaged = || bad(format!("the bindings of {:?} are damaged", key.value()));
        let list = read_row(value.value()).map_err(|_| damaged())?;
        let aor = Aor::from_stored(key.value()).ok_or_else(damaged)?;
        bindings.insert(aor, list.into());
    }
    let mut journal = Journal::default();
    match transaction.open_table(JOURNAL) {
        Ok(table) => {
            for entry in table.iter().map_err(|error| failed(error.into()))? {
                let (key, value) = entry.map_err(|error| failed(error.into()))?;
                journal
                    .replay(key.value(), value.value(), &mut bindings)
                    .ok_or_else(|| {
                        bad(format!("entry {} of its journal is damaged", key.value()))
                    })?;
            }
        }
        // The format before had none.
        Err(TableError::TableDoesNotExist(_)) if format != FORMAT => {}
        Err(error) => return Err(failed(error.into())),
    }
    Ok(Contents {
        format,
        realm,
        secret,
        bindings,
        users,
        journal,
    })
}

/// Creates the file under another name, whole and on the disk, and only then gives it its name: a file of this name is
/// never half made.
pub(super) fn create(path: &Path, realm: &str) -> Result<(), OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io { path, error }
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    create_directory(&directory).map_err(io(&directory))?;
    if path.exists() {
        return Err(OpenError::Exists(path.to_owned()));
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let made = create_private(&draft)
        .map_err(io(&draft))
        .and_then(|()| write_empty(&draft, realm))
        .and_then(|()| {
            // A link fails if another process was faster; a rename would replace its file.
            fs::hard_link(&draft, path).map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    OpenError::Exists(path.to_owned())
                } else {
                    OpenError::Io {
                        path: path.to_owned(),
                        error,
                    }
                }
            })
        });
    // Whatever became of it, the draft has no further use, and nothing reads it if it stays.
    let _ = fs::remove_file(&draft);
    made?;
    sync_directory(&directory).map_err(io(&directory))
}

fn write_empty(path: &Path, realm: &str) -> Result<(), OpenError> {
    let seed = Seed::from_system().map_err(|error| OpenError::Io {
        path: path.to_owned(),
        error,
    })?;
    let mut secret = [0; 32];
    seed.rng().fill(&mut secret);
    let write = || -> Result<(), redb::Error> {
        let database = Database::builder().set_cache_size(CACHE).create(path)?;
        let transaction = database.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("program", PROGRAM)?;
            meta.insert("format", FORMAT.to_string().as_str())?;
            meta.insert("realm", realm)?;
            meta.insert("secret", hex(&secret).as_str())?;
            transaction.open_table(USERS)?;
            transaction.open_table(BINDINGS)?;
            transaction.open_table(JOURNAL)?;
        }
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| map_error(path, error))
}

/// The directory is for its owner: what is in it lets one register as any user.
fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The name of a new file is durable when its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}
