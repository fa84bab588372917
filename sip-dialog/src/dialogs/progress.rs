//! What becomes of the requests that were sent: each outcome goes to where it belongs.

use std::time::Instant;

use sip_transaction::TransactionLayer;

use super::Dialogs;
use crate::attempt::{Owner, Progress};
use crate::io::{EndCause, Event, FailureCause, RejectCause};

impl Dialogs {
    pub(super) fn progress(
        &mut self,
        progress: Option<Progress>,
        t: &mut dyn TransactionLayer,
        now: Instant,
    ) {
        match progress {
            None => {}
            Some(Progress::Provisional(id, offered, response)) => {
                self.on_provisional(id, offered, &response);
            }
            Some(Progress::Changing(id, offered, response)) => {
                self.on_change_provisional(id, offered, &response);
            }
            Some(Progress::Redirected(id, status, target)) => {
                if let Some(calling) = self.sessions.get_mut(&id).and_then(|s| s.calling()) {
                    // What rang before was of the other place.
                    calling.early.clear();
                }
                self.tell(Event::Redirected {
                    session: id,
                    status,
                    target,
                });
            }
            Some(Progress::Response(Owner::Request(id), _, response)) => {
                self.tell(Event::Responded { id, response });
            }
            Some(Progress::Failed(Owner::Request(id), cause)) => {
                self.tell(Event::Failed { id, cause });
            }
            Some(Progress::Response(Owner::Invite(id), request, response)) => {
                self.on_invite_response(id, request, response, t, now);
            }
            Some(Progress::Failed(Owner::Invite(id), cause)) => {
                self.remove_lingering(id, now);
                self.tell(Event::Rejected {
                    session: id,
                    cause: RejectCause::Failed(cause),
                });
            }
            Some(Progress::Response(Owner::Bye(id), ..) | Progress::Failed(Owner::Bye(id), _)) => {
                self.on_bye_answered(id);
            }
            Some(Progress::Response(Owner::Change(id, kind), request, response)) => {
                self.on_change_response(id, kind, request, response, now);
            }
            Some(Progress::Failed(Owner::Change(id, kind), cause)) => {
                self.on_change_failed(id, kind, cause);
            }
            Some(Progress::Response(Owner::Within(id, number), request, response)) => {
                let status = response.status();
                self.tell(Event::Responded {
                    id: number,
                    response,
                });
                self.after_failure(id, request.method(), status);
            }
            Some(Progress::Failed(Owner::Within(id, number), cause)) => {
                self.tell(Event::Failed { id: number, cause });
                // Section 12.2.1.2: no response at all is a 408.
                if cause == FailureCause::TimedOut {
                    self.bye(id, EndCause::Lost);
                }
            }
            Some(Progress::Response(Owner::Subscribe(id), request, response)) => {
                self.on_subscribe_response(id, request, response, now);
            }
            Some(Progress::Failed(Owner::Subscribe(id), cause)) => {
                self.on_subscribe_failed(id, cause);
            }
            Some(Progress::Response(Owner::Publish(id), request, response)) => {
                self.on_publish_response(id, &request, response, now);
            }
            Some(Progress::Failed(Owner::Publish(id), cause)) => self.on_publish_failed(id, cause),
            Some(Progress::Response(Owner::Refer(id), request, response)) => {
                self.on_refer_response(id, &request, response);
            }
            Some(Progress::Failed(Owner::Refer(id), cause)) => self.on_refer_failed(id, cause),
            Some(Progress::Response(Owner::Notify(id), _, response)) => {
                self.on_notify_answered(id, response.status());
            }
            Some(Progress::Failed(Owner::Notify(id), cause)) => self.on_notify_failed(id, cause),
            Some(Progress::Response(Owner::Prack(id), request, response)) => {
                self.on_prack_answered(id, &request, &response);
            }
            Some(Progress::Failed(Owner::Prack(id), _)) => self.on_prack_failed(id),
            Some(Progress::Response(Owner::Nobody, ..) | Progress::Failed(Owner::Nobody, _)) => {}
        }
    }
}
