//! The table of metrics.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use strum::IntoStaticStr;

/// The type of a metric in Prometheus.
#[derive(Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A family of metrics. Names follow the conventions of Prometheus: a counter ends in `_total`, and a unit is spelled
/// out.
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    /// Names of the labels; their values must be bounded in number, because each combination is a time series.
    pub labels: &'static [&'static str],
    /// Description of the metric in the response of `/metrics`.
    pub help: &'static str,
}

const fn family(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
}

/// All metrics of a process.
pub const FAMILIES: &[Family] = &[
    family(
        Kind::Counter,
        "investord_requests_total",
        &["method", "route", "status"],
        "Requests that were answered.",
    ),
    family(
        Kind::Histogram,
        "investord_request_seconds",
        &["method", "route"],
        "Time from the head of a request to its answer.",
    ),
    family(
        Kind::Counter,
        "investord_signatures_refused_total",
        &[],
        "Signatures of clients that did not verify.",
    ),
    family(
        Kind::Counter,
        "investord_operator_sign_ins_total",
        &["outcome"],
        "Sign-ins of operators: `ok`, `refused` for a wrong name, password or code, `delayed` after too many of them, \
         `second_factor_required` for a right password without a code.",
    ),
    family(
        Kind::Gauge,
        "investord_access_reviews_due",
        &[],
        "Operators whose access has to be reviewed (`investord evidence access`).",
    ),
    family(
        Kind::Counter,
        "investord_break_glass_total",
        &[],
        "Acts of administration that one person did alone in an emergency.",
    ),
    family(
        Kind::Gauge,
        "investord_budget_used",
        &["budget"],
        "How much of a budget is in use (docs/limits.md).",
    ),
    family(
        Kind::Counter,
        "investord_budget_refusals_total",
        &["budget", "limit"],
        "What was refused because a budget was used up: one's own, or that of all.",
    ),
    family(Kind::Histogram, "investord_store_read_seconds", &["unit"], "Time of a read of the store."),
    family(
        Kind::Histogram,
        "investord_store_write_seconds",
        &["unit"],
        "Time of a write of the store, from its call to its commit.",
    ),
    family(Kind::Histogram, "investord_store_batch_units", &[], "Writes that one commit made durable."),
    family(Kind::Gauge, "investord_store_log_pages", &[], "Pages of 4 KiB in the write-ahead log of SQLite."),
    family(
        Kind::Counter,
        "investord_store_batches_repeated_total",
        &["why"],
        "Transactions that were run again.",
    ),
    family(
        Kind::Counter,
        "investord_store_connections_total",
        &[],
        "Connections to PostgreSQL that were opened.",
    ),
    family(
        Kind::Counter,
        "investord_webhook_attempts_total",
        &["outcome"],
        "Attempts to send a package to a receiver.",
    ),
    family(
        Kind::Histogram,
        "investord_webhook_attempt_seconds",
        &[],
        "Time of an attempt to send a package.",
    ),
    family(
        Kind::Counter,
        "investord_webhook_leases_lost_total",
        &[],
        "Deliveries that outlasted their lease: their packages may be sent again.",
    ),
    family(
        Kind::Gauge,
        "investord_webhook_backlog_events",
        &[],
        "Events that wait to be sent, of all webhooks together.",
    ),
    family(
        Kind::Gauge,
        "investord_webhook_oldest_event_seconds",
        &[],
        "Age of the oldest event that waits to be sent.",
    ),
    family(
        Kind::Gauge,
        "investord_reviews_pending",
        &[],
        "Data changes and checks that wait for an operator's decision; 10,000 at most are counted.",
    ),
    family(
        Kind::Gauge,
        "investord_jobs_due",
        &[],
        "Jobs that are due and not finished; 10,000 at most are counted.",
    ),
    family(
        Kind::Gauge,
        "investord_tls_certificate_expiry_timestamp_seconds",
        &[],
        "When the certificate of the main listener expires, in Unix time.",
    ),
    family(
        Kind::Gauge,
        "investord_operator_tls_certificate_expiry_timestamp_seconds",
        &[],
        "When the certificate of the listener for operators expires, in Unix time.",
    ),
    family(Kind::Gauge, "investord_build_info", &["version"], "1, with the version of the program."),
    family(Kind::Gauge, "process_start_time_seconds", &[], "When the process started, in Unix time."),
];

/// Registers the help texts of all families with the recorder.
pub fn describe() {
    for Family { name, kind, help, .. } in FAMILIES {
        match kind {
            Kind::Counter => describe_counter!(*name, *help),
            Kind::Gauge => describe_gauge!(*name, *help),
            Kind::Histogram => describe_histogram!(*name, *help),
        }
    }
}
