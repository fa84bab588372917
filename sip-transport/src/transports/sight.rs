//! Datagrams that are answered without being taken apart.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_message::RequestLine;

use super::Transports;
use crate::id::ListenerId;
use crate::io::Output;
use crate::sighted::Sighted;

impl Transports {
    /// Looks at a request that is to be refused, whose first line was read, and takes nothing apart: a refusal by this costs a
    /// fraction of one by [`handle_input`](Self::handle_input). `None`: it is not written as nearly everyone writes it, or
    /// messages are captured, and it has to be handed in as usual. Nothing has changed then.
    #[must_use]
    pub fn sight<'a>(
        &mut self,
        line: RequestLine<'a>,
        listener: ListenerId,
        source: SocketAddr,
    ) -> Option<Sighted<'a>> {
        let is_answerable =
            source.port() != 0 && !source.ip().is_unspecified() && !source.ip().is_multicast();
        if self.capturing || !is_answerable {
            return None;
        }
        self.listener(listener)?;
        Sighted::of(line, &mut self.addresses, listener, source)
    }

    /// Is done with such a request: sends the answer, if there is one, after all that is to be sent otherwise, and together with
    /// others to that peer, so that the driver can hand them to the system as one. No flow is made for it.
    pub fn answer_at_sight(&mut self, sighted: &Sighted<'_>, answer: Option<Bytes>, now: Instant) {
        self.last_now = Some(now);
        self.stats.datagrams += 1;
        self.stats.requests += 1;
        if let Some(flow) = self.datagram_flows.get(sighted.listener, sighted.source) {
            self.touch(flow, now);
        }
        if let Some(answer) = answer {
            self.stats.sent += 1;
            self.outputs.push_last(Output::Datagram {
                listener: sighted.listener,
                remote: sighted.reply_to(),
                payload: answer,
            });
        }
    }
}
