//! Who is published to: the event state compositor (RFC 3903 section 6).

use std::time::{Duration, Instant};

use sip_message::header::{Event as EventHeader, Expires, SipIfMatch};
use sip_message::{HeaderName, Request, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::{Deadline, Dialogs};
use crate::config::Gone;
use crate::io::{Body, Event};
use crate::publication::{PublicationChange, PublicationId, Published, seconds};

/// Seconds when a PUBLISH names none.
const USUAL: u32 = 3600;

impl Dialogs {
    /// Accepts an [`Event::Publishing`]: 200 with a new entity tag (section 6, step 6). After
    /// [`PublicationChange::Removed`] the publication is over.
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or is over.
    pub fn accept_publication(
        &mut self,
        id: PublicationId,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let published = self.published.get_mut(&id).ok_or(Gone)?;
        let (transaction, request, change) = published.asked.take().ok_or(Gone)?;
        if change == PublicationChange::Removed {
            self.grant_publication(id, transaction, &request, 0, t, now);
            self.forget_publication(id);
        } else {
            let seconds = self.granted(&request);
            self.grant_publication(id, transaction, &request, seconds, t, now);
        }
        Ok(())
    }

    /// Refuses an [`Event::Publishing`]: what was published before stays.
    ///
    /// # Errors
    /// [`Gone`] when it was answered, or is over.
    pub fn refuse_publication(
        &mut self,
        id: PublicationId,
        status: StatusCode,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), Gone> {
        self.last_now = Some(now);
        let published = self.published.get_mut(&id).ok_or(Gone)?;
        let (transaction, request, change) = published.asked.take().ok_or(Gone)?;
        // Its time may have run out while the change was considered.
        if published.deadline.is_none()
            && let Some(expired) = self.forget_publication(id)
            && change != PublicationChange::Initial
        {
            self.publication_expired(id, &expired.event, &expired.resource);
        }
        let tag = self.rng.token(12);
        let response = self.answer(&request, status, &tag).build();
        self.respond(transaction, response, t, now).ok_or(Gone)
    }

    /// A PUBLISH; hands it back when there is nothing to publish to here.
    pub(super) fn on_publish(
        &mut self,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Box<Request>> {
        if self.config.publish_packages.is_empty() {
            return Some(request);
        }
        let tag = self.rng.token(12);
        match self.publishing(&request) {
            Ok((id, Some(change))) => {
                if let Some(published) = self.published.get_mut(&id) {
                    published.asked = Some((transaction, request.clone(), change));
                }
                let body = Body::of(request.headers(), request.body_bytes());
                if self.serve_publication(id, change, body.as_ref(), t, now) {
                    return None;
                }
                self.tell(Event::Publishing {
                    publication: id,
                    change,
                    body,
                    request,
                });
            }
            Ok((id, None)) => {
                // A refresh changes nothing but the time, and the tag.
                let seconds = self.granted(&request);
                self.grant_publication(id, transaction, &request, seconds, t, now);
            }
            Err(status) => {
                let mut response = self.answer(&request, status, &tag);
                response = match status {
                    StatusCode::BAD_EVENT => {
                        let packages = self.config.publish_packages.join(", ");
                        response.header(HeaderName::AllowEvents, packages)
                    }
                    StatusCode::INTERVAL_TOO_BRIEF => {
                        let least = seconds(self.config.min_subscription);
                        response.header(HeaderName::MinExpires, least.to_string())
                    }
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::SERVER_INTERNAL_ERROR => {
                        response.header(HeaderName::RetryAfter, "10")
                    }
                    StatusCode::BAD_EXTENSION => {
                        let unknown: Vec<&str> = self.unknown_options(&request).collect();
                        response.header(HeaderName::Unsupported, unknown.join(", "))
                    }
                    _ => response,
                };
                self.respond(transaction, response.build(), t, now);
            }
        }
        None
    }

    /// Steps 2 to 5 of section 6: the publication, and what is to be done to it; nothing for a refresh.
    fn publishing(
        &mut self,
        request: &Request,
    ) -> Result<(PublicationId, Option<PublicationChange>), StatusCode> {
        let headers = request.headers();
        if self.unknown_options(request).next().is_some() {
            return Err(StatusCode::BAD_EXTENSION);
        }
        let event = headers
            .get(HeaderName::Event)
            .and_then(|event| EventHeader::parse(event).ok())
            .map(|event| event.package())
            .filter(|package| {
                self.config
                    .publish_packages
                    .iter()
                    .any(|own| own == package)
            })
            .ok_or(StatusCode::BAD_EVENT)?;
        let resource = request.uri().map_err(|_| StatusCode::BAD_REQUEST)?;
        let resource = resource.without_params();
        let known = match headers.count(HeaderName::SipIfMatch) {
            0 => None,
            1 => {
                let tag = headers.typed::<SipIfMatch<'_>>().ok().flatten();
                let tag = tag.ok_or(StatusCode::BAD_REQUEST)?;
                let id = self.by_entity_tag.get(tag.value()).copied();
                let known = id.and_then(|id| Some((id, self.published.get(&id)?)));
                match known {
                    // Tags are of one resource and package.
                    Some((id, known)) if known.resource == resource && known.event == event => {
                        if known.asked.is_some() {
                            // In the order in which they are received.
                            return Err(StatusCode::SERVER_INTERNAL_ERROR);
                        }
                        Some(id)
                    }
                    _ => return Err(StatusCode::CONDITIONAL_REQUEST_FAILED),
                }
            }
            _ => return Err(StatusCode::BAD_REQUEST),
        };
        let wanted = wanted(request);
        if wanted > 0 && wanted < seconds(self.config.min_subscription) && wanted < USUAL {
            return Err(StatusCode::INTERVAL_TOO_BRIEF);
        }
        let has_body = !request.body().is_empty();
        match known {
            Some(id) if wanted == 0 => Ok((id, Some(PublicationChange::Removed))),
            Some(id) if has_body => Ok((id, Some(PublicationChange::Modified))),
            Some(id) => Ok((id, None)),
            None if !has_body || wanted == 0 => Err(StatusCode::BAD_REQUEST),
            None if self.published.len() >= self.config.publications => {
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
            None => {
                let (resource, event) = (resource.to_owned(), event.to_owned());
                let id = PublicationId(self.mint());
                self.published.insert(
                    id,
                    Published {
                        resource,
                        event,
                        etag: String::new(),
                        asked: None,
                        deadline: None,
                    },
                );
                Ok((id, Some(PublicationChange::Initial)))
            }
        }
    }

    fn granted(&self, request: &Request) -> u32 {
        wanted(request).min(seconds(self.config.max_subscription))
    }

    /// The 200 with a new tag, and the time until it expires.
    fn grant_publication(
        &mut self,
        id: PublicationId,
        transaction: ServerTransactionId,
        request: &Request,
        seconds: u32,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        // Unique among all, so that none is used twice for a resource, nor guessed.
        let etag = self.rng.token(16);
        let Some(published) = self.published.get_mut(&id) else {
            return;
        };
        self.by_entity_tag.remove(&published.etag);
        if let Some(timer) = published.deadline.take() {
            self.deadlines.cancel(timer);
        }
        let at = now + Duration::from_secs(seconds.into());
        published.deadline = Some(self.deadlines.insert(at, Deadline::Published(id)));
        published.etag.clone_from(&etag);
        self.by_entity_tag.insert(etag.clone(), id);
        let tag = self.rng.token(12);
        let response = self
            .answer(request, StatusCode::OK, &tag)
            .header(HeaderName::SipETag, etag)
            .header(HeaderName::Expires, seconds.to_string())
            .build();
        self.respond(transaction, response, t, now);
    }

    pub(super) fn on_published_due(&mut self, id: PublicationId) {
        if let Some(published) = self.published.get_mut(&id) {
            published.deadline = None;
            if published.asked.is_some() {
                // What is being decided decides.
                return;
            }
        }
        if let Some(expired) = self.forget_publication(id) {
            self.publication_expired(id, &expired.event, &expired.resource);
        }
    }

    fn forget_publication(&mut self, id: PublicationId) -> Option<Published> {
        let published = self.published.remove(&id)?;
        self.by_entity_tag.remove(&published.etag);
        if let Some(timer) = published.deadline {
            self.deadlines.cancel(timer);
        }
        Some(published)
    }
}

/// The seconds that a PUBLISH asks for.
fn wanted(request: &Request) -> u32 {
    match request.headers().typed::<Expires>() {
        Ok(Some(Expires(seconds))) => seconds,
        Ok(None) | Err(_) => USUAL,
    }
}
