//! A telephone for the simulated network: transactions and dialogs, flows by address, and a log of what it was told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use sip_dialog::{
    Body, Credential, DialogConfig, Dialogs, EndCause, Event, InviteRequest, Output, RejectCause,
    SessionId,
};
use sip_message::{Message, ParserConfig, StatusCode, Uri};
use sip_testkit::{Node, Packet, seed_of};
use sip_transaction::{Input, Output as TransactionOutput, TransactionConfig, Transactions};
use sip_transport::{Flow, FlowId, TransportKind};

/// What a telephone does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Rings and answers at once.
    Answers,
    /// Rings and waits.
    Rings,
    /// Refuses.
    Busy,
}

pub(crate) struct Phone {
    addr: SocketAddr,
    pub(crate) transactions: Transactions,
    pub(crate) dialogs: Dialogs,
    flows: Vec<SocketAddr>,
    packets: VecDeque<Packet>,
    pub(crate) manner: Manner,
    pub(crate) sessions: Vec<SessionId>,
    pub(crate) log: Vec<String>,
}

impl Phone {
    pub(crate) fn new(addr: &str, manner: Manner, seed: u64) -> Self {
        Self::with(addr, manner, seed, |_| {})
    }

    pub(crate) fn with(
        addr: &str,
        manner: Manner,
        seed: u64,
        configure: impl FnOnce(&mut DialogConfig),
    ) -> Self {
        let mut config = DialogConfig::default();
        configure(&mut config);
        let addr: SocketAddr = addr.parse().unwrap();
        Self {
            addr,
            transactions: Transactions::new(
                TransactionConfig::default(),
                seed_of(seed, addr.to_string().as_str()),
            ),
            dialogs: Dialogs::new(config, seed_of(seed, &format!("dialogs {addr}"))),
            flows: Vec::new(),
            packets: VecDeque::new(),
            manner,
            sessions: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(crate) fn uri(&self) -> Uri {
        Uri::parse(&format!("sip:{}", self.addr)).unwrap()
    }

    pub(crate) fn call(&mut self, to: &str, now: Instant) -> SessionId {
        let to = Uri::parse(to).unwrap();
        let mut invite = InviteRequest::new(to.clone(), self.uri(), to, self.uri());
        invite.body = Some(Body::sdp("offer"));
        let session = self.dialogs.invite(invite, &mut self.transactions, now);
        self.sessions.push(session);
        self.settle(now);
        session
    }

    /// Does something with the dialog layer, and lets it take effect.
    pub(crate) fn act<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Dialogs, SessionId, &mut Transactions) -> T,
    ) -> T {
        let session = *self.sessions.last().unwrap();
        let result = act(&mut self.dialogs, session, &mut self.transactions);
        self.settle(now);
        result
    }

