//! Who publishes (RFC 3903 section 4).

use std::time::{Duration, Instant};

use sip_message::header::{Expires, MinExpires, NameAddr, SipETag};
use sip_message::{HeaderName, Method, Request, Response, StatusCode};
use sip_transaction::TransactionLayer;

use super::{Deadline, Dialogs, agent};
use crate::attempt::Owner;
use crate::config::Gone;
use crate::io::{Body, Event, FailureCause};
use crate::publication::{PublicationEnd, PublicationId, PublishRequest, Publisher, Step, seconds};

/// Responses 412 and 423 that are obeyed in a row.
const ROUNDS: u8 = 3;

impl Dialogs {
    /// Publishes. [`Event::Published`] follows when it is there, and [`Event::PublicationEnded`] at last; it is refreshed until it is
    /// withdrawn.
    pub fn publish(
        &mut self,
        publish: PublishRequest,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> PublicationId {
        self.last_now = Some(now);
        let id = PublicationId(self.mint());
        let (local_tag, call_id) = (self.rng.token(12), self.rng.token(24));
        let mut builder = Request::builder(Method::Publish, publish.target.as_str());
        for route in &publish.route {
            builder = builder.header(HeaderName::Route, format!("<{route}>"));
        }
        builder = builder
            .max_forwards(70)
            .from(&NameAddr::new(publish.from.as_ref()).with_tag(&local_tag))
            .to(&NameAddr::new(publish.to.as_ref()))
            .call_id(&call_id)
            .cseq(1)
            .header(HeaderName::Event, &publish.event);
        for (name, value) in publish.headers {
            builder = builder.header(name, value);
        }
        let next_hop = publish.route.first().unwrap_or(&publish.target).clone();
        let Ok(request) = agent(&self.config, builder).build_partial() else {
            self.tell(Event::PublicationEnded {
                publication: id,
                cause: PublicationEnd::Failed(FailureCause::Cancelled),
            });
            return id;
        };
        let publisher = Publisher {
            request,
            next_hop,
            account: publish.account,
            body: publish.body,
            interval: seconds(publish.expires).max(1),
            cseq: 0,
            etag: None,
            pending: None,
            waits: None,
            changed: true,
            leaving: false,
            rounds: 0,
            refresh: None,
        };
        self.publishers.insert(id, publisher);
        self.next_publish(id, false);
        id
    }

    /// Publishes other state in the place of the last (section 4.4). Changes while a PUBLISH is under way are told by one more after it.
    ///
    /// # Errors
    /// [`Gone`] when it is over, or withdrawn.
    pub fn modify_publication(
        &mut self,
        id: PublicationId,
        body: Body,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let publisher = self.publishers.get_mut(&id).ok_or(Gone)?;
        if publisher.leaving {
            return Err(Gone);
        }
        publisher.body = body;
        publisher.changed = true;
        self.next_publish(id, false);
        Ok(())
    }

    /// Withdraws a publication (section 4.5).
    ///
    /// # Errors
    /// [`Gone`] when it is over, or withdrawn before.
    pub fn unpublish(
        &mut self,
        id: PublicationId,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let publisher = self.publishers.get_mut(&id).ok_or(Gone)?;
        if publisher.leaving {
            return Err(Gone);
        }
        publisher.leaving = true;
        self.next_publish(id, false);
        Ok(())
    }

    /// How many publications there are, ours and those to us.
    #[must_use]
    pub fn publication_count(&self) -> usize {
        self.publishers.len() + self.published.len()
    }

    /// Sends what is to be sent; one PUBLISH at a time, so that each has the tag of the one before (section 4).
    fn next_publish(&mut self, id: PublicationId, refresh: bool) {
        let is_busy = self.publishers.get(&id).is_some_and(|own| {
            let place = own.request.uri_str();
            self.publishers
                .values()
                .any(|other| other.pending.is_some() && other.request.uri_str() == place)
        });
        let Some(publisher) = self.publishers.get_mut(&id) else {
            return;
        };
        if publisher.pending.is_some() {
            return;
        }
        let has_nothing = publisher.leaving && publisher.etag.is_none();
        if is_busy && !has_nothing {
            // Section 4: one request to a Request-URI at a time, whichever publication it is of.
            publisher.waits = Some(publisher.waits.unwrap_or(false) | refresh);
            return;
        }
        let step = if publisher.leaving {
            if publisher.etag.is_none() {
                // Nothing is there to be withdrawn.
                self.publication_over(id, PublicationEnd::Removed);
                return;
            }
            Step::Remove
        } else if publisher.changed || publisher.etag.is_none() {
            Step::State
        } else if refresh {
            Step::Refresh
        } else {
            return;
        };
        if let Some(timer) = publisher.refresh.take() {
            self.deadlines.cancel(timer);
        }
        publisher.pending = Some(step);
        publisher.cseq += 1;
        let mut request = publisher.request.clone();
        let headers = request.headers_mut();
        headers.replace(HeaderName::CSeq, format!("{} PUBLISH", publisher.cseq));
        let expires = if step == Step::Remove {
            0
        } else {
            publisher.interval
        };
        headers.replace(HeaderName::Expires, expires.to_string());
        if let Some(etag) = &publisher.etag {
            headers.replace(HeaderName::SipIfMatch, etag);
        }
        // Table 1: only state has a body.
        if step == Step::State {
            publisher.changed = false;
            let body = publisher.body.clone();
            request.set_body(&body.content_type, body.content);
        }
        self.attempts.start(
            Owner::Publish(id),
            request,
            publisher.next_hop.clone(),
            publisher.account,
            &mut self.outputs,
        );
    }

    /// A PUBLISH to that place has ended: the oldest publication that waits for it goes on.
    fn next_to_publish(&mut self, place: &str) {
        let next = self
            .publishers
            .iter()
            .filter(|(_, publisher)| publisher.request.uri_str() == place)
            .filter_map(|(id, publisher)| Some((*id, publisher.waits?)))
            .min_by_key(|(id, _)| *id);
        if let Some((id, refresh)) = next {
            if let Some(publisher) = self.publishers.get_mut(&id) {
                publisher.waits = None;
            }
            self.next_publish(id, refresh);
        }
    }

    pub(super) fn on_publish_response(
        &mut self,
        id: PublicationId,
        request: &Request,
        response: Box<Response>,
        now: Instant,
    ) {
        self.published_or_not(id, request, response, now);
        self.next_to_publish(request.uri_str());
    }

    fn published_or_not(
        &mut self,
        id: PublicationId,
        request: &Request,
        response: Box<Response>,
        now: Instant,
    ) {
        let Some(publisher) = self.publishers.get_mut(&id) else {
            return;
        };
        let Some(step) = publisher.pending.take() else {
            return;
        };
        if let Some((number, _)) = request.headers().cseq() {
            publisher.cseq = publisher.cseq.max(number);
        }
        let status = response.status();
        let headers = response.headers();
        if status.is_success() {
            if step == Step::Remove {
                self.publication_over(id, PublicationEnd::Removed);
                return;
            }
            publisher.rounds = 0;
            // Section 4.1: each 2xx has the tag for the next.
            publisher.etag = headers
                .typed::<SipETag<'_>>()
                .ok()
                .flatten()
                .map(|etag| etag.value().to_owned());
            let granted = match headers.typed::<Expires>() {
                Ok(Some(Expires(seconds))) => seconds.min(publisher.interval),
                Ok(None) | Err(_) => publisher.interval,
            };
            let whole = Duration::from_secs(granted.max(1).into());
            let early = (whole / 4).min(self.config.t1 * 64);
            publisher.refresh = Some(
                self.deadlines
                    .insert(now + whole - early, Deadline::Publish(id)),
            );
            if step == Step::State {
                self.tell(Event::Published { publication: id });
            }
            self.next_publish(id, false);
            return;
        }
        let may_repeat = publisher.rounds < ROUNDS;
        if status == StatusCode::CONDITIONAL_REQUEST_FAILED
            && publisher.etag.is_some()
            && may_repeat
        {
            // Section 4.2: the compositor does not know it any more, and gets the whole state anew; to withdraw there is nothing.
            publisher.rounds += 1;
            publisher.etag = None;
            publisher.changed = true;
            self.next_publish(id, false);
        } else if status == StatusCode::INTERVAL_TOO_BRIEF
            && may_repeat
            && step != Step::Remove
            && let Ok(Some(MinExpires(least))) = headers.typed::<MinExpires>()
        {
            publisher.rounds += 1;
            publisher.interval = publisher.interval.max(least);
            publisher.changed |= step == Step::State;
            self.next_publish(id, step == Step::Refresh);
        } else {
            self.publication_over(id, PublicationEnd::Refused(response));
        }
    }

    pub(super) fn on_publish_failed(&mut self, id: PublicationId, cause: FailureCause) {
        let place = self
            .publishers
            .get(&id)
            .map(|publisher| publisher.request.uri_str().to_owned());
        self.publication_over(id, PublicationEnd::Failed(cause));
        if let Some(place) = place {
            self.next_to_publish(&place);
        }
    }

    pub(super) fn on_publish_due(&mut self, id: PublicationId) {
        if let Some(publisher) = self.publishers.get_mut(&id) {
            publisher.refresh = None;
            self.next_publish(id, true);
        }
    }

    fn publication_over(&mut self, id: PublicationId, cause: PublicationEnd) {
        let Some(publisher) = self.publishers.remove(&id) else {
            return;
        };
        if let Some(timer) = publisher.refresh {
            self.deadlines.cancel(timer);
        }
        self.tell(Event::PublicationEnded {
            publication: id,
            cause,
        });
    }
}
