//! A reference model of two user agents: what each command does, and what both are told, as a table that knows no message. The real ones
//! run beside it over a network that delivers everything at once; random commands must have the model's results and events.
//!
//! The fuzz target `dialogs` includes this file.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_dialog::{
    Body, DialogConfig, Dialogs, Event, InviteRequest, Output, ReferRequest, RejectCause,
    SessionId, SubscribeRequest, SubscriptionEnd, SubscriptionId, SubscriptionStatus,
};
use sip_message::{Message, ParserConfig, StatusCode, Uri};
use sip_transaction::{Event as Back, Input, Output as Down, TransactionConfig, Transactions};
use sip_transport::{Flow, FlowId, Seed, TransportKind};

/// Runs random commands: two bytes each, what and by whom.
pub(crate) fn run(commands: &[u8], now: Instant) {
    let mut pair = Pair::new(now);
    let mut model = Model::default();
    for (step, command) in commands.chunks_exact(2).take(120).enumerate() {
        let side = usize::from(command[1] & 1);
        // One referral to a side at a time is enough to be told apart from the calls.
        if command[0] % COMMANDS == 8 && model.referrals[1 - side] != Referral::None {
            continue;
        }
        let (expected, lines) = model.apply(command[0] % COMMANDS, side);
        let done = pair.apply(command[0] % COMMANDS, side);
        let mut told = pair.deliver();
        if command[0] % COMMANDS == 0 {
            // RFC 3261 section 17.2.1: 100 comes after 200 ms, and before it a CANCEL would wait.
            let more = pair.pass(Duration::from_millis(250));
            for (told, more) in told.iter_mut().zip(more) {
                told.extend(more);
            }
        }
        let what = format!(
            "step {step}: command {} by {side}: {model:?}",
            command[0] % COMMANDS
        );
        if let Some(expected) = expected {
            assert_eq!(done, expected, "{what}");
        }
        for (side, (mut told, mut lines)) in told.into_iter().zip(lines).enumerate() {
            told.sort();
            lines.sort();
            assert_eq!(told, lines, "side {side} is told, {what}");
        }
        assert_eq!(pair.counts(), model.counts(), "{what}");
    }
    pair.finish();
}

const COMMANDS: u8 = 14;

