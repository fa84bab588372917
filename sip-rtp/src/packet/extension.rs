//! Elements inside the header extension: one-byte and two-byte forms (RFC 8285 §4).

use super::HeaderExtension;

/// The profile of the one-byte form (RFC 8285 §4.2).
pub const ONE_BYTE: u16 = 0xbede;
/// The profile of the two-byte form without its four application bits (RFC 8285 §4.3).
pub const TWO_BYTE: u16 = 0x1000;

/// One element of a header extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the wire format of RFC 8285 section 4 has exactly these fields"
)]
pub struct Element<'a> {
    /// The local identifier that `a=extmap` gave it: 1 to 14 in the one-byte form, 1 to 255 in the two-byte form.
    pub id: u8,
    /// The data: 1 to 16 octets in the one-byte form, 0 to 255 in the two-byte form.
    pub data: &'a [u8],
}

impl<'a> HeaderExtension<'a> {
    /// The elements of an extension in one of the forms of RFC 8285; none for any other profile.
    ///
    /// ```
    /// use sip_rtp::packet::HeaderExtension;
    ///
    /// let extension = HeaderExtension { profile: 0xbede, data: &[0x10, 0xaa, 0x21, 0xbb, 0xcc, 0, 0, 0] };
    /// let elements: Vec<_> = extension.elements().map(|element| (element.id, element.data)).collect();
    /// assert_eq!(elements, [(1, [0xaa].as_slice()), (2, [0xbb, 0xcc].as_slice())]);
    /// ```
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        let form = match self.profile {
            ONE_BYTE => Form::OneByte,
            profile if profile & 0xfff0 == TWO_BYTE => Form::TwoByte,
            _ => Form::Unknown,
        };
        Elements {
            form,
            rest: self.data,
        }
    }
}

/// The elements of a [`HeaderExtension`]. A malformed element ends the list (RFC 8285 §4.2: stop, keep what was read).
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
enum Form {
    OneByte,
    TwoByte,
    Unknown,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (first, tail) = self.rest.split_first()?;
            self.rest = tail;
            let (id, len) = match self.form {
                Form::Unknown => return None,
                // A zero octet is padding in both forms.
                _ if *first == 0 => continue,
                Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1),
                Form::TwoByte => {
                    let (len, tail) = self.rest.split_first()?;
                    self.rest = tail;
                    (*first, usize::from(*len))
                }
            };
            // RFC 8285 §4.2: identifier 15 ends the processing; identifier 0 with a length is padding of that length.
            if matches!(self.form, Form::OneByte) && id == 15 {
                self.rest = &[];
                return None;
            }
            let Some((data, rest)) = self.rest.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            if id != 0 {
                return Some(Element { id, data });
            }
        }
    }
}

/// Appends `elements` to `out` in the one-byte form if they all fit it, else in the two-byte form, and returns the
/// profile to put into the [`HeaderExtension`]. `None`, and nothing appended, when an element fits neither.
pub fn write_elements(elements: &[Element<'_>], out: &mut Vec<u8>) -> Option<u16> {
    if elements
        .iter()
        .any(|element| element.id == 0 || element.data.len() > 255)
    {
        return None;
    }
    let one_byte = elements
        .iter()
        .all(|element| element.id <= 14 && matches!(element.data.len(), 1..=16));
    for element in elements {
        if one_byte {
            out.push((element.id << 4) | (element.data.len() as u8 - 1));
        } else {
            out.extend_from_slice(&[element.id, element.data.len() as u8]);
        }
        out.extend_from_slice(element.data);
    }
    Some(if one_byte { ONE_BYTE } else { TWO_BYTE })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::RtpPacket;
    use crate::test_data::rtp_vector;

    fn elements(name: &str) -> Vec<(u8, Vec<u8>)> {
        let octets = rtp_vector(name);
        let extension = RtpPacket::parse(&octets).unwrap().extension().unwrap();
        extension
            .elements()
            .map(|element| (element.id, element.data.to_vec()))
            .collect()
    }

    #[test]
    fn rfc8285_4_2_and_4_3_vectors() {
        let expected = vec![(1, vec![0xaa]), (2, vec![0xbb, 0xcc])];
        assert_eq!(elements("ext-onebyte"), expected);
        assert_eq!(elements("ext-twobyte"), expected);
    }

    #[test]
    fn rfc8285_4_2_identifier_15_and_overruns_end_the_list() {
        let ids = |profile: u16, data: &[u8]| {
            HeaderExtension { profile, data }
                .elements()
                .map(|element| element.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(ONE_BYTE, &[0x10, 1, 0xf0, 2, 0x20, 3]), [1]);
        assert_eq!(ids(ONE_BYTE, &[0x10, 1, 0x2f, 2, 3]), [1]);
        assert_eq!(ids(ONE_BYTE, &[0x01, 7, 7, 0x30, 9]), [3]);
        assert_eq!(ids(TWO_BYTE | 5, &[200, 0, 0, 7, 1, 9, 8, 9]), [200, 7]);
        assert_eq!(ids(0x1234, &[0x10, 1]), [0; 0]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(list in proptest::collection::vec((1u8..=255, proptest::collection::vec(any::<u8>(), 0..40)), 0..8)) {
            let elements: Vec<Element<'_>> = list.iter().map(|(id, data)| Element { id: *id, data }).collect();
            let mut out = Vec::new();
            let profile = write_elements(&elements, &mut out).unwrap();
            let read: Vec<Element<'_>> = HeaderExtension { profile, data: &out }.elements().collect();
            prop_assert_eq!(read, elements);
        }

        #[test]
        fn any_octets_are_survived(profile in prop_oneof![Just(ONE_BYTE), Just(TWO_BYTE)], data in proptest::collection::vec(any::<u8>(), 0..60)) {
            let total: usize = HeaderExtension { profile, data: &data }.elements().map(|element| element.data.len()).sum();
            prop_assert!(total <= data.len());
        }
    }
}
