//! Identities, sorted into classes that both policies recognise alike.

use super::Entangled;
use super::both::Both;
use super::places::{self, Place};
use crate::fresh::fresh;
use crate::index::ProcessIndex;
use crate::model::Process;
use crate::policy::Policy;
use crate::reason::Reason;
use core::net::{Ipv4Addr, SocketAddr};
use procgate_identity::{
    Claims, Digest, Labels, Lifetime, MAX_NAME, Serial, Subject, TOKEN_LIFE_SECONDS, TrustDomain, UnixNanos,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// What a policy makes of an identity: the processes it is, or why it is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Recognition {
    As(Vec<u32>),
    Not(Reason),
}

/// Identities that either policy recognises alike; their labels are another matter.
#[derive(Debug)]
pub(super) struct SourceClass {
    /// One of them.
    pub(super) claims: Claims,
    pub(super) recognised: Both<Recognition>,
}

/// Every class that can tell the policies apart.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) classes: Vec<SourceClass>,
    known: FxHashSet<Both<Recognition>>,
}

impl Sources {
    /// Classes of all identities, those whom both policies recognise first.
    pub(super) fn of(policies: Both<&Policy>) -> Result<Self, Entangled> {
        let members = policies.map(|policy| policy.model().processes());
        let indices = policies.map(|policy| &policy.index().processes);
        let survey = Survey { members, indices, names: Names::of(policies) };
        let mut sources = Self::default();
        survey.by_executable(&mut sources)?;
        survey.by_path(&mut sources)?;
        sources.classes.sort_by_key(|class| !class.recognised_by_both());
        Ok(sources)
    }

    fn add(&mut self, indices: Both<&ProcessIndex>, claims: Claims) {
        let recognised = indices.map(|index| match index.identify(&claims) {
            Ok(processes) => Recognition::As(processes),
            Err(unrecognised) => Recognition::Not(unrecognised.reason()),
        });
        let refused =
            matches!(recognised.before, Recognition::Not(_)) && recognised.before == recognised.after;
        if !refused && self.known.insert(recognised.clone()) {
            self.classes.push(SourceClass { claims, recognised });
        }
    }
}

impl SourceClass {
    pub(super) fn recognised_by_both(&self) -> bool {
        matches!((&self.recognised.before, &self.recognised.after), (Recognition::As(_), Recognition::As(_)))
    }
}

/// Both policies' processes, looked through for what tells identities apart.
struct Survey<'p> {
    members: Both<&'p [Process]>,
    indices: Both<&'p ProcessIndex>,
    names: Names,
}

impl<'p> Survey<'p> {
    /// Identities whose executable some process has.
    fn by_executable(&self, sources: &mut Sources) -> Result<(), Entangled> {
        let mut by_exe: BTreeMap<Digest, Both<Vec<&'p Process>>> = BTreeMap::new();
        for (exe, process) in self.members.before.iter().flat_map(of_each_exe) {
            by_exe.entry(exe).or_default().before.push(process);
        }
        for (exe, process) in self.members.after.iter().flat_map(of_each_exe) {
            by_exe.entry(exe).or_default().after.push(process);
        }
        for (exe, owners) in by_exe {
            let all: Vec<&Process> = owners.before.iter().chain(&owners.after).copied().collect();
            for place in meets(&all)? {
                let here: Vec<&Process> = all
                    .iter()
                    .copied()
                    .filter(|process| places::covers(places::of(process), place))
                    .collect();
                // Where a policy does not know the executable, what lies at the path decides.
                let strangers = [(&owners.before, self.members.before), (&owners.after, self.members.after)];
                let mut homes = vec![(place, None)];
                for (_, others) in strangers.into_iter().filter(|(owners, _)| owners.is_empty()) {
                    homes.extend(neighbour(&all, place, others));
                }
                self.with_pins(sources, exe, &here, &homes);
            }
        }
        Ok(())
    }

