//! Against a real Redis, which each test starts and stops; where none is installed they only say so. `cargo xtask interop
//! redis` installs it, and tries the same with whole servers.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::*;
use crate::location::{Change, ContactUpdate};

struct Server {
    child: Option<Child>,
    port: u16,
    directory: tempfile::TempDir,
}

impl Server {
    /// `None` where there is no Redis.
    fn start() -> Option<Self> {
        let mut server = Self::stopped();
        server.run().then_some(server)
    }

    fn stopped() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        Self {
            child: None,
            port,
            directory,
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Gives it a command, as an operator does.
    fn told(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&mut self) -> bool {
        self.run_with(&[
            "--port",
            &self.port.to_string(),
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
    }

    fn run_with(&mut self, arguments: &[&str]) -> bool {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1"])
            .args(arguments)
            .arg("--dir")
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => {
                self.child = Some(child);
                true
            }
            Err(_) => {
                eprintln!("no redis-server is installed: not tested");
                false
            }
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn config(&self) -> RedisConfig {
        let mut config = RedisConfig::new(&[&format!("redis://127.0.0.1:{}", self.port)], false);
        config.response_timeout = Duration::from_millis(500);
        config
    }

    fn store(&self) -> Redis {
        Redis::new(self.config()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn aor(user: &str) -> Aor {
    Aor::new(user, "example.com")
}

fn contact(call_id: &str, cseq: u32, contact: &str) -> BindingUpdate {
    let contacts = vec![ContactUpdate::new(contact, 60)];
    BindingUpdate::new(call_id, cseq, Change::Contacts(contacts)).with_limit(1000)
}

/// Waits for what comes about by itself, at most ten seconds.
async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        tokio::task::yield_now().await;
    }
}

async fn put(store: &Redis, user: &str, cseq: u32, uri: &str) -> bool {
    let update = contact("c", cseq, uri);
    let now = SystemTime::now();
    let result = store.update(&aor(user), update, now).await;
    matches!(result, Ok(UpdateOutcome::Stored(_)))
}

async fn contacts(store: &Redis, user: &str) -> Result<Vec<String>, StoreError> {
    let bindings = store.lookup(&aor(user), SystemTime::now()).await?;
    Ok(bindings.into_iter().map(|b| b.contact().into()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc3261_10_3_updates_of_two_nodes_are_atomic() {
    let Some(server) = Server::start() else {
        return;
    };
    let (a, b) = (server.store(), server.store());
    eventually("a connection", || put(&a, "alice", 1, "sip:first@h")).await;
    // Both change the same address of record at once: none of it is lost.
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = if number % 2 == 0 {
            a.clone()
        } else {
            b.clone()
        };
        tasks.push(tokio::spawn(async move {
            let update = contact(&format!("call-{number}"), 1, &format!("sip:{number}@h"));
            let mut tries = 0;
            while store
                .update(&aor("alice"), update.clone(), SystemTime::now())
                .await
                .is_err()
            {
                tries += 1;
                assert!(tries < 10);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(contacts(&a, "alice").await.unwrap().len(), 21);
    assert_eq!(contacts(&b, "alice").await.unwrap().len(), 21);
    // The order of one client's requests holds across nodes.
    let old = contact("c", 1, "sip:first@h");
    let outcome = b.update(&aor("alice"), old, SystemTime::now()).await;
    assert_eq!(outcome, Ok(UpdateOutcome::OutOfOrder));
    let none = BindingUpdate::new("x", 1, Change::RemoveAll);
    b.update(&aor("alice"), none, SystemTime::now())
        .await
        .unwrap();
    eventually("it is gone at the other node", || async {
        contacts(&a, "alice").await == Ok(Vec::new())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_remembers_follows_what_others_change() {
    let Some(server) = Server::start() else {
        return;
    };
    let (a, b) = (server.store(), server.store());
    eventually("change notices", || async {
        a.is_listening() && b.is_listening()
    })
    .await;
    let mut watcher = a.feed().unwrap().watcher();
    watcher.watch(aor("alice"));
    for cseq in 1..50 {
        let uri = format!("sip:{cseq}@h");
        assert!(put(&b, "alice", cseq, &uri).await);
        eventually("the change is seen", || async {
            contacts(&a, "alice").await.unwrap().contains(&uri)
        })
        .await;
        // And from then on it is remembered, when the notice of it is here.
        eventually("it is remembered", || async {
            contacts(&a, "alice").await.unwrap();
            a.inner.cache.trusted_text(&aor("alice")).is_some()
        })
        .await;
    }
    assert_eq!(watcher.next().await.aor, aor("alice"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_refuses_and_comes_back_with_what_was_answered() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let store = server.store();
    eventually("a connection", || put(&store, "alice", 1, "sip:alice@h")).await;
    eventually("change notices", || async { store.is_listening() }).await;
    assert_eq!(contacts(&store, "alice").await.unwrap(), ["sip:alice@h"]);
    server.kill();
    // Nothing is stored, and what is remembered is soon not believed.
    assert!(!put(&store, "alice", 2, "sip:new@h").await);
    eventually("it knows that it hears nothing", || async {
        !store.is_listening()
    })
    .await;
    assert!(contacts(&store, "alice").await.is_err());
    assert!(server.run());
    eventually("it is back", || async {
        contacts(&store, "alice").await.is_ok()
    })
    .await;
    assert_eq!(contacts(&store, "alice").await.unwrap(), ["sip:alice@h"]);
    eventually("and takes more", || put(&store, "alice", 3, "sip:new@h")).await;
    eventually("change notices", || async { store.is_listening() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_slow_refuses_in_time_and_is_not_believed() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = server.store();
    eventually("change notices", || async { store.is_listening() }).await;
    let (mut connection, _) = store.inner.connection().await.unwrap();
    let _: Value = redis::cmd("CLIENT")
        .arg("PAUSE")
        .arg(4000)
        .query_async(&mut connection)
        .await
        .unwrap();
    let begun = Instant::now();
    assert!(!put(&store, "alice", 1, "sip:alice@h").await);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    eventually("it knows that it hears nothing", || async {
        !store.is_listening()
    })
    .await;
    eventually("it goes on", || put(&store, "bob", 1, "sip:bob@h")).await;
    eventually("change notices", || async { store.is_listening() }).await;
}

#[tokio::test]
async fn addresses_that_make_no_sense_are_told() {
    assert!(matches!(
        Redis::new(RedisConfig::new(&[], false)),
        Err(RedisError::NoUrl)
    ));
    let wrong = Redis::new(RedisConfig::new(&["http://h"], false));
    assert!(matches!(wrong, Err(RedisError::Url { .. })));
}

/// Three masters on loopback; they need their ports plus 10,000 as well.
fn cluster() -> Option<(Vec<Server>, RedisConfig)> {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let port = loop {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
            if port < 55_000 && is_free(port + 10_000) {
                break port;
            }
        };
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"])
            .arg("--dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("no redis-server is installed: not tested");
            return None;
        };
        servers.push(Server {
            child: Some(child),
            port,
            directory,
        });
    }
    let places: Vec<String> = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port))
        .collect();
    let begun = Instant::now();
    loop {
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&places)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .unwrap();
        if made.status.success() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{made:?}");
        std::thread::yield_now();
    }
    let urls: Vec<String> = places
        .iter()
        .map(|place| format!("redis://{place}"))
        .collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    Some((servers, RedisConfig::new(&urls, true)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_serves_two_nodes_and_outlives_one_of_its_servers() {
    let Some((mut servers, config)) = cluster() else {
        return;
    };
    let (a, b) = (
        Redis::new(config.clone()).unwrap(),
        Redis::new(config).unwrap(),
    );
    eventually("change notices", || async {
        a.is_listening() && b.is_listening()
    })
    .await;
    // Keys of all three servers.
    for number in 0..50 {
        assert!(
            put(&a, &format!("user{number}"), 1, "sip:u@h").await,
            "{number}"
        );
    }
    for number in 0..50 {
        let user = format!("user{number}");
        assert_eq!(contacts(&b, &user).await.unwrap(), ["sip:u@h"]);
        assert!(put(&b, &user, 2, "sip:v@h").await);
        eventually("the change is seen", || async {
            contacts(&a, &user).await.unwrap().len() == 2
        })
        .await;
    }
    // A cluster that has lost a part refuses what it can no longer keep, and nothing is believed that is not heard.
    servers[0].kill();
    let refused = async |store: &Redis, cseq| {
        let mut refused = 0;
        for number in 0..50 {
            refused += u32::from(!put(store, &format!("user{number}"), cseq, "sip:w@h").await);
            if refused > 2 {
                break;
            }
        }
        refused
    };
    assert!(refused(&a, 3).await > 0, "one in three keys is nowhere");
    // Who reads hears that too, and never what another node may have changed meanwhile.
    let mut unread = 0;
    for number in 0..50 {
        match contacts(&b, &format!("user{number}")).await {
            Ok(contacts) => assert!(contacts.len() >= 2),
            Err(_) => unread += 1,
        }
        if unread > 2 {
            break;
        }
    }
    assert!(unread > 0 || b.is_listening());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_made_the_master_is_found() {
    let Some(mut first) = Server::start() else {
        return;
    };
    let Some(second) = Server::start() else {
        return;
    };
    let replicate = ["replicaof", "127.0.0.1", &first.port.to_string()];
    eventually("the second follows the first", || async {
        second.told(&replicate);
        second
            .told(&["info", "replication"])
            .contains("master_link_status:up")
    })
    .await;
    // The replica is named first, and not taken for the master.
    let mut config = RedisConfig::new(&[&second.url(), &first.url()], false);
    config.response_timeout = Duration::from_millis(500);
    let store = Redis::new(config).unwrap();
    eventually("a connection", || put(&store, "alice", 1, "sip:alice@h")).await;
    eventually("change notices", || async { store.is_listening() }).await;
    eventually("it is at the replica", || async {
        second
            .told(&["exists", "sip:{sip:alice@example.com}"])
            .trim()
            == "1"
    })
    .await;
    first.kill();
    assert!(!put(&store, "alice", 2, "sip:new@h").await, "no master");
    assert_eq!(second.told(&["replicaof", "no", "one"]).trim(), "OK");
    eventually("it takes more", || put(&store, "alice", 3, "sip:new@h")).await;
    let mut found = contacts(&store, "alice").await.unwrap();
    found.sort();
    assert_eq!(found, ["sip:alice@h", "sip:new@h"]);
    // The old master comes back as a replica, and the roles are changed while both run.
    assert!(first.run());
    let replicate = ["replicaof", "127.0.0.1", &second.port.to_string()];
    eventually("the first follows the second", || async {
        first.told(&replicate);
        first
            .told(&["info", "replication"])
            .contains("master_link_status:up")
    })
    .await;
    assert_eq!(first.told(&["replicaof", "no", "one"]).trim(), "OK");
    let replicate = ["replicaof", "127.0.0.1", &first.port.to_string()];
    assert_eq!(second.told(&replicate).trim(), "OK");
    eventually("it takes more", || put(&store, "bob", 1, "sip:bob@h")).await;
    assert_eq!(
        first.told(&["exists", "sip:{sip:bob@example.com}"]).trim(),
        "1"
    );
    eventually("change notices", || async { store.is_listening() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_reached_by_tls_if_its_certificate_is_trusted() {
    let mut server = Server::stopped();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let place = |name: &str| server.directory.path().join(name).display().to_string();
    let (certificate, key) = (place("cert.pem"), place("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = server.port.to_string();
    let arguments = [
        "--port",
        "0",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ];
    if !server.run_with(&arguments) {
        return;
    }
    let url = format!("rediss://localhost:{port}");
    let mut config = RedisConfig::new(&[&url], false);
    config.ca = Some(made.cert.pem().into_bytes());
    let store = Redis::new(config).unwrap();
    eventually("a connection", || put(&store, "alice", 1, "sip:alice@h")).await;
    eventually("change notices", || async { store.is_listening() }).await;
    assert_eq!(contacts(&store, "alice").await.unwrap(), ["sip:alice@h"]);
    // Who does not trust it does not speak to it.
    let stranger = Redis::new(RedisConfig::new(&[&url], false)).unwrap();
    assert!(contacts(&stranger, "alice").await.is_err());
}

#[tokio::test]
async fn nothing_outlives_the_store() {
    // Nobody is there: its task is between two attempts, or in one.
    let store = Server::stopped().store();
    let tasks = tokio::runtime::Handle::current().metrics();
    let clone = store.clone();
    drop(store);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(tasks.num_alive_tasks() > 0, "a clone is there");
    drop(clone);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks.num_alive_tasks(), 0);
}
