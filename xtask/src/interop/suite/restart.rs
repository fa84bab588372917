//! The server's ends: killed, interrupted, and not started on a store that it cannot read.

use std::{fs, io::Write as _, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    Case,
    register::{answered, borrowed, crowd, users_of},
};
use crate::shell;

use crate::interop::{
    capture::{self, Judge},
    scene::{Scene, text},
    server::{PORT, Server, options},
    sipp::Sipp,
};

pub(crate) const CASES: &[Case] = &[
    Case::new("restart", "kill-loses-no-binding", killed),
    Case::new("restart", "interrupt-drains", interrupted),
    Case::new("restart", "broken-store", broken_store),
    Case::new("restart", "full-disk", full_disk),
    Case::new("restart", "disk-fills-up", disk_fills_up),
    Case::new("restart", "port-taken", port_taken),
];

const STOP: Duration = Duration::from_secs(15);

/// `kill -9` in the middle of a storm of registrations; what was answered 200 is there after the restart.
fn killed(scene: &mut Scene) -> Result<String> {
    let users = crowd(1_000);
    let all = borrowed(&users);
    let mut server = Server::start(scene, &all)?;
    let generator = |label: &str, file| {
        Sipp::file(label, file, 5070)
            .to(Server::address())
            .key("contact_port", "5070")
    };
    let mut storm = generator("storm", "register.xml")
        .users(scene, &all)?
        .calls(1_000)
        .rate(250)
        .start(scene)?;
    std::thread::sleep(Duration::from_millis(1_500));
    storm
        .still_runs()
        .context("the storm was over before the server was killed")?;
    server.process.kill();
    storm.kill();
    let packets = scene.packets()?;
    let mut server = server.restarted(scene)?;
    let safe = answered(&packets)?;
    if safe.len() < 50 || safe.len() >= 1_000 {
        bail!(
            "{} of 1000 were answered before the kill: that is not the middle",
            safe.len()
        );
    }
    let some: Vec<(&str, &str)> = all
        .iter()
        .copied()
        .filter(|(name, _)| safe.iter().any(|safe| safe == name))
        .collect();
    let count = u32::try_from(some.len())?;
    generator("query", "query.xml")
        .users(scene, &some)?
        .calls(count)
        .rate(200)
        .run(scene)
        .context("a binding answered 200 is lost")?;
    server.process.stop(STOP)?;
    // The storm's requests to the dead server are sent again.
    scene.judge = Judge::default().with_resends();
    Ok(format!(
        "killed after {count} of 1000 answers; all {count} bindings there after the restart"
    ))
}

/// Ctrl-C while calls are being set up: those get their answers, new ones are refused, and the exit code is 0.
fn interrupted(scene: &mut Scene) -> Result<String> {
    const USERS: &[(&str, &str)] = &[("alice", "alice-secret"), ("bob", "bob-secret")];
    let mut server = Server::start(scene, USERS)?;
    let mut callee = Sipp::file("uas", "uas.xml", 5090)
        .pause(1_500)
        .start(scene)?;
    let register = Sipp::file("register", "register.xml", 5071)
        .to(Server::address())
        .key("contact_port", "5090");
    register.users(scene, &USERS[1..])?.calls(1).run(scene)?;
    let caller = Sipp::file("uac", "uac.xml", 5070)
        .to(Server::address())
        .users(scene, &USERS[..1])?
        .key("callee", "bob");
    let mut caller = caller.calls(5).rate(50).pause(300).start(scene)?;
    std::thread::sleep(Duration::from_millis(800));
    server.process.interrupt();
    std::thread::sleep(Duration::from_millis(200));
    let late = options(Server::address(), Duration::from_millis(300))?;
    if let Some(answer) = late.filter(|answer| !answer.starts_with("SIP/2.0 503 ")) {
        bail!(
            "a new request while draining got {}",
            answer.lines().next().unwrap_or_default()
        );
    }
    server.process.success(Duration::from_secs(40))?;
    caller.kill();
    callee.kill();
    let answers = capture::fields(
        &scene.packets()?,
        &format!(
            "sip.Status-Code == 200 and sip.CSeq.method == \"INVITE\" and udp.srcport == {PORT}"
        ),
        &["sip.Call-ID"],
    )?;
    let mut calls: Vec<&String> = answers.iter().collect();
    calls.sort();
    calls.dedup();
    if calls.len() != 5 {
        bail!(
            "5 calls were being set up at the interrupt, {} were answered",
            calls.len()
        );
    }
    // The ACKs and BYEs after the end have nobody to forward them.
    scene.judge = Judge::default().with_resends();
    Ok("5 calls being set up were answered, new requests refused, exit code 0".to_owned())
}

