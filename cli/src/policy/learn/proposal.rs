//! What is proposed: processes, destinations and rules, each with its evidence.

use super::baseline::ends;
use super::evidence::{Evidence, Seen};
use super::flows::Flows;
use super::generalise::{self, Target};
use super::judge::Judge;
use super::merging::{Apart, alone, list};
use super::names::Names;
use super::paths::Place;
use super::programs::{Addition, Programs};
use super::review::Doubt;
use super::route::Route;
use super::rules;
use crate::failure::Problem;
use procgate_policy::{Policy, RawDestination, RawPolicy, RawProcess, RawRule, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// Something that is proposed, and why.
#[derive(Clone, Debug)]
pub(super) struct Proposed<T> {
    pub(super) item: T,
    pub(super) evidence: Evidence,
    /// How it goes beyond what was seen.
    pub(super) beyond: Vec<String>,
}

impl<T> Proposed<T> {
    /// Of which no log tells.
    pub(super) fn unseen(item: T) -> Self {
        Self { item, evidence: Evidence::default(), beyond: Vec::new() }
    }
}

/// A policy as it is, and what is to be added.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) base: RawPolicy,
    pub(super) additions: Vec<Proposed<Addition>>,
    pub(super) processes: Vec<Proposed<RawProcess>>,
    pub(super) destinations: Vec<RawDestination>,
    pub(super) rules: Vec<Proposed<RawRule>>,
}

impl Proposal {
    /// The policy with all that is proposed.
    pub(super) fn whole(&self) -> RawPolicy {
        let mut whole = self.base.clone();
        add(&mut whole, &self.additions);
        whole.processes.extend(self.processes.iter().map(|proposed| proposed.item.clone()));
        whole.destinations.extend(self.destinations.iter().cloned());
        whole.rules.extend(self.rules.iter().map(|proposed| proposed.item.clone()));
        whole
    }
}

fn add(policy: &mut RawPolicy, additions: &[Proposed<Addition>]) {
    for Addition { process, field, digest } in additions.iter().map(|proposed| &proposed.item) {
        if let Some(process) = policy.processes.get_mut(*process) {
            list(process, field).push(*digest);
        }
    }
}

/// One process's way to one target: what rules are made of.
pub(super) type Ways = BTreeMap<(String, Target), Way>;
/// What was asked at each port with each method. Of nearly all ways that is one, and a tree has room for eleven.
pub(super) type Way = BTreeMap<(Option<u16>, Option<String>), Box<Place>>;

/// Makes a proposal of what the speakers did that have a process. What the policy allows already, or
/// denies by a rule, is left alone: all that a folded path may stand for, and not a part of it.
pub(super) fn make(flows: &Flows, base: &RawPolicy, programs: &Programs) -> Result<Proposal, Problem> {
    let mut proposal = Proposal {
        base: base.clone(),
        additions: programs.additions.clone(),
        processes: programs.new.clone(),
        destinations: Vec::new(),
        rules: Vec::new(),
    };
    let policy = Policy::new(&proposal.whole()).map_err(Problem::new)?;
    let judge = Judge::under(&policy, flows)?;
    let (ways, hosts) = ways(flows, &programs.names, &judge);
    let named = destinations(&mut proposal, ways.keys().map(|(_, target)| target));
    rules::add(&mut proposal, &ways, &hosts, &named);
    let used: BTreeSet<&str> = ways.keys().map(|(process, _)| process.as_str()).collect();
    proposal.processes.retain(|proposed| used.contains(proposed.item.name.as_str()));
    tell_taken_in(&mut proposal, flows, programs);
    Ok(proposal)
}

