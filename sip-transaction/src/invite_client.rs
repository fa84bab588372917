//! The INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §8.4.
//!
//! ```text
//!                                     |INVITE from TU
//!                   Timer A fires     |INVITE sent      Timer B fires
//!                   Reset A,          V                 or Transport Err.
//!                   INVITE sent +-----------+           inform TU
//!                     +---------|           |--------------------------+
//!                     |         |  Calling  |                          |
//!                     +-------->|           |-----------+              |
//!    300-699                    +-----------+ 2xx       |              |
//!    ACK sent                      |  |       2xx to TU |              |
//!    resp. to TU                   |  |1xx              |              |
//!    +-----------------------------+  |1xx to TU        |              |
//!    |                1xx             V                 |              |
//!    |                1xx to TU +-----------+           |              |
//!    |                +---------|           |           |              |
//!    |                |         |Proceeding |           |              |
//!    |                +-------->|           |           |              |
//!    |                          +-----------+ 2xx       |              |
//!    |         300-699             |    |     2xx to TU |              |
//!    |         ACK sent,  +--------+    +---------------+              |
//!    |         resp. to TU|                             |              |
//!    |                    V                             V              |
//!    |              +-----------+                   +----------+       |
//!    +------------->|           |Transport Err.     |          |       |
//!                   | Completed |Inform TU          | Accepted |       |
//!                +--|           |-------+           |          |-+     |
//!        300-699 |  +-----------+       |           +----------+ |     |
//!        ACK sent|    ^  |              |               |  ^     |     |
//!                +----+  |Timer D fires |  Timer M fires|  +-----+     |
//!                        +--------+     |   +-----------+    2xx       |
//!                                 V     V   V                2xx to TU |
//!                                +------------+                        |
//!                                | Terminated |<-----------------------+
//!                                +------------+
//! ```
//!
//! Two edges are not in the figure. A cancelled INVITE gives up 64*T1 after its CANCEL was sent (RFC 3261 §9.1). A
//! flow that fails in Proceeding ends the transaction as it does in Calling: this state has no timer, so nothing else
//! would.

use bytes::Bytes;

use crate::step::{Step, Tell};
use crate::tick::Tick;
use crate::timer::{Retransmit, Timing};

#[derive(Debug)]
pub(crate) struct InviteClient {
    state: State,
}

#[derive(Debug)]
enum State {
    Calling {
        invite: Bytes,
        timer_a: Option<Retransmit>,
        timer_b: Tick,
        /// The TU wants to cancel, and no provisional response has allowed it yet.
        cancel_waits: bool,
    },
    Proceeding {
        /// What ACK and CANCEL are made from.
        invite: Bytes,
        /// When a cancelled transaction is given up.
        cancelled: Option<Tick>,
    },
    Completed {
        ack: Bytes,
        timer_d: Tick,
    },
    Accepted {
        timer_m: Tick,
    },
    Terminated,
}

impl InviteClient {
    /// RFC 3261 §17.1.1.2: enters Calling, starts Timer B and, on unreliable transports, Timer A.
    pub(crate) fn new(invite: Bytes, timing: Timing<'_>, now: Tick) -> (Self, Step) {
        let step = Step::send(invite.clone());
        let timer_a = if timing.reliable {
            None
        } else {
            Retransmit::start(now, timing.t1())
        };
        let state = State::Calling {
            invite,
            timer_a,
            timer_b: now + timing.t1_64(),
            cancel_waits: false,
        };
        (Self { state }, step)
    }

