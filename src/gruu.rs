//! [`Gruus`]: URIs that lead to one user agent instance of a user (RFC 5627).
//!
//! ```text
//!   public     sip:alice@example.com;gr=urn:uuid:f81d4fae-...     says whose it is, for ever the same
//!   temporary  sip:tgruu.<107 characters>@example.com;gr          says nothing, another one in each answer
//! ```
//! Nothing of either is stored. A public one is the address of record and the instance (appendix A.1). A temporary one
//! carries the user and the epoch of the instance's registrations ([`Binding::epoch`]) under a key of the domain, all of
//! one length: whoever has two of them cannot tell whether they are of one user (§5.1). It is valid as long as a binding
//! of that epoch is there, which ends with the last contact of the instance or when its Call-ID changes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sip_message::{Host, Uri, UriRef};
use sip_transport::{Rng, Seed};
use subtle::ConstantTimeEq as _;

use crate::domain::{Aor, Domains};
use crate::location::Binding;

/// How the user part of a temporary GRUU begins (appendix A.2).
const PREFIX: &str = "tgruu.";
/// The longest user that a temporary GRUU has room for.
const USER: usize = 47;
/// Nonce, epoch, length of the user, user.
const PLAIN: usize = 8 + 8 + 1 + USER;
/// What proves that a temporary GRUU is ours, and starts its cipher.
const TAG: usize = 16;
/// The longest instance that gets GRUUs.
const INSTANCE: usize = 256;

/// Makes GRUUs and reads them. All nodes of a domain need the same seed, and the same after a restart.
///
/// ```
/// use sip_message::UriRef;
/// use sip_stack::domain::{Aor, Domains};
/// use sip_stack::gruu::{Gruus, Wanted};
/// use sip_transport::Seed;
///
/// let (gruus, domains) = (Gruus::new(&Seed::from_bytes([7; 32])), Domains::new("example.com"));
/// let alice = Aor::new("alice", "example.com");
/// let uri = gruus.temporary(&alice, 42, &mut Seed::from_bytes([8; 32]).rng()).unwrap();
/// assert!(!uri.as_str().contains("alice"));
/// assert_eq!(gruus.read(uri.as_ref(), &domains), Some((alice, Wanted::Temporary { epoch: 42 })));
/// ```
#[derive(Clone)]
pub struct Gruus {
    tag: Hmac<Sha256>,
    cipher: Hmac<Sha256>,
}

/// Which bindings of its address of record a GRUU leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Those of the instance with this `gr` parameter.
    Public {
        /// The parameter, as it stands in the URI.
        gr: Box<str>,
    },
    /// Those of this epoch.
    Temporary {
        /// See [`Binding::epoch`].
        epoch: u64,
    },
    /// It has a `gr` parameter and is no GRUU of ours.
    Nothing,
}

