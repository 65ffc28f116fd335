//! How settled the picture is: whether somebody can decide to enforce.

use super::evidence::{DAY, hour};
use super::flows::Flows;
use super::judge::Judge;
use super::review::Bar;
use crate::clock;
use core::fmt;
use procgate_identity::UnixNanos;
use procgate_policy::Reason;
use serde::Serialize;

/// What the last day says about the days before it.
#[derive(Debug, Serialize)]
pub(super) struct Settled {
    connections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    pods: u64,
    pods_estimated: bool,
    flows: usize,
    /// Hours of which there are records, and all from the first to the last.
    hours: u64,
    hours_in_all: u64,
    /// Hours with records since the one in which a flow had been seen as often as is no longer rare.
    hours_without_new_flow: u64,
    last_day: LastDay,
    /// Whether the logs begin before the last day.
    covers_more_than_a_day: bool,
}

/// The connections of the last 24 hours of the logs.
#[derive(Debug, Default, Serialize)]
struct LastDay {
    connections: u64,
    /// Of those, that the proposal would allow.
    covered: u64,
    /// Of those, that a proposal would allow which is made of all that came before this day.
    covered_a_day_earlier: u64,
    without_identity: u64,
}

/// The hour in which the last day of the logs begins.
pub(super) fn last_day(flows: &Flows) -> u64 {
    hour(flows.all.last).saturating_sub(DAY.saturating_sub(1))
}

/// How settled it is under what is proposed, and would have been under what the days before `since` propose.
pub(super) fn of(flows: &Flows, since: u64, bar: Bar, judge: &Judge<'_>, earlier: &Judge<'_>) -> Settled {
    let end = flows.all.last;
    let mut last_day = LastDay { connections: flows.all.since(since), ..LastDay::default() };
    let mut newest = 0;
    let mut number = 0_usize;
    for route in &flows.routes {
        route.paths.each(&mut Vec::new(), &mut |path, evidence| {
            number = number.saturating_add(1);
            newest = newest.max(evidence.known_since(bar.rare.max(1)));
            let count = evidence.since(since);
            let allows = |judge: &Judge<'_>| count > 0 && judge.says(route, path).only(Reason::Allowed);
            for (sum, judge) in
                [(&mut last_day.covered, judge), (&mut last_day.covered_a_day_earlier, earlier)]
            {
                *sum = sum.saturating_add(if allows(judge) { count } else { 0 });
            }
        });
    }
    let without = flows.unverified.values().map(|evidence| evidence.since(since));
    last_day.without_identity = without.fold(0, u64::saturating_add);
    let (pods, pods_estimated) = flows.all.pods();
    let hours_in_all = hour(end).saturating_sub(hour(flows.all.first)).saturating_add(1);
    let time = |time: UnixNanos| (flows.all.count > 0).then(|| clock::format(time.seconds()));
    Settled {
        connections: flows.all.count,
        first: time(flows.all.first),
        last: time(end),
        pods,
        pods_estimated,
        flows: number,
        hours: flows.covered.count(),
        hours_in_all: if flows.all.count == 0 { 0 } else { hours_in_all },
        hours_without_new_flow: if number == 0 { 0 } else { flows.covered.count_after(newest) },
        last_day,
        covers_more_than_a_day: hour(flows.all.first) < since,
    }
}

impl fmt::Display for Settled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(first), Some(last)) = (&self.first, &self.last) else {
            return writeln!(out, "nothing was seen");
        };
        let about = if self.pods_estimated { "about " } else { "" };
        let many = if self.pods == 1 { "pod" } else { "pods" };
        writeln!(
            out,
            "{} connections from {about}{} {many}, {first} to {last}",
            self.connections, self.pods
        )?;
        let Self { hours, hours_in_all, .. } = self;
        if hours < hours_in_all {
            writeln!(out, "{hours} of these {hours_in_all} hours have records, and only those count")?;
        }
        writeln!(out, "{} flows, no new one for {} hours", self.flows, self.hours_without_new_flow)?;
        let LastDay { connections, covered, covered_a_day_earlier, without_identity } = &self.last_day;
        let (covers, knew) = (Share(*covered, *connections), Share(*covered_a_day_earlier, *connections));
        writeln!(out, "of the last day's {connections} connections the proposal covers {covers}")?;
        if self.covers_more_than_a_day {
            writeln!(out, "a proposal made a day earlier would have covered {knew} of them")?;
        } else {
            writeln!(out, "the logs do not reach back further than that day: nothing to compare it with")?;
        }
        if *without_identity > 0 {
            writeln!(
                out,
                "{without_identity} of them showed no identity that verified: nothing is proposed for those"
            )?;
        }
        Ok(())
    }
}

/// So many of so many, in per cent, rounded down: 100 is all.
struct Share(u64, u64);

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = u128::from(self.0).saturating_mul(1_000).checked_div(u128::from(self.1)).unwrap_or(0);
        write!(out, "{}.{} %", tenths / 10, tenths % 10)
    }
}
