use sip_message::{Method, Response};

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

struct World {
    authenticator: Authenticator,
    now: Instant,
    alice: Ha1s,
}

impl World {
    fn new() -> Self {
        Self {
            authenticator: Authenticator::new(
                AuthConfig::new("example.com"),
                &Seed::from_bytes([7; 32]),
            ),
            now: Instant::now(),
            alice: Ha1s::new("alice", "example.com", "secret"),
        }
    }

    /// The challenges that a request without credentials gets.
    fn challenges(&mut self, stale: bool) -> Vec<String> {
        let request = request(None);
        let response = Response::to(&request, StatusCode::UNAUTHORIZED);
        let response = self
            .authenticator
            .challenge(response, Asker::Server, HERE, stale, self.now)
            .build()
            .unwrap();
        response
            .headers()
            .values(HeaderName::WwwAuthenticate)
            .map(str::to_owned)
            .collect()
    }

    fn nonce(&mut self) -> String {
        let challenges = self.challenges(false);
        challenges[0]
            .split("nonce=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    }

    /// Checks and verifies as a role does, with the store of one user.
    fn ask(&mut self, credentials: &str) -> Result<String, String> {
        self.ask_from(credentials, HERE)
    }

    fn ask_from(&mut self, credentials: &str, source: IpAddr) -> Result<String, String> {
        match self
            .authenticator
            .check(&request(Some(credentials)), Asker::Server, source, self.now)
        {
            Check::LookUp(attempt) => {
                let hashes = (attempt.username() == "alice").then_some(self.alice.clone());
                match self
                    .authenticator
                    .verify(attempt, hashes.as_ref(), self.now)
                {
                    Verdict::Accepted { username } => Ok(username.into()),
                    Verdict::Challenge { stale } => Err(format!("401 stale={stale}")),
                    Verdict::Forbidden => Err("403".into()),
                }
            }
            Check::Open => Ok("open".into()),
            Check::Challenge { stale } => Err(format!("401 stale={stale}")),
            Check::Forbidden => Err("403".into()),
            Check::Malformed(reason) => Err(format!("400 {reason}")),
        }
    }
}

fn request(credentials: Option<&str>) -> Request {
    let mut builder = Request::builder(Method::Register, "sip:example.com")
        .header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        .header(HeaderName::From, "<sip:alice@example.com>;tag=1")
        .header(HeaderName::To, "<sip:alice@example.com>")
        .call_id("1@a")
        .cseq(1);
    if let Some(credentials) = credentials {
        builder = builder.header(HeaderName::Authorization, credentials);
    }
    builder.build().unwrap()
}

fn answer(algorithm: Algorithm, user: &str, password: &str, nonce: &str, count: u32) -> String {
    let ha1 = hex(algorithm.ha1(user, "example.com", password).as_bytes());
    let ha2 = algorithm.ha2("REGISTER", "sip:example.com");
    let response = hex(algorithm
        .response(&ha1, &format!("{nonce}:{count:08x}:0a4f113b:auth"), &ha2)
        .as_bytes());
    format!(
        "Digest username=\"{user}\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"sip:example.com\", \
         response=\"{response}\", algorithm={}, cnonce=\"0a4f113b\", qop=auth, nc={count:08x}",
        algorithm.as_str()
    )
}

#[test]
fn rfc8760_2_4_each_algorithm_is_offered_strongest_first() {
    let challenges = World::new().challenges(true);
    let algorithms: Vec<_> = challenges
        .iter()
        .map(|value| {
            value
                .split("algorithm=")
                .nth(1)
                .unwrap()
                .split(',')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(algorithms, ["SHA-512-256", "SHA-256", "MD5"]);
    assert!(challenges.iter().all(|value| {
        value.starts_with("Digest realm=\"example.com\", nonce=\"") && value.ends_with("stale=true")
    }));
}

#[test]
fn rfc7616_3_4_each_algorithm_is_accepted() {
    let mut world = World::new();
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        let nonce = world.nonce();
        assert_eq!(
            world.ask(&answer(algorithm, "alice", "secret", &nonce, 1)),
            Ok("alice".into())
        );
    }
}

#[test]
fn rfc3261_22_4_a_client_without_quality_of_protection_is_accepted_once_a_nonce() {
    let mut world = World::new();
    let nonce = world.nonce();
    let md5 = Algorithm::Md5;
    let ha1 = hex(md5.ha1("alice", "example.com", "secret").as_bytes());
    let response = hex(md5
        .response(&ha1, &nonce, &md5.ha2("REGISTER", "sip:example.com"))
        .as_bytes());
    let credentials = format!(
        "Digest username=\"alice\",realm=\"example.com\",nonce=\"{nonce}\",uri=\"sip:example.com\",response=\"{response}\""
    );
    assert_eq!(world.ask(&credentials), Ok("alice".into()));
    assert_eq!(world.ask(&credentials), Err("401 stale=true".into()));
}

#[test]
fn rfc7616_3_4_5_a_replayed_count_is_stale() {
    let mut world = World::new();
    let nonce = world.nonce();
    let first = answer(Algorithm::Md5, "alice", "secret", &nonce, 1);
    assert_eq!(world.ask(&first), Ok("alice".into()));
    assert_eq!(world.ask(&first), Err("401 stale=true".into()));
    assert_eq!(
        world.ask(&answer(Algorithm::Md5, "alice", "secret", &nonce, 2)),
        Ok("alice".into())
    );
}

#[test]
fn rfc7616_3_3_an_old_nonce_is_stale_and_one_of_another_address_too() {
    let mut world = World::new();
    let nonce = world.nonce();
    let credentials = answer(Algorithm::Md5, "alice", "secret", &nonce, 1);
    assert_eq!(
        world.ask_from(&credentials, THERE),
        Err("401 stale=true".into())
    );
    world.now += Duration::from_secs(300);
    assert_eq!(world.ask(&credentials), Err("401 stale=true".into()));
    // It says so whatever the password is: with such a nonce none is tried.
    assert_eq!(
        world.ask(&answer(Algorithm::Md5, "alice", "wrong", &nonce, 2)),
        Err("401 stale=true".into())
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_answered_alike_and_then_refused() {
    let mut world = World::new();
    for user in ["alice", "nobody"] {
        let answers: Vec<_> = (1..=6)
            .map(|_| {
                let nonce = world.nonce();
                world
                    .ask(&answer(Algorithm::Sha256, user, "wrong", &nonce, 1))
                    .unwrap_err()
            })
            .collect();
        assert_eq!(
            answers,
            [
                "401 stale=false",
                "401 stale=false",
                "401 stale=false",
                "401 stale=false",
                "403",
                "403"
            ],
            "{user}"
        );
    }
    // From there not even the right password is looked at, until the time is over; from elsewhere it is.
    let nonce = world.nonce();
    let right = answer(Algorithm::Md5, "alice", "secret", &nonce, 1);
    assert_eq!(world.ask(&right), Err("403".into()));
    world.now += Duration::from_secs(60);
    assert_eq!(world.ask(&right), Ok("alice".into()));
}

#[test]
fn the_registrar_and_the_proxy_count_wrong_passwords_together() {
    let mut registrar = World::new();
    let mut proxy = World::new();
    proxy.authenticator =
        Authenticator::new(AuthConfig::new("example.com"), &Seed::from_bytes([8; 32]))
            .counting_with(&registrar.authenticator);
    proxy.now = registrar.now;
    let guess = |world: &mut World, number: u32| {
        let nonce = world.nonce();
        world.ask(&answer(
            Algorithm::Md5,
            "alice",
            &format!("guess{number}"),
            &nonce,
            1,
        ))
    };
    for number in 0..4 {
        let world = if number % 2 == 0 {
            &mut registrar
        } else {
            &mut proxy
        };
        assert_eq!(guess(world, number), Err("401 stale=false".into()));
    }
    assert_eq!(
        guess(&mut registrar, 4),
        Err("403".into()),
        "the fifth of all"
    );
    assert_eq!(guess(&mut proxy, 5), Err("403".into()));
    // Who is at another address is not concerned.
    let nonce = proxy.authenticator.nonces.mint(THERE, proxy.now);
    let right = answer(Algorithm::Md5, "alice", "secret", nonce.as_str(), 1);
    assert_eq!(proxy.ask_from(&right, THERE), Ok("alice".into()));
    proxy.now += Duration::from_secs(60);
    let nonce = proxy.nonce();
    let right = answer(Algorithm::Md5, "alice", "secret", &nonce, 1);
    assert_eq!(proxy.ask(&right), Ok("alice".into()), "and nobody for long");
}

/// A wrong password and an unknown name take the same steps: the same hashes of the same lengths are computed and
/// compared, whoever they are for.
#[test]
fn an_unknown_user_costs_as_much_as_a_wrong_password() {
    let mut world = World::new();
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        let known = world.alice.bytes(algorithm).len();
        let unknown = world.authenticator.dummy.bytes(algorithm).len();
        assert_eq!(known, unknown);
        let nonce = world.nonce();
        let wrong = world.ask(&answer(algorithm, "alice", "wrong", &nonce, 1));
        let nonce = world.nonce();
        let nobody = world.ask(&answer(algorithm, "nobody", "wrong", &nonce, 1));
        assert_eq!(wrong, nobody);
        assert_eq!(wrong, Err("401 stale=false".into()));
    }
    // The hashes of nobody are those of no password that anybody could give.
    let nonce = world.nonce();
    let empty = world.ask(&answer(Algorithm::Md5, "nobody", "", &nonce, 1));
    assert_eq!(empty, Err("401 stale=false".into()));
}

#[test]
fn guesses_with_a_nonce_of_another_address_do_not_count() {
    let mut world = World::new();
    let nonce = world.nonce();
    for _ in 0..20 {
        let guess = answer(Algorithm::Md5, "alice", "wrong", &nonce, 1);
        assert_eq!(world.ask_from(&guess, THERE), Err("401 stale=true".into()));
    }
    assert!(
        world
            .authenticator
            .check(&request(None), Asker::Server, THERE, world.now)
            .is_challenge()
    );
}

#[test]
fn credentials_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let nonce = world.nonce();
    let good = answer(Algorithm::Md5, "alice", "secret", &nonce, 1);
    for (from, to, expected) in [
        ("Digest ", "Basic ", "401 stale=false"),
        (
            "realm=\"example.com\"",
            "realm=\"elsewhere\"",
            "401 stale=false",
        ),
        ("algorithm=MD5", "algorithm=MD5-sess", "401 stale=false"),
        ("username=\"alice\", ", "", "400 Incomplete Credentials"),
        ("cnonce=\"0a4f113b\", ", "", "400 Incomplete Credentials"),
        (
            "response=\"",
            "response=\"0",
            "400 Malformed Digest Response",
        ),
        ("nc=00000001", "nc=1", "400 Malformed Nonce Count"),
        ("nc=00000001", "nc=00000000", "400 Malformed Nonce Count"),
        (
            "uri=\"sip:example.com\"",
            "uri=\"sip:example.net\"",
            "400 Credentials For Another Request-URI",
        ),
        ("qop=auth,", "qop=auth-int,", "401 stale=false"),
    ] {
        assert!(good.contains(from), "{from}");
        assert_eq!(
            world.ask(&good.replace(from, to)),
            Err(expected.into()),
            "{from} -> {to}"
        );
    }
    assert_eq!(
        world.ask(&good),
        Ok("alice".into()),
        "none of these used up the nonce"
    );
}

#[test]
fn rfc3261_22_3_credentials_for_other_realms_are_passed_over() {
    let mut world = World::new();
    let nonce = world.nonce();
    let mut with_two = request(Some(
        "Digest username=\"x\", realm=\"other\", nonce=\"n\", uri=\"sip:h\", response=\"0\"",
    ));
    with_two.headers_mut().push_back(
        HeaderName::Authorization,
        answer(Algorithm::Md5, "alice", "secret", &nonce, 1),
    );
    assert!(matches!(
        world
            .authenticator
            .check(&with_two, Asker::Server, HERE, world.now),
        Check::LookUp(_)
    ));
}

#[test]
fn parameters_may_be_quoted_escaped_and_spread() {
    let given = Given::parse("digest  username = \"a\\\"b, c=d\" ,realm=r,  nc=1").unwrap();
    assert_eq!(given.username.as_deref(), Some("a\"b, c=d"));
    assert_eq!(
        (given.realm.as_deref(), given.nc.as_deref()),
        (Some("r"), Some("1"))
    );
    assert!(
        Given::parse("Digest username=\"never closed")
            .unwrap()
            .username
            .is_none()
    );
    assert!(Given::parse("Digest").is_none());
}

#[test]
fn rfc7616_3_4_a_name_is_told_in_any_case_and_from_what_looks_like_it() {
    let names = [
        "username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce",
    ];
    for (place, name) in names.into_iter().enumerate() {
        for name in [name.to_owned(), name.to_uppercase(), name.replace('n', "N")] {
            for end in ["", " ", " \t"] {
                for (value, rest) in [("v", ""), ("\"v\"", ""), ("v", ", other=\"w\"")] {
                    let text = format!("Digest {name}{end}={value}{rest}");
                    let given = Given::parse(&text).unwrap();
                    let all = [
                        given.username,
                        given.realm,
                        given.nonce,
                        given.uri,
                        given.response,
                        given.qop,
                        given.nc,
                        given.cnonce,
                    ];
                    for (at, value) in all.iter().enumerate() {
                        assert_eq!(value.as_deref(), (at == place).then_some("v"), "{text}");
                    }
                }
            }
        }
        for wrong in [
            format!("x{name}"),
            format!("{name}x"),
            format!("{name}-and-more"),
            format!("{} ", name.get(1..).unwrap()),
            name.replace('n', "."),
        ] {
            if names.contains(&wrong.trim()) {
                continue;
            }
            let text = format!("Digest {wrong}=v, algorithm=MD5");
            let given = Given::parse(&text).unwrap();
            let known = [given.username, given.realm, given.nonce, given.uri];
            let others = [given.response, given.qop, given.nc, given.cnonce];
            assert_eq!((known, others), Default::default(), "{text}");
        }
    }
}

impl Check {
    fn is_challenge(&self) -> bool {
        matches!(self, Self::Challenge { .. })
    }
}

/// The last one is remembered; what is asked for is given, whatever was asked for before.
#[test]
fn rfc7616_3_4_3_each_request_has_the_hash_of_its_own_method_and_uri() {
    let mut world = World::new();
    let long = format!("sip:{}@example.com", "x".repeat(REMEMBERED_URI));
    let uris = ["sip:example.com", "sip:example.org", &*long];
    for round in 0..2 {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
            for method in [Method::Register, Method::Publish, Method::Register] {
                for uri in uris.into_iter().chain(uris) {
                    let digits = world.authenticator.ha2(algorithm, &method, uri);
                    let expected = algorithm.ha2(method.as_str(), uri);
                    assert_eq!(
                        digits.as_bytes(),
                        expected.as_bytes(),
                        "{round} {method} {uri}"
                    );
                }
            }
        }
    }
    let remembered = world.authenticator.ha2.map(|known| known.uri);
    assert_eq!(
        remembered.as_deref(),
        Some("sip:example.org"),
        "not the long one"
    );
}

#[test]
fn rfc7616_3_4_5_a_nonce_is_good_with_every_worker_and_its_counts_with_one() {
    let mut world = World::new();
    let config = AuthConfig::new("example.com");
    let one = Authenticator::new(config, &Seed::from_bytes([7; 32]));
    let mut workers = one.for_workers(3, world.now);
    assert_eq!(workers.len(), 3);
    let mut ask = |world: &mut World, worker: usize, credentials: &str| {
        std::mem::swap(&mut world.authenticator, &mut workers[worker]);
        let said = world.ask(credentials);
        std::mem::swap(&mut world.authenticator, &mut workers[worker]);
        said
    };
    // Minted by the last: the numbers of each are its own.
    let mut minting = World::new();
    minting.now = world.now;
    let config = AuthConfig::new("example.com");
    minting.authenticator = Authenticator::new(config, &Seed::from_bytes([7; 32]))
        .for_workers(3, world.now)
        .remove(2);
    let nonce = minting.nonce();
    let of = |count| answer(Algorithm::Sha256, "alice", "secret", &nonce, count);
    assert_eq!(ask(&mut world, 0, &of(1)), Ok("alice".into()));
    for worker in 0..3 {
        let again = ask(&mut world, worker, &of(1));
        assert_eq!(again, Err("401 stale=true".into()), "{worker}");
    }
    assert_eq!(ask(&mut world, 1, &of(2)), Ok("alice".into()));
    assert_eq!(ask(&mut world, 2, &of(3)), Ok("alice".into()));
    // What is too old is so for all: they count time from the same moment.
    world.now += Duration::from_secs(300);
    assert_eq!(ask(&mut world, 0, &of(4)), Err("401 stale=true".into()));
}

/// A PUBLISH without credentials, with those that are good, and with the same again.
fn published() -> [Result<String, String>; 3] {
    let mut world = World::new();
    let publish = |credentials: Option<&str>| {
        let text = request(credentials).to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let text = text.replace("REGISTER", "PUBLISH");
        match sip_message::Message::parse(text.into(), &sip_message::ParserConfig::default()) {
            Ok(sip_message::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    };
    let nonce = world.nonce();
    let algorithm = Algorithm::Sha256;
    let ha1 = hex(algorithm.ha1("alice", "example.com", "secret").as_bytes());
    let ha2 = algorithm.ha2("PUBLISH", "sip:example.com");
    let response = hex(algorithm
        .response(&ha1, &format!("{nonce}:00000001:c:auth"), &ha2)
        .as_bytes());
    let credentials = format!(
        "Digest username=\"alice\", realm=\"example.com\", nonce=\"{nonce}\", uri=\"sip:example.com\", \
         response=\"{response}\", algorithm=SHA-256, cnonce=\"c\", qop=auth, nc=00000001"
    );
    [None, Some(&*credentials), Some(&*credentials)].map(|credentials| {
        let request = publish(credentials);
        match world
            .authenticator
            .check(&request, Asker::Server, HERE, world.now)
        {
            Check::LookUp(attempt) => {
                match world
                    .authenticator
                    .verify(attempt, Some(&world.alice), world.now)
                {
                    Verdict::Accepted { username } => Ok(username.into()),
                    Verdict::Challenge { stale } => Err(format!("401 stale={stale}")),
                    Verdict::Forbidden => Err("403".into()),
                }
            }
            Check::Challenge { stale } => Err(format!("401 stale={stale}")),
            Check::Open | Check::Forbidden | Check::Malformed(_) => Err("no".into()),
        }
    })
}

#[test]
fn rfc3903_14_1_a_publish_is_authenticated_by_digest() {
    let [none, good, _] = published();
    assert_eq!(none, Err("401 stale=false".to_owned()));
    assert_eq!(good, Ok("alice".to_owned()));
}

#[test]
fn rfc3903_14_2_a_publish_is_authenticated_by_digest() {
    assert_eq!(published()[1], Ok("alice".to_owned()));
}

#[test]
fn rfc3903_14_3_a_publish_is_not_taken_twice() {
    assert_eq!(published()[2], Err("401 stale=true".to_owned()));
}
