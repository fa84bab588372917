//! Push notifications (RFC 8599): which services this domain wakes telephones by, and what a REGISTER asks for.
//!
//! ```text
//!   pn-provider=fcm;pn-prid=...   wake me     --> Feature-Caps: *;+sip.pns="fcm"   or 555
//!   pn-provider=fcm               do you?     --> the same                         or 555
//!   pn-provider                   by what?    --> all of them
//! ```
//! The parameters are part of the contact's URI and stored as such. Waking the telephone is left to whoever forwards
//! requests to it.

use sip_message::header::Contact;
use sip_message::{HeaderName, Request, StatusCode};

use crate::role::Refusal;

/// The services to tell of in the answer (§5.6.1); a refusal for a service that is not among them.
///
/// Who has no services takes no part: nobody is refused for what a proxy on the way may do.
#[inline]
pub(super) fn services<'a>(
    request: &Request,
    providers: &'a [Box<str>],
) -> Result<Vec<&'a str>, Refusal> {
    if providers.is_empty() {
        return Ok(Vec::new());
    }
    services_among(request, providers)
}

fn services_among<'a>(
    request: &Request,
    providers: &'a [Box<str>],
) -> Result<Vec<&'a str>, Refusal> {
    let headers = request.headers();
    // §5.6.1.1: a proxy nearer to the telephone does it.
    let is_done = headers
        .values(HeaderName::FeatureCaps)
        .any(|caps| caps.to_ascii_lowercase().contains("+sip.pns="));
    if is_done {
        return Ok(Vec::new());
    }
    let mut services: Vec<&str> = Vec::new();
    for contact in headers.typed_all::<Contact<'_>>().flatten() {
        let Some(address) = contact.address() else {
            continue;
        };
        let Some(provider) = address.uri().param("pn-provider") else {
            continue;
        };
        let is_removed = contact.expires() == Some(0)
            || (contact.expires().is_none() && headers.get(HeaderName::Expires) == Some("0"));
        if is_removed {
            continue;
        }
        if provider.is_empty() {
            // §5.6.1.2: a question for all.
            services.extend(providers.iter().map(|provider| &**provider));
            continue;
        }
        match providers
            .iter()
            .find(|known| known.eq_ignore_ascii_case(provider))
        {
            Some(known) => services.push(known),
            None => {
                return Err(Refusal::new(
                    StatusCode::PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED,
                ));
            }
        }
    }
    services.sort_unstable();
    services.dedup();
    Ok(services)
}
