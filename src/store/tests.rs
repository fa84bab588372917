use std::fs;
use std::time::{Duration, SystemTime};

use super::*;
use crate::location::{
    Change, ContactUpdate, Embedded, LocationStore as _, QueuedStore as _, Replies,
};
use crate::users::{self, CredentialStore as _};

fn path(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("data").join("sip.redb")
}

fn update(cseq: u32, contact: &str, expires: u32) -> BindingUpdate {
    BindingUpdate::new(
        "call",
        cseq,
        Change::Contacts(vec![ContactUpdate::new(contact, expires)]),
    )
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)
}

#[tokio::test]
async fn bindings_and_users_are_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let aor = Aor::new("alice", "example.com");
    {
        let file = DataFile::create(&path(&directory), "example.com").unwrap();
        users::Embedded::new(file.clone())
            .add("alice", "secret")
            .await
            .unwrap();
        let outcome = Embedded::new(file)
            .update(&aor, update(1, "sip:alice@192.0.2.1", 60), now())
            .await
            .unwrap();
        assert!(matches!(outcome, UpdateOutcome::Stored(list) if list.len() == 1));
    }
    let file = DataFile::open(&path(&directory)).unwrap();
    let bindings = Embedded::new(file.clone())
        .lookup(&aor, now())
        .await
        .unwrap();
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].remaining(now()), 60);
    assert_eq!(bindings[0].call_id(), "call");
    let hashes = users::Embedded::new(file)
        .credential("alice", "example.com")
        .await
        .unwrap();
    assert_eq!(hashes, Some(Ha1s::new("alice", "example.com", "secret")));
}

#[tokio::test]
async fn what_waits_together_is_committed_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(path(&directory)).unwrap();
    let aor = Aor::new("alice", "h");
    let waiting: Vec<_> = (1..200)
        .map(|n| store.update(&aor, update(n, "sip:alice@192.0.2.1", n), now()))
        .collect();
    for (n, answer) in (1_u32..).zip(waiting) {
        let UpdateOutcome::Stored(list) = answer.await.unwrap() else {
            panic!("update {n}")
        };
        assert_eq!((list.len(), list[0].remaining(now())), (1, n));
    }
    assert_eq!(
        store
            .update(&aor, update(7, "sip:alice@192.0.2.1", 9), now())
            .await,
        Ok(UpdateOutcome::OutOfOrder)
    );
}

/// Refreshes in the words of requests and updates are one queue: each is decided on what came before it.
#[tokio::test]
async fn refreshes_and_updates_are_decided_in_order_and_answered_together() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(path(&directory)).unwrap();
    let aor = Aor::new("alice", "h");
    let replies = Replies::new(16);
    let reply = |number| replies.reply(number, std::time::Instant::now()).unwrap();
    let refresh = |contact, cseq| Refresh {
        contact,
        parameters: ";audio",
        q: None,
        expires: 60,
        user_agent: "Phone",
        call_id: "call",
        cseq,
        limit: 2,
        follows: false,
    };
    let ask = |number, contact, cseq| {
        let asked = store.submit_refresh(&aor, &refresh(contact, cseq), now(), reply(number));
        assert!(asked.is_ok());
    };
    ask(1, "sip:a@192.0.2.1", 1);
    ask(2, "sip:a@192.0.2.1", 1);
    store.submit(
        aor.clone(),
        update(2, "sip:b@192.0.2.1", 30),
        now(),
        reply(3),
    );
    ask(4, "sip:c@192.0.2.1", 3);
    store.submit(
        aor.clone(),
        update(4, "sip:b@192.0.2.1", 0),
        now(),
        reply(5),
    );
    ask(6, "sip:a@192.0.2.1", 5);
    store.flush();
    let mut answers = Vec::new();
    while replies.expected() > 0 {
        replies.ready().await;
        let mut taken = Vec::new();
        replies.take(&mut taken);
        answers.append(&mut taken);
    }
    let found: Vec<_> = answers
        .into_iter()
        .map(|reply| match reply.answer.unwrap() {
            UpdateOutcome::Stored(list) => {
                let all = list.iter().map(|one| (one.contact().to_owned(), one.cseq));
                (reply.number, all.collect::<Vec<_>>())
            }
            UpdateOutcome::OutOfOrder => (reply.number, vec![]),
            UpdateOutcome::TooMany(_) => (reply.number, vec![(String::new(), 0)]),
        })
        .collect();
    let a = |cseq| ("sip:a@192.0.2.1".to_owned(), cseq);
    let b = |cseq| ("sip:b@192.0.2.1".to_owned(), cseq);
    let expected = [
        (1, vec![a(1)]),
        (2, vec![]),
        (3, vec![a(1), b(2)]),
        (4, vec![(String::new(), 0)]),
        (5, vec![a(1)]),
        (6, vec![a(5)]),
    ];
    assert_eq!(found, expected);
    drop(store);
    let store = Embedded::open(path(&directory)).unwrap();
    let list = store.lookup(&aor, now()).await.unwrap();
    assert_eq!((list.len(), list[0].cseq), (1, 5));
    assert_eq!(
        (list[0].parameters(), list[0].user_agent()),
        (";audio", "Phone")
    );
}

