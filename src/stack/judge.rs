//! The judge of all that leaves, in tests: debug builds with the feature `__judge`, which no build but that of the tests has.
//! `SIP_JUDGE=0` dismisses it.
//!
//! A message that must not leave ends the process, with what is wrong with it and the name of the thread, which for most
//! tests is that of the test: a panic would end a task of the runtime and no test.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;

use sip_message::{BoxedMessage, Message, ParserConfig, Response};
use sip_transport::{Output, TransportKind, judge};

/// How many responses of others are remembered.
const PASSED: usize = 4096;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Judge {
    hash: RandomState,
    /// Responses that came: what is about their content is not ours when they go on.
    passed: HashSet<u64>,
    is_off: bool,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            hash: RandomState::new(),
            passed: HashSet::new(),
            is_off: !cfg!(debug_assertions)
                || std::env::var_os("SIP_JUDGE").is_some_and(|value| value == "0"),
        }
    }
}

impl Judge {
    /// From now on everything may leave.
    pub(super) const fn dismiss(&mut self) {
        self.is_off = true;
    }

    /// A message came, which may go on to others.
    pub(super) fn arrived(&mut self, message: &BoxedMessage) {
        if self.is_off {
            return;
        }
        if let BoxedMessage::Response(response) = message {
            if self.passed.len() == PASSED {
                self.passed.clear();
            }
            self.passed.insert(self.name(response));
        }
    }

    /// A message is about to leave.
    pub(super) fn leaves(&self, output: &Output) {
        // Over a stream the judge wants what every stream needs.
        let (payload, kind) = match output {
            Output::Datagram { payload, .. } => (payload, TransportKind::Udp),
            Output::Stream { payload, .. } => (payload, TransportKind::Tcp),
            _ => return,
        };
        // RFC 8489 §5: the two first bits of a STUN message are zero.
        if self.is_off || payload.first().is_some_and(|byte| *byte < 4) {
            return;
        }
        let message = Message::parse(payload.clone(), &ParserConfig::default());
        let is_ours = match &message {
            Ok(Message::Request(request)) => {
                let mut vias = request.headers().values(sip_message::HeaderName::Via);
                vias.nth(1).is_none()
            }
            Ok(Message::Response(response)) => !self.passed.contains(&self.name(response)),
            Err(_) => true,
        };
        let faults = if is_ours {
            judge::faults_of_our_own(payload, kind)
        } else {
            judge::faults_of_hop(payload, kind)
        };
        if faults.is_empty() {
            return;
        }
        let thread = std::thread::current();
        // Not by a macro, whose output the test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "a message that must not leave (thread {}): {faults:?}\n{}",
            thread.name().unwrap_or_default(),
            String::from_utf8_lossy(payload)
        );
        std::process::abort();
    }

    fn name(&self, response: &Response) -> u64 {
        let headers = response.headers();
        let number = headers.cseq().map(|(number, _)| number);
        let status = response.status().as_u16();
        self.hash
            .hash_one((headers.call_id(), headers.to_tag(), number, status))
    }
}

impl super::Stack {
    /// What leaves from now on is not judged: for a test that wants to see something wrong leave.
    pub fn danger_dismiss_judge(&mut self) {
        self.judge.dismiss();
    }
}
