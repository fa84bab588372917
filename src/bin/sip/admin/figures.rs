//! What `/metrics` shows, in the text format of Prometheus.

use metrics::{Key, Label, Level, Metadata, Recorder as _, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use sip_stack::stack::{Counts, Stack};

/// What is counted at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    counts: Counts,
    transport: sip_stack::transport::Stats,
    transaction: sip_stack::transaction::Stats,
    client_transactions: usize,
    server_transactions: usize,
    proxied: usize,
    draining: bool,
}

impl Snapshot {
    pub(super) fn of(stack: &Stack) -> Self {
        Self {
            counts: stack.counts().clone(),
            transport: stack.transports().stats().clone(),
            transaction: *stack.transactions().stats(),
            client_transactions: stack.transactions().client_count(),
            server_transactions: stack.transactions().server_count(),
            proxied: stack.proxy().map_or(0, |proxy| proxy.contexts()),
            draining: stack.is_draining(),
        }
    }
}

/// The recorder, which only this module writes to: the layers count by themselves, and a scrape copies their counters.
pub(super) struct Figures {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

const METADATA: Metadata<'static> = Metadata::new("sip", Level::INFO, None);

impl Figures {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let figures = Self { recorder, handle };
        figures.describe();
        figures
    }

    fn describe(&self) {
        for (name, text) in COUNTERS {
            self.recorder.describe_counter(
                (*name).into(),
                Some(Unit::Count),
                SharedString::from(*text),
            );
        }
        for (name, text) in GAUGES {
            self.recorder.describe_gauge(
                (*name).into(),
                Some(Unit::Count),
                SharedString::from(*text),
            );
        }
    }

    fn count(&self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        self.recorder
            .register_counter(&key(name, labels), &METADATA)
            .absolute(value);
    }

    fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: usize) {
        // Exact up to 2^53.
        self.recorder
            .register_gauge(&key(name, labels), &METADATA)
            .set(value as f64);
    }

    pub(super) fn render(&self, now: &Snapshot, bindings: Option<usize>, users: usize) -> String {
        for (method, count) in now.counts.requests() {
            self.count("sip_requests_total", &[("method", method)], count);
        }
        for (class, count) in now.counts.responses_sent() {
            let class = format!("{class}xx");
            self.count("sip_responses_sent_total", &[("class", &class)], count);
        }
        for (class, count) in now.counts.responses_received() {
            let class = format!("{class}xx");
            self.count("sip_responses_received_total", &[("class", &class)], count);
        }
        self.count("sip_registrations_total", &[], now.counts.registrations);
        self.count("sip_denied_total", &[], now.counts.denied);
        for (reason, count) in [
            ("busy", now.counts.store_busy),
            ("failed", now.counts.store_failed),
        ] {
            self.count("sip_store_failures_total", &[("reason", reason)], count);
        }
        let transport = &now.transport;
        self.count("sip_messages_sent_total", &[], transport.sent);
        for (kind, count) in [
            ("request", transport.requests),
            ("response", transport.responses),
        ] {
            self.count("sip_messages_received_total", &[("kind", kind)], count);
        }
        for (reason, count) in transport.all_malformed() {
            let reason = format!("{reason:?}");
            self.count(
                "sip_messages_malformed_total",
                &[("reason", &reason)],
                count,
            );
        }
        for (reason, count) in [
            ("limit", transport.refused_connections),
            ("handshake", transport.failed_handshakes),
            ("slow", transport.slow_peers),
            ("overflow", transport.overflows),
        ] {
            self.count("sip_connections_closed_total", &[("reason", reason)], count);
        }
        self.set("sip_connections", &[], transport.connections);
        self.set(
            "sip_flows",
            &[("kind", "datagram")],
            transport.datagram_flows,
        );
        self.set("sip_flows", &[("kind", "stream")], transport.stream_flows);
        self.set("sip_name_lookups", &[], transport.selections);
        let transaction = &now.transaction;
        for (kind, count) in [
            ("request", transaction.retransmitted_requests),
            ("response", transaction.retransmitted_responses),
        ] {
            self.count("sip_retransmissions_total", &[("kind", kind)], count);
        }
        for (timer, count) in [
            ("B-F", transaction.timeouts),
            ("H", transaction.ack_timeouts),
        ] {
            self.count("sip_transaction_timeouts_total", &[("timer", timer)], count);
        }
        for (reason, count) in [
            ("total", transaction.refused_by_total),
            ("peer", transaction.refused_by_peer),
        ] {
            self.count("sip_overload_refusals_total", &[("limit", reason)], count);
        }
        self.set(
            "sip_transactions",
            &[("side", "client")],
            now.client_transactions,
        );
        self.set(
            "sip_transactions",
            &[("side", "server")],
            now.server_transactions,
        );
        self.set("sip_proxied_requests", &[], now.proxied);
        self.set("sip_draining", &[], usize::from(now.draining));
        self.set("sip_users", &[], users);
        if let Some(bindings) = bindings {
            self.set("sip_registered_users", &[], bindings);
        }
        self.handle.render()
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect();
    Key::from_parts(name, labels)
}

