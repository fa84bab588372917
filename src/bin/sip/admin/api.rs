//! What the interface lists and does, as JSON.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::poll_fn;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};
use sip_stack::domain::Aor;
use sip_stack::guard::{Ban, BanCause, GuardStats};
use sip_stack::location::LocationStore as _;
use sip_stack::runtime::{State as Worker, Watch};
use sip_stack::stack::{Direction, TapFilter, Tapped};
use sip_stack::transaction::TransactionId;
use sip_stack::transport::FlowId;
use tokio::io::AsyncWriteExt as _;

use super::{Inner, PATIENCE, Shared};

/// How many entries a list has unless `limit` says otherwise.
const LIMIT: usize = 1000;
/// A trace says that it lives at least so often, so that one whose reader is gone ends.
const BEAT: Duration = Duration::from_secs(5);

/// A parameter of the query.
fn param(query: Option<&str>, name: &str) -> Option<String> {
    query?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| unescape(value))
}

fn limit(query: Option<&str>) -> usize {
    param(query, "limit")
        .and_then(|text| text.parse().ok())
        .unwrap_or(LIMIT)
}

/// `%40` and `+` as in forms.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                match u8::from_str_radix(&digits, 16) {
                    Ok(byte) => out.push(byte),
                    Err(_) => out.extend_from_slice(digits.as_bytes()),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Asks all workers; the answers are in the order of their numbers.
async fn ask<R: Send + 'static>(
    state: &Inner,
    command: impl Fn(&mut Worker, SystemTime, std::time::Instant) -> R + Send + Sync + 'static,
) -> Result<Vec<R>, Response> {
    match tokio::time::timeout(PATIENCE, state.0.workers.run(command)).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err((StatusCode::SERVICE_UNAVAILABLE, "the worker is silent\n").into_response()),
    }
}

/// What `status` wants of one worker.
#[derive(Debug)]
struct Status {
    draining: bool,
    server_transactions: usize,
    client_transactions: usize,
    connections: usize,
    flows: usize,
    loss: u8,
    refused: u64,
    dropped: u64,
}

pub(super) async fn status(State(state): Shared) -> Result<Json<Value>, Response> {
    let workers = ask(&state, |state, _, now| {
        let stack = &state.stack;
        let flows = stack.transports().stats();
        let guard = stack
            .guard()
            .map_or_else(GuardStats::default, |guard| guard.stats());
        Status {
            draining: stack.is_draining(),
            server_transactions: stack.transactions().server_count(),
            client_transactions: stack.transactions().client_count(),
            connections: flows.connections,
            flows: flows.datagram_flows + flows.stream_flows,
            loss: stack.guard().map_or(0, |guard| guard.overload().loss(now)),
            refused: guard.refused_by_overload + guard.refused_by_budget,
            dropped: guard.dropped_by_budget + guard.dropped_by_ban,
        }
    })
    .await?;
    let sum = |of: fn(&Status) -> usize| workers.iter().map(of).sum::<usize>();
    let total = |of: fn(&Status) -> u64| workers.iter().map(of).sum::<u64>();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "domain": state.0.domain,
        "uptime": state.0.since.elapsed().as_secs(),
        "workers": workers.len(),
        "draining": workers.iter().any(|worker| worker.draining),
        "users": state.0.users.names().len(),
        "registered": state.0.bindings.len(),
        "server_transactions": sum(|worker| worker.server_transactions),
        "client_transactions": sum(|worker| worker.client_transactions),
        "connections": sum(|worker| worker.connections),
        "flows": sum(|worker| worker.flows),
        "overload_loss_percent": workers.iter().map(|worker| worker.loss).max(),
        "refused": total(|worker| worker.refused),
        "dropped": total(|worker| worker.dropped),
    })))
}

