//! What a peer gets, and what it makes of it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of forty sins, a few do anything at each place"
)]

use std::time::{Duration, Instant};

use super::super::Sin;
use super::super::draft::{Draft, uri};
use super::{Act, Call, MILLI, Peer, REPENTS, SDP, T1, Way};

impl Peer {
    pub(super) fn take(&mut self, draft: Draft, way: Way, now: Instant) {
        self.heard.push(draft.start.chars().take(80).collect());
        match draft.status() {
            Some(status) => self.on_response(status, &draft, way, now),
            None => self.on_request(draft, way, now),
        }
    }

    pub(super) fn on_response(&mut self, status: u16, draft: &Draft, way: Way, now: Instant) {
        let method = draft.method().to_owned();
        for asked in &mut self.asked {
            if asked.draft.get("CSeq") == draft.get("CSeq") && (status >= 200 || method == "INVITE")
            {
                asked.answered = true;
            }
        }
        if matches!(method.as_str(), "BYE" | "CANCEL" | "ACK" | "PRACK" | "INFO")
            || draft
                .get("Call-ID")
                .is_some_and(|id| id.starts_with("stray"))
        {
            if method == "BYE" && (200..300).contains(&status) {
                self.over();
            }
            return;
        }
        if status < 200 {
            if self.plan.cancels && !self.cancelled && status > 100 {
                self.cancelled = true;
                self.at(now + 100 * MILLI, Act::Cancel);
            }
            return;
        }
        let is_first = self.first.is_none();
        if is_first {
            self.first = Some(status);
        }
        if method == "INVITE" && !self.gone && self.invite.is_none() {
            self.on_answer(status, draft, way, is_first, now);
        } else if method == "INVITE" && self.plan.sin != Some(Sin::NoAck) {
            // A change of the call by us, who were called.
            self.acknowledge_change(draft, now);
        }
        if is_first {
            self.throw(draft, way, now);
        }
    }

