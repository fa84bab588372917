//! Two servers of one domain that keep its bindings in a real Redis: single, with a replica, and as a cluster.

use std::{fmt::Write as _, fs, net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    Case,
    register::{borrowed, crowd},
};
use crate::{
    interop::{
        baresip::Telephone,
        capture::{self, Judge},
        namespace::HOST,
        process::{Process, wait_until},
        scene::{Scene, text},
        server::options,
        sipp::Sipp,
    },
    shell,
};

pub(crate) const CASES: &[Case] = &[
    Case::new(SUITE, "call-between-nodes", between_nodes),
    Case::new(SUITE, "store-down", store_down),
    Case::new(SUITE, "failover", failover),
    Case::new(SUITE, "cluster", cluster),
];

/// The program for these is built with the feature.
pub(crate) const SUITE: &str = "redis";

const STOP: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(20);
const USERS: &[(&str, &str)] = &[("alice", "alice-secret"), ("bob", "bob-secret")];
/// Where the two servers are.
const A: u16 = 5060;
const B: u16 = 5062;

/// A Redis that a case may kill and start again.
struct Redis {
    port: u16,
    data: PathBuf,
    arguments: Vec<String>,
    process: Option<Process>,
    starts: u32,
}

impl Redis {
    fn start(scene: &Scene, port: u16, arguments: &[&str]) -> Result<Self> {
        let data = scene.path(&format!("redis-{port}"));
        fs::create_dir_all(&data)?;
        let mut redis = Self {
            port,
            data,
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            process: None,
            starts: 0,
        };
        redis.again(scene)?;
        Ok(redis)
    }

    fn again(&mut self, scene: &Scene) -> Result<()> {
        self.starts += 1;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(&self.data)
            .args(&self.arguments);
        let label = format!("redis-{}-{}", self.port, self.starts);
        let mut process = Process::spawn(&mut command, &label, &scene.dir)?;
        wait_until(&format!("{label} to answer"), PATIENCE, || {
            process.still_runs()?;
            Ok(self
                .told(&["ping"])
                .ok()
                .filter(|answer| answer.trim() == "PONG"))
        })?;
        self.process = Some(process);
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn told(&self, words: &[&str]) -> Result<String> {
        shell::capture(
            Command::new("redis-cli")
                .args(["-p", &self.port.to_string()])
                .args(words),
        )
    }
}

/// One of the servers of the domain.
struct Node {
    process: Process,
    port: u16,
}

impl Node {
    fn start(
        scene: &Scene,
        port: u16,
        users: &[(&str, &str)],
        redis: &[String],
        is_cluster: bool,
    ) -> Result<Self> {
        let (data, secret) = (scene.path(&format!("data-{port}")), scene.path("secret"));
        let list = scene.path("users.txt");
        let mut lines = String::new();
        for (name, password) in users {
            writeln!(lines, "{name} {password}")?;
        }
        fs::write(&list, lines)?;
        fs::write(&secret, [7; 32])?;
        scene.sip_done(
            &format!("user-import-{port}"),
            &["user", "import", text(&list)?, "--data", text(&data)?],
        )?;
        let file = scene.path(&format!("sip-{port}.toml"));
        fs::write(
            &file,
            format!(
                "domains = [\"{HOST}\"]\nlisten = [\"udp:{HOST}:{port}\", \"tcp:{HOST}:{port}\"]\ndata = {data:?}\n\
                 [location]\nstore = \"redis\"\nredis = {redis:?}\nredis-cluster = {is_cluster}\n\
                 node = \"sip:{HOST}:{port}\"\nsecret-file = {secret:?}\n"
            ),
        )?;
        scene.sip_done(&format!("check-{port}"), &["config", "check", text(&file)?])?;
        let mut process = scene.sip(
            &format!("serve-{port}"),
            &["serve", "--config", text(&file)?],
        )?;
        wait_until("the server to answer OPTIONS", PATIENCE, || {
            process.still_runs()?;
            let address = SocketAddr::new(HOST, port);
            Ok(options(address, Duration::from_millis(300))?
                .filter(|answer| answer.starts_with("SIP/2.0 200 ")))
        })?;
        Ok(Self { process, port })
    }

    fn both(
        scene: &Scene,
        users: &[(&str, &str)],
        redis: &[&Redis],
        is_cluster: bool,
    ) -> Result<(Self, Self)> {
        let urls: Vec<String> = redis.iter().map(|redis| redis.url()).collect();
        Ok((
            Self::start(scene, A, users, &urls, is_cluster)?,
            Self::start(scene, B, users, &urls, is_cluster)?,
        ))
    }