pub(super) async fn all_bindings(
    State(state): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Response> {
    let (now, limit) = (SystemTime::now(), limit(query.as_deref()));
    let mut list = Vec::new();
    for user in state.0.users.names() {
        let aor = Aor::new(&user, &state.0.domain);
        let bindings = state.0.bindings.lookup(&aor, now).await.map_err(|error| {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        })?;
        list.extend(bindings.iter().map(|binding| {
            let mut entry = super::binding(binding, now);
            if let Some(entry) = entry.as_object_mut() {
                entry.insert("user".to_owned(), json!(user));
            }
            entry
        }));
        if list.len() >= limit {
            list.truncate(limit);
            break;
        }
    }
    Ok(Json(json!({ "bindings": list })))
}

/// The name of a flow or transaction: with the worker before it where there are several.
fn name((worker, workers): (usize, usize), (index, generation): (u32, u32)) -> String {
    if workers > 1 {
        format!("{worker}.{index}.{generation}")
    } else {
        format!("{index}.{generation}")
    }
}

/// The lists of all workers in one, with the number of the worker and how many there are.
fn joined<T>(lists: Vec<Vec<T>>, limit: usize) -> impl Iterator<Item = ((usize, usize), T)> {
    let workers = lists.len();
    lists
        .into_iter()
        .enumerate()
        .flat_map(move |(worker, list)| list.into_iter().map(move |one| ((worker, workers), one)))
        .take(limit)
}

pub(super) async fn transactions(
    State(state): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Response> {
    let limit = limit(query.as_deref());
    let list = ask(&state, move |state, _, _| {
        let stack = &state.stack;
        stack
            .transactions()
            .list()
            .take(limit)
            .map(|listed| (listed, stack.flow(listed.flow)))
            .collect::<Vec<_>>()
    })
    .await?;
    let list: Vec<Value> = joined(list, limit)
        .map(|(worker, (listed, flow))| {
            let (side, parts) = match listed.id {
                TransactionId::Server(id) => ("server", id.to_parts()),
                TransactionId::Client(id) => ("client", id.to_parts()),
            };
            json!({
                "id": name(worker, parts),
                "side": side,
                "state": listed.state,
                "flow": name(worker, listed.flow.to_parts()),
                "transport": flow.map(|flow| flow.kind.via_token()),
                "peer": flow.map(|flow| flow.remote),
            })
        })
        .collect();
    Ok(Json(json!({ "transactions": list })))
}

pub(super) async fn calls(
    State(state): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Response> {
    let limit = limit(query.as_deref());
    let list = ask(&state, move |state, _, _| {
        state.stack.proxy().map(|proxy| proxy.list(limit))
    })
    .await?;
    let list = list.into_iter().map(Option::unwrap_or_default).collect();
    let list: Vec<Value> = joined(list, limit)
        .map(|(_, request)| {
            json!({
                "method": request.method,
                "uri": request.uri,
                "from": request.from,
                "to": request.to,
                "call_id": request.call_id,
                "source": request.source,
                "branches": request.branches,
                "answered": request.answered,
            })
        })
        .collect();
    Ok(Json(json!({ "calls": list })))
}

pub(super) async fn flows(
    State(state): Shared,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Response> {
    let limit = limit(query.as_deref());
    let list = ask(&state, move |state, _, _| {
        state
            .stack
            .transports()
            .flows()
            .take(limit)
            .collect::<Vec<_>>()
    })
    .await?;
    let list: Vec<Value> = joined(list, limit)
        .map(|(worker, flow)| {
            json!({
                "id": name(worker, flow.id.to_parts()),
                "transport": flow.kind.via_token(),
                "local": flow.local,
                "peer": flow.remote,
            })
        })
        .collect();
    Ok(Json(json!({ "flows": list })))
}

pub(super) async fn close_flow(
    State(state): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode, Response> {
    let parts: Option<Vec<u32>> = id.split('.').map(|part| part.parse().ok()).collect();
    let (worker, flow) = match parts.as_deref() {
        Some(&[index, generation]) => (0, FlowId::from_parts(index, generation)),
        Some(&[worker, index, generation]) => (worker, FlowId::from_parts(index, generation)),
        _ => {
            return Err(
                (StatusCode::BAD_REQUEST, "a flow is named as in the list\n").into_response(),
            );
        }
    };
    let closed = ask(&state, move |state, wall, now| {
        let here = state.stack.place().map_or(0, |place| place.worker);
        let known = u32::from(here) == worker && state.stack.flow(flow).is_some();
        if known {
            state.stack.close_flow(flow, wall, now);
        }
        known
    })
    .await?;
    Ok(done(closed.contains(&true)))
}

const fn done(done: bool) -> StatusCode {
    if done {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

pub(super) async fn bans(State(state): Shared) -> Result<Json<Value>, Response> {
    let list = ask(&state, |state, _, now| {
        state.stack.guard().map(|guard| guard.sources().bans(now))
    })
    .await?;
    // All have the same bans; what each has dropped adds up.
    let mut bans: BTreeMap<String, Ban> = BTreeMap::new();
    for ban in list.into_iter().flatten().flatten() {
        let dropped = ban.dropped;
        match bans.entry(ban.address.to_string()) {
            Entry::Occupied(known) => known.into_mut().dropped += dropped,
            Entry::Vacant(place) => drop(place.insert(ban)),
        }
    }
    let mut list: Vec<Ban> = bans.into_values().collect();
    list.sort_by_key(|ban| ban.left);
    let list: Vec<Value> = list
        .into_iter()
        .map(|ban| {
            let cause = match ban.cause {
                BanCause::Operator => "operator",
                _ => "faults",
            };
            json!({
                "address": ban.address,
                "seconds": ban.left.as_secs(),
                "cause": cause,
                "dropped": ban.dropped,
            })
        })
        .collect();
    Ok(Json(json!({ "bans": list })))
}

fn address(text: &str) -> Result<IpAddr, (StatusCode, String)> {
    IpAddr::from_str(text)
        .map_err(|_| (StatusCode::BAD_REQUEST, format!("{text:?} is no address\n")))
}

pub(super) async fn ban(
    State(state): Shared,
    Path(text): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Response> {
    let address = address(&text).map_err(IntoResponse::into_response)?;
    let seconds = match param(query.as_deref(), "seconds") {
        None => 3600,
        Some(text) => text
            .parse()
            .map_err(|_| (StatusCode::BAD_REQUEST, "seconds is no number\n").into_response())?,
    };
    let banned = ask(&state, move |state, _, now| {
        state.stack.guard_mut().is_some_and(|guard| {
            let time = Duration::from_secs(seconds);
            guard
                .sources_mut()
                .ban(address, time, BanCause::Operator, now)
        })
    })
    .await?;
    if banned.contains(&true) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err((StatusCode::CONFLICT, "that address is trusted\n").into_response())
    }
}

pub(super) async fn pardon(
    State(state): Shared,
    Path(text): Path<String>,
) -> Result<StatusCode, Response> {
    let address = address(&text).map_err(IntoResponse::into_response)?;
    let pardoned = ask(&state, move |state, _, _| {
        state
            .stack
            .guard_mut()
            .is_some_and(|guard| guard.sources_mut().pardon(address))
    })
    .await?;
    Ok(done(pardoned.contains(&true)))
}

pub(super) async fn gateways(State(state): Shared) -> Result<Json<Value>, Response> {
    let list = ask(&state, |state, _, _| {
        state
            .stack
            .probes()
            .map(|probes| probes.states().cloned().collect::<Vec<_>>())
    })
    .await?;
    let list: Vec<Value> = list
        .into_iter()
        .flatten()
        .flatten()
        .map(|gateway| {
            json!({
                "uri": gateway.target.uri.as_str(),
                "up": gateway.up,
                "failed": gateway.failed,
                "status": gateway.status.map(|status| status.as_u16()),
                "milliseconds": gateway.took.map(|took| took.as_secs_f64() * 1000.0),
                "probes": gateway.counts.0,
                "failures": gateway.counts.1,
            })
        })
        .collect();
    Ok(Json(json!({ "gateways": list })))
}

/// As SIGHUP; the answer says what is wrong with a file that is not taken.
pub(super) async fn reload(State(state): Shared) -> Response {
    match state.0.reload.run().await {
        Ok(said) => format!("{said}\n").into_response(),
        Err(error) => (
            StatusCode::CONFLICT,
            format!("{error}; nothing is changed\n"),
        )
            .into_response(),
    }
}

/// The messages of one user or Call-ID as they pass, one JSON object a line, until whoever reads goes away.
pub(super) async fn trace(
    State(state): Shared,
    RawQuery(query): RawQuery,
) -> Result<Response, Response> {
    let query = query.as_deref();
    let filter = match (param(query, "user"), param(query, "call-id")) {
        (Some(user), None) => TapFilter::User(user.into()),
        (None, Some(call_id)) => TapFilter::CallId(call_id.into()),
        (None, None) if param(query, "all").is_some() => TapFilter::All,
        _ => {
            return Err((
                StatusCode::BAD_REQUEST,
                "one of user, call-id and all=1 is needed\n",
            )
                .into_response());
        }
    };
    let watches = ask(&state, move |state, _, _| {
        state.hub.watchers().watch(filter.clone(), &mut state.stack)
    })
    .await?;
    let watches: Option<Vec<Watch>> = watches.into_iter().collect();
    let Some(mut watches) = watches else {
        return Err((StatusCode::TOO_MANY_REQUESTS, "too many traces run\n").into_response());
    };
    let (mut writer, reader) = tokio::io::duplex(64 * 1024);
    let (ended, workers) = (state.0.ended.clone(), state.0.workers.clone());
    tokio::spawn(async move {
        let mut told = 0;
        loop {
            let text = tokio::select! {
                message = next(&mut watches) => match message {
                    Some(message) => line(&message),
                    None => break,
                },
                () = tokio::time::sleep(BEAT) => "\n".to_owned(),
                () = ended.cancelled() => break,
            };
            if writer.write_all(text.as_bytes()).await.is_err() {
                break;
            }
            let dropped = watches
                .iter()
                .map(|watch| watch.dropped.load(Ordering::Relaxed))
                .sum();
            if dropped > told {
                let text = format!("{}\n", json!({ "dropped": dropped - told }));
                told = dropped;
                if writer.write_all(text.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
        for (handle, watch) in workers.handles().iter().zip(watches) {
            let id = watch.id;
            handle.post(move |state, _, _| state.hub.watchers().unwatch(id, &mut state.stack));
        }
    });
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(reader));
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], body).into_response())
}

/// The next message that any worker shows; `None` when one has ended.
async fn next(watches: &mut [Watch]) -> Option<Tapped> {
    poll_fn(|context| {
        for watch in watches.iter_mut() {
            if let Poll::Ready(message) = watch.messages.poll_recv(context) {
                return Poll::Ready(message);
            }
        }
        Poll::Pending
    })
    .await
}

fn line(message: &Tapped) -> String {
    let at = message
        .at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let sent = message.direction == Direction::Sent;
    let value = json!({
        "at": at,
        "direction": if sent { "sent" } else { "received" },
        "transport": message.transport,
        "local": message.local,
        "peer": message.remote,
        "summary": message.summary,
        "call_id": message.call_id,
        "cseq": message.cseq,
        "message": message.text,
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_unescaped() {
        let query = Some("limit=5&call-id=a%40b+c&odd=%zz");
        assert_eq!(limit(query), 5);
        assert_eq!(param(query, "call-id").as_deref(), Some("a@b c"));
        assert_eq!(param(query, "odd").as_deref(), Some("zz"));
        assert_eq!((param(query, "x"), limit(None)), (None, LIMIT));
    }
}
