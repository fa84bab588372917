//! The non-INVITE client transaction: RFC 3261 §17.1.2.
//!
//! ```text
//!                                    |Request from TU
//!                                    |send request
//!                Timer E             V
//!                send request  +-----------+
//!                    +---------|           |-------------------+
//!                    |         |  Trying   |  Timer F          |
//!                    +-------->|           |  or Transport Err.|
//!                              +-----------+  inform TU        |
//!                 200-699         |  |                         |
//!                 resp. to TU     |  |1xx                      |
//!                 +---------------+  |resp. to TU              |
//!                 |                  |                         |
//!                 |   Timer E        V       Timer F           |
//!                 |   send req +-----------+ or Transport Err. |
//!                 |  +---------|           | inform TU         |
//!                 |  |         |Proceeding |------------------>|
//!                 |  +-------->|           |-----+             |
//!                 |            +-----------+     |1xx          |
//!                 |              |      ^        |resp to TU   |
//!                 | 200-699      |      +--------+             |
//!                 | resp. to TU  |                             |
//!                 |              V                             |
//!                 |            +-----------+                   |
//!                 +----------->| Completed |                   |
//!                              +-----------+                   |
//!                                |   Timer K                   |
//!                                V                             |
//!                              +-----------+                   |
//!                              | Terminated|<------------------+
//!                              +-----------+
//! ```

use bytes::Bytes;

use crate::step::{Step, Tell};
use crate::tick::Tick;
use crate::timer::{Retransmit, Timing};

#[derive(Debug)]
pub(crate) struct NonInviteClient {
    state: State,
}

#[derive(Debug)]
enum State {
    Trying {
        request: Bytes,
        timer_e: Option<Retransmit>,
        timer_f: Tick,
        /// When it is given up without a response, if that is before Timer F.
        patience: Tick,
    },
    Proceeding {
        request: Bytes,
        timer_e: Option<Retransmit>,
        timer_f: Tick,
    },
    Completed {
        timer_k: Tick,
    },
    Terminated,
}

impl NonInviteClient {
    /// RFC 3261 §17.1.2.2: enters Trying, starts Timer F and, on unreliable transports, Timer E.
    pub(crate) fn new(request: Bytes, timing: Timing<'_>, now: Tick) -> (Self, Step) {
        let step = Step::send(request.clone());
        let timer_e = if timing.reliable {
            None
        } else {
            Retransmit::start(now, timing.t1())
        };
        (
            Self {
                state: State::Trying {
                    request,
                    timer_e,
                    timer_f: now + timing.t1_64(),
                    patience: Tick::NEVER,
                },
            },
            step,
        )
    }

    /// A 1xx response came.
    pub(crate) fn on_provisional(&mut self, timing: Timing<'_>) -> Step {
        match &mut self.state {
            State::Trying {
                request,
                timer_e,
                timer_f,
                ..
            } => {
                // RFC 3261 §17.1.2.2: Timer E keeps running, and is reset to T2 from here on.
                let timer_e = timer_e.map(|timer| timer.slow_down(timing.t2()));
                self.state = State::Proceeding {
                    request: std::mem::take(request),
                    timer_e,
                    timer_f: *timer_f,
                };
                Step::tell(Tell::Response)
            }
            State::Proceeding { .. } => Step::tell(Tell::Response),
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// A final response came.
    pub(crate) fn on_final(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                let step = Step::tell(Tell::Response);
                if timing.t4().is_zero() {
                    self.state = State::Terminated;
                    return step.and_end();
                }
                self.state = State::Completed {
                    timer_k: now + timing.t4(),
                };
                step
            }
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer E: the request again.
    pub(crate) fn on_timer_e(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &mut self.state {
            State::Trying {
                request, timer_e, ..
            }
            | State::Proceeding {
                request, timer_e, ..
            } => {
                let Some(fired) = *timer_e else {
                    return Step::NOTHING;
                };
                *timer_e = Some(fired.next(timing.t2(), now));
                Step::send(request.clone())
            }
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// Timer F: nobody answered.
    pub(crate) fn on_timer_f(&mut self) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } => self.end().and_tell(Tell::TimedOut),
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// RFC 3263 §4.3: it has other targets, and by then this one has to have answered something.
    pub(crate) fn give_up_at(&mut self, at: Tick) {
        if let State::Trying { patience, .. } = &mut self.state {
            *patience = at;
        }
    }

    /// Timer K: no more retransmissions of the response are expected.
    pub(crate) fn on_timer_k(&mut self) -> Step {
        match &self.state {
            State::Completed { .. } => self.end(),
            State::Trying { .. } | State::Proceeding { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The flow that carried the request failed.
    pub(crate) fn on_flow_failed(&mut self) -> Step {
        match &self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                self.end().and_tell(Tell::FlowFailed)
            }
            // The TU has its answer; this state only waits for duplicates of it.
            State::Completed { .. } | State::Terminated => Step::NOTHING,
        }
    }

    /// The one timer that is due, if any; the caller repeats until there is none.
    pub(crate) fn on_deadline(&mut self, timing: Timing<'_>, now: Tick) -> Step {
        match &self.state {
            State::Trying { patience, .. } if *patience <= now => self.on_timer_f(),
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. }
                if *timer_f <= now =>
            {
                self.on_timer_f()
            }
            State::Trying {
                timer_e: Some(timer_e),
                ..
            }
            | State::Proceeding {
                timer_e: Some(timer_e),
                ..
            } if timer_e.at <= now => self.on_timer_e(timing, now),
            State::Completed { timer_k } if *timer_k <= now => self.on_timer_k(),
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Step::NOTHING,
        }
    }

    /// The earliest timer that is running.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Trying {
                timer_e,
                timer_f,
                patience,
                ..
            } => {
                let last = *timer_f.min(patience);
                Some(timer_e.map_or(last, |e| e.at.min(last)))
            }
            State::Proceeding {
                timer_e, timer_f, ..
            } => Some(timer_e.map_or(*timer_f, |e| e.at.min(*timer_f))),
            State::Completed { timer_k } => Some(*timer_k),
            State::Terminated => None,
        }
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
