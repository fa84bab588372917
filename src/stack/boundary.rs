//! What goes into a stack and comes out of it: [`Input`] and [`Output`].

use std::net::SocketAddr;
use std::time::Instant;

use sip_message::Request;
use sip_transaction::ServerTransactionId;
use sip_transport::{Flow, FlowId, SelectError, SelectId};

use super::{Handed, TapId, Tapped};
use crate::domain::Aor;
use crate::location::Notice;
use crate::role::{self, Answer, Need, Token};

/// What arrives at a stack.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the boundary to drivers")]
pub enum Input {
    /// From the sockets.
    Io(sip_transport::Input),
    /// The answer to an [`Output::Need`].
    Answer {
        /// Who asked.
        asker: Asker,
        /// The answer.
        answer: Answer,
    },
    /// The bindings of an address of record that is watched have changed.
    Changed(Notice),
    /// Another worker has handed this over.
    Handed(Handed),
}

/// What a stack wants done, in this order.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a variant must not compile"
)]
pub enum Output {
    /// For the sockets; never [`sip_transport::Output::Event`].
    Io(sip_transport::Output),
    /// A question to a store; answered with [`Input::Answer`].
    Need {
        /// Whom the answer is for.
        asker: Asker,
        /// The question.
        need: Need,
    },
    /// Something that the user agent's application wants to know.
    Dialog(sip_dialog::Event),
    /// A user agent is challenged; answered with [`Stack::credentials`](super::Stack::credentials).
    Authenticate {
        /// Names the question.
        token: sip_dialog::Token,
        /// Whose credentials are wanted.
        account: sip_dialog::AccountKey,
        /// Who wants them.
        realm: String,
    },
    /// A request for the application's handlers; answered with [`Stack::respond`](super::Stack::respond).
    Request {
        /// Its transaction.
        id: ServerTransactionId,
        /// The request.
        request: Box<Request>,
        /// How it arrived.
        flow: Flow,
    },
    /// The answer to [`Stack::select`](super::Stack::select).
    Selected {
        /// Which selection.
        id: SelectId,
        /// The flows, best first.
        result: Result<Vec<Flow>, SelectError>,
    },
    /// A flow that was [kept alive](super::Stack::keep_alive) failed.
    FlowLost {
        /// Which.
        flow: FlowId,
    },
    /// Changes of the bindings of this address of record are to be told by [`Input::Changed`], or not any more.
    Watch {
        /// Whose.
        aor: Aor,
        /// Which of the two.
        is_watched: bool,
    },
    /// Something for another worker, whose stack takes it as [`Input::Handed`]; never, when there is one alone.
    HandOver {
        /// Which.
        worker: u16,
        /// What.
        handed: Handed,
    },
    /// A role did something that is worth a log line or a counter.
    Role(role::RoleEvent),
    /// A message passed, told when [`Stack::trace`](super::Stack::trace) is on.
    Traced(Traced),
    /// A message as it is on the wire, told when [`Stack::capture`](super::Stack::capture) is on.
    Captured(sip_transport::Captured),
    /// A message that a [tap](super::Stack::tap) is for.
    Tapped(TapId, Box<Tapped>),
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Direction {
    /// We sent it.
    Sent,
    /// We received it.
    Received,
}

/// A message that passed, as a trace shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a record that tests and tools build too"
)]
pub struct Traced {
    /// When.
    pub at: Instant,
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
    /// The CSeq.
    pub detail: String,
}

/// Which part of the stack asked a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(pub(super) Role, pub(super) Token);

impl Asker {
    /// As a number, for who keeps nothing else.
    pub(crate) const fn number(self) -> u64 {
        let Self(role, token) = self;
        token.number() << 3 | role as u64
    }

    /// The one that has this number.
    pub(crate) const fn of_number(number: u64) -> Self {
        let role = match number & 7 {
            0 => Role::Registrar,
            1 => Role::Events,
            2 => Role::Proxy,
            3 => Role::Stateless,
            _ => Role::Probes,
        };
        Self(role, Token::of_number(number >> 3))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Registrar,
    Events,
    Proxy,
    Stateless,
    Probes,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Selecting {
    Dialogs(sip_dialog::Token),
    Role(Role, Token),
    Application,
}
