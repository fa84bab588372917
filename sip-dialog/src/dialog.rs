//! [`Dialog`]: what two user agents keep of each other (RFC 3261 section 12).

use sip_message::header::{CSeq, Contact, NameAddr};
use sip_message::{HeaderName, Method, Request, RequestBuilder, Response, Uri};

/// The state of a dialog, early or confirmed.
///
/// Everything in it is copied out of the messages that made it, so that a dialog that lasts for hours keeps no datagram alive.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    call_id: String,
    pub(crate) remote_tag: String,
    /// The From of our requests, with its tag.
    local: String,
    /// The To of our requests, with its tag.
    remote: String,
    /// The Contact of our requests, as a URI.
    pub(crate) contact: Uri,
    pub(crate) remote_target: Uri,
    /// Route values, in the order in which they are sent.
    route_set: Vec<String>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog that a response to our request creates (section 12.1.2); `None` when the response lacks what a dialog is made of.
    pub(crate) fn of_uac(response: &Response, contact: &Uri) -> Option<Self> {
        let headers = response.headers();
        let (local_cseq, _) = headers.cseq()?;
        // The route set is taken in reverse order, and may be empty.
        let mut route_set: Vec<String> = headers
            .values(HeaderName::RecordRoute)
            .map(str::to_owned)
            .collect();
        route_set.reverse();
        Some(Self {
            call_id: headers.call_id()?.to_owned(),
            // Section 12.1.2: a peer of RFC 2543 may send no tag; it then is empty.
            remote_tag: headers.to_tag().unwrap_or_default().to_owned(),
            local: headers.get(HeaderName::From)?.to_owned(),
            remote: headers.get(HeaderName::To)?.to_owned(),
            contact: contact.clone(),
            remote_target: target(response.headers())?,
            route_set,
            local_cseq,
            remote_cseq: None,
        })
    }

    /// The dialog that our response to `request` creates (section 12.1.1).
    pub(crate) fn of_uas(request: &Request, local_tag: &str, contact: &Uri) -> Option<Self> {
        let headers = request.headers();
        let (number, _) = headers.cseq()?;
        let to = NameAddr::parse(headers.get(HeaderName::To)?)
            .ok()?
            .with_tag(local_tag);
        Some(Self {
            call_id: headers.call_id()?.to_owned(),
            remote_tag: headers.from_tag().unwrap_or_default().to_owned(),
            local: to.to_string(),
            remote: headers.get(HeaderName::From)?.to_owned(),
            contact: contact.clone(),
            remote_target: target(headers)?,
            route_set: headers
                .values(HeaderName::RecordRoute)
                .map(str::to_owned)
                .collect(),
            // Section 12.1.1: the local sequence number is empty until we send; then any number below 2^31 will do.
            local_cseq: 0,
            remote_cseq: Some(number),
        })
    }

    /// The request after the last one (section 12.2.1.1), without its Via; the sequence number has gone up, unless it is an ACK,
    /// which has `cseq`, the number of its INVITE.
    pub(crate) fn request(&mut self, method: Method, ack: Option<u32>) -> RequestBuilder {
        let number = ack.unwrap_or_else(|| {
            self.local_cseq = self.local_cseq.saturating_add(1);
            self.local_cseq
        });
        let (uri, routes) = self.path();
        let cseq = CSeq::new(number, method.clone());
        // Only what refreshes the target has a Contact (RFC 3261 table 2, and those of its extensions).
        let refreshes = matches!(
            method,
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
        );
        let mut builder = Request::builder(method, uri);
        for route in routes {
            builder = builder.header(HeaderName::Route, route);
        }
        builder = builder
            .header(HeaderName::MaxForwards, "70")
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, &self.call_id)
            .typed(&cseq);
        if refreshes {
            builder = builder.header(HeaderName::Contact, format!("<{}>", self.contact));
        }
        builder
    }

    /// The Request-URI and the Route values (section 12.2.1.1).
    fn path(&self) -> (String, Vec<String>) {
        let Some((first, rest)) = self.route_set.split_first() else {
            return (self.remote_target.to_string(), Vec::new());
        };
        let first_uri = uri_of(first);
        match first_uri {
            // A strict router gets its own URI as the Request-URI, and the remote target comes last.
            Some(uri) if !uri.as_ref().is_loose_router() => {
                let mut routes = rest.to_vec();
                routes.push(format!("<{}>", self.remote_target));
                (uri.as_ref().without_params().to_owned(), routes)
            }
            _ => (self.remote_target.to_string(), self.route_set.clone()),
        }
    }

    /// Where requests go first: the first route, or the remote target.
    pub(crate) fn next_hop(&self) -> Uri {
        self.route_set
            .first()
            .and_then(|route| uri_of(route))
            .unwrap_or_else(|| self.remote_target.clone())
    }

    /// Our side, as the value of a From.
    pub(crate) fn local(&self) -> &str {
        &self.local
    }

    /// The Route values.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &str> {
        self.route_set.iter().map(String::as_str)
    }

    /// Names the dialog to the other side, in Replaces or Join: the tags are as it has them (RFC 3891 section 3).
    pub(crate) fn replaces(&self) -> String {
        format!(
            "{};to-tag={};from-tag={}",
            self.call_id,
            self.remote_tag,
            self.local_tag()
        )
    }

    /// The value of a Target-Dialog that names it, with the tags as we have them (RFC 4538 section 7).
    pub(crate) fn target_dialog(&self) -> String {
        format!(
            "{};local-tag={};remote-tag={}",
            self.call_id,
            self.local_tag(),
            self.remote_tag
        )
    }

    fn local_tag(&self) -> String {
        NameAddr::parse(&self.local)
            .ok()
            .and_then(|local| local.tag().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Section 12.2: a target refresh moves the remote target, and nothing else.
    pub(crate) fn refresh(&mut self, headers: &sip_message::Headers) {
        if let Some(target) = target(headers) {
            self.remote_target = target;
        }
    }

    /// Section 12.2.2: whether `number` is in order; a lower one than before is not.
    pub(crate) fn accept_cseq(&mut self, number: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| number < last) {
            return false;
        }
        self.remote_cseq = Some(number);
        true
    }
}

fn uri_of(route: &str) -> Option<Uri> {
    Some(NameAddr::parse(route).ok()?.uri().to_uri())
}

/// The remote target: the URI of the Contact.
fn target(headers: &sip_message::Headers) -> Option<Uri> {
    let contact = headers.typed::<Contact<'_>>().ok()??;
    Some(contact.address()?.uri().to_uri())
}
