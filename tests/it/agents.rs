//! Statements about what user agents send, seen by a peer that is written out (`conformance/`).

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use sip_stack::agent::{Account, RegisterOptions};
use sip_stack::message::{HeaderName, Request, StatusCode, Uri};
use sip_stack::server::Server;
use tokio::net::UdpSocket;

use crate::peer::{Peer, both, builder, number, of_bob, value};

const INSTANCE: &str = "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF";

/// A MESSAGE by an outbound proxy.
async fn by_a_proxy() -> (Request, u16) {
    let peer = Peer::new().await;
    let proxy = Uri::parse(&peer.uri("")).unwrap();
    let agent = builder().outbound_proxy(proxy).build().await.unwrap();
    let (sent, request) = both(
        agent.message("sip:bob@example.com", "hello"),
        peer.register(&[]),
    )
    .await;
    sent.unwrap();
    (request, peer.port())
}

#[tokio::test]
async fn rfc3261_8_1_1_1_an_outbound_proxy_is_a_route_that_is_there_beforehand() {
    let (request, port) = by_a_proxy().await;
    assert_eq!(request.uri_str(), "sip:bob@example.com");
    let route = format!("<sip:127.0.0.1:{port};lr>");
    assert_eq!(value(&request, HeaderName::Route), route);
}

#[tokio::test]
async fn rfc3261_8_1_2_an_outbound_proxy_is_named_in_the_route_and_gets_what_names_it() {
    let (request, port) = by_a_proxy().await;
    assert!(value(&request, HeaderName::Route).contains(&port.to_string()));
}

#[tokio::test]
async fn rfc3261_8_1_1_3_who_has_no_account_is_anonymous() {
    let (request, _) = by_a_proxy().await;
    let from = value(&request, HeaderName::From);
    assert!(
        from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="),
        "{from}"
    );
}

#[tokio::test]
async fn rfc3261_20_20_who_has_no_account_is_called_anonymous() {
    let (request, _) = by_a_proxy().await;
    assert!(value(&request, HeaderName::From).starts_with("\"Anonymous\" "));
}

#[tokio::test]
async fn rfc3261_20_31_who_is_anonymous_has_no_reply_to() {
    let (request, _) = by_a_proxy().await;
    assert!(!request.headers().contains(HeaderName::ReplyTo));
}

/// What REGISTERs one user agent sends: two registrations, and the removal of both kinds.
async fn registers(account: impl FnOnce(Account) -> Account) -> Vec<Request> {
    let peer = Peer::new().await;
    let account = account(Account::new(&peer.uri("bob@")).unwrap());
    let agent = builder().account(account).build().await.unwrap();
    let route = (HeaderName::RecordRoute, "<sip:elsewhere.example.net;lr>");
    let theirs = (HeaderName::Contact, "<sip:bob@192.0.2.77>;expires=60");
    let mut sent = Vec::new();
    for _ in 0..2 {
        let (registered, request) = both(
            agent.register(),
            peer.register(&[route.clone(), theirs.clone()]),
        )
        .await;
        registered.unwrap();
        sent.push(request);
    }
    let options = RegisterOptions::default();
    let (removed, request) = both(agent.remove_bindings(options), async {
        let (request, from) = peer.request().await;
        peer.answer(&request, from, &[]).await;
        request
    })
    .await;
    removed.unwrap();
    sent.push(request);
    let (_, request) = both(agent.shutdown(), async {
        let (request, from) = peer.request().await;
        peer.answer(&request, from, &[]).await;
        request
    })
    .await;
    sent.push(request);
    sent
}

