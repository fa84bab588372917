//! Change notices: what other nodes have changed, and whether we would hear of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CHANNEL, Inner};
use crate::domain::Aor;
use crate::location::Cause;

/// How often a sign of life is published.
const BEAT: Duration = Duration::from_secs(1);
/// How long it may take to come back.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long until another connection is tried.
const PAUSE: Duration = Duration::from_millis(500);
/// Notices that may wait to be read; when there are more, all is read anew.
const WAITING: usize = 65_536;

/// Listens as long as the store is used, which is until `end`: the caller ends this then, and what this began ends itself.
pub(super) async fn listen(inner: Weak<Inner>, end: CancellationToken) {
    let mut turn = 0;
    while let Some(strong) = inner.upgrade() {
        // Of a cluster every node hears all that is published at any.
        let urls = &strong.config.urls;
        let url = urls.get(turn % urls.len().max(1)).cloned();
        turn = turn.wrapping_add(1);
        let opened = open(&strong, url.as_deref().unwrap_or_default()).await;
        drop(strong);
        if let Some((connection, notices, is_lost)) = opened {
            attend(&inner, notices, &is_lost, &end).await;
            drop(connection);
        }
        if let Some(strong) = inner.upgrade()
            && strong.cache.is_trusted()
        {
            tracing::warn!("no change notices from Redis: every look-up asks it");
            strong.cache.trust(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn open(
    inner: &Inner,
    url: &str,
) -> Option<(
    MultiplexedConnection,
    mpsc::Receiver<PushInfo>,
    Arc<AtomicBool>,
)> {
    let (sender, notices) = mpsc::channel(WAITING);
    let is_lost = Arc::<AtomicBool>::default();
    let lost = Arc::clone(&is_lost);
    // Pushes are of the third version of the protocol (Redis 6, Valkey).
    let mark = if url.contains('?') { '&' } else { '?' };
    let client = inner
        .config
        .client(&format!("{url}{mark}protocol=resp3"))
        .ok()?;
    let config = inner.config.patience().set_push_sender(move |info| {
        sender.try_send(info).map_err(|_| {
            lost.store(true, Ordering::Release);
            redis::aio::SendError
        })
    });
    let connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await;
    let mut connection = connection
        .inspect_err(|error| tracing::debug!(%error, "no connection for change notices"))
        .ok()?;
    connection.subscribe(CHANNEL).await.ok()?;
    Some((connection, notices, is_lost))
}

/// Takes notices until the channel is lost.
async fn attend(
    inner: &Weak<Inner>,
    mut notices: mpsc::Receiver<PushInfo>,
    is_lost: &AtomicBool,
    end: &CancellationToken,
) {
    let mut number: u64 = 0;
    let mut awaited: Option<(String, tokio::time::Instant)> = None;
    let mut beat = tokio::time::interval(BEAT);
    let node = sip_transport::Seed::from_system().map_or(0, |seed| seed.rng().next_u64());
    loop {
        let lost = async {
            match &awaited {
                Some((_, until)) => tokio::time::sleep_until(*until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            info = notices.recv() => {
                let Some(strong) = inner.upgrade() else { return };
                let text = match info {
                    // More came than could wait, or the connection is gone: what was said is not known.
                    None => return,
                    Some(_) if is_lost.load(Ordering::Acquire) => return,
                    Some(info) if info.kind == PushKind::Disconnection => return,
                    Some(info) if info.kind == PushKind::Message => text(&info.data),
                    Some(_) => continue,
                };
                let Some(text) = text else { continue };
                if let Some(sign) = text.strip_prefix("sign ") {
                    if awaited.as_ref().is_some_and(|(own, _)| own == sign) {
                        awaited = None;
                        if !strong.cache.is_trusted() {
                            tracing::info!("change notices from Redis are heard");
                            strong.cache.trust(true);
                            // What changed before that was heard by nobody.
                            strong.feed.all_changed();
                        }
                    }
                } else if let Some(aor) = Aor::from_stored(&text) {
                    strong.cache.forget(&aor);
                    strong.feed.changed(&aor, Cause::Request);
                }
            }
            _ = beat.tick() => {
                let Some(strong) = inner.upgrade() else { return };
                if awaited.is_none() {
                    number += 1;
                    let sign = format!("{node:x}.{number}");
                    awaited = Some((sign.clone(), tokio::time::Instant::now() + PATIENCE));
                    let publishing = publish(strong, sign);
                    tokio::spawn(end.clone().run_until_cancelled_owned(publishing));
                }
            }
            () = lost => return,
        }
    }
}

/// By the way that changes go.
async fn publish(inner: Arc<Inner>, sign: String) {
    if let Ok((mut connection, number)) = inner.connection().await {
        let sent = redis::cmd("PUBLISH")
            .arg(CHANNEL)
            .arg(format!("sign {sign}"))
            .query_async(&mut connection)
            .await;
        // When it does not come, that is seen where it is awaited.
        let _: Result<Value, _> = inner.result(number, sent).await;
    }
}

/// The payload of a message: channel, payload.
fn text(data: &[Value]) -> Option<String> {
    match data.get(1)? {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}
