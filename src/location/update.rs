//! [`apply`]: RFC 3261 §10.3, steps 6 and 7, as a function.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sip_message::UriRef;

use super::binding::Words;
use super::{Binding, BindingUpdate, Change, ContactUpdate, Refresh, UpdateOutcome};

/// Applies an update to the bindings of one address of record. Those that have expired are dropped on the way.
///
/// Nothing is stored here: [`UpdateOutcome::Stored`] carries what the caller is to store.
///
/// ```
/// use std::time::SystemTime;
/// use sip_stack::location::{BindingUpdate, Change, ContactUpdate, UpdateOutcome, apply};
/// let contact = ContactUpdate::new("sip:alice@192.0.2.7", 3600);
/// let update = BindingUpdate::new("call-1", 1, Change::Contacts(vec![contact]));
/// let UpdateOutcome::Stored(bindings) = apply(&[], update.clone(), SystemTime::now()) else { panic!() };
/// assert_eq!(bindings[0].contact(), "sip:alice@192.0.2.7");
/// assert_eq!(apply(&bindings, update, SystemTime::now()), UpdateOutcome::OutOfOrder);
/// ```
#[must_use]
pub fn apply(stored: &[Binding], update: BindingUpdate, now: SystemTime) -> UpdateOutcome {
    let live = || stored.iter().filter(|binding| binding.is_live(now));
    let BindingUpdate {
        call_id,
        cseq,
        change,
        limit,
        epoch,
        cause: _,
    } = update;
    // An update with the Call-ID of a binding must have a higher CSeq; all or nothing.
    let is_old = |binding: &Binding| cseq <= binding.cseq && *binding.call_id() == *call_id;
    let contacts = match change {
        Change::RemoveAll if live().any(is_old) => return UpdateOutcome::OutOfOrder,
        Change::RemoveAll => return UpdateOutcome::Stored(Arc::default()),
        Change::Contacts(contacts) => contacts,
    };
    // The bindings as they were: two contacts of one request do not make each other old.
    let is_out_of_order = contacts
        .iter()
        .any(|contact| live().any(|binding| is_old(binding) && is_same(binding, contact)));
    if is_out_of_order {
        return UpdateOutcome::OutOfOrder;
    }
    let request = By {
        call_id,
        cseq,
        epoch,
        now,
    };
    // Nearly all telephones are alone and have one contact.
    if let [only] = contacts.as_slice()
        && only.expires > 0
        && limit > 0
        && live().all(|binding| is_same(binding, only))
        && live().count() <= 1
        && (epoch == 0 || only.instance().is_none())
    {
        let binding = bind(only, live().next(), 0, &request);
        return UpdateOutcome::Stored(Arc::new([binding]));
    }
    // What is replaced is not copied first.
    let mut bindings = Vec::with_capacity(stored.len() + contacts.len());
    bindings.extend(live().map(Cow::Borrowed));
    for (contact, place) in contacts.into_iter().zip(0_u64..) {
        let at = bindings
            .iter()
            .position(|binding| is_same(binding, &contact));
        if contact.expires == 0 {
            at.map(|at| bindings.remove(at));
            continue;
        }
        let epoch = new_epoch(&mut bindings, &contact, &request, place);
        let known = at.and_then(|at| bindings.get(at));
        let binding = Cow::Owned(bind(&contact, known.map(|known| &**known), epoch, &request));
        match at.and_then(|at| bindings.get_mut(at)) {
            Some(slot) => *slot = binding,
            None => bindings.push(binding),
        }
    }
    if bindings.len() > limit {
        return UpdateOutcome::TooMany(limit);
    }
    UpdateOutcome::Stored(bindings.into_iter().map(Cow::into_owned).collect())
}

