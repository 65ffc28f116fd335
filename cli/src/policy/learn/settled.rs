//! How settled the picture is: whether somebody can decide to enforce.

use super::evidence::{DAY, Evidence, hour};
use super::flows::Flows;
use super::judge::Judge;
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
    /// Full hours since a flow was seen for the first time.
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
    /// Of those, of flows that had been seen before this day.
    known_before: u64,
    without_identity: u64,
}

pub(super) fn of(flows: &Flows, judge: &Judge<'_>) -> Settled {
    let end = flows.all.last;
    let since = hour(end).saturating_sub(DAY.saturating_sub(1));
    let mut last_day = LastDay { connections: flows.all.since(since), ..LastDay::default() };
    let mut newest = UnixNanos(0);
    let mut number = 0_usize;
    let known = |evidence: &Evidence| hour(evidence.first) < since;
    for route in &flows.routes {
        route.paths.each(&mut Vec::new(), &mut |path, evidence| {
            number = number.saturating_add(1);
            newest = newest.max(evidence.first);
            if judge.finding(route, path).is_some_and(|finding| finding.reason == Reason::Allowed) {
                let count = evidence.since(since);
                last_day.covered = last_day.covered.saturating_add(count);
                if known(evidence) {
                    last_day.known_before = last_day.known_before.saturating_add(count);
                }
            }
        });
    }
    let without = flows.unverified.values().map(|evidence| evidence.since(since));
    last_day.without_identity = without.fold(0, u64::saturating_add);
    let (pods, pods_estimated) = flows.all.pods();
    let time = |time: UnixNanos| (flows.all.count > 0).then(|| clock::format(time.seconds()));
    Settled {
        connections: flows.all.count,
        first: time(flows.all.first),
        last: time(end),
        pods,
        pods_estimated,
        flows: number,
        hours_without_new_flow: if number == 0 { 0 } else { hour(end).saturating_sub(hour(newest)) },
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
        writeln!(out, "{} flows, no new one for {} hours", self.flows, self.hours_without_new_flow)?;
        let LastDay { connections, covered, known_before, without_identity } = &self.last_day;
        let (covers, knew) = (Share(*covered, *connections), Share(*known_before, *connections));
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
