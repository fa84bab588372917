//! [`Dialog`]: what two user agents keep of each other (RFC 3261 section 12).

use std::fmt;
use std::net::SocketAddr;

use sip_message::header::{Contact, NameAddr};
use sip_message::{HeaderName, Headers, Method, Request, RequestBuilder, Response, Uri};
use sip_transport::{Flow, TransportKind};

/// The state of a dialog, early or confirmed.
///
/// Everything in it is copied out of the messages that made it, so that a dialog that lasts for hours keeps no datagram alive; and into
/// one text, as there may be many.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    /// Call-ID, remote tag, the From and the To of our requests, and the Route values: each but the last ends with a line end, which no
    /// value of a header field has.
    text: Box<str>,
    /// Where the first four begin that are not the first.
    starts: [u32; 4],
    pub(crate) remote_target: Uri,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
}

/// Puts the text of a dialog together.
struct Text {
    text: String,
    starts: [u32; 4],
}

impl Text {
    fn new(call_id: &str, remote_tag: &str, local: impl fmt::Display, remote: &str) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(256);
        let mut starts = [0; 4];
        // Writing to a string does not fail.
        let _ = writeln!(text, "{call_id}");
        starts[0] = end(&text);
        let _ = writeln!(text, "{remote_tag}");
        starts[1] = end(&text);
        let _ = writeln!(text, "{local}");
        starts[2] = end(&text);
        let _ = writeln!(text, "{remote}");
        starts[3] = end(&text);
        Self { text, starts }
    }

    fn route(&mut self, value: &str) {
        self.text.push_str(value);
        self.text.push('\n');
    }
}

