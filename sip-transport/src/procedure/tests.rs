use sip_message::UriRef;

use super::*;
use crate::seed::Seed;

mod statements;

const ALL: &[TransportKind] = &[TransportKind::Udp, TransportKind::Tcp, TransportKind::Tls];
const PLAIN: &[TransportKind] = &[TransportKind::Udp, TransportKind::Tcp];

/// A zone: lines of `name TYPE data`, as in a zone file.
fn lookup(zone: &str, question: Question, name: &str) -> Result<Answer, ResolveError> {
    let (mut naptr, mut srv, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for line in zone.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] != name {
            continue;
        }
        match (words[1], question) {
            ("NAPTR", Question::Naptr) => naptr.push(NaptrRecord {
                order: words[2].parse().unwrap(),
                preference: words[3].parse().unwrap(),
                flags: words[4].into(),
                service: words[5].into(),
                replacement: words[6].into(),
            }),
            ("SRV", Question::Srv) => srv.push(SrvRecord {
                priority: words[2].parse().unwrap(),
                weight: words[3].parse().unwrap(),
                port: words[4].parse().unwrap(),
                target: words[5].into(),
            }),
            ("A", Question::Address) => addresses.push(words[2].parse().unwrap()),
            ("FAIL", _) => return Err(ResolveError::Failed),
            _ => {}
        }
    }
    match question {
        Question::Naptr if naptr.is_empty() => Err(ResolveError::NotFound),
        Question::Naptr => Ok(Answer::Naptr(naptr)),
        Question::Srv => Ok(Answer::Srv(srv)),
        Question::Address => Ok(Answer::Addresses(addresses)),
    }
}

/// What was asked, and where the request goes.
fn resolve(
    uri: &str,
    ours: &[TransportKind],
    zone: &str,
    seed: u8,
) -> (Vec<String>, Result<Vec<String>, SelectError>) {
    let target = Target::from_uri(UriRef::parse(uri).unwrap()).unwrap();
    let policy = Policy {
        transports: ours,
        service_records: true,
        limit: 8,
    };
    let mut rng = Seed::from_bytes([seed; 32]).rng();
    let mut asked = Vec::new();
    let (mut procedure, mut step) = Procedure::start(&target, policy);
    loop {
        match step {
            Step::Done(result) => {
                let places = result.map(|places| {
                    places
                        .iter()
                        .map(|(kind, at)| format!("{kind} {at}"))
                        .collect()
                });
                return (asked, places);
            }
            Step::Wait => panic!("waiting for nothing"),
            Step::Ask(questions) => {
                let procedure = procedure.as_mut().unwrap();
                step = Step::Wait;
                // In the order in which they come back, which is not the order in which they went out.
                for (number, question, name) in questions.into_iter().rev() {
                    asked.push(format!("{question:?} {name}"));
                    step = procedure.answer(number, lookup(zone, question, &name), &mut rng);
                }
            }
        }
    }
}

fn places(uri: &str, ours: &[TransportKind], zone: &str) -> Vec<String> {
    resolve(uri, ours, zone, 1).1.unwrap()
}

/// The zone of RFC 3263 section 4.1 and 4.2.
const ZONE: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com
    example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com SRV 1 2 5080 server2.example.com
    _sip._udp.example.com SRV 0 1 5060 server2.example.com
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    server2.example.com A 2001:db8::2
    example.com A 192.0.2.9
";

#[test]
fn rfc3263_4_1_naptr_orders_the_transports_that_we_have() {
    assert_eq!(
        places("sip:example.com", ALL, ZONE),
        [
            "TLS 192.0.2.1:5061",
            "TCP 192.0.2.1:5060",
            "TCP 192.0.2.2:5080",
            "TCP [2001:db8::2]:5080",
            "UDP 192.0.2.2:5060",
            "UDP [2001:db8::2]:5060"
        ]
    );
    assert_eq!(
        places("sip:example.com", PLAIN, ZONE)[0],
        "TCP 192.0.2.1:5060"
    );
    assert_eq!(
        places("sip:example.com", &[TransportKind::Udp], ZONE)[0],
        "UDP 192.0.2.2:5060"
    );
}

