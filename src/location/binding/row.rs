//! Bindings as a row of the data file: a short form that is written and read without looking at the texts.
//!
//! ```text
//!   row      1, bindings                                        the format; older programs wrote JSON, which begins with [
//!   binding  expires (ms since 1970), epoch, cseq, q + 1 or 0,  each number as a varint, seven bits a byte, low ones first
//!            reg-id + 1 or 0, length of each text, of the path, all texts
//! ```

use std::time::{Duration, UNIX_EPOCH};

use super::{Binding, PARTS, Q, Texts};

/// How a row of this form begins.
const FORMAT: u8 = 1;

/// A row that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowError;

/// Writes bindings behind what `out` has.
pub(crate) fn write_row(bindings: &[Binding], out: &mut Vec<u8>) {
    out.push(FORMAT);
    for binding in bindings {
        let since = binding
            .expires
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let Texts { all, ends, reg_id } = &binding.texts;
        for number in [
            millis,
            binding.epoch,
            binding.cseq.into(),
            binding.q.map_or(0, |q| u64::from(q.thousandths()) + 1),
            reg_id.map_or(0, |reg_id| u64::from(reg_id) + 1),
        ] {
            put(number, out);
        }
        let mut from = 0;
        for end in ends {
            put(u64::from(end - from), out);
            from = *end;
        }
        put((all.len() as u64).saturating_sub(from.into()), out);
        out.extend_from_slice(all.as_bytes());
    }
}

/// Reads a row of any format.
///
/// # Errors
/// It is damaged.
pub(crate) fn read_row(row: &[u8]) -> Result<Vec<Binding>, RowError> {
    match row.split_first() {
        Some((&FORMAT, rest)) => {
            let mut row = Row(rest);
            let mut bindings = Vec::new();
            while !row.0.is_empty() {
                bindings.push(row.binding().ok_or(RowError)?);
            }
            Ok(bindings)
        }
        Some((b'[', _)) => serde_json::from_slice(row).map_err(|_| RowError),
        _ => Err(RowError),
    }
}

fn put(number: u64, out: &mut Vec<u8>) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// What is not yet read.
struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    fn binding(&mut self) -> Option<Binding> {
        let expires = UNIX_EPOCH.checked_add(Duration::from_millis(self.number()?))?;
        let epoch = self.number()?;
        let cseq = u32::try_from(self.number()?).ok()?;
        let q = match self.number()?.checked_sub(1) {
            Some(q) => Some(Q::from_thousandths(u16::try_from(q).ok()?)),
            None => None,
        };
        let reg_id = match self.number()?.checked_sub(1) {
            Some(reg_id) => Some(u32::try_from(reg_id).ok()?),
            None => None,
        };
        let mut ends = [0_u32; PARTS];
        let mut from = 0_u32;
        for end in &mut ends {
            from = from.checked_add(u32::try_from(self.number()?).ok()?)?;
            *end = from;
        }
        let len = u64::from(from).checked_add(self.number()?)?;
        let all = std::str::from_utf8(self.bytes(usize::try_from(len).ok()?)?).ok()?;
        // Each text is one by itself.
        if !ends.iter().all(|end| all.is_char_boundary(*end as usize)) {
            return None;
        }
        let texts = Texts {
            all: all.into(),
            ends,
            reg_id,
        };
        let mut binding = Binding::with(texts, expires, cseq);
        binding.epoch = epoch;
        binding.q = q;
        Some(binding)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            number |= bits
                .checked_shl(shift)
                .filter(|moved| moved >> shift == bits)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::binding::tests::full;

    fn row(bindings: &[Binding]) -> Vec<u8> {
        let mut out = Vec::new();
        write_row(bindings, &mut out);
        out
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let plain = Binding::new(
            "sip:a@h",
            UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            "c",
            1,
        );
        for bindings in [vec![], vec![plain.clone()], vec![full(), plain, full()]] {
            assert_eq!(read_row(&row(&bindings)).unwrap(), bindings);
        }
    }

    #[test]
    fn a_row_of_an_earlier_version_is_read() {
        let bindings = vec![full(), Binding::new("sip:a@h", UNIX_EPOCH, "c", 1)];
        let json = serde_json::to_vec(&bindings).unwrap();
        assert_eq!(read_row(&json).unwrap(), bindings);
    }

    #[test]
    fn a_damaged_row_is_refused_and_harms_nothing() {
        let good = row(&[full()]);
        for cut in 2..good.len() {
            assert_eq!(read_row(&good[..cut]), Err(RowError), "{cut}");
        }
        assert_eq!(read_row(&[]), Err(RowError));
        assert_eq!(read_row(&[9, 1, 2]), Err(RowError));
        assert_eq!(read_row(b"[{}]"), Err(RowError));
        // Whatever a byte becomes, what is read can be looked at.
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                for binding in read_row(&bad).into_iter().flatten() {
                    assert_eq!(Binding::from(binding.fields()).contact(), binding.contact());
                }
            }
        }
    }
}