    /// A SIPp that speaks with it.
    fn sipp(&self, label: &str, file: &'static str, port: u16) -> Sipp {
        Sipp::file(label, file, port)
            .to(SocketAddr::new(HOST, self.port))
            .key("contact_port", "5090")
    }

    /// Registers bob at port 5090, or is told that this cannot be.
    fn register(&self, scene: &Scene, label: &str, file: &'static str) -> Result<()> {
        self.sipp(label, file, 5071)
            .users(scene, &USERS[1..])?
            .calls(1)
            .run(scene)
    }

    /// Registers bob as soon as the store takes it.
    fn registers_again(&self, scene: &Scene) -> Result<()> {
        let mut tries = 0;
        wait_until("the store to take a binding", PATIENCE, || {
            tries += 1;
            let done = self.register(scene, &format!("again-{tries}"), "register.xml");
            Ok(done.ok())
        })
    }

    /// Alice calls bob over this server.
    fn caller(&self, scene: &Scene, label: &str, milliseconds: u32) -> Result<Sipp> {
        Ok(self
            .sipp(label, "uac.xml", 5070)
            .users(scene, &USERS[..1])?
            .key("callee", "bob")
            .calls(1)
            .pause(milliseconds))
    }
}

fn callee(scene: &Scene, label: &str) -> Result<Process> {
    Sipp::file(label, "uas.xml", 5090)
        .calls(1)
        .pause(100)
        .start(scene)
}

fn stopped(nodes: (Node, Node)) -> Result<()> {
    let (mut a, mut b) = nodes;
    a.process.stop(STOP)?;
    b.process.stop(STOP)
}

/// A telephone is registered at one server over TCP and reached by that connection alone; calls for it enter at the other.
fn between_nodes(scene: &mut Scene) -> Result<String> {
    let redis = Redis::start(scene, 6379, &[])?;
    let nodes = Node::both(scene, USERS, &[&redis], false)?;
    let mut bob = Telephone {
        name: "bob",
        password: Some("bob-secret"),
        port: 5090,
        tcp: true,
        tls: None,
        dial: None,
        seed: 1,
    }
    .start(scene)?;
    for number in 1..=3 {
        nodes
            .1
            .caller(scene, &format!("uac-{number}"), 300)?
            .run(scene)
            .with_context(|| format!("the callee{}", bob.process.tail()))?;
    }
    bob.quit()?;
    stopped(nodes)?;
    let packets = scene.packets()?;
    let count = |filter: &str| capture::fields(&packets, filter, &["frame.number"]);
    let between = count(&format!(
        "sip.Method == \"INVITE\" and udp.srcport == {B} and udp.dstport == {A} and sip.Route"
    ))?;
    let there = count(&format!(
        "sip.Method == \"INVITE\" and tcp.srcport == {A} and not tcp.dstport == 5090"
    ))?;
    if (between.len(), there.len()) != (3, 3) {
        bail!(
            "of 3 calls, {} went from server to server by a Route, and {} over the connection of the telephone",
            between.len(),
            there.len()
        );
    }
    Ok(
        "3 calls that entered at one server reached a telephone whose connection the other has"
            .to_owned(),
    )
}

/// Redis is killed in a call: the call goes on, nothing is registered, and all is well when it is back.
fn store_down(scene: &mut Scene) -> Result<String> {
    let mut redis = Redis::start(scene, 6379, &[])?;
    let nodes = Node::both(scene, USERS, &[&redis], false)?;
    let mut uas = callee(scene, "uas")?;
    nodes.0.register(scene, "register", "register.xml")?;
    let mut uac = nodes.1.caller(scene, "uac", 6_000)?.start(scene)?;
    wait_until("the call to be set up", PATIENCE, || {
        uac.still_runs()?;
        // It is answered 100 ms after it rang.
        let keys = redis.told(&["dbsize"])?;
        Ok((keys.trim() == "1").then_some(()))
    })?;
    std::thread::sleep(Duration::from_millis(1_500));
    redis.kill();
    for (node, label) in [(&nodes.0, "refused-a"), (&nodes.1, "refused-b")] {
        node.register(scene, label, "register_unavailable.xml")
            .context("a REGISTER while Redis is down")?;
    }
    uac.still_runs()
        .context("the call was over before Redis was missed")?;
    uac.success(PATIENCE)
        .context("the call that was there before")?;
    uas.success(PATIENCE)?;
    redis.again(scene)?;
    nodes.1.registers_again(scene)?;
    let mut uas = callee(scene, "uas-after")?;
    nodes
        .0
        .caller(scene, "uac-after", 300)?
        .run(scene)
        .context("a call after Redis was started again")?;
    uas.success(PATIENCE)?;
    stopped(nodes)?;
    let bad = capture::fields(
        &scene.packets()?,
        "sip.Status-Code == 503 and not sip.CSeq.method == \"REGISTER\"",
        &["frame.number"],
    )?;
    if !bad.is_empty() {
        bail!("{} requests other than REGISTER were refused", bad.len());
    }
    // A store that does not answer takes longer than a client waits before it asks once more.
    scene.judge = Judge::default().with_resends();
    Ok("a call went on over the death of Redis, REGISTER got 503 with Retry-After, and all was well afterwards".to_owned())
}

/// The master dies and its replica is made the master, with what was registered.
fn failover(scene: &mut Scene) -> Result<String> {
    let mut master = Redis::start(scene, 6379, &[])?;
    let replica = Redis::start(scene, 6380, &["--replicaof", "127.0.0.1 6379"])?;
    let nodes = Node::both(scene, USERS, &[&master, &replica], false)?;
    nodes.0.register(scene, "register", "register.xml")?;
    wait_until("the binding to be at the replica", PATIENCE, || {
        let keys = replica.told(&["dbsize"])?;
        Ok((keys.trim() == "1").then_some(()))
    })?;
    master.kill();
    nodes
        .1
        .register(scene, "refused", "register_unavailable.xml")
        .context("a REGISTER while there is no master")?;
    replica.told(&["replicaof", "no", "one"])?;
    // What was answered 200 before is there, at a server that has not seen it.
    let mut uas = callee(scene, "uas")?;
    let mut tries = 0;
    wait_until("a call to the binding of before", PATIENCE, || {
        tries += 1;
        let label = format!("uac-{tries}");
        Ok(nodes.1.caller(scene, &label, 300)?.run(scene).ok())
    })?;
    uas.success(PATIENCE)?;
    nodes.0.registers_again(scene)?;
    stopped(nodes)?;
    scene.judge = Judge::default().with_resends();
    Ok("the binding outlived the master, and its replica takes more".to_owned())
}

/// Three masters share the keys.
fn cluster(scene: &mut Scene) -> Result<String> {
    let mut all = Vec::new();
    for port in 7001..=7003 {
        all.push(Redis::start(scene, port, &["--cluster-enabled", "yes"])?);
    }
    let places: Vec<String> = all
        .iter()
        .map(|redis| format!("127.0.0.1:{}", redis.port))
        .collect();
    shell::capture(
        Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&places)
            .args(["--cluster-replicas", "0", "--cluster-yes"]),
    )?;
    wait_until("the cluster to be one", PATIENCE, || {
        let mut is_ready = true;
        for redis in &all {
            is_ready &= redis
                .told(&["cluster", "info"])?
                .contains("cluster_state:ok");
        }
        Ok(is_ready.then_some(()))
    })?;
    let mut users = crowd(60);
    users.extend(
        USERS
            .iter()
            .map(|&(name, password)| (name.to_owned(), password.to_owned())),
    );
    let users = borrowed(&users);
    let redis: Vec<&Redis> = all.iter().collect();
    let nodes = Node::both(scene, &users, &redis, true)?;
    let count = u32::try_from(users.len())?;
    nodes
        .0
        .sipp("register", "register.xml", 5071)
        .users(scene, &users)?
        .calls(count)
        .rate(30)
        .run(scene)?;
    nodes
        .1
        .sipp("query", "query.xml", 5071)
        // Over UDP, a request this short from an unknown address gets no challenge, which would be longer.
        .tcp(true)
        .users(scene, &users)?
        .calls(count)
        .rate(30)
        .run(scene)
        .context("what one server stored is not found by the other")?;
    let mut uas = callee(scene, "uas")?;
    nodes.1.caller(scene, "uac", 300)?.run(scene)?;
    uas.success(PATIENCE)?;
    let mut shares = Vec::new();
    for redis in &all {
        shares.push(redis.told(&["dbsize"])?.trim().parse::<u32>()?);
    }
    if shares.iter().sum::<u32>() != count || shares.contains(&0) {
        bail!("{count} bindings, and the three masters have {shares:?}");
    }
    stopped(nodes)?;
    Ok(format!(
        "{count} bindings on three masters ({shares:?}), each found by the other server"
    ))
}
