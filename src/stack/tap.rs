//! Taps: the messages of one user or one Call-ID, for somebody who watches. Without a tap nothing of this is run.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::SystemTime;

use sip_message::header::{From, To};
use sip_message::{BoxedMessage, Headers, ParserConfig};
use sip_transport::Flow;

use super::{Direction, Output, Stack};

/// Names a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TapId(u64);

/// Which messages a tap is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TapFilter {
    /// Those of one Call-ID.
    CallId(Box<str>),
    /// Those from, to, or for a user of this name, and all others of their Call-IDs.
    User(Box<str>),
    /// All.
    All,
}

/// A message that a tap is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tapped {
    /// When.
    pub at: SystemTime,
    /// Which way.
    pub direction: Direction,
    /// The transport, as in a Via.
    pub transport: &'static str,
    /// Our address.
    pub local: SocketAddr,
    /// The other address.
    pub remote: SocketAddr,
    /// The start line without the version.
    pub summary: String,
    /// The Call-ID.
    pub call_id: String,
    /// The CSeq.
    pub cseq: String,
    /// The message as it is.
    pub text: String,
}

/// Call-IDs that a tap for a user remembers; of more calls at once the oldest are shown in part.
const CALLS: usize = 1024;

#[derive(Debug)]
struct Tap {
    id: TapId,
    filter: TapFilter,
    calls: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl Tap {
    fn is_for(&mut self, message: &BoxedMessage) -> bool {
        let headers = message.headers();
        let call_id = headers.call_id().unwrap_or_default();
        match &self.filter {
            TapFilter::All => true,
            TapFilter::CallId(wanted) => **wanted == *call_id,
            TapFilter::User(user) => {
                if self.calls.contains(call_id) {
                    return true;
                }
                let is_user = names(headers, user)
                    || message.as_request().is_some_and(|request| {
                        request.uri().is_ok_and(|uri| uri.user() == Some(&**user))
                    });
                if is_user {
                    self.remember(call_id);
                }
                is_user
            }
        }
    }

    fn remember(&mut self, call_id: &str) {
        if self.order.len() >= CALLS
            && let Some(oldest) = self.order.pop_front()
        {
            self.calls.remove(&oldest);
        }
        self.calls.insert(call_id.into());
        self.order.push_back(call_id.into());
    }
}

fn names(headers: &Headers, user: &str) -> bool {
    let from = headers.typed::<From<'_>>().ok().flatten();
    let to = headers.typed::<To<'_>>().ok().flatten();
    from.is_some_and(|from| from.uri().user() == Some(user))
        || to.is_some_and(|to| to.uri().user() == Some(user))
}

/// The taps of a stack.
#[derive(Debug, Default)]
pub(super) struct Taps {
    list: Vec<Tap>,
    next: u64,
}

impl Taps {
    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Watching messages.
impl Stack {
    /// Begins to tell the messages that the filter is for, as [`Output::Tapped`]. Each message is looked at once more while
    /// there is a tap; without one this costs nothing.
    pub fn tap(&mut self, filter: TapFilter) -> TapId {
        self.taps.next += 1;
        let id = TapId(self.taps.next);
        self.taps.list.push(Tap {
            id,
            filter,
            calls: HashSet::new(),
            order: VecDeque::new(),
        });
        id
    }

    /// Ends a tap.
    pub fn untap(&mut self, id: TapId) {
        self.taps.list.retain(|tap| tap.id != id);
    }

    pub(super) fn tap_received(&mut self, message: &BoxedMessage, flow: &Flow, wall: SystemTime) {
        self.tapped(message, Direction::Received, flow, wall);
    }

    pub(super) fn tap_sent(&mut self, payload: &bytes::Bytes, flow: &Flow, wall: SystemTime) {
        if let Ok(message) = BoxedMessage::parse(payload.clone(), &ParserConfig::default()) {
            self.tapped(&message, Direction::Sent, flow, wall);
        }
    }

    fn tapped(
        &mut self,
        message: &BoxedMessage,
        direction: Direction,
        flow: &Flow,
        wall: SystemTime,
    ) {
        let ids: Vec<TapId> = self
            .taps
            .list
            .iter_mut()
            .filter_map(|tap| tap.is_for(message).then_some(tap.id))
            .collect();
        if ids.is_empty() {
            return;
        }
        let bytes = message.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let line = text.split("\r\n").next().unwrap_or_default();
        let summary = line
            .strip_prefix("SIP/2.0 ")
            .or_else(|| line.strip_suffix(" SIP/2.0"))
            .unwrap_or(line)
            .to_owned();
        let headers = message.headers();
        let tapped = Tapped {
            at: wall,
            direction,
            transport: flow.kind.via_token(),
            local: flow.local,
            remote: flow.remote,
            summary,
            call_id: headers.call_id().unwrap_or_default().to_owned(),
            cseq: headers
                .get(sip_message::HeaderName::CSeq)
                .unwrap_or_default()
                .to_owned(),
            text,
        };
        for id in ids {
            self.outputs
                .push_back(Output::Tapped(id, Box::new(tapped.clone())));
        }
    }
}
