//! [`IncomingRequest`]: a request for the application, and how handlers get theirs.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use sip_message::{Method, Request, Response, StatusCode};
use sip_transaction::ServerTransactionId;
use tokio::sync::{Semaphore, mpsc};

use crate::runtime::{Handle, Stopped};
use crate::store::BoxFuture;

/// A request that came for the domain and that a handler answers ([`ServerBuilder::on`](super::ServerBuilder::on)).
#[derive(Debug)]
pub struct IncomingRequest {
    id: ServerTransactionId,
    request: Box<Request>,
    source: SocketAddr,
    tag: String,
    handle: Handle,
}

impl IncomingRequest {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Where it came from.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// Answers it. A request whose sender gave up meanwhile is passed over.
    ///
    /// # Errors
    /// When the server has stopped.
    pub async fn respond(self, status: StatusCode) -> Result<(), Stopped> {
        let response = Response::to(&self.request, status)
            .to_tag(&self.tag)
            .build();
        match response {
            Ok(response) => self.respond_with(response).await,
            // Only a message without end has no response.
            Err(_) => Ok(()),
        }
    }

    /// Answers it with a response that was built for it. The To tag is added if it has none.
    ///
    /// # Errors
    /// When the server has stopped.
    pub async fn respond_with(self, response: Response) -> Result<(), Stopped> {
        let Self {
            id, tag, handle, ..
        } = self;
        let mut response = response;
        response.headers_mut().set_to_tag(&tag);
        handle
            .run(move |state, wall, now| {
                let _ = state.stack.respond(id, response, wall, now);
            })
            .await
    }
}

/// A handler: what the future comes to is of no interest.
pub(super) type Handler = Arc<dyn Fn(IncomingRequest) -> BoxFuture<()> + Send + Sync>;

/// Any function of a request makes a handler.
pub(super) fn boxed<F, Fut>(handler: F) -> Handler
where
    F: Fn(IncomingRequest) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
{
    Arc::new(move |request| {
        let future = handler(request);
        Box::pin(async move {
            future.await;
        })
    })
}

/// How many handlers run at a time; more requests wait in the channel, and then are answered 503.
const RUNNING: usize = 1024;

/// Gives each request to its handler, in a task of its own.
pub(super) async fn dispatch(
    handlers: Vec<(Method, Handler)>,
    mut requests: mpsc::Receiver<crate::runtime::IncomingRequest>,
    mut rng: sip_transport::Rng,
    handle: Handle,
) {
    let room = Arc::new(Semaphore::new(RUNNING));
    while let Some(incoming) = requests.recv().await {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Some((_, handler)) = handlers
            .iter()
            .find(|(method, _)| method == incoming.request.method())
        else {
            continue;
        };
        let request = IncomingRequest {
            id: incoming.id,
            source: incoming.flow.remote,
            request: incoming.request,
            tag: rng.token(16),
            handle: handle.clone(),
        };
        let work = handler(request);
        tokio::spawn(async move {
            work.await;
            drop(permit);
        });
    }
}