/// What the two are to each other.
#[derive(Debug, Default)]
struct Model {
    call: Call,
    /// The referral that each side was asked for.
    referrals: [Referral; 2],
    /// Whether each side is subscribed to the other.
    subscribed: [bool; 2],
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Call {
    #[default]
    None,
    Ringing {
        caller: usize,
    },
    Up {
        /// Who has offered a change that is not answered.
        offered: Option<usize>,
    },
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Referral {
    #[default]
    None,
    Asked,
    Accepted,
}

type Lines = [Vec<String>; 2];

impl Model {
    /// What a command does: whether it is possible (nothing when it makes no sense to be tried), and what both sides are told.
    fn apply(&mut self, command: u8, side: usize) -> (Option<bool>, Lines) {
        let other = 1 - side;
        let mut lines = Lines::default();
        let mut tell = |side: usize, line: &str| lines[side].push(line.to_owned());
        let rings_here = matches!(self.call, Call::Ringing { caller } if caller == other);
        let possible = match command {
            0 => match self.call {
                Call::None => {
                    self.call = Call::Ringing { caller: side };
                    tell(other, "incoming");
                    Some(true)
                }
                Call::Ringing { .. } | Call::Up { .. } => None,
            },
            1 => {
                // A re-INVITE may take its time as well.
                let changes_here = self.call
                    == Call::Up {
                        offered: Some(other),
                    };
                if rings_here {
                    tell(other, "progress 180");
                } else if changes_here {
                    tell(other, "changing 180");
                }
                Some(rings_here || changes_here)
            }
            2 => {
                if rings_here {
                    tell(other, "accepted");
                    tell(side, "confirmed");
                    self.call = Call::Up { offered: None };
                }
                Some(rings_here)
            }
            3 => {
                if rings_here {
                    tell(side, "ended");
                    tell(other, "rejected 486");
                    self.call = Call::None;
                }
                Some(rings_here)
            }
            4 => {
                match self.call {
                    Call::None => {}
                    Call::Ringing { caller } => {
                        let (ours, theirs) = if caller == side {
                            ("rejected 487", "ended")
                        } else {
                            ("ended", "rejected 480")
                        };
                        tell(side, ours);
                        tell(other, theirs);
                    }
                    Call::Up { .. } => {
                        tell(side, "ended");
                        tell(other, "ended");
                    }
                }
                self.call = Call::None;
                None
            }
            5 => {
                let possible = self.call == Call::Up { offered: None };
                if possible {
                    tell(other, "change");
                    self.call = Call::Up {
                        offered: Some(side),
                    };
                }
                Some(possible)
            }
            6 | 7 => {
                let possible = self.call
                    == Call::Up {
                        offered: Some(other),
                    };
                if possible {
                    self.call = Call::Up { offered: None };
                    if command == 6 {
                        tell(other, "changed");
                        tell(side, "confirmed");
                    } else {
                        tell(other, "refused 488");
                    }
                }
                Some(possible)
            }
            8 => {
                let possible = matches!(self.call, Call::Up { .. });
                if possible {
                    tell(other, "referred");
                    self.referrals[other] = Referral::Asked;
                }
                Some(possible)
            }
            9 | 10 => {
                let possible = self.referrals[side] == Referral::Asked;
                if possible && command == 9 {
                    tell(other, "refer accepted");
                    tell(other, "notified 100");
                    self.referrals[side] = Referral::Accepted;
                } else if possible {
                    tell(other, "subscription refused 603");
                    self.referrals[side] = Referral::None;
                }
                Some(possible)
            }
            11 | 12 => {
                let possible = self.referrals[side] == Referral::Accepted;
                if possible && command == 11 {
                    tell(other, "notified 180");
                } else if possible {
                    tell(other, "notified 200");
                    tell(other, "subscription over");
                    tell(side, "subscription over");
                    self.referrals[side] = Referral::None;
                }
                Some(possible)
            }
            _ => {
                let subscribed = &mut self.subscribed[side];
                *subscribed = !*subscribed;
                if *subscribed {
                    tell(other, "subscribing");
                    tell(side, "notified");
                } else {
                    tell(side, "notified");
                    tell(side, "subscription over");
                    tell(other, "subscription over");
                }
                Some(true)
            }
        };
        (possible, lines)
    }

    /// Sessions and subscriptions of each side.
    fn counts(&self) -> [(usize, usize); 2] {
        let sessions = usize::from(self.call != Call::None);
        let referrals = self
            .referrals
            .iter()
            .filter(|referral| **referral != Referral::None)
            .count();
        let subscriptions = self.subscribed.iter().filter(|on| **on).count();
        [(sessions, referrals + subscriptions); 2]
    }
}

/// A real one.
struct Agent {
    layer: Transactions,
    dialogs: Dialogs,
    number: u8,
    session: Option<SessionId>,
    referral: Option<SubscriptionId>,
    subscription: Option<SubscriptionId>,
    told: Vec<String>,
}

struct Pair {
    agents: [Agent; 2],
    now: Instant,
    network: VecDeque<(usize, Bytes)>,
}

impl Agent {
    fn new(number: u8) -> Self {
        let mut config = DialogConfig::default();
        config.refer = true;
        config.event_packages = vec!["presence".to_owned()];
        Self {
            layer: Transactions::new(TransactionConfig::default(), Seed::from_bytes([number; 32])),
            dialogs: Dialogs::new(config, Seed::from_bytes([number + 10; 32])),
            number,
            session: None,
            referral: None,
            subscription: None,
            told: Vec::new(),
        }
    }

    fn uri(number: u8) -> Uri {
        Uri::parse(&format!("sip:user{number}@192.0.2.{number}:5060")).unwrap()
    }

    fn flow(&self) -> Flow {
        let address = |last: u8| format!("192.0.2.{last}:5060").parse().unwrap();
        Flow::new(
            FlowId::from_parts(0, 1),
            TransportKind::Udp,
            address(self.number),
            address(3 - self.number),
        )
    }

    fn told(&mut self, event: Event, now: Instant) {
        let status = |cause: &RejectCause| match cause {
            RejectCause::Response(response) => response.status().as_u16(),
            RejectCause::Failed(_) => 0,
        };
        let line = match &event {
            Event::Incoming { session, .. } => {
                self.session = Some(*session);
                "incoming".to_owned()
            }
            Event::Progress { status, .. } => format!("progress {}", status.as_u16()),
            Event::Accepted { .. } => "accepted".to_owned(),
            Event::Confirmed { .. } => "confirmed".to_owned(),
            Event::Rejected { cause, .. } => format!("rejected {}", status(cause)),
            Event::Ended { .. } => "ended".to_owned(),
            Event::ReInvite { .. } => "change".to_owned(),
            Event::ReInviteAnswered { .. } => "changed".to_owned(),
            Event::ReInviteProgress { status, .. } => format!("changing {}", status.as_u16()),
            // That a change fell with its session is not told in any order.
            Event::ReInviteRefused { cause, .. } if status(cause) == 487 => return,
            Event::ReInviteRefused { cause, .. } => format!("refused {}", status(cause)),
            Event::Referred { referral, .. } => {
                self.referral = Some(*referral);
                "referred".to_owned()
            }
            Event::ReferAccepted { .. } => "refer accepted".to_owned(),
            Event::Notified { body, .. } => {
                let status = body.as_ref().and_then(Body::sipfrag_status);
                match status {
                    Some(status) => format!("notified {}", status.as_u16()),
                    None => "notified".to_owned(),
                }
            }
            Event::Subscribing { subscription, .. } => {
                let active = SubscriptionStatus::Active;
                self.dialogs
                    .grant(*subscription, active, None, &mut self.layer, now)
                    .unwrap();
                "subscribing".to_owned()
            }
            Event::SubscriptionEnded {
                cause: SubscriptionEnd::Refused(response),
                ..
            } => format!("subscription refused {}", response.status().as_u16()),
            Event::SubscriptionEnded { .. } => "subscription over".to_owned(),
            other => format!("{other:?}"),
        };
        if event.is_end() {
            self.session = None;
        }
        self.told.push(line);
    }
}

impl Pair {
    fn new(now: Instant) -> Self {
        Self {
            agents: [Agent::new(1), Agent::new(2)],
            now,
            network: VecDeque::new(),
        }
    }

    /// Whether it could be done.
    fn apply(&mut self, command: u8, side: usize) -> bool {
        let now = self.now;
        let agent = &mut self.agents[side];
        let (own, other) = (Agent::uri(agent.number), Agent::uri(3 - agent.number));
        let (dialogs, layer) = (&mut agent.dialogs, &mut agent.layer);
        let body = || Some(Body::sdp("v=0\r\n"));
        if command == 0 {
            if agent.session.is_none() {
                let mut invite = InviteRequest::new(other.clone(), own.clone(), other, own);
                invite.body = body();
                agent.session = Some(dialogs.invite(invite, layer, now));
            }
            return true;
        }
        if command >= 13 {
            return match agent.subscription.take() {
                Some(id) => dialogs.unsubscribe(id, layer, now).is_ok(),
                None => {
                    let subscribe =
                        SubscribeRequest::new(other.clone(), own.clone(), other, own, "presence");
                    agent.subscription = Some(dialogs.subscribe(subscribe, layer, now));
                    true
                }
            };
        }
        if (9..=12).contains(&command) {
            let Some(id) = agent.referral else {
                return false;
            };
            return match command {
                9 => dialogs.accept_referral(id, layer, now),
                10 => dialogs.refuse_referral(id, StatusCode::DECLINE, layer, now),
                11 => dialogs.report(id, StatusCode::RINGING, layer, now),
                _ => dialogs.report(id, StatusCode::OK, layer, now),
            }
            .is_ok();
        }
        let Some(id) = agent.session else {
            return false;
        };
        match command {
            1 => dialogs.ring(id, StatusCode::RINGING, None, layer, now),
            2 => dialogs.accept(id, body(), layer, now),
            3 => dialogs.reject(id, StatusCode::BUSY_HERE, &[], layer, now),
            4 => {
                dialogs.end(id, layer, now);
                Ok(())
            }
            5 => dialogs.reinvite(id, body(), layer, now),
            6 => dialogs.accept_reinvite(id, body(), layer, now),
            7 => dialogs.reject_reinvite(id, StatusCode::NOT_ACCEPTABLE_HERE, layer, now),
            _ => {
                let carol = Uri::parse("sip:carol@example.com").unwrap();
                dialogs
                    .refer(id, ReferRequest::new(carol), layer, now)
                    .map(|_| ())
            }
        }
        .is_ok()
    }

    /// Everything takes effect; what both were told.
    fn deliver(&mut self) -> Lines {
        let now = self.now;
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 10_000, "it comes to rest");
            let mut rests = true;
            for side in 0..2 {
                while self.step(side) {
                    rests = false;
                }
            }
            if let Some((to, payload)) = self.network.pop_front() {
                rests = false;
                let message = Message::parse(payload, &ParserConfig::default()).unwrap();
                let agent = &mut self.agents[to];
                let flow = agent.flow();
                agent.layer.handle_input(
                    Input::Message {
                        message: message.into(),
                        flow,
                        reply: flow,
                    },
                    now,
                );
            }
            if rests {
                let [one, two] = &mut self.agents;
                return [std::mem::take(&mut one.told), std::mem::take(&mut two.told)];
            }
        }
    }