impl Refresh<'_> {
    /// What [`apply`] makes of it and of what is stored, which stays as it is.
    pub(crate) fn decide(&self, stored: Option<&Arc<[Binding]>>, now: SystemTime) -> UpdateOutcome {
        let decided = match stored {
            _ if self.limit == 0 => None,
            Some(stored) => self.apply(&mut Arc::clone(stored), now),
            None => Some(UpdateOutcome::Stored(Arc::new([self.alone(now)]))),
        };
        decided.unwrap_or_else(|| {
            let stored = stored.map_or(&[][..], |stored| stored);
            apply(stored, self.to_update(), now)
        })
    }

    fn to_update(self) -> BindingUpdate {
        let mut contact = ContactUpdate::new(self.contact, self.expires);
        contact.parameters = self.parameters.into();
        contact.q = self.q;
        contact.user_agent = self.user_agent.into();
        let change = Change::Contacts(vec![contact]);
        BindingUpdate::new(self.call_id, self.cseq, change).with_limit(self.limit)
    }

    /// What [`apply`] makes of it where nothing is stored.
    pub(super) fn alone(&self, now: SystemTime) -> Binding {
        let mut binding = Binding::of(&self.words(), self.expires(now), self.cseq);
        binding.q = self.q;
        binding
    }

    /// What [`apply`] makes of it and of the one binding of the same contact, which is changed where it is unless somebody else
    /// looks at it. `None`: that is not what is stored.
    pub(super) fn apply(
        &self,
        stored: &mut Arc<[Binding]>,
        now: SystemTime,
    ) -> Option<UpdateOutcome> {
        let [known] = &**stored else { return None };
        let is_its = known.is_live(now)
            && known.outbound().is_none()
            && is_same_contact(known.contact(), self.contact);
        if !is_its {
            return None;
        }
        let is_same_call = known.call_id() == self.call_id;
        if self.cseq <= known.cseq && is_same_call {
            return (!self.follows).then_some(UpdateOutcome::OutOfOrder);
        }
        if self.follows && !is_same_call {
            return None;
        }
        let (words, expires) = (self.words(), self.expires(now));
        match Arc::get_mut(stored) {
            Some([known]) => {
                known.renew(&words, expires, self.cseq);
                known.q = self.q;
            }
            _ => {
                let mut binding = stored.first()?.again(&words, expires, self.cseq);
                binding.q = self.q;
                *stored = Arc::new([binding]);
            }
        }
        Some(UpdateOutcome::Stored(Arc::clone(stored)))
    }

    fn words(&self) -> Words<'_> {
        Words {
            contact: self.contact,
            parameters: self.parameters,
            call_id: self.call_id,
            user_agent: self.user_agent,
            ..Words::default()
        }
    }

    fn expires(&self, now: SystemTime) -> SystemTime {
        now + Duration::from_secs(self.expires.into())
    }
}

/// What all contacts of an update have in common.
struct By {
    call_id: Box<str>,
    cseq: u32,
    epoch: u64,
    now: SystemTime,
}

