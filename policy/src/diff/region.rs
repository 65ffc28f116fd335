//! Connections that a rule matches, as conditions that are independent of each other.

use super::paths;
use super::set::Set;
use crate::pattern::{PathPattern, Segment};
use procgate_identity::MAX_LABELS;
use std::rc::Rc;

/// Connections that meet a condition of each kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Region<'p> {
    pub(super) who: Who,
    /// Labels that the identity must have, by name.
    pub(super) labels: Rc<[(&'p str, &'p str)]>,
    pub(super) hosts: Set,
    /// Never the class of nothing, where they are not all.
    pub(super) addresses: Set,
    pub(super) asked: Rc<Asked>,
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    /// Whoever shows no identity.
    pub(super) nobody: bool,
    /// Classes of identities, all of them recognised by the rule's policy.
    pub(super) recognised: Set,
}

/// What is asked for; what is empty may be anything, and need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// First and last of ranges, apart from each other and ascending.
    pub(super) ports: Vec<(u16, u16)>,
    /// Ascending.
    pub(super) methods: Vec<String>,
    /// Ascending.
    pub(super) paths: Vec<PathPattern>,
    /// With paths: whether an unclear one will do too.
    pub(super) unclear: bool,
}

impl<'p> Region<'p> {
    /// Every connection.
    pub(super) fn everything() -> Self {
        Self {
            who: Who { nobody: true, recognised: Set::All },
            labels: Rc::default(),
            hosts: Set::All,
            addresses: Set::All,
            asked: Rc::default(),
        }
    }

    /// The connections in both; nothing where there are none.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let hosts = self.hosts.meet(&other.hosts)?;
        let addresses = self.addresses.meet(&other.addresses)?;
        let who = Who {
            nobody: self.who.nobody && other.who.nobody,
            recognised: self.who.recognised.meet(&other.who.recognised).unwrap_or(Set::of(Vec::new())),
        };
        let labels = self.labels_with(other)?;
        let asked = if *other.asked == Asked::default() {
            Rc::clone(&self.asked)
        } else if *self.asked == Asked::default() {
            Rc::clone(&other.asked)
        } else {
            self.asked.meet(&other.asked)?.into()
        };
        Some(Self { who, labels, hosts, addresses, asked })
    }

    /// The labels of both, where no name has two values and one identity can hold them.
    fn labels_with(&self, other: &Self) -> Option<Rc<[(&'p str, &'p str)]>> {
        if other.labels.is_empty() {
            return Some(Rc::clone(&self.labels));
        }
        let mut labels: Vec<_> = self.labels.iter().chain(&*other.labels).copied().collect();
        labels.sort_unstable();
        labels.dedup();
        let contradicts = labels.array_windows().any(|[(name, _), (next, _)]| name == next);
        (!contradicts && labels.len() <= MAX_LABELS).then(|| labels.into())
    }

    /// Whether a connection needs an address to be in here, and with it a port.
    pub(super) fn needs_address(&self) -> bool {
        self.addresses.listed().is_some() || !self.asked.ports.is_empty()
    }

    /// Whether a connection must be HTTP to be in here.
    pub(super) fn needs_http(&self) -> bool {
        self.asked.needs_http()
    }

    /// Whether a connection that is in `target` and has nothing that it need not have may be in here:
    /// if not, here is nothing that would stand in the way of all connections of `target`.
    pub(super) fn may_hold_back(&self, target: &Self) -> bool {
        let asks = &self.asked;
        self.labels.iter().all(|label| target.labels.contains(label))
            && (self.hosts.listed().is_none()
                || (target.hosts.listed().is_some() && self.hosts.overlaps(&target.hosts)))
            && (!self.needs_address()
                || (target.needs_address() && self.addresses.overlaps(&target.addresses)))
            && (!asks.needs_http() || target.needs_http())
    }
}

impl Asked {
    /// Whether only HTTP has what is asked for.
    pub(super) fn needs_http(&self) -> bool {
        !self.methods.is_empty() || !self.paths.is_empty()
    }

    /// The most segments of a path.
    pub(super) fn longest_path(&self) -> usize {
        self.paths.iter().map(|path| path.segments().len()).max().unwrap_or_default()
    }

    /// Texts that stand for themselves in paths.
    pub(super) fn path_words(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().flat_map(PathPattern::segments).filter_map(|segment| match segment {
            Segment::Exact(text) => Some(text.as_str()),
            Segment::One => None,
        })
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        let ports = meet_of_lists(&self.ports, &other.ports, |one, other| {
            let (first, last) = (one.0.max(other.0), one.1.min(other.1));
            (first <= last).then_some((first, last))
        })?;
        let methods =
            meet_of_lists(&self.methods, &other.methods, |one, other| (one == other).then(|| one.clone()))?;
        let unclear = match (self.paths.is_empty(), other.paths.is_empty()) {
            (true, _) => other.unclear,
            (_, true) => self.unclear,
            (false, false) => self.unclear && other.unclear,
        };
        let paths = match meet_of_lists(&self.paths, &other.paths, paths::meet) {
            None if unclear => return Some(Self { ports, methods, paths: unclear_only(), unclear }),
            paths => paths?,
        };
        Some(Self { ports, methods, paths, unclear })
    }
}

/// Patterns that no clear path matches, for where an unclear one alone will do: none are left, and an
/// empty list would stand for any.
fn unclear_only() -> Vec<PathPattern> {
    vec![PathPattern::new(vec![Segment::Exact("..".into())], false)]
}

/// What each pair has in common; an empty list stands for anything. Nothing where that is nothing.
fn meet_of_lists<T: Clone + Ord>(
    one: &[T],
    other: &[T],
    meet: impl Fn(&T, &T) -> Option<T>,
) -> Option<Vec<T>> {
    if one.is_empty() || other.is_empty() {
        return Some(if one.is_empty() { other.to_vec() } else { one.to_vec() });
    }
    let mut met: Vec<T> =
        one.iter().flat_map(|one| other.iter().filter_map(|other| meet(one, other))).collect();
    met.sort_unstable();
    met.dedup();
    (!met.is_empty()).then_some(met)
}
