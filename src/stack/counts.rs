//! [`Counts`]: what passed through a stack.

use sip_message::{Method, StatusCode};
use sip_transport::TransportKind;

use crate::role::{RoleEvent, StoreError};

/// Counters of one [`Stack`](super::Stack), from its creation on; those of the layers are
/// [`Transports::stats`](sip_transport::Transports::stats) and
/// [`Transactions::stats`](sip_transaction::Transactions::stats).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// In the order of [`Method::REGISTERED`]; one more for all others.
    requests: [[u64; METHODS + 1]; KINDS],
    sent: [[u64; CLASSES]; KINDS],
    received: [[u64; CLASSES]; KINDS],
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
/// The transports that have counters of their own, by the name in a Via; the last is for all others.
const TRANSPORTS: [&str; KINDS] = ["UDP", "TCP", "TLS", "WS", "WSS", "other"];
const KINDS: usize = 6;

fn place(kind: TransportKind) -> usize {
    match kind {
        TransportKind::Udp => 0,
        TransportKind::Tcp => 1,
        TransportKind::Tls => 2,
        TransportKind::Ws => 3,
        TransportKind::Wss => 4,
        _ => KINDS - 1,
    }
}

impl Counts {
    /// Requests that began a transaction, or were answered without one, by transport and method; the last of both is for those that are in no table.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        by_transport(&self.requests).map(|(transport, place, count)| {
            let method = Method::REGISTERED
                .get(place)
                .map_or("other", Method::as_str);
            (transport, method, count)
        })
    }

    /// Responses that were sent, with those that were sent again, by transport and by class from 1 to 6.
    pub fn responses_sent(&self) -> impl Iterator<Item = (&'static str, u8, u64)> + '_ {
        by_transport(&self.sent).map(|(transport, place, count)| (transport, class(place), count))
    }

    /// Responses that arrived, with those that arrived again, by transport and by class from 1 to 6.
    pub fn responses_received(&self) -> impl Iterator<Item = (&'static str, u8, u64)> + '_ {
        by_transport(&self.received)
            .map(|(transport, place, count)| (transport, class(place), count))
    }

    pub(super) fn request(&mut self, kind: TransportKind, method: &Method) {
        let method = Method::REGISTERED
            .iter()
            .position(|known| known == method)
            .unwrap_or(METHODS);
        if let Some(count) = self
            .requests
            .get_mut(place(kind))
            .and_then(|counts| counts.get_mut(method))
        {
            *count += 1;
        }
    }

    pub(super) fn received(&mut self, kind: TransportKind, status: StatusCode) {
        add(&mut self.received, kind, status.class());
    }

    /// What goes out, if it is a response: `SIP/2.0 200 OK`.
    pub(super) fn sent(&mut self, kind: TransportKind, payload: &[u8]) {
        if payload.starts_with(b"SIP/2.0 ")
            && let Some(class) = payload.get(8).and_then(|digit| digit.checked_sub(b'0'))
        {
            add(&mut self.sent, kind, class);
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

fn by_transport<const N: usize>(
    counts: &[[u64; N]; KINDS],
) -> impl Iterator<Item = (&'static str, usize, u64)> + '_ {
    TRANSPORTS
        .into_iter()
        .zip(counts)
        .flat_map(|(transport, counts)| {
            counts
                .iter()
                .enumerate()
                .map(move |(place, count)| (transport, place, *count))
        })
}

/// There are six.
fn class(place: usize) -> u8 {
    u8::try_from(place + 1).unwrap_or(u8::MAX)
}

fn add(counts: &mut [[u64; CLASSES]; KINDS], kind: TransportKind, class: u8) {
    if let Some(count) = usize::from(class)
        .checked_sub(1)
        .and_then(|class| counts.get_mut(place(kind))?.get_mut(class))
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
        let udp = TransportKind::Udp;
        counts.request(udp, &Method::Invite);
        counts.request(TransportKind::Wss, &Method::from_bytes(b"FOO").unwrap());
        counts.sent(udp, b"SIP/2.0 180 Ringing\r\n");
        counts.sent(TransportKind::Tcp, b"SIP/2.0 603 Decline\r\n");
        counts.sent(udp, b"INVITE sip:a@b SIP/2.0\r\n");
        counts.sent(udp, b"SIP/2.0 ");
        counts.received(udp, StatusCode::OK);
        let some = |counts: Vec<(&'static str, u8, u64)>| -> Vec<(&'static str, u8, u64)> {
            counts
                .into_iter()
                .filter(|(_, _, count)| *count > 0)
                .collect()
        };
        assert_eq!(
            some(counts.responses_sent().collect()),
            [("UDP", 1, 1), ("TCP", 6, 1)]
        );
        assert_eq!(some(counts.responses_received().collect()), [("UDP", 2, 1)]);
        let requests: Vec<_> = counts
            .requests()
            .filter(|(_, _, count)| *count > 0)
            .collect();
        assert_eq!(requests, [("UDP", "INVITE", 1), ("WSS", "other", 1)]);
    }
}