/// RFC 5627 §5.1: the epoch of the instance that a contact belongs to. If the most recent registration of the same
/// instance, or of the same flow of it, had another Call-ID, all temporary GRUUs of the instance end: a new epoch begins. Its
/// lower half is the CSeq of the request that begins it, which watchers are told (RFC 5628 §5).
fn new_epoch(
    bindings: &mut [Cow<'_, Binding>],
    contact: &ContactUpdate,
    update: &By,
    place: u64,
) -> u64 {
    if update.epoch == 0 {
        return 0;
    }
    let Some(instance) = contact.instance() else {
        return 0;
    };
    let mut of_instance: Vec<&mut Cow<'_, Binding>> = bindings
        .iter_mut()
        .filter(|binding| binding.instance().as_deref() == Some(&*instance))
        .collect();
    let last = of_instance
        .iter()
        .filter(|binding| contact.outbound.is_none() || binding.outbound() == outbound(contact))
        .max_by_key(|binding| binding.expires);
    let ends = last.is_some_and(|last| *last.call_id() != *update.call_id);
    let present = of_instance.first().map_or(0, |binding| binding.epoch);
    if !ends && present != 0 {
        return present;
    }
    // Two instances of one request are not the same one.
    let chance = update.epoch.wrapping_add(place) << 32;
    let new = (chance | u64::from(update.cseq)).max(1);
    for binding in &mut of_instance {
        binding.to_mut().epoch = new;
    }
    new
}

/// The binding of a contact, which may be that of one that is known.
fn bind(contact: &ContactUpdate, known: Option<&Binding>, epoch: u64, by: &By) -> Binding {
    let words = Words {
        contact: &contact.contact,
        parameters: &contact.parameters,
        call_id: &by.call_id,
        user_agent: &contact.user_agent,
        flow: contact.flow.as_deref(),
        node: contact.node.as_deref(),
        outbound: contact.outbound.as_ref(),
        path: &contact.path,
    };
    let expires = by.now + Duration::from_secs(contact.expires.into());
    let mut binding = match known {
        Some(known) => known.again(&words, expires, by.cseq),
        None => Binding::of(&words, expires, by.cseq),
    };
    binding.q = contact.q;
    binding.epoch = epoch;
    binding
}

fn outbound(contact: &ContactUpdate) -> Option<(&str, u32)> {
    let outbound = contact.outbound.as_ref()?;
    Some((&outbound.instance, outbound.reg_id))
}

/// RFC 5626 §6: a flow of a user agent is known by instance and number, whatever its contact; others by their contact.
fn is_same(binding: &Binding, contact: &ContactUpdate) -> bool {
    match (binding.outbound(), outbound(contact)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => is_same_contact(binding.contact(), &contact.contact),
        // A removal may leave the number out.
        (Some(_), None) => {
            contact.expires == 0 && is_same_contact(binding.contact(), &contact.contact)
        }
        // The same telephone, which has learned RFC 5626.
        (None, Some(_)) => is_same_contact(binding.contact(), &contact.contact),
    }
}

/// RFC 3261 §10.3, step 7: contacts are compared by the rules for URIs (§19.1.4), where they are URIs.
fn is_same_contact(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (UriRef::parse(a), UriRef::parse(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// A time as milliseconds since 1970, in the store.
pub(super) mod seconds {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        serializer.serialize_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let millis = u64::deserialize(deserializer)?;
        UNIX_EPOCH
            .checked_add(Duration::from_millis(millis))
            .ok_or_else(|| serde::de::Error::custom("a time out of range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "sip:alice@192.0.2.7:5060;transport=udp";

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn contacts(call_id: &str, cseq: u32, list: &[(&str, u32)]) -> BindingUpdate {
        let list = list
            .iter()
            .map(|&(contact, expires)| ContactUpdate::new(contact, expires))
            .collect();
        BindingUpdate::new(call_id, cseq, Change::Contacts(list))
    }

    fn stored(outcome: UpdateOutcome) -> Arc<[Binding]> {
        match outcome {
            UpdateOutcome::Stored(bindings) => bindings,
            UpdateOutcome::OutOfOrder | UpdateOutcome::TooMany(_) => panic!("{outcome:?}"),
        }
    }

    fn names(bindings: &[Binding]) -> Vec<&str> {
        bindings.iter().map(Binding::contact).collect()
    }

    #[test]
    fn rfc3261_10_3_step_7_adds_refreshes_and_removes() {
        let first = stored(apply(
            &[],
            contacts("a", 1, &[(ALICE, 60), ("sip:alice@192.0.2.8", 30)]),
            start(),
        ));
        assert_eq!(names(&first), [ALICE, "sip:alice@192.0.2.8"]);
        assert_eq!(first[0].remaining(start()), 60);
        // The same URI in other clothes is the same contact (§19.1.4).
        let again = contacts("a", 2, &[("sip:alice@192.0.2.7:5060;TRANSPORT=UDP", 90)]);
        let second = stored(apply(&first, again, start()));
        assert_eq!(second.len(), 2);
        assert_eq!(second[0].remaining(start()), 90);
        assert_eq!(second[0].cseq, 2);
        let third = stored(apply(&second, contacts("a", 3, &[(ALICE, 0)]), start()));
        assert_eq!(names(&third), ["sip:alice@192.0.2.8"]);
    }

    #[test]
    fn rfc3261_10_3_step_7_an_older_cseq_of_the_same_call_id_aborts_all() {
        let first = stored(apply(&[], contacts("a", 5, &[(ALICE, 60)]), start()));
        for cseq in [4, 5] {
            let update = contacts("a", cseq, &[("sip:new@192.0.2.9", 60), (ALICE, 60)]);
            assert_eq!(apply(&first, update, start()), UpdateOutcome::OutOfOrder);
        }
        // Another Call-ID is another client, or one that was restarted: its CSeq is not compared.
        assert_eq!(
            stored(apply(&first, contacts("b", 1, &[(ALICE, 60)]), start())).len(),
            1
        );
        assert_eq!(
            stored(apply(&first, contacts("b", 1, &[(ALICE, 0)]), start())).len(),
            0
        );
    }

    #[test]
    fn rfc3261_10_3_step_6_star_removes_all_unless_it_is_old() {
        let mut all = stored(apply(&[], contacts("a", 5, &[(ALICE, 60)]), start()));
        all = stored(apply(
            &all,
            contacts("b", 9, &[("sip:alice@192.0.2.8", 60)]),
            start(),
        ));
        assert_eq!(
            apply(&all, BindingUpdate::new("a", 5, Change::RemoveAll), start()),
            UpdateOutcome::OutOfOrder
        );
        assert!(
            stored(apply(
                &all,
                BindingUpdate::new("a", 6, Change::RemoveAll),
                start()
            ))
            .is_empty()
        );
        assert!(
            stored(apply(
                &all,
                BindingUpdate::new("c", 1, Change::RemoveAll),
                start()
            ))
            .is_empty()
        );
    }

    #[test]
    fn rfc5626_6_a_flow_is_replaced_by_its_instance_and_number() {
        let flow = |contact: &str, reg_id: u32| {
            let mut update = ContactUpdate::new(contact, 60);
            update.outbound = Some(crate::location::Outbound {
                instance: "<urn:uuid:1>".into(),
                reg_id,
            });
            update
        };
        let change =
            |cseq, list: Vec<ContactUpdate>| BindingUpdate::new("a", cseq, Change::Contacts(list));
        let both = vec![flow("sip:a@192.0.2.7:1", 1), flow("sip:a@192.0.2.7:1", 2)];
        let first = stored(apply(&[], change(1, both), start()));
        assert_eq!(first.len(), 2, "one contact, two flows");
        // After a restart of the telephone: another port, the same flow.
        let again = change(2, vec![flow("sip:a@192.0.2.7:9", 2)]);
        let second = stored(apply(&first, again, start()));
        assert_eq!(names(&second), ["sip:a@192.0.2.7:1", "sip:a@192.0.2.7:9"]);
        // One that knows no flows is a contact of its own.
        let plain = contacts("b", 1, &[("sip:a@192.0.2.7:9", 60)]);
        assert_eq!(stored(apply(&second, plain, start())).len(), 3);
        let gone = contacts("b", 1, &[("sip:a@192.0.2.7:9", 0)]);
        assert_eq!(
            names(&stored(apply(&second, gone, start()))),
            ["sip:a@192.0.2.7:1"]
        );
    }

    #[test]
    fn rfc5627_5_1_an_epoch_ends_with_its_call_id_or_its_last_contact() {
        let contact = |contact: &str, expires, reg_id: Option<u32>| {
            let mut update = ContactUpdate::new(contact, expires);
            update.parameters = ";+sip.instance=\"<urn:uuid:1>\"".into();
            update.outbound = reg_id.map(|reg_id| crate::location::Outbound {
                instance: "urn:uuid:1".into(),
                reg_id,
            });
            update
        };
        let change = |call_id, cseq, epoch, list| {
            BindingUpdate::new(call_id, cseq, Change::Contacts(list)).with_epoch(epoch)
        };
        let epochs =
            |bindings: &[Binding]| -> Vec<u64> { bindings.iter().map(|b| b.epoch >> 32).collect() };
        // A refresh, and a second flow with a Call-ID of its own, go on; they are known by the number of the flow.
        let first = change("a", 1, 100, vec![contact("sip:a@h:1", 60, Some(1))]);
        let first = stored(apply(&[], first, start()));
        let again = change("a", 2, 200, vec![contact("sip:a@h:1", 60, Some(1))]);
        let again = stored(apply(&first, again, start()));
        assert_eq!(epochs(&again), [100]);
        let second = change("b", 1, 300, vec![contact("sip:a@h:1", 60, Some(2))]);
        let second = stored(apply(&again, second, start()));
        assert_eq!(epochs(&second), [100, 100]);
        // The first CSeq of it is kept in it.
        assert_eq!(again[0].epoch & 0xffff_ffff, 1);
        // The telephone was restarted: what it gave away before ends on all of its flows.
        let restarted = change("c", 1, 400, vec![contact("sip:a@h:9", 60, Some(1))]);
        let restarted = stored(apply(&second, restarted, start()));
        assert_eq!(epochs(&restarted), [400, 400]);
        // Without flows the last contact of the instance counts, whatever its URI.
        let plain = stored(apply(
            &[],
            change("a", 1, 500, vec![contact("sip:a@h:1", 60, None)]),
            start(),
        ));
        let moved = stored(apply(
            &plain,
            change("a", 2, 600, vec![contact("sip:a@h:2", 60, None)]),
            start(),
        ));
        assert_eq!(epochs(&moved), [500, 500]);
        let other = stored(apply(
            &moved,
            change("b", 1, 700, vec![contact("sip:a@h:3", 60, None)]),
            start(),
        ));
        assert_eq!(epochs(&other), [700, 700, 700]);
        // With the last contact it is gone.
        let later = start() + Duration::from_secs(60);
        let anew = stored(apply(
            &other,
            change("b", 2, 800, vec![contact("sip:a@h:3", 60, None)]),
            later,
        ));
        assert_eq!(epochs(&anew), [800]);
        // Who has no instance has no epoch.
        let none = contacts("z", 1, &[("sip:x@h", 60)]).with_epoch(900);
        assert_eq!(epochs(&stored(apply(&[], none, start()))), [0]);
    }

    #[test]
    fn one_request_may_name_a_contact_twice() {
        let once = stored(apply(
            &[],
            contacts("a", 1, &[(ALICE, 60), (ALICE, 90)]),
            start(),
        ));
        assert_eq!(once.len(), 1);
        assert_eq!(once[0].remaining(start()), 90);
    }

    #[test]
    fn expired_bindings_are_gone_and_do_not_order() {
        let first = stored(apply(&[], contacts("a", 5, &[(ALICE, 60)]), start()));
        let later = start() + Duration::from_secs(60);
        assert!(stored(apply(&first, contacts("a", 1, &[]), later)).is_empty());
        assert_eq!(
            stored(apply(&first, contacts("a", 1, &[(ALICE, 60)]), later)).len(),
            1
        );
    }

    #[test]
    fn the_limit_refuses_whole() {
        let update = contacts("a", 1, &[("sip:1@h", 60), ("sip:2@h", 60)]).with_limit(1);
        assert_eq!(apply(&[], update, start()), UpdateOutcome::TooMany(1));
        let swap = contacts("a", 2, &[("sip:1@h", 0), ("sip:2@h", 60)]).with_limit(1);
        let one = stored(apply(&[], contacts("a", 1, &[("sip:1@h", 60)]), start()));
        assert_eq!(names(&stored(apply(&one, swap, start()))), ["sip:2@h"]);
    }

    #[test]
    fn a_refresh_is_decided_as_the_update_that_it_stands_for() {
        let later = start() + Duration::from_secs(30);
        let refresh = |contact, call_id, cseq, limit| Refresh {
            contact,
            parameters: ";audio",
            q: Some(crate::location::Q::from_thousandths(500)),
            expires: 60,
            user_agent: "Phone 1.0",
            call_id,
            cseq,
            limit,
            follows: false,
        };
        let one = stored(apply(&[], contacts("a", 5, &[(ALICE, 60)]), start()));
        let over = stored(apply(&[], contacts("a", 5, &[(ALICE, 20)]), start()));
        let list = [(ALICE, 60), ("sip:alice@192.0.2.8", 20)];
        let two = stored(apply(&[], contacts("a", 5, &list), start()));
        let none = Arc::default();
        for known in [None, Some(&none), Some(&one), Some(&over), Some(&two)] {
            for contact in [ALICE, "sip:alice@192.0.2.7:5060;TRANSPORT=udp", "sip:b@h"] {
                for (call_id, cseq) in [("a", 5), ("a", 6), ("b", 1)] {
                    for limit in [0, 1, 10] {
                        let refresh = refresh(contact, call_id, cseq, limit);
                        let before = known.cloned();
                        let list = known.map_or(&[][..], |known| known);
                        let whole = apply(list, refresh.to_update(), later);
                        assert_eq!(refresh.decide(known, later), whole, "{refresh:?}");
                        assert_eq!(known, before.as_ref());
                    }
                }
            }
        }
    }

    #[test]
    fn q_prints_as_the_grammar_has_it() {
        use crate::location::Q;
        for (thousandths, text) in [
            (1000, "1"),
            (0, "0"),
            (700, "0.7"),
            (250, "0.25"),
            (1, "0.001"),
            (5000, "1"),
        ] {
            assert_eq!(Q::from_thousandths(thousandths).to_string(), text);
        }
    }
}