#[tokio::test]
async fn rfc3261_8_1_1_4_all_registrations_of_a_user_agent_have_one_call_id() {
    let sent = registers(|account| account).await;
    let ids: HashSet<_> = sent
        .iter()
        .map(|request| value(request, HeaderName::CallId))
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn rfc3261_10_2_each_registration_has_what_it_must_and_the_next_number() {
    let sent = registers(|account| account).await;
    let numbers: Vec<u32> = sent.iter().map(number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let mut ids = HashSet::new();
    for request in &sent {
        let headers = request.headers();
        for name in [
            HeaderName::To,
            HeaderName::From,
            HeaderName::CallId,
            HeaderName::CSeq,
            HeaderName::MaxForwards,
            HeaderName::Via,
        ] {
            assert!(headers.contains(name), "{request:?}");
        }
        // The domain alone, whatever came in the Record-Route before.
        assert!(!request.uri_str().contains('@'), "{}", request.uri_str());
        assert!(request.uri_str().starts_with("sip:127.0.0.1:"));
        assert!(!headers.contains(HeaderName::Route));
        assert!(value(request, HeaderName::To).starts_with("<sip:bob@127.0.0.1:"));
        assert!(!value(request, HeaderName::Contact).contains("action"));
        ids.insert(value(request, HeaderName::CallId));
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn rfc3261_10_2_a_number_is_not_used_again_when_nothing_was_answered() {
    let peer = Peer::new().await;
    let account = Account::new(&peer.uri("bob@")).unwrap();
    let agent = builder()
        .account(account)
        .request_timeout(Duration::from_millis(50))
        .build()
        .await
        .unwrap();
    let (failed, (first, _)) = both(agent.register(), peer.request()).await;
    failed.unwrap_err();
    let (failed, second) = both(agent.register(), async {
        loop {
            let (request, _) = peer.request().await;
            if number(&request) != number(&first) {
                return request;
            }
        }
    })
    .await;
    failed.unwrap_err();
    assert_eq!((number(&first), number(&second)), (1, 2));
    assert_eq!(
        value(&first, HeaderName::CallId),
        value(&second, HeaderName::CallId)
    );
}

#[tokio::test]
async fn rfc3261_10_2_the_next_registration_waits_for_the_answer_of_the_last() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let two = async {
        let (one, other) = both(agent.register(), agent.register()).await;
        (one.unwrap(), other.unwrap())
    };
    let answers = async {
        let (first, from) = peer.request().await;
        // Until it is answered nothing comes but its copies.
        let (copy, _) = peer.request().await;
        assert_eq!(copy.to_bytes(), first.to_bytes());
        let contact = value(&first, HeaderName::Contact);
        peer.answer(&first, from, &[(HeaderName::Contact, &contact)])
            .await;
        loop {
            let (next, from) = peer.request().await;
            if number(&next) > number(&first) {
                let contact = value(&next, HeaderName::Contact);
                peer.answer(&next, from, &[(HeaderName::Contact, &contact)])
                    .await;
                break;
            }
        }
    };
    both(two, answers).await;
}

#[tokio::test]
async fn rfc3261_10_2_2_bindings_are_removed_and_the_star_has_expires_0() {
    let sent = registers(|account| account).await;
    let star = &sent[2];
    assert_eq!(value(star, HeaderName::Contact), "*");
    assert_eq!(value(star, HeaderName::Expires), "0");
    assert_eq!(value(&sent[3], HeaderName::Expires), "0");
    assert_ne!(value(&sent[3], HeaderName::Contact), "*");
}

#[tokio::test]
async fn rfc3261_10_2_4_only_our_own_binding_is_refreshed_with_the_same_call_id_at_the_same_place()
{
    let sent = registers(|account| account).await;
    let (first, refresh) = (&sent[0], &sent[1]);
    let contacts: Vec<_> = refresh.headers().values(HeaderName::Contact).collect();
    assert_eq!(contacts, [value(first, HeaderName::Contact)]);
    assert_eq!(
        value(first, HeaderName::CallId),
        value(refresh, HeaderName::CallId)
    );
    // The peer has one address, and got both.
    assert_eq!(first.uri_str(), refresh.uri_str());
}

#[tokio::test]
async fn rfc3261_10_2_6_without_a_registrar_the_host_of_the_address_is_asked() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let (registered, request) = both(agent.register(), peer.register(&[])).await;
    registered.unwrap();
    assert_eq!(request.uri_str(), peer.uri(""));
}

#[tokio::test]
async fn rfc3261_8_1_1_8_the_contact_is_where_the_agent_is_reached_at_any_time() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let (registered, request) = both(agent.register(), peer.register(&[])).await;
    registered.unwrap();
    let contact = value(&request, HeaderName::Contact);
    let port = agent.addresses()[0].addr.port();
    assert_eq!(contact, format!("<sip:bob@127.0.0.1:{port}>"));
    // A request out of any dialog that is sent there arrives.
    let options = format!(
        "OPTIONS sip:bob@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:bob@h>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        peer.port()
    );
    peer.send(&options, port).await;
    assert!(peer.text().await.starts_with("SIP/2.0 200 "));
}

/// Option tags that RFCs of the standards track registered and that are of use to a user agent.
const STANDARD: [&str; 17] = [
    "100rel",
    "eventlist",
    "explicitsub",
    "from-change",
    "gruu",
    "histinfo",
    "ice",
    "join",
    "norefersub",
    "nosub",
    "outbound",
    "path",
    "precondition",
    "pref",
    "replaces",
    "tdialog",
    "timer",
];

async fn extensions() -> BTreeSet<String> {
    let peer = Peer::new().await;
    let account = Account::new(&peer.uri("bob@")).unwrap().instance(INSTANCE);
    let agent = builder().account(account).build().await.unwrap();
    let (registered, register) = both(agent.register(), peer.register(&[])).await;
    registered.unwrap();
    let target = peer.uri("carol@");
    let (_, invite) = both(agent.call(&target), async {
        let (request, from) = peer.request().await;
        peer.answer_with(&request, from, 486, &[]).await;
        request
    })
    .await;
    let names = [
        HeaderName::Supported,
        HeaderName::Require,
        HeaderName::ProxyRequire,
    ];
    [&register, &invite]
        .into_iter()
        .flat_map(|request| names.iter().map(move |name| (request, name)))
        .flat_map(|(request, name)| request.headers().values(name.clone()))
        .map(str::to_owned)
        .collect()
}

/// Each extension that is named is one of these.
async fn are_standard() {
    let named = extensions().await;
    assert!(
        named.contains("replaces") && named.contains("path"),
        "{named:?}"
    );
    assert!(
        named.iter().all(|tag| STANDARD.contains(&&**tag)),
        "{named:?}"
    );
}

#[tokio::test]
async fn rfc3261_8_1_1_9_extensions_that_are_named_are_of_the_standards_track() {
    are_standard().await;
}

#[tokio::test]
async fn rfc3261_20_32_extensions_that_are_required_are_of_the_standards_track() {
    are_standard().await;
}

#[tokio::test]
async fn rfc3261_20_37_extensions_that_are_supported_are_of_the_standards_track() {
    are_standard().await;
}

#[tokio::test]
async fn rfc3261_11_1_options_says_what_it_wants_to_read() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let target = peer.uri("carol@");
    let (answered, request) = both(agent.options(&target), peer.register(&[])).await;
    answered.unwrap();
    assert_eq!(value(&request, HeaderName::Accept), "application/sdp");
}

