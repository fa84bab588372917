//! What a peer does in a call: it gives up, hangs up, and acknowledges.

use std::time::Instant;

use super::super::Sin;
use super::super::draft::Draft;
use super::{Call, Peer, SDP, Way};

impl Peer {
    pub(super) fn within(&self, call: &Call, method: &str, cseq: u32) -> Draft {
        let mut draft = Draft::new(format!("{method} {} SIP/2.0", call.target))
            .with("Via", "")
            .with("Max-Forwards", "70");
        for route in &call.routes {
            draft = draft.with("Route", route.as_str());
        }
        draft
            .with("From", call.own.as_str())
            .with("To", call.remote.as_str())
            .with("Call-ID", call.call_id.as_str())
            .with("CSeq", format!("{cseq} {method}"))
    }

    pub(super) fn cancel(&mut self, now: Instant) {
        let Some(asked) = self
            .asked
            .iter()
            .find(|asked| asked.draft.method() == "INVITE")
        else {
            return;
        };
        let uri = asked.draft.start.split(' ').nth(1).unwrap_or_default();
        let mut cancel = Draft::new(format!("CANCEL {uri} SIP/2.0"));
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"] {
            let value = asked.draft.get(name).unwrap_or_default();
            cancel = cancel.with(name, value.replace("INVITE", "CANCEL"));
        }
        self.request(cancel, self.main(), now);
    }

    /// What ends the call, if the sin does not spoil it.
    pub(super) fn hang_up(&mut self, now: Instant) {
        if !self.is_in_call() {
            return;
        }
        let was_called = self.invite.is_some();
        match (self.plan.sin, self.call.clone()) {
            (Some(Sin::CSeqJumps), Some(call)) => {
                for (method, cseq) in [("INFO", 2_147_483_600), ("BYE", 2)] {
                    let mut draft = self.within(&call, method, cseq);
                    self.branch(&mut draft);
                    self.request(draft, call.way, now);
                }
            }
            (Some(Sin::NoAck), Some(call)) if was_called => {
                let mut draft = self
                    .within(&call, "INVITE", call.cseq + 1)
                    .with("Contact", self.contact())
                    .with("Content-Type", "application/sdp");
                SDP.clone_into(&mut draft.body);
                if let Some(call) = &mut self.call {
                    call.cseq += 1;
                }
                self.branch(&mut draft);
                self.request(draft, call.way, now);
            }
            (Some(Sin::StrayBye), _) if was_called => {
                for method in ["BYE", "CANCEL", "INVITE"] {
                    let mut stray = self.within_nothing(method);
                    self.branch(&mut stray);
                    self.request(stray, self.main(), now);
                }
                self.bye(now);
            }
            // Whether its BYE was good enough is told by what it gets; it comes again when it repents.
            _ => self.bye(now),
        }
    }

    pub(super) fn bye(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        call.cseq += 1;
        let call = call.clone();
        let mut bye = self.within(&call, "BYE", call.cseq);
        self.branch(&mut bye);
        self.request(bye, call.way, now);
    }

    pub(super) fn acknowledge_change(&mut self, draft: &Draft, now: Instant) {
        let Some(call) = self.call.clone() else {
            return;
        };
        let number = draft
            .get("CSeq")
            .and_then(|cseq| cseq.split(' ').next()?.parse().ok());
        let mut ack = self.within(&call, "ACK", number.unwrap_or(call.cseq));
        self.branch(&mut ack);
        self.request(ack, call.way, now);
    }

    pub(super) fn over(&mut self) {
        if let Some(call) = &mut self.call {
            call.over = true;
            call.confirmed = true;
        }
    }

    /// Bytes that no sin touches.
    pub(super) fn emit_plain(&mut self, way: Way, bytes: Vec<u8>) {
        self.put(way, bytes);
    }
}
