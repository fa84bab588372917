use sip_message::{Message, ParserConfig};

use super::*;

fn place(worker: u16, workers: u16) -> Place {
    Place {
        worker,
        workers,
        packages: vec!["reg".into()],
        run: 0x5a5a_5a5a,
    }
}

fn message(start: &str, fields: &str) -> Message {
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKw0002qk5zr0x6d1p8v9m2c7h4j3f1na\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:a@h>;tag=2\r\nCall-ID: x\r\nCSeq: 1 SUBSCRIBE\r\n{fields}Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.into(), &ParserConfig::default()).unwrap()
}

#[test]
fn a_flow_of_another_worker_has_an_id_of_its_own() {
    let id = FlowId::from_parts(7, 3);
    let wide = widen(id, 2).unwrap();
    assert_ne!(wide, id);
    assert_eq!(narrow(wide), Some((2, id)));
    assert_eq!(narrow(id), None, "one of this worker");
    let last = FlowId::from_parts((1 << INDEX_BITS) - 1, 9);
    let wide = widen(last, MAX_WORKERS - 1).unwrap();
    assert_eq!(narrow(wide), Some((MAX_WORKERS - 1, last)));
    assert_eq!(widen(FlowId::from_parts(1 << INDEX_BITS, 0), 0), None);
    assert_eq!(narrow(FlowId::from_parts(u32::MAX, u32::MAX)), None);
}

#[test]
fn a_response_is_of_the_worker_that_its_branch_names() {
    let Message::Response(response) = message("SIP/2.0 200 OK", "") else {
        panic!("a response")
    };
    assert_eq!(place(0, 4).owner_of_response(&response), Some(2));
    // Of a time when there were more workers: a stray one, wherever it is.
    assert_eq!(place(0, 2).owner_of_response(&response), None);
}

#[test]
fn the_notifier_is_asked_for_the_packages_that_it_serves_and_no_others() {
    let owner = |fields: &str| {
        let Message::Request(request) = message("SUBSCRIBE sip:a@h SIP/2.0", fields) else {
            panic!("a request")
        };
        place(3, 4).owner_of_subscription(&request)
    };
    assert_eq!(owner("Event: reg\r\n"), Some(0));
    assert_eq!(owner("o: REG;id=7\r\n"), Some(0));
    assert_eq!(owner("Event: presence\r\n"), None);
    assert_eq!(owner(""), None);
}

#[test]
fn a_token_of_an_earlier_run_names_no_flow() {
    let (now, mut later) = (place(0, 2), place(0, 2));
    later.run = 1;
    let wide = widen(FlowId::from_parts(7, 3), 1).unwrap();
    assert_eq!(now.stamp(now.stamp(wide)), wide);
    assert_ne!(later.stamp(now.stamp(wide)), wide);
}

#[test]
fn who_sends_over_a_connection_learns_that_the_queue_was_full() {
    let flow = FlowId::from_parts(7, 3);
    let send = Handed(Box::new(Work::Send {
        flow,
        payload: Bytes::new(),
        asked: None,
        from: 0,
    }));
    match send.lost(1).map(|lost| *lost.0) {
        Some(Work::Failed { flow: lost }) => assert_eq!(narrow(lost), Some((1, flow))),
        other => panic!("{other:?}"),
    }
    let ban = Handed(Box::new(Work::Ban {
        address: [192, 0, 2, 1].into(),
        time: Duration::from_secs(1),
    }));
    assert!(ban.lost(1).is_none());
}