/// A store that is not one: a message, no start, and the file as it was.
fn broken_store(scene: &mut Scene) -> Result<String> {
    let mut server = Server::start(scene, &[("alice", "alice-secret")])?;
    server.process.stop(STOP)?;
    let data = scene.path("data");
    let store = fs::read_dir(&data)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "redb")
        })
        .context("the data directory has no store")?;
    let good = fs::read(&store)?;
    let cases: [(&str, Vec<u8>); 3] = [
        ("garbage", b"this is not a database".repeat(1_000)),
        ("truncated", good[..good.len() / 3].to_vec()),
        ("empty", Vec::new()),
    ];
    for (name, content) in cases {
        fs::write(&store, &content)?;
        let mut serve = scene.sip(&format!("serve-{name}"), &["serve", "--data", text(&data)?])?;
        let status = serve
            .wait(STOP)
            .with_context(|| format!("the server started on a store that is {name}"))?;
        if status.success() {
            bail!("the server ended with success on a store that is {name}");
        }
        let said = serve.stderr();
        if !said.contains("sip.redb") || said.contains("panicked") {
            bail!(
                "on a store that is {name} the server should name the file; it said: {}",
                said.trim()
            );
        }
        if fs::read(&store)? != content {
            bail!("the server changed a store that is {name}");
        }
    }
    fs::write(&store, &good)?;
    let mut serve = scene.sip("serve-good", &["serve", "--data", text(&data)?])?;
    serve.says("5060", STOP).context("the good store again")?;
    serve.stop(STOP)?;
    Ok("garbage, truncated and empty stores are refused by name and left as they are".to_owned())
}

/// A file system of its own, unmounted in the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Result<Self> {
        fs::create_dir(&path)?;
        let size = format!("size={size}");
        shell::capture(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(&path),
        )?;
        Ok(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process that still has a file open keeps it; then the namespace's end unmounts it.
        let _ = shell::capture(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

/// What is left of the disk that fills up: some registrations find room in it, and not all of them.
const ROOM: u64 = 48 * 1024;

/// The disk fills up while the server runs: a registration is answered 200 and kept, or refused and not kept.
fn disk_fills_up(scene: &mut Scene) -> Result<String> {
    let all = crowd(600);
    let users = borrowed(&all);
    let disk = SmallDisk::mount(scene.path("data"), "3m")?;
    let mut server = Server::start(scene, &users)?;
    let mut filler = fs::File::create(disk.0.join("filler"))?;
    while filler.write_all(&[1; 4_096]).is_ok() {}
    let full = filler.metadata()?.len();
    filler.set_len(full.saturating_sub(ROOM))?;
    drop(filler);
    let generator = |label: &str, file| {
        Sipp::file(label, file, 5070)
            .to(Server::address())
            .key("contact_port", "5070")
            .users(scene, &users)
            .map(|sipp| sipp.calls(600).rate(150))
    };
    // Each call fails or not; all of them end.
    generator("register", "register.xml")?
        .start(scene)?
        .wait(Duration::from_secs(90))?;
    server.answers().context("on a full disk")?;
    server.process.kill();
    fs::remove_file(disk.0.join("filler"))?;
    let mut server = server.restarted(scene)?;
    // Those that have no binding fail.
    generator("query", "query.xml")?
        .start(scene)?
        .wait(Duration::from_secs(90))?;
    server.process.stop(STOP)?;
    let packets = scene.packets()?;
    let refused = users_of(&packets, "sip.Status-Code == 503 and sip.CSeq.seq == 2")?;
    let safe = answered(&packets)?;
    if safe.is_empty() || refused.is_empty() {
        bail!(
            "the disk filled up, and of 600 registrations {} were answered 200 and {} 503",
            safe.len(),
            refused.len()
        );
    }
    let asked = users_of(&packets, "sip.Status-Code == 200 and sip.CSeq.seq == 3")?;
    if asked.len() != all.len() {
        bail!("{} of 600 were told their bindings", asked.len());
    }
    let there = users_of(
        &packets,
        "sip.Status-Code == 200 and sip.CSeq.seq == 3 and sip.Contact",
    )?;
    if there != safe {
        bail!("registered with 200: {safe:?}; there after the restart: {there:?}");
    }
    scene.judge = Judge::default().with_resends();
    Ok(format!(
        "the bindings of {} registrations answered 200 are there after the restart, and none of {} refused ones",
        safe.len(),
        refused.len()
    ))
}

/// A file system with no room for a store.
fn full_disk(scene: &mut Scene) -> Result<String> {
    // Something has to be in the capture.
    let mut server = Server::start(scene, &[])?;
    server.process.stop(STOP)?;
    let disk = SmallDisk::mount(scene.path("small"), "4k")?;
    let mut serve = scene.sip("serve-full", &["serve", "--data", text(&disk.0)?])?;
    let result = serve.wait(STOP);
    drop(serve);
    let said = fs::read_to_string(scene.path("serve-full.err"))?;
    let status = result.context("the server started on a full disk")?;
    if status.success() || said.contains("panicked") || !said.contains("small") {
        bail!(
            "on a full disk the server should say which file could not be written; it ended with {status} and said: {}",
            said.trim()
        );
    }
    Ok(format!(
        "refused: {}",
        said.lines().next().unwrap_or_default()
    ))
}

/// Port 5060 in use: another port, and a line that says so.
fn port_taken(scene: &mut Scene) -> Result<String> {
    let mut first = Server::start(scene, &[])?;
    let mut second = scene.sip("second", &["serve", "--data", text(&scene.path("other"))?])?;
    second
        .says("5060", STOP)
        .context("no line about the taken port")?;
    std::thread::sleep(Duration::from_millis(500));
    second.still_runs()?;
    second.stop(STOP)?;
    first.answers()?;
    first.process.stop(STOP)?;
    Ok("a free port instead, and a line about it".to_owned())
}
