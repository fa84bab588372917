//! Challenges (RFC 3261 section 22, RFC 7616, RFC 8760), over the recording double.

use std::time::Instant;

use sip_dialog::{
    AccountKey, Credential, DialogConfig, Dialogs, Event, FailureCause, OutgoingRequest, Output,
};
use sip_message::header::{Authorization, NameAddr};
use sip_message::{HeaderName, Method, Request, Response, StatusCode, Uri};
use sip_testkit::{Call, Clock, RecordingTransactions, seed_of};
use sip_transaction::{ClientTransactionId, Event as TransactionEvent};
use sip_transport::{Flow, FlowId, SelectError, TransportKind};

struct Agent {
    dialogs: Dialogs,
    layer: RecordingTransactions,
    now: Instant,
    password: &'static str,
    flows: u32,
}

/// What the agent did last.
#[derive(Debug)]
enum Did {
    Sent(ClientTransactionId, Box<Request>),
    Told(Event),
}

impl Agent {
    fn new() -> Self {
        Self {
            dialogs: Dialogs::new(DialogConfig::default(), seed_of(1, "dialogs")),
            layer: RecordingTransactions::default(),
            now: Clock::new().now(),
            password: "secret",
            flows: 1,
        }
    }

    fn register(&mut self) -> Did {
        let uri = Uri::parse("sip:example.com").unwrap();
        let aor = Uri::parse("sip:alice@example.com").unwrap();
        let request = Request::builder(Method::Register, uri.as_str())
            .max_forwards(70)
            .from(&NameAddr::new(aor.as_ref()).with_tag("1"))
            .to(&NameAddr::new(aor.as_ref()))
            .call_id("call")
            .cseq(7)
            .build_partial()
            .unwrap();
        let outgoing = OutgoingRequest {
            request,
            next_hop: uri,
            account: AccountKey(3),
        };
        self.dialogs.request(outgoing, &mut self.layer, self.now);
        self.run()
    }

    fn run(&mut self) -> Did {
        while let Some(output) = self.dialogs.poll_output() {
            match output {
                Output::SelectFlow { token, .. } => {
                    let flows: Vec<Flow> = (0..self.flows).map(flow).collect();
                    let result = if flows.is_empty() {
                        Err(SelectError::NoRoute)
                    } else {
                        Ok(flows)
                    };
                    self.dialogs
                        .flow_selected(token, result, &mut self.layer, self.now);
                }
                Output::Authenticate {
                    token,
                    account,
                    realm,
                    ..
                } => {
                    assert_eq!((account, realm.as_str()), (AccountKey(3), "example.com"));
                    let credential = (!self.password.is_empty())
                        .then(|| Credential::new("alice", self.password));
                    self.dialogs
                        .credentials(token, credential, &mut self.layer, self.now);
                }
                Output::Event(event) => return Did::Told(event),
            }
        }
        match self.layer.take().pop() {
            Some(Call::Request { id, request, .. }) => Did::Sent(id, Box::new(request)),
            other => panic!("nothing was sent or told: {other:?}"),
        }
    }

    /// Answers what was sent.
    fn respond(&mut self, sent: Did, status: StatusCode, challenges: &[&str]) -> Did {
        let Did::Sent(id, request) = sent else {
            panic!("not sent but {sent:?}")
        };
        let mut response = Response::to(&request, status).to_tag("2");
        for challenge in challenges {
            response = response.header(HeaderName::WwwAuthenticate, challenge);
        }
        let mut response = response;
        response = response.header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
        let event = TransactionEvent::Response {
            id,
            response: response.build().unwrap().into(),
            flow: flow(0),
        };
        assert!(
            self.dialogs
                .handle_input(event, &mut self.layer, self.now)
                .is_none()
        );
        self.run()
    }

    fn fail(&mut self, sent: Did) -> Did {
        let Did::Sent(id, _) = sent else {
            panic!("not sent but {sent:?}")
        };
        let event = TransactionEvent::FlowFailed { id };
        assert!(
            self.dialogs
                .handle_input(event, &mut self.layer, self.now)
                .is_none()
        );
        self.run()
    }
}

fn flow(index: u32) -> Flow {
    let address = |last: u32| format!("192.0.2.{last}:5060").parse().unwrap();
    Flow::new(
        FlowId::from_parts(index, 0),
        TransportKind::Udp,
        address(1),
        address(index + 2),
    )
}

fn credentials(did: &Did) -> Vec<(String, String, String)> {
    let Did::Sent(_, request) = did else {
        panic!("not sent but {did:?}")
    };
    let text = |value: Option<std::borrow::Cow<'_, str>>| {
        value.map(std::borrow::Cow::into_owned).unwrap_or_default()
    };
    request
        .headers()
        .typed_all::<Authorization<'_>>()
        .map(|credentials| credentials.unwrap())
        .map(|credentials| {
            (
                text(credentials.param("algorithm")),
                text(credentials.param("nc")),
                text(credentials.param("response")),
            )
        })
        .collect()
}

fn final_status(did: &Did) -> u16 {
    match did {
        Did::Told(Event::Responded { response, .. }) => response.status().as_u16(),
        other => panic!("no final response but {other:?}"),
    }
}

const MD5: &str = r#"Digest realm="example.com", nonce="n1", qop="auth", algorithm=MD5"#;
const SHA256: &str =
    r#"Digest realm="example.com", nonce="n2", qop="auth", algorithm=SHA-256, opaque="o""#;
