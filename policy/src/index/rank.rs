//! The order in which rules win: denies first, then from the most to the least specific, then as
//! they stand in the document. It depends on the rules alone, so it is known before any connection.

use crate::model::{Rule, Selector, Source};
use crate::pattern::Segment;
use crate::raw::Effect;
use core::cmp::Reverse;

/// A rule's place in that order; the least of those that match decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rank(u32);

impl Rank {
    /// Behind every rule: no rule.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// The rank of this place in the order.
    pub(crate) fn new(place: usize) -> Self {
        u32::try_from(place).map_or(Self::NONE, Self)
    }

    /// The place in the order; nothing for [`Rank::NONE`].
    pub(crate) fn place(self) -> Option<usize> {
        if self == Self::NONE { None } else { usize::try_from(self.0).ok() }
    }
}

/// What is compared, from the most to the least important; the lesser one wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Specificity {
    effect: Effect,
    from: Reverse<(bool, Conditions)>,
    to: Reverse<Conditions>,
    ports: u32,
    methods: usize,
    paths: Reverse<Option<(usize, usize, bool)>>,
}

/// Named at all, how many labels, `same`.
type Conditions = (bool, usize, bool);

/// How specific a rule is: a process named before labels before `same` before anybody recognised
/// before anybody; likewise for destinations; then fewer ports, fewer methods, longer paths.
pub(crate) fn specificity(rule: &Rule) -> Specificity {
    let from = match &rule.from {
        Source::Anyone => (false, conditions(&Selector::default())),
        Source::Unidentified => (true, conditions(&Selector::default())),
        Source::Process(selector) => (true, conditions(selector)),
    };
    let count = |ports: u32, range: &crate::pattern::PortRange| {
        let size = u32::from(range.last().saturating_sub(range.first())).saturating_add(1);
        ports.saturating_add(size)
    };
    Specificity {
        effect: rule.effect,
        from: Reverse(from),
        to: Reverse(conditions(&rule.to)),
        ports: if rule.ports.is_empty() { u32::MAX } else { rule.ports.iter().fold(0, count) },
        methods: if rule.methods.is_empty() { usize::MAX } else { rule.methods.len() },
        // Of several patterns the widest counts.
        paths: Reverse(
            rule.paths
                .iter()
                .map(|path| {
                    let exact =
                        path.segments().iter().filter(|segment| matches!(segment, Segment::Exact(_))).count();
                    (exact, path.segments().len(), !path.has_tail())
                })
                .min(),
        ),
    }
}

fn conditions(selector: &Selector) -> Conditions {
    (!selector.names.is_empty(), selector.labels.len(), selector.same.is_some())
}

/// Places of the rules in the document, the winning ones first.
pub(super) fn ranked(rules: &[Rule]) -> Vec<usize> {
    let mut places: Vec<(Specificity, usize)> =
        rules.iter().enumerate().map(|(place, rule)| (specificity(rule), place)).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}
