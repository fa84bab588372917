//! Transfers between user agents (RFC 5589), each of them only through the library's public interface.

use std::time::Duration;

use sip_stack::agent::{
    Account, AgentError, Call, CallEvent, CallOptions, DialEvent, Party, TransferProgress,
    UserAgent,
};
use sip_stack::message::StatusCode;

/// A telephone on a free port, and its address.
async fn phone(user: &str, transfers: bool) -> (UserAgent, String) {
    let agent = UserAgent::builder()
        .account(Account::new(&format!("sip:{user}@127.0.0.1")).unwrap())
        .listen("udp:127.0.0.1:0")
        .unwrap()
        .accept_transfers(transfers)
        .build()
        .await
        .unwrap();
    let address = format!("sip:{user}@{}", agent.addresses()[0].addr);
    (agent, address)
}

/// Answers the next call.
async fn answer(agent: &UserAgent) -> Call {
    agent.incoming().await.unwrap().accept().await.unwrap()
}

/// What is told of a transfer until it has its outcome.
async fn outcome(call: &mut Call) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let CallEvent::Transfer(progress) = call.event().await else {
            panic!("only the transfer is told of")
        };
        match progress {
            TransferProgress::Accepted => told.push("accepted".to_owned()),
            TransferProgress::Status(status) => {
                told.push(status.as_u16().to_string());
                if status.is_final() {
                    return told;
                }
            }
            TransferProgress::Failed(error) => {
                told.push(error.to_string());
                return told;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn rfc5589_6_a_call_is_transferred_and_its_outcome_told() {
    let ((alice, _), (bob, to_bob), (carol, to_carol)) = (
        phone("alice", false).await,
        phone("bob", true).await,
        phone("carol", false).await,
    );
    let carols = tokio::spawn(async move {
        let mut incoming = carol.incoming().await.unwrap();
        incoming.ring().await.unwrap();
        let from = incoming.from().to_owned();
        let mut call = incoming.accept().await.unwrap();
        let CallEvent::Ended { by } = call.event().await else {
            panic!("nothing else")
        };
        carol.shutdown().await;
        (from, by)
    });
    let bobs = tokio::spawn(async move {
        let mut call = answer(&bob).await;
        let CallEvent::TransferRequested(request) = call.event().await else {
            panic!("a transfer")
        };
        assert_eq!(request.referred_by(), Some("<sip:alice@127.0.0.1>"));
        let mut dialing = request.accept(CallOptions::new()).await.unwrap();
        let next = loop {
            match dialing.event().await {
                DialEvent::Progress { .. } => {}
                DialEvent::Answered(next) => break next,
                other => panic!("{other:?}"),
            }
        };
        // Alice hangs up once she is told.
        let CallEvent::Ended { by: Party::Remote } = call.event().await else {
            panic!("ended by the one who has transferred")
        };
        next.hang_up().await.unwrap();
        bob.shutdown().await;
    });
    let mut call = alice.call(&to_bob).await.unwrap();
    call.transfer(&to_carol).await.unwrap();
    assert_eq!(outcome(&mut call).await, ["accepted", "180", "200"]);
    call.hang_up().await.unwrap();
    bobs.await.unwrap();
    let (from, by) = carols.await.unwrap();
    assert!(from.starts_with("sip:bob@"), "{from}");
    assert_eq!(by, Party::Remote);
    alice.shutdown().await;
}

#[tokio::test]
async fn rfc3515_2_4_a_transfer_that_is_not_wanted_is_refused() {
    // By choice of the user agent (405), of its owner (603), and as the one who is named is busy (486).
    for (accepts, owner, expected) in [
        (false, "", vec!["405 Method Not Allowed"]),
        (true, "refuses", vec!["603 Decline"]),
        (true, "forgets", vec!["603 Decline"]),
        (true, "calls", vec!["accepted", "486"]),
    ] {
        let ((alice, _), (bob, to_bob), (carol, to_carol)) = (
            phone("alice", false).await,
            phone("bob", accepts).await,
            phone("carol", false).await,
        );
        let busy = tokio::spawn(async move {
            if let Some(incoming) = carol.incoming().await {
                incoming.reject(StatusCode::BUSY_HERE).await.unwrap();
            }
        });
        let bobs = tokio::spawn(async move {
            let mut call = answer(&bob).await;
            loop {
                match call.event().await {
                    CallEvent::TransferRequested(request) => match owner {
                        "refuses" => request.reject(StatusCode::DECLINE),
                        "forgets" => drop(request),
                        _ => {
                            let mut dialing = request.accept(CallOptions::new()).await.unwrap();
                            let DialEvent::Failed(AgentError::Refused { status, .. }) =
                                dialing.event().await
                            else {
                                panic!("carol is busy")
                            };
                            assert_eq!(status, StatusCode::BUSY_HERE);
                        }
                    },
                    CallEvent::Ended { by } => break by,
                    other => panic!("{other:?}"),
                }
            }
        });
        let mut call = alice.call(&to_bob).await.unwrap();
        call.transfer(&to_carol).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), outcome(&mut call)).await;
        assert_eq!(told.unwrap(), expected, "{owner}");
        // The call goes on all the same, until it is ended.
        call.hang_up().await.unwrap();
        assert_eq!(bobs.await.unwrap(), Party::Remote);
        busy.abort();
        alice.shutdown().await;
    }
}
