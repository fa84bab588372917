//! What a server tells the neighbours that ask how much it can take (RFC 7339).

use bytes::Bytes;

/// How long the report holds, in milliseconds: the default of RFC 7339 §4.3.
const VALIDITY: u32 = 500;

/// The response with a report in its topmost Via, if that asks for one and understands the algorithm `loss`, which every
/// client does that asks (RFC 7339 §4.2).
pub(super) fn report(payload: &[u8], loss: u8, sequence: u64) -> Option<Bytes> {
    if !payload.starts_with(b"SIP/2.0 ") {
        return None;
    }
    let (begin, end) = top_via(payload)?;
    let via = payload.get(begin..end)?;
    let via = std::str::from_utf8(via).ok()?;
    let mut params = via.split(';');
    let mut kept = params.next()?.trim_end().to_owned();
    let (mut asks, mut understands) = (false, false);
    for param in params {
        let name = param.split('=').next().unwrap_or_default().trim();
        if name.eq_ignore_ascii_case("oc") {
            asks = true;
        } else if name.eq_ignore_ascii_case("oc-algo") {
            let value = param.split_once('=').map_or("", |(_, value)| value);
            understands = value
                .trim()
                .trim_matches('"')
                .split(',')
                .any(|algorithm| algorithm.trim().eq_ignore_ascii_case("loss"));
        } else if !name.eq_ignore_ascii_case("oc-validity") && !name.eq_ignore_ascii_case("oc-seq")
        {
            kept.push(';');
            kept.push_str(param.trim());
        }
    }
    if !asks || !understands {
        return None;
    }
    // RFC 7339 §4.4: a number with a fraction that grows with each report.
    kept.push_str(&format!(
        ";oc={loss};oc-algo=\"loss\";oc-validity={VALIDITY};oc-seq={}.{:03}",
        sequence / 1000 % 1_000_000_000_000,
        sequence % 1000
    ));
    let mut out = Vec::with_capacity(payload.len() + 64);
    out.extend_from_slice(payload.get(..begin)?);
    out.extend_from_slice(kept.as_bytes());
    out.extend_from_slice(payload.get(end..)?);
    Some(out.into())
}

/// Where the value of the topmost Via is.
fn top_via(payload: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let rest = payload.get(at..)?;
        let line = rest.windows(2).position(|pair| pair == b"\r\n")?;
        at += line + 2;
        let rest = payload.get(at..)?;
        if rest.starts_with(b"\r\n") {
            return None;
        }
        let colon = rest.iter().position(|byte| matches!(byte, b':' | b'\r'))?;
        let name = rest.get(..colon)?.trim_ascii();
        if !name.eq_ignore_ascii_case(b"via") && !name.eq_ignore_ascii_case(b"v") {
            continue;
        }
        let begin = at + colon + 1;
        let value = payload.get(begin..)?;
        let mut quoted = false;
        let end = value.iter().position(|byte| {
            quoted ^= *byte == b'"';
            matches!(byte, b'\r') || (*byte == b',' && !quoted)
        })?;
        return Some((begin, begin + end));
    }
}
