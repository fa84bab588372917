//! Spans for a collector: OTLP over HTTP, as protobuf, without TLS, since a collector stands beside what it collects from.
//!
//! ```text
//!   span ends --> room in the queue? --> batches, by a thread of their own --> collector
//!                 no: lost                refused, or no answer in time: lost
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
    SpanExporter, SpanProcessor,
};
use tokio::net::TcpStream;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Lost;

/// How long one export may take; what was not taken then is lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many spans may wait for the collector, those that are being sent too.
const ROOM: usize = 2048;
/// How many of them are sent at a time.
const BATCH: usize = 512;
/// The largest answer of a collector that is read.
const LARGEST: usize = 65_536;

/// What exports the spans, until it is dropped.
pub(super) struct Spans(SdkTracerProvider);

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spans(..)")
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

impl Spans {
    /// Logs as without it, and exports that share of the spans too.
    pub(super) fn begin(
        url: &str,
        share: Option<f64>,
        filter: EnvFilter,
        lost: &Lost,
    ) -> anyhow::Result<Self> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint(url))
            .with_timeout(PATIENCE)
            .build()
            .with_context(|| format!("{url}: spans cannot be exported there"))?;
        let queue = Arc::new(Queue {
            lost: lost.clone(),
            ..Queue::default()
        });
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(ROOM)
            .with_max_export_batch_size(BATCH)
            .build();
        let exporter = Noting {
            next: exporter,
            queue: Arc::clone(&queue),
        };
        let next = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name("sip serve").build())
            .with_sampler(Sampler::TraceIdRatioBased(share.unwrap_or(1.0)))
            .with_span_processor(Bounded { next, queue })
            .build();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("sip"))
            .with_location(false)
            .with_threads(false)
            // What the exporter does itself is nobody's call.
            .with_filter(Targets::new().with_target("sip_stack", Level::DEBUG));
        let logs = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_filter(filter);
        tracing_subscriber::registry().with(spans).with(logs).init();
        Ok(Self(provider))
    }
}

/// Where spans go at a collector: to the usual path, unless there is one.
fn endpoint(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.trim_end_matches('/').contains('/') {
        true => url.to_owned(),
        false => format!("{}/v1/traces", url.trim_end_matches('/')),
    }
}

/// What waits for the collector.
#[derive(Debug, Default)]
struct Queue {
    waiting: AtomicUsize,
    lost: Lost,
    /// Is the collector not taking anything, and was that said?
    is_down: AtomicBool,
    /// Were there too many? And was that said?
    was_full: AtomicBool,
    is_full_said: AtomicBool,
}

impl Queue {
    /// Is there room for another?
    fn enter(&self) -> bool {
        let one_more = |waiting: usize| (waiting < ROOM).then_some(waiting + 1);
        let entered = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if entered.is_err() {
            self.lost.add(1);
            self.was_full.store(true, Ordering::Relaxed);
        }
        entered.is_ok()
    }

    /// So many were exported, or not. What there is to be said is said here, by the thread that exports, and not where a span ends.
    fn leave(&self, number: usize, result: &OTelSdkResult) {
        self.waiting.fetch_sub(number, Ordering::Relaxed);
        match result {
            Ok(()) => {
                if self.is_down.swap(false, Ordering::Relaxed) {
                    let lost = self.lost.count();
                    tracing::warn!(lost, "the collector takes spans again");
                }
            }
            Err(error) => {
                self.lost.add(number);
                if !self.is_down.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the collector takes no spans; they are lost until it does");
                }
            }
        }
        if self.was_full.load(Ordering::Relaxed) && !self.is_full_said.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("there are more spans than the collector takes; some are lost");
        }
    }
}

/// Lets no more spans in than there is room for.
#[derive(Debug)]
struct Bounded {
    next: BatchSpanProcessor,
    queue: Arc<Queue>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.queue.enter() {
            self.next.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Notes what becomes of them.
#[derive(Debug)]
struct Noting {
    next: opentelemetry_otlp::SpanExporter,
    queue: Arc<Queue>,
}

impl SpanExporter for Noting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let number = batch.len();
        let result = self.next.export(batch).await;
        self.queue.leave(number, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// HTTP over TCP. It is called by the thread that exports, which has nothing else to do.
#[derive(Debug)]
struct Client;

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'s, 'a>(&'s self, request: Request<Bytes>) -> Answer<'a>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { tokio::time::timeout(PATIENCE, send(request)).await? })
        })
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let host = parts.uri.host().ok_or("an address without a host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, parts.uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What drives the connection ends with the runtime.
    tokio::spawn(connection);
    let authority = parts
        .uri
        .authority()
        .map_or(host, |authority| authority.as_str());
    parts.headers.insert("host", authority.parse()?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse()?;
    let answer = sender
        .send_request(Request::from_parts(parts, Body::from(body)))
        .await?;
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(Body::new(body), LARGEST).await?;
    Ok(Response::from_parts(parts, body))
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    #[test]
    fn a_collector_has_a_usual_path() {
        for (url, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("http://collector/in/spans", "http://collector/in/spans"),
        ] {
            assert_eq!(endpoint(url), expected);
        }
    }

    #[test]
    fn what_does_not_get_to_the_collector_is_counted() {
        let queue = Queue::default();
        assert!((0..ROOM).all(|_| queue.enter()));
        assert!(!queue.enter() && !queue.enter());
        assert_eq!(queue.lost.count(), 2);
        queue.leave(BATCH, &Ok(()));
        assert_eq!(queue.lost.count(), 2);
        assert!((0..BATCH).all(|_| queue.enter()));
        assert!(!queue.enter());
        queue.leave(ROOM, &Err(OTelSdkError::Timeout(PATIENCE)));
        assert_eq!(queue.lost.count(), 3 + u64::try_from(ROOM).unwrap());
        assert!(queue.enter());
    }
}
