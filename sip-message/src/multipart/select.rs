//! Which part of a body is meant: by its name, as the one of several that is understood, or as their root.

use super::Part;
use crate::header::ContentType;

impl Part {
    /// The part that a `cid:` URI names (RFC 2392 §2, RFC 5621 §9).
    #[must_use]
    pub fn named<'p>(parts: &'p [Self], cid_uri: &str) -> Option<&'p Self> {
        parts
            .iter()
            .find(|part| part.content_id().is_some_and(|id| id.is_named_by(cid_uri)))
    }

    /// What a recipient takes of `multipart/alternative`: the last part that it understands, for the sender puts the
    /// best last (RFC 2046 §5.1.4, RFC 5621 §5.1).
    ///
    /// ```
    /// use sip_message::Part;
    /// let parts = [Part::new("text/plain", "hi"), Part::new("text/html", "<p>hi"), Part::new("text/x-new", "?")];
    /// let best = Part::best(&parts, |part| !part.content_type().is("text/x-new")).unwrap();
    /// assert!(best.content_type().is("text/html"));
    /// ```
    pub fn best(parts: &[Self], mut understands: impl FnMut(&Self) -> bool) -> Option<&Self> {
        parts.iter().rev().find(|part| understands(part))
    }

    /// The part of `multipart/related` that the others belong to: the one that `start` names, or the first
    /// (RFC 2387 §3.2, §3.4).
    #[must_use]
    pub fn root<'p>(content_type: &ContentType<'_>, parts: &'p [Self]) -> Option<&'p Self> {
        let Some(start) = content_type.params().unquoted("start") else {
            return parts.first();
        };
        let start = start.trim_start_matches('<').trim_end_matches('>');
        parts
            .iter()
            .find(|part| part.content_id().is_some_and(|id| id.id() == start))
    }

    /// The first part that the recipient must understand and does not, for which it answers 415 (RFC 3261 §8.2.3,
    /// RFC 5621 §8.3). In `multipart/alternative` one part that is understood is enough.
    ///
    /// ```
    /// use sip_message::{Part, header::ContentType};
    /// let mixed = ContentType::parse("multipart/mixed;boundary=b").unwrap();
    /// let mut parts = [Part::new("application/sdp", "v=0"), Part::new("text/x-new", "?")];
    /// let is_sdp = |part: &Part| part.content_type().is("application/sdp");
    /// assert!(Part::not_understood(&mixed, &parts, is_sdp).is_some());
    /// parts[1].headers_mut().push_back(sip_message::HeaderName::ContentDisposition, "render;handling=optional");
    /// assert!(Part::not_understood(&mixed, &parts, is_sdp).is_none());
    /// ```
    pub fn not_understood<'p>(
        content_type: &ContentType<'_>,
        parts: &'p [Self],
        mut understands: impl FnMut(&Self) -> bool,
    ) -> Option<&'p Self> {
        if content_type.is("multipart/alternative") && parts.iter().any(&mut understands) {
            return None;
        }
        parts
            .iter()
            .find(|part| part.is_required() && !understands(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeaderName;
    use crate::header::ContentId;

    fn part(kind: &str, id: &str) -> Part {
        let mut part = Part::new(kind, kind.as_bytes().to_vec());
        part.headers_mut().replace_typed(&ContentId::new(id));
        part
    }

    #[test]
    fn rfc5621_9_parts_by_name() {
        let parts = [part("a/b", "1@h"), part("c/d", "2%@h")];
        assert_eq!(Part::named(&parts, "cid:2%25@h").unwrap().content(), b"c/d");
        assert!(
            Part::named(&parts, "cid:3@h").is_none() && Part::named(&parts, "2%25@h").is_none()
        );
    }

    #[test]
    fn rfc2387_3_roots() {
        let parts = [part("a/b", "1@h"), part("c/d", "2@h")];
        let root = |kind| {
            let kind = ContentType::parse(kind).unwrap();
            Part::root(&kind, &parts).map(|part| part.content().to_vec())
        };
        assert_eq!(root("multipart/related").unwrap(), b"a/b");
        assert_eq!(root("multipart/related;start=\"<2@h>\"").unwrap(), b"c/d");
        assert_eq!(root("multipart/related;start=\"<3@h>\""), None);
    }

    #[test]
    fn rfc5621_5_1_and_8_3_what_must_be_understood() {
        let mut parts = [part("a/b", "1@h"), part("c/d", "2@h")];
        let alternative = ContentType::parse("multipart/alternative;boundary=x").unwrap();
        let mixed = ContentType::parse("multipart/mixed;boundary=x").unwrap();
        let first = |part: &Part| part.content_type().is("a/b");
        assert_eq!(Part::best(&parts, |_| true).unwrap().content(), b"c/d");
        assert_eq!(Part::best(&parts, first).unwrap().content(), b"a/b");
        assert!(Part::best(&parts, |_| false).is_none());
        assert!(Part::not_understood(&alternative, &parts, first).is_none());
        assert_eq!(
            Part::not_understood(&mixed, &parts, first)
                .unwrap()
                .content(),
            b"c/d"
        );
        assert_eq!(
            Part::not_understood(&alternative, &parts, |_| false)
                .unwrap()
                .content(),
            b"a/b"
        );
        parts[1]
            .headers_mut()
            .replace(HeaderName::ContentDisposition, "icon;handling=OPTIONAL");
        assert!(Part::not_understood(&mixed, &parts, first).is_none());
    }
}
