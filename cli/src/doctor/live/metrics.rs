//! What a running plugin counts, as Prometheus would read it.

use crate::doctor::checks::{Checks, Spot};
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

/// The gauge of policies in force.
const IN_FORCE: &str = "procgate_policy_info";

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

    /// Looks at all of it; the configuration's policies have these digests, and Envoy has so many workers.
    pub(super) fn check(
        &self,
        digests: &[Digest],
        workers: Option<u32>,
        place: &dyn fmt::Display,
        checks: &mut Checks,
    ) {
        let mut in_force = checks.at("policy-in-force", place);
        digests.iter().for_each(|digest| self.check_policy(digest, workers, &mut in_force));
        self.check_left(digests, &mut in_force);
        self.check_versions(place, checks);
        self.check_rejections(place, checks);
        self.check_crashes(place, checks);
        self.check_decisions(place, checks);
    }

    /// Each use of the plugin counts itself once in every worker and in the main thread, for as long as it has the
    /// policy. How many uses there are is up to Envoy, which takes some together.
    fn check_policy(&self, digest: &Digest, workers: Option<u32>, spot: &mut Spot<'_>) {
        let count = self.sum(IN_FORCE, ("sha256", hex(&digest.to_string())));
        let Some(workers) = workers.filter(|workers| *workers > 0) else {
            return spot.warn(
                "it does not say how many workers it has, so whether all have the policy was not seen",
                "let its admin interface answer /server_info with command_line_options",
            );
        };
        let threads = f64::from(workers) + 1.0;
        let again = "ask again in some seconds; if it stays so, restart Envoy";
        let crashed = self.reloads() > 0.0;
        if count <= 0.0 {
            spot.error(
                format!("the configuration has the policy {digest}, and the plugin has not taken it in"),
                "see in Envoy's log why it was refused; `procgate policy lint` lists mistakes",
            );
        } else if count < threads || (!crashed && count % threads > 0.0) {
            let what = format!("not all of {workers} workers have taken in the policy {digest}");
            spot.error(format!("{what}: {count} have, the main thread included"), again);
        } else if crashed {
            let what = format!("whether all workers have taken in the policy {digest} cannot be told");
            spot.warn(format!("{what}: a plugin that crashed stays counted"), "restart Envoy to count anew");
        } else {
            spot.ok(format!("all {workers} workers have taken in the policy {digest}"));
        }
    }

    /// Policies that are not in the configuration any more. What crashed with one stays counted for good.
    fn check_left(&self, digests: &[Digest], spot: &mut Spot<'_>) {
        if self.reloads() > 0.0 {
            return;
        }
        let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
        let known =
            |series: &Series<'_>| digests.iter().any(|digest| Some(hex(digest)) == series.label("sha256"));
        let left = self.named(IN_FORCE).filter(|series| series.value > 0.0 && !known(series));
        for series in left {
            let digest = series.label("sha256").unwrap_or_default();
            spot.warn(
                format!("the policy sha256:{digest}, which is not in the configuration, is still held"),
                "wait: connections that it has decided hold it until they end; if there are none, restart Envoy",
            );
        }
    }

    fn check_versions(&self, place: &dyn fmt::Display, checks: &mut Checks) {
        let mut versions: Vec<_> =
            self.named(IN_FORCE).filter_map(|series| series.label("version")).collect();
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

    /// How often a plugin that crashed was to be loaded again.
    fn reloads(&self) -> f64 {
        let ends = ["_vm_reload_success", "_vm_reload_failure", "_vm_reload_backoff"];
        ends.iter().flat_map(|end| self.named(end)).map(|series| series.value).sum()
    }

    fn check_crashes(&self, place: &dyn fmt::Display, checks: &mut Checks) {
        let reloads = self.reloads();
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

/// A digest without the name of its algorithm.
fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
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
        Metrics::read(TEXT).check(&[], Some(2), &"Envoy", &mut checks);
        let text = checks.to_string();
        assert!(
            text.contains("2 decisions with the reason wrong-source") && text.contains("7 allowed, 2 denied")
        );
    }

    #[test]
    fn a_policy_is_in_force_where_all_workers_and_the_main_thread_have_it() {
        let [wanted, before] = [b"wanted", b"before"].map(|text| Digest::of(text));
        let info = |digest: &Digest, count: u32| {
            format!("procgate_policy_info{{version=\"1\",sha256=\"{}\"}} {count}\n", hex(&digest.to_string()))
        };
        let found = |counts: [u32; 2], workers: Option<u32>, crashes: u32| {
            let text = info(&wanted, counts[0]) + &info(&before, counts[1]);
            let text = text + &format!("envoy_wasm_vm_reload_success{{}} {crashes}\n");
            let mut checks = Checks::default();
            Metrics::read(&text).check(&[wanted], workers, &"Envoy", &mut checks);
            let text = checks.to_string();
            let lines = text.lines().filter(|line| line.ends_with("[policy-in-force]"));
            lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found([3, 0], Some(2), 0), ["ok"]);
        assert_eq!(found([6, 0], Some(2), 0), ["ok"], "two uses");
        assert_eq!(found([0, 3], Some(2), 0), ["error", "warning"]);
        assert_eq!(found([2, 1], Some(2), 0), ["error", "warning"]);
        assert_eq!(found([1, 0], Some(2), 0), ["error"]);
        assert_eq!(found([5, 1], Some(2), 0), ["error", "warning"]);
        assert_eq!(found([3, 1], Some(2), 0), ["ok", "warning"], "a connection from before");
        assert_eq!(found([4, 2], Some(2), 1), ["warning"], "a crash makes counts too high");
        assert_eq!(found([2, 2], Some(2), 1), ["error"]);
        assert_eq!(found([3, 0], None, 0), ["warning"]);
    }
}
