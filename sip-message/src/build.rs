//! [`RequestBuilder`] and [`ResponseBuilder`].

use bytes::Bytes;

use crate::error::BuildError;
use crate::header::{self, NameAddr, TypedHeader};
use crate::headers::{Headers, Place, Source};
use crate::message::{self, Body};
use crate::method::Method;
use crate::name::HeaderName;
use crate::request::Request;
use crate::response::Response;
use crate::status::StatusCode;

/// Bytes that most messages without a body fit in.
const HEAD_CAPACITY: usize = 768;

/// Builds a [`Request`]; see [`Request::builder`]. Fields are written in the order of the calls.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct RequestBuilder {
    method: Method,
    request: Request,
    body: Option<Bytes>,
    compact: bool,
    error: Option<BuildError>,
}

impl RequestBuilder {
    pub(crate) fn new(method: Method, uri: &str) -> Self {
        let nowhere = Place {
            source: Source::Overlay,
            start: 0,
            end: 0,
        };
        let headers = Headers::with_capacity(HEAD_CAPACITY);
        let mut request = Request::from_parts(
            method.clone(),
            nowhere,
            nowhere,
            headers,
            Body::Own(Bytes::new()),
        );
        let error = request.set_uri(uri).err();
        Self {
            method,
            request,
            body: None,
            compact: false,
            error,
        }
    }

    /// Adds a Via below those that are there.
    pub fn via(self, via: &header::Via<'_>) -> Self {
        self.typed(via)
    }

    /// Sets From. A From needs a tag (RFC 3261 §8.1.1.3).
    pub fn from(self, from: &NameAddr<'_>) -> Self {
        self.typed(&header::From::new(from.clone()))
    }

    /// Sets To.
    pub fn to(self, to: &NameAddr<'_>) -> Self {
        self.typed(&header::To::new(to.clone()))
    }

    /// Sets Call-ID.
    pub fn call_id(self, call_id: &str) -> Self {
        self.header(HeaderName::CallId, call_id)
    }

    /// Sets CSeq, with the method of the request.
    pub fn cseq(self, number: u32) -> Self {
        let cseq = header::CSeq::new(number, self.method.clone());
        self.typed(&cseq)
    }

    /// Sets Max-Forwards.
    pub fn max_forwards(self, value: u8) -> Self {
        self.typed(&header::MaxForwards(value))
    }

    /// Adds a Contact.
    pub fn contact(self, contact: &header::Contact<'_>) -> Self {
        self.typed(contact)
    }

    /// Adds a field after those that are there. A line end in the value becomes a space.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        self.request.headers_mut().push_back(name, value);
        self
    }

    /// Adds a typed field after those that are there.
    pub fn typed<'a, H: TypedHeader<'a>>(mut self, header: &H) -> Self {
        self.request.headers_mut().push_back_typed(header);
        self
    }

    /// Sets the body; Content-Type and Content-Length follow from it.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.request
            .headers_mut()
            .replace(HeaderName::ContentType, content_type);
        self.body = Some(body.into());
        self
    }

    /// Writes the names of the fields in their compact forms (RFC 3261 §7.3.3).
    pub const fn compact_names(mut self) -> Self {
        self.compact = true;
        self
    }

    /// The request, with Content-Length.
    ///
    /// # Errors
    /// The first mistake: a bad Request-URI, or a mandatory field that is missing (RFC 3261 §8.1.1).
    pub fn build(mut self) -> Result<Request, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            if self.request.headers().find(&name, 0).is_none() {
                return Err(BuildError::Missing(mandatory_name(&name)));
            }
        }
        self.request.finish(self.body.take());
        if self.compact {
            self.request.headers_mut().use_compact_names();
        }
        check_size(self.request.headers(), self.request.body())?;
        Ok(self.request)
    }

    /// The request without the check of mandatory fields, for layers that add them later: a dialog builds, the
    /// transport stamps the Via.
    ///
    /// # Errors
    /// When the Request-URI is bad.
    pub fn build_partial(mut self) -> Result<Request, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.request.finish(self.body.take());
        if self.compact {
            self.request.headers_mut().use_compact_names();
        }
        check_size(self.request.headers(), self.request.body())?;
        Ok(self.request)
    }
}