impl Gruus {
    /// GRUUs under keys from this seed.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        let key = |label: &str| {
            let mut key = [0; 64];
            seed.derive(label).rng().fill(&mut key);
            Hmac::new(&key.into())
        };
        Self {
            tag: key("gruu tag"),
            cipher: key("gruu cipher"),
        }
    }

    /// The public GRUU of an instance (RFC 5627 §3.1.1, §5.4); `None` for an instance that is none or too long.
    #[must_use]
    pub fn public(&self, aor: &Aor, instance: &str) -> Option<Uri> {
        if instance.is_empty() || instance.len() > INSTANCE {
            return None;
        }
        Some(uri(aor.user(), aor.domain())?.with_param("gr", Some(instance)))
    }

    /// A new temporary GRUU (RFC 5627 §3.1.2, §5.4); `None` without an epoch, and for a user whose name is too long.
    #[must_use]
    pub fn temporary(&self, aor: &Aor, epoch: u64, rng: &mut Rng) -> Option<Uri> {
        let user = aor.user().as_bytes();
        if epoch == 0 {
            return None;
        }
        let mut plain = [0; PLAIN];
        let (nonce, rest) = plain.split_first_chunk_mut::<8>()?;
        let (number, rest) = rest.split_first_chunk_mut::<8>()?;
        let (len, rest) = rest.split_first_mut()?;
        rng.fill(nonce);
        *number = epoch.to_be_bytes();
        *len = u8::try_from(user.len()).ok()?;
        rest.get_mut(..user.len())?.copy_from_slice(user);
        let tag = mac(&self.tag, &[&plain]);
        let tag = tag.get(..TAG)?;
        self.crypt(tag, &mut plain);
        let text = URL_SAFE_NO_PAD.encode([tag, &plain].concat());
        Some(uri(&format!("{PREFIX}{text}"), aor.domain())?.with_param("gr", None))
    }

    /// Both as Contact parameters, for the answer to a REGISTER (RFC 5627 §5.2).
    #[must_use]
    pub fn parameters(&self, aor: &Aor, binding: &Binding, rng: &mut Rng) -> String {
        let Some(instance) = binding.instance() else {
            return String::new();
        };
        let public = self.public(aor, &instance);
        let temporary = self.temporary(aor, binding.epoch, rng);
        let mut text = String::new();
        for (name, uri) in [("pub-gruu", public), ("temp-gruu", temporary)] {
            if let Some(uri) = uri {
                // No character of a URI needs an escape in a quoted string.
                text.push_str(&format!(";{name}=\"{}\"", uri.as_str()));
            }
        }
        text
    }

    /// The address of record and what of it is wanted, when the URI has a `gr` parameter and is of our domain (RFC 5627
    /// §6.1).
    #[must_use]
    pub fn read(&self, uri: UriRef<'_>, domains: &Domains) -> Option<(Aor, Wanted)> {
        if !uri.is_gruu() {
            return None;
        }
        let aor = domains.aor(uri)?;
        let Some(text) = aor.user().strip_prefix(PREFIX) else {
            let wanted = match uri.gr().filter(|gr| !gr.is_empty()) {
                Some(gr) => Wanted::Public { gr: gr.into() },
                None => Wanted::Nothing,
            };
            return Some((aor, wanted));
        };
        Some(match self.open(text) {
            Some((user, epoch)) => (
                Aor::new(&user, domains.primary()),
                Wanted::Temporary { epoch },
            ),
            None => (aor, Wanted::Nothing),
        })
    }

    /// Does the GRUU lead to this binding?
    #[must_use]
    pub fn leads_to(&self, wanted: &Wanted, aor: &Aor, binding: &Binding) -> bool {
        match wanted {
            Wanted::Nothing => false,
            Wanted::Temporary { epoch } => binding.epoch == *epoch,
            Wanted::Public { gr } => binding
                .instance()
                .and_then(|instance| self.public(aor, &instance))
                // RFC 3261 §19.1.4: parameters are compared without case.
                .is_some_and(|uri| {
                    uri.as_ref()
                        .gr()
                        .is_some_and(|own| own.eq_ignore_ascii_case(gr))
                }),
        }
    }

    fn open(&self, text: &str) -> Option<(String, u64)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, sealed) = bytes.split_first_chunk::<TAG>()?;
        let mut plain: [u8; PLAIN] = sealed.try_into().ok()?;
        self.crypt(tag, &mut plain);
        let expected = mac(&self.tag, &[&plain]);
        if !bool::from(expected.get(..TAG)?.ct_eq(tag)) {
            return None;
        }
        let (_, rest) = plain.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first()?;
        let user = rest.get(..usize::from(*len))?;
        Some((
            std::str::from_utf8(user).ok()?.to_owned(),
            u64::from_be_bytes(*epoch),
        ))
    }

    /// The tag depends on all of the text and on its nonce, so no two texts share a key stream (RFC 5297 §1.3.2 names the
    /// construction); both directions are the same.
    fn crypt(&self, tag: &[u8], plain: &mut [u8; PLAIN]) {
        for (counter, block) in (0_u8..).zip(plain.chunks_mut(32)) {
            let stream = mac(&self.cipher, &[tag, &[counter]]);
            for (byte, key) in block.iter_mut().zip(stream) {
                *byte ^= key;
            }
        }
    }
}

impl std::fmt::Debug for Gruus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gruus(..)")
    }
}

