//! A running Envoy, asked through its admin interface.

mod admin;
mod metrics;
pub(super) mod shim;

use super::checks::Checks;
use super::sources::Sources;
use super::tree::Tree;
use crate::clock;
use crate::failure::Problem;
use admin::Admin;
use core::fmt;
use metrics::Metrics;
use procgate_identity::{CLOCK_SKEW_SECONDS, Digest, UnixNanos};

/// Seconds that two clocks may differ by without a word: the answer's date has whole seconds.
const CLOCK_TOLERANCE: u64 = 2;

/// What Envoy said of itself, to be compared with its configuration.
#[derive(Debug)]
pub(super) struct Answers {
    place: String,
    stats: String,
    /// Threads that judge, if Envoy says how many.
    workers: Option<u32>,
}

/// Asks an Envoy for everything: gives its configuration, and what else it said.
pub(super) fn ask(address: &str, checks: &mut Checks) -> Result<(Sources, Answers), Problem> {
    let admin = Admin::at(address);
    let place = format!("Envoy at {address}");
    let info = admin.json("/server_info")?;
    check_server(Tree::from(&info), &place, checks);
    let before = clock::now();
    let stats = admin.get("/stats/prometheus")?;
    if let Some(theirs) = stats.date {
        check_clocks(theirs, before, clock::now(), &place, checks);
    }
    let dump = admin.json("/config_dump")?;
    let stats = String::from_utf8_lossy(&stats.body).into_owned();
    let workers = Tree::from(&info).at("command_line_options.concurrency").number();
    let workers = workers.and_then(|workers| u32::try_from(workers).ok());
    Ok((Sources::whole(dump), Answers { place, stats, workers }))
}

impl Answers {
    /// Compares them with the policies of the configuration.
    pub(super) fn check(&self, digests: &[Digest], checks: &mut Checks) {
        Metrics::read(&self.stats).check(digests, self.workers, &self.place, checks);
    }
}

fn check_server(info: Tree<'_>, place: &dyn fmt::Display, checks: &mut Checks) {
    const ID: &str = "server";
    let state = info.get("state").name();
    // "<commit>/1.40.0/Clean/RELEASE/BoringSSL"
    let version = info.get("version").name().split('/').nth(1).unwrap_or("of an unknown version");
    if state == "LIVE" {
        checks.ok(ID, place, format!("Envoy {version} serves"));
    } else {
        let next = "wait until it has its configuration, or see in its log what it waits for";
        checks.error(ID, place, format!("Envoy {version} does not serve: its state is {state}"), next);
    }
}

/// Tokens are made by the shim's clock and checked by Envoy's.
fn check_clocks(
    theirs: UnixNanos,
    before: UnixNanos,
    after: UnixNanos,
    place: &dyn fmt::Display,
    checks: &mut Checks,
) {
    const ID: &str = "clocks";
    let theirs = theirs.seconds().0;
    let early = before.seconds().0.saturating_sub(theirs);
    let late = theirs.saturating_sub(after.seconds().0);
    let difference = early.max(late);
    let what = format!("its clock and the one here differ by {difference} s");
    if difference <= CLOCK_TOLERANCE {
        checks.ok(ID, place, "its clock and the one here agree");
    } else if difference <= CLOCK_SKEW_SECONDS {
        checks.warn(ID, place, what, "keep clocks in step (NTP): tokens bear 10 s");
    } else {
        checks.error(ID, place, what, "set the clocks (NTP): tokens that a shim here mints are refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procgate_identity::UnixSeconds;

    #[test]
    fn clocks_are_judged_by_what_tokens_bear() {
        let here = UnixSeconds(1_795_442_400).nanos();
        for (theirs, level) in
            [(0, "ok"), (2, "ok"), (-2, "ok"), (9, "warning"), (-9, "warning"), (11, "error"), (-60, "error")]
        {
            let mut checks = Checks::default();
            let theirs = UnixSeconds(1_795_442_400_u64.checked_add_signed(theirs).unwrap()).nanos();
            check_clocks(theirs, here, here, &"Envoy", &mut checks);
            assert!(checks.to_string().starts_with(level), "{checks}");
        }
    }
}
