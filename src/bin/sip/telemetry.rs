//! Logs; and, with the feature `otel`, spans for a collector of OpenTelemetry.

#[cfg(feature = "otel")]
mod spans;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::EnvFilter;

use crate::config;

/// How many spans were lost, because too many waited for the collector or it did not take them. A clone counts the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost(Arc<AtomicU64>);

impl Lost {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[cfg(feature = "otel")]
    fn add(&self, number: usize) {
        self.0
            .fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// What is told of the inside; dropping it exports the last spans.
#[derive(Debug)]
pub(crate) struct Telemetry {
    lost: Lost,
    #[cfg(feature = "otel")]
    _spans: Option<spans::Spans>,
}

impl Telemetry {
    /// From now on what passes the filter is logged to standard error, and spans go where the configuration says.
    #[cfg_attr(
        not(feature = "otel"),
        expect(unused_variables, reason = "it says nothing without the feature")
    )]
    pub(crate) fn begin(config: &config::Telemetry, filter: EnvFilter) -> anyhow::Result<Self> {
        let lost = Lost::default();
        #[cfg(feature = "otel")]
        if let Some(url) = &config.otlp {
            let spans = spans::Spans::begin(url, config.share, filter, &lost)?;
            return Ok(Self {
                lost,
                _spans: Some(spans),
            });
        }
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
        Ok(Self {
            lost,
            #[cfg(feature = "otel")]
            _spans: None,
        })
    }

    pub(crate) fn lost(&self) -> Lost {
        self.lost.clone()
    }
}
