//! What a running plugin counts, as Prometheus would read it.

use crate::doctor::checks::Checks;
use core::fmt;
use procgate_identity::{Digest, RefusalReason};
use procgate_policy::Reason;

/// What is read of one series: `name{label="value",…} number`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Series<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

/// All series of an Envoy.
#[derive(Debug)]
pub(super) struct Metrics<'a>(Vec<Series<'a>>);

/// Reasons that a set-up explains better than a program that does what it should not.
const OF_THE_SET_UP: [Reason; 9] = [
    Reason::Internal,
    Reason::Identity(RefusalReason::MalformedIdentity),
    Reason::Identity(RefusalReason::UnknownKey),
    Reason::Identity(RefusalReason::BadSignature),
    Reason::Identity(RefusalReason::OutsideKeyScope),
    Reason::Identity(RefusalReason::Expired),
    Reason::Identity(RefusalReason::NotYetValid),
    Reason::Identity(RefusalReason::WrongSource),
    Reason::Identity(RefusalReason::WrongDestination),
];

impl<'a> Metrics<'a> {
    /// Reads the text form. Lines that are none are left aside.
    pub(super) fn read(text: &'a str) -> Self {
        Self(text.lines().filter_map(Series::read).collect())
    }

    fn named(&self, end: &str) -> impl Iterator<Item = &Series<'a>> {
        self.0.iter().filter(move |series| series.name.ends_with(end))
    }

    fn sum(&self, end: &str, label: (&str, &str)) -> f64 {
        self.named(end)
            .filter(|series| series.label(label.0) == Some(label.1))
            .map(|series| series.value)
            .sum()
    }

    /// Looks at all of it; the configuration's policies have these digests.
    pub(super) fn check(&self, digests: &[Digest], place: &dyn fmt::Display, checks: &mut Checks) {
        self.check_policies(digests, place, checks);
        self.check_rejections(place, checks);
        self.check_crashes(place, checks);
        self.check_decisions(place, checks);
    }

    /// The plugin publishes the digest of each policy that it took in.
    fn check_policies(&self, digests: &[Digest], place: &dyn fmt::Display, checks: &mut Checks) {
        const ID: &str = "policy-in-force";
        let published: Vec<_> =
            self.named("procgate_policy_info").filter_map(|series| series.label("sha256")).collect();
        for digest in digests {
            let text = digest.to_string();
            let hex = text.trim_start_matches("sha256:");
            if published.contains(&hex) {
                checks.ok(ID, place, format!("the plugin has taken in the policy {text}"));
            } else {
                checks.error(
                    ID,
                    place,
                    format!("the configuration has the policy {text}, and the plugin has not taken it in"),
                    "see in Envoy's log why it was refused; `procgate policy lint` lists mistakes",
                );
            }
        }
        let mut versions: Vec<_> =
            self.named("procgate_policy_info").filter_map(|series| series.label("version")).collect();
        versions.sort_unstable();
        versions.dedup();
        if versions.len() > 1 {
            let what = format!("plugins of several versions have run in this Envoy: {}", versions.join(", "));
            checks.warn("plugin-version", place, what, "let all places use one module");
        }
    }

    fn check_rejections(&self, place: &dyn fmt::Display, checks: &mut Checks) {
        let of_plugin = |series: &&Series<'_>| series.name.contains("procgate");
        let rejected: f64 = self.named("_config_fail").filter(of_plugin).map(|series| series.value).sum();
        if rejected > 0.0 {
            checks.warn(
                "rejected",
                place,
                format!(
                    "{rejected} configurations of the plugin were refused; the one before stays in force"
                ),
                "see in Envoy's log why; restart Envoy to count anew",
            );
        }
    }

    fn check_crashes(&self, place: &dyn fmt::Display, checks: &mut Checks) {
        let reloads: f64 = ["_vm_reload_success", "_vm_reload_failure", "_vm_reload_backoff"]
            .iter()
            .flat_map(|end| self.named(end))
            .map(|series| series.value)
            .sum();
        if reloads > 0.0 {
            let what = format!("a wasm plugin crashed: it was to be loaded again {reloads} times");
            checks.warn("crashes", place, what, "report it with the lines of Envoy's log");
        }
    }

    fn check_decisions(&self, place: &dyn fmt::Display, checks: &mut Checks) {
        const ID: &str = "decisions";
        const TOTAL: &str = "procgate_decisions_total";
        let [allowed, denied] = ["allow", "deny"].map(|decision| self.sum(TOTAL, ("decision", decision)));
        if allowed + denied > 0.0 {
            checks.ok(
                ID,
                place,
                format!("decisions are made and counted: {allowed} allowed, {denied} denied"),
            );
        } else {
            checks.warn(
                ID,
                place,
                "no decision has been counted since Envoy started",
                "send something through it; if that is not counted, connections go another way",
            );
        }
        for reason in OF_THE_SET_UP {
            let count = self.sum(TOTAL, ("reason", reason.code()));
            if count > 0.0 {
                let what = format!("{count} decisions with the reason {}", reason.code());
                checks.warn("reasons", place, what, reason.next_step());
            }
        }
    }
}

impl<'a> Series<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let value = value.parse().ok().filter(|_| !line.starts_with('#'))?;
        Some(Self { name, labels: labels.trim_end_matches('}'), value })
    }

    /// The value of a label; none of procgate's has a quote in it.
    fn label(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.labels.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE x counter\n\
        procgate_decisions_total{decision=\"allow\",reason=\"allowed\"} 7\n\
        procgate_decisions_total{decision=\"deny\",reason=\"wrong-source\"} 2\n\
        envoy_cluster_x{} 3\nno number\n";

    #[test]
    fn series_are_summed_by_their_labels() {
        let metrics = Metrics::read(TEXT);
        let sum = |name, value| metrics.sum("procgate_decisions_total", (name, value));
        assert_eq!(
            [sum("decision", "allow"), sum("decision", "deny"), sum("reason", "expired")],
            [7.0, 2.0, 0.0]
        );
    }

    #[test]
    fn reasons_that_speak_of_the_set_up_are_pointed_out() {
        let mut checks = Checks::default();
        Metrics::read(TEXT).check(&[], &"Envoy", &mut checks);
        let text = checks.to_string();
        assert!(
            text.contains("2 decisions with the reason wrong-source") && text.contains("7 allowed, 2 denied")
        );
    }
}
