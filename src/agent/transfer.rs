//! Transfers (RFC 5589): a call of ours that is handed on, and one that the other side wants to hand on.

use sip_dialog::{
    Event, FailureCause, InviteRequest, ReferRequest, ReferrerToken, SubscriptionEnd,
    SubscriptionId,
};
use sip_message::{HeaderName, Request, StatusCode, Uri};

use super::dialing::{CallOptions, Dialing, Referral, dial_for};
use super::{AgentError, Call, CallEvent, UserAgent, parse};
use crate::runtime::{Handle, Stopped};

/// How far a transfer is that we have asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransferProgress {
    /// The other side does it.
    Accepted,
    /// The call that it makes is so far; a final status is the outcome (RFC 3515 section 2.4.5).
    Status(StatusCode),
    /// It is not done, or nobody tells what becomes of it.
    Failed(AgentError),
}

/// The other side wants us to call someone else instead. Dropping it refuses (603).
#[derive(Debug)]
pub struct TransferRequest {
    agent: UserAgent,
    handle: Handle,
    referral: SubscriptionId,
    target: Uri,
    headers: Vec<(HeaderName, String)>,
    token: Option<ReferrerToken>,
    referred_by: Option<String>,
    answered: bool,
}

impl TransferRequest {
    /// Who is to be called.
    #[must_use]
    pub const fn target(&self) -> &Uri {
        &self.target
    }

    /// Who asks for it, as its Referred-By says (RFC 3892); anyone can say anything there. A token that proves it is not verified, which
    /// takes certificates that a telephone has not (S/MIME), but passed on to who is called; `sip_dialog::check_referrer` verifies it with a
    /// [`ReferrerIdentity`](sip_dialog::ReferrerIdentity).
    #[must_use]
    pub fn referred_by(&self) -> Option<&str> {
        self.referred_by.as_deref()
    }

    /// Does it: calls the one who is named. The other side is told how far the new call gets; this one is up until someone hangs up.
    ///
    /// # Errors
    /// The call has ended, or there is no way to the one who is named.
    pub async fn accept(mut self, options: CallOptions) -> Result<Dialing, AgentError> {
        self.answered = true;
        let referral = self.referral;
        let accepted = self.handle.run(move |state, wall, now| {
            state.stack.dialogs(wall, now, |dialogs, transactions| {
                dialogs.accept_referral(referral, transactions, now)
            })
        });
        accepted
            .await?
            .ok_or(Stopped)?
            .map_err(|_| AgentError::Ended)?;
        let asked = Referral {
            id: referral,
            headers: std::mem::take(&mut self.headers),
            token: self.token.take(),
        };
        let target = self.target.clone();
        let dialing = dial_for(&self.agent, target, options, Some(asked)).await;
        if dialing.is_err() {
            // There will be no call to tell of.
            self.handle.post(move |state, wall, now| {
                state.stack.dialogs(wall, now, |dialogs, transactions| {
                    let _ = dialogs.report(
                        referral,
                        StatusCode::SERVICE_UNAVAILABLE,
                        transactions,
                        now,
                    );
                });
            });
        }
        dialing
    }

    /// Refuses, with a final status such as [`StatusCode::DECLINE`].
    pub fn reject(mut self, status: StatusCode) {
        self.refuse(status);
    }

    fn refuse(&mut self, status: StatusCode) {
        self.answered = true;
        refuse(&self.handle, self.referral, status);
    }
}

impl Drop for TransferRequest {
    fn drop(&mut self) {
        if !self.answered {
            self.refuse(StatusCode::DECLINE);
        }
    }
}

fn refuse(handle: &Handle, referral: SubscriptionId, status: StatusCode) {
    handle.post(move |state, wall, now| {
        state.stack.dialogs(wall, now, |dialogs, transactions| {
            // One that nobody waits for any more needs no answer.
            let _ = dialogs.refuse_referral(referral, status, transactions, now);
        });
    });
}

impl Call {
    /// Asks the other side to call `target` instead of us (RFC 5589 section 6); [`CallEvent::Transfer`] tells how far that gets. This call
    /// stays up until one of us hangs up, which we do once the outcome is a success.
    ///
    /// # Errors
    /// `target` is no SIP address, or the call has ended.
    pub async fn transfer(&mut self, target: &str) -> Result<(), AgentError> {
        let mut refer = ReferRequest::new(parse(target)?);
        // RFC 3892 section 2.1: who we are to the world, and not at which address.
        refer.referred_by = Some(format!("<{}>", self.agent.identity()));
        let session = self.leg.session;
        let sent = self.leg.handle.run(move |state, wall, now| {
            let sent = state.stack.dialogs(wall, now, |dialogs, transactions| {
                dialogs.refer(session, refer, transactions, now)
            })?;
            if let Ok(subscription) = sent {
                state.hub.watch_referral(subscription, session);
            }
            Some(sent)
        });
        let subscription = sent.await?.ok_or(Stopped)?.map_err(|_| AgentError::Ended)?;
        self.transfers.push(subscription);
        Ok(())
    }

    /// What an event says of a transfer; hands back one that says nothing of any.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events say nothing of transfers"
    )]
    pub(super) fn on_transfer(&mut self, event: Event) -> Result<Option<CallEvent>, Box<Event>> {
        let progress = |progress| Ok(Some(CallEvent::Transfer(progress)));
        match event {
            Event::Referred {
                referral, request, ..
            } => Ok(self.asked(referral, &request)),
            Event::ReferAccepted { subscription, .. } if self.transfers.contains(&subscription) => {
                progress(TransferProgress::Accepted)
            }
            Event::Notified {
                subscription, body, ..
            } if self.transfers.contains(&subscription) => {
                let status = body.and_then(|body| body.sipfrag_status());
                // RFC 3515 section 2.4.5: the 100 only says that it was taken.
                let Some(status) = status.filter(|status| *status != StatusCode::TRYING) else {
                    return Ok(None);
                };
                if status.is_final() {
                    self.transfers.retain(|known| *known != subscription);
                }
                progress(TransferProgress::Status(status))
            }
            Event::SubscriptionEnded {
                subscription,
                cause,
            } if self.transfers.contains(&subscription) => {
                self.transfers.retain(|known| *known != subscription);
                progress(TransferProgress::Failed(ended(cause)))
            }
            Event::SubscriptionEnded { .. } => Ok(None),
            other => Err(Box::new(other)),
        }
    }

    /// A REFER in this call.
    fn asked(&self, referral: SubscriptionId, refer: &Request) -> Option<CallEvent> {
        let own = self.agent.identity();
        let Some(invite) = InviteRequest::referred(refer, own.clone(), own) else {
            // RFC 3515 section 2.4.2: what is no call to a SIP address is not done.
            refuse(&self.leg.handle, referral, StatusCode::BAD_REQUEST);
            return None;
        };
        let referred_by = refer.headers().get(HeaderName::ReferredBy);
        Some(CallEvent::TransferRequested(TransferRequest {
            agent: self.agent.clone(),
            handle: self.leg.handle.clone(),
            referral,
            target: invite.target,
            headers: invite.headers,
            token: invite.token,
            referred_by: referred_by.map(str::to_owned),
            answered: false,
        }))
    }
}

/// Why a transfer has no outcome.
fn ended(cause: SubscriptionEnd) -> AgentError {
    match cause {
        SubscriptionEnd::Refused(response) => AgentError::Refused {
            status: response.status(),
            reason: response.reason().to_owned(),
        },
        SubscriptionEnd::Failed(FailureCause::TimedOut) => {
            AgentError::NoAnswer("whom to transfer".to_owned())
        }
        _ => AgentError::Ended,
    }
}
