//! Another Contact than the address where a call came in.

use sip_message::Uri;

use super::Dialogs;
use crate::config::{Gone, SessionId};
use crate::dialog::ContactValue;

impl Dialogs {
    /// What is sent from now on in this session has this Contact: a GRUU, which leads to this user agent wherever it is (RFC
    /// 5627 §4.4). A URI that is not of the `sips` scheme stays unused where the other side asks for one (RFC 3261
    /// §12.1.1).
    ///
    /// # Errors
    /// The session is over.
    pub fn set_contact(&mut self, session: SessionId, contact: &Uri) -> Result<(), Gone> {
        let session = self.sessions.get_mut(&session).ok_or(Gone)?;
        let is_secure = session
            .contact
            .uri()
            .is_some_and(|uri| uri.as_ref().is_secure());
        if contact.as_ref().is_secure() || !is_secure {
            session.contact = ContactValue::new(contact);
        }
        Ok(())
    }
}
