//! Where redirections lead a request (RFC 3261 section 8.1.3.4).

use std::cmp::Reverse;

use sip_message::header::Contact;
use sip_message::{HeaderName, Response, StatusCode, Uri};

use super::{AttemptId, Attempts, Owner, Progress, secured, set_cseq};
use crate::io::{Output, Token};

/// The places that redirections named.
#[derive(Debug)]
pub(super) struct Redirection {
    /// Those to be tried, best last.
    targets: Vec<Uri>,
    /// Those that were, or will be: none is tried twice.
    known: Vec<Uri>,
}

impl Redirection {
    /// Takes in the Contacts of a 3xx: as many as there may still be, in the order of their q.
    fn take(&mut self, response: &Response, secure: bool, most: usize) {
        let mut found: Vec<(u16, Uri)> = Vec::new();
        for value in response.headers().values(HeaderName::Contact) {
            let Ok(contact) = Contact::parse(value) else {
                continue;
            };
            let Some(address) = contact.address() else {
                continue;
            };
            let uri = address.uri();
            // What was to be secure stays so: from sips to sip only the user may go.
            if !uri.is_sip() || (secure && !uri.is_secure()) {
                continue;
            }
            if self.known.len() > most || self.known.iter().any(|known| known.as_ref() == uri) {
                continue;
            }
            self.known.push(uri.to_uri());
            found.push((contact.q().thousandths(), uri.to_uri()));
        }
        // Stable: equally good ones stay in their order. Those of this response go before what was left of others.
        found.sort_by_key(|(q, _)| Reverse(*q));
        let found = found.into_iter().rev().map(|(_, uri)| uri);
        self.targets.extend(found);
    }
}

impl Attempts {
    /// Sends a request on to the next place, if its final response leaves one: a 3xx names some, another failure but a 6xx
    /// leads to the next of them. `None` as a response is that there was none.
    pub(super) fn redirect(
        &mut self,
        id: AttemptId,
        response: Option<&Response>,
        out: &mut impl Extend<Output>,
    ) -> Option<Uri> {
        let most = self.redirections;
        let attempt = self.attempts.get_mut(&id)?;
        let class = response.map_or(4, |response| response.status().class());
        if attempt.cancelled || most == 0 || class == 2 || class == 6 {
            return None;
        }
        // Within a dialog the peer says where it is by its Contact, and a BYE that nobody waits for has no second place.
        let may_be_outside = matches!(
            attempt.owner,
            Owner::Request(_) | Owner::Invite(_) | Owner::Subscribe(_) | Owner::Publish(_)
        );
        let is_outside = may_be_outside && attempt.request.headers().to_tag().is_none();
        if !is_outside {
            return None;
        }
        if let Some(response) = response.filter(|_| class == 3) {
            // Section 21.3.4: 305 names a proxy and comes from nobody but one that is configured; 380 is told in its body.
            if matches!(response.status().as_u16(), 305 | 380) {
                return None;
            }
            let uri = attempt.request.uri().ok()?;
            let secure = uri.is_secure();
            let redirection = attempt.redirection.get_or_insert_with(|| {
                let known = vec![uri.to_uri()];
                let targets = Vec::new();
                Box::new(Redirection { targets, known })
            });
            redirection.take(response, secure, most);
        }
        let target = attempt.redirection.as_mut()?.targets.pop()?;
        // Another next hop was configured, or is that of a route, and stays; else it is the target.
        if attempt.request.uri().ok()? == attempt.next_hop.as_ref() {
            attempt.next_hop = target.clone();
        }
        let uri = target.as_ref().request_uri();
        attempt.request.set_uri(&*uri).ok()?;
        attempt.next_hop = secured(attempt.next_hop.clone(), &attempt.request);
        // The same To, From, Call-ID, fields and body; the credentials are those for the place.
        let (number, method) = attempt.request.headers().cseq()?;
        set_cseq(&mut attempt.request, number.saturating_add(1), method);
        attempt.flow = None;
        attempt.flows.clear();
        attempt.begun = None;
        attempt.answered.clear();
        attempt.rounds = 0;
        if let Some(old) = attempt.transaction.take() {
            self.by_transaction.remove(&old);
        }
        self.authenticator.authorize(
            attempt.account,
            attempt.next_hop.as_str(),
            &mut attempt.request,
        );
        out.extend([Output::SelectFlow {
            token: Token::Attempt(id.0),
            next_hop: attempt.next_hop.clone(),
            size: attempt.request.encoded_len(),
        }]);
        Some(target)
    }

    /// What is told of a redirection.
    pub(super) fn redirected(
        &self,
        id: AttemptId,
        target: Uri,
        status: StatusCode,
    ) -> Option<Progress> {
        if let Owner::Invite(session) = self.attempts.get(&id)?.owner {
            Some(Progress::Redirected(session, status, target))
        } else {
            None
        }
    }
}