    fn flow(&mut self, remote: SocketAddr) -> Flow {
        let index = self
            .flows
            .iter()
            .position(|known| *known == remote)
            .unwrap_or_else(|| {
                self.flows.push(remote);
                self.flows.len() - 1
            });
        Flow::new(
            FlowId::from_parts(u32::try_from(index).unwrap(), 0),
            TransportKind::Udp,
            self.addr,
            remote,
        )
    }

    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.transactions.poll_output() {
                match output {
                    TransactionOutput::Transmit { flow, payload } => {
                        let to = (0..self.flows.len())
                            .find(|n| FlowId::from_parts(*n as u32, 0) == flow)
                            .unwrap();
                        self.packets.push_back(Packet::datagram(
                            self.addr,
                            self.flows[to],
                            payload,
                        ));
                    }
                    TransactionOutput::Event(event) => {
                        let event = self
                            .dialogs
                            .handle_input(event, &mut self.transactions, now);
                        if let Some(sip_transaction::Event::Request { id, request, .. }) = event {
                            let response = sip_message::Response::to(
                                &request,
                                StatusCode::CALL_DOES_NOT_EXIST,
                            )
                            .build()
                            .unwrap();
                            sip_transaction::TransactionLayer::respond(
                                &mut self.transactions,
                                id,
                                &response,
                                now,
                            )
                            .unwrap();
                        }
                    }
                }
            } else if let Some(output) = self.dialogs.poll_output() {
                match output {
                    Output::SelectFlow {
                        token, next_hop, ..
                    } => {
                        let remote = format!(
                            "{}:{}",
                            next_hop.as_ref().host_str().unwrap(),
                            next_hop.as_ref().port().unwrap_or(5060)
                        );
                        let flow = self.flow(remote.parse().unwrap());
                        self.dialogs.flow_selected(
                            token,
                            Ok(vec![flow]),
                            &mut self.transactions,
                            now,
                        );
                    }
                    Output::Authenticate { token, .. } => {
                        self.dialogs.credentials(
                            token,
                            Some(Credential::new("alice", "secret")),
                            &mut self.transactions,
                            now,
                        );
                    }
                    Output::Event(event) => self.told(event, now),
                }
            } else {
                return;
            }
        }
    }

    fn told(&mut self, event: Event, now: Instant) {
        let line = match &event {
            Event::Incoming { session, .. } => {
                self.sessions.push(*session);
                match self.manner {
                    Manner::Answers | Manner::Rings => {
                        self.dialogs
                            .ring(
                                *session,
                                StatusCode::RINGING,
                                None,
                                &mut self.transactions,
                                now,
                            )
                            .unwrap();
                        if self.manner == Manner::Answers {
                            self.dialogs
                                .accept(
                                    *session,
                                    Some(Body::sdp("answer")),
                                    &mut self.transactions,
                                    now,
                                )
                                .unwrap();
                        }
                    }
                    Manner::Busy => {
                        self.dialogs
                            .reject(
                                *session,
                                StatusCode::BUSY_HERE,
                                &[],
                                &mut self.transactions,
                                now,
                            )
                            .unwrap();
                    }
                }
                "incoming".to_owned()
            }
            Event::Progress { status, .. } => format!("progress {}", status.as_u16()),
            Event::Accepted { body, .. } => format!("accepted {}", text(body.as_ref())),
            Event::Rejected {
                cause: RejectCause::Response(response),
                ..
            } => format!("rejected {}", response.status().as_u16()),
            Event::Rejected {
                cause: RejectCause::Failed(cause),
                ..
            } => format!("failed: {cause}"),
            Event::Confirmed { .. } => "confirmed".to_owned(),
            Event::ReInvite { body, session } => {
                self.dialogs
                    .accept_reinvite(
                        *session,
                        Some(Body::sdp("again")),
                        &mut self.transactions,
                        now,
                    )
                    .unwrap();
                format!("re-invite {}", text(body.as_ref()))
            }
            // It does as it is told, and says how far it gets.
            Event::Referred {
                referral, request, ..
            } => {
                let t = &mut self.transactions;
                self.dialogs.accept_referral(*referral, t, now).unwrap();
                let uri = Uri::parse(&format!("sip:{}", self.addr)).unwrap();
                let mut invite = InviteRequest::referred(request, uri.clone(), uri).unwrap();
                invite.body = Some(Body::sdp("offer"));
                let session = self.dialogs.invite(invite, t, now);
                self.dialogs.carry_out(*referral, session);
                self.sessions.push(session);
                "referred".to_owned()
            }
            Event::ReferAccepted { .. } => "refer accepted".to_owned(),
            Event::Notified { body, .. } => {
                let status = body.as_ref().and_then(Body::sipfrag_status);
                format!("told {:?}", status.map(StatusCode::as_u16))
            }
            Event::SubscriptionEnded { .. } => "subscription over".to_owned(),
            Event::Ended { cause, .. } => match cause {
                EndCause::Local => "ended".to_owned(),
                other => format!("ended: {other:?}"),
            },
            other => format!("{other:?}"),
        };
        self.log.push(line);
    }
}

fn text(body: Option<&Body>) -> String {
    body.map_or_else(
        || "-".to_owned(),
        |body| String::from_utf8_lossy(&body.content).into_owned(),
    )
}

impl Node for Phone {
    fn handle_packet(&mut self, packet: Packet, now: Instant) {
        let message = Message::parse(packet.payload, &ParserConfig::default()).unwrap();
        let flow = self.flow(packet.from);
        self.transactions.handle_input(
            Input::Message {
                message: message.into(),
                flow,
                reply: flow,
            },
            now,
        );
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.dialogs.handle_timeout(&mut self.transactions, now);
        self.settle(now);
    }

    fn poll_packet(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [
            self.transactions.poll_timeout(),
            self.dialogs.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