fn mac(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn uri(user: &str, domain: &str) -> Option<Uri> {
    Some(Uri::sip(Some(user), Host::parse(domain)?, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn gruus() -> Gruus {
        Gruus::new(&Seed::from_bytes([1; 32]))
    }

    fn alice() -> Aor {
        Aor::new("alice", "example.com")
    }

    fn binding(instance: &str, epoch: u64) -> Binding {
        let mut binding = Binding::new("sip:a@192.0.2.1", std::time::UNIX_EPOCH, "c", 1);
        let parameters = format!(";+sip.instance=\"<{instance}>\"");
        binding.edit(|fields| fields.parameters = parameters.into());
        binding.epoch = epoch;
        binding
    }

    #[test]
    fn rfc5627_3_1_1_a_public_gruu_is_the_aor_with_the_instance() {
        let uri = gruus().public(&alice(), UUID).unwrap();
        assert_eq!(uri.as_str(), format!("sip:alice@example.com;gr={UUID}"));
        // What may not stand in a parameter is escaped, and found again.
        let odd = gruus().public(&alice(), "a;b=\"é\"").unwrap();
        let domains = Domains::new("example.com");
        let (aor, wanted) = gruus().read(odd.as_ref(), &domains).unwrap();
        assert_eq!(aor, alice());
        assert!(gruus().leads_to(&wanted, &aor, &binding("a;b=\\\"é\\\"", 0)));
        assert!(!gruus().leads_to(&wanted, &aor, &binding("a", 0)));
        assert_eq!(gruus().public(&alice(), &"x".repeat(300)), None);
    }

    #[test]
    fn rfc5627_5_1_temporary_gruus_are_equal_in_nothing_but_their_length() {
        let mut rng = Seed::from_bytes([2; 32]).rng();
        let mut make = |user: &str, epoch| {
            let uri = gruus()
                .temporary(&Aor::new(user, "example.com"), epoch, &mut rng)
                .unwrap();
            uri.as_ref().user().unwrap().to_owned()
        };
        let all = [
            make("alice", 1),
            make("alice", 1),
            make("a.very.long.name.of.a.user.indeed", 2),
        ];
        assert_eq!(all.each_ref().map(|user| user.len()), [6 + 107; 3]);
        // No position outside of the prefix is the same in the two of one user more often than chance has it.
        let same = all[0]
            .bytes()
            .zip(all[1].bytes())
            .skip(PREFIX.len())
            .filter(|(a, b)| a == b)
            .count();
        assert!(same < 10, "{all:?}");
    }

    #[test]
    fn rfc5627_10_1_nobody_else_makes_a_temporary_gruu() {
        let domains = Domains::new("example.com");
        let mut rng = Seed::from_bytes([2; 32]).rng();
        let uri = gruus().temporary(&alice(), 7, &mut rng).unwrap();
        let text = uri.as_str();
        assert!(matches!(
            gruus().read(uri.as_ref(), &domains),
            Some((aor, Wanted::Temporary { epoch: 7 })) if aor == alice()
        ));
        // Any character changed, cut short, or under another key.
        for at in "sip:tgruu.".len()..text.find('@').unwrap() {
            let mut forged = text.as_bytes().to_vec();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            let read = gruus().read(UriRef::parse(&forged).unwrap(), &domains);
            // The last character has bits to spare, which must be zero.
            assert!(matches!(read, Some((_, Wanted::Nothing))), "{forged}");
        }
        for text in [
            "sip:tgruu.AAAA@example.com;gr",
            "sip:tgruu.@example.com;gr",
            "sip:alice@example.com;gr",
        ] {
            let read = gruus().read(UriRef::parse(text).unwrap(), &domains);
            assert!(matches!(read, Some((_, Wanted::Nothing))), "{text}");
        }
        let others = Gruus::new(&Seed::from_bytes([9; 32]));
        assert!(matches!(
            others.read(uri.as_ref(), &domains),
            Some((_, Wanted::Nothing))
        ));
        for text in ["sip:alice@example.com", "sip:alice@example.net;gr=x"] {
            assert_eq!(
                gruus().read(UriRef::parse(text).unwrap(), &domains),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn rfc5627_5_2_the_parameters_of_a_contact() {
        let mut rng = Seed::from_bytes([2; 32]).rng();
        let text = gruus().parameters(&alice(), &binding(UUID, 5), &mut rng);
        assert!(
            text.starts_with(&format!(
                ";pub-gruu=\"sip:alice@example.com;gr={UUID}\";temp-gruu=\"sip:tgruu."
            )),
            "{text}"
        );
        assert!(text.ends_with("@example.com;gr\""), "{text}");
        // Without an epoch, or with a user that has no room in it: the public one alone.
        assert!(
            !gruus()
                .parameters(&alice(), &binding(UUID, 0), &mut rng)
                .contains("temp")
        );
        let long = Aor::new(&"u".repeat(USER + 1), "example.com");
        assert!(
            !gruus()
                .parameters(&long, &binding(UUID, 5), &mut rng)
                .contains("temp")
        );
        let plain = Binding::new("sip:a@192.0.2.1", std::time::UNIX_EPOCH, "c", 1);
        assert_eq!(gruus().parameters(&alice(), &plain, &mut rng), "");
    }
}
