//! An INVITE that is about another session: it takes its place (Replaces, RFC 3891), or joins it (RFC 3911).

use std::time::Instant;

use sip_message::header::{Join, Replaces};
use sip_message::{HeaderName, Request, StatusCode};
use sip_transaction::TransactionLayer;

use super::Dialogs;
use crate::config::SessionId;
use crate::io::EndCause;
use crate::session::State;

/// The session whose place an INVITE takes, and the one that it joins.
type Named = (Option<SessionId>, Option<SessionId>);

impl Dialogs {
    /// The session whose place `id` takes when it is accepted (RFC 3891), if any.
    #[must_use]
    pub fn replaces(&self, id: SessionId) -> Option<SessionId> {
        self.sessions.get(&id)?.ringing()?.replaces
    }

    /// The session that `id` joins (RFC 3911), if any: who accepts it brings the two together, and leaves the other as it is.
    #[must_use]
    pub fn joins(&self, id: SessionId) -> Option<SessionId> {
        self.sessions.get(&id)?.ringing()?.joins
    }

    pub(super) fn replace(&mut self, id: SessionId, t: &mut dyn TransactionLayer, now: Instant) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if matches!(session.state, State::Up) && session.unacknowledged.is_none() {
            self.bye(id, EndCause::Replaced);
        } else {
            self.end(id, t, now);
        }
    }

    /// The sessions that an INVITE names, or why it is refused.
    pub(super) fn named_session(&self, request: &Request) -> Result<Named, StatusCode> {
        let headers = request.headers();
        let replaces = self.config.supports("replaces") && headers.contains(HeaderName::Replaces);
        let joins = self.config.supports("join") && headers.contains(HeaderName::Join);
        // RFC 3891 section 3 and RFC 3911 section 4: one of each, and not both.
        if (replaces && (joins || headers.count(HeaderName::Replaces) > 1))
            || (joins && headers.count(HeaderName::Join) > 1)
        {
            return Err(StatusCode::BAD_REQUEST);
        }
        let replaced = if replaces {
            Some(self.replaced(request)?)
        } else {
            None
        };
        let joined = if joins {
            Some(self.joined(request)?)
        } else {
            None
        };
        Ok((replaced, joined))
    }

    /// RFC 3891 section 3: the session that an INVITE wants to replace, or why it cannot.
    fn replaced(&self, request: &Request) -> Result<SessionId, StatusCode> {
        let Ok(Some(replaces)) = request.headers().typed::<Replaces<'_>>() else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let id = self.named(replaces.call_id(), replaces.to_tag(), replaces.from_tag())?;
        match self.sessions.get(&id).map(|session| &session.state) {
            Some(State::Up) if replaces.is_early_only() => Err(StatusCode::BUSY_HERE),
            Some(State::Up | State::Calling { .. }) => Ok(id),
            // An early dialog that we did not begin is not ours to take over.
            Some(State::Ringing { .. }) | None => Err(StatusCode::CALL_DOES_NOT_EXIST),
            Some(State::Ending { .. } | State::Over) => Err(StatusCode::DECLINE),
        }
    }

    /// RFC 3911 section 4: the session that an INVITE wants to join, or why it cannot.
    fn joined(&self, request: &Request) -> Result<SessionId, StatusCode> {
        let Ok(Some(join)) = request.headers().typed::<Join<'_>>() else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let id = self.named(join.call_id(), join.to_tag(), join.from_tag())?;
        match self.sessions.get(&id).map(|session| &session.state) {
            // Unlike Replaces, it takes early dialogs of both sides.
            Some(State::Up | State::Calling { .. } | State::Ringing { .. }) => Ok(id),
            None => Err(StatusCode::CALL_DOES_NOT_EXIST),
            Some(State::Ending { .. } | State::Over) => Err(StatusCode::DECLINE),
        }
    }

    /// The session with these names, in which ours is the To tag.
    fn named(&self, call_id: &str, to_tag: &str, from_tag: &str) -> Result<SessionId, StatusCode> {
        self.find(call_id, to_tag, from_tag)
            .ok_or(StatusCode::CALL_DOES_NOT_EXIST)
    }
}
