//! What a run does, and the text of its requests.

use std::net::SocketAddr;
use std::time::Duration;

use super::wire::{self, BRANCH, CALL_ID, Id};

/// What one operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    /// OPTIONS, answered by the server itself
    Options,
    /// REGISTER of one contact; each user's later ones refresh it
    Register,
    /// MESSAGE to a user, whom this program registered before
    Message,
    /// A call from INVITE to the answer of its BYE, between two telephones of this program
    Call,
}

impl What {
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Message => "MESSAGE",
            Self::Call => "INVITE",
        }
    }
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) what: What,
    /// Users are called by this and a number.
    pub(super) prefix: String,
    pub(super) first_user: u32,
    pub(super) users: u32,
    pub(super) domain: String,
    /// Whom requests are for, when that is no user.
    pub(super) to: Option<String>,
    pub(super) password: Option<String>,
    /// Of REGISTER, in seconds.
    pub(super) expires: u32,
    /// `UDP` or `TCP`.
    pub(super) is_stream: bool,
    /// Where requests are sent from.
    pub(super) local: SocketAddr,
    /// Where those who are called are reached.
    pub(super) contact: SocketAddr,
    /// The operations to begin; without bound when absent.
    pub(super) count: Option<u64>,
    /// How long those who are called let it ring; without it they answer at once, and nothing rings.
    pub(super) ring: Option<Duration>,
    /// How long calls last.
    pub(super) hold: Duration,
    /// How long an answer is waited for.
    pub(super) timeout: Duration,
    /// The most operations that are in progress.
    pub(super) most: usize,
    /// What tells this run from others of the same address.
    pub(super) run: String,
}

/// An operation, as far as the text of its requests depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) id: Id,
    /// Which operation of the run it is.
    pub(super) number: u64,
    pub(super) cseq: u32,
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
const TEXT: &str = "The quick brown fox jumps over the lazy dog.";

impl Plan {
    /// The number of the user who does an operation.
    pub(super) fn user(&self, number: u64) -> u32 {
        self.first_user + (number % u64::from(self.users.max(1))) as u32
    }

    /// The number of the user whom it is about: the next one.
    fn peer(&self, number: u64) -> u32 {
        self.user(number + 1)
    }

    /// The CSeq of a first request: those of one user's registration grow, two for each time.
    pub(super) fn first_cseq(&self, number: u64) -> u32 {
        match self.what {
            What::Register => (number / u64::from(self.users.max(1))) as u32 * 2 + 1,
            What::Options | What::Message | What::Call => 1,
        }
    }

    pub(super) fn user_name(&self, user: u32) -> String {
        format!("{}{user}", self.prefix)
    }

    fn push_user(&self, user: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        wire::number(u64::from(user), out);
    }

