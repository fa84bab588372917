//! Answers without a transaction, for an element that has too much to do (RFC 3261 §8.2.7, §21.5.4).

use bytes::Bytes;
use sip_message::{Method, Request};
use sip_transport::{Flow, Sighted};

use super::Transactions;
use crate::compose;
use crate::matching::{RequestIdentity, STATELESS_TAG, StatelessTag};
use crate::scan;

impl Transactions {
    /// Does this request belong to what is known already: a retransmission, an ACK or a CANCEL of a live transaction?
    /// Such a request is never refused for overload, because it costs less than the answer that would refuse it.
    #[must_use]
    pub fn is_known(&self, request: &Request) -> bool {
        let Some(identity) = RequestIdentity::of(request, &self.universal, self.hash_key) else {
            return false;
        };
        let method = request.method();
        let of_invite = matches!(method, Method::Ack | Method::Cancel);
        let method = if of_invite { &Method::Invite } else { method };
        let key = identity.with_method(method);
        self.find_server(&key).is_some() || self.may_be_marked(key)
    }

    /// Answers a request 503 with this Retry-After, and keeps nothing of it: copies of it are answered alike, because the
    /// To tag is made of what identifies the request (RFC 3261 §8.2.7). The ACK for the answer is absorbed when it
    /// comes. An ACK is not answered.
    pub fn refuse(&mut self, request: &Request, reply: &Flow, retry_after: u64) {
        if *request.method() == Method::Ack {
            return;
        }
        if let Some(identity) = RequestIdentity::of(request, &self.universal, self.hash_key) {
            self.answer_overloaded(request, &identity, reply, retry_after);
        }
    }

    /// The To tag of an answer that leaves no transaction, for a transaction user that is stateless for this request: one that is
    /// answered at once, alike each time, and to which no ACK comes (RFC 3261 §8.2.7). `None` when the request has no Via that could
    /// be read, and so no answer could arrive.
    #[must_use]
    pub fn stateless_tag(&self, request: &Request) -> Option<StatelessTag> {
        let identity = RequestIdentity::of(request, &self.universal, self.hash_key)?;
        Some(identity.stateless_tag(self.hash_key))
    }

    /// The To tag of a refusal of a request that was not taken apart; `None` for one that has to be, because it is known already, or
    /// within a dialog, or because that cannot be told at sight. It is the same for each copy (RFC 3261 §8.2.7).
    #[must_use]
    pub fn tag_at_sight(&self, request: &Sighted<'_>) -> Option<StatelessTag> {
        if matches!(request.method(), Method::Ack | Method::Cancel)
            || !scan::scan_tag(request.to())?.is_empty()
        {
            return None;
        }
        let identity = RequestIdentity::at_sight(request.via(), &self.universal)?;
        let key = identity.with_method(request.method());
        let is_known = self.find_server(&key).is_some() || self.may_be_marked(key);
        (!is_known).then(|| identity.stateless_tag(self.hash_key))
    }

    /// What [`refuse`](Self::refuse) would send, byte for byte.
    pub fn refusal_at_sight(
        &mut self,
        request: &Sighted<'_>,
        tag: StatelessTag,
        retry_after: u64,
    ) -> Bytes {
        self.scratch.clear();
        compose::overloaded_at_sight(request, tag.as_str(), retry_after, &mut self.scratch);
        Bytes::copy_from_slice(&self.scratch)
    }

    /// Is this the ACK for a refusal (RFC 3261 §17.1.1.3)? It is absorbed then: nobody else waits for it.
    pub fn absorb_at_sight(&mut self, ack: &Sighted<'_>) -> bool {
        let is_absorbed = *ack.method() == Method::Ack
            && scan::scan_tag(ack.to())
                .filter(|tag| tag.len() == STATELESS_TAG)
                .is_some_and(|tag| {
                    RequestIdentity::at_sight(ack.via(), &self.universal).is_some_and(|identity| {
                        tag == identity.stateless_tag(self.hash_key).as_str().as_bytes()
                    })
                });
        if is_absorbed {
            self.stats.absorbed_requests += 1;
        }
        is_absorbed
    }

    pub(super) fn answer_overloaded(
        &mut self,
        request: &Request,
        identity: &RequestIdentity,
        reply: &Flow,
        retry_after: u64,
    ) {
        let tag = identity.stateless_tag(self.hash_key);
        self.scratch.clear();
        compose::overloaded(request, tag.as_str(), retry_after, &mut self.scratch);
        let payload = Bytes::copy_from_slice(&self.scratch);
        self.outputs.transmit(reply.id, payload);
    }

    /// Is this the ACK for an answer that left no transaction? Its To tag is the one that only we can make.
    pub(super) fn is_ack_of_refusal(&self, ack: &Request, identity: &RequestIdentity) -> bool {
        ack.headers().to_tag().is_some_and(|tag| {
            tag.len() == STATELESS_TAG && tag == identity.stateless_tag(self.hash_key).as_str()
        })
    }
}
