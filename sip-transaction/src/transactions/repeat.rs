//! Requests whose answer the TU can give again: a mark stays of them instead of a transaction.

use bytes::Bytes;
use sip_message::{Request, StatusCode, WrittenResponse};

use super::Transactions;
use crate::marks::Mark;
use crate::matching::{self, MatchKey, MergeKey, RequestIdentity};
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
            server.repeatable().is_some_and(|merge_key| {
                // Hardly ever: what it says is looked at then.
                self.marks.may_have(server.key().hash(), now)
                    && self
                        .marks
                        .has(self.mark(server.key(), merge_key, request), now)
            })
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
        server.repeatable().map(|_| {
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
        let merge_key = server
            .repeatable()
            .filter(|_| is_sent && !self.marks.is_off());
        let Some(merge_key) = merge_key else {
            return self.respond_written_to(id, response, now);
        };
        let (flow, mark) = (server.flow(), self.mark(server.key(), merge_key, request));
        self.marks.put(mark, now);
        let payload = self.pass(response.as_bytes());
        self.outputs.transmit(flow, payload);
        self.end_server(id.0);
        Ok(())
    }

    fn mark(&self, key: MatchKey, merge_key: MergeKey, request: &Request) -> Mark {
        let content = matching::content(request, merge_key, self.hash_key);
        Mark::new(key.hash(), content)
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