const COUNTERS: &[(&str, &str)] = &[
    (
        "sip_requests_total",
        "Requests that began a transaction, by method",
    ),
    (
        "sip_responses_sent_total",
        "Responses sent, repeated ones too, by class",
    ),
    (
        "sip_responses_received_total",
        "Responses received, repeated ones too, by class",
    ),
    ("sip_registrations_total", "REGISTER requests carried out"),
    (
        "sip_denied_total",
        "Requests refused because of who sent them or where to",
    ),
    (
        "sip_store_failures_total",
        "Requests refused with 503 because of the store",
    ),
    ("sip_messages_sent_total", "Messages given to the sockets"),
    ("sip_messages_received_total", "Whole messages received"),
    (
        "sip_messages_malformed_total",
        "Messages refused because they are broken, by reason",
    ),
    (
        "sip_connections_closed_total",
        "Connections refused or closed by a limit or a failed handshake",
    ),
    (
        "sip_retransmissions_total",
        "Messages sent again by a timer or because the peer did",
    ),
    (
        "sip_transaction_timeouts_total",
        "Transactions without an answer (Timers B and F) or an ACK (Timer H)",
    ),
    (
        "sip_overload_refusals_total",
        "Requests answered 503 because too many were in progress",
    ),
];

const GAUGES: &[(&str, &str)] = &[
    ("sip_connections", "Connections, open or opening"),
    ("sip_flows", "Flows"),
    (
        "sip_name_lookups",
        "Requests that wait for the domain name system",
    ),
    ("sip_transactions", "Transactions that exist"),
    (
        "sip_proxied_requests",
        "Requests on their way through the proxy",
    ),
    (
        "sip_draining",
        "1 while new requests are refused before the end",
    ),
    ("sip_users", "Users of the domain"),
    ("sip_registered_users", "Users with a registered contact"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_described_and_stands_in_the_text() {
        let figures = Figures::new();
        let snapshot = Snapshot {
            counts: Counts::default(),
            transport: sip_stack::transport::Stats::default(),
            transaction: sip_stack::transaction::Stats::default(),
            client_transactions: 3,
            server_transactions: 4,
            proxied: 5,
            draining: true,
        };
        let text = figures.render(&snapshot, Some(6), 7);
        for (name, kind) in COUNTERS
            .iter()
            .map(|(name, _)| (name, "counter"))
            .chain(GAUGES.iter().map(|(name, _)| (name, "gauge")))
        {
            // Reasons for broken messages appear when there are some.
            if *name == "sip_messages_malformed_total" {
                continue;
            }
            assert!(
                text.contains(&format!("# TYPE {name} {kind}")),
                "{name}\n{text}"
            );
            assert!(text.contains(&format!("# HELP {name} ")), "{name}\n{text}");
        }
        for line in [
            "sip_requests_total{method=\"INVITE\"} 0",
            "sip_responses_sent_total{class=\"2xx\"} 0",
            "sip_transactions{side=\"client\"} 3",
            "sip_proxied_requests 5",
            "sip_draining 1",
            "sip_registered_users 6",
            "sip_users 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let undescribed: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split(' ').next())
            .filter(|name| {
                !COUNTERS
                    .iter()
                    .chain(GAUGES)
                    .any(|(known, _)| known == name)
            })
            .collect();
        assert!(undescribed.is_empty(), "{undescribed:?}");
    }
}