fn mandatory_name(name: &HeaderName) -> &'static str {
    HeaderName::REGISTERED
        .iter()
        .find(|known| *known == name)
        .map_or("", HeaderName::as_str)
}

fn check_size(headers: &Headers, body: &[u8]) -> Result<(), BuildError> {
    let total = headers.encoded_len().saturating_add(body.len());
    if total < (u32::MAX / 2) as usize {
        Ok(())
    } else {
        Err(BuildError::TooLarge)
    }
}

/// Bytes that an answer has more than the fields of its request, nearly always: status line, tag, and what the answer says.
const ANSWER: usize = 256;

/// Builds a [`Response`]; see [`Response::to`]. Fields are written after the copied ones, in the order of the calls.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct ResponseBuilder {
    response: Response,
    body: Option<Bytes>,
    compact: bool,
}

impl ResponseBuilder {
    pub(crate) fn new(request: &Request, status: StatusCode) -> Self {
        let source = request.headers();
        let mut headers = Headers::with_capacity(source.encoded_len() + ANSWER);
        let nowhere = Place {
            source: Source::Overlay,
            start: 0,
            end: 0,
        };
        let line = headers.append(|out| {
            crate::response::write_status_line(out, status, status.reason_phrase());
        });
        // RFC 3261 §8.2.6.2: From, Call-ID, CSeq, To and the Via values in their order equal those of the request.
        headers.copy_for_response(source, status == StatusCode::TRYING);
        let reason = Place {
            start: line.start + REASON_AT,
            end: line.end - 2,
            ..line
        };
        let mut response =
            Response::from_parts(status, nowhere, nowhere, headers, Body::Own(Bytes::new()));
        response.set_line(line, reason);
        Self {
            response,
            body: None,
            compact: false,
        }
    }

    /// The tag that To gets, unless the request had one (RFC 3261 §8.2.6.2). A tag that is no token is ignored.
    pub fn to_tag(mut self, tag: &str) -> Self {
        let line = self.response.line();
        self.response.headers_mut().tag_copied_to(tag, line);
        self
    }

    /// Another reason phrase than the registered one.
    pub fn reason(mut self, reason: &str) -> Self {
        let status = self.response.status();
        self.response.set_status(status, reason);
        self
    }

    /// Adds a field. A line end in the value becomes a space.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        self.response.headers_mut().push_back(name, value);
        self
    }

    /// The fields so far: for who adds several, or writes a value where it belongs.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        self.response.headers_mut()
    }

    /// Adds a typed field.
    pub fn typed<'a, H: TypedHeader<'a>>(mut self, header: &H) -> Self {
        self.response.headers_mut().push_back_typed(header);
        self
    }

    /// Adds a Contact.
    pub fn contact(self, contact: &header::Contact<'_>) -> Self {
        self.typed(contact)
    }

    /// Copies all fields of a name from the request: Record-Route into a response that makes a dialog
    /// (RFC 3261 §12.1.1).
    pub fn copy(mut self, request: &Request, name: HeaderName) -> Self {
        self.response
            .headers_mut()
            .copy_from(request.headers(), &name);
        self
    }

    /// Sets the body; Content-Type and Content-Length follow from it.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.response
            .headers_mut()
            .replace(HeaderName::ContentType, content_type);
        self.body = Some(body.into());
        self
    }

    /// Writes the names of the fields in their compact forms (RFC 3261 §7.3.3).
    pub const fn compact_names(mut self) -> Self {
        self.compact = true;
        self
    }

    /// The response, with Content-Length. It has of the mandatory fields what the request had, so that a broken
    /// request can be answered.
    ///
    /// # Errors
    /// When the message would be too large for any transport.
    pub fn build(mut self) -> Result<Response, BuildError> {
        self.response.finish(self.body.take());
        if self.compact {
            self.response.headers_mut().use_compact_names();
        }
        check_size(self.response.headers(), self.response.body())?;
        Ok(self.response)
    }
}