const UNKNOWN: &str = r#"Digest realm="example.com", nonce="n3", algorithm=SHA-3"#;

#[test]
fn rfc3261_22_2_a_challenge_is_answered_with_the_next_cseq() {
    let mut agent = Agent::new();
    let first = agent.register();
    assert!(credentials(&first).is_empty());
    let second = agent.respond(first, StatusCode::UNAUTHORIZED, &[MD5]);
    let Did::Sent(_, request) = &second else {
        panic!("{second:?}")
    };
    assert_eq!(request.headers().cseq(), Some((8, Method::Register)));
    assert_eq!(request.headers().call_id(), Some("call"));
    assert_eq!(request.headers().from_tag(), Some("1"));
    assert_eq!(credentials(&second)[0].1, "00000001");
    assert_eq!(
        final_status(&agent.respond(second, StatusCode::OK, &[])),
        200
    );
}

#[test]
fn rfc8760_2_4_the_strongest_known_algorithm_is_used() {
    for challenges in [[MD5, SHA256, UNKNOWN], [UNKNOWN, SHA256, MD5]] {
        let mut agent = Agent::new();
        let first = agent.register();
        let second = agent.respond(first, StatusCode::UNAUTHORIZED, &challenges);
        let sent = credentials(&second);
        assert_eq!(
            (sent.len(), sent[0].0.as_str(), sent[0].2.len()),
            (1, "SHA-256", 64)
        );
    }
}

#[test]
fn rfc7616_3_3_a_nonce_is_used_again_with_the_next_count() {
    let mut agent = Agent::new();
    let first = agent.register();
    let second = agent.respond(first, StatusCode::UNAUTHORIZED, &[SHA256]);
    agent.respond(second, StatusCode::OK, &[]);
    let refresh = agent.register();
    assert_eq!(credentials(&refresh)[0].1, "00000002");
    // The server has forgotten the nonce: that is no wrong password, also when it does not say stale.
    let again = agent.respond(refresh, StatusCode::UNAUTHORIZED, &[MD5]);
    assert_eq!(
        (
            credentials(&again)[0].0.as_str(),
            credentials(&again)[0].1.as_str()
        ),
        ("MD5", "00000001")
    );
    assert_eq!(
        final_status(&agent.respond(again, StatusCode::OK, &[])),
        200
    );
}

#[test]
fn rfc3261_22_1_credentials_that_were_refused_are_not_sent_again() {
    let mut agent = Agent::new();
    let first = agent.register();
    let second = agent.respond(first, StatusCode::UNAUTHORIZED, &[MD5]);
    assert_eq!(
        final_status(&agent.respond(second, StatusCode::UNAUTHORIZED, &[SHA256])),
        401
    );
    // Nor are they sent with the next request.
    assert!(credentials(&agent.register()).is_empty());
}

#[test]
fn rfc7616_3_3_a_stale_nonce_is_replaced() {
    let mut agent = Agent::new();
    let first = agent.register();
    let second = agent.respond(first, StatusCode::UNAUTHORIZED, &[MD5]);
    let stale = r#"Digest realm="example.com", nonce="n4", qop="auth", stale=TRUE, algorithm=MD5"#;
    let third = agent.respond(second, StatusCode::UNAUTHORIZED, &[stale]);
    assert_eq!(credentials(&third)[0].1, "00000001");
    assert_eq!(
        final_status(&agent.respond(third, StatusCode::OK, &[])),
        200
    );
}

#[test]
fn a_server_that_never_stops_saying_stale_is_given_up() {
    let mut agent = Agent::new();
    let stale = r#"Digest realm="example.com", nonce="n", qop="auth", stale=true"#;
    let mut did = agent.register();
    for _ in 0..20 {
        did = agent.respond(did, StatusCode::UNAUTHORIZED, &[stale]);
        if matches!(did, Did::Told(_)) {
            break;
        }
    }
    assert_eq!(final_status(&did), 401);
}

#[test]
fn without_credentials_the_challenge_is_the_answer() {
    let mut agent = Agent::new();
    agent.password = "";
    let first = agent.register();
    assert_eq!(
        final_status(&agent.respond(first, StatusCode::UNAUTHORIZED, &[MD5])),
        401
    );
    let first = agent.register();
    assert_eq!(
        final_status(&agent.respond(first, StatusCode::UNAUTHORIZED, &[UNKNOWN])),
        401
    );
    assert_eq!(agent.dialogs.request_count(), 0);
}

#[test]
fn rfc3263_4_3_the_next_flow_is_tried_when_one_fails_or_is_unavailable() {
    let mut agent = Agent::new();
    agent.flows = 3;
    let first = agent.register();
    let second = agent.fail(first);
    let third = agent.respond(second, StatusCode::SERVICE_UNAVAILABLE, &[]);
    assert!(matches!(third, Did::Sent(..)), "{third:?}");
    // The last one's 503 is the answer.
    assert_eq!(
        final_status(&agent.respond(third, StatusCode::SERVICE_UNAVAILABLE, &[])),
        503
    );
}

#[test]
fn without_a_flow_the_request_fails_with_its_reason() {
    let mut agent = Agent::new();
    agent.flows = 0;
    let did = agent.register();
    let Did::Told(Event::Failed { cause, .. }) = did else {
        panic!("{did:?}")
    };
    assert_eq!(cause, FailureCause::NoFlow(SelectError::NoRoute));
    assert_eq!(agent.dialogs.request_count(), 0);
}
