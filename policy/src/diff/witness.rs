//! A connection of one region that is in none of some others, or the certainty that there is none.
//!
//! A connection has no more than the region asks for: whatever else it had could only put it into more
//! of the others. What the region leaves a choice of is tried: of each condition, one value for each
//! way in which the others tell values apart.

use super::asked::{Paths, joined};
use super::destinations::{Classes, NOTHING};
use super::paths::samples;
use super::region::Region;
use super::set::Set;
use crate::pattern::{PathPattern, RequestPath};
use core::net::IpAddr;
use rustc_hash::FxHashSet;

/// Values that are tried for one question, each time with the number of regions it is held against: a
/// hundred times what the most entangled policy among generated ones takes.
const MAX_STEPS: usize = 4_000_000;

/// Where a connection goes and what it asks for, as classes and samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) host: u32,
    pub(super) address: u32,
    pub(super) port: Option<u16>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
}

/// The search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManySteps;

/// What values may be taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) addresses: &'a Classes<IpAddr>,
    /// A method that neither policy mentions.
    pub(super) method: &'a str,
    /// A segment that no path pattern has.
    pub(super) segment: &'a str,
}

/// Conditions in the order in which values are chosen for them.
#[derive(Clone, Copy, Debug)]
enum Condition {
    Host,
    Address,
    Port,
    Method,
    Path,
}

const CONDITIONS: [Condition; 5] =
    [Condition::Host, Condition::Address, Condition::Port, Condition::Method, Condition::Path];

/// Looks for a connection of `target`, whoever speaks, that is in none of `others`.
pub(super) fn find(
    target: &Region<'_>,
    others: Vec<&Region<'_>>,
    values: Values<'_>,
) -> Result<Option<Point>, TooManySteps> {
    if others.iter().any(|other| other.is_met_by(target, target)) {
        return Ok(None);
    }
    let mut search = Search { target, values, steps: 0 };
    search.choose(&CONDITIONS, others, Point::default())
}

struct Search<'s> {
    target: &'s Region<'s>,
    values: Values<'s>,
    steps: usize,
}

impl<'s> Search<'s> {
    /// Chooses values for these conditions so that none of the others is left.
    fn choose(
        &mut self,
        conditions: &[Condition],
        others: Vec<&'s Region<'s>>,
        point: Point,
    ) -> Result<Option<Point>, TooManySteps> {
        let Some((condition, rest)) = conditions.split_first() else {
            return Ok(others.is_empty().then_some(point));
        };
        let mut choices: Vec<(Vec<&'s Region<'s>>, Point)> = Vec::new();
        for point in self.points(*condition, &others, &point) {
            self.steps = self.steps.saturating_add(others.len()).saturating_add(1);
            if self.steps > MAX_STEPS {
                return Err(TooManySteps);
            }
            let left: Vec<_> =
                others.iter().copied().filter(|other| holds(*condition, other, &point)).collect();
            let free = left.is_empty();
            choices.push((left, point));
            if free {
                break;
            }
        }
        choices.sort_by_key(|(left, _)| left.len());
        let mut failed: Vec<Vec<&Region<'_>>> = Vec::new();
        for (left, point) in choices {
            // Whatever fails with some left fails with more left.
            if failed.iter().any(|failed| is_part(failed, &left)) {
                continue;
            }
            if let Some(found) = self.choose(rest, left.clone(), point)? {
                return Ok(Some(found));
            }
            failed.push(left);
        }
        Ok(None)
    }

