//! What a rule asks for beside who connects where: ports, methods and paths.

use super::paths;
use crate::model::Rule;
use crate::pattern::PathPattern;
use crate::raw::Effect;

/// What is asked for; what is empty may be anything, and need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Asked {
    /// First and last of ranges, apart from each other and ascending.
    pub(super) ports: Vec<(u16, u16)>,
    /// Ascending.
    pub(super) methods: Vec<String>,
    pub(super) paths: Paths,
}

/// Paths of requests. Clear and unclear ones are never asked for together, so that the many rules that
/// deny different paths, and every unclear one, have but that one in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Paths {
    /// Any, and none.
    #[default]
    Any,
    /// Clear ones that match one of these, which ascend.
    Of(Vec<PathPattern>),
    /// Those that two readers could understand differently.
    Unclear,
}

impl Asked {
    /// What the rule asks for: either of these.
    pub(super) fn of(rule: &Rule) -> Vec<Self> {
        let ports = joined(rule.ports.iter().map(|range| (range.first(), range.last())).collect());
        let whole = Self { ports, methods: rule.methods.clone(), paths: Paths::Any };
        if rule.paths.is_empty() {
            return vec![whole];
        }
        let mut patterns = rule.paths.clone();
        patterns.sort_unstable();
        patterns.dedup();
        let clear = Self { paths: Paths::Of(patterns), ..whole.clone() };
        match rule.effect {
            Effect::Allow => vec![clear],
            Effect::Deny => vec![clear, Self { paths: Paths::Unclear, ..whole }],
        }
    }

    /// Whether only HTTP has what is asked for.
    pub(super) fn needs_http(&self) -> bool {
        !self.methods.is_empty() || self.paths != Paths::Any
    }

    /// Whether whoever asks for what both of these are asks for this, as far as each kind shows.
    pub(super) fn is_met_by(&self, one: &Self, other: &Self) -> bool {
        let ports = |asked: &Self| {
            let within = |(first, last): &(u16, u16)| {
                self.ports.iter().any(|(lowest, highest)| lowest <= first && last <= highest)
            };
            self.ports.is_empty() || (!asked.ports.is_empty() && asked.ports.iter().all(within))
        };
        let methods = |asked: &Self| {
            let within = |method| self.methods.contains(method);
            self.methods.is_empty() || (!asked.methods.is_empty() && asked.methods.iter().all(within))
        };
        let paths = |asked: &Self| self.paths.include(&asked.paths);
        (ports(one) || ports(other)) && (methods(one) || methods(other)) && (paths(one) || paths(other))
    }

    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let ports = meet_of_lists(&self.ports, &other.ports, |one, other| {
            let (first, last) = (one.0.max(other.0), one.1.min(other.1));
            (first <= last).then_some((first, last))
        })?;
        let methods =
            meet_of_lists(&self.methods, &other.methods, |one, other| (one == other).then(|| one.clone()))?;
        Some(Self { ports, methods, paths: self.paths.meet(&other.paths)? })
    }
}

impl Paths {
    /// The patterns, where there are some.
    pub(super) fn patterns(&self) -> &[PathPattern] {
        match self {
            Self::Of(patterns) => patterns,
            Self::Any | Self::Unclear => &[],
        }
    }

    /// The most segments of a pattern.
    pub(super) fn longest(&self) -> usize {
        self.patterns().iter().map(|path| path.segments().len()).max().unwrap_or_default()
    }

    /// Whether each of the others' patterns is covered by one of these.
    fn include(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (Self::Unclear, Self::Unclear) => true,
            (Self::Of(_), Self::Of(others)) => {
                others.iter().all(|other| self.patterns().iter().any(|pattern| pattern.covers(other)))
            }
            (Self::Of(_) | Self::Unclear, _) => false,
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, paths) | (paths, Self::Any) => Some(paths.clone()),
            (Self::Unclear, Self::Unclear) => Some(Self::Unclear),
            (Self::Of(one), Self::Of(other)) => meet_of_lists(one, other, paths::meet).map(Self::Of),
            (Self::Of(_), Self::Unclear) | (Self::Unclear, Self::Of(_)) => None,
        }
    }
}

/// The ranges ascending, those that touch made one.
pub(super) fn joined(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
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