    pub(super) fn on_answer(
        &mut self,
        status: u16,
        draft: &Draft,
        way: Way,
        is_first: bool,
        now: Instant,
    ) {
        let Some(asked) = self
            .asked
            .iter()
            .find(|asked| {
                asked.draft.method() == "INVITE"
                    && asked.draft.get("Call-ID") == draft.get("Call-ID")
            })
            .or_else(|| {
                self.asked
                    .iter()
                    .find(|asked| asked.draft.method() == "INVITE")
            })
            .cloned()
        else {
            return;
        };
        let to = draft.get("To").unwrap_or_default().to_owned();
        let field = |name: &str| asked.draft.get(name).unwrap_or_default().trim().to_owned();
        if status >= 300 {
            if self.plan.sin == Some(Sin::NoAck) {
                return;
            }
            let uri = asked.draft.start.split(' ').nth(1).unwrap_or_default();
            let mut ack = Draft::new(format!("ACK {uri} SIP/2.0"));
            for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"] {
                let value = match name {
                    "To" => to.clone(),
                    "CSeq" => field("CSeq").replace("INVITE", "ACK"),
                    _ => field(name),
                };
                ack = ack.with(name, value);
            }
            for route in asked.draft.all("Route") {
                ack = ack.with("Route", route);
            }
            self.emit_plain(way, ack.bytes());
            return;
        }
        let mut routes: Vec<String> = draft.all("Record-Route").map(str::to_owned).collect();
        routes.reverse();
        let call = Call {
            own: field("From"),
            remote: to,
            call_id: field("Call-ID"),
            target: uri(draft.get("Contact").unwrap_or_default()).to_owned(),
            routes,
            way: self.main(),
            cseq: 1,
            confirmed: true,
            over: false,
        };
        if self.plan.sin == Some(Sin::AnswersAfterCancel) && is_first {
            self.cancel(now);
        }
        if is_first {
            self.call = Some(call.clone());
        }
        if self.plan.sin != Some(Sin::NoAck) {
            let mut ack = self.within(&call, "ACK", call.cseq);
            self.branch(&mut ack);
            self.request(ack, call.way, now);
        }
        if is_first && !matches!(self.plan.sin, Some(Sin::NoAck)) {
            self.at(now + Duration::from_secs(1), Act::HangUp);
        }
        // RFC 3261 §13.2.2.4: another 2xx is another dialog, which is ended.
        if self.plan.sin.is_none()
            && let Some(known) = &self.call
            && known.remote != call.remote
        {
            let mut bye = self.within(&call, "BYE", 2);
            self.branch(&mut bye);
            self.request(bye, call.way, now);
        }
    }

    /// A response to our own request, as wrong as it is to be, sent to who answered it; and what else is inopportune then.
    pub(super) fn throw(&mut self, draft: &Draft, way: Way, now: Instant) {
        let Some(sin) = self.plan.sin else { return };
        let mut stray = draft.clone();
        stray.remove("Content-Length");
        stray.body.clear();
        match sin {
            Sin::AnswersAck => {
                for _ in 0..3 {
                    let mut ack = self.within_nothing("ACK");
                    self.branch(&mut ack);
                    self.request(ack, way, now);
                }
            }
            Sin::UnorderedReliable => {
                let mut prack = self.within_nothing("PRACK").with("RAck", "3 1 INVITE");
                self.branch(&mut prack);
                self.request(prack, way, now);
            }
            Sin::StrangeStatus => {
                for code in ["000", "999", "199999"] {
                    stray.start = format!("SIP/2.0 {code} Strange");
                    self.emit_plain(way, stray.bytes());
                }
            }
            _ => self.respond(stray, way, now),
        }
    }

    pub(super) fn on_request(&mut self, draft: Draft, way: Way, now: Instant) {
        if self.gone {
            return;
        }
        match draft.method() {
            "INVITE" if draft.get("To").is_some_and(|to| to.contains(";tag=")) => {
                let mut answer = response(&draft, 200, "OK", "").with("Contact", self.contact());
                answer = answer.with("Content-Type", "application/sdp");
                SDP.clone_into(&mut answer.body);
                self.respond(answer, way, now);
            }
            // One line, and it is busy.
            "INVITE"
                if self
                    .invite
                    .as_ref()
                    .is_some_and(|(known, _)| known.get("Call-ID") != draft.get("Call-ID")) =>
            {
                let tag = self.tag();
                self.respond(response(&draft, 486, "Busy Here", &tag), way, now);
            }
            "INVITE" if self.invite.is_some() => {
                let known = |known: &Draft| known.get("CSeq") == draft.get("CSeq");
                // A retransmission is answered again; a fork of the same call is of no interest here.
                if let (Some((invite, _)), Some(answer)) = (&self.invite, self.answer.clone())
                    && known(invite)
                {
                    self.respond(answer, way, now);
                } else if self.plan.sin == Some(Sin::ChallengesForEver) {
                    self.invite = Some((draft, way));
                    self.answer = None;
                    self.on_invite(now);
                }
            }
            "INVITE" => {
                if self.plan.sin == Some(Sin::Vanishes) {
                    self.gone = true;
                    self.at(now + REPENTS, Act::Repent);
                    return;
                }
                self.invite = Some((draft, way));
                if self.plan.sin.is_some() {
                    self.at(now + REPENTS, Act::Repent);
                }
                self.on_invite(now);
            }
            "ACK" => self.on_ack(&draft, way, now),
            "CANCEL" => {
                let tag = self.tag();
                self.respond(response(&draft, 200, "OK", &tag), way, now);
                if self.answer.is_none() && self.plan.sin == Some(Sin::AnswersAfterCancel) {
                    self.accept(now);
                } else if self.answer.is_none() {
                    self.answer_invite(487, "Request Terminated", now);
                }
            }
            "BYE" => {
                self.respond(response(&draft, 200, "OK", ""), way, now);
                self.over();
            }
            _ => {
                let tag = self.tag();
                self.respond(response(&draft, 200, "OK", &tag), way, now);
            }
        }
    }

    pub(super) fn on_invite(&mut self, now: Instant) {
        match self.plan.sin {
            Some(Sin::RingsForEver) => self.act(Act::Ring(0), now),
            Some(Sin::AnswersAfterCancel) => self.answer_invite(180, "Ringing", now),
            Some(Sin::RedirectsToItself) => self.answer_invite(302, "Moved Temporarily", now),
            Some(Sin::ChallengesForEver) => self.answer_invite(401, "Unauthorized", now),
            Some(Sin::StrangeStatus) => {
                for code in [0, 999] {
                    self.answer_invite(code, "Strange", now);
                }
                self.at(now + 100 * MILLI, Act::Accept);
            }
            Some(Sin::UnorderedReliable) => {
                for number in [5, 3, 9] {
                    if let Some((invite, way)) = self.invite.clone() {
                        let answer = response(&invite, 183, "Session Progress", &self.tag())
                            .with("Require", "100rel")
                            .with("RSeq", number.to_string())
                            .with("Contact", self.contact());
                        self.respond(answer, way, now);
                    }
                }
                self.at(now + 100 * MILLI, Act::Accept);
            }
            _ => {
                self.answer_invite(180, "Ringing", now);
                // Time for who gives up.
                self.at(now + 400 * MILLI, Act::Accept);
            }
        }
    }

    pub(super) fn tag(&self) -> String {
        format!("t{}", self.plan.number)
    }

    pub(super) fn answer_invite(&mut self, status: u16, reason: &str, now: Instant) {
        let Some((invite, way)) = self.invite.clone() else {
            return;
        };
        let mut answer = response(&invite, status, reason, &self.tag());
        match status {
            302 => {
                let own = uri(invite.get("To").unwrap_or_default()).to_owned();
                answer = answer.with("Contact", format!("<{own}>"));
            }
            401 => {
                self.branches += 1;
                let nonce = self.branches;
                answer = answer.with(
                    "WWW-Authenticate",
                    format!(
                        "Digest realm=\"nowhere\", nonce=\"{nonce}\", stale=true, qop=\"auth\""
                    ),
                );
            }
            101..=199 => answer = answer.with("Contact", self.contact()),
            _ => {}
        }
        if (300..700).contains(&status) {
            self.answer = Some(answer.clone());
        }
        self.respond(answer, way, now);
    }

    pub(super) fn accept(&mut self, now: Instant) {
        let Some((invite, way)) = self.invite.clone() else {
            return;
        };
        let mut answer = response(&invite, 200, "OK", &self.tag())
            .with("Contact", self.contact())
            .with("Content-Type", "application/sdp");
        SDP.clone_into(&mut answer.body);
        let field = |name: &str| invite.get(name).unwrap_or_default().to_owned();
        self.call = Some(Call {
            own: format!("{};tag={}", field("To"), self.tag()),
            remote: field("From"),
            call_id: field("Call-ID"),
            target: uri(&field("Contact")).to_owned(),
            routes: invite.all("Record-Route").map(str::to_owned).collect(),
            way,
            cseq: 100,
            confirmed: false,
            over: false,
        });
        self.answer = Some(answer.clone());
        self.respond(answer, way, now);
        if !way.is_stream || self.plan.sin.is_none() {
            self.at(now + T1, Act::AnswerAgain(1));
        }
    }

    pub(super) fn on_ack(&mut self, draft: &Draft, way: Way, now: Instant) {
        if self.plan.sin == Some(Sin::AnswersAck) {
            let answer = response(draft, 200, "OK", "");
            self.respond(answer, way, now);
        }
        if self.acknowledged.is_none() {
            self.acknowledged = self.answer.as_ref().and_then(Draft::status);
        }
        let Some(call) = &mut self.call else { return };
        let is_first = !call.confirmed;
        call.confirmed = true;
        if is_first && self.plan.sin.is_some() {
            self.at(now + 500 * MILLI, Act::HangUp);
        }
    }
}

/// A good response, without its own fields.
fn response(request: &Draft, status: u16, reason: &str, tag: &str) -> Draft {
    let mut draft = Draft::new(format!("SIP/2.0 {status:03} {reason}"));
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in request.all(name) {
            let tagged =
                name == "To" && !tag.is_empty() && status != 100 && !value.contains(";tag=");
            let value = if tagged {
                format!("{value};tag={tag}")
            } else {
                value.to_owned()
            };
            draft = draft.with(name, value);
        }
    }
    draft
}
