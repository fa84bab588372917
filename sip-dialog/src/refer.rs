//! Referrals (RFC 3515): what a REFER is made of, and what its NOTIFYs say.

use sip_message::header::{NameAddr, ReferTo};
use sip_message::uri::unescape;
use sip_message::{HeaderName, Method, Request, StatusCode, Uri};

use crate::authentication::AccountKey;
use crate::config::InviteRequest;
use crate::io::Body;
use crate::referrer_token::ReferrerToken;

/// How the sender of a REFER hears of what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Report {
    /// By the implicit subscription (RFC 3515 section 2.4.4).
    #[default]
    Implicit,
    /// Rather not at all (RFC 4488: `Refer-Sub: false`); the other side may report nevertheless.
    Unwanted,
    /// By a subscription of its own, to a URI that the answer names (RFC 7614 section 4: `explicitsub`).
    Explicit,
    /// Not at all, or the REFER is refused (RFC 7614 section 5: `nosub`).
    Nothing,
}

/// A REFER to be sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReferRequest {
    /// What the other side is to contact; it may name a method and header fields, as
    /// [`Dialogs::replacement_uri`](crate::Dialogs::replacement_uri) does.
    pub refer_to: Uri,
    /// How its outcome is told.
    pub report: Report,
    /// The value of Referred-By (RFC 3892); without one, the From is used.
    pub referred_by: Option<String>,
    /// What proves the Referred-By, which then names it.
    pub token: Option<ReferrerToken>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
}

impl ReferRequest {
    /// Refers to `refer_to`, with the implicit subscription.
    #[must_use]
    pub const fn new(refer_to: Uri) -> Self {
        Self {
            refer_to,
            report: Report::Implicit,
            referred_by: None,
            token: None,
            headers: Vec::new(),
        }
    }

    /// The fields of the REFER that are about the reference.
    pub(crate) fn fields(self, from: &str) -> Vec<(HeaderName, String)> {
        let mut referred_by = self.referred_by.unwrap_or_else(|| format!("<{from}>"));
        if let Some(token) = self.token {
            // RFC 3892 section 2.1.
            referred_by.push_str(&format!(";cid=\"{}\"", token.content_id));
        }
        let mut fields = vec![
            (HeaderName::ReferTo, format!("<{}>", self.refer_to)),
            (HeaderName::ReferredBy, referred_by),
        ];
        match self.report {
            Report::Implicit => {}
            Report::Unwanted => fields.push((HeaderName::ReferSub, "false".to_owned())),
            Report::Explicit => fields.push((HeaderName::Require, "explicitsub".to_owned())),
            Report::Nothing => fields.push((HeaderName::Require, "nosub".to_owned())),
        }
        fields.extend(self.headers);
        fields
    }
}

/// To whom a REFER goes that is sent out of a dialog.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReferTarget {
    /// The Request-URI.
    pub target: Uri,
    /// The From.
    pub from: Uri,
    /// The To.
    pub to: Uri,
    /// Our Contact.
    pub contact: Uri,
    /// Preloaded routes; the first is the next hop.
    pub route: Vec<Uri>,
    /// Who answers challenges.
    pub account: AccountKey,
}

impl ReferTarget {
    /// From `from` to `to` at `target`, reachable at `contact`.
    #[must_use]
    pub const fn new(target: Uri, from: Uri, to: Uri, contact: Uri) -> Self {
        Self {
            target,
            from,
            to,
            contact,
            route: Vec::new(),
            account: AccountKey(0),
        }
    }
}

/// The fields that a URI may put into the request that it asks for (RFC 3261 section 19.1.5 leaves out what would falsify it).
const HONOURED: [HeaderName; 6] = [
    HeaderName::Replaces,
    HeaderName::Join,
    HeaderName::TargetDialog,
    HeaderName::Subject,
    HeaderName::AcceptContact,
    HeaderName::RejectContact,
];