    /// A 1xx response came.
    pub(crate) fn on_provisional(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &mut self.state {
            State::Calling {
                invite,
                cancel_waits,
                ..
            } => {
                let cancel = *cancel_waits;
                self.state = State::Proceeding {
                    invite: std::mem::take(invite),
                    cancelled: cancel.then(|| now + timing.t1_64()),
                };
                Step::tell(Tell::Response).and_cancel_if(cancel)
            }
            State::Proceeding { .. } => Step::tell(Tell::Response),
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// A 2xx response came.
    pub(crate) fn on_success(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                // RFC 6026 §8.4: Timer M is 64*T1 on every transport, for the 2xx of other branches.
                self.state = State::Accepted {
                    timer_m: now + timing.t1_64(),
                };
                Step::tell(Tell::Response)
            }
            State::Accepted { .. } => Step::tell(Tell::Response),
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// A 3xx to 6xx response came; `ack` builds the ACK for it from the INVITE and is called for the first one only.
    pub(crate) fn on_failure(
        &mut self,
        ack: impl FnOnce(&[u8]) -> Bytes,
        timing: Timing<'_>,
        now: Tick,
    ) -> Step {
        match &self.state {
            State::Calling { invite, .. } | State::Proceeding { invite, .. } => {
                let ack = ack(invite);
                let step = Step::send(ack.clone()).and_tell(Tell::Response);
                if timing.d().is_zero() {
                    self.state = State::Terminated;
                    return step.and_end();
                }
                self.state = State::Completed {
                    ack,
                    timer_d: now + timing.d(),
                };
                step
            }
            State::Completed { ack, .. } => Step::send(ack.clone()),
            // A branch that failed after another one had accepted: there is nothing to say about it any more.
            State::Accepted { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The TU cancels (RFC 3261 §9.1).
    pub(crate) fn on_cancel(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &mut self.state {
            State::Calling { cancel_waits, .. } => {
                // RFC 3261 §9.1: no CANCEL before a provisional response; it waits for one.
                *cancel_waits = true;
                Step::NOTHING
            }
            State::Proceeding {
                cancelled: cancelled @ None,
                ..
            } => {
                *cancelled = Some(now + timing.t1_64());
                Step::NOTHING.and_cancel_if(true)
            }
            // Cancelled already, or the final response has made the CANCEL pointless.
            State::Proceeding {
                cancelled: Some(_), ..
            }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer A: the INVITE again.
    pub(crate) fn on_timer_a(&mut self, now: Tick) -> Step {
        match &mut self.state {
            State::Calling {
                invite, timer_a, ..
            } => {
                let Some(fired) = *timer_a else {
                    return Step::NOTHING;
                };
                // RFC 3261 §17.1.1.2: the interval doubles each time, without a cap; Timer B ends it.
                *timer_a = Some(fired.next(crate::tick::Span::MAX, now));
                Step::send(invite.clone())
            }
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer B: nobody answered.
    pub(crate) fn on_timer_b(&mut self) -> Step {
        match &self.state {
            State::Calling { .. } => self.give_up(Tell::TimedOut),
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// RFC 3263 §4.3: it has other targets, and by then this one has to have answered something.
    pub(crate) fn give_up_at(&mut self, at: Tick) {
        if let State::Calling { timer_b, .. } = &mut self.state {
            *timer_b = at.min(*timer_b);
        }
    }

    /// 64*T1 after the CANCEL was sent.
    pub(crate) fn on_timer_cancelled(&mut self) -> Step {
        match &self.state {
            State::Proceeding {
                cancelled: Some(_), ..
            } => self.give_up(Tell::TimedOut),
            State::Proceeding {
                cancelled: None, ..
            }
            | State::Calling { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer D: no more retransmissions of the final response are expected.
    pub(crate) fn on_timer_d(&mut self) -> Step {
        match &self.state {
            State::Completed { .. } => self.end(),
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer M: no more 2xx responses are expected.
    pub(crate) fn on_timer_m(&mut self) -> Step {
        match &self.state {
            State::Accepted { .. } => self.end(),
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The flow that carried the INVITE failed.
    pub(crate) fn on_flow_failed(&mut self) -> Step {
        match &self.state {
            State::Calling { .. } | State::Proceeding { .. } | State::Completed { .. } => {
                self.give_up(Tell::FlowFailed)
            }
            // A 2xx of another branch can still come over another flow.
            State::Accepted { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The one timer that is due, if any; the caller repeats until there is none.
    pub(crate) fn on_deadline(&mut self, now: Tick) -> Step {
        match &self.state {
            State::Calling { timer_b, .. } if *timer_b <= now => self.on_timer_b(),
            State::Calling {
                timer_a: Some(timer_a),
                ..
            } if timer_a.at <= now => self.on_timer_a(now),
            State::Proceeding {
                cancelled: Some(cancelled),
                ..
            } if *cancelled <= now => self.on_timer_cancelled(),
            State::Completed { timer_d, .. } if *timer_d <= now => self.on_timer_d(),
            State::Accepted { timer_m } if *timer_m <= now => self.on_timer_m(),
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The earliest timer that is running.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Calling {
                timer_a, timer_b, ..
            } => Some(timer_a.map_or(*timer_b, |a| a.at.min(*timer_b))),
            State::Proceeding { cancelled, .. } => *cancelled,
            State::Completed { timer_d, .. } => Some(*timer_d),
            State::Accepted { timer_m } => Some(*timer_m),
            State::Terminated => None,
        }
    }

    /// The INVITE as it was sent, until its final response.
    pub(crate) fn invite(&self) -> Option<&[u8]> {
        match &self.state {
            State::Calling { invite, .. } | State::Proceeding { invite, .. } => Some(invite),
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => None,
        }
    }

    /// The state by its name in the RFC.
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.state {
            State::Calling { .. } => "Calling",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }

    fn give_up(&mut self, why: Tell) -> Step {
        self.end().and_tell(why)
    }

    fn end(&mut self) -> Step {
        self.state = State::Terminated;
        Step::end()
    }
}

#[cfg(test)]
mod tests;