#[tokio::test]
async fn a_removed_user_is_not_reached_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let file = DataFile::create(&path(&directory), "h").unwrap();
    let (users, bindings) = (users::Embedded::new(file.clone()), Embedded::new(file));
    users.add("alice", "x").await.unwrap();
    bindings
        .update(
            &Aor::new("alice", "h"),
            update(1, "sip:a@192.0.2.1", 60),
            now(),
        )
        .await
        .unwrap();
    assert_eq!(users.remove("alice").await, Ok(true));
    assert_eq!(users.remove("alice").await, Ok(false));
    assert_eq!(
        bindings.lookup(&Aor::new("alice", "h"), now()).await,
        Ok(vec![])
    );
}

#[test]
fn no_file_that_is_not_ours_is_opened_or_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    assert!(matches!(DataFile::open(&path), Err(OpenError::Missing(_))));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for (contents, says) in [
        (&b""[..], "cut short"),
        (b"re", "cut short"),
        (b"[server]\nlisten = 5060\n", "not a data file"),
        (
            b"redb and then nothing of the kind that follows in such a file, at all",
            "cannot be read",
        ),
    ] {
        fs::write(&path, contents).unwrap();
        let error = DataFile::open_or_create(&path, "h").unwrap_err();
        assert!(
            matches!(error, OpenError::Unreadable { .. } | OpenError::Io { .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains(says) || matches!(error, OpenError::Io { .. }),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), contents, "the file is as it was");
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sip.redb");
    let other = redb::Database::create(&path).unwrap();
    let transaction = other.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<u64, u64>::new("t"))
        .unwrap()
        .insert(1, 2)
        .unwrap();
    transaction.commit().unwrap();
    assert!(matches!(DataFile::open(&path), Err(OpenError::Locked(_))));
    drop(other);
    assert!(matches!(DataFile::open(&path), Err(OpenError::Foreign(_))));
}

#[tokio::test]
async fn a_file_of_another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    drop(DataFile::create(&path, "h").unwrap());
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(file::META)
        .unwrap()
        .insert("format", "99")
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = DataFile::open(&path).unwrap_err();
    assert!(
        matches!(error, OpenError::Format { found: 99, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_of_the_format_before_is_read_and_becomes_one_of_this() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    drop(DataFile::create(&path, "h").unwrap());
    let row = r#"[{"contact":"sip:a@192.0.2.1","expires":4000000060000,"call_id":"c","cseq":7}]"#;
    let write = |format: &str| {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(file::META).unwrap();
            meta.insert("format", format).unwrap();
            let mut bindings = transaction.open_table(file::BINDINGS).unwrap();
            for user in ["sip:alice@h", "sip:bob@h"] {
                bindings.insert(user, row.as_bytes()).unwrap();
            }
        }
        transaction.commit().unwrap();
    };
    write("1");
    let alice = Aor::new("alice", "h");
    {
        let store = Embedded::open(&path).unwrap();
        let found = store.lookup(&alice, now()).await.unwrap();
        assert_eq!((found[0].contact(), found[0].cseq), ("sip:a@192.0.2.1", 7));
        store
            .update(&alice, update(8, "sip:a@192.0.2.1", 60), now())
            .await
            .unwrap();
    }
    let database = redb::Database::open(&path).unwrap();
    let reading = redb::ReadableDatabase::begin_read(&database).unwrap();
    let meta = reading.open_table(file::META).unwrap();
    assert_eq!(meta.get("format").unwrap().unwrap().value(), "2");
    drop((meta, reading, database));
    let store = Embedded::open(&path).unwrap();
    for (user, cseq) in [("alice", 8), ("bob", 7)] {
        let found = store.lookup(&Aor::new(user, "h"), now()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].cseq, cseq);
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_refused_at_every_length() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    {
        let store = Embedded::open(&path).unwrap();
        for n in 0..300 {
            let aor = Aor::new(&format!("user{n}"), "h");
            store
                .update(&aor, update(1, "sip:a@192.0.2.1;some=parameter", 60), now())
                .await
                .unwrap();
        }
    }
    let whole = fs::read(&path).unwrap();
    for part in [0, 3, 100, 511, 4096, 8192, whole.len() / 8, whole.len() / 2] {
        fs::write(&path, &whole[..part.min(whole.len() - 1)]).unwrap();
        assert!(
            DataFile::open_or_create(&path, "h").is_err(),
            "opened {part} of {} bytes",
            whole.len()
        );
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(Embedded::open(&path).unwrap().len(), Some(300));
}

#[tokio::test]
async fn a_damaged_entry_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    drop(DataFile::create(&path, "h").unwrap());
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(file::USERS)
        .unwrap()
        .insert("bob", &b"{not json"[..])
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(
        DataFile::open(&path)
            .unwrap_err()
            .to_string()
            .contains("user \"bob\"")
    );
}

/// A copy of the file while it is open is what the death of the process leaves: no clean close, what was answered is there.
#[tokio::test]
async fn what_was_answered_is_in_the_file_without_a_clean_close() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    let store = Embedded::open(&path).unwrap();
    for n in 0..20 {
        store
            .update(
                &Aor::new(&format!("user{n}"), "h"),
                update(1, "sip:a@192.0.2.1", 60),
                now(),
            )
            .await
            .unwrap();
    }
    let copy = directory.path().join("copy.redb");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(Embedded::open(&copy).unwrap().len(), Some(20));
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = path(&directory);
    drop(DataFile::create(&path, "h").unwrap());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no draft stays"
    );
    assert!(matches!(
        DataFile::create(&path, "h"),
        Err(OpenError::Exists(_))
    ));
}

