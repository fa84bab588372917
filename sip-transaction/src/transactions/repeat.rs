//! Requests whose answer the TU can give again: a mark stays of them instead of a transaction.

use bytes::Bytes;
use sip_message::{Request, StatusCode, WrittenResponse};

use super::Transactions;
use crate::marks::Mark;
use crate::matching::{self, MatchKey, RequestIdentity};
use crate::tick::Tick;
use crate::{Gone, ServerTransactionId, StatelessTag};

/// Answers share an allocation of this size, which is used again when they have left.
const CHUNK: usize = 16 * 1024;

impl Transactions {
    /// See [`TransactionLayer::is_repeated`](crate::TransactionLayer::is_repeated).
    pub(super) fn is_marked(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        now: Tick,
    ) -> bool {
        let is_marked = self.servers.get(id.0).is_some_and(|server| {
            server.is_repeatable() && self.marks.has(self.mark(server.key(), request), now)
        });
        self.stats.repeated_requests += u64::from(is_marked);
        is_marked
    }

    /// Could a request be marked that is identified so? At the time that was told last.
    pub(super) fn may_be_marked(&self, key: MatchKey) -> bool {
        let now = self.clock.last_tick();
        now.is_some_and(|now| self.marks.may_have(key.hash(), now))
    }

    /// See [`TransactionLayer::repeatable_tag`](crate::TransactionLayer::repeatable_tag).
    pub(super) fn tag_for_marked(
        &self,
        id: ServerTransactionId,
        request: &Request,
    ) -> Option<StatelessTag> {
        let server = self.servers.get(id.0)?;
        server.is_repeatable().then(|| {
            let identity = RequestIdentity::of_key(server.key(), request.method());
            identity.stateless_tag(self.hash_key)
        })
    }

    /// See [`TransactionLayer::respond_repeatably`](crate::TransactionLayer::respond_repeatably).
    pub(super) fn respond_and_mark(
        &mut self,
        id: ServerTransactionId,
        request: &Request,
        response: &WrittenResponse,
        now: Tick,
    ) -> Result<(), Gone> {
        let server = self.servers.get(id.0).ok_or(Gone)?;
        let status = response.status();
        // RFC 4320 §4.2: a 408 is not sent.
        let is_sent = status.is_final() && status != StatusCode::REQUEST_TIMEOUT;
        if self.marks.is_off() || !is_sent || !server.is_repeatable() {
            return self.respond_written_to(id, response, now);
        }
        let (flow, mark) = (server.flow(), self.mark(server.key(), request));
        self.marks.put(mark, now);
        let payload = self.pass(response.as_bytes());
        self.outputs.transmit(flow, payload);
        self.end_server(id.0);
        Ok(())
    }

    fn mark(&self, key: MatchKey, request: &Request) -> Mark {
        Mark::new(key.hash(), matching::content(request, self.hash_key))
    }

    /// The bytes for a message that nobody keeps.
    fn pass(&mut self, text: &[u8]) -> Bytes {
        if self.passing.capacity() < text.len() {
            self.passing.reserve(text.len().max(CHUNK));
        }
        self.passing.extend_from_slice(text);
        self.passing.split().freeze()
    }
}