    /// Each way to meet the pins of the processes here.
    fn with_pins(
        &self,
        sources: &mut Sources,
        exe: Digest,
        here: &[&Process],
        homes: &[(Place<'_>, Option<&str>)],
    ) {
        for code in told_apart(here, |process| &process.code) {
            for script in told_apart(here, |process| &process.script) {
                for (place, path) in homes {
                    let claims = self.names.claims(exe, *place, *path);
                    let pinned = claims.map(|claims| Claims { code, script, ..claims });
                    pinned.into_iter().for_each(|claims| sources.add(self.indices, claims));
                }
            }
        }
    }

    /// Identities whose executable no process has: only a known path tells them apart.
    fn by_path(&self, sources: &mut Sources) -> Result<(), Entangled> {
        let mut by_path: BTreeMap<&str, Vec<&Process>> = BTreeMap::new();
        for process in self.members.before.iter().chain(self.members.after) {
            by_path.entry(process.path.as_deref().unwrap_or_default()).or_default().push(process);
        }
        by_path.retain(|path, _| (1..=MAX_NAME).contains(&path.len()));
        for (path, owners) in by_path {
            for place in meets(&owners)? {
                let claims = self.names.claims(self.names.exe, place, Some(path));
                claims.into_iter().for_each(|claims| sources.add(self.indices, claims));
            }
        }
        Ok(())
    }
}

fn of_each_exe(process: &Process) -> impl Iterator<Item = (Digest, &Process)> {
    process.exe.iter().map(move |exe| (*exe, process))
}

fn meets<'p>(processes: &[&'p Process]) -> Result<Vec<Place<'p>>, Entangled> {
    places::meets(processes.iter().map(|process| places::of(process))).ok_or(Entangled::Places)
}

/// The same place, as far as these owners of an executable go, at a path where another process is.
fn neighbour<'p>(
    owners: &[&'p Process],
    place: Place<'p>,
    others: &'p [Process],
) -> Option<(Place<'p>, Option<&'p str>)> {
    let at = |place| owners.iter().map(move |owner| places::covers(places::of(owner), place));
    others.iter().find_map(|other| {
        let path = other.path.as_deref().filter(|path| path.len() <= MAX_NAME)?;
        let meeting = places::meet(place, places::of(other))?;
        at(place).eq(at(meeting)).then_some((meeting, Some(path)))
    })
}

/// Digests that different ones of these processes pin, one for each such group, and none.
fn told_apart(here: &[&Process], pins: fn(&Process) -> &Vec<Digest>) -> Vec<Option<Digest>> {
    let mut groups: FxHashMap<Vec<bool>, Digest> = FxHashMap::default();
    let pinned: FxHashSet<Digest> = here.iter().flat_map(|process| pins(process)).copied().collect();
    for digest in pinned {
        let group = here.iter().map(|process| pins(process).contains(&digest)).collect();
        let kept = groups.entry(group).or_insert(digest);
        *kept = digest.min(*kept);
    }
    let mut digests: Vec<Option<Digest>> = groups.into_values().map(Some).collect();
    digests.push(None);
    digests.sort_unstable();
    digests
}

/// Names that neither policy mentions, for whatever may be anything.
struct Names {
    domain: TrustDomain,
    place: [String; 3],
    exe: Digest,
}

impl Names {
    /// Of a place that some key may sign for, where there is one, so that an example can be tried.
    fn of(policies: Both<&Policy>) -> Self {
        let keys = policies.after.model().keys();
        let scope = keys.first().map(|key| key.scope.to_string()).unwrap_or_default();
        let words: Vec<&str> = scope.split('/').collect();
        let processes =
            || policies.before.model().processes().iter().chain(policies.after.model().processes());
        let name = |word: &str, kind: &str, part: fn(&Process) -> &Option<String>| {
            let taken: FxHashSet<&str> = processes().filter_map(|process| part(process).as_deref()).collect();
            let scoped = words.array_windows().find_map(|[word, name]| (*word == kind).then_some(*name));
            let scoped = scoped.filter(|name| !name.is_empty() && !taken.contains(name));
            scoped.map_or_else(|| fresh(word, |name| taken.contains(name)), String::from)
        };
        Self {
            domain: policies.after.model().trust_domain().clone(),
            place: [
                name("container", "container", |process| &process.container),
                name("namespace", "ns", |process| &process.namespace),
                name("account", "sa", |process| &process.service_account),
            ],
            exe: Digest::of(b"an executable that is on no list"),
        }
    }

    /// The claims of a process at this place; nothing where no subject can be so long.
    fn claims(&self, exe: Digest, place: Place<'_>, path: Option<&str>) -> Option<Claims> {
        let [container, namespace, account] = &self.place;
        let [at_container, at_namespace, at_account] = place;
        let subject = Subject::in_pod(
            &self.domain,
            at_namespace.unwrap_or(namespace),
            at_account.unwrap_or(account),
            at_container.unwrap_or(container),
        );
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Some(Claims {
            subject: subject.ok()?,
            lifetime: Lifetime::starting(UnixNanos(0), TOKEN_LIFE_SECONDS),
            serial: Serial(0),
            exe,
            code: None,
            stray: None,
            script: None,
            name: path.unwrap_or_default().into(),
            labels: Labels::default(),
            source: nowhere,
            destination: nowhere,
        })
    }
}