/// After an outage every telephone registers at once: more than can wait. Nothing is lost of what was answered, who was
/// refused comes again, and the disk is not asked once for each.
#[tokio::test]
async fn every_phone_at_once_is_stored_or_refused_and_none_is_lost() {
    const PHONES: usize = 2 * QUEUE;
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(path(&directory)).unwrap();
    let mut left: Vec<usize> = (0..PHONES).collect();
    let (mut rounds, mut refused) = (0, 0);
    while !left.is_empty() {
        rounds += 1;
        assert!(rounds < 100, "{} are still refused", left.len());
        let asked: Vec<_> = left
            .iter()
            .map(|&number| {
                let aor = Aor::new(&number.to_string(), "h");
                (number, store.update(&aor, update(1, "sip:a@h", 60), now()))
            })
            .collect();
        left.clear();
        for (number, answer) in asked {
            match answer.await {
                Ok(UpdateOutcome::Stored(_)) => {}
                Err(StoreError::Busy) => left.push(number),
                other => panic!("{other:?}"),
            }
        }
        refused += left.len();
    }
    assert!(refused > 0, "more came than can wait");
    drop(store);
    let file = DataFile::open(&path(&directory)).unwrap();
    assert_eq!(Embedded::new(file).len(), Some(PHONES));
}

/// The clock of the machine steps: what was bound is bound by the clock as it is, and the order of requests, which no
/// clock tells, holds.
#[tokio::test]
async fn a_clock_that_steps_breaks_no_order_and_loses_no_refresh() {
    let directory = tempfile::tempdir().unwrap();
    let aor = Aor::new("alice", "h");
    let hour = Duration::from_secs(3600);
    let store = Embedded::open(path(&directory)).unwrap();
    let put = async |store: &Embedded, cseq, wall| {
        let outcome = store.update(&aor, update(cseq, "sip:a@h", 60), wall).await;
        match outcome.unwrap() {
            UpdateOutcome::Stored(all) => Some(all[0].remaining(wall)),
            _ => None,
        }
    };
    assert_eq!(put(&store, 1, now()).await, Some(60));
    // An hour back: it is bound longer than it was granted, until it is refreshed; an old request stays old.
    let back = now() - hour;
    assert_eq!(
        store.lookup(&aor, back).await.unwrap()[0].remaining(back),
        3660
    );
    assert_eq!(put(&store, 1, back).await, None);
    assert_eq!(put(&store, 2, back).await, Some(60));
    // Two hours on: it is over, in the file too, and the next refresh binds anew.
    let later = now() + hour;
    assert!(store.lookup(&aor, later).await.unwrap().is_empty());
    assert_eq!(put(&store, 3, later).await, Some(60));
    drop(store);
    let store = Embedded::open(path(&directory)).unwrap();
    assert_eq!(store.lookup(&aor, later).await.unwrap().len(), 1);
}
