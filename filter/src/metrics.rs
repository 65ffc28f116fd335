//! Counters of decisions, with labels that Envoy's stats tags take out of the names.
//!
//! A label is written `.name=.=value;.` into the metric's name, the way that Istio's stats tags expect
//! it. Every combination is a metric of its own: no label ever holds an identity.

use crate::host::{self, Metric};
use procgate_identity::{Digest, UnixNanos};
use procgate_policy::Reason;
use proxy_wasm::types::MetricType;
use std::cell::{OnceCell, RefCell};

/// The metrics of one plugin.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// A handful: one for each outcome that has occurred.
    decisions: RefCell<Vec<(Series, Option<Metric>)>>,
    verification: Option<Metric>,
    /// How many plugins have this policy in force.
    policy: Option<Metric>,
    in_force: OnceCell<Counted>,
}

/// One more in a gauge, for as long as this lives.
#[derive(Debug)]
struct Counted(Metric);

impl Counted {
    fn in_gauge(gauge: Metric) -> Self {
        host::add(gauge, 1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        host::add(self.0, -1);
    }
}

/// The labels of `procgate_decisions_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Series {
    /// `allow` or `deny`, as enforcing would have it.
    pub(crate) decision: &'static str,
    pub(crate) reason: Reason,
    pub(crate) direction: &'static str,
    /// What brought the identity, `none` where there was none.
    pub(crate) carrier: &'static str,
}

impl Metrics {
    /// Defines the metrics.
    #[inline(never)]
    pub(crate) fn new(policy: &Digest) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let name = format!("procgate_policy_info.version=.={version};.;.sha256=.={policy};.;.");
        Self {
            policy: host::metric(MetricType::Gauge, &name.replace("sha256:", "")),
            in_force: OnceCell::new(),
            decisions: RefCell::default(),
            verification: host::metric(MetricType::Histogram, "procgate_verify_microseconds"),
        }
    }

    /// Publishes that this policy is in force here, until it is replaced: once in each worker, and in the main thread.
    pub(crate) fn publish(&self) {
        if let Some(gauge) = self.policy {
            self.in_force.get_or_init(|| Counted::in_gauge(gauge));
        }
    }

    /// The counter of such decisions.
    pub(crate) fn counter(&self, series: Series) -> Option<Metric> {
        let mut decisions = self.decisions.borrow_mut();
        let metric = decisions.iter().find(|(known, _)| *known == series).map(|(_, metric)| *metric);
        metric.unwrap_or_else(|| {
            let metric = series.define();
            decisions.push((series, metric));
            metric
        })
    }

    /// Notes how long the check of an identity took.
    pub(crate) fn verified(&self, from: UnixNanos, until: UnixNanos) {
        if let Some(histogram) = self.verification {
            host::observe(histogram, until.0.saturating_sub(from.0).saturating_div(1_000));
        }
    }
}

impl Series {
    #[inline(never)]
    fn define(self) -> Option<Metric> {
        let Self { decision, reason, direction, carrier } = self;
        let reason = reason.code();
        let name = format!(
            "procgate_decisions_total.decision=.={decision};.;.reason=.={reason};.;.\
             direction=.={direction};.;.carrier=.={carrier};.;."
        );
        host::metric(MetricType::Counter, &name)
    }
}