#[test]
fn rfc3263_4_1_sips_uses_secure_services_only() {
    assert_eq!(
        places("sips:example.com", ALL, ZONE),
        ["TLS 192.0.2.1:5061"]
    );
    assert_eq!(
        resolve("sips:example.com", PLAIN, ZONE, 1).1,
        Err(SelectError::NoSecureTransport)
    );
    assert_eq!(
        resolve("sips:192.0.2.1", PLAIN, ZONE, 1).1,
        Err(SelectError::NoSecureTransport)
    );
    assert_eq!(
        resolve("sips:192.0.2.1;transport=udp", ALL, ZONE, 1).1,
        Err(SelectError::NoSecureTransport)
    );
    assert_eq!(places("sips:192.0.2.1", ALL, ZONE), ["TLS 192.0.2.1:5061"]);
}

#[test]
fn rfc3263_4_1_a_numeric_target_is_udp_unless_it_says_otherwise() {
    assert_eq!(places("sip:192.0.2.1", ALL, ""), ["UDP 192.0.2.1:5060"]);
    assert_eq!(
        places("sip:[2001:db8::1]:5070", ALL, ""),
        ["UDP [2001:db8::1]:5070"]
    );
    assert_eq!(
        places("sip:192.0.2.1;transport=tcp", ALL, ""),
        ["TCP 192.0.2.1:5060"]
    );
    assert_eq!(
        places("sip:192.0.2.1;transport=tls", ALL, ""),
        ["TLS 192.0.2.1:5061"]
    );
    assert_eq!(
        resolve("sip:192.0.2.1;transport=sctp", ALL, "", 1).1,
        Err(SelectError::NoTransport(TransportKind::Sctp))
    );
}

#[test]
fn rfc3263_4_2_a_port_asks_for_addresses_only() {
    let (asked, places) = resolve("sip:server1.example.com:5090", ALL, ZONE, 1);
    assert_eq!(asked, ["Address server1.example.com"]);
    assert_eq!(places.unwrap(), ["UDP 192.0.2.1:5090"]);
}

#[test]
fn rfc3263_4_2_a_transport_asks_for_its_service() {
    let (asked, places) = resolve("sip:example.com;transport=udp", ALL, ZONE, 1);
    assert_eq!(
        asked,
        ["Srv _sip._udp.example.com", "Address server2.example.com"]
    );
    assert_eq!(places.unwrap()[0], "UDP 192.0.2.2:5060");
}

#[test]
fn rfc3263_4_1_without_naptr_every_service_is_asked_for() {
    let zone = "_sip._tcp.example.org SRV 0 0 5066 a.example.org\n a.example.org A 192.0.2.5";
    let (asked, places) = resolve("sip:example.org", ALL, zone, 1);
    assert_eq!(
        asked,
        [
            "Naptr example.org",
            "Srv _sips._tcp.example.org",
            "Srv _sip._tcp.example.org",
            "Srv _sip._udp.example.org",
            "Address a.example.org"
        ]
    );
    assert_eq!(places.unwrap(), ["TCP 192.0.2.5:5066"]);
}

#[test]
fn rfc3263_4_2_without_srv_the_name_itself_is_tried_on_the_default_port() {
    assert_eq!(
        places("sip:example.org", ALL, "example.org A 192.0.2.6"),
        ["UDP 192.0.2.6:5060"]
    );
    assert_eq!(
        places("sips:example.org", ALL, "example.org A 192.0.2.6"),
        ["TLS 192.0.2.6:5061"]
    );
    assert_eq!(
        places(
            "sip:example.org;transport=tcp",
            ALL,
            "example.org A 192.0.2.6"
        ),
        ["TCP 192.0.2.6:5060"]
    );
}

#[test]
fn rfc3263_4_1_naptr_with_flag_a_leads_to_addresses() {
    let zone = "example.org NAPTR 10 10 a SIP+D2T edge.example.org\n edge.example.org A 192.0.2.7";
    assert_eq!(places("sip:example.org", ALL, zone), ["TCP 192.0.2.7:5060"]);
}

