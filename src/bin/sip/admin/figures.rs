//! What `/metrics` shows, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use metrics::{Key, Label, Level, Metadata, Recorder as _, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use sip_stack::guard::GuardStats;
use sip_stack::runtime::{Handovers, Queues, State, StoreTimes};
use sip_stack::stack::{Counts, Histogram, Latencies};
use sip_stack::transport::tokio::DriverStats;

/// What is counted at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    counts: Counts,
    transport: sip_stack::transport::Stats,
    transaction: sip_stack::transaction::Stats,
    client_transactions: usize,
    server_transactions: usize,
    proxied: usize,
    held_back: (u64, usize),
    draining: bool,
    latencies: Latencies,
    store: StoreTimes,
    queues: Queues,
    handovers: Handovers,
    driver: DriverStats,
    guard: GuardStats,
    loss: u8,
    bans: usize,
    watchers: (usize, u64),
    gateways: Vec<(String, bool)>,
}

impl Snapshot {
    pub(super) fn of(state: &mut State, now: Instant) -> Self {
        let watchers = state.hub.watchers().stats();
        let stack = &state.stack;
        Self {
            counts: stack.counts().clone(),
            transport: stack.transports().stats().clone(),
            transaction: *stack.transactions().stats(),
            client_transactions: stack.transactions().client_count(),
            server_transactions: stack.transactions().server_count(),
            held_back: stack.proxy().map_or((0, 0), |proxy| {
                (proxy.throttle().held_back(), proxy.throttle().servers(now))
            }),
            proxied: stack.proxy().map_or(0, |proxy| proxy.contexts()),
            draining: stack.is_draining(),
            latencies: stack.latencies().clone(),
            store: state.store_times(),
            queues: state.queues(),
            handovers: state.handovers(),
            driver: state.driver(),
            guard: stack
                .guard()
                .map_or_else(GuardStats::default, |guard| guard.stats()),
            loss: stack.guard().map_or(0, |guard| guard.overload().loss(now)),
            bans: stack
                .guard()
                .map_or(0, |guard| guard.sources().bans(now).len()),
            watchers,
            gateways: stack.probes().map_or_else(Vec::new, |probes| {
                probes
                    .states()
                    .map(|state| (state.target.uri.to_string(), state.up))
                    .collect()
            }),
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

    pub(super) fn render(
        &self,
        workers: &[Snapshot],
        bindings: Option<usize>,
        users: usize,
        lost_spans: u64,
    ) -> String {
        let mut tally = Tally::default();
        for worker in workers {
            tally.add(worker);
        }
        tally.most("sip_users", &[], users);
        tally.count_once("sip_spans_lost_total", lost_spans);
        if let Some(bindings) = bindings {
            tally.most("sip_registered_users", &[], bindings);
        }
        for (key, value) in &tally.counters {
            self.recorder
                .register_counter(key, &METADATA)
                .absolute(*value);
        }
        for (key, value) in &tally.gauges {
            // Exact up to 2^53.
            self.recorder
                .register_gauge(key, &METADATA)
                .set(*value as f64);
        }
        let mut text = self.handle.render();
        histograms(workers, &mut text);
        text
    }
}

/// The figures of all workers together.
#[derive(Debug, Default)]
struct Tally {
    counters: BTreeMap<Key, u64>,
    gauges: BTreeMap<Key, usize>,
}

impl Tally {
    fn count(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        *self.counters.entry(key(name, labels)).or_default() += value;
    }

    fn count_once(&mut self, name: &'static str, value: u64) {
        let most = self.counters.entry(key(name, &[])).or_default();
        *most = value.max(*most);
    }

    fn set(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: usize) {
        *self.gauges.entry(key(name, labels)).or_default() += value;
    }

    /// Of what is the same for all, or where the worst counts.
    fn most(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: usize) {
        let most = self.gauges.entry(key(name, labels)).or_default();
        *most = value.max(*most);
    }

    fn add(&mut self, now: &Snapshot) {
        for (transport, method, count) in now.counts.requests() {
            // Every method over UDP, and whatever else there was.
            if count > 0 || transport == "UDP" {
                let labels = [("transport", transport), ("method", method)];
                self.count("sip_requests_total", &labels, count);
            }
        }
        for (transport, class, count) in now.counts.responses_sent() {
            if count > 0 || transport == "UDP" {
                let class = format!("{class}xx");
                let labels = [("transport", transport), ("class", class.as_str())];
                self.count("sip_responses_sent_total", &labels, count);
            }
        }
        for (transport, class, count) in now.counts.responses_received() {
            if count > 0 || transport == "UDP" {
                let class = format!("{class}xx");
                let labels = [("transport", transport), ("class", class.as_str())];
                self.count("sip_responses_received_total", &labels, count);
            }
        }
        let guard = &now.guard;
        for (reason, count) in [
            ("overload", guard.refused_by_overload),
            ("budget", guard.refused_by_budget),
        ] {
            self.count("sip_guard_refused_total", &[("reason", reason)], count);
        }
        for (reason, count) in [
            ("budget", guard.dropped_by_budget),
            ("ban", guard.dropped_by_ban),
        ] {
            self.count("sip_guard_dropped_total", &[("reason", reason)], count);
        }
        self.count("sip_bans_total", &[], guard.banned);
        self.most("sip_banned_sources", &[], now.bans);
        for (outcome, count) in [
            ("trimmed", guard.trimmed_challenges),
            ("withheld", guard.withheld_challenges),
        ] {
            self.count(
                "sip_challenges_shrunk_total",
                &[("outcome", outcome)],
                count,
            );
        }
        self.most("sip_overload_loss_percent", &[], usize::from(now.loss));
        for (queue, (depth, limit)) in [
            ("inbox", now.queues.inbox),
            ("commands", now.queues.commands),
            ("lookups", now.queues.lookups),
            ("handed", now.queues.handed),
        ] {
            self.set("sip_queue_depth", &[("queue", queue)], depth);
            self.set("sip_queue_limit", &[("queue", queue)], limit);
        }
        for (what, count) in [
            ("given", now.handovers.given),
            ("taken", now.handovers.taken),
            ("dropped", now.handovers.dropped),
        ] {
            self.count("sip_handovers_total", &[("outcome", what)], count);
        }
        for (reason, count) in [
            ("full", now.driver.dropped),
            ("refused", now.driver.refused),
        ] {
            self.count("sip_datagrams_unsent_total", &[("reason", reason)], count);
        }
        for (uri, up) in &now.gateways {
            self.set("sip_gateway_up", &[("uri", uri)], usize::from(*up));
        }
        self.most("sip_traces", &[], now.watchers.0);
        self.count("sip_trace_dropped_total", &[], now.watchers.1);
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
            (
                "response",
                transaction.retransmitted_responses + transaction.repeated_requests,
            ),
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
        self.count(
            "sip_transactions_forgotten_total",
            &[],
            transaction.forgotten,
        );
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
        // The workers count it together.
        self.count_once("sip_held_back_total", now.held_back.0);
        self.most("sip_throttled_servers", &[], now.held_back.1);
        self.most("sip_draining", &[], usize::from(now.draining));
    }
}

/// Written by hand: the layers count into buckets themselves, and the recorder takes single values only.
fn histograms(workers: &[Snapshot], out: &mut String) {
    let mut all: [BTreeMap<String, Histogram>; 3] = Default::default();
    let [answered, queue, store] = &mut all;
    for now in workers {
        for (role, method, histogram) in now.latencies.answered() {
            let labels = format!("role=\"{role}\",method=\"{method}\"");
            answered.entry(labels).or_default().add(histogram);
        }
        queue
            .entry(String::new())
            .or_default()
            .add(now.latencies.queue());
        for (question, histogram) in [
            ("lookup", &now.store.lookup),
            ("update", &now.store.update),
            ("credential", &now.store.credential),
        ] {
            let labels = format!("question=\"{question}\"");
            store.entry(labels).or_default().add(histogram);
        }
    }
    for ((name, help), list) in HISTOGRAMS.iter().zip(all) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (labels, histogram) in list {
            let _ = histogram_lines(name, &labels, &histogram, out);
        }
        out.push('\n');
    }
}

fn histogram_lines(
    name: &str,
    labels: &str,
    histogram: &Histogram,
    out: &mut String,
) -> std::fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut total = 0;
    for (place, count) in histogram.counts.iter().enumerate() {
        total += count;
        let bound = match Histogram::BOUNDS.get(place) {
            Some(micros) => format!("{}", *micros as f64 / 1e6),
            None => "+Inf".to_owned(),
        };
        writeln!(
            out,
            "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}"
        )?;
    }
    let braces = if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    };
    writeln!(out, "{name}_sum{braces} {}", histogram.sum.as_secs_f64())?;
    writeln!(out, "{name}_count{braces} {total}")
}

