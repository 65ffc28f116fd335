//! What has to happen to a connection before the plugin sees it: the listener and its filters.

mod filters;
mod hand_off;
mod preface;
mod source;
mod waiting;

use super::chain::{Coverage, leads_nowhere, uncovered};
use super::checks::{Checks, Level};
use super::envoy::{Chain, Configuration, Direction, Listener};
use super::http;
use super::tree::Tree;
use filters::Filters;

/// What a log line with the record has in its format.
const RECORD: &str = "wasm.procgate";

/// A listener with all that matters of it here.
#[derive(Debug)]
struct Parts<'c, 'a> {
    configuration: &'c Configuration<'a>,
    listener: Listener<'a>,
    filters: Filters<'a>,
    chains: Vec<Chain<'a>>,
    /// What each of the chains has of the plugin.
    coverages: Vec<Coverage<'a>>,
}

/// Looks at a listener and everything in it.
pub(super) fn check(configuration: &Configuration<'_>, listener: Listener<'_>, checks: &mut Checks) {
    let chains = listener.chains();
    let coverages = chains.iter().map(|chain| Coverage::of(configuration, chain)).collect();
    let filters = Filters::of(configuration, listener);
    Parts { configuration, listener, filters, chains, coverages }.check(checks);
}

/// Whether a listener takes prefaces off.
pub(super) fn reads_prefaces(configuration: &Configuration<'_>, listener: Listener<'_>) -> bool {
    Filters::of(configuration, listener).proxy_protocol().is_some()
}

impl Parts<'_, '_> {
    fn check(&self, checks: &mut Checks) {
        self.check_hand_off(checks);
        if self.chains.is_empty() {
            self.check_without_chains(checks);
        }
        if self.coverages.iter().any(Coverage::is_there) {
            self.check_direction(checks);
            self.check_source(checks);
            self.check_preface(checks);
            self.check_order(checks);
            self.check_waiting(checks);
            self.check_redirect(checks);
        }
        if self.coverages.iter().any(Coverage::waits_for_bytes) {
            self.check_first_bytes(checks);
        }
        for (chain, coverage) in self.chains.iter().zip(&self.coverages) {
            coverage.check(self.listener, chain, checks);
            coverage.plugins().for_each(|plugin| plugin.check(chain, checks));
            if coverage.network.is_some() {
                check_log(self.listener.0.get("access_log"), &self.listener, checks);
            }
            if let Some((_, manager)) = coverage.http {
                check_log(manager.get("access_log"), chain, checks);
                http::check(manager, chain, checks);
                http::check_rewriting(&coverage.rewriting, chain, checks);
                http::check_peer(self.listener.direction(), chain.tree, chain, checks);
            }
        }
    }

    /// Datagrams go where listener filters send them, and an API listener takes requests from its own program: there is
    /// no filter chain that could have the plugin.
    fn check_without_chains(&self, checks: &mut Checks) {
        let listener = self.listener.0;
        let takes_datagrams = listener.at("address.socket_address.protocol").is("UDP", 1);
        if (takes_datagrams && !self.filters.is_empty()) || listener.get("api_listener").exists() {
            let next = "the plugin sees no datagrams: take the listener out, or let no program reach it";
            uncovered(self.listener.direction(), &self.listener, next, checks);
        } else {
            leads_nowhere(&self.listener, checks);
        }
    }

    fn check_direction(&self, checks: &mut Checks) {
        let mut at = checks.at("direction", self.listener);
        match self.listener.direction() {
            Direction::Unspecified => at.warn(
                "says not which way its traffic goes, and the plugin takes it for outbound",
                "set traffic_direction: OUTBOUND, or INBOUND at the receiver",
            ),
            Direction::Outbound => at.ok("outbound: the sender's end"),
            Direction::Inbound => at.ok("inbound: the receiver's end"),
        }
    }
}

fn check_log(log: Tree<'_>, place: &dyn core::fmt::Display, checks: &mut Checks) {
    let mut whole = log.items().filter(|entry| entry.mentions(RECORD));
    let is_whole = whole.any(|entry| !entry.get("filter").exists());
    let next =
        format!("add %FILTER_STATE({RECORD}:PLAIN)% to the format of its access log, without a filter");
    let faults = [
        (!is_whole && log.mentions(RECORD), "the access log has the record of some decisions only", &next),
        (!is_whole, "the access log does not have the records of decisions", &next),
    ];
    checks.at("access-log", place).first(
        Level::Warning,
        faults,
        "the access log has the record of each decision",
    );
}
