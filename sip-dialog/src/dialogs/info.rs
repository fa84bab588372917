//! INFO with its packages (RFC 6086).

use std::time::Instant;

use sip_message::{HeaderName, Headers, Method, Request, StatusCode};
use sip_transaction::{ServerTransactionId, TransactionLayer};

use super::{Dialogs, with_body};
use crate::attempt::Owner;
use crate::config::{Gone, RequestId, SessionId};
use crate::io::{Body, Event};
use crate::session::State;

/// Octets of a peer's Recv-Info that are kept; what is beyond is not sent to.
const KEPT: usize = 1024;

impl Dialogs {
    /// Sends an INFO of a package that the other side has said it takes; [`Event::Responded`] or [`Event::Failed`] follows.
    ///
    /// # Errors
    /// [`Gone`] when the session is not up, or the other side does not take the package (RFC 6086 section 4.2.1).
    pub fn info(
        &mut self,
        id: SessionId,
        package: &str,
        body: Option<Body>,
        _t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Result<RequestId, Gone> {
        self.last_now = Some(now);
        let session = self.sessions.get(&id).ok_or(Gone)?;
        let takes = session.peer_info.as_deref().is_some_and(|packages| {
            names(packages).any(|known| known.eq_ignore_ascii_case(package))
        });
        if !takes || !matches!(session.state, State::Up) {
            return Err(Gone);
        }
        let number = RequestId(self.mint());
        let package = package.to_owned();
        self.send_within(id, Method::Info, Owner::Within(id, number), |builder| {
            let builder = builder.header(HeaderName::InfoPackage, package);
            // Section 4.3.1: says that the body belongs to the package.
            let builder = match body {
                Some(_) => builder.header(HeaderName::ContentDisposition, "Info-Package"),
                None => builder,
            };
            with_body(builder, body)
        })
        .ok_or(Gone)?;
        Ok(number)
    }

    /// The packages that the other side takes, as its last Recv-Info has them; `None` when it has none, and knows nothing of packages.
    #[must_use]
    pub fn peer_info_packages(&self, id: SessionId) -> Option<Vec<&str>> {
        let packages = self.sessions.get(&id)?.peer_info.as_deref()?;
        Some(names(packages).collect())
    }

    /// The Recv-Info of what makes or changes a session (section 5.2.2); `None` when packages are not used here at all.
    pub(super) fn recv_info(&self) -> Option<String> {
        (!self.config.info_packages.is_empty()).then(|| self.config.info_packages.join(", "))
    }

    /// Keeps what the other side takes; a message without the field changes nothing.
    pub(super) fn keep_info(&mut self, id: SessionId, headers: &Headers) {
        if self.config.info_packages.is_empty() || !headers.contains(HeaderName::RecvInfo) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let mut list = String::new();
        for value in headers.values(HeaderName::RecvInfo) {
            if list.len() + value.len() < KEPT {
                list.push_str(value);
                list.push(',');
            }
        }
        session.peer_info = Some(list.into());
    }

    /// An INFO of a package (section 4.2.2): one that is not ours is refused, with what would be. Hands back one without a package, which
    /// is of the time before (RFC 2976).
    pub(super) fn on_info(
        &mut self,
        id: SessionId,
        transaction: ServerTransactionId,
        request: Box<Request>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) -> Option<Box<Request>> {
        let headers = request.headers();
        let Some(package) = headers.get(HeaderName::InfoPackage) else {
            return Some(request);
        };
        let Some(ours) = self.recv_info() else {
            return Some(request);
        };
        let name = names(package).next().unwrap_or_default();
        if names(&ours).any(|known| known.eq_ignore_ascii_case(name)) {
            self.tell(Event::Within {
                session: id,
                id: transaction,
                request,
            });
        } else {
            let response = self
                .answer(&request, StatusCode::BAD_INFO_PACKAGE, "")
                .header(HeaderName::RecvInfo, ours)
                .build();
            self.respond(transaction, response, t, now);
        }
        None
    }
}

/// The names in a list of packages, without parameters.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(|value| value.split(';').next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
}
