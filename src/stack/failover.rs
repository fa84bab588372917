//! What the transport layer learns of servers that did not serve a request (RFC 3263 §4.3).

#[cfg(test)]
mod tests;

use std::time::Instant;

use sip_message::StatusCode;
use sip_transaction::Event;

use super::Stack;

impl Stack {
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