#[tokio::test]
async fn rfc3261_19_1_5_a_request_is_for_the_uri_without_its_method_and_fields() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let target = format!(
        "{};method=INVITE;x=y?Route=%3Csip:evil.example.net%3E&Call-ID=mine",
        peer.uri("carol@")
    );
    let (sent, request) = both(agent.message(&target, "hello"), peer.register(&[])).await;
    sent.unwrap();
    assert_eq!(request.method().as_str(), "MESSAGE");
    assert_eq!(request.uri_str(), format!("{};x=y", peer.uri("carol@")));
    assert!(!request.headers().contains(HeaderName::Route));
    assert_ne!(value(&request, HeaderName::CallId), "mine");
}

#[tokio::test]
async fn rfc5626_4_1_the_instance_is_what_the_account_has_at_every_start() {
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let sent = registers(|account| account.instance(INSTANCE)).await;
        let contact = value(&sent[0], HeaderName::Contact);
        let instance = contact.split("+sip.instance=").nth(1).unwrap();
        seen.insert(instance.split(';').next().unwrap().to_owned());
    }
    let expected = format!("\"<{INSTANCE}>\"");
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [expected]);
}

/// Registers over as many proxies; each REGISTER.
async fn over_flows(count: usize) -> Vec<Request> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Peer::new().await);
    }
    let account = Account::new("sip:bob@example.com").unwrap();
    let mut builder = builder().account(account.instance(INSTANCE));
    for peer in &peers {
        builder = builder.outbound_proxy(Uri::parse(&format!("{};lr", peer.uri(""))).unwrap());
    }
    let agent = builder.build().await.unwrap();
    let (registered, sent) = both(agent.register(), async {
        let mut sent = Vec::new();
        for peer in &peers {
            sent.push(peer.register(&[(HeaderName::Require, "outbound")]).await);
        }
        sent
    })
    .await;
    registered.unwrap();
    sent
}

