//! What the transport layer learns of servers that did not serve a request (RFC 3263 §4.3), and what is told of flows that
//! are kept alive (RFC 5626).

#[cfg(test)]
mod tests;

use std::time::{Instant, SystemTime};

use sip_message::StatusCode;
use sip_transaction::Event;
use sip_transport::{FlowId, KeepAlive};

use super::{Output, Stack};

impl Stack {
    /// Keeps a flow alive (RFC 5626 §4.4), and tells its failure as [`Output::FlowLost`]. `false` when it is gone already.
    pub fn keep_alive(
        &mut self,
        flow: FlowId,
        keep_alive: KeepAlive,
        wall: SystemTime,
        now: Instant,
    ) -> bool {
        let is_there = self
            .transports
            .keep_alive(flow, Some(keep_alive), now)
            .is_ok();
        if is_there && !self.kept.contains(&flow) {
            self.kept.push(flow);
        }
        self.settle(wall, now);
        is_there
    }

    pub(super) fn lost(&mut self, flow: FlowId) {
        if let Some(at) = self.kept.iter().position(|kept| *kept == flow) {
            self.kept.swap_remove(at);
            self.outputs.push_back(Output::FlowLost { flow });
        }
    }

    /// RFC 3263 §4.3: who did not answer, or said 503, comes after others for some time.
    pub(super) fn note_failure(&mut self, event: &Event, now: Instant) {
        match event {
            Event::TimedOut { flow, .. } => self.transports.report_failure(*flow, now),
            Event::Response { response, flow, .. }
                if response.status() == StatusCode::SERVICE_UNAVAILABLE =>
            {
                self.transports.report_failure(flow.id, now);
            }
            _ => {}
        }
    }
}
