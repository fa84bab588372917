//! [`Branch`]: the branch parameter of the Vias that this layer pushes.

use std::fmt;

use sip_message::{Request, Response};
use sip_transport::Rng;

use crate::matching::{MAGIC_COOKIE, has_magic_cookie};
use crate::scan::TopVia;
use crate::siphash::{HashKey, SipHash};

/// A branch parameter (RFC 3261 §8.1.1.7), held without an allocation.
///
/// Two forms leave this layer. A client transaction's names the worker that owns it, so that a response which reaches
/// another worker's socket can be handed over; the rest is 130 random bits, and for a proxy the hash by which it
/// detects loops. That of a stateless proxy is computed from the request (RFC 3261 §16.11).
///
/// ```text
/// z9hG4bKw0003qk5zr0x6d1p8v9m2c7h4j3f1na                     worker 3, 26 random characters
/// z9hG4bKw0003qk5zr0x6d1p8v9m2c7h4j3f1na.00f3a29c5d7e1b84    and a loop hash
/// z9hG4bKs5a1f0c2277d19b3e80c4a6e1f2d3b497                   stateless
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    text: [u8; MAX],
    len: u8,
}

const MAX: usize = 64;
const WORKER_PREFIX: &str = "z9hG4bKw";
const RANDOM: usize = 26;
/// 32 characters that are tokens, of one case and not mistaken for each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Branch {
    /// A fresh branch for a client transaction.
    pub(crate) fn mint(rng: &mut Rng, worker: u16, loop_hash: Option<u64>) -> Self {
        let mut branch = Self::new(WORKER_PREFIX);
        branch.push_hex(u64::from(worker), 4);
        for half in [rng.next_u64(), rng.next_u64()] {
            branch.push_random(half);
        }
        if let Some(hash) = loop_hash {
            branch.push(b'.');
            branch.push_hex(hash, 16);
        }
        branch
    }

    /// The branch that a stateless element gives a request which it forwards (RFC 3261 §16.11).
    ///
    /// It depends only on fields that are the same in a retransmission, and on those that an INVITE shares with its
    /// CANCEL and with its ACK to a non-2xx response. The hash has a fixed key, because workers and restarts must agree;
    /// a peer that makes two of its requests collide harms only these.
    #[must_use]
    pub fn stateless(request: &Request) -> Self {
        let mut hash = SipHash::new(HashKey(0, 0));
        let headers = request.headers();
        let mut decoded = None;
        let branch = TopVia::of(headers, &mut decoded)
            .map(|via| via.branch)
            .filter(|branch| has_magic_cookie(branch));
        if let Some(branch) = branch {
            hash.field(branch);
        } else {
            if let Some(via) = headers.values(sip_message::HeaderName::Via).next() {
                hash.field(via.as_bytes());
            }
            hash.field(headers.to_tag().unwrap_or_default().as_bytes());
            hash.field(headers.from_tag().unwrap_or_default().as_bytes());
            hash.field(headers.call_id().unwrap_or_default().as_bytes());
            hash.word(headers.cseq().map_or(0, |(number, _)| u64::from(number)));
            hash.field(request.uri_str().as_bytes());
        }
        let [low, high] = hash.finish();
        let mut branch = Self::new(MAGIC_COOKIE);
        branch.push(b's');
        branch.push_hex(low, 16);
        branch.push_hex(high, 16);
        branch
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The branch as it stands in the Via.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever pushed.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The worker that a branch of ours names: where to hand over a response with this branch.
    ///
    /// ```
    /// use sip_transaction::Branch;
    ///
    /// assert_eq!(Branch::worker_of("z9hG4bKw0003qk5zr0x6d1p8v9m2c7h4j3f1na"), Some(3));
    /// assert_eq!(Branch::worker_of("z9hG4bK776asdhds"), None);
    /// ```
    #[must_use]
    pub fn worker_of(branch: &str) -> Option<u16> {
        let (worker, rest) = branch.strip_prefix(WORKER_PREFIX)?.split_at_checked(4)?;
        let random = rest.split('.').next()?;
        if random.len() != RANDOM {
            return None;
        }
        u16::from_str_radix(worker, 16).ok()
    }

    /// Is it a branch that [`stateless`](Self::stateless) made?
    ///
    /// ```
    /// use sip_transaction::Branch;
    ///
    /// assert!(Branch::is_stateless("z9hG4bKs5a1f0c2277d19b3e80c4a6e1f2d3b497"));
    /// assert!(!Branch::is_stateless("z9hG4bKsomething"));
    /// ```
    #[must_use]
    pub fn is_stateless(branch: &str) -> bool {
        branch
            .strip_prefix(MAGIC_COOKIE)
            .and_then(|rest| rest.strip_prefix('s'))
            .is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// Is it the response to a request that a [stateless](Self::stateless) element sent?
    ///
    /// ```
    /// use sip_message::{Message, ParserConfig};
    /// use sip_transaction::Branch;
    ///
    /// let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs5a1f0c2277d19b3e80c4a6e1f2d3b497\r\n\
    ///     From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n";
    /// let Ok(Message::Response(response)) = Message::parse(text.into(), &ParserConfig::default()) else { panic!() };
    /// assert!(Branch::is_of_stateless(&response));
    /// ```
    #[must_use]
    pub fn is_of_stateless(response: &Response) -> bool {
        let mut decoded = None;
        TopVia::of(response.headers(), &mut decoded)
            .and_then(|via| std::str::from_utf8(via.branch).ok())
            .is_some_and(Self::is_stateless)
    }

    /// The loop hash of a branch that [`TransactionLayer::forward`](crate::TransactionLayer::forward) made.
    #[must_use]
    pub fn loop_hash_of(branch: &str) -> Option<u64> {
        Self::worker_of(branch)?;
        let (_, hash) = branch.split_once('.')?;
        if hash.len() != 16 {
            return None;
        }
        u64::from_str_radix(hash, 16).ok()
    }

    fn new(prefix: &str) -> Self {
        let mut text = [0; MAX];
        if let Some(start) = text.get_mut(..prefix.len()) {
            start.copy_from_slice(prefix.as_bytes());
        }
        Self {
            text,
            // The prefixes are a few characters long.
            len: prefix.len() as u8,
        }
    }

    /// Half of the random characters.
    fn push_random(&mut self, mut bits: u64) {
        let len = usize::from(self.len);
        let place = self.text.get_mut(len..);
        let Some(place) = place.and_then(<[u8]>::first_chunk_mut::<{ RANDOM / 2 }>) else {
            return;
        };
        for byte in place {
            #[expect(clippy::indexing_slicing, reason = "five bits are below 32")]
            {
                *byte = ALPHABET[(bits & 31) as usize];
            }
            bits >>= 5;
        }
        self.len += (RANDOM / 2) as u8;
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
    }

    fn push_hex(&mut self, value: u64, digits: u8) {
        let from = usize::from(self.len);
        let Some(place) = self.text.get_mut(from..from + usize::from(digits)) else {
            return;
        };
        let mut rest = value;
        for byte in place.iter_mut().rev() {
            let nibble = (rest & 15) as u8;
            *byte = if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' - 10 + nibble
            };
            rest >>= 4;
        }
        self.len += digits;
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Branch({})", self.as_str())
    }
}
