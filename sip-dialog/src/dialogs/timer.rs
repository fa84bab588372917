//! Session timers (RFC 4028), both roles.

use std::time::{Duration, Instant};

use sip_message::header::{MinSe, Refresher, SessionExpires};
use sip_message::{HeaderName, Headers, Request, ResponseBuilder};

use super::reliable::has_tag;
use super::{Deadline, Dialogs};
use crate::config::SessionId;
use crate::io::{Body, EndCause};
use crate::session::{Kind, SessionTimer};

/// RFC 4028 section 4: no Min-SE is below this.
const LEAST: u32 = 90;

/// What a UAS has agreed to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    interval: u32,
    refresher: Refresher,
    /// Whether the requester knows of timers.
    peer_can: bool,
}

impl Dialogs {
    fn least_interval(&self) -> u32 {
        seconds(self.config.min_session_interval).max(LEAST)
    }

    /// Section 9: the interval that a request asks for, if it is too small for us and the requester can do with a longer one.
    pub(super) fn refused_interval(&self, request: &Request) -> Option<String> {
        self.config.session_interval?;
        let headers = request.headers();
        let wanted = headers.typed::<SessionExpires<'_>>().ok()??.seconds();
        let least = self.least_interval();
        (wanted < least && has_tag(headers, HeaderName::Supported, "timer"))
            .then(|| least.to_string())
    }

    /// Section 9: what a 2xx of ours says about the interval.
    pub(super) fn agree_as_uas(&self, request: &Request) -> Option<Agreed> {
        let ours = seconds(self.config.session_interval?).max(self.least_interval());
        let headers = request.headers();
        let peer_can = has_tag(headers, HeaderName::Supported, "timer");
        match headers.typed::<SessionExpires<'_>>().ok().flatten() {
            Some(wanted) => {
                // Table 2: the choice of the requester stands; one that cannot refresh leaves it to us.
                let refresher = match wanted.refresher() {
                    Some(refresher) if peer_can => refresher,
                    None if peer_can => Refresher::Uac,
                    _ => Refresher::Uas,
                };
                Some(Agreed {
                    interval: wanted.seconds().max(LEAST),
                    refresher,
                    peer_can,
                })
            }
            None if peer_can => {
                let least = headers.typed::<MinSe<'_>>().ok().flatten();
                Some(Agreed {
                    interval: least.map_or(ours, |least| ours.max(least.seconds())),
                    refresher: Refresher::Uas,
                    peer_can,
                })
            }
            None => None,
        }
    }

    /// Puts it into the 2xx.
    pub(super) fn agreed(response: ResponseBuilder, agreed: Option<Agreed>) -> ResponseBuilder {
        let Some(Agreed {
            interval,
            refresher,
            peer_can,
        }) = agreed
        else {
            return response;
        };
        let response = response.typed(&SessionExpires::new(interval).with_refresher(refresher));
        // Section 9: Require makes sure that the UAC knows its duty, and that it will say so where it has none.
        if refresher == Refresher::Uac || peer_can {
            response.header(HeaderName::Require, "timer")
        } else {
            response
        }
    }

    pub(super) fn start_as_uas(&mut self, id: SessionId, agreed: Option<Agreed>, now: Instant) {
        match agreed {
            Some(agreed) => {
                self.arm(id, agreed.interval, agreed.refresher == Refresher::Uas, now);
            }
            None => self.disarm(id),
        }
    }

    /// Section 7.2: a 2xx to our INVITE or UPDATE decides.
    pub(super) fn agree_as_uac(&mut self, id: SessionId, headers: &Headers, now: Instant) {
        if self.config.session_interval.is_none() {
            return;
        }
        match headers.typed::<SessionExpires<'_>>() {
            Ok(Some(agreed)) => {
                let we_refresh = agreed.refresher() != Some(Refresher::Uas);
                self.arm(id, agreed.seconds().max(LEAST), we_refresh, now);
            }
            // Without one, the session does not expire.
            Ok(None) | Err(_) => self.disarm(id),
        }
    }

    /// What a re-INVITE or UPDATE of ours says about the interval that was agreed to (section 7.4).
    pub(super) fn refreshing(&self, id: SessionId) -> Vec<(HeaderName, String)> {
        let timer = self
            .sessions
            .get(&id)
            .and_then(|session| session.timer.as_ref());
        let Some(timer) = timer else {
            return Vec::new();
        };
        let asked = self
            .sessions
            .get(&id)
            .and_then(|session| session.least_interval);
        let refresher = if timer.we_refresh {
            Refresher::Uac
        } else {
            Refresher::Uas
        };
        // The largest Min-SE that the peer has named; ours where it has named none.
        let least = asked.unwrap_or_else(|| self.least_interval().min(timer.interval));
        let wanted = SessionExpires::new(timer.interval.max(least)).with_refresher(refresher);
        vec![
            (HeaderName::SessionExpires, wanted.to_string()),
            (HeaderName::MinSe, least.to_string()),
        ]
    }

    fn arm(&mut self, id: SessionId, interval: u32, we_refresh: bool, now: Instant) {
        self.disarm(id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let whole = Duration::from_secs(interval.into());
        // Section 10: who does not refresh sends BYE a little before the end, by a third of the interval or 32 seconds.
        let expires = now + whole - (whole / 3).min(Duration::from_secs(32));
        // Section 7.4: refreshed once half the interval has gone by.
        let due = if we_refresh { now + whole / 2 } else { expires };
        session.timer = Some(Box::new(SessionTimer {
            interval,
            we_refresh,
            refreshed: false,
            expires,
            deadline: self.deadlines.insert(due, Deadline::Timer(id)),
        }));
    }

    fn disarm(&mut self, id: SessionId) {
        let timer = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.timer.take());
        if let Some(timer) = timer {
            self.deadlines.cancel(timer.deadline);
        }
    }

    /// Keeps the Min-SE of a message of the peer for the refreshes to come (section 7.4).
    pub(super) fn keep_least(&mut self, id: SessionId, headers: &Headers) {
        if let Ok(Some(least)) = headers.typed::<MinSe<'_>>()
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.least_interval = session.least_interval.max(Some(least.seconds().max(LEAST)));
        }
    }

    /// A longer interval is needed (422 to a refresh).
    pub(super) fn lengthen(&mut self, id: SessionId, least: u32) {
        if let Some(timer) = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.timer.as_mut())
        {
            timer.interval = timer.interval.max(least);
        }
    }

    pub(super) fn on_session_timer(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(timer) = &mut session.timer else {
            return;
        };
        if !timer.we_refresh || timer.refreshed {
            session.timer = None;
            if session.unacknowledged.is_some() {
                // Its own time-out ends the session.
                return;
            }
            self.bye(id, EndCause::Expired);
            return;
        }
        timer.refreshed = true;
        timer.deadline = self.deadlines.insert(timer.expires, Deadline::Timer(id));
        // A change that is under way carries the interval with it.
        if session.change.is_some() || session.has_invite_pending() {
            return;
        }
        let (kind, body) = if session.peer_updates {
            (Kind::Update, None)
        } else {
            (Kind::ReInvite, session.description.as_deref().cloned())
        };
        self.change(id, kind, body, true);
    }

    /// Keeps what a refresh by re-INVITE repeats.
    pub(super) fn keep_description(&mut self, id: SessionId, body: Option<&Body>) {
        if self.config.session_interval.is_none() {
            return;
        }
        if let (Some(session), Some(body)) = (self.sessions.get_mut(&id), body) {
            session.description = Some(Box::new(body.clone()));
        }
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