/// `SIP/2.0 200 ` has twelve bytes.
const REASON_AT: u32 = 12;

impl Request {
    fn finish(&mut self, body: Option<Bytes>) {
        let body = message::finish(self.headers_mut(), body);
        self.replace_body(body);
    }
}

impl Response {
    fn finish(&mut self, body: Option<Bytes>) {
        let body = message::finish(self.headers_mut(), body);
        self.replace_body(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, ParserConfig};

    fn request() -> RequestBuilder {
        Request::builder(Method::Options, "sip:h")
            .header(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1")
            .header(HeaderName::From, "<sip:a@h>;tag=1")
            .header(HeaderName::To, "<sip:h>")
            .call_id("x@a")
            .cseq(1)
    }

    #[test]
    fn rfc3261_8_1_1_build_demands_the_mandatory_fields() {
        assert!(request().build().is_ok());
        assert_eq!(
            Request::builder(Method::Bye, "sip:h").build().unwrap_err(),
            BuildError::Missing("Via")
        );
        assert_eq!(
            Request::builder(Method::Bye, "sip:a b")
                .build()
                .unwrap_err(),
            BuildError::Uri
        );
        assert!(
            Request::builder(Method::Bye, "sip:h")
                .build_partial()
                .is_ok()
        );
    }

    #[test]
    fn what_is_built_parses_to_the_same() {
        let request = request().body("text/plain", "hello").build().unwrap();
        let parsed = Message::parse(request.to_bytes(), &ParserConfig::default()).unwrap();
        assert_eq!(parsed.to_bytes(), request.to_bytes());
        assert_eq!(parsed.body(), b"hello");
        assert!(parsed.validate().is_ok());
    }

    #[test]
    fn rfc3261_8_2_6_2_response_copies_and_tags() {
        let request = request()
            .header(HeaderName::Via, "SIP/2.0/UDP b;branch=z9hG4bK2")
            .header(HeaderName::Timestamp, "54")
            .header(HeaderName::Subject, "no copy of this")
            .build()
            .unwrap();
        let trying = Response::to(&request, StatusCode::TRYING).build().unwrap();
        assert_eq!(trying.headers().get(HeaderName::Timestamp), Some("54"));
        assert_eq!(trying.headers().to_tag(), None);
        let ok = Response::to(&request, StatusCode::OK)
            .to_tag("t1")
            .build()
            .unwrap();
        assert!(
            ok.headers()
                .values(HeaderName::Via)
                .eq(request.headers().values(HeaderName::Via))
        );
        for name in [HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
            let copied = ok.headers().get(name.clone());
            assert!(copied.is_some_and(|value| !value.is_empty()));
            assert_eq!(copied, request.headers().get(name));
        }
        let to = request.headers().get(HeaderName::To).unwrap();
        assert_eq!(
            ok.headers().get(HeaderName::To),
            Some(&*format!("{to};tag=t1"))
        );
        assert_eq!(ok.headers().to_tag(), Some("t1"));
        assert!(
            !ok.headers().contains(HeaderName::Timestamp)
                && !ok.headers().contains(HeaderName::Subject)
        );
        assert_eq!(ok.reason(), "OK");
        let mut tagged = request;
        tagged.headers_mut().set_to_tag("theirs");
        let ok = Response::to(&tagged, StatusCode::OK)
            .to_tag("ours")
            .reason("All\r\nFine")
            .build()
            .unwrap();
        assert_eq!(
            (ok.headers().to_tag(), ok.reason()),
            (Some("theirs"), "All  Fine")
        );
        assert!(Message::parse(ok.to_bytes(), &ParserConfig::default()).is_ok());
    }
}