    fn push_aor(&self, user: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"sip:");
        self.push_user(user, out);
        out.push(b'@');
        out.extend_from_slice(self.domain.as_bytes());
    }

    fn push_contact(&self, user: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Contact: <sip:");
        self.push_user(user, out);
        out.push(b'@');
        out.extend_from_slice(self.contact_host().as_bytes());
        out.extend_from_slice(b">");
    }

    fn contact_host(&self) -> String {
        let parameter = if self.is_stream { ";transport=tcp" } else { "" };
        format!("{}{parameter}", self.contact)
    }

    /// The Request-URI of a first request.
    pub(super) fn push_uri(&self, number: u64, out: &mut Vec<u8>) {
        match (self.what, &self.to) {
            (What::Register, _) | (What::Options, None) => {
                out.extend_from_slice(b"sip:");
                out.extend_from_slice(self.domain.as_bytes());
            }
            (_, Some(to)) => out.extend_from_slice(to.as_bytes()),
            (What::Message | What::Call, None) => self.push_aor(self.peer(number), out),
        }
    }

    /// Writes a first request, with the credentials if it was challenged.
    pub(super) fn request(
        &self,
        turn: Turn,
        step: u8,
        credentials: Option<(&str, &str)>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(self.what.method().as_bytes());
        out.push(b' ');
        self.push_uri(turn.number, out);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.push_via(turn.id, step, out);
        out.extend_from_slice(b"Max-Forwards: 70\r\n");
        self.push_from(turn, out);
        out.extend_from_slice(b"To: <");
        match (self.what, &self.to) {
            (What::Register, _) => self.push_aor(self.user(turn.number), out),
            (What::Options | What::Message | What::Call, _) => self.push_uri(turn.number, out),
        }
        out.extend_from_slice(b">\r\n");
        self.push_call_id(turn, out);
        push_cseq(turn.cseq, self.what.method(), out);
        if let Some((name, value)) = credentials {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        match self.what {
            What::Options => end(None, out),
            What::Register => {
                self.push_contact(self.user(turn.number), out);
                out.extend_from_slice(b"\r\nExpires: ");
                wire::number(u64::from(self.expires), out);
                out.extend_from_slice(b"\r\n");
                end(None, out);
            }
            What::Message => end(Some(("text/plain", TEXT)), out),
            What::Call => {
                self.push_contact(self.user(turn.number), out);
                out.extend_from_slice(b"\r\n");
                end(Some(("application/sdp", SDP)), out);
            }
        }
    }

    /// Writes the ACK to an answer that is no 2xx (RFC 3261 section 17.1.1.3), or a CANCEL (section 9.1): both have the
    /// branch of their INVITE.
    pub(super) fn beside_invite(
        &self,
        method: &str,
        turn: Turn,
        step: u8,
        to: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        self.push_uri(turn.number, out);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.push_via(turn.id, step, out);
        out.extend_from_slice(b"Max-Forwards: 70\r\n");
        self.push_from(turn, out);
        match to {
            Some(to) => {
                out.extend_from_slice(b"To: ");
                out.extend_from_slice(to);
                out.extend_from_slice(b"\r\n");
            }
            None => {
                out.extend_from_slice(b"To: <");
                self.push_uri(turn.number, out);
                out.extend_from_slice(b">\r\n");
            }
        }
        self.push_call_id(turn, out);
        push_cseq(turn.cseq, method, out);
        end(None, out);
    }

    /// Writes a request within the dialog of a call (RFC 3261 section 12.2.1.1).
    pub(super) fn in_dialog(
        &self,
        method: &str,
        turn: Turn,
        step: u8,
        dialog: &Dialog,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&dialog.target);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.push_via(turn.id, step, out);
        out.extend_from_slice(&dialog.routes);
        out.extend_from_slice(b"Max-Forwards: 70\r\n");
        self.push_from(turn, out);
        out.extend_from_slice(b"To: ");
        out.extend_from_slice(&dialog.to);
        out.extend_from_slice(b"\r\n");
        self.push_call_id(turn, out);
        push_cseq(turn.cseq, method, out);
        end(None, out);
    }

    /// The rest of an answer that was begun with what is copied from its request.
    pub(super) fn end_answer(&self, method: &[u8], user: u32, out: &mut Vec<u8>) {
        if method == b"INVITE" {
            self.push_contact(user, out);
            out.extend_from_slice(b"\r\n");
            end(Some(("application/sdp", SDP)), out);
        } else {
            end(None, out);
        }
    }

    fn push_via(&self, id: Id, step: u8, out: &mut Vec<u8>) {
        let transport = if self.is_stream { "TCP" } else { "UDP" };
        for part in ["Via: SIP/2.0/", transport, " "] {
            out.extend_from_slice(part.as_bytes());
        }
        push_addr(self.local, out);
        out.extend_from_slice(b";rport;branch=");
        out.extend_from_slice(BRANCH);
        id.write(out);
        out.push(step);
        out.extend_from_slice(self.run.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn push_from(&self, turn: Turn, out: &mut Vec<u8>) {
        out.extend_from_slice(b"From: <");
        self.push_aor(self.user(turn.number), out);
        out.extend_from_slice(b">;tag=");
        turn.id.write(out);
        out.extend_from_slice(b"\r\n");
    }

    /// RFC 3261 section 10.2.4: all registrations of a user have the same Call-ID.
    fn push_call_id(&self, turn: Turn, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Call-ID: ");
        match self.what {
            What::Register => {
                out.extend_from_slice(b"rg");
                wire::number(u64::from(self.user(turn.number)), out);
            }
            What::Options | What::Message | What::Call => {
                out.extend_from_slice(CALL_ID);
                turn.id.write(out);
            }
        }
        out.push(b'-');
        out.extend_from_slice(self.run.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// What the caller knows of a call that was answered.
#[derive(Debug, Default)]
pub(super) struct Dialog {
    /// The To field, with its tag.
    pub(super) to: Vec<u8>,
    /// The remote target.
    pub(super) target: Vec<u8>,
    /// The Route fields.
    pub(super) routes: Vec<u8>,
}

fn push_addr(addr: SocketAddr, out: &mut Vec<u8>) {
    match addr {
        SocketAddr::V4(v4) => {
            for (at, octet) in v4.ip().octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                wire::number(u64::from(octet), out);
            }
        }
        SocketAddr::V6(v6) => out.extend_from_slice(format!("[{}]", v6.ip()).as_bytes()),
    }
    out.push(b':');
    wire::number(u64::from(addr.port()), out);
}

fn push_cseq(cseq: u32, method: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"CSeq: ");
    wire::number(u64::from(cseq), out);
    for part in [" ", method, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn end(body: Option<(&str, &str)>, out: &mut Vec<u8>) {
    let Some((kind, body)) = body else {
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        return;
    };
    for part in ["Content-Type: ", kind, "\r\nContent-Length: "] {
        out.extend_from_slice(part.as_bytes());
    }
    wire::number(body.len() as u64, out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body.as_bytes());
}