    fn step(&mut self, side: usize) -> bool {
        let now = self.now;
        let agent = &mut self.agents[side];
        if let Some(output) = agent.layer.poll_output() {
            match output {
                Down::Transmit { payload, .. } => self.network.push_back((1 - side, payload)),
                Down::Event(event) => {
                    let back = agent.dialogs.handle_input(event, &mut agent.layer, now);
                    let over = matches!(back, None | Some(Back::Terminated { .. }));
                    assert!(over, "all is of a dialog: {back:?}");
                }
            }
            return true;
        }
        match agent.dialogs.poll_output() {
            Some(Output::SelectFlow { token, .. }) => {
                let flow = agent.flow();
                agent
                    .dialogs
                    .flow_selected(token, Ok(vec![flow]), &mut agent.layer, now);
            }
            Some(Output::Authenticate { token, .. }) => {
                agent
                    .dialogs
                    .credentials(token, None, &mut agent.layer, now);
            }
            Some(Output::Event(event)) => agent.told(event, now),
            None => return false,
        }
        true
    }

    fn pass(&mut self, time: Duration) -> Lines {
        self.now += time;
        for agent in &mut self.agents {
            agent.layer.handle_timeout(self.now);
            agent.dialogs.handle_timeout(&mut agent.layer, self.now);
        }
        self.deliver()
    }

