//! [`ReferrerToken`]: a statement of who refers, which can be verified (RFC 3892 section 4). Cryptography is a hook.

use sip_message::header::ReferredBy;
use sip_message::{HeaderName, Limits, Part, Request, StatusCode, Uri};

use crate::io::Body;

/// A Referred-By token: a body part that states who has referred to whom, signed by him (an authenticated identity body, RFC 3893).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReferrerToken {
    /// Its Content-ID, without angle brackets, which the `cid` of Referred-By names.
    pub content_id: String,
    /// What is signed, or encrypted, with its type: `multipart/signed` as a rule.
    pub body: Body,
}

/// Signs and verifies tokens, by whatever certificates the application has.
pub trait ReferrerIdentity {
    /// The signed form of a statement, as [`ReferrerToken::statement`] makes it.
    fn sign(&mut self, statement: &Body) -> Option<Body>;

    /// Whether a token is valid (RFC 3892 section 4.1): the signature, its date, that it is of who `referred_by` says, and that its
    /// Refer-To asks for this request.
    fn verify(&mut self, token: &ReferrerToken, referred_by: &str, request: &Request) -> bool;
}

impl ReferrerToken {
    /// A token with that name; one that is used nowhere else.
    #[must_use]
    pub fn new(content_id: &str, body: Body) -> Self {
        Self {
            content_id: content_id.to_owned(),
            body,
        }
    }

    /// The Referred-By that names the token.
    #[must_use]
    pub fn referred_by(referrer: &Uri, content_id: &str) -> String {
        format!("<{referrer}>;cid=\"{content_id}\"")
    }

    /// What a token states, to be signed: copies of Refer-To, Referred-By and Date (section 4), and nothing else of the REFER.
    ///
    /// ```
    /// use sip_dialog::ReferrerToken;
    /// use sip_message::Uri;
    /// let (carol, alice) = (Uri::parse("sip:carol@example.com")?, Uri::parse("sip:alice@example.com")?);
    /// let statement = ReferrerToken::statement(&carol, &alice, "1@example.com", "Sat, 21 Nov 2026 12:00:00 GMT");
    /// assert_eq!(statement.content_type, "message/sipfrag;version=2.0");
    /// assert!(statement.content.starts_with(b"Refer-To: <sip:carol@example.com>\r\nReferred-By: <sip:alice@example.com>;cid="));
    /// # Ok::<(), sip_message::UriError>(())
    /// ```
    #[must_use]
    pub fn statement(refer_to: &Uri, referrer: &Uri, content_id: &str, date: &str) -> Body {
        let referred_by = Self::referred_by(referrer, content_id);
        Body {
            content_type: "message/sipfrag;version=2.0".to_owned(),
            content: format!(
                "Refer-To: <{refer_to}>\r\nReferred-By: {referred_by}\r\nDate: {date}\r\n"
            )
            .into(),
        }
    }

    /// The token of a request: the body part that the `cid` of its Referred-By names.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let headers = request.headers();
        let referred_by = headers.typed::<ReferredBy<'_>>().ok()??;
        let content_id = referred_by.content_id()?;
        let limits = Limits::default();
        let parts = Part::of_message(headers, request.body_bytes(), &limits).ok()?;
        let part = parts
            .iter()
            .find(|part| part.content_id().is_some_and(|id| id.id() == content_id))?;
        let body = Body {
            content_type: part.headers().get(HeaderName::ContentType)?.to_owned(),
            content: bytes::Bytes::copy_from_slice(part.content()),
        };
        Some(Self::new(&content_id, body))
    }

    /// The token as a part of a body.
    fn part(&self) -> Part {
        let mut part = Part::new(&self.body.content_type, self.body.content.clone());
        let headers = part.headers_mut();
        headers.push_back(HeaderName::ContentId, format!("<{}>", self.content_id));
        headers.push_back(HeaderName::ContentDisposition, "aib;handling=optional");
        part
    }

    /// A body of what there is to say, and the token.
    pub(crate) fn beside(&self, body: Option<Body>, boundary: &str) -> Body {
        let session = body.map(|body| Part::new(&body.content_type, body.content));
        let parts: Vec<Part> = session.into_iter().chain([self.part()]).collect();
        Body {
            content_type: format!("multipart/mixed;boundary={boundary}"),
            content: Part::encode_all(&parts, boundary).into(),
        }
    }
}

/// Looks at who is said to have referred a request to us (RFC 3892 section 2.3), or a REFER (section 2.2).
///
/// # Errors
/// 429: there is a token that is not valid, or with `required` none at all. The request is then refused with it.
pub fn check_referrer(
    request: &Request,
    identity: &mut dyn ReferrerIdentity,
    required: bool,
) -> Result<(), StatusCode> {
    let refused = Err(StatusCode::PROVIDE_REFERRER_IDENTITY);
    let Some(referred_by) = request.headers().get(HeaderName::ReferredBy) else {
        // Section 2.3: it is as any other request.
        return if required { refused } else { Ok(()) };
    };
    match ReferrerToken::of(request) {
        Some(token) if identity.verify(&token, referred_by, request) => Ok(()),
        Some(_) => refused,
        // A name without its part is a token that cannot be valid.
        None if required || names_token(request) => refused,
        None => Ok(()),
    }
}

fn names_token(request: &Request) -> bool {
    let referred_by = request.headers().typed::<ReferredBy<'_>>().ok().flatten();
    referred_by.is_some_and(|by| by.content_id().is_some())
}
