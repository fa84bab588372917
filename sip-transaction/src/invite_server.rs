//! The INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §8.6.
//!
//! ```text
//!                                       |INVITE
//!                                       |pass INV to TU
//!                    INVITE             V send 100 if TU won't in 200 ms
//!                    send response+------------+
//!                        +--------|            |--------+ 101-199 from TU
//!                        |        |            |        | send response
//!                        +------->|            |<-------+
//!                                 | Proceeding |
//!                                 |            |--------+ Transport Err.
//!                                 |            |        | Inform TU
//!                                 |            |<-------+
//!                                 +------------+
//!                    300-699 from TU |    |2xx from TU
//!                    send response   |    |send response
//!                     +--------------+    +------------+
//!    INVITE           V          Timer G fires         |
//!    send response +-----------+ send response         |
//!         +--------|           |--------+              |
//!         +------->| Completed |<-------+      INVITE  |  Transport Err.
//!                  |           |               -       |  Inform TU
//!         +--------|           |----+          +-----+ |  +---+
//!         |        +-----------+    | ACK      |     | v  |   v
//!         +----------+   |          | -        |  +------------+
//!         Transport Err. |          |          |  |            |---+ ACK
//!         Inform TU      |          V          +->|  Accepted  |   | to TU
//!                        |      +-----------+     |            |<--+
//!                        |      | Confirmed |     +------------+
//!          Timer H fires |      +-----------+        |  ^     |
//!          inform TU     |          |                |  +-----+
//!                        |          | Timer I fires  |  2xx from TU
//!                        |          V                |  send response
//!                        |        +------------+     | Timer L fires
//!                        +------->| Terminated |<----+
//!                                 +------------+
//! ```

use bytes::Bytes;

use crate::step::{Step, Tell};
use crate::tick::Tick;
use crate::timer::{Retransmit, Timing};

#[derive(Debug)]
pub(crate) struct InviteServer {
    state: State,
}

#[derive(Debug)]
enum State {
    Proceeding {
        /// The most recent provisional response.
        provisional: Option<Bytes>,
        /// When a 100 is sent, and the header lines that it is made of then, unless the TU has answered before.
        trying: Option<(Tick, Box<[u8]>)>,
    },
    Accepted {
        timer_l: Tick,
    },
    Completed {
        response: Bytes,
        timer_g: Option<Retransmit>,
        timer_h: Tick,
    },
    Confirmed {
        timer_i: Tick,
    },
    Terminated,
}

impl InviteServer {
    /// The INVITE came; the caller passes it to the TU.
    pub(crate) fn new(timing: Timing<'_>, now: Tick) -> Self {
        let trying = Some((now + timing.trying_invite(), Box::default()));
        Self {
            state: State::Proceeding {
                provisional: None,
                trying,
            },
        }
    }

    /// Whether a 100 may be needed.
    pub(crate) fn waits_for_trying(&self) -> bool {
        matches!(
            &self.state,
            State::Proceeding {
                trying: Some(_),
                ..
            }
        )
    }

    /// What is known of the 100 whose timer fires now.
    pub(crate) fn trying_is_due(&self, now: Tick) -> Option<&[u8]> {
        match &self.state {
            State::Proceeding {
                trying: Some((at, kept)),
                ..
            } if *at <= now => Some(kept),
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => None,
        }
    }

    /// The header lines that the 100 is made of for the case that the TU is slow, and then the 100; to be given before its timer
    /// fires.
    pub(crate) fn keep_trying(&mut self, response: &[u8]) {
        if let State::Proceeding {
            trying: Some((_, place)),
            ..
        } = &mut self.state
        {
            *place = Box::from(response);
        }
    }