/// The length of a text; messages are far shorter than 4 GiB.
fn end(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

impl Dialog {
    /// The dialog that a response to our request creates (section 12.1.2); `None` when the response lacks what a dialog is made of.
    pub(crate) fn of_uac(response: &Response) -> Option<Self> {
        let headers = response.headers();
        let (local_cseq, _) = headers.cseq()?;
        let remote_target = target(headers.get(HeaderName::Contact)?)?;
        // Section 12.1.2: a peer of RFC 2543 may send no tag; it then is empty.
        let mut text = Text::new(
            headers.call_id()?,
            headers.to_tag().unwrap_or_default(),
            headers.get(HeaderName::From)?,
            headers.get(HeaderName::To)?,
        );
        // The route set is taken in reverse order, and may be empty.
        for route in headers.values_rev(HeaderName::RecordRoute) {
            text.route(route);
        }
        Some(Self::of(text, remote_target, local_cseq, None))
    }

    /// The dialog that our response to `request` creates (section 12.1.1).
    pub(crate) fn of_uas(request: &Request, local_tag: &str) -> Option<Self> {
        let headers = request.headers();
        let (number, _) = headers.cseq()?;
        let remote_target = target(headers.get(HeaderName::Contact)?)?;
        let to = headers.get(HeaderName::To)?;
        let call_id = headers.call_id()?;
        let remote_tag = headers.from_tag().unwrap_or_default();
        let from = headers.get(HeaderName::From)?;
        let mut text = if headers.to_tag().is_none() && to.contains('>') {
            // The usual form; the tag is one more parameter.
            Text::new(
                call_id,
                remote_tag,
                format_args!("{to};tag={local_tag}"),
                from,
            )
        } else {
            let to = NameAddr::parse(to).ok()?.with_tag(local_tag);
            Text::new(call_id, remote_tag, to, from)
        };
        for route in headers.values(HeaderName::RecordRoute) {
            text.route(route);
        }
        // Section 12.1.1: the local sequence number is empty until we send; then any number below 2^31 will do.
        Some(Self::of(text, remote_target, 0, Some(number)))
    }

    fn of(text: Text, remote_target: Uri, local_cseq: u32, remote_cseq: Option<u32>) -> Self {
        Self {
            text: text.text.into(),
            starts: text.starts,
            remote_target,
            local_cseq,
            remote_cseq,
        }
    }

    fn part(&self, from: u32, to: u32) -> &str {
        self.text
            .get(from as usize..(to as usize).saturating_sub(1))
            .unwrap_or_default()
    }

    pub(crate) fn call_id(&self) -> &str {
        self.part(0, self.starts[0])
    }

    pub(crate) fn remote_tag(&self) -> &str {
        self.part(self.starts[0], self.starts[1])
    }

    /// The From of our requests, with its tag.
    pub(crate) fn local(&self) -> &str {
        self.part(self.starts[1], self.starts[2])
    }

    /// The To of our requests, with its tag.
    fn remote(&self) -> &str {
        self.part(self.starts[2], self.starts[3])
    }

    /// The Route values, in the order in which they are sent.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &str> {
        self.text
            .get(self.starts[3] as usize..)
            .unwrap_or_default()
            .lines()
    }

    /// The request after the last one (section 12.2.1.1), without its Via; the sequence number has gone up, unless it is an ACK,
    /// which has `cseq`, the number of its INVITE.
    pub(crate) fn request(
        &mut self,
        method: Method,
        ack: Option<u32>,
        contact: &ContactValue,
    ) -> RequestBuilder {
        let number = ack.unwrap_or_else(|| {
            self.local_cseq = self.local_cseq.saturating_add(1);
            self.local_cseq
        });
        // Only what refreshes the target has a Contact (RFC 3261 table 2, and those of its extensions).
        let refreshes = matches!(
            method,
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
        );
        let mut builder = self
            .start(method)
            .header(HeaderName::MaxForwards, "70")
            .header(HeaderName::From, self.local())
            .header(HeaderName::To, self.remote())
            .header(HeaderName::CallId, self.call_id())
            .cseq(number);
        if refreshes {
            builder = builder.header(HeaderName::Contact, contact.as_str());
        }
        builder
    }

    /// The Request-URI and the Route values (section 12.2.1.1).
    fn start(&self, method: Method) -> RequestBuilder {
        let mut routes = self.routes();
        let first = self
            .routes()
            .next()
            .and_then(|route| NameAddr::parse(route).ok());
        match first {
            // A strict router gets its own URI as the Request-URI, and the remote target comes last.
            Some(strict) if !strict.uri().is_loose_router() => {
                let mut builder = Request::builder(method, strict.uri().without_params());
                for route in routes.skip(1) {
                    builder = builder.header(HeaderName::Route, route);
                }
                builder.header(HeaderName::Route, format!("<{}>", self.remote_target))
            }
            _ => {
                let mut builder = Request::builder(method, self.remote_target.as_str());
                for route in routes.by_ref() {
                    builder = builder.header(HeaderName::Route, route);
                }
                builder
            }
        }
    }

    /// Where requests go first: the first route, or the remote target.
    pub(crate) fn next_hop(&self) -> Uri {
        self.routes()
            .next()
            .and_then(|route| Some(NameAddr::parse(route).ok()?.uri().to_uri()))
            .unwrap_or_else(|| self.remote_target.clone())
    }

    /// Names the dialog to the other side, in Replaces or Join: the tags are as it has them (RFC 3891 section 3).
    pub(crate) fn replaces(&self) -> String {
        format!(
            "{};to-tag={};from-tag={}",
            self.call_id(),
            self.remote_tag(),
            self.local_tag()
        )
    }

    /// The value of a Target-Dialog that names it, with the tags as we have them (RFC 4538 section 7).
    pub(crate) fn target_dialog(&self) -> String {
        format!(
            "{};local-tag={};remote-tag={}",
            self.call_id(),
            self.local_tag(),
            self.remote_tag()
        )
    }

    pub(crate) fn local_tag(&self) -> String {
        NameAddr::parse(self.local())
            .ok()
            .and_then(|local| local.tag().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Section 12.2: a target refresh moves the remote target, and nothing else.
    pub(crate) fn refresh(&mut self, headers: &Headers) {
        if let Some(contact) = headers.get(HeaderName::Contact) {
            self.move_to(contact);
        }
    }

    /// The remote target is the URI of this Contact from now on.
    pub(crate) fn move_to(&mut self, contact: &str) {
        if !ContactValue::is_of(contact, self.remote_target.as_str())
            && let Some(target) = target(contact)
        {
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

/// The Contact of our messages: a URI in angle brackets, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct ContactValue(Box<str>);

impl ContactValue {
    pub(crate) fn new(uri: &Uri) -> Self {
        Self(format!("<{uri}>").into())
    }

    /// Our Contact in what answers a request that arrived over `flow`: the user that was asked for, at the address where it arrived (section
    /// 12.1.1).
    pub(crate) fn of(request: &Request, flow: &Flow) -> Self {
        let user = request.uri().ok().and_then(|uri| uri.user());
        let address = SocketAddr::new(flow.local.ip(), flow.local.port());
        let at = if user.is_some() { "@" } else { "" };
        let user = user.unwrap_or_default();
        // Section 12.1.1: a SIPS URI for a request to one, or that came by a route of them.
        let secure = flow.kind.is_secure() && is_secure(request);
        let scheme = if secure { "sips" } else { "sip" };
        let kind = flow.kind;
        // RFC 3261 section 26.2.2: over TLS is what a SIPS URI means.
        let usual = kind == TransportKind::Udp || (kind == TransportKind::Tls && secure);
        let transport = if usual {
            ""
        } else if kind == TransportKind::Wss {
            // RFC 7118 section 5: there is one value for WebSockets, over TLS or not.
            TransportKind::Ws.uri_param()
        } else {
            kind.uri_param()
        };
        let param = if transport.is_empty() {
            ""
        } else {
            ";transport="
        };
        Self(format!("<{scheme}:{user}{at}{address}{param}{transport}>").into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn uri(&self) -> Option<Uri> {
        Uri::parse(self.0.trim_start_matches('<').trim_end_matches('>')).ok()
    }

    /// Whether a value of Contact is that URI and nothing else.
    fn is_of(value: &str, uri: &str) -> bool {
        value
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .is_some_and(|inside| inside == uri)
    }
}

impl fmt::Display for ContactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does the Request-URI, or the topmost Record-Route, or without one the Contact, ask for SIPS (section 12.1.1)?
fn is_secure(request: &Request) -> bool {
    let headers = request.headers();
    let route = headers.values(HeaderName::RecordRoute).next();
    let of = |value: &str| {
        let name = NameAddr::parse(value);
        name.is_ok_and(|name| name.uri().is_secure())
    };
    let peer = match route {
        Some(route) => of(route),
        None => headers.get(HeaderName::Contact).is_some_and(of),
    };
    peer || request.uri().is_ok_and(|uri| uri.is_secure())
}

/// The remote target: the URI of the Contact.
fn target(contact: &str) -> Option<Uri> {
    Some(Contact::parse(contact).ok()?.address()?.uri().to_uri())
}
