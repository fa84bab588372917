//! [`Desk`]: what one end of a flow has going on, and how it does what the RFC has it do.

use std::time::Instant;

use sip_dialog::{
    AccountKey, Body, Dialogs, Event, InviteRequest, OutgoingRequest, ReferRequest, ReferTarget,
    SessionId, SubscribeRequest, SubscriptionId, SubscriptionStatus,
};
use sip_message::header::NameAddr;
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};
use sip_transaction::TransactionLayer;

use super::script::Step;

/// What stands in the RFC, and in its place with us; the longest first.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    pub(super) fn learn(&mut self, theirs: Option<&str>, ours: Option<&str>) {
        if let (Some(theirs), Some(ours)) = (theirs, ours)
            && theirs != ours
        {
            self.0.retain(|(known, _)| known != theirs);
            self.0.push((theirs.to_owned(), ours.to_owned()));
            self.0
                .sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
        }
    }

    /// A text of the RFC as it is with us.
    pub(super) fn ours(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (theirs, ours) in &self.0 {
            text = text.replace(theirs, ours);
            // As it stands in a URI.
            text = text.replace(&theirs.replace('@', "%40"), ours);
        }
        text
    }

    /// One name of the RFC with us.
    pub(super) fn of(&self, theirs: &str) -> String {
        self.0
            .iter()
            .find(|(known, _)| known == theirs)
            .map_or_else(|| theirs.to_owned(), |(_, ours)| ours.clone())
    }

    /// One of our names in the RFC.
    pub(super) fn theirs(&self, ours: &str) -> Option<&str> {
        let mut known = self.0.iter();
        known
            .find(|(_, known)| known == ours)
            .map(|(theirs, _)| theirs.as_str())
    }
}

/// Sessions and subscriptions by the RFC's Call-ID, or by ours.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) sessions: Vec<(String, SessionId)>,
    pub(super) subscriptions: Vec<(String, SubscriptionId)>,
    pub(super) referrals: Vec<(String, SubscriptionId)>,
    next: u32,
}

impl Desk {
    pub(super) const fn new() -> Self {
        Self {
            sessions: Vec::new(),
            subscriptions: Vec::new(),
            referrals: Vec::new(),
            next: 1,
        }
    }

    pub(super) fn session(&self, names: &Names, call_id: &str) -> Option<SessionId> {
        let ours = names.ours(call_id);
        self.sessions
            .iter()
            .rfind(|(known, _)| *known == call_id || *known == ours)
            .map(|(_, session)| *session)
    }

    /// Sees to what comes in. A subscription is granted at once.
    pub(super) fn told(
        &mut self,
        event: &Event,
        dialogs: &mut Dialogs,
        layer: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        let call_id = |request: &Request| request.headers().call_id().unwrap().to_owned();
        match event {
            Event::Subscribing {
                subscription,
                request,
                ..
            } => {
                self.subscriptions.push((call_id(request), *subscription));
                let status = SubscriptionStatus::Active;
                dialogs
                    .grant(*subscription, status, Some(body("state")), layer, now)
                    .unwrap();
            }
            Event::Incoming {
                session, request, ..
            } => self.sessions.push((call_id(request), *session)),
            Event::Referred {
                referral, request, ..
            } => self.referrals.push((call_id(request), *referral)),
            _ => {}
        }
    }

