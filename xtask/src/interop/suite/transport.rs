//! TLS, WebSockets and names, with peers of other projects: OpenSSL, baresip, Kamailio, python3-websockets, SIPp and knot.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::Case;
use crate::{
    interop::{
        audio,
        baresip::Telephone,
        namespace::HOST,
        process::{Process, wait_until},
        scene::{Scene, text},
        server::Server,
        sipp::Sipp,
    },
    shell,
};

pub(crate) const CASES: &[Case] = &[
    Case::new("transport", "openssl-tls-1.2", |scene| {
        openssl(scene, "-tls1_2")
    }),
    Case::new("transport", "openssl-tls-1.3", |scene| {
        openssl(scene, "-tls1_3")
    }),
    Case::new("transport", "openssl-resumes", resumption),
    Case::new("transport", "openssl-reload", reload),
    Case::new("transport", "openssl-server-refused", refused),
    Case::new("transport", "baresip-tls", baresip),
    Case::new("transport", "kamailio-tls", kamailio),
    Case::new("transport", "python-ws", |scene| websocket(scene, false)),
    Case::new("transport", "python-wss", |scene| websocket(scene, true)),
    Case::new("transport", "sipp-udp", |scene| sipp(scene, false)),
    Case::new("transport", "sipp-tcp", |scene| sipp(scene, true)),
    Case::new("transport", "knot-names", names),
    Case::new("transport", "knot-enum", numbers),
];

const USERS: &[(&str, &str)] = &[("alice", "alice-secret"), ("bob", "bob-secret")];
const LIMIT: Duration = Duration::from_secs(20);

/// A server of `example.test` with a certificate for development, and that certificate.
fn server(scene: &Scene, options: &[&str]) -> Result<(Server, PathBuf)> {
    let mut all = vec!["--domain", "example.test", "--tls-dev-certificate"];
    all.extend(options);
    let server = Server::start_with(scene, USERS, &all)?;
    let trusted = server.file("tls-dev.crt");
    Ok((server, trusted))
}

fn stop(mut server: Server) -> Result<()> {
    server.process.stop(Duration::from_secs(10))
}