    /// The point with each value that may make a difference to the others.
    fn points(&self, condition: Condition, others: &[&Region<'_>], point: &Point) -> Vec<Point> {
        let (with_address, http) = (self.target.needs_address(), self.target.needs_http());
        let asked = &self.target.asked;
        match condition {
            Condition::Host => {
                let hosts = self.target.hosts.listed().unwrap_or(&[NOTHING]).iter().copied();
                let hosts = free_or_all(hosts, others.iter().map(|other| &other.hosts)).into_iter();
                hosts.map(|host| Point { host, ..point.clone() }).collect()
            }
            Condition::Address if with_address => {
                self.addresses(others).into_iter().map(|address| Point { address, ..point.clone() }).collect()
            }
            Condition::Port if with_address => {
                let ports = ports(&asked.ports, others).into_iter();
                ports.map(|port| Point { port: Some(port), ..point.clone() }).collect()
            }
            Condition::Method if http => {
                let fresh = [self.values.method.to_owned()];
                let methods = if asked.methods.is_empty() { &fresh[..] } else { &asked.methods };
                methods.iter().map(|method| Point { method: Some(method.clone()), ..point.clone() }).collect()
            }
            Condition::Path if http => self
                .paths(others)
                .into_iter()
                .map(|path| Point { path: Some(path), ..point.clone() })
                .collect(),
            Condition::Address | Condition::Port | Condition::Method | Condition::Path => vec![point.clone()],
        }
    }

    fn addresses(&self, others: &[&Region<'_>]) -> Vec<u32> {
        let sets = others.iter().map(|other| &other.addresses);
        match self.target.addresses.listed() {
            Some(listed) => free_or_all(listed.iter().copied(), sets),
            None => free_or_all(self.values.addresses.all(), sets),
        }
    }

    fn paths(&self, others: &[&Region<'_>]) -> Vec<String> {
        let longest = others.iter().map(|other| other.asked.paths.longest()).max().unwrap_or_default();
        let segment = self.values.segment;
        let clear = |pattern: &PathPattern| samples(pattern, segment, longest);
        let unclear = format!("/{segment}/../{segment}");
        match &self.target.asked.paths {
            Paths::Any => clear(&PathPattern::new(Vec::new(), true)).into_iter().chain([unclear]).collect(),
            Paths::Of(patterns) => patterns.iter().flat_map(clear).collect(),
            Paths::Unclear => vec![unclear],
        }
    }
}

/// Whether the other region's condition holds too.
fn holds(condition: Condition, other: &Region<'_>, point: &Point) -> bool {
    let asked = &other.asked;
    match condition {
        Condition::Host => other.hosts.contains(point.host),
        Condition::Address => other.addresses.contains(point.address),
        Condition::Port => {
            let within = |port| asked.ports.iter().any(|(first, last)| (*first..=*last).contains(&port));
            asked.ports.is_empty() || point.port.is_some_and(within)
        }
        Condition::Method => {
            asked.methods.is_empty()
                || point.method.as_ref().is_some_and(|method| asked.methods.contains(method))
        }
        Condition::Path => path_holds(&asked.paths, point.path.as_deref()),
    }
}

fn path_holds(paths: &Paths, path: Option<&str>) -> bool {
    let path = path.map(RequestPath::parse);
    match paths {
        Paths::Any => true,
        Paths::Of(patterns) => path.is_some_and(|path| patterns.iter().any(|pattern| pattern.matches(&path))),
        Paths::Unclear => path == Some(RequestPath::Unclear),
    }
}

/// One of these classes that no set lists, if there is one: whoever it is in is everywhere. Else all.
fn free_or_all<'s>(
    classes: impl Iterator<Item = u32> + Clone,
    sets: impl Iterator<Item = &'s Set>,
) -> Vec<u32> {
    let named: FxHashSet<u32> = sets.filter_map(Set::listed).flatten().copied().collect();
    let free = classes.clone().find(|class| !named.contains(class));
    free.map_or_else(|| classes.collect(), |class| vec![class])
}

/// A port that no other names, if these ranges have one; else one for each way in which the others'
/// ranges cut these. Without ranges, all ports.
fn ports(ranges: &[(u16, u16)], others: &[&Region<'_>]) -> Vec<u16> {
    let all = [(1, u16::MAX)];
    let ranges = if ranges.is_empty() { &all[..] } else { ranges };
    let named: Vec<(u16, u16)> = others.iter().flat_map(|other| &other.asked.ports).copied().collect();
    let cuts = named.iter().flat_map(|(first, last)| [Some(*first), last.checked_add(1)]).flatten();
    let mut cuts: Vec<u16> = cuts.chain(ranges.iter().map(|(first, _)| *first)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let within = |ranges: &[(u16, u16)], port: u16| {
        let above = ranges.partition_point(|(first, _)| *first <= port);
        above.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| port <= *last)
    };
    cuts.retain(|port| within(ranges, *port));
    let named = joined(named);
    let free = cuts.iter().copied().find(|port| !within(&named, *port));
    free.map_or(cuts, |port| vec![port])
}

/// Whether all of `few`, which are in the order of `many`, are among `many`.
fn is_part(few: &[&Region<'_>], many: &[&Region<'_>]) -> bool {
    let mut many = many.iter();
    few.iter().all(|wanted| many.any(|other| core::ptr::eq(*wanted, *other)))
}