#[tokio::test]
async fn rfc5626_4_2_1_each_of_up_to_four_flows_has_a_number_which_is_the_same_at_every_start() {
    for count in [1, 2, 4] {
        let mut starts = Vec::new();
        for _ in 0..2 {
            let mut numbers = Vec::new();
            for request in over_flows(count).await {
                let supported: Vec<_> = request.headers().values(HeaderName::Supported).collect();
                assert!(supported.contains(&"outbound") && supported.contains(&"path"));
                let contact = value(&request, HeaderName::Contact);
                let number = contact.split("reg-id=").nth(1).unwrap();
                numbers.push(number.split(';').next().unwrap().to_owned());
            }
            starts.push(numbers);
        }
        let distinct: BTreeSet<_> = starts[0].iter().collect();
        assert_eq!(distinct.len(), count);
        assert_eq!(starts[0], starts[1]);
    }
}

#[tokio::test]
async fn rfc5626_4_2_3_what_removes_all_names_no_instance_and_no_flow() {
    let sent = registers(|account| account.instance(INSTANCE)).await;
    let star = String::from_utf8(sent[2].to_bytes().to_vec()).unwrap();
    assert!(star.contains("Contact: *\r\n"));
    assert!(
        !star.contains("reg-id") && !star.contains("sip.instance"),
        "{star}"
    );
}

/// What an agent answers to a request that is about a dialog it does not have.
async fn of_no_dialog(method: &str) -> String {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let port = agent.addresses()[0].addr.port();
    let text = format!(
        "{method} sip:bob@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:bob@h>;tag=lost\r\nCall-ID: o\r\nCSeq: 1 {method}\r\nContact: <sip:a@192.0.2.1>\r\n\
         Content-Length: 0\r\n\r\n",
        peer.port()
    );
    peer.send(&text, port).await;
    let answer = peer.text().await;
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn rfc3261_12_2_2_a_request_of_a_dialog_that_was_lost_is_481() {
    for method in ["INVITE", "INFO", "OPTIONS"] {
        let answer = of_no_dialog(method).await;
        assert!(answer.starts_with("SIP/2.0 481 "), "{method}: {answer}");
    }
}

#[tokio::test]
async fn rfc3261_15_1_2_a_bye_of_a_dialog_that_was_lost_is_481() {
    let answer = of_no_dialog("BYE").await;
    assert!(answer.starts_with("SIP/2.0 481 "), "{answer}");
}

#[tokio::test]
async fn rfc3261_13_2_1_calls_are_described_by_sdp() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let target = peer.uri("carol@");
    let (_, invite) = both(agent.call(&target), async {
        let (request, from) = peer.request().await;
        peer.answer_with(&request, from, 486, &[]).await;
        request
    })
    .await;
    assert_eq!(value(&invite, HeaderName::ContentType), "application/sdp");
    assert!(invite.body().starts_with(b"v=0\r\n"));
    assert!(invite.body().windows(8).any(|bytes| bytes == b"m=audio "));
}