#[test]
fn rfc2782_priorities_first_and_weights_are_shares() {
    let zone = "
        _sip._udp.example.org SRV 2 0 5060 backup.example.org
        _sip._udp.example.org SRV 1 30 5060 big.example.org
        _sip._udp.example.org SRV 1 10 5060 small.example.org
        big.example.org A 192.0.2.1
        small.example.org A 192.0.2.2
        backup.example.org A 192.0.2.3";
    let mut first = 0;
    for seed in 0..200 {
        let list = resolve("sip:example.org;transport=udp", ALL, zone, seed)
            .1
            .unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(list[2], "UDP 192.0.2.3:5060");
        first += usize::from(list[0] == "UDP 192.0.2.1:5060");
    }
    // Three quarters of 200, far from a half and from all.
    assert!((130..=170).contains(&first), "{first}");
}

#[test]
fn rfc2782_a_dot_means_that_the_service_is_not_there() {
    let zone = "_sip._udp.example.org SRV 0 0 5060 .\n example.org A 192.0.2.8";
    let (asked, _) = resolve("sip:example.org;transport=udp", ALL, zone, 1);
    assert!(!asked.contains(&"Address ".to_owned()), "{asked:?}");
}

#[test]
fn a_name_that_leads_nowhere_says_why() {
    let missing = resolve("sip:nowhere.example.org", ALL, "", 1).1;
    assert_eq!(missing, Err(SelectError::Resolve(ResolveError::NotFound)));
    let failing = resolve("sip:example.org", ALL, "example.org FAIL", 1).1;
    assert_eq!(failing, Err(SelectError::Resolve(ResolveError::Failed)));
}

#[test]
fn a_thousand_records_are_cut_to_the_limit() {
    let mut zone = String::new();
    for n in 0..1000 {
        zone += &format!("_sip._udp.example.org SRV 0 1 {} h.example.org\n", 2000 + n);
        zone += &format!("h.example.org A 10.0.{}.{}\n", n / 250, n % 250 + 1);
    }
    let (asked, places) = resolve("sip:example.org;transport=udp", ALL, &zone, 1);
    assert_eq!(asked.len(), 2);
    assert_eq!(places.unwrap().len(), 8);
}

#[test]
fn lies_of_a_resolver_are_not_followed() {
    let zone =
        "liar.example.org A 0.0.0.0\n liar.example.org A 224.0.0.1\n liar.example.org A 192.0.2.1";
    assert_eq!(
        places("sip:liar.example.org:5060", ALL, zone),
        ["UDP 192.0.2.1:5060"]
    );
    let target = Target::from_uri(UriRef::parse("sip:example.org").unwrap()).unwrap();
    let policy = Policy {
        transports: ALL,
        service_records: true,
        limit: 8,
    };
    let mut rng = Seed::from_bytes([1; 32]).rng();
    let (procedure, _) = Procedure::start(&target, policy);
    let mut procedure = procedure.unwrap();
    // An answer to a question that was not asked, then the wrong kind of answer, then a late second one.
    assert_eq!(
        procedure.answer(7, Ok(Answer::Naptr(Vec::new())), &mut rng),
        Step::Wait
    );
    let Step::Ask(asked) = procedure.answer(0, Ok(Answer::Addresses(Vec::new())), &mut rng) else {
        panic!()
    };
    assert_eq!(asked.len(), 3);
    assert_eq!(
        procedure.answer(0, Ok(Answer::Srv(Vec::new())), &mut rng),
        Step::Wait
    );
    assert_eq!(
        procedure.answer(0, Ok(Answer::Srv(Vec::new())), &mut rng),
        Step::Wait
    );
}

#[test]
fn special_names_are_never_asked_for_services() {
    for name in ["localhost", "phone", "a.localhost"] {
        let (asked, _) = resolve(&format!("sip:{name}"), ALL, "", 1);
        assert_eq!(asked, [format!("Address {name}")]);
    }
}