    /// Does what makes us send it.
    pub(super) fn act(
        &mut self,
        names: &Names,
        step: &Step,
        dialogs: &mut Dialogs,
        layer: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<(), String> {
        let call_id = step.field("Call-ID").unwrap_or_default().to_owned();
        let gone = |_| format!("{} is not possible", step.start());
        let session = self.session(names, &call_id);
        let uri = |text: &str| Uri::parse(text).map_err(|error| format!("{text}: {error}"));
        let text = names.ours(&step.head);
        let fields = Step {
            head: text,
            ..step.clone()
        };
        let of = |name: &str| -> Result<Uri, String> {
            let value = fields.field(name).unwrap_or_default().to_owned();
            let value = NameAddr::parse(&value).map_err(|error| format!("{name}: {error}"))?;
            Ok(value.uri().to_uri())
        };
        let contact = of("Contact").or_else(|_| of("From"));
        let extra = |names: &[HeaderName]| -> Vec<(HeaderName, String)> {
            names
                .iter()
                .filter_map(|name| Some((name.clone(), fields.field(name.as_str())?.to_owned())))
                .collect()
        };
        let routes = || {
            fields
                .fields("Route")
                .flat_map(|value| value.split(','))
                .map(|value| {
                    Ok(NameAddr::parse(value.trim())
                        .map_err(|error| error.to_string())?
                        .uri()
                        .to_uri())
                })
                .collect::<Result<Vec<Uri>, String>>()
        };
        let session_body = step.body.as_ref().map(|_| body("body"));
        let in_dialog = step.tag("To").is_some();
        match (step.status(), step.method().as_str()) {
            (None, "INVITE") if in_dialog => {
                let session = session.ok_or("no session")?;
                dialogs
                    .reinvite(session, session_body, layer, now)
                    .map_err(gone)
            }
            (None, "INVITE") => {
                let mut invite =
                    InviteRequest::new(uri(fields.uri())?, of("From")?, of("To")?, contact?);
                invite.body = session_body;
                invite.route = routes()?;
                invite.headers = extra(&[
                    HeaderName::Replaces,
                    HeaderName::Join,
                    HeaderName::ReferredBy,
                    HeaderName::Require,
                ]);
                let id = dialogs.invite(invite, layer, now);
                self.sessions.push((call_id, id));
                Ok(())
            }
            (None, "ACK") => {
                let session = session.ok_or("no session")?;
                dialogs
                    .acknowledge(session, session_body, layer, now)
                    .map_err(gone)
            }
            (None, "BYE" | "CANCEL") => {
                dialogs.end(session.ok_or("no session")?, layer, now);
                Ok(())
            }
            (None, "REFER") => {
                let refer = ReferRequest::new(of("Refer-To")?);
                let id = if in_dialog {
                    dialogs
                        .refer(session.ok_or("no session")?, refer, layer, now)
                        .map_err(gone)?
                } else {
                    let mut to =
                        ReferTarget::new(uri(fields.uri())?, of("From")?, of("To")?, contact?);
                    to.route = routes()?;
                    dialogs.refer_to(to, refer, layer, now)
                };
                self.subscriptions.push((call_id, id));
                Ok(())
            }
            (None, "SUBSCRIBE") if in_dialog => {
                let id = self
                    .subscriptions
                    .iter()
                    .rfind(|(known, _)| *known == call_id)
                    .ok_or("no subscription")?
                    .1;
                dialogs.unsubscribe(id, layer, now).map_err(gone)
            }
            (None, "SUBSCRIBE") => {
                let event = fields.field("Event").unwrap_or_default().to_owned();
                let mut subscribe = SubscribeRequest::new(
                    uri(fields.uri())?,
                    of("From")?,
                    of("To")?,
                    contact?,
                    &event,
                );
                subscribe.route = routes()?;
                let id = dialogs.subscribe(subscribe, layer, now);
                self.subscriptions.push((call_id, id));
                Ok(())
            }
            (None, "NOTIFY") => {
                let ours = names.of(&call_id);
                if let Some((_, id)) = self
                    .referrals
                    .iter()
                    .rfind(|(known, _)| *known == call_id || *known == ours)
                {
                    let status = step
                        .body
                        .as_deref()
                        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
                        .ok_or("no status")?;
                    let status = StatusCode::from_u16(status).unwrap();
                    return dialogs.report(*id, status, layer, now).map_err(gone);
                }
                let (_, id) = self
                    .subscriptions
                    .iter()
                    .rfind(|(known, _)| *known == call_id || *known == ours)
                    .ok_or("no subscription")?;
                let over = step
                    .field("Subscription-State")
                    .is_some_and(|state| state.starts_with("terminated"));
                let status = if over {
                    SubscriptionStatus::Terminated
                } else {
                    SubscriptionStatus::Active
                };
                dialogs
                    .notify(*id, status, Some(body("state")), layer, now)
                    .map_err(gone)
            }
            (None, method) => {
                // Out of a dialog, and nothing of this layer's.
                let method: Method = method.parse().unwrap();
                let mut builder = Request::builder(method, fields.uri())
                    .max_forwards(70)
                    .call_id(&format!("own{}", self.next))
                    .cseq(1);
                for name in [HeaderName::From, HeaderName::To] {
                    builder = builder.header(
                        name.clone(),
                        fields.field(name.as_str()).unwrap_or_default(),
                    );
                }
                for (name, value) in
                    extra(&[HeaderName::Contact, HeaderName::Expires, HeaderName::Route])
                {
                    builder = builder.header(name, value);
                }
                self.next += 1;
                let request = builder.build_partial().map_err(|error| error.to_string())?;
                let next_hop = uri("sip:192.0.2.9")?;
                dialogs.request(
                    OutgoingRequest {
                        request,
                        next_hop,
                        account: AccountKey(0),
                    },
                    layer,
                    now,
                );
                Ok(())
            }
            (Some(100), _) => Err("100 is of the transaction layer".to_owned()),
            (Some(status), "INVITE") if status < 200 => {
                let status = StatusCode::from_u16(status).unwrap();
                dialogs
                    .ring(
                        session.ok_or("no session")?,
                        status,
                        session_body,
                        layer,
                        now,
                    )
                    .map_err(gone)
            }
            (Some(200), "INVITE") => {
                let session = session.ok_or("no session")?;
                dialogs
                    .accept(session, session_body.clone(), layer, now)
                    .or_else(|_| dialogs.accept_reinvite(session, session_body, layer, now))
                    .map_err(gone)
            }
            (Some(status), "INVITE") => {
                let status = StatusCode::from_u16(status).unwrap();
                let session = session.ok_or("no session")?;
                dialogs
                    .reject(session, status, &[], layer, now)
                    .or_else(|_| dialogs.reject_reinvite(session, status, layer, now))
                    .map_err(gone)
            }
            (Some(200 | 202), "REFER") => {
                let ours = names.of(&call_id);
                let (_, id) = self
                    .referrals
                    .iter()
                    .rfind(|(known, _)| *known == call_id || *known == ours)
                    .ok_or("no referral")?;
                dialogs.accept_referral(*id, layer, now).map_err(gone)
            }
            (Some(status), method) => Err(format!("no way to answer {method} by {status}")),
        }
    }
}

fn body(text: &'static str) -> Body {
    Body::sdp(text)
}
