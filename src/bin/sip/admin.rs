//! The administrative interface of `sip serve`: metrics, health, bindings and drain over HTTP, on this machine only.

mod api;
mod figures;
mod place;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, post, put};
use serde_json::{Value, json};
use sip_stack::domain::Aor;
use sip_stack::location::{Binding, BindingUpdate, Cause, Change, LocationStore};
use sip_stack::runtime::Workers;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::figures::Figures;
pub(crate) use self::place::Place;
use crate::serve::Reload;
use crate::telemetry::Lost;

/// How long the worker may take to answer before it counts as dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the interface works on.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) workers: Workers,
    pub(crate) bindings: Arc<dyn LocationStore>,
    pub(crate) users: sip_stack::users::Embedded,
    /// The canonical name of the domain.
    pub(crate) domain: String,
    /// Told when the server is to stop.
    pub(crate) stop: Arc<Notify>,
    /// Cancelled when it has.
    pub(crate) ended: CancellationToken,
    pub(crate) reload: Arc<Reload>,
    pub(crate) lost_spans: Lost,
    /// When it was started.
    pub(crate) since: std::time::Instant,
}

/// Where the interface listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, std::path::PathBuf),
}

impl Listener {
    /// How it is told to people and to `sip ctl --admin`.
    pub(crate) fn place(&self) -> std::io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => format!("http://{}", listener.local_addr()?),
            #[cfg(unix)]
            Self::Unix(_, path) => path.display().to_string(),
        })
    }
}

/// Binds the address or the socket. A socket that nobody listens on any more is replaced; only its owner may use it.
pub(crate) async fn bind(place: &Place) -> Result<Listener, String> {
    match place {
        Place::Tcp(address) => TcpListener::bind(address)
            .await
            .map(Listener::Tcp)
            .map_err(|error| format!("{address}: {error}")),
        #[cfg(unix)]
        Place::Unix(path) => {
            use std::os::unix::fs::PermissionsExt as _;
            let told = |error: std::io::Error| format!("{}: {error}", path.display());
            if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
                std::fs::remove_file(path).map_err(told)?;
            }
            let listener = tokio::net::UnixListener::bind(path).map_err(told)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(told)?;
            Ok(Listener::Unix(listener, path.clone()))
        }
        #[cfg(not(unix))]
        Place::Unix(path) => Err(format!(
            "{}: there are no such sockets here",
            path.display()
        )),
    }
}

/// Serves until it is told that the server has ended; what was asked before gets its answer.
pub(crate) async fn serve(listener: Listener, admin: Admin) -> std::io::Result<()> {
    let ended = admin.ended.clone().cancelled_owned();
    let state = Arc::new((admin, Figures::new()));
    let router = axum::Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/status", get(api::status))
        .route("/users", get(users))
        .route("/bindings", get(api::all_bindings))
        .route("/bindings/{user}", get(bindings).delete(unbind))
        .route("/transactions", get(api::transactions))
        .route("/calls", get(api::calls))
        .route("/flows", get(api::flows))
        .route("/flows/{id}", delete(api::close_flow))
        .route("/bans", get(api::bans))
        .route("/bans/{address}", put(api::ban).delete(api::pardon))
        .route("/gateways", get(api::gateways))
        .route("/trace", get(api::trace))
        .route("/reload", post(api::reload))
        .route("/drain", post(drain))
        .layer(middleware::from_fn(only_programs))
        .with_state(state);
    match listener {
        Listener::Tcp(listener) => {
            axum::serve(listener, router)
                .with_graceful_shutdown(ended)
                .await
        }
        #[cfg(unix)]
        Listener::Unix(listener, path) => {
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(ended)
                .await;
            let _gone = std::fs::remove_file(path);
            served
        }
    }
}

type Inner = Arc<(Admin, Figures)>;
type Shared = State<Inner>;

/// A page in a browser on this machine can send requests to loopback too: what a browser sends is refused, and so is a
/// name that was bent to this address (DNS rebinding).
async fn only_programs(request: Request, next: Next) -> Response {
    if let Err(refused) = is_from_program(request.headers()) {
        return (StatusCode::FORBIDDEN, refused).into_response();
    }
    next.run(request).await
}

fn is_from_program(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err("no web pages here\n");
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if is_local {
        Ok(())
    } else {
        Err("ask for localhost\n")
    }
}

async fn metrics(State(state): Shared) -> Response {
    let (admin, figures) = &*state;
    let snapshot = admin
        .workers
        .run(|state, _, now| figures::Snapshot::of(state, now));
    match tokio::time::timeout(PATIENCE, snapshot).await {
        Ok(Ok(snapshots)) => {
            let (bindings, users) = (admin.bindings.len(), admin.users.names().len());
            let text = figures.render(&snapshots, bindings, users, admin.lost_spans.count());
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Do the workers do anything at all?
async fn health(State(state): Shared) -> Response {
    let answer = state.0.workers.run(|_, _, _| ());
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(_)) => "ok\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the worker is silent\n").into_response(),
    }
}

/// Does it take new requests?
async fn ready(State(state): Shared) -> Response {
    let answer = state.0.workers.run(|state, _, _| state.stack.is_draining());
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(draining)) if !draining.contains(&true) => "ready\n".into_response(),
        Ok(Ok(_)) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the worker is silent\n").into_response(),
    }
}

async fn users(State(state): Shared) -> Json<Value> {
    Json(json!({ "domain": state.0.domain, "users": state.0.users.names() }))
}

fn binding(binding: &Binding, now: SystemTime) -> Value {
    json!({
        "contact": binding.contact(),
        "expires": binding.remaining(now),
        "q": binding.q.map(|q| q.to_string()),
        "path": binding.path().collect::<Vec<_>>(),
        "user_agent": binding.user_agent(),
    })
}

async fn bindings(State(state): Shared, Path(user): Path<String>) -> Response {
    let now = SystemTime::now();
    let aor = Aor::new(&user, &state.0.domain);
    match state.0.bindings.lookup(&aor, now).await {
        Ok(bindings) => {
            let list: Vec<Value> = bindings.iter().map(|found| binding(found, now)).collect();
            Json(json!({ "aor": aor.as_str(), "bindings": list })).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// Removes the bindings of a user, as the telephone itself would with `Contact: *`.
async fn unbind(State(state): Shared, Path(user): Path<String>) -> Response {
    let aor = Aor::new(&user, &state.0.domain);
    // A Call-ID of its own, so that no order with what telephones sent is broken.
    let update =
        BindingUpdate::new("administration", 1, Change::RemoveAll).because(Cause::Deactivated);
    match state
        .0
        .bindings
        .update(&aor, update, SystemTime::now())
        .await
    {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// As SIGTERM: nothing new is begun, and the server ends when what runs has ended.
async fn drain(State(state): Shared) -> StatusCode {
    state.0.stop.notify_one();
    StatusCode::ACCEPTED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn browsers_and_foreign_names_are_refused() {
        for host in [
            "127.0.0.1:8060",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8060",
            "127.9.9.9",
        ] {
            assert!(
                is_from_program(&headers(&[("host", host)])).is_ok(),
                "{host}"
            );
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:80",
            "192.0.2.1",
            "[2001:db8::1]",
        ] {
            assert!(
                is_from_program(&headers(&[("host", host)])).is_err(),
                "{host}"
            );
        }
        let page = [("host", "localhost"), ("origin", "https://evil.example")];
        assert!(is_from_program(&headers(&page)).is_err());
        let page = [("host", "localhost"), ("sec-fetch-site", "cross-site")];
        assert!(is_from_program(&headers(&page)).is_err());
    }
}
