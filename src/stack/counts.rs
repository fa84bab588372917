//! [`Counts`]: what passed through a stack.

use sip_message::{Method, StatusCode};

use crate::role::{RoleEvent, StoreError};

/// Counters of one [`Stack`](super::Stack), from its creation on; those of the layers are
/// [`Transports::stats`](sip_transport::Transports::stats) and
/// [`Transactions::stats`](sip_transaction::Transactions::stats).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// In the order of [`Method::REGISTERED`]; one more for all others.
    requests: [u64; METHODS + 1],
    sent: [u64; CLASSES],
    received: [u64; CLASSES],
    /// REGISTERs that were carried out.
    pub registrations: u64,
    /// Requests that were refused because of who sent them, or where to.
    pub denied: u64,
    /// Requests that were refused because a store was overloaded.
    pub store_busy: u64,
    /// Requests that were refused because a store failed.
    pub store_failed: u64,
}

const METHODS: usize = Method::REGISTERED.len();
/// 1xx to 6xx.
const CLASSES: usize = 6;

impl Counts {
    /// Requests that began a transaction, by method; the last is for methods that are in no table.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Method::REGISTERED
            .iter()
            .map(Method::as_str)
            .chain(["other"])
            .zip(self.requests)
    }

    /// Responses that were sent, with those that were sent again, by class from 1 to 6.
    pub fn responses_sent(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (1..).zip(self.sent)
    }

    /// Responses that arrived, with those that arrived again, by class from 1 to 6.
    pub fn responses_received(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (1..).zip(self.received)
    }

    pub(super) fn request(&mut self, method: &Method) {
        let place = Method::REGISTERED
            .iter()
            .position(|known| known == method)
            .unwrap_or(METHODS);
        if let Some(count) = self.requests.get_mut(place) {
            *count += 1;
        }
    }

    pub(super) fn received(&mut self, status: StatusCode) {
        add(&mut self.received, status.class());
    }

    /// What goes out, if it is a response: `SIP/2.0 200 OK`.
    pub(super) fn sent(&mut self, payload: &[u8]) {
        if payload.starts_with(b"SIP/2.0 ")
            && let Some(class) = payload.get(8).and_then(|digit| digit.checked_sub(b'0'))
        {
            add(&mut self.sent, class);
        }
    }

    pub(super) fn role(&mut self, event: &RoleEvent) {
        match event {
            RoleEvent::Registered { .. } => self.registrations += 1,
            RoleEvent::Denied { .. } => self.denied += 1,
            RoleEvent::StoreFailed(StoreError::Busy) => self.store_busy += 1,
            RoleEvent::StoreFailed(_) => self.store_failed += 1,
            RoleEvent::Answered { .. } => {}
        }
    }
}

fn add(counts: &mut [u64; CLASSES], class: u8) {
    if let Some(count) = usize::from(class)
        .checked_sub(1)
        .and_then(|place| counts.get_mut(place))
    {
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_counted_by_method_and_class() {
        let mut counts = Counts::default();
        counts.request(&Method::Invite);
        counts.request(&Method::from_bytes(b"FOO").unwrap());
        counts.sent(b"SIP/2.0 180 Ringing\r\n");
        counts.sent(b"SIP/2.0 603 Decline\r\n");
        counts.sent(b"INVITE sip:a@b SIP/2.0\r\n");
        counts.sent(b"SIP/2.0 ");
        counts.received(StatusCode::OK);
        let some = |counts: Vec<(u8, u64)>| -> Vec<(u8, u64)> {
            counts.into_iter().filter(|(_, count)| *count > 0).collect()
        };
        assert_eq!(some(counts.responses_sent().collect()), [(1, 1), (6, 1)]);
        assert_eq!(some(counts.responses_received().collect()), [(2, 1)]);
        let requests: Vec<_> = counts.requests().filter(|(_, count)| *count > 0).collect();
        assert_eq!(requests, [("INVITE", 1), ("other", 1)]);
    }
}