    fn counts(&self) -> [(usize, usize); 2] {
        [0, 1].map(|side| {
            let dialogs: &Dialogs = &self.agents[side].dialogs;
            (dialogs.session_count(), dialogs.subscription_count())
        })
    }

    /// Both hang up, and time passes until nothing is left.
    fn finish(&mut self) {
        for side in 0..2 {
            // A referral that is never reported would be refreshed for ever.
            for command in [4, 10, 12] {
                self.apply(command, side);
                self.deliver();
            }
        }
        for _ in 0..2_000 {
            let deadlines = self
                .agents
                .iter()
                .flat_map(|agent| [agent.layer.poll_timeout(), agent.dialogs.poll_timeout()]);
            let Some(at) = deadlines.flatten().min() else {
                break;
            };
            self.now = self.now.max(at);
            for agent in &mut self.agents {
                if let Some(id) = agent.subscription.take() {
                    let _ = agent.dialogs.unsubscribe(id, &mut agent.layer, self.now);
                }
                agent.layer.handle_timeout(self.now);
                agent.dialogs.handle_timeout(&mut agent.layer, self.now);
            }
            self.deliver();
        }
        assert_eq!(self.counts(), [(0, 0); 2], "nothing is left");
        for agent in &self.agents {
            assert_eq!(agent.dialogs.request_count(), 0);
            assert_eq!(agent.layer.client_count() + agent.layer.server_count(), 0);
        }
    }
}
