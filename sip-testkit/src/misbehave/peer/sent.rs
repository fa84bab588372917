//! What a peer begins, and how it sends: each request and each response passes its sin.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of forty sins, a few do anything at each place"
)]

use std::time::Instant;

use sip_transport::TransportKind;

use super::super::draft::Draft;
use super::super::wrong::Circumstances;
use super::super::{Role, Sin};
use super::{Act, Asked, MILLI, Peer, Plan, SDP, Sent, T1, Way};

impl Peer {
    pub(super) const fn main(&self) -> Way {
        Way {
            from: self.plan.here,
            to: self.plan.subject,
            is_stream: self.plan.transport.is_reliable(),
        }
    }

    pub(super) fn opening(&mut self) -> Draft {
        let Plan {
            domain,
            user,
            callee,
            subject,
            number,
            ..
        } = self.plan.clone();
        let role = self.plan.role;
        let target = match role {
            Role::Callee | Role::Caller => format!("sip:{callee}@{subject}"),
            _ => format!("sip:{callee}@{domain}"),
        };
        let (method, uri, to) = match role {
            Role::Registrar => (
                "REGISTER",
                format!("sip:{domain}"),
                format!("sip:{user}@{domain}"),
            ),
            Role::Notifier => {
                let own = format!("sip:{user}@{domain}");
                ("SUBSCRIBE", own.clone(), own)
            }
            _ => ("INVITE", target.clone(), target),
        };
        let mut draft = Draft::new(format!("{method} {uri} SIP/2.0"))
            .with("Via", "")
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:{user}@{domain}>;tag=f{number}"))
            .with("To", format!("<{to}>"))
            .with("Call-ID", format!("misbehave-{number}"))
            .with("CSeq", format!("1 {method}"))
            .with("Contact", self.contact());
        match role {
            Role::Registrar => draft = draft.with("Expires", "60"),
            Role::Notifier => {
                draft = draft
                    .with("Event", "reg")
                    .with("Expires", "60")
                    .with("Accept", "application/reginfo+xml");
            }
            _ => {
                draft = draft.with("Content-Type", "application/sdp");
                SDP.clone_into(&mut draft.body);
            }
        }
        self.branch(&mut draft);
        draft
    }

    pub(super) fn contact(&self) -> String {
        let parameter = if self.plan.transport.is_reliable() {
            ";transport=tcp"
        } else {
            ""
        };
        format!("<sip:{}@{}{parameter}>", self.plan.user, self.plan.here)
    }

    /// Gives a request a branch of its own.
    pub(super) fn branch(&mut self, draft: &mut Draft) {
        self.branches += 1;
        let token = if self.plan.transport.is_reliable() {
            "TCP"
        } else {
            "UDP"
        };
        let (here, number, count) = (self.plan.here, self.plan.number, self.branches);
        draft.change("Via", |_| {
            format!("SIP/2.0/{token} {here};rport;branch=z9hG4bKm{number}n{count}")
        });
    }

    /// A request of a call that is not there.
    pub(super) fn within_nothing(&self, method: &str) -> Draft {
        let Plan {
            domain,
            user,
            callee,
            number,
            ..
        } = &self.plan;
        let draft = Draft::new(format!("{method} sip:{callee}@{domain} SIP/2.0"))
            .with("Via", "")
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:{user}@{domain}>;tag=stray"))
            .with("To", format!("<sip:{callee}@{domain}>;tag=nobody"))
            .with("Call-ID", format!("stray-{number}"))
            .with("CSeq", format!("7 {method}"));
        if method == "INVITE" {
            draft.with("Contact", self.contact())
        } else {
            draft
        }
    }

    /// Sends a request, as wrong as it is to be.
    pub(super) fn request(&mut self, mut draft: Draft, way: Way, now: Instant) {
        self.spoil(&mut draft);
        let bytes = draft.bytes();
        let is_ack = draft.method() == "ACK";
        self.asked.push(Asked {
            draft,
            bytes: bytes.clone(),
            way,
            answered: is_ack,
        });
        let resends = !matches!(
            self.plan.sin,
            Some(Sin::Vanishes | Sin::Storm | Sin::RingsForEver)
        );
        if !way.is_stream && !is_ack && resends {
            self.at(now + T1, Act::Again(self.asked.len() - 1, 1));
        }
        self.emit(way, bytes, now);
    }

    pub(super) fn respond(&mut self, mut draft: Draft, way: Way, now: Instant) {
        self.spoil(&mut draft);
        self.emit(way, draft.bytes(), now);
    }

    pub(super) fn spoil(&mut self, draft: &mut Draft) {
        let Some(sin) = self.plan.sin else { return };
        self.spoilt += 1;
        let subject = self.plan.subject.to_string();
        let circumstances = Circumstances {
            subject: &subject,
            count: self.spoilt,
        };
        sin.spoil(draft, circumstances);
    }

    pub(super) fn emit(&mut self, mut way: Way, bytes: Vec<u8>, now: Instant) {
        if self.plan.sin == Some(Sin::OtherPort) {
            way.from = self.plan.other;
            if way.is_stream {
                // To where it listens: whoever connected to us does not.
                way.to = self.plan.subject;
            }
        }
        let transport = if way.is_stream {
            TransportKind::Tcp
        } else {
            TransportKind::Udp
        };
        let pieces = match self.plan.sin {
            Some(sin) => sin.pieces(bytes, transport),
            None => vec![bytes],
        };
        let later = self.plan.sin == Some(Sin::HalfSegments);
        for (place, bytes) in pieces.into_iter().enumerate() {
            if later && place > 0 {
                self.at(now + 20 * MILLI, Act::Send(way, bytes));
            } else {
                self.put(way, bytes);
            }
        }
    }

    pub(super) fn put(&mut self, way: Way, bytes: Vec<u8>) {
        self.out.push_back(Sent {
            from: way.from,
            to: way.to,
            transport: if way.is_stream {
                TransportKind::Tcp
            } else {
                TransportKind::Udp
            },
            bytes,
        });
    }
}
