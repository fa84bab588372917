//! Signatures over callers (STIR, RFC 8224): looked at when our users are called, made when they call.

use std::time::{Instant, SystemTime};

use sip_message::Request;
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::context::Target;
use super::{Destination, Proxy, Waiting};
use crate::identity::passport::Party;
use crate::identity::stir::{self, Check, Fault, Pending, Progress, Stir, Verstat, annotate};
use crate::role::{Need, Refusal};

impl Proxy {
    /// Looks at the signature of a request from outside to one of our users. Returns whether the request goes on now.
    pub(super) fn is_checked(
        &mut self,
        id: ServerTransactionId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let (Some(config), Some(context)) = (&self.config.stir, self.contexts.get_mut(&id)) else {
            return true;
        };
        let Some(verifier) = &config.verifier else {
            return true;
        };
        let is_for_us = matches!(
            context.destination,
            Destination::User(_) | Destination::Instance(..)
        );
        // What another element of the trust domain passes on was looked at there.
        let is_known = context.is_checked
            || context.is_proven
            || context.is_from_inside
            || context.is_emergency
            || !is_for_us
            || !stir::is_signable(&context.request);
        if is_known {
            return true;
        }
        context.is_checked = true;
        match verifier.begin_for(&context.request, context.asked.as_ref(), self.wall) {
            Check::Unsigned => self.on_verdict(id, Ok(false), t, now),
            Check::Failed(fault) => self.on_verdict(id, Err(fault), t, now),
            Check::Fetch(pending) => {
                self.need_certificates(id, pending, now);
                false
            }
        }
    }

    fn need_certificates(&mut self, id: ServerTransactionId, pending: Box<Pending>, now: Instant) {
        let url = pending.url().into();
        self.need(
            Waiting::Certificates(id, pending),
            Need::Certificates { url },
            now,
        );
    }

    /// The certificates of a signature are here, or cannot be had.
    pub(super) fn on_certificates(
        &mut self,
        id: ServerTransactionId,
        pending: Box<Pending>,
        certificates: Option<&[u8]>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let is_waiting = self
            .contexts
            .get(&id)
            .is_some_and(|context| !context.is_answered);
        let Some(verifier) = self
            .config
            .stir
            .as_ref()
            .and_then(|config| config.verifier.as_ref())
            .filter(|_| is_waiting)
        else {
            return;
        };
        let verdict = match verifier.finish(pending, certificates, self.wall) {
            Ok(Progress::Fetch(pending)) => {
                self.need_certificates(id, pending, now);
                return;
            }
            Ok(Progress::Good(_)) => Ok(true),
            Err(fault) => Err(fault),
        };
        if self.on_verdict(id, verdict, t, now) {
            self.resolve(id, t, now);
        }
    }

    /// Tells the callee, or refuses. Returns whether the request goes on.
    fn on_verdict(
        &mut self,
        id: ServerTransactionId,
        verdict: Result<bool, Fault>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> bool {
        let (Some(config), Some(context)) = (&self.config.stir, self.contexts.get_mut(&id)) else {
            return true;
        };
        let verstat = match verdict {
            Ok(true) => Verstat::Passed,
            Ok(false) => Verstat::None,
            Err(fault) if config.refuses => {
                let (status, reason) = fault.refusal();
                self.refuse(id, &Refusal::because(status, reason), t, now);
                return false;
            }
            Err(_) => Verstat::Failed,
        };
        if config.annotates {
            annotate(&mut context.request, verstat);
        }
        true
    }

    /// Signs a request of one of our users that leaves the domain, unless it is signed already.
    pub(super) fn sign(&mut self, id: ServerTransactionId) {
        let wall: SystemTime = self.wall;
        let (Some(config), Some(context)) = (&self.config.stir, self.contexts.get_mut(&id)) else {
            return;
        };
        if let Some(signer) = &config.signer
            && context.is_proven
            && stir::is_signable(&context.request)
            && !context
                .request
                .headers()
                .contains(sip_message::HeaderName::Identity)
        {
            signer.sign(&mut context.request, &self.origin, wall);
        }
    }

    /// Whom a request is for as it came, if somebody has to know: who looks at its signature, or signs that it was sent
    /// elsewhere.
    pub(super) fn asked(&self, request: &Request) -> Option<Party> {
        let stir = self.config.stir.as_ref()?;
        if (stir.signer.is_none() && stir.verifier.is_none()) || !stir::is_signable(request) {
            return None;
        }
        request.uri().ok().and_then(Party::of)
    }

    /// A rule has sent a signed request elsewhere before it is forwarded: that is said once, for all its branches.
    pub(super) fn divert(&mut self, id: ServerTransactionId) {
        let (Some(config), Some(context)) = (&self.config.stir, self.contexts.get_mut(&id)) else {
            return;
        };
        let Ok(uri) = context.request.uri() else {
            return;
        };
        let (here, is_ours) = (Party::of(uri), self.config.domains.serves(uri));
        let (Some(asked), Some(here)) = (&context.asked, here) else {
            return;
        };
        if context.may_divert
            && let Some(signer) = &config.signer
        {
            signer.divert(&mut context.request, asked, &here);
        }
        (context.asked, context.may_divert) = (Some(here), is_ours);
    }
}

/// A copy of a signed request that was for `asked`, a place of ours, goes elsewhere (RFC 8946).
pub(super) fn divert_copy(
    stir: Option<&Stir>,
    asked: Option<&Party>,
    copy: &mut Request,
    target: &Target,
) {
    let signer = stir.and_then(|stir| stir.signer.as_ref());
    if let (Some(signer), Some(asked), false) = (signer, asked, target.keeps_callee)
        && let Some(to) = Party::of(target.uri.as_ref())
    {
        signer.divert(copy, asked, &to);
    }
}
