//! The non-INVITE server transaction: RFC 3261 §17.2.2 with the rules of RFC 4320.
//!
//! ```text
//!                                   |Request received
//!                                   |pass to TU
//!                                   V
//!                             +-----------+
//!                             | Trying    |-------------+
//!                             +-----------+             |200-699 from TU
//!                                   |                   |send response
//!                                   |100 from TU        |
//!                                   |send response      |
//!                Request            V      100 from TU  |
//!                send response+-----------+send response|
//!                    +--------|           |--------+    |
//!                    |        | Proceeding|        |    |
//!                    +------->|           |<-------+    |
//!                             +-----------+             |
//!                                   |200-699 from TU    |
//!                                   |send response      |
//!                Request            V                   |
//!                send response+-----------+             |
//!                    +--------| Completed |<------------+
//!                    +------->|           |
//!                             +-----------+
//!                                   |Timer J fires
//!                                   V
//!                             +-----------+
//!                             | Terminated|
//!                             +-----------+
//! ```
//!
//! A flow that fails is told to the TU and changes no state (RFC 6026 §8.8). What RFC 4320 adds: no provisional
//! response but 100, and that one not before a client's Timer E would have reached T2 on unreliable transports, but
//! at that time without being asked; no 408; and nothing at all once the client has given up.

use bytes::Bytes;

use crate::step::{Step, Tell};
use crate::tick::Tick;
use crate::timer::Timing;

#[derive(Debug)]
pub(crate) struct NonInviteServer {
    state: State,
}

#[derive(Debug)]
enum State {
    Trying {
        /// When a 100 is due, and before which none may leave over an unreliable transport (RFC 4320 §4.1).
        trying: Tick,
        /// The 100, or what it is going to be made of.
        response: Box<[u8]>,
        expiry: Tick,
    },
    Proceeding {
        provisional: Bytes,
        expiry: Tick,
    },
    Completed {
        /// None when the TU passed a 408, which is never sent (RFC 4320 §4.2).
        response: Option<Bytes>,
        timer_j: Tick,
    },
    Terminated,
}

impl NonInviteServer {
    /// The request came; the caller passes it to the TU.
    pub(crate) fn new(timing: Timing<'_>, now: Tick) -> Self {
        let expiry = now + timing.t1_64();
        let trying = (now + timing.trying_non_invite()).min(expiry);
        Self {
            state: State::Trying {
                trying,
                response: Box::default(),
                expiry,
            },
        }
    }

    /// Whether a 100 may be needed.
    pub(crate) fn waits_for_trying(&self) -> bool {
        matches!(&self.state, State::Trying { .. })
    }

    /// What the 100 is made of, if it is time for that.
    pub(crate) fn trying_is_due(&self, now: Tick) -> Option<&[u8]> {
        match &self.state {
            State::Trying {
                trying, response, ..
            } if *trying <= now => Some(response),
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => None,
        }
    }

    /// The 100 for the case that the TU is slow, or what it is made of; the 100 has to be given before its timer fires.
    pub(crate) fn keep_trying(&mut self, response: &[u8]) {
        if let State::Trying {
            response: place, ..
        } = &mut self.state
        {
            *place = Box::from(response);
        }
    }

    /// The request came again.
    pub(crate) fn on_request(&mut self) -> Step {
        match &self.state {
            State::Proceeding { provisional, .. } => Step::send(provisional.clone()),
            State::Completed {
                response: Some(response),
                ..
            } => Step::send(response.clone()),
            // RFC 3261 §17.2.2: in Trying, retransmissions are discarded.
            State::Trying { .. } | State::Completed { response: None, .. } | State::Terminated => {
                Step::NOTHING
            }
        }
    }

    /// The TU passes a 100 response.
    pub(crate) fn on_trying(&mut self, response: Bytes, timing: Timing<'_>, now: Tick) -> Step {
        match &mut self.state {
            // RFC 4320 §4.1: too early; the timer will send one if nothing better comes.
            State::Trying { trying, .. } if !timing.reliable && now < *trying => Step::NOTHING,
            State::Trying { expiry, .. } => {
                let expiry = *expiry;
                self.state = State::Proceeding {
                    provisional: response.clone(),
                    expiry,
                };
                Step::send(response)
            }
            State::Proceeding { provisional, .. } => {
                *provisional = response.clone();
                Step::send(response)
            }
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The TU passes a final response other than 408.
    pub(crate) fn on_final(&mut self, response: Bytes, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                let step = Step::send(response.clone());
                if timing.j().is_zero() {
                    self.state = State::Terminated;
                    return step.and_end();
                }
                self.state = State::Completed {
                    response: Some(response),
                    timer_j: now + timing.j(),
                };
                step
            }
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The TU passes a 408: nothing is sent, and retransmissions are absorbed (RFC 4320 §4.2).
    pub(crate) fn on_request_timeout(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                if timing.j().is_zero() {
                    return self.end();
                }
                self.state = State::Completed {
                    response: None,
                    timer_j: now + timing.j(),
                };
                Step::NOTHING
            }
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The client's Timer E has reached T2 without an answer from the TU.
    pub(crate) fn on_timer_trying(&mut self) -> Step {
        match &mut self.state {
            State::Trying {
                expiry, response, ..
            } => {
                let (expiry, response) = (*expiry, Bytes::from(std::mem::take(response)));
                self.state = State::Proceeding {
                    provisional: response.clone(),
                    expiry,
                };
                Step::send(response)
            }
            State::Proceeding { .. } | State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The client has given up: a final response would come too late to be of use.
    pub(crate) fn on_timer_expiry(&mut self) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } => self.end(),
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer J: no more retransmissions of the request are expected.
    pub(crate) fn on_timer_j(&mut self) -> Step {
        match &self.state {
            State::Completed { .. } => self.end(),
            State::Trying { .. } | State::Proceeding { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// Has Timer J fired, after which there is nothing left to do?
    pub(crate) fn is_over(&self, now: Tick) -> bool {
        matches!(&self.state, State::Completed { timer_j, .. } if *timer_j <= now)
    }

    /// The flow that carries the responses failed.
    pub(crate) fn on_flow_failed(&mut self) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } => {
                Step::tell(Tell::FlowFailed)
            }
            State::Terminated => Step::NOTHING,
        }
    }

    /// The one timer that is due, if any; the caller repeats until there is none.
    pub(crate) fn on_deadline(&mut self, now: Tick) -> Step {
        match &self.state {
            State::Trying { expiry, .. } | State::Proceeding { expiry, .. } if *expiry <= now => {
                self.on_timer_expiry()
            }
            State::Trying { trying: at, .. } if *at <= now => self.on_timer_trying(),
            State::Completed { timer_j, .. } if *timer_j <= now => self.on_timer_j(),
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The earliest timer that is running.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Trying { trying, expiry, .. } => Some((*trying).min(*expiry)),
            State::Proceeding { expiry, .. } => Some(*expiry),
            State::Completed { timer_j, .. } => Some(*timer_j),
            State::Terminated => None,
        }
    }

    /// Has it its final response?
    pub(crate) const fn is_completed(&self) -> bool {
        matches!(self.state, State::Completed { .. })
    }

    /// The state by its name in the RFC.
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.state {
            State::Trying { .. } => "Trying",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Terminated => "Terminated",
        }
    }

    fn end(&mut self) -> Step {
        self.state = State::Terminated;
        Step::end()
    }
}

#[cfg(test)]
mod tests;