/// Says where what is proposed is for something that is set apart, too, since nothing that its process lists tells that
/// from others.
fn tell_taken_in(proposal: &mut Proposal, flows: &Flows, programs: &Programs) {
    let apart = programs.doubted.iter().filter(|(_, doubt)| *doubt != Doubt::NoKey);
    let apart = Apart::of(apart.filter_map(|(executable, _)| alone(executable.speaker(flows)?)));
    let whole = proposal.whole().processes;
    let taking = whole.into_iter().filter(|process| apart.falls_into(process, &[]));
    let taking: BTreeSet<String> = taking.map(|process| process.name).collect();
    let told = |name: &str| taking.contains(name).then(|| format!("{name} takes in what is set apart"));
    for proposed in &mut proposal.additions {
        let process = proposal.base.processes.get(proposed.item.process);
        proposed.beyond.extend(process.and_then(|process| told(&process.name)));
    }
    for proposed in &mut proposal.processes {
        proposed.beyond.extend(told(&proposed.item.name));
    }
    for proposed in &mut proposal.rules {
        proposed.beyond.extend(ends(&proposed.item).and_then(|(process, _)| told(process)));
    }
}

/// The ways that need rules, and how many hosts or addresses each target was made from.
fn ways(
    flows: &Flows,
    names: &[Option<String>],
    judge: &Judge<'_>,
) -> (Ways, BTreeMap<(String, Target), usize>) {
    let mut kept: BTreeMap<&str, Vec<(&Route, Place)>> = BTreeMap::new();
    for route in &flows.routes {
        let Some(name) = names.get(route.speaker).and_then(Option::as_deref) else { continue };
        let mut place = Place::default();
        let mut any = false;
        route.paths.each(&mut Vec::new(), &mut |path, evidence| {
            if judge.says(route, path).partly(Reason::NoMatchingRule) {
                any = true;
                let seen = Seen::Before(evidence);
                match route.method {
                    Some(_) => place.add(path.iter().map(String::as_str), seen),
                    None => place.add_without_path(seen),
                };
            }
        });
        if any {
            kept.entry(name).or_default().push((route, place));
        }
    }
    let (mut ways, mut hosts) = (Ways::new(), BTreeMap::new());
    for (process, routes) in kept {
        let places = routes.iter().map(|(route, _)| route.whereto.clone()).collect();
        let targets = generalise::targets(&places);
        for target in targets.values() {
            let made_from = hosts.entry((process.to_owned(), target.clone())).or_insert(0_usize);
            *made_from = made_from.saturating_add(1);
        }
        for (route, place) in routes {
            let Some(target) = targets.get(&route.whereto) else { continue };
            let way = ways.entry((process.to_owned(), target.clone())).or_default();
            way.entry((route.port, route.method.clone())).or_default().take_in(&place);
        }
    }
    (ways, hosts)
}

/// The name of the destination of each target: one of the policy's that is this and no more, or a new one.
fn destinations<'t>(
    proposal: &mut Proposal,
    targets: impl Iterator<Item = &'t Target>,
) -> BTreeMap<Target, String> {
    let mut names = Names::taken(proposal.base.destinations.iter().map(|known| known.name.as_str()));
    let mut named = BTreeMap::new();
    for target in targets.collect::<BTreeSet<_>>() {
        let (hosts, cidrs) = match target {
            Target::Hosts(pattern) => (vec![pattern.clone()], Vec::new()),
            Target::Range(range) => (Vec::new(), vec![range.clone()]),
        };
        let same = |known: &&RawDestination| known.hosts == hosts && known.cidrs == cidrs;
        if let Some(known) = proposal.base.destinations.iter().find(same) {
            named.insert(target.clone(), known.name.clone());
            continue;
        }
        let name = match target {
            Target::Hosts(pattern) => {
                let host = pattern.trim_start_matches("*.");
                let first = host.split('.').next().unwrap_or(host);
                names.take(if host == pattern { first } else { host }, &[host])
            }
            Target::Range(range) => names.take(range, &[]),
        };
        named.insert(target.clone(), name.clone());
        proposal.destinations.push(RawDestination { name, hosts, cidrs, labels: Vec::new() });
    }
    named
}
