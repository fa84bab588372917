//! A strict validator of the messages that leave a role.
//!
//! It shares nothing with `sip-message` but the RFCs: it reads the bytes as they are on the wire with code of its own,
//! so that a mistake of the builder is not repeated by the judge. What is checked says the sections beside each rule;
//! which field may be where is a [table](self) in `judge/fields.txt`. It is compiled for tests alone (feature `__judge`).
//!
//! ```
//! use sip_transport::{TransportKind, judge};
//!
//! let options = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
//!     From: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\nCall-ID: x@a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
//! assert_eq!(judge::faults(options.as_bytes(), TransportKind::Tcp), [""; 0]);
//! let wrong = options.replace("CSeq: 1 OPTIONS", "CSeq: 1 INFO");
//! assert_eq!(judge::faults(wrong.as_bytes(), TransportKind::Tcp), ["CSeq: another method than the request's"]);
//! ```

mod fields;
mod read;
mod rules;

#[cfg(test)]
mod tests;

use crate::kind::TransportKind;

use self::read::Text;

/// Everything that is wrong with a message that is about to leave over a transport: one line for each fault, the field
/// first. Empty for a good one.
#[must_use]
pub fn faults(payload: &[u8], transport: TransportKind) -> Vec<String> {
    if is_keep_alive(payload) {
        return Vec::new();
    }
    let mut faults = Faults(Vec::new());
    if let Some(message) = Text::read(payload, &mut faults) {
        rules::check(&message, transport, &mut faults);
        fields::check(&message, &mut faults);
    }
    faults.0
}

/// What is wrong with a message of one's own. What a response has from its request (RFC 3261 §8.2.6.2) is the peer's fault.
#[must_use]
pub fn faults_of_our_own(payload: &[u8], transport: TransportKind) -> Vec<String> {
    const COPIED: [&str; 5] = ["Via:", "From:", "Call-ID:", "CSeq:", "To: no address"];
    let mut faults = faults(payload, transport);
    if payload.starts_with(b"SIP/2.0 ") {
        faults.retain(|fault| !COPIED.iter().any(|copied| fault.starts_with(copied)));
    }
    faults
}

/// What is wrong with a message that somebody only passes on: what it is about is the business of its ends, and its faults
/// are theirs.
#[must_use]
pub fn faults_of_hop(payload: &[u8], transport: TransportKind) -> Vec<String> {
    if is_keep_alive(payload) {
        return Vec::new();
    }
    let mut faults = Faults(Vec::new());
    if let Some(message) = Text::read(payload, &mut faults) {
        rules::check_hop(&message, transport, &mut faults);
    }
    faults.0
}

/// The same for people, as by [`report`].
#[must_use]
pub fn report_passed_on(payload: &[u8], transport: TransportKind) -> Option<String> {
    shown(&faults_of_hop(payload, transport), payload)
}

/// That nothing is wrong with a message.
///
/// # Panics
/// When something is; the text has the faults and the message.
#[track_caller]
pub fn assert_valid(payload: &[u8], transport: TransportKind) {
    if let Some(text) = report(payload, transport) {
        panic!("{text}");
    }
}

/// What is wrong with a message, and the message, for people; `None` for a good one.
#[must_use]
pub fn report(payload: &[u8], transport: TransportKind) -> Option<String> {
    shown(&faults(payload, transport), payload)
}

/// RFC 5626 §3.5.1, RFC 3261 §7.5: those are no messages.
fn is_keep_alive(payload: &[u8]) -> bool {
    payload.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

fn shown(faults: &[String], payload: &[u8]) -> Option<String> {
    (!faults.is_empty()).then(|| {
        format!(
            "a message that must not leave:\n  {}\n{}",
            faults.join("\n  "),
            String::from_utf8_lossy(payload)
        )
    })
}

/// What was found.
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    fn unless(&mut self, good: bool, fault: &str) {
        if !good {
            self.add(fault);
        }
    }
}