/// In the order of what [`histograms`] has.
const HISTOGRAMS: [(&str, &str); 3] = [
    (
        "sip_answer_seconds",
        "From a request to its first final answer, by who gave it",
    ),
    (
        "sip_queue_delay_seconds",
        "How long the oldest request of a turn of the worker had waited",
    ),
    (
        "sip_store_seconds",
        "How long a store took to answer, by what it was asked",
    ),
];

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
        "sip_transactions_forgotten_total",
        "Answered transactions forgotten early, because there were too many",
    ),
    (
        "sip_overload_refusals_total",
        "Requests answered 503 because too many were in progress",
    ),
    (
        "sip_held_back_total",
        "Requests not sent to a server because it had asked for fewer",
    ),
    (
        "sip_guard_refused_total",
        "Requests answered 503 before they were begun, because of overload or the budget of their source",
    ),
    (
        "sip_guard_dropped_total",
        "Messages passed over because of the budget or the ban of their source",
    ),
    ("sip_bans_total", "Sources banned"),
    (
        "sip_challenges_shrunk_total",
        "Challenges over UDP that were larger than the request: made smaller, or replaced by nothing or a 400",
    ),
    (
        "sip_datagrams_unsent_total",
        "Datagrams that the socket took no more, or the system refused",
    ),
    (
        "sip_handovers_total",
        "Messages that one worker gave to another, took from another, or dropped because the other was too busy",
    ),
    (
        "sip_spans_lost_total",
        "Spans that the collector of OpenTelemetry did not take, or that found too many waiting for it",
    ),
    (
        "sip_trace_dropped_total",
        "Messages not shown to a trace because it read too slowly",
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
        "sip_throttled_servers",
        "Servers that have asked for fewer requests, or do not answer",
    ),
    (
        "sip_draining",
        "1 while new requests are refused before the end",
    ),
    ("sip_banned_sources", "Sources that are banned"),
    (
        "sip_overload_loss_percent",
        "How many of a hundred new requests are refused because of overload",
    ),
    ("sip_queue_depth", "How much waits in a queue of the worker"),
    ("sip_queue_limit", "How much may wait in it"),
    (
        "sip_gateway_up",
        "Whether a gateway that is probed is there",
    ),
    ("sip_traces", "Traces that are being watched"),
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
            held_back: (8, 2),
            draining: true,
            latencies: Latencies::default(),
            store: StoreTimes::default(),
            queues: Queues::default(),
            handovers: Handovers::default(),
            driver: DriverStats::default(),
            guard: GuardStats::default(),
            loss: 30,
            bans: 2,
            watchers: (1, 0),
            gateways: vec![("sip:gw.example.com".to_owned(), true)],
        };
        let text = figures.render(&[snapshot], Some(6), 7, 9);
        for (name, kind) in COUNTERS
            .iter()
            .map(|(name, _)| (name, "counter"))
            .chain(GAUGES.iter().map(|(name, _)| (name, "gauge")))
            .chain(HISTOGRAMS.iter().map(|(name, _)| (name, "histogram")))
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
            "sip_requests_total{transport=\"UDP\",method=\"INVITE\"} 0",
            "sip_responses_sent_total{transport=\"UDP\",class=\"2xx\"} 0",
            "sip_queue_delay_seconds_bucket{le=\"0.005\"} 0",
            "sip_store_seconds_bucket{question=\"update\",le=\"+Inf\"} 0",
            "sip_store_seconds_count{question=\"update\"} 0",
            "sip_overload_loss_percent 30",
            "sip_transactions{side=\"client\"} 3",
            "sip_proxied_requests 5",
            "sip_held_back_total 8",
            "sip_throttled_servers 2",
            "sip_draining 1",
            "sip_registered_users 6",
            "sip_users 7",
            "sip_spans_lost_total 9",
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
                    .chain(&HISTOGRAMS)
                    .any(|(known, _)| known == name)
            })
            .collect();
        assert!(undescribed.is_empty(), "{undescribed:?}");
    }
}
