//! Lines for a response that is written at once: copied in runs, without an index of what was written.

use alloc::vec::Vec;

use super::edit::push_guarded;
use super::{Headers, Place, Source};
use crate::name::{HeaderName, NameId};

impl Headers {
    /// Appends what RFC 3261 §8.2.6.2 says a response has of its request, in the order of the request. The first To gets the
    /// tag, unless it has one or this is no tag.
    pub(crate) fn write_for_response(&self, tag: &str, out: &mut Vec<u8>) {
        const VIA: NameId = HeaderName::Via.id();
        const FROM: NameId = HeaderName::From.id();
        const TO: NameId = HeaderName::To.id();
        const CALL_ID: NameId = HeaderName::CallId.id();
        const CSEQ: NameId = HeaderName::CSeq.id();
        let mut wants_tag = self.to_tag().is_none() && crate::chars::all_token(tag.as_bytes());
        let mut run = Place {
            source: Source::Base,
            start: 0,
            end: 0,
        };
        for span in self.fields.iter() {
            if !matches!(span.name, VIA | FROM | TO | CALL_ID | CSEQ) {
                continue;
            }
            let end = span.start + span.len;
            if span.source != run.source || span.start != run.end {
                out.extend_from_slice(self.bytes(run));
                run = Place {
                    source: span.source,
                    start: span.start,
                    end,
                };
            }
            run.end = end;
            if wants_tag && span.name == TO {
                wants_tag = false;
                let value_end = span.value_place().end;
                out.extend_from_slice(self.bytes(Place {
                    end: value_end,
                    ..run
                }));
                out.extend_from_slice(b";tag=");
                out.extend_from_slice(tag.as_bytes());
                run.start = value_end;
            }
        }
        out.extend_from_slice(self.bytes(run));
    }

    /// Appends the lines of all fields of a name.
    pub(crate) fn write_all_of(&self, name: &HeaderName, out: &mut Vec<u8>) {
        let mut from = 0;
        while let Some(at) = self.find(name, from) {
            out.extend_from_slice(self.span(at).map_or(&[], |span| self.line(span)));
            from = at + 1;
        }
    }
}

/// Appends a line whose value is put together from parts.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &HeaderName, parts: &[&str]) {
    write_field_with(out, name, |out| {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    });
}

/// Appends a line whose value the caller writes.
#[inline]
pub(crate) fn write_field_with(
    out: &mut Vec<u8>,
    name: &HeaderName,
    write: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    push_guarded(out, write);
    out.extend_from_slice(b"\r\n");
}