/// One OPTIONS through `openssl s_client`, with further arguments; what that printed.
fn s_client(scene: &Scene, label: &str, trusted: &Path, arguments: &[&str]) -> Result<String> {
    let request = format!(
        "OPTIONS sip:example.test SIP/2.0\r\nVia: SIP/2.0/TLS {HOST}:9;branch=z9hG4bK{label};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:openssl@example.test>;tag=1\r\nTo: <sip:example.test>\r\nCall-ID: {label}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let file = scene.path(&format!("{label}.request"));
    fs::write(&file, request)?;
    // The end of its input is the end of s_client, so the input stays open until the answer is there.
    let script = format!(
        "(cat {}; sleep 2) | openssl s_client -connect {HOST}:5061 -servername example.test -verify_hostname example.test \
         -CAfile {} -verify_return_error {}",
        text(&file)?,
        text(trusted)?,
        arguments.join(" ")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let mut process = Process::spawn(&mut command, label, &scene.dir)?;
    process.success(LIMIT)?;
    let said = process.output();
    if !said.contains("SIP/2.0 200 ") {
        bail!("{label}: no 200 came back{}", process.tail());
    }
    Ok(said)
}

fn openssl(scene: &mut Scene, version: &str) -> Result<String> {
    let (server, trusted) = server(scene, &[])?;
    let said = s_client(scene, "s_client", &trusted, &[version])?;
    let expected = if version == "-tls1_2" {
        "TLSv1.2"
    } else {
        "TLSv1.3"
    };
    if !said.contains(expected) || !said.contains("Verification: OK") {
        bail!("not {expected}, or the certificate was not verified");
    }
    stop(server)?;
    Ok(format!("OPTIONS over {expected}"))
}

fn resumption(scene: &mut Scene) -> Result<String> {
    let (server, trusted) = server(scene, &[])?;
    let session = scene.path("session");
    let session = text(&session)?;
    s_client(scene, "first", &trusted, &["-sess_out", session])?;
    let said = s_client(scene, "second", &trusted, &["-sess_in", session])?;
    if !said.contains("Reused, TLS") {
        bail!("the session was not resumed");
    }
    stop(server)?;
    Ok("the second connection resumed the session of the first".to_owned())
}

/// A certificate that `openssl` makes, with its key.
fn certificate(scene: &Scene, label: &str, names: &str) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (
        scene.path(&format!("{label}.crt")),
        scene.path(&format!("{label}.key")),
    );
    let mut command = Command::new("openssl");
    command.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    command.args(["-subj", "/CN=interop", "-addext"]);
    command.arg(format!("subjectAltName={names}"));
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.args(["-out", text(&certificate)?, "-keyout", text(&key)?]);
    Process::spawn(&mut command, label, &scene.dir)?.success(LIMIT)?;
    Ok((certificate, key))
}

/// A certificate of OpenSSL's making, RSA, is replaced by another one while the server runs.
fn reload(scene: &mut Scene) -> Result<String> {
    let (first, first_key) = certificate(scene, "first", "URI:sip:example.test,DNS:example.test")?;
    let (second, second_key) = certificate(scene, "second", "DNS:example.test")?;
    let options = [
        "--domain",
        "example.test",
        "--tls-cert",
        text(&first)?,
        "--tls-key",
        text(&first_key)?,
    ];
    let mut server = Server::start_with(scene, USERS, &options)?;
    let old = scene.path("old.crt");
    fs::copy(&first, &old)?;
    s_client(scene, "before", &old, &[])?;
    // Half a pair is refused, and changes nothing.
    fs::copy(&second, &first)?;
    server.process.hang_up();
    server.process.says("stay as they are", LIMIT)?;
    s_client(scene, "between", &old, &[])?;
    fs::copy(&second_key, &first_key)?;
    server.process.hang_up();
    server.process.says("were read again", LIMIT)?;
    s_client(scene, "after", &second, &[])?;
    stop(server)?;
    Ok("certificates replaced while it runs".to_owned())
}

/// `openssl s_server` with certificates that are not good for the domain; our telephone leaves, and says why.
fn refused(scene: &mut Scene) -> Result<String> {
    // The capture has to have something to judge, and the domain somebody to look for.
    let (server, trusted) = server(scene, &[])?;
    let (other, other_key) = certificate(scene, "other", "DNS:other.test,DNS:*.test")?;
    // The end of its input would be its end.
    let script = format!(
        "sleep 60 | openssl s_server -accept 5081 -quiet -cert {} -key {}",
        text(&other)?,
        text(&other_key)?
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let mut peer = Process::spawn(&mut command, "s_server", &scene.dir)?;
    wait_until("s_server to listen", LIMIT, || {
        peer.still_runs()?;
        Ok(std::net::TcpStream::connect((HOST, 5081)).ok())
    })?;
    let target = format!("sips:{HOST}:5081");
    for (label, authority, why) in [
        ("unknown", &trusted, "signed by nobody who is trusted here"),
        ("other-name", &other, "names another domain"),
    ] {
        let arguments = ["ping", &target, "--tls-ca", text(authority)?];
        let mut ping = scene.sip(label, &arguments)?;
        ping.exits_with(3, LIMIT)?;
        ping.says(why, Duration::from_secs(1))?;
    }
    peer.still_runs()?;
    peer.kill();
    stop(server)?;
    Ok("an unknown authority and another name refused".to_owned())
}

/// baresip and our telephone call each other through the server, both over TLS.
fn baresip(scene: &mut Scene) -> Result<String> {
    let (server, trusted) = server(scene, &[])?;
    let mut alice = Telephone {
        name: "alice",
        password: Some("alice-secret"),
        port: 5090,
        tcp: false,
        tls: Some(&trusted),
        dial: None,
        seed: 3,
    }
    .start(scene)?;
    let (voice, said) = scene.speech("bob.wav", 4, 4)?;
    let heard = scene.path("heard.wav");
    let registrar = format!("sip:bob@{HOST}:5061");
    let target = format!("sip:alice@{HOST}:5061");
    let mut call = scene.sip_as(
        "call",
        "bob-secret",
        &[
            "call",
            &target,
            "--from",
            &registrar,
            "--transport",
            "tls",
            "--tls-ca",
            text(&trusted)?,
            "--play",
            text(&voice)?,
            "--record",
            text(&heard)?,
        ],
    )?;
    alice.talks(LIMIT)?;
    call.success(LIMIT)?;
    alice.quit()?;
    let one = audio::matches(&said, &alice.heard()?, 2.5).context("bob to alice")?;
    let two = audio::matches(&alice.said, &audio::read(&heard)?, 2.5).context("alice to bob")?;
    stop(server)?;
    Ok(format!("bob to alice: {one}; alice to bob: {two}"))
}

/// Our telephone, Kamailio, our server: TLS on both hops, each certificate verified by the one who connects.
fn kamailio(scene: &mut Scene) -> Result<String> {
    let (server, trusted) = server(scene, &[])?;
    let names = format!("IP:{HOST},DNS:example.test");
    let (own, key) = certificate(scene, "kamailio", &names)?;
    let dir = text(&scene.dir)?.to_owned();
    let template = fs::read_to_string(shell::root().join("xtask/interop/kamailio.cfg"))?;
    let config = scene.path("kamailio.cfg");
    let host = HOST.to_string();
    fs::write(
        &config,
        template.replace("@HOST@", &host).replace("@DIR@", &dir),
    )?;
    fs::write(
        scene.path("kamailio-tls.cfg"),
        format!(
            "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\ncertificate = {own}\nprivate_key = {key}\n\
             [client:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\nca_list = {trusted}\n",
            own = text(&own)?,
            key = text(&key)?,
            trusted = text(&trusted)?,
        ),
    )?;
    let mut command = Command::new("/usr/sbin/kamailio");
    command.args(["-DD", "-E", "-f", text(&config)?, "-w", &dir, "-Y", &dir]);
    let mut proxy = Process::spawn(&mut command, "kamailio", &scene.dir)?;
    wait_until("kamailio to listen", LIMIT, || {
        proxy.still_runs()?;
        Ok(std::net::TcpStream::connect((HOST, 5071)).ok())
    })?;
    // Whom bob trusts: Kamailio.
    let route = format!("sip:{HOST}:5071;transport=tls");
    let bob = format!("sip:bob@{HOST}:5061");
    let register = [
        "register",
        &bob,
        "--once",
        "--proxy",
        &route,
        "--tls-ca",
        text(&own)?,
    ];
    scene
        .sip_as("register", "bob-secret", &register)?
        .success(LIMIT)?;
    let ping = ["ping", &bob, "--proxy", &route, "--tls-ca", text(&own)?];
    let mut ping = scene.sip("ping", &ping)?;
    ping.wait(LIMIT)?;
    // The answer is our server's, whatever it is: bob is not there, so nobody answers for him.
    ping.says("sip:bob@", Duration::from_secs(1))?;
    let said = proxy.output();
    if said.contains("ERROR") {
        bail!("kamailio complains{}", proxy.tail());
    }
    proxy.still_runs()?;
    proxy.interrupt();
    proxy.wait(Duration::from_secs(15))?;
    stop(server)?;
    Ok("REGISTER and OPTIONS by TLS to Kamailio and by TLS on to the server".to_owned())
}

fn websocket(scene: &mut Scene, secure: bool) -> Result<String> {
    let (server, trusted) = server(scene, &["--ws", "8080", "--wss", "8443"])?;
    let url = if secure {
        format!("wss://{HOST}:8443/")
    } else {
        format!("ws://{HOST}:8080/")
    };
    let mut command = Command::new("/usr/bin/python3");
    command.arg(shell::root().join("xtask/interop/websocket.py"));
    command.arg(url);
    if secure {
        command.arg(&trusted);
    }
    let mut client = Process::spawn(&mut command, "python", &scene.dir)?;
    client.success(LIMIT)?;
    client.says("done", Duration::from_secs(1))?;
    stop(server)?;
    Ok("OPTIONS as text and binary, pings, and no entrance without the subprotocol".to_owned())
}

fn sipp(scene: &mut Scene, tcp: bool) -> Result<String> {
    let mut server = Server::start(scene, USERS)?;
    Sipp::file("register", "register.xml", 5071)
        .to(Server::address())
        .tcp(tcp)
        .key("contact_port", "5090")
        .users(scene, USERS)?
        .calls(50)
        .rate(50)
        .run(scene)?;
    server.process.stop(Duration::from_secs(10))?;
    let transport = if tcp { "tcp" } else { "udp" };
    Ok(format!("50 registrations over {transport}"))
}

/// A name server with one zone, at port 5353.
fn knot(scene: &Scene, domain: &str, zone: &str) -> Result<Process> {
    let dir = text(&scene.dir)?.to_owned();
    fs::write(scene.path("zone"), zone)?;
    let config = scene.path("knot.conf");
    fs::write(
        &config,
        format!(
            "server:\n    rundir: {dir}\n    listen: {HOST}@5353\ndatabase:\n    storage: {dir}\nlog:\n  - target: stderr\n    any: info\n\
             zone:\n  - domain: {domain}\n    file: {dir}/zone\n    journal-content: none\n    zonefile-sync: -1\n"
        ),
    )?;
    let mut command = Command::new("/usr/sbin/knotd");
    command.args(["-c", text(&config)?]);
    let mut names = Process::spawn(&mut command, "knotd", &scene.dir)?;
    names.says("loaded", LIMIT)?;
    Ok(names)
}

/// A number that alice writes to leads to bob, by two NAPTR records of a real name server, one behind the other.
fn numbers(scene: &mut Scene) -> Result<String> {
    let zone = format!(
        "$ORIGIN e164.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {HOST}\n\
         3.8.0.0.6.9.2.3.6.1.4.4 NAPTR 100 10 \"\" \"\" \"\" moved\n\
         moved NAPTR 100 20 \"u\" \"E2U+pstn:tel\" \"!^.*$!tel:+1!\" .\n\
         moved NAPTR 100 30 \"u\" \"E2U+sip\" \"!^\\\\+44(.*)83$!sip:bob@{HOST}!\" .\n"
    );
    let mut names = knot(scene, "e164.test", &zone)?;
    let config = scene.path("sip.toml");
    fs::write(&config, "[enum]\nsuffix = \"e164.test\"\n")?;
    let dns = format!("{HOST}:5353");
    let options = ["--config", text(&config)?, "--dns", &dns];
    let server = Server::start_with(scene, USERS, &options)?;
    let mut callee = Sipp::file("uas", "uas_message.xml", 5090)
        .calls(1)
        .start(scene)?;
    Sipp::file("register", "register.xml", 5071)
        .to(Server::address())
        .key("contact_port", "5090")
        .users(scene, &[("bob", "bob-secret")])?
        .calls(1)
        .run(scene)?;
    let from = format!("sip:alice@{HOST}");
    let write = |label: &str, number: &str| {
        let to = format!("sip:{number}@{HOST}");
        scene.sip_as(
            label,
            "alice-secret",
            &["message", &to, "Grüße aus der Leitung", "--from", &from],
        )
    };
    write("message", "+441632960083")?.success(LIMIT)?;
    callee.success(LIMIT)?;
    write("nobody", "+441632960084")?.exits_with(7, LIMIT)?;
    names.still_runs()?;
    names.kill();
    stop(server)?;
    Ok("a number to a user, by two records of knot; one without records is nobody".to_owned())
}

/// The telephone finds the server by NAPTR and SRV records of a real name server; the best target is down.
fn names(scene: &mut Scene) -> Result<String> {
    let (server, trusted) = server(scene, &[])?;
    let zone = format!(
        "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {HOST}\n\
         @ NAPTR 10 50 \"s\" \"SIPS+D2T\" \"\" _sips._tcp\n@ NAPTR 20 50 \"s\" \"SIP+D2T\" \"\" _sip._tcp\n\
         _sips._tcp SRV 1 0 5099 down\n_sips._tcp SRV 2 0 5061 up\n_sip._tcp SRV 1 0 5099 down\n_sip._tcp SRV 2 0 5060 up\n\
         _sip._udp.plain SRV 1 0 5060 up\nup A {HOST}\ndown A {HOST}\n"
    );
    let mut names = knot(scene, "example.test", &zone)?;
    let dns = format!("{HOST}:5353");
    let ping = |label: &str, target: &str, expected: &str, code: i32| -> Result<()> {
        let trusted = text(&trusted)?;
        let arguments = [
            "ping", target, "--dns", &dns, "--tls-ca", trusted, "--trace",
        ];
        let mut ping = scene.sip(label, &arguments)?;
        ping.exits_with(code, LIMIT)?;
        ping.says(expected, Duration::from_secs(1))
    };
    // The certificate proves the domain, not the host that the records name (RFC 5922 §7.2).
    ping("naptr", "sip:example.test", "TLS 192.0.2.10:5061", 0)?;
    ping("sips", "sips:example.test", "TLS 192.0.2.10:5061", 0)?;
    let tcp = "sip:example.test;transport=tcp";
    ping("srv-tcp", tcp, "TCP 192.0.2.10:5060", 0)?;
    // Found, and not a domain of this server.
    let plain = "sip:plain.example.test";
    ping("srv-udp", plain, "UDP 192.0.2.10:5060", 6)?;
    let mut nobody = scene.sip(
        "nobody",
        &["ping", "sip:nobody.example.test", "--dns", &dns],
    )?;
    nobody.exits_with(3, LIMIT)?;
    nobody.says("the name does not exist", Duration::from_secs(1))?;
    names.still_runs()?;
    names.kill();
    stop(server)?;
    Ok("NAPTR, SRV and addresses from knot, a target that is down passed over".to_owned())
}