#[tokio::test]
async fn rfc3261_26_3_2_1_the_user_of_the_address_answers_for_the_realm() {
    let peer = Peer::new().await;
    let account = Account::new(&peer.uri("bob@"))
        .unwrap()
        .password("b-secret");
    let agent = builder().account(account).build().await.unwrap();
    let (registered, request) = both(agent.register(), async {
        let (request, from) = peer.request().await;
        let challenge = "Digest realm=\"example.com\", nonce=\"n\", qop=\"auth\"";
        let fields = [(HeaderName::WwwAuthenticate, challenge)];
        peer.answer_with(&request, from, 401, &fields).await;
        peer.register(&[]).await
    })
    .await;
    registered.unwrap();
    let proof = value(&request, HeaderName::Authorization);
    assert!(proof.contains("username=\"bob\""), "{proof}");
    assert!(proof.contains("realm=\"example.com\""), "{proof}");
    // The domain is what a certificate of the registrar has to prove.
    assert_eq!(request.uri_str(), peer.uri(""));
}

#[tokio::test]
async fn rfc3261_10_1_what_a_registrar_wrote_the_proxy_reads() {
    let server = Server::builder()
        .domain("example.test")
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .danger_without_authentication()
        .build()
        .await
        .unwrap();
    let port = server.addresses()[0].1.port();
    tokio::spawn(server.run_until(std::future::pending()));
    let phone = async |user: &str| {
        let account = Account::new(&format!("sip:{user}@127.0.0.1:{port}")).unwrap();
        builder().account(account).build().await.unwrap()
    };
    let (alice, bob) = (phone("alice").await, phone("bob").await);
    let target = format!("sip:bob@127.0.0.1:{port}");
    let before = alice.options(&target).await.unwrap();
    assert!(!before.status().is_success());
    bob.register().await.unwrap();
    let after = alice.options(&target).await.unwrap();
    assert_eq!(after.status(), StatusCode::OK);
}

/// Is the port that a session description names open already?
async fn is_open(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).into_owned();
    let port = text.split("m=audio ").nth(1).unwrap();
    let port: u16 = port.split(' ').next().unwrap().parse().unwrap();
    let other = UdpSocket::bind(("127.0.0.1", port)).await;
    other.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

#[tokio::test]
async fn rfc3264_5_1_the_port_of_an_offer_is_open_when_the_offer_is_sent() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let target = peer.uri("carol@");
    let call = agent.call(&target);
    let answers = async {
        let (invite, from) = peer.request().await;
        assert!(is_open(invite.body()).await);
        peer.answer_with(&invite, from, 486, &[]).await;
    };
    both(call, answers).await.0.unwrap_err();
}

#[tokio::test]
async fn rfc3264_6_1_the_port_of_an_answer_is_open_when_the_answer_is_sent() {
    let peer = Peer::new().await;
    let agent = of_bob(&peer).await;
    let port = agent.addresses()[0].addr.port();
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let text = format!(
        "INVITE sip:bob@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:bob@h>\r\nCall-ID: o\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:{here}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{offer}",
        here = peer.port(),
        length = offer.len()
    );
    peer.send(&text, port).await;
    let call = agent.incoming().await.unwrap().accept().await.unwrap();
    let accepted = loop {
        let text = peer.text().await;
        if text.starts_with("SIP/2.0 200 ") {
            break text;
        }
    };
    assert!(is_open(accepted.as_bytes()).await);
    drop(call);
}
