use super::*;
use crate::transports::FlowTokenError;

#[test]
fn rfc5626_5_2_a_token_leads_back_to_its_flow() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP 192.0.2.9:40000;branch=z9hG4bK1;rport";
    let udp = flow_of(&bench.datagram(PEER, request(via, "OPTIONS", "")));
    let (connection, _) = bench.accept(1, PEER);
    let tcp = flow_of(&bench.stream(connection, options()));
    for flow in [udp, tcp] {
        let token = bench.transports.flow_token(flow.id).unwrap();
        // RFC 3261 §25.1: only what a user part may hold without escapes.
        assert!(
            token.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{token}"
        );
        assert_eq!(bench.transports.flow_of_token(&token, bench.now), Ok(flow));
        let upper = token.to_uppercase();
        assert_eq!(bench.transports.flow_of_token(&upper, bench.now), Ok(flow));
    }
    assert_eq!(bench.transports.flow_token(FlowId::from_parts(99, 1)), None);
}

#[test]
fn rfc5626_5_2_a_token_cannot_be_modified() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP 192.0.2.9:40000;branch=z9hG4bK1;rport";
    let flow = flow_of(&bench.datagram(PEER, request(via, "OPTIONS", "")));
    let token = bench.transports.flow_token(flow.id).unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            bench.transports.flow_of_token(&changed, bench.now),
            Err(FlowTokenError::Forged),
            "{changed}"
        );
    }
    for wrong in [
        "",
        "a",
        "00",
        "zz",
        &token[2..],
        &token[..token.len() - 2],
        &"0".repeat(5000),
    ] {
        assert_eq!(
            bench.transports.flow_of_token(wrong, bench.now),
            Err(FlowTokenError::Forged)
        );
    }
    // Another server has another key.
    let mut other = Transports::new(TransportConfig::default(), Seed::from_bytes([10; 32]));
    assert_eq!(
        other.flow_of_token(&token, bench.now),
        Err(FlowTokenError::Forged)
    );
}

#[test]
fn rfc5626_5_2_the_token_of_a_connection_cannot_be_modified() {
    let mut bench = Bench::new();
    let flows = [(1, PEER), (2, "192.0.2.9:40001")].map(|(number, from)| {
        let (connection, _) = bench.accept(number, from);
        flow_of(&bench.stream(connection, options()))
    });
    let tokens = flows.map(|flow| bench.transports.flow_token(flow.id).unwrap());
    for (token, flow) in tokens.iter().zip(flows) {
        assert_eq!(
            bench.transports.flow_token(flow.id).as_ref(),
            Some(token),
            "asked for again"
        );
        assert_eq!(bench.transports.flow_of_token(token, bench.now), Ok(flow));
        assert_eq!(
            bench.transports.read_flow_token(token).map(|read| read.id),
            Ok(flow.id)
        );
        let changed = (0..token.len()).map(|at| {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            String::from_utf8(changed).unwrap()
        });
        let others = [
            token[2..].to_owned(),
            token[..token.len() - 2].to_owned(),
            format!("00{token}"),
            format!("{token}00"),
            // What the one says, and whom the other names.
            tokens[0][..token.len() - 16].to_owned() + &tokens[1][token.len() - 16..],
        ];
        for wrong in changed.chain(others) {
            assert_eq!(
                bench.transports.flow_of_token(&wrong, bench.now),
                Err(FlowTokenError::Forged),
                "{wrong}"
            );
        }
    }
}

#[test]
fn rfc5626_5_3_the_token_of_a_connection_ends_with_it() {
    let mut bench = Bench::new();
    let (connection, _) = bench.accept(1, PEER);
    let flow = flow_of(&bench.stream(connection, options()));
    let token = bench.transports.flow_token(flow.id).unwrap();
    bench.input(Input::Closed {
        connection,
        error: None,
    });
    assert_eq!(
        bench.transports.flow_of_token(&token, bench.now),
        Err(FlowTokenError::Gone)
    );
    // The next connection from the same address is another flow.
    let (connection, _) = bench.accept(2, PEER);
    bench.stream(connection, options());
    assert_eq!(
        bench.transports.flow_of_token(&token, bench.now),
        Err(FlowTokenError::Gone)
    );
}

#[test]
fn a_token_of_udp_outlives_a_restart_with_its_key() {
    let start = || Bench::with(|config| config.flow_token_key = Some([3; 32]));
    let mut bench = start();
    let via = "SIP/2.0/UDP 192.0.2.9:40000;branch=z9hG4bK1;rport";
    let flow = flow_of(&bench.datagram(PEER, request(via, "OPTIONS", "")));
    let token = bench.transports.flow_token(flow.id).unwrap();
    let mut bench = start();
    let again = bench.transports.flow_of_token(&token, bench.now).unwrap();
    assert_eq!((again.local, again.remote), (flow.local, flow.remote));
    bench.transports.remove_listener(UDP, bench.now);
    assert_eq!(
        bench.transports.flow_of_token(&token, bench.now),
        Err(FlowTokenError::Gone)
    );
}
