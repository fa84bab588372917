//! Whole calls between two user agents.

use std::{
    collections::VecDeque,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use sip_dialog::{Body, DialogConfig, Dialogs, Event, InviteRequest, Output};
use sip_message::{Message, ParserConfig, StatusCode, Uri};
use sip_transaction::{Input, Output as Down, TransactionConfig, Transactions};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

use crate::Case;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub(crate) fn cases() -> Vec<Case> {
    vec![call()]
}

struct Agent {
    layer: Transactions,
    dialogs: Dialogs,
    uri: Uri,
    flow: Flow,
    calls: u64,
}

impl Agent {
    fn new(own: u8, other: u8) -> Self {
        let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
        Self {
            layer: Transactions::new(TransactionConfig::default(), Seed::from_bytes([own; 32])),
            dialogs: Dialogs::new(DialogConfig::default(), Seed::from_bytes([own + 10; 32])),
            uri: Uri::parse(&format!("sip:agent@192.0.2.{own}:5060")).expect("a URI"),
            flow: Flow::new(
                FlowId::from_parts(0, 1),
                TransportKind::Udp,
                address(own),
                address(other),
            ),
            calls: 0,
        }
    }

    fn arrive(&mut self, payload: Bytes, now: Instant) {
        let message =
            Message::parse(payload, &ParserConfig::default()).expect("what is sent is valid");
        self.layer.handle_input(
            Input::Message {
                message,
                flow: self.flow,
                reply: self.flow,
            },
            now,
        );
    }

    /// One step: what it sent, if anything; `None` when it is at rest.
    fn step(&mut self, now: Instant) -> Option<Option<Bytes>> {
        if let Some(output) = self.layer.poll_output() {
            return Some(match output {
                Down::Transmit { payload, .. } => Some(payload),
                Down::Event(event) => {
                    black_box(self.dialogs.handle_input(event, &mut self.layer, now));
                    None
                }
            });
        }
        match self.dialogs.poll_output()? {
            Output::SelectFlow { token, .. } => {
                self.dialogs
                    .flow_selected(token, Ok(vec![self.flow]), &mut self.layer, now)
            }
            Output::Authenticate { token, .. } => {
                self.dialogs.credentials(token, None, &mut self.layer, now)
            }
            Output::Event(Event::Incoming { session, .. }) => {
                self.dialogs
                    .ring(session, StatusCode::RINGING, None, &mut self.layer, now)
                    .expect("it rings");
                self.dialogs
                    .accept(session, Some(Body::sdp(SDP)), &mut self.layer, now)
                    .expect("it rings");
            }
            // The caller hangs up once it has been answered.
            Output::Event(Event::Accepted { session, .. }) => {
                self.dialogs.end(session, &mut self.layer, now)
            }
            Output::Event(Event::Ended { .. }) => self.calls += 1,
            Output::Event(_) => {}
        }
        Some(None)
    }
}

/// INVITE, 180, 200, ACK, BYE, 200, and the last timers of both sides.
fn call() -> Case {
    let mut agents = [Agent::new(1, 2), Agent::new(2, 1)];
    let mut now = Instant::now();
    let mut expected = 0;
    Case::new("dialog/call", move || {
        let (from, to) = (agents[0].uri.clone(), agents[1].uri.clone());
        let mut invite = InviteRequest::new(to.clone(), from.clone(), to, from);
        invite.body = Some(Body::sdp(SDP));
        let [caller, _] = &mut agents;
        caller.dialogs.invite(invite, &mut caller.layer, now);
        loop {
            deliver(&mut agents, now);
            let deadlines = agents
                .iter()
                .flat_map(|agent| [agent.layer.poll_timeout(), agent.dialogs.poll_timeout()]);
            let Some(at) = deadlines.flatten().min() else {
                break;
            };
            now = now.max(at);
            for agent in &mut agents {
                agent.layer.handle_timeout(now);
                agent.dialogs.handle_timeout(&mut agent.layer, now);
            }
        }
        expected += 1;
        assert!(
            agents.iter().all(|agent| agent.calls == expected),
            "each call is set up and ends on both sides"
        );
    })
}

/// A network without loss or delay.
fn deliver(agents: &mut [Agent; 2], now: Instant) {
    let mut under_way: VecDeque<(usize, Bytes)> = VecDeque::new();
    loop {
        let mut rests = true;
        for (side, agent) in agents.iter_mut().enumerate() {
            while let Some(sent) = agent.step(now) {
                rests = false;
                under_way.extend(sent.map(|payload| (1 - side, payload)));
            }
        }
        while let Some((to, payload)) = under_way.pop_front() {
            rests = false;
            agents[to].arrive(payload, now);
        }
        if rests {
            return;
        }
    }
}