    /// The INVITE came again.
    pub(crate) fn on_request(&mut self) -> Step {
        match &self.state {
            State::Proceeding {
                provisional: Some(provisional),
                ..
            } => Step::send(provisional.clone()),
            State::Completed { response, .. } => Step::send(response.clone()),
            // RFC 6026 §7.1: absorbed; the owner of the 2xx retransmits it.
            State::Proceeding {
                provisional: None, ..
            }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// An ACK that matches this transaction came.
    pub(crate) fn on_ack(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Completed { .. } => {
                if timing.t4().is_zero() {
                    return self.end();
                }
                self.state = State::Confirmed {
                    timer_i: now + timing.t4(),
                };
                Step::NOTHING
            }
            // RFC 6026 §7.1: passed directly to the TU, not absorbed.
            State::Accepted { .. } => Step::tell(Tell::Ack),
            // An ACK for a response that was never sent, or one more for a response that needs no more.
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The TU passes a 1xx response.
    pub(crate) fn on_provisional(&mut self, response: Bytes) -> Step {
        match &mut self.state {
            State::Proceeding {
                provisional,
                trying,
            } => {
                *trying = None;
                *provisional = Some(response.clone());
                Step::send(response)
            }
            State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The TU passes a 2xx response.
    pub(crate) fn on_success(&mut self, response: Bytes, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Proceeding { .. } => {
                self.state = State::Accepted {
                    timer_l: now + timing.t1_64(),
                };
                Step::send(response)
            }
            State::Accepted { .. } => Step::send(response),
            State::Completed { .. } | State::Confirmed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The TU passes a 3xx to 6xx response.
    pub(crate) fn on_failure(&mut self, response: Bytes, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Proceeding { .. } => {
                let timer_g = if timing.reliable {
                    None
                } else {
                    Retransmit::start(now, timing.t1())
                };
                let step = Step::send(response.clone());
                self.state = State::Completed {
                    response,
                    timer_g,
                    timer_h: now + timing.t1_64(),
                };
                step
            }
            State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// 200 ms without a response from the TU.
    pub(crate) fn on_timer_trying(&mut self) -> Step {
        match &mut self.state {
            State::Proceeding { trying, .. } => match trying.take() {
                Some((_, response)) => self.on_provisional(Bytes::from(response)),
                None => Step::NOTHING,
            },
            State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer G: the response again.
    pub(crate) fn on_timer_g(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &mut self.state {
            State::Completed {
                response, timer_g, ..
            } => {
                let Some(fired) = *timer_g else {
                    return Step::NOTHING;
                };
                *timer_g = Some(fired.next(timing.t2(), now));
                Step::send(response.clone())
            }
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer H: the ACK never came.
    pub(crate) fn on_timer_h(&mut self) -> Step {
        match &self.state {
            State::Completed { .. } => self.end().and_tell(Tell::AckTimedOut),
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer I: no more ACKs are expected.
    pub(crate) fn on_timer_i(&mut self) -> Step {
        match &self.state {
            State::Confirmed { .. } => self.end(),
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Completed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer L: no more retransmissions of the accepted INVITE are expected.
    pub(crate) fn on_timer_l(&mut self) -> Step {
        match &self.state {
            State::Accepted { .. } => self.end(),
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The flow that carries the responses failed.
    pub(crate) fn on_flow_failed(&mut self) -> Step {
        match &self.state {
            // RFC 6026 §7.1: the TU is told, and the state stays so that retransmissions are absorbed.
            State::Proceeding { .. } | State::Accepted { .. } | State::Completed { .. } => {
                Step::tell(Tell::FlowFailed)
            }
            State::Confirmed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The one timer that is due, if any; the caller repeats until there is none.
    pub(crate) fn on_deadline(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Proceeding {
                trying: Some((at, _)),
                ..
            } if *at <= now => self.on_timer_trying(),
            State::Accepted { timer_l } if *timer_l <= now => self.on_timer_l(),
            State::Completed { timer_h, .. } if *timer_h <= now => self.on_timer_h(),
            State::Completed {
                timer_g: Some(timer_g),
                ..
            } if timer_g.at <= now => self.on_timer_g(timing, now),
            State::Confirmed { timer_i } if *timer_i <= now => self.on_timer_i(),
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The earliest timer that is running.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Proceeding { trying, .. } => trying.as_ref().map(|(at, _)| *at),
            State::Accepted { timer_l } => Some(*timer_l),
            State::Completed {
                timer_g, timer_h, ..
            } => Some(timer_g.map_or(*timer_h, |g| g.at.min(*timer_h))),
            State::Confirmed { timer_i } => Some(*timer_i),
            State::Terminated => None,
        }
    }

    /// Whether the TU has passed no final response yet.
    pub(crate) fn is_proceeding(&self) -> bool {
        match &self.state {
            State::Proceeding { .. } => true,
            State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => false,
        }
    }

    /// Whether ACKs go up to the TU.
    pub(crate) fn is_accepted(&self) -> bool {
        match &self.state {
            State::Accepted { .. } => true,
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => false,
        }
    }

    /// The state by its name in the RFC.
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.state {
            State::Proceeding { .. } => "Proceeding",
            State::Accepted { .. } => "Accepted",
            State::Completed { .. } => "Completed",
            State::Confirmed { .. } => "Confirmed",
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
