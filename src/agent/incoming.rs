//! [`IncomingCall`]: a call that comes in, until it is answered.

use std::net::IpAddr;

use sip_dialog::{Dialogs, Event, SessionId};
use sip_message::header::From;
use sip_message::{HeaderName, StatusCode, Uri};

use super::call::bind;
use super::leg::Leg;
use super::offer::Negotiation;
use super::{AgentError, Call, UserAgent};
use crate::runtime::{Incoming, Stopped};

/// A call that came in and is not answered yet. Dropping it refuses it with 480.
#[derive(Debug)]
pub struct IncomingCall {
    leg: Leg,
    agent: UserAgent,
    from: String,
    local: IpAddr,
    /// The Contact, where it is not the address at which the call came in.
    gruu: Option<Uri>,
}

pub(super) fn incoming(agent: UserAgent, incoming: Incoming) -> IncomingCall {
    let from = incoming
        .request
        .headers()
        .typed::<From<'_>>()
        .ok()
        .flatten()
        .map(|from| from.uri().as_str().to_owned());
    // Came it by a proxy that stays on the path, then that resolves the GRUU; else the caller would have to.
    let is_routed = incoming.request.headers().contains(HeaderName::RecordRoute);
    let gruu = agent.gruu().filter(|_| is_routed);
    IncomingCall {
        leg: Leg {
            handle: agent.inner.handle.clone(),
            session: incoming.session,
            events: incoming.events,
            over: false,
        },
        agent,
        from: from.unwrap_or_default(),
        local: incoming.flow.local.ip(),
        gruu,
    }
}

/// RFC 5627 section 4.4: the GRUU is the Contact of what makes a dialog.
fn use_gruu(dialogs: &mut Dialogs, session: SessionId, gruu: Option<&Uri>) {
    if let Some(gruu) = gruu {
        // A session that is gone is told of by what follows.
        let _ = dialogs.set_contact(session, gruu);
    }
}

impl IncomingCall {
    /// Who calls, as the From says; anyone can say anything there.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Tells the caller that it rings here (180).
    ///
    /// # Errors
    /// The caller has given up.
    pub async fn ring(&mut self) -> Result<(), AgentError> {
        let gruu = self.gruu.clone();
        let rung = self.leg.run(move |dialogs, session, transactions, now| {
            use_gruu(dialogs, session, gruu.as_ref());
            dialogs.ring(session, StatusCode::RINGING, None, transactions, now)
        });
        rung.await?.map_err(|_| AgentError::Ended)
    }

    /// Answers with the codecs of the user agent.
    ///
    /// # Errors
    /// The caller has given up, or offers nothing that we speak (it is then refused with 488).
    pub async fn accept(mut self) -> Result<Call, AgentError> {
        let seed = self.agent.seed().await?;
        let port = bind(self.local).await?;
        let negotiation = Negotiation::new(port.local(), &self.agent.inner.codecs);
        let mut body = negotiation.clone();
        let gruu = self.gruu.clone();
        let accepted = self.leg.run(move |dialogs, session, transactions, now| {
            use_gruu(dialogs, session, gruu.as_ref());
            dialogs.accept_with(session, &mut body, transactions, now)
        });
        if accepted.await?.is_err() {
            // An offer that cannot be accepted is refused by then (RFC 3261 section 13.3.1.3).
            self.leg.over = true;
            return Err(negotiation.failed().unwrap_or(AgentError::Ended));
        }
        // RFC 3261 section 13.2.1: without an offer in the INVITE, the 2xx has it, and the ACK the answer.
        let config = loop {
            if let Some(config) = negotiation.agreed() {
                break config;
            }
            match self.leg.events.recv().await {
                Some(event @ Event::Confirmed { .. }) => {
                    let negotiated = self.leg.negotiate(event, &negotiation).await;
                    negotiated.map_err(|_| AgentError::from(Stopped))??;
                    if !negotiation.has_agreed() {
                        return Err(negotiation.failure());
                    }
                }
                Some(event) if event.is_end() => {
                    self.leg.over = true;
                    return Err(AgentError::Ended);
                }
                Some(other) => tracing::trace!(?other, "answering"),
                None => return Err(AgentError::Ended),
            }
        };
        let (agent, remote) = (self.agent, self.from);
        Ok(Call::new(
            self.leg,
            agent,
            seed,
            port,
            config,
            negotiation,
            &remote,
        ))
    }

    /// Refuses the call with a final status such as [`StatusCode::BUSY_HERE`].
    ///
    /// # Errors
    /// The caller has given up.
    pub async fn reject(mut self, status: StatusCode) -> Result<(), AgentError> {
        self.refuse(status).await
    }

    /// Resolves when the caller gives up.
    pub async fn cancelled(&mut self) {
        while let Some(event) = self.leg.events.recv().await {
            if event.is_end() {
                break;
            }
        }
        self.leg.over = true;
    }

    async fn refuse(&mut self, status: StatusCode) -> Result<(), AgentError> {
        self.leg.over = true;
        let refused = self.leg.run(move |dialogs, session, transactions, now| {
            dialogs.reject(session, status, &[], transactions, now)
        });
        refused.await?.map_err(|_| AgentError::Ended)
    }
}