impl InviteRequest {
    /// The INVITE that a REFER asks for (RFC 3515 section 2.4.3): to the URI in its Refer-To, with the Replaces or Join that the URI
    /// carries, and with its Referred-By (RFC 3892 section 2.2).
    ///
    /// `None` when the REFER names no SIP URI, or another method.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use sip_message::{Message, ParserConfig, Uri};
    /// # let text = "REFER sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n\
    /// #     To: <sip:bob@example.com>\r\nCall-ID: x\r\nCSeq: 1 REFER\r\nMax-Forwards: 70\r\nContact: <sip:a@192.0.2.1>\r\n\
    /// #     Refer-To: <sip:carol@example.com?Replaces=77%40host%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\nContent-Length: 0\r\n\r\n";
    /// # let Message::Request(refer) = Message::parse(Bytes::from(text), &ParserConfig::default())? else { panic!() };
    /// let bob = Uri::parse("sip:bob@192.0.2.2")?;
    /// let invite = sip_dialog::InviteRequest::referred(&refer, bob.clone(), bob).unwrap();
    /// assert_eq!(invite.target.as_str(), "sip:carol@example.com");
    /// assert_eq!(invite.headers[0].1, "77@host;to-tag=1;from-tag=2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn referred(refer: &Request, from: Uri, contact: Uri) -> Option<Self> {
        let headers = refer.headers();
        let refer_to = headers.typed::<ReferTo<'_>>().ok()??;
        let uri = refer_to.uri();
        let method = uri.param("method");
        if !uri.is_sip()
            || method.is_some_and(|method| !method.eq_ignore_ascii_case(Method::Invite.as_str()))
        {
            return None;
        }
        let (text, _) = uri.as_str().split_once('?').unwrap_or((uri.as_str(), ""));
        let target = Uri::parse(text).ok()?;
        let mut invite = Self::new(target.clone(), from, target, contact);
        for (name, value) in uri.headers() {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let Some(name) = name.filter(|name| HONOURED.contains(name)) {
                let value = unescape(value).into_owned();
                if value.contains(['\r', '\n']) {
                    return None;
                }
                invite.headers.push((name, value));
            }
        }
        // RFC 3892 section 2.2: without modification.
        invite.token = ReferrerToken::of(refer);
        if let Some(referred_by) = headers.get(HeaderName::ReferredBy) {
            invite
                .headers
                .push((HeaderName::ReferredBy, referred_by.to_owned()));
        }
        Some(invite)
    }
}

impl Body {
    /// The status line that a NOTIFY of a referral carries (RFC 3515 section 2.4.5, RFC 3420).
    #[must_use]
    pub fn sipfrag(status: StatusCode) -> Self {
        Self {
            content_type: "message/sipfrag;version=2.0".to_owned(),
            content: format!("SIP/2.0 {} {}\r\n", status.as_u16(), status.reason_phrase()).into(),
        }
    }

    /// How far the referred request is, when it is such a body.
    ///
    /// ```
    /// use sip_dialog::Body;
    /// use sip_message::StatusCode;
    /// assert_eq!(Body::sipfrag(StatusCode::RINGING).sipfrag_status(), Some(StatusCode::RINGING));
    /// assert_eq!(Body::sdp("v=0\r\n").sipfrag_status(), None);
    /// ```
    #[must_use]
    pub fn sipfrag_status(&self) -> Option<StatusCode> {
        let media = self.content_type.split(';').next().unwrap_or_default();
        if !media.trim().eq_ignore_ascii_case("message/sipfrag") {
            return None;
        }
        let line = self
            .content
            .split(|byte| *byte == b'\r' || *byte == b'\n')
            .next()?;
        let rest = std::str::from_utf8(line).ok()?.strip_prefix("SIP/2.0 ")?;
        let code = rest.split(' ').next()?;
        // Three digits and no sign.
        if code.len() != 3 {
            return None;
        }
        StatusCode::from_u16(code.parse().ok()?)
    }
}

/// The URI of a value that is a name-addr.
pub(crate) fn uri_of(value: &str) -> Option<Uri> {
    Some(NameAddr::parse(value).ok()?.uri().to_uri())
}
