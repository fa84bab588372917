//! [`EventPackage`]: what this layer must know of an event package to serve it by itself.

use std::fmt;

use sip_message::{Request, StatusCode};

use crate::io::Body;
use crate::publication::PublicationId;
use crate::subscription::SubscriptionStatus;

/// An event package (RFC 6665 section 5) whose subscriptions and publications [`Dialogs`](crate::Dialogs) serves without asking the
/// application: handed over by [`Dialogs::add_package`](crate::Dialogs::add_package).
///
/// A resource is a URI without parameters: that of the SUBSCRIBE or PUBLISH.
///
/// ```
/// use sip_dialog::{Body, EventPackage, SubscriptionStatus};
/// use sip_message::{Request, StatusCode};
///
/// /// Everybody is told how many messages wait.
/// #[derive(Debug)]
/// struct Mailbox(u32);
///
/// impl EventPackage for Mailbox {
///     fn name(&self) -> &str {
///         "message-summary"
///     }
///
///     fn authorize(&mut self, _: &str, _: &Request) -> Result<SubscriptionStatus, StatusCode> {
///         Ok(SubscriptionStatus::Active)
///     }
///
///     fn state(&mut self, _: &str) -> Option<Body> {
///         Some(Body {
///             content_type: "application/simple-message-summary".to_owned(),
///             content: format!("Voice-Message: {}/0\r\n", self.0).into(),
///         })
///     }
/// }
/// ```
pub trait EventPackage: fmt::Debug + Send {
    /// Its name, as Event has it, such as `presence`.
    fn name(&self) -> &str;

    /// Whether a subscription to a resource is granted, is to wait, or is refused.
    ///
    /// # Errors
    /// The status that refuses it; 404 for a resource that is not there.
    fn authorize(
        &mut self,
        resource: &str,
        subscribe: &Request,
    ) -> Result<SubscriptionStatus, StatusCode>;

    /// The full state of a resource, for who is subscribed to it.
    fn state(&mut self, resource: &str) -> Option<Body>;

    /// Whether the package takes publications (RFC 3903).
    fn is_published(&self) -> bool {
        false
    }

    /// State of a resource was published, or is no more when there is none; publications of one resource are told apart by their ids, and
    /// combined as the package sees fit.
    ///
    /// # Errors
    /// The status that refuses it; one to a withdrawal is without effect.
    fn published(
        &mut self,
        resource: &str,
        publication: PublicationId,
        state: Option<Body>,
    ) -> Result<(), StatusCode> {
        let _ = (resource, publication, state);
        Err(StatusCode::METHOD_NOT_ALLOWED)
    }
}
